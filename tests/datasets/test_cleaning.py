"""Cleaning of motion capture: clean motion passes, glitches do not, bones keep their length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stride_nb.datasets import cleaning
from stride_nb.errors import InputError

REST = (
    np.array(
        [
            [0, 95, 0],
            [-9, 93, 0],
            [-11, 50, 0],
            [-12, 8, -3],
            [9, 93, 0],
            [11, 50, 0],
            [12, 8, -3],
            [0, 106, 0],
            [0, 128, 0],
            [0, 144, 2],
            [0, 158, 0],
            [18, 128, 0],
            [20, 100, 0],
            [21, 73, 3],
            [-18, 128, 0],
            [-20, 100, 0],
            [-21, 73, 3],
        ]
    )
    / 100
)  # metres, standing


def motion(seconds: np.ndarray) -> np.ndarray:
    """A standing person who sways, walks off and swings the arms, as a function of time, (T, 17,
    3)."""
    joints = np.tile(REST, (len(seconds), 1, 1))
    joints += np.stack([0.1 * np.sin(2 * seconds), 0.02 * np.cos(5 * seconds), 1.2 * seconds], -1)[
        :, None
    ]
    for elbow, wrist, shoulder, sign in ((12, 13, 11, 1), (15, 16, 14, -1)):
        a = 0.5 * sign * np.sin(2 * np.pi * seconds)
        for j in (elbow, wrist):
            arm = REST[j] - REST[shoulder]
            joints[:, j] += np.stack(
                [
                    0 * a,
                    arm[1] * (np.cos(a) - 1) + arm[2] * np.sin(a),
                    -arm[1] * np.sin(a) + arm[2] * (np.cos(a) - 1),
                ],
                -1,
            )
    return joints


@pytest.mark.parametrize("fps", [50, 60, 120])
def test_clean_motion_passes_whole_at_50_frames_a_second(fps):
    [found] = cleaning.clean_motion(motion(np.arange(3 * fps + 1) / fps), fps)
    expected = motion(np.arange(151) / 50)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-3  # metres, the ends included
    assert np.abs(found - expected)[10:-10].max() < 1e-4


def test_noise_above_the_cutoff_goes_and_bones_come_out_with_their_source_length():
    seconds = np.arange(361) / 120
    noise = (
        0.002
        * np.sin(2 * np.pi * 45 * seconds)[:, None, None]
        * np.random.default_rng(0).normal(size=(1, 17, 3))
    )
    [found] = cleaning.clean_motion(motion(seconds) + noise, 120)
    assert np.abs(found - motion(np.arange(151) / 50))[10:-10].max() < 0.1 * np.abs(noise).max()
    for j, p in cleaning.RIGID_BONES:
        length = np.linalg.norm(found[:, j] - found[:, p], axis=-1)
        assert np.ptp(length) < 1e-12 and length[0] == pytest.approx(
            np.linalg.norm(REST[j] - REST[p]), abs=2e-3
        )


def spike(x):
    x[300, 13, 0] += 0.05


def teleport(x):
    x[300:] += [0, 0, 0.5]


def thrown(x):
    x[400:, 16] += [0, 0.3, 0]


def folded(x):
    x[300, :] = x[300, :1] + (x[300] - x[300, :1]) * 0.6


def shaken(x):
    x[298:303:2, 2, 0] += [0.05, -0.05, 0.05]


@pytest.mark.parametrize(
    ("damage", "first", "last"),
    [
        (spike, 300, 300),
        (teleport, 299, 300),
        (thrown, 399, 400),
        (folded, 300, 300),
        (shaken, 298, 302),
    ],
)
def test_a_glitch_is_cut_out_with_its_surroundings(damage, first, last):
    joints = motion(np.arange(601) / 120)
    assert not cleaning.find_glitches(joints, 120).any()
    damage(joints)
    bad = cleaning.find_glitches(joints, 120)
    assert bad[first : last + 1].all() and not bad[: first - 4].any() and not bad[last + 5 :].any()
    before, after = cleaning.clean_motion(joints, 120)
    assert np.abs(before - motion(np.arange(len(before)) / 50)).max() < 1e-3
    start = np.flatnonzero(bad)[-1] + cleaning.GLITCH_PADDING + 1
    after_truth = motion(start / 120 + np.arange(len(after)) / 50)
    shift = after[0, 1] - after_truth[0, 1]
    assert np.abs(after - after_truth - shift).mean(axis=(0, 2))[:13].max() < 1e-3


def test_what_is_too_short_gives_nothing_and_too_slow_is_refused():
    for frames in (1, 2, 5, 12, 119):
        assert cleaning.clean_motion(motion(np.arange(frames) / 120), 120) == []
    with pytest.raises(InputError, match="fps: expected at least 50, found 30"):
        cleaning.clean_motion(motion(np.arange(90) / 30), 30)


@given(
    arrays(bool, st.integers(1, 400), elements=st.integers(0, 60).map(bool)), st.integers(20, 60)
)
@settings(max_examples=30, deadline=None)
def test_pieces_are_long_apart_and_leave_nothing_usable(good, fps):
    found = cleaning.split_at_glitches(good, fps)
    far = np.array(
        [
            good[max(t - cleaning.GLITCH_PADDING, 0) : t + cleaning.GLITCH_PADDING + 1].all()
            for t in range(len(good))
        ]
    )
    covered = np.zeros(len(good), bool)
    for a, b in found:
        assert (
            b - a >= fps
            and far[a:b].all()
            and not far[a - 1 : a].any()
            and not far[b : b + 1].any()
        )
        covered[a:b] = True
    runs = np.split(far & ~covered, np.flatnonzero(np.diff(far & ~covered)) + 1)
    assert all(len(run) < fps for run in runs if run[0])
