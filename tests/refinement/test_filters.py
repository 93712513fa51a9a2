"""Baselines: what is seen stays, what is missing is filled sensibly, noise is smoothed, nothing
depends on the fps."""

import inspect
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import tune_filters
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import accel_error_mps2, mpjpe_mm
from stride_nb.poses import gap_filling
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import get_skeleton
from stride_nb.refinement import filters as b

fast = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)
every = pytest.mark.parametrize("name", list(b.BASELINES))
MILD = {
    "gaussian": {"sigma": 0.04},
    "savgol": {"window": 0.3, "order": 2},
    "one_euro": {"min_cutoff": 3.0},
    # what is asserted of a filter does not hang on how it is tuned
    "rts": {"accel": 3.0, "power": 0.5},
}
filters = pytest.mark.parametrize("name", ["gaussian", "savgol", "one_euro", "rts"])


def run(name, sequence, **parameters):
    return b.BASELINES[name](sequence, **MILD.get(name, {}) | parameters)


def walker(frames=150, fps=50.0, noise=0.0, seed=0):
    """A body that walks along x at 1.2 m/s and swings its joints slowly; camera-like offsets."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None] / fps
    pose, swing = rng.uniform(-0.8, 0.8, (17, 3)), rng.uniform(-0.1, 0.1, (17, 3))
    x = pose + swing * np.sin(2 * np.pi * 0.5 * t + rng.uniform(0, 6, (17, 1)))
    x -= x[:, :1]
    x = x + np.array([1.2, 0, 0]) * t + (0, 0, 4)
    return x, PoseSequence(x + rng.normal(0, noise, x.shape), fps=fps)


def holed(sequence, seed, share=0.3):
    rng = np.random.default_rng(seed)
    shape = sequence.confidence.shape
    confidence = np.where(rng.random(shape) < share, 0, rng.uniform(0.5, 1, shape))
    confidence[rng.integers(len(sequence)), 0] = 0.9  # not a person never seen
    return sequence.replace(confidence=confidence)


def test_the_names_that_the_benchmark_asks_for():
    assert list(b.BASELINES) == ["hold", "linear", "gaussian", "savgol", "one_euro", "rts"]
    for function in b.BASELINES.values():
        defaults = {
            k: p.default
            for k, p in inspect.signature(function).parameters.items()
            if k != "sequence"
        }
        assert defaults.keys() == function.grid.keys()
        assert all(defaults[k] in function.grid[k] for k in defaults)


@every
@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(1, 40), st.floats(0, 1))
def test_everything_finite_whatever_is_missing(name, seed, frames, share):
    sequence = holed(walker(frames)[1], seed, share)
    found = b.BASELINES[name](sequence)
    assert found.joints.shape == sequence.joints.shape and np.isfinite(found.joints).all()
    assert found.fps == sequence.fps and not found.missing.any()
    assert (
        (found.confidence == gap_filling.FILLED_CONFIDENCE)
        | (found.confidence == sequence.confidence)
    ).all()
    assert (found.confidence[sequence.missing] == gap_filling.FILLED_CONFIDENCE).all()


@fast
@given(seeds, st.sampled_from(["hold", "linear"]))
def test_filling_leaves_what_is_seen(seed, how):
    sequence = holed(walker(noise=0.02)[1], seed)
    found = gap_filling.fill_gaps(sequence, 0.0, how)
    np.testing.assert_allclose(
        found.joints[~sequence.missing], sequence.joints[~sequence.missing], atol=1e-12
    )


@every
def test_no_gap_and_no_noise_is_left_alone(name):
    truth, sequence = walker()
    error = mpjpe_mm(run(name, sequence).joints, truth)
    assert error < {"one_euro": 60, "hold": 1e-9, "linear": 1e-9}.get(name, 12)  # One-Euro lags


def test_another_way_to_fill_is_refused():
    with pytest.raises(InputError, match="fill: how: expected linear or hold, found 'spline'"):
        gap_filling.fill_gaps(PoseSequence(np.zeros((3, 17, 3))), how="spline")


def test_linear_fill_is_straight_inside_and_held_at_the_ends():
    joints = np.zeros((8, 17, 3))
    joints[:, 5, 1] = [9, 9, 0, 9, 9, 6, 7, 9]
    confidence = np.ones((8, 17))
    confidence[[0, 1, 3, 4, 7], 5] = 0
    sequence = PoseSequence(joints, confidence)
    np.testing.assert_allclose(b.linear(sequence).joints[:, 5, 1], [0, 0, 0, 2, 4, 6, 7, 7])
    np.testing.assert_allclose(b.hold(sequence).joints[:, 5, 1], [0, 0, 0, 0, 0, 6, 7, 7])


@every
def test_a_hidden_joint_is_not_left_behind_by_a_person_who_walks(name):
    truth, sequence = walker(frames=200)
    confidence = np.ones((200, 17))
    confidence[60:140, 13] = 0  # one wrist, for 1.6 s, in which the person walks 1.9 m
    confidence[150:, 16] = 0  # the other, to the end
    found = run(name, sequence.replace(confidence=confidence)).joints
    hidden = confidence == 0
    assert mpjpe_mm(found, truth, hidden) < 500  # its own swing is below 0.4 m
    assert np.abs(found[:, :, 0] - truth[:, :, 0]).max() < 0.6


@every
def test_a_hidden_pelvis_follows_the_joints_in_view(name):
    truth, _ = walker(frames=200)
    truth = truth[:, :1] + (truth - truth[:, :1])[:1]  # stiff, so that the offsets are exact
    truth[:, :, 2] += np.sin(np.arange(200) / 20)[:, None]  # not a straight path
    confidence = np.ones((200, 17))
    confidence[50:150, 0] = 0
    found = run(name, PoseSequence(truth, confidence)).joints
    bound = {"hold": 1e-9, "linear": 1e-9, "one_euro": 0.2}.get(name, 0.1)
    assert np.abs(found[:, 0] - truth[:, 0])[:, 1:].max() < bound


@every
def test_a_pelvis_that_is_a_guess_is_read_all_the_same(name):
    truth, sequence = walker(frames=100)
    confidence = np.ones((100, 17))
    confidence[30:60, 0] = 0.05
    given = PoseSequence(truth, confidence)
    np.testing.assert_allclose(
        run(name, given).joints, run(name, sequence).joints, atol=0.02 if name == "rts" else 1e-9
    )


@every
def test_joint_sets_whose_parents_come_later_are_filled_too(name):
    rng = np.random.default_rng(0)
    joints, confidence = rng.normal(0, 0.3, (20, 26, 3)) + np.array((0, 0, 4)), np.ones((20, 26))
    skeleton = get_skeleton("halpe26")
    confidence[
        :,
        [
            j
            for j, joint in enumerate(skeleton.joints)
            if not joint.endswith(("hip", "knee", "ankle"))
        ],
    ] = 0
    assert np.isfinite(run(name, PoseSequence(joints, confidence, skeleton="halpe26")).joints).all()


@every
def test_confidence_below_the_threshold_counts_as_missing(name):
    truth, _ = walker()
    joints, confidence = truth.copy(), np.full((150, 17), 0.9)
    joints[70:80, 6] += 3.0
    confidence[70:80, 6] = 0.25
    wild = PoseSequence(joints, confidence)
    trusting = mpjpe_mm(run(name, wild, threshold=0.2).joints, truth)
    wary = mpjpe_mm(run(name, wild, threshold=0.3).joints, truth)
    assert wary < trusting - 3
    # A threshold that leaves a joint nothing is not applied to it.
    low = PoseSequence(truth, np.full((150, 17), 0.1))
    assert mpjpe_mm(run(name, low, threshold=0.5).joints, truth) < 80


@filters
def test_filters_take_noise_away(name):
    truth, sequence = walker(frames=300, noise=0.03)
    still = truth[:1].repeat(300, 0)
    raw = PoseSequence(still + np.random.default_rng(1).normal(0, 0.03, still.shape))
    for x, y in ((sequence, truth), (raw, still)):
        found = run(name, x).joints
        assert accel_error_mps2(found, y, 50) < 0.5 * accel_error_mps2(x.joints, y, 50)
    assert mpjpe_mm(found, still) < 0.8 * mpjpe_mm(raw.joints, still)


@filters
def test_the_same_motion_at_twice_the_rate_is_filtered_alike(name):
    slow, quick = (
        run(name, walker(frames, fps)[1]).joints for frames, fps in ((150, 50.0), (299, 100.0))
    )
    assert mpjpe_mm(quick[::2][10:-10], slow[10:-10]) < 8


def test_one_euro_is_the_published_recursion():
    rng = np.random.default_rng(0)
    x = np.zeros((40, 17, 3))
    x[:, 3, 1] = np.cumsum(rng.normal(0, 0.1, 40))
    fps, min_cutoff, beta, d_cutoff = 50.0, 1.0, 0.7, 1.0
    alpha = lambda cutoff: 1 / (1 + (1 / (2 * np.pi * cutoff)) * fps)
    expected, speed = [x[0, 3, 1]], 0.0
    for before, now in zip(x[:-1, 3, 1], x[1:, 3, 1]):
        speed = alpha(d_cutoff) * (now - before) * fps + (1 - alpha(d_cutoff)) * speed
        a = alpha(min_cutoff + beta * abs(speed))
        expected.append(a * now + (1 - a) * expected[-1])
    found = b.one_euro(PoseSequence(x), 0.0, min_cutoff, beta).joints[:, 3, 1]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_rts_is_the_least_squares_answer():
    """The smoother's mean minimises measurement plus motion cost: compare with the normal
    equations."""
    rng = np.random.default_rng(0)
    T, dt, accel, noise = 12, 1 / 50, 5.0, 0.05
    y = rng.normal(0, 0.3, T)
    confidence = rng.uniform(0.3, 1, T)
    step = np.array([[1, dt], [0, 1]])
    drive = accel**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    A = np.zeros((2 * T, 2 * T))
    A[:2, :2] = np.eye(2) / 1e2
    rhs = np.zeros(2 * T)
    rhs[0] = y[0] / 1e2
    for t in range(T):
        A[2 * t, 2 * t] += confidence[t] / noise**2
        rhs[2 * t] += y[t] * confidence[t] / noise**2
        if t:
            F = np.hstack([-step, np.eye(2)])
            A[2 * t - 2 : 2 * t + 2, 2 * t - 2 : 2 * t + 2] += F.T @ np.linalg.inv(drive) @ F
    expected = np.linalg.solve(A, rhs)[::2]
    x, c = np.zeros((T, 17, 3)), np.ones((T, 17))
    x[:, 4, 2], c[:, 4] = y, confidence
    found = b.rts(PoseSequence(x, c), 0.0, accel, 1.0).joints[:, 4, 2]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@every
def test_never_seen_joints_go_to_their_parent_and_a_pelvis_into_the_middle(name):
    truth, sequence = walker(frames=30)
    confidence = np.ones((30, 17))
    confidence[:, [12, 13]] = 0
    found = run(name, sequence.replace(confidence=confidence)).joints
    # by confidence
    np.testing.assert_allclose(found[:, 13], found[:, 11], atol=0.05 if name == "rts" else 1e-9)
    confidence[:, 0] = 0
    found = run(name, sequence.replace(confidence=confidence)).joints
    middle = truth[:, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16]].mean(1)
    assert np.isfinite(found).all() and np.abs(found[:, 0] - middle).max() < 0.2


@every
def test_one_frame_and_nobody(name):
    truth, sequence = walker(frames=1)
    np.testing.assert_allclose(run(name, sequence).joints, truth, atol=1e-9)
    with pytest.raises(InputError, match="at least one joint seen"):
        run(name, PoseSequence(np.full((4, 17, 3), np.nan), name="nobody"))


@pytest.mark.parametrize(
    "name, option, value",
    [
        ("hold", "threshold", np.nan),
        ("linear", "threshold", 1.5),
        ("gaussian", "sigma", 0),
        ("gaussian", "sigma", -1),
        ("gaussian", "sigma", np.nan),
        ("gaussian", "sigma", "wide"),
        ("savgol", "window", np.nan),
        ("savgol", "window", np.inf),
        ("savgol", "order", -1),
        ("savgol", "order", 1.5),
        ("one_euro", "min_cutoff", 0),
        ("one_euro", "beta", np.nan),
        ("rts", "accel", 0),
        ("rts", "accel", 1e9),
        ("rts", "power", np.nan),
        ("rts", "power", None),
    ],
)
def test_impossible_options_are_named(name, option, value):
    before = list(b.BASELINES[name].grid).index(option)
    for call in (((), {option: value}), ((*(1,) * before, value), {})):
        with pytest.raises(
            InputError, match=f"{name}: {option}: expected .*found {value!r}".replace("+", r"\+")
        ):
            b.BASELINES[name](walker(9)[1], *call[0], **call[1])


@every
@pytest.mark.parametrize("frames, fps", [(1, 24.0), (90, 120.0)])
def test_options_at_the_ends_of_their_ranges_leave_everything_finite(name, frames, fps):
    sequence = holed(walker(frames, fps)[1], 0)
    for values in product(*(b.PARAMETER_LIMITS[option] for option in b.BASELINES[name].grid)):
        assert np.isfinite(b.BASELINES[name](sequence, *values).joints).all(), values


def test_tune_finds_the_best_of_the_grid_and_shows_all():
    truths, sequences = zip(*(walker(noise=0.04, seed=s) for s in range(2)))
    visibles = [np.arange(17) != 13 + np.zeros((150, 1))] * 2
    sequences = [s.replace(confidence=np.where(v, 0.9, 0.0)) for s, v in zip(sequences, visibles)]
    sequences[0] = sequences[0].replace(
        confidence=np.where(np.arange(150)[:, None] < 75, 1, sequences[0].confidence)
    )
    best, table = tune_filters.tune("gaussian", sequences, truths, visibles)
    assert len(table) == len(b.THRESHOLDS) * len(b.gaussian.grid["sigma"])
    score = {tuple(r[k] for k in best): r["mpjpe_hidden"] + r["mpjpe_visible"] for r in table}
    assert score[tuple(best.values())] == min(score.values())
    assert best["sigma"] > min(b.gaussian.grid["sigma"])  # with this noise, smoothing pays
    with pytest.raises(InputError, match="hidden and visible"):
        tune_filters.tune("hold", sequences, truths, [np.ones((150, 17), bool)] * 2)
    with pytest.raises(InputError, match="method: expected one of hold"):
        tune_filters.tune("held", sequences, truths, visibles)
