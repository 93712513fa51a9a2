"""What is trusted, how far away it is, and what stands in for the rest: each against a plain loop
over frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb.poses.interpolation import (
    fill_linear,
    find_neighbours,
    find_repeated_frames,
    gap_seconds,
)

masks = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0, 1))
fast = settings(max_examples=40, deadline=None)


def drawn(case, lead=()):
    seed, frames, share = case
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*lead, frames, 5, 3)), rng.random((*lead, frames, 5)) < share


@fast
@given(masks)
def test_neighbours_by_brute_force(case):
    _, trusted = drawn(case)
    before, after = find_neighbours(trusted)
    for t, j in np.ndindex(trusted.shape):
        seen = np.flatnonzero(trusted[:, j])
        assert before[t, j] == max(seen[seen <= t], default=-1)
        assert after[t, j] == min(seen[seen >= t], default=len(trusted))


@fast
@given(masks)
def test_filling_is_numpys_interpolation(case):
    points, trusted = drawn(case)
    found = fill_linear(points, trusted)
    for j in range(points.shape[1]):
        seen = np.flatnonzero(trusted[:, j])
        for c in range(3):
            expected = (
                np.interp(np.arange(len(points)), seen, points[seen, j, c])
                if len(seen)
                else np.zeros(len(points))
            )
            np.testing.assert_allclose(found[:, j, c], expected, atol=1e-12)


@fast
@given(masks)
def test_what_is_not_trusted_is_not_looked_at(case):
    points, trusted = drawn(case)
    poisoned = np.where(trusted[..., None], points, np.nan)
    np.testing.assert_array_equal(fill_linear(poisoned, trusted), fill_linear(points, trusted))
    np.testing.assert_array_equal(fill_linear(points, trusted)[trusted], points[trusted])


@fast
@given(masks)
def test_a_batch_is_filled_like_its_parts(case):
    points, trusted = drawn(case, lead=(2, 3))
    filled, gaps = fill_linear(points, trusted), gap_seconds(trusted, 25)
    for i in np.ndindex(2, 3):
        np.testing.assert_array_equal(filled[i], fill_linear(points[i], trusted[i]))
        np.testing.assert_array_equal(gaps[i], gap_seconds(trusted[i], 25))


@fast
@given(masks, st.sampled_from([24, 29.97, 50, 120]), st.sampled_from([0.1, 4.0]))
def test_gaps_by_brute_force(case, fps, longest):
    _, trusted = drawn(case)
    found = gap_seconds(trusted, fps, longest)
    for t, j in np.ndindex(trusted.shape):
        nearest = min(np.abs(np.flatnonzero(trusted[:, j]) - t), default=np.inf)
        assert found[t, j] == pytest.approx(min(nearest / fps, longest))


@fast
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_repeated_frames_are_held_unless_somebody_stands_still(runs, seed):
    points = np.repeat(np.random.default_rng(seed).normal(size=(len(runs), 5, 3)), runs, 0)
    trusted = np.ones(points.shape[:2], bool)
    # 11 repeats last 0.25 s at 44 fps
    expected = np.concatenate([(np.arange(n) > 0) & (n <= 12) for n in runs])
    np.testing.assert_array_equal(find_repeated_frames(points, trusted, 44)[:, 0], expected)
    two = find_repeated_frames(np.stack([points, points]), np.stack([trusted, trusted]), 44)
    np.testing.assert_array_equal(two[1], find_repeated_frames(points, trusted, 44))


def test_trusted_joints_alone_say_whether_a_frame_repeats():
    points, trusted = np.zeros((5, 5, 3)), np.ones((5, 5), bool)
    points[2:, 3, 0] = 0.001
    assert find_repeated_frames(points, trusted, 50)[:, 0].tolist() == [
        False,
        True,
        False,
        True,
        True,
    ]
    points[3, 2], trusted[3, 2] = np.nan, False  # one is missing: the others stay where they are
    assert find_repeated_frames(points, trusted, 50)[:, 0].tolist() == [
        False,
        True,
        False,
        True,
        True,
    ]
    trusted[3] = False  # nobody to tell by
    assert find_repeated_frames(points, trusted, 50)[:, 0].tolist() == [
        False,
        True,
        False,
        False,
        False,
    ]
