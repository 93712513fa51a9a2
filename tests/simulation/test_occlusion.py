"""Regimes hide what they say they hide: shares, lengths, limbs, and what stands behind a box."""

from itertools import pairwise

import numpy as np
import pytest

from stride_nb.datasets.simulation.occlusion import REGIMES, draw_hidden_spans, occlude
from stride_nb.errors import InputError
from stride_nb.poses.geometry import is_behind_box
from stride_nb.poses.skeleton import H36M17, HALVES, LIMBS

NAMES = ["none", "flicker", "limb", "half", "block", "whole_0.5s", "whole_1s", "whole_2s"]
every = pytest.mark.parametrize("name", NAMES)


def person(frames=243, seed=0):
    """Joints (T, 17, 3) of somebody who walks about, 4 m before the camera."""
    rng = np.random.default_rng(seed)
    pose = rng.uniform((-0.4, -0.9, -0.3), (0.4, 0.9, 0.3), (17, 3))
    t = np.arange(frames)[:, None, None] / 50
    return (
        pose
        + 0.1 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6, (17, 3)))
        + (0, 0, 4)
        + t * (0.1, 0, 0)
    )


def hide(name, frames=243, fps=50, seed=0):
    return ~occlude(name, person(frames, seed), fps, np.random.default_rng(seed))


def runs(hidden):
    """(first, end) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.astype(int), [0]])))
    return list(zip(edges[::2], edges[1::2]))


@pytest.mark.parametrize("fps", [0.5, 1, 2, 5, 12.5, 50, 200])
def test_flicker_hides_a_seventh_at_any_rate(fps):
    assert hide("flicker", 3000, fps).mean() == pytest.approx(1 / 7, abs=0.06)


def test_the_names_that_the_benchmark_asks_for():
    assert list(REGIMES) == NAMES
    with pytest.raises(
        InputError, match=r"regime: expected one of none, flicker, .*whole_2s, found 'legs'"
    ):
        occlude("legs", person(), 50, np.random.default_rng(0))


@every
def test_seeded(name):
    first, second, other = (
        occlude(name, person(), 50, np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert first.dtype == bool and first.shape == (243, 17)
    np.testing.assert_array_equal(first, second)
    assert name == "none" or (first != other).any()


@every
@pytest.mark.parametrize("frames", [1, 2, 3, 25])
@pytest.mark.parametrize("fps", [1, 24, 29.97, 120])
def test_short_clips_and_other_rates(name, frames, fps):
    for seed in range(5):
        assert hide(name, frames, fps, seed).shape == (frames, 17)


def test_none_hides_nothing():
    assert not hide("none").any()


@every
def test_every_other_regime_hides_something_but_never_all(name):
    shares = [hide(name, seed=s).mean() for s in range(20)]
    assert max(shares) < 0.6 and (min(shares) > 0) == (name != "none")


def test_flicker_hides_single_joints_briefly():
    hidden = np.concatenate([hide("flicker", 2000, seed=s) for s in range(5)])
    assert 0.13 < hidden.mean() < 0.17  # about a seventh
    together = np.corrcoef(hidden.T)[~np.eye(17, dtype=bool)]
    assert np.abs(together).max() < 0.1  # joints vanish one by one
    lengths = [b - a for j in range(17) for a, b in runs(hidden[:1990, j]) if b < 1990]
    assert min(lengths) >= 0.04 * 50 and np.median(lengths) <= 0.3 * 50


@pytest.mark.parametrize("frames, fps", [(243, 50), (500, 50), (243, 25), (122, 29.97), (600, 120)])
def test_spans_are_as_long_and_cover_as_much_as_stated(frames, fps):
    for seed in range(200):
        spans = draw_hidden_spans(frames, fps, np.random.default_rng(seed))
        lengths = np.array([b - a for a, b in spans])
        assert 0.3 * frames - 0.5 <= lengths.sum() <= 0.5 * frames + 0.5
        assert lengths.min() >= 0.5 * fps and lengths.max() <= 2 * fps + 0.5, (seed, spans)
        assert spans[0][0] >= 0 and spans[-1][1] <= frames
        assert all(b < c for (_, b), (c, _) in pairwise(spans)), (
            "spans that touch are one longer span"
        )


def test_a_clip_too_short_for_a_span_has_one_of_its_share():
    for seed in range(50):
        ((a, b),) = draw_hidden_spans(40, 50, np.random.default_rng(seed))
        assert 12 <= b - a <= 20


def test_spans_may_lie_anywhere():
    covered = np.zeros(243)
    for seed in range(500):
        for a, b in draw_hidden_spans(243, 50, np.random.default_rng(seed)):
            covered[a:b] += 1
    assert covered.min() > 0 and covered[80:160].min() > 150  # the ends too, if seldom


@pytest.mark.parametrize("name, groups", [("limb", LIMBS), ("half", HALVES)])
def test_limbs_and_halves_come_whole(name, groups):
    met = set()
    for seed in range(30):
        hidden = hide(name, seed=seed)
        assert 0.3 * 243 - 0.5 <= hidden.any(1).sum() <= 0.5 * 243 + 0.5
        for frame in hidden[hidden.any(1)]:
            met |= {
                group
                for group, joints in groups.items()
                if set(joints) == set(np.flatnonzero(frame))
            }
            assert any(set(joints) == set(np.flatnonzero(frame)) for joints in groups.values())
    assert met == set(groups)


def test_limbs_are_what_they_are_called():
    assert [H36M17.joints[j] for j in LIMBS["left arm"]] == ["lshoulder", "lelbow", "lwrist"]
    assert [H36M17.joints[j] for j in LIMBS["right leg"]] == ["rhip", "rknee", "rankle"]
    mirror = H36M17.mirror
    assert {mirror[j] for j in HALVES["left side"]} == set(HALVES["right side"])


@pytest.mark.parametrize(
    "name, seconds", [("whole_0.5s", 0.5), ("whole_1s", 1.0), ("whole_2s", 2.0)]
)
@pytest.mark.parametrize("fps", [24, 29.97, 50, 120])
def test_whole_hides_all_once_for_so_long(name, seconds, fps):
    for seed in range(20):
        hidden = hide(name, round(4 * fps), fps, seed)
        np.testing.assert_array_equal(hidden.any(1), hidden.all(1))
        ((a, b),) = runs(hidden.all(1))
        assert b - a == round(seconds * fps) and a > 0 and b < len(hidden)


def between(points, centre, half_size, yaw, steps=1001):
    """The same question by walking along every ray: is any of its points within the box?"""
    along = np.linspace(0, 1, steps)[:, None]
    c, s = np.cos(yaw), np.sin(yaw)
    axes = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])  # rows: where the box's own axes point
    return np.array(
        [(np.abs((along * p - centre) @ axes.T) <= half_size).all(1).any() for p in points]
    )


def test_behind_a_box_by_walking_along_rays():
    hidden = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points = rng.uniform((-1.5, -1.5, 1), (1.5, 1.5, 5), (40, 3))
        centre, half = rng.uniform((-0.5, -0.5, 1), (0.5, 0.5, 4)), rng.uniform(0.1, 0.9, 3)
        yaw = rng.uniform(-np.pi, np.pi)
        found = is_behind_box(points, centre, half, yaw)
        loose = between(points, centre, half * 1.01, yaw)
        tight = between(points, centre, half * 0.99, yaw)
        assert (tight <= found).all() and (found <= loose).all()
        hidden.append(found.mean())
    assert 0.1 < np.mean(hidden) < 0.9


def test_a_box_beyond_or_beside_hides_nothing():
    point = np.array([[0.0, 0.0, 3.0]])
    size = np.full(3, 0.2)
    assert is_behind_box(point, np.array([0, 0, 2.0]), size, 0.3).all()
    assert is_behind_box(point, np.array([0, 0, 3.0]), size, 0.3).all()  # within it
    assert not is_behind_box(point, np.array([0, 0, 3.5]), size, 0.3).any()
    assert not is_behind_box(point, np.array([0, 0, -2.0]), size, 0.3).any()  # behind the camera
    assert not is_behind_box(point, np.array([0.6, 0, 2.0]), size, 0.3).any()


def test_a_block_hides_a_tenth_to_a_half():
    shares = [hide("block", seed=s).mean() for s in range(40)]
    assert min(shares) >= 0.1 and max(shares) <= 0.5
