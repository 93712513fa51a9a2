"""Simulated estimators: how large, how slow and how honest their errors are."""

import numpy as np
import pytest

from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise, occlusion
from stride_nb.datasets.simulation.estimator_noise import (
    NOISE_MODELS,
    SEEN,
    TUNING,
    UNSEEN,
    quantize_confidence,
    simulate_detections,
    simulate_estimates,
)
from stride_nb.datasets.simulation.sampling import draw_smooth_noise
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.poses.gap_filling import fill_gaps
from stride_nb.poses.geometry import bone_lengths, random_camera
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17
from stride_nb.training.tasks import TRAINING_NOISE, TRAINING_REGIMES

every = pytest.mark.parametrize("family", NOISE_MODELS)


def person(frames=243, seed=0):
    rng = np.random.default_rng(seed)
    pose = np.zeros((17, 3))
    for j, p in H36M17.bones:
        way = rng.standard_normal(3)
        pose[j] = pose[p] + 0.3 * way / np.linalg.norm(way)
    t = np.arange(frames)[:, None, None] / 50
    return pose + 0.1 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6, (17, 3))) + (0, 0, 4)


def mask(frames=243, seed=0, share=0.3):
    visible = np.ones((frames, 17), bool)
    rng = np.random.default_rng(seed)
    for j in rng.choice(np.arange(1, 17), 6, replace=False):
        a = rng.integers(0, frames)
        visible[a : a + int(share * frames), j] = False
    return visible


def answer(family="estimator", frames=243, seed=0, fps=50, visible=None):
    visible = mask(frames, seed) if visible is None else visible
    return simulate_estimates(
        person(frames, seed), visible, fps, np.random.default_rng(seed), family
    )


def autocorrelation(x, lags):
    return np.array([np.mean(x[: len(x) - k] * x[k:]) for k in lags]) / np.mean(x**2)


@pytest.mark.parametrize("seconds, fps", [(0.25, 50), (0.08, 50), (0.25, 24), (1.5, 120)])
def test_smooth_noise_has_unit_variance_and_the_stated_autocorrelation(seconds, fps):
    x = draw_smooth_noise(np.random.default_rng(0), (400, 1500), seconds, fps)
    assert np.mean(x) == pytest.approx(0, abs=0.03)
    np.testing.assert_allclose(x.var(1), 1, atol=0.2)  # at any time, over many draws
    assert np.mean(x**2) == pytest.approx(1, abs=0.03)
    lags = np.unique((np.array([0, 0.25, 0.5, 1, 2]) * seconds * fps).round().astype(int))
    np.testing.assert_allclose(
        autocorrelation(x, lags), np.exp(-((lags / fps / seconds) ** 2)), atol=0.06
    )


def test_the_ends_of_smooth_noise_do_not_know_of_each_other():
    x = draw_smooth_noise(np.random.default_rng(0), (20, 20000), 0.3, 50)
    assert abs(np.mean(x[0] * x[-1]) - np.exp(-((19 / 50 / 0.3) ** 2))) < 0.03


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("fps", [1, 24, 29.97, 120])
@every
def test_short_clips_and_other_rates(family, frames, fps):
    joints, confidence = answer(family, frames, fps=fps)
    assert joints.shape == (frames, 17, 3) and (confidence > 0).any()


@every
def test_seeded(family):
    first, second, other = (
        simulate_estimates(person(), mask(), 50, np.random.default_rng(s), family)
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert np.nanmax(np.abs(first[0] - other[0])) > 0.01


@every
def test_confidence_is_zero_where_coordinates_are_missing_and_nowhere_else(family):
    for seed in range(5):
        visible = mask(seed=seed)
        visible[100:130] = False
        joints, confidence = answer(family, seed=seed, visible=visible)
        assert confidence.min() >= 0 and confidence.max() <= 1
        np.testing.assert_array_equal(np.isnan(joints).any(-1), confidence == 0)
        np.testing.assert_array_equal(np.isnan(joints).all(-1), confidence == 0)
        assert (confidence[100:130] == 0).all()  # nobody in view: no answer
        assert 0 < (confidence > 0).all(1).mean() < 0.9


@every
def test_one_frame_at_least_has_an_answer(family):
    joints, confidence = answer(family, frames=30, visible=np.zeros((30, 17), bool))
    assert (confidence > 0).all(1).sum() == 1 and np.isfinite(joints).all((1, 2)).sum() == 1


@every
def test_errors_are_larger_where_joints_are_hidden_and_the_pelvis_stays_the_pelvis(family):
    hidden, visible = [], []
    for seed in range(8):
        seen = mask(seed=seed)
        truth = person(seed=seed)
        joints, _ = answer(family, seed=seed)
        error = joint_errors_mm(joints, truth)
        hidden.extend(error[~seen])
        visible.extend(error[seen])
        root = np.nanstd((joints - truth)[:, 0], axis=0)
        assert root[2] < 0.2 and root[:2].max() < 0.04  # the root's own error: depth most
    assert 15 < np.nanmean(visible) < 120 and np.nanmean(hidden) > 1.5 * np.nanmean(visible)


@pytest.mark.parametrize("family", SEEN)
def test_errors_along_the_viewing_ray_are_the_larger_ones(family):
    error = np.concatenate([answer(family, seed=s)[0] - person(seed=s) for s in range(8)])
    error -= error[:, :1]
    spread = np.nanstd(error, axis=(0, 1))
    # there the factor is drawn, from 1 on
    assert spread[2] > (1.4 if family == "articulated" else 1.6) * spread[:2].max()


def test_estimator_errors_last_a_quarter_of_a_second():
    error = []
    for seed in range(10):
        joints, _ = answer(frames=500, seed=seed, visible=np.ones((500, 17), bool))
        error.append(joints - person(500, seed))
    error = np.concatenate(error, 1)
    error = np.where(np.isnan(error), 0, error - np.nanmean(error, 0))[:, :, 0]
    found = autocorrelation(error, [0, 3, 12, 50])
    assert found[1] > 0.75 and 0.2 < found[2] < 0.55 and abs(found[3]) < 0.15


def test_confidence_tells_seen_from_hidden_most_of_the_time_but_not_always():
    right = []
    for seed in range(20):
        visible = mask(seed=seed)
        _, confidence = answer(seed=seed)
        here = confidence > 0
        right.append(((confidence >= 0.5) == visible)[here].mean())
    assert 0.88 < np.mean(right) < 0.97


def test_frames_are_lost_by_how_little_shows():
    visible = np.ones((4000, 17), bool)
    visible[1000:2000, 5:] = False  # 5 of 17 in view
    visible[2000:3000, 3:] = False  # 3
    visible[3000:] = False
    lost = (answer(frames=4000, visible=visible)[1] == 0).all(1).reshape(4, 1000).mean(1)
    assert 0 < lost[0] < 0.02 and 0.02 < lost[1] < 0.1 and 0.4 < lost[2] < 0.6 and lost[3] == 1


def test_a_tracker_is_late_and_keeps_hidden_joints_near_where_it_saw_them_last():
    relative = np.zeros((200, 17, 3))
    relative[:, 1:, 0] = np.arange(200)[:, None] * 0.02  # at 1 m/s
    visible = np.ones((200, 17), bool)
    visible[150:, 13] = False
    answers = [
        relative + NOISE_MODELS["tracked"](np.random.default_rng(seed), relative, visible, 50)
        for seed in range(100)
    ]
    hidden, shown = np.median(answers, 0)[:, [13, 12], 0].T
    assert 0.05 < np.mean(relative[50:, 12, 0] - shown[50:]) < 0.12, "as late as smoothing makes it"
    mean = relative[:, 13, 0].mean()
    sunk = mean + (relative[149, 13, 0] - mean) * np.exp(-np.arange(1, 51) / 50 / 0.7)
    np.testing.assert_allclose(hidden[150:], sunk, atol=0.15)


def test_an_estimator_that_classifies_knows_few_directions_and_one_body():
    relative = datasets.load("synthetic", clips=1)[0].root_relative().joints
    visible = mask(len(relative))
    told = relative + NOISE_MODELS["tokens"](np.random.default_rng(0), relative, visible, 50)
    assert np.abs(told[:, 0]).max() == 0
    for _, length, true in zip(H36M17.bones, bone_lengths(told).T, bone_lengths(relative).T):
        assert np.abs(length / true / np.median(length / true) - 1).max() < 0.1, (
            "a body of its own, the same all along"
        )
    j, p = H36M17.index("lknee", "lhip")
    bones = (told[:, j] - told[:, p]) / bone_lengths(told)[
        :, [b[0] for b in H36M17.bones].index(j), None
    ]
    apart = np.degrees(np.arccos(np.clip(bones @ bones.T, -1, 1)))
    assert not ((apart > 4) & (apart < 10)).any() and (apart > 10).any(), (
        "of two hundred, neighbours are 14 degrees apart"
    )
    sure = quantize_confidence(np.random.default_rng(0), visible, 50)
    assert set(sure.ravel().round(6)) <= set(np.arange(1, 11) / 10)
    assert (
        0.15 < (sure >= 0.5)[~visible].mean() < 0.35 and 0.01 < (sure < 0.5)[visible].mean() < 0.05
    )


def test_an_estimator_of_drawn_manners_errs_at_the_pelvis_and_leaves_some_hidden_joints_out():
    left_out, sure = [], []
    for seed in range(40):
        visible = mask(seed=seed)
        joints, confidence = answer("varied", seed=seed)
        missing = np.isnan(joints).any(-1)
        assert ((confidence == 0) == missing).all() and not missing[:, 0][~missing.all(1)].any()
        there = ~missing.all(1)
        assert not (missing & visible)[there].any(), "what is seen has an answer"
        left_out.append((missing & ~visible)[there].any())
        sure.append(
            (confidence[~visible & ~missing] >= 0.5).mean()
            if (~visible & ~missing).any()
            else np.nan
        )
    errors = [
        NOISE_MODELS["varied"](np.random.default_rng(s), person(seed=s), mask(seed=s), 50)[:, 0]
        for s in range(40)
    ]
    assert (
        np.std(np.linalg.norm(errors, axis=-1).mean(1)) > 0.002
        and np.linalg.norm(errors, axis=-1).min() > 0
    )
    assert 0.1 < np.mean(left_out) < 0.4, "one in four"
    assert np.nanmax(sure) > 0.95 and np.nanmin(sure) < 0.1, "some know nothing, some nearly all"


def test_an_estimator_of_angles_answers_with_bones_that_keep_their_lengths():
    relative = datasets.load("synthetic", clips=1)[0].root_relative().joints
    found = []
    for seed in range(20):
        visible = mask(len(relative), seed)
        told = relative + NOISE_MODELS["articulated"](
            np.random.default_rng(seed), relative, visible, 50
        )
        scale = bone_lengths(told) / bone_lengths(relative)
        np.testing.assert_allclose(scale, np.broadcast_to(scale[0], scale.shape))
        left, right = (
            scale[0, [b[0] for b in H36M17.bones].index(H36M17.index(side))]
            for side in ("lknee", "rknee")
        )
        assert left == pytest.approx(right) and np.abs(told[:, 0]).max() == 0
        error = np.linalg.norm(told - relative, axis=-1)
        found.append((error[~visible].mean(), error[visible].mean()))
    hidden, visible = np.mean(found, 0)
    assert hidden > 2 * visible > 0.02


@pytest.mark.parametrize("fps", [14.985, 23.976])
def test_repeated_frames_of_broadcast_rates_are_frames_that_there_are(fps):
    for frames in range(1, 121):
        answer("repeat", frames, fps=fps, visible=np.ones((frames, 17), bool))


@pytest.mark.parametrize("fps", [10, 12.3, 14.985])
def test_nothing_repeats_at_a_rate_below_that_of_a_slow_video(fps):
    relative = np.cumsum(np.random.default_rng(3).standard_normal((300, 17, 3)), 0) * 0.01
    told = relative + NOISE_MODELS["repeat"](
        np.random.default_rng(0), relative, np.ones((300, 17), bool), fps
    )
    assert (np.abs(np.diff(told[:, 1:], axis=0)).max((1, 2)) > 0).all()


def test_repeated_frames_stay_for_as_long_as_a_slow_video_shows_them():
    rng = np.random.default_rng(3)
    relative = np.cumsum(rng.standard_normal((200, 17, 3)), 0) * 0.01
    relative -= relative[:, :1]
    told = relative + NOISE_MODELS["repeat"](rng, relative, np.ones((200, 17), bool), 50)
    held = (np.abs(np.diff(told, axis=0)).max((1, 2)) < 1e-12).mean()
    assert 1 - 30 / 50 - 0.02 < held < 1 - 15 / 50 + 0.02


AS_RECORDED = {
    "estimator": (248.7, 60.5),
    "keyframe": (172.4, 29.7),
    "outlier": (205.7, 33.0),
    "repeat": (237.1, 57.2),
    "varied": (162.1, 49.4),
    "articulated": (393.4, 46.6),
    "crossed": (301.8, 46.8),
    "swapped": (301.8, 63.7),
    "drift": (163.0, 50.0),
    "lag": (195.8, 60.3),
    "tracked": (168.9, 53.9),
    "tokens": (195.9, 54.5),
}
"""Mean error of hidden and visible joints, mm: weights and records were made with families that err
like this."""


@every
def test_a_family_errs_as_it_did_when_weights_and_records_were_made(family):
    relative = datasets.load("synthetic", clips=1)[0].root_relative().joints
    visible = np.ones((len(relative), 17), bool)
    visible[100:200, H36M17.index("lknee", "lankle", "rshoulder", "relbow", "rwrist")] = False
    error = 1000 * np.linalg.norm(
        NOISE_MODELS[family](np.random.default_rng(0), relative, visible, 50), axis=-1
    )
    assert (np.nanmean(error[~visible]), np.nanmean(error[visible])) == pytest.approx(
        AS_RECORDED[family], abs=0.1
    )


def test_unseen_families_are_kept_out_of_training():
    assert sorted([*SEEN, *TUNING, *UNSEEN]) == sorted(NOISE_MODELS) and len(UNSEEN) >= 2, (
        "every family has one role"
    )
    assert set(TRAINING_NOISE) == set(SEEN) and not set(TRAINING_NOISE) & set(UNSEEN)
    assert set(TRAINING_REGIMES) == set(occlusion.REGIMES)
    assert sum(TRAINING_NOISE.values()) == pytest.approx(1) and sum(
        TRAINING_REGIMES.values()
    ) == pytest.approx(1)


def test_unknown_families_say_what_there_is():
    with pytest.raises(
        InputError, match=r"noise: expected one of estimator, .*drift.*found 'gauss'"
    ):
        answer("gauss")


def test_a_detector_errs_in_proportion_to_the_person_in_the_image():
    pixels = np.stack([person()[..., 0], person()[..., 1]], -1)
    visible = mask()
    small, confidence = simulate_detections(300 * pixels, visible, 50, np.random.default_rng(0))
    large, _ = simulate_detections(600 * pixels, visible, 50, np.random.default_rng(0))
    np.testing.assert_allclose(large - 600 * pixels, 2 * (small - 300 * pixels), atol=1e-9)
    np.testing.assert_array_equal(np.isnan(small).any(-1), confidence == 0)
    error = (
        np.linalg.norm(small - 300 * pixels, axis=-1) / np.ptp(300 * pixels[..., 1], axis=1).mean()
    )
    assert np.nanmean(error[visible]) < 0.03 and np.nanmean(error[~visible]) > 0.06
    again, _ = simulate_detections(300 * pixels, visible, 50, np.random.default_rng(0))
    np.testing.assert_array_equal(small, again)


def test_a_joint_that_no_camera_sees_is_not_detected_and_spoils_no_other():
    """Behind the camera there is no pixel (`Camera.project` gives NaN)."""
    pixels = 300 * person()[..., :2]
    pixels[50:60, 3] = np.nan
    found, confidence = simulate_detections(
        pixels, np.ones((243, 17), bool), 50, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(np.isnan(found).any(-1), confidence == 0)
    assert (confidence[50:60, 3] == 0).all() and (confidence > 0).mean() > 0.95


@pytest.mark.parametrize("frames", [1, 2])
def test_a_detector_answers_for_one_frame_even_if_nothing_shows(frames):
    pixels, confidence = simulate_detections(
        300 * person(frames)[..., :2], np.zeros((frames, 17), bool), 50, np.random.default_rng(0)
    )
    assert (confidence > 0).all(1).sum() == 1 and np.isfinite(pixels).all((1, 2)).sum() == 1


def test_input_errors_on_real_motion_are_those_that_the_benchmark_fixes():
    """Issue: visible 50–70 mm, hidden 200–300 mm, lost frames held, poses relative to their own
    pelvis."""
    try:
        clips = [c.joints for c in datasets.load("cmu", "val") if len(c) >= 243]
    except InputError as missing:
        pytest.skip(str(missing))
    errors = {}
    for name in ("none", "flicker", "limb", "half", "block"):
        for i, clip in enumerate(clips):
            rng = np.random.default_rng([7, i])
            start = (len(clip) - 243) // 2
            truth = random_camera(rng, clip[start : start + 243]).to_camera(
                clip[start : start + 243]
            )
            visible = occlusion.occlude(name, truth, 50, rng)
            joints, confidence = estimator_noise.simulate_estimates(truth, visible, 50, rng)
            error = joint_errors_mm(
                fill_gaps(PoseSequence(joints, confidence), how="hold").joints, truth
            )
            errors.setdefault(name, []).append(
                (error[visible].mean(), error[~visible].mean() if name != "none" else 0)
            )
    means = {name: np.mean(rows, 0) for name, rows in errors.items()}
    assert all(50 <= visible <= 70 for visible, _ in means.values()), means
    assert all(200 <= means[name][1] <= 300 for name in ("flicker", "limb", "half", "block")), means


def test_the_root_errs_as_told():
    roots = []
    for seed in range(8):
        joints, _ = estimator_noise.simulate_estimates(
            person(seed=seed),
            np.ones((243, 17), bool),
            50,
            np.random.default_rng(seed),
            "estimator",
        )
        roots.append((joints - person(seed=seed))[:, 0])
    np.testing.assert_allclose(np.nanstd(roots, axis=(0, 1)), (0.01, 0.01, 0.06), rtol=0.3)
