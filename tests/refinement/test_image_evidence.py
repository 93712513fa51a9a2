"""Image evidence: a person placed before the camera, joints on their rays, keypoints that are not
believed, and what refine makes of it all."""

import numpy as np
import pytest

from stride_nb import datasets
from stride_nb.errors import InputError
from stride_nb.evaluation import harness
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.poses.geometry import random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.refinement.image_evidence import guess_camera, move_onto_rays
from stride_nb.refinement.refine import choose_weights, fix_left_right_swaps, refine
from tests.refinement.test_refine import PRIOR

LEGS = [1, 2, 3, 4, 5, 6]
OTHER = [4, 5, 6, 1, 2, 3]


@pytest.fixture(scope="module")
def scene():
    """A person before a camera: true joints, the camera, keypoints without error."""
    world = datasets.load("synthetic", clips=1, seconds=2.0)[0].joints
    camera = random_camera(np.random.default_rng(3), world)
    truth = camera.to_camera(world)
    return truth, camera, Keypoints2D(camera.project(truth), fps=50, size=camera.size)


def spoil(truth, across=0.03, seed=0):
    """Slowly wandering errors across the rays, none in depth."""
    error = np.random.default_rng(seed).normal(0, across, (1, 17, 3)) * (1, 1, 0)
    return truth + error


def test_right_poses_are_placed_where_they_are_from_wherever_they_come(scene):
    truth, camera, keypoints = scene
    centred = PoseSequence(truth - truth[:, :1], fps=50)
    placed, moved = move_onto_rays(centred, keypoints, camera)
    assert moved.all()
    path = np.linalg.norm(placed.joints[:, 0] - truth[:, 0], axis=-1)
    assert np.median(path) < 0.02  # the distance is smoothed
    assert joint_errors_mm(placed.joints, truth).max() < 10


def test_joints_come_onto_their_rays_and_keep_their_depth(scene):
    truth, camera, keypoints = scene
    sequence = PoseSequence(spoil(truth), fps=50)
    placed, _ = move_onto_rays(sequence, keypoints, camera)
    np.testing.assert_allclose(camera.project(placed.joints), keypoints.pixels, atol=1e-6)
    depth = [x[..., 2] - x[:, :1, 2] for x in (placed.joints, sequence.joints)]
    np.testing.assert_allclose(*depth, atol=1e-9)
    before, after = (joint_errors_mm(x.joints, truth).mean() for x in (sequence, placed))
    assert after < before / 3


def test_a_guessed_camera_helps_nearly_as_much(scene):
    truth, camera, keypoints = scene
    sequence = PoseSequence(spoil(truth), fps=50)
    placed, _ = move_onto_rays(sequence, keypoints, guess_camera(camera.size))
    before, after = (joint_errors_mm(x.joints, truth).mean() for x in (sequence, placed))
    assert after < before / 2


def test_keypoints_that_are_not_believed_move_nothing(scene):
    truth, camera, keypoints = scene
    pixels, confidence = keypoints.pixels.copy(), keypoints.confidence.copy()
    confidence[:, 13] = 0.3
    pixels[:, 16] += 300  # somebody else's wrist
    pixels[10:20], confidence[10:20] = np.nan, 0
    seen = keypoints.replace(pixels=pixels, confidence=confidence)
    sequence = PoseSequence(truth, fps=50)
    placed, moved = move_onto_rays(sequence, seen, camera)
    assert not moved[:, [13, 16]].any() and not moved[10:20].any()
    assert moved[:10, :13].all()
    assert joint_errors_mm(placed.joints, truth).max() < 20
    nobody = keypoints.replace(confidence=np.zeros_like(confidence))
    same, moved = move_onto_rays(sequence, nobody, camera)
    assert same is sequence and not moved.any()


def test_sides_that_poses_and_keypoints_exchange_together_are_put_right_in_both(scene):
    truth, camera, keypoints = scene
    joints, pixels = truth.copy(), keypoints.pixels.copy()
    joints[30:60, LEGS], pixels[30:60, LEGS] = joints[30:60, OTHER], pixels[30:60, OTHER]
    sequence = PoseSequence(joints, fps=50, keypoints=keypoints.replace(pixels=pixels))
    fixed, note = fix_left_right_swaps(sequence, PRIOR)
    assert "30 frames" in note
    np.testing.assert_array_equal(fixed.keypoints.pixels, keypoints.pixels)
    placed, moved = move_onto_rays(fixed, fixed.keypoints, camera)
    assert moved.all() and joint_errors_mm(placed.joints, truth).max() < 10


def test_refine_uses_the_keypoints_of_a_sequence_and_says_so(scene):
    truth, camera, keypoints = scene
    centred = PoseSequence(spoil(truth) - truth[:, :1], fps=50, keypoints=keypoints)
    refined = refine(centred, "prior", PRIOR, camera=camera)
    assert "100% of the joints moved" in refined.trace.note and "given camera" in refined.trace.note
    # a path in the camera's space comes with the keypoints
    path = np.linalg.norm(refined.sequence.joints[:, 0] - truth[:, 0], axis=-1)
    assert np.median(path) < 0.1
    np.testing.assert_array_equal(refined.sequence.keypoints.pixels, keypoints.pixels)
    guessed = refine(centred.replace(keypoints=None), "prior", PRIOR, keypoints=keypoints)
    assert "field of view" in guessed.trace.note
    published = refine(centred, "stride_published", PRIOR, epochs=0)
    assert published.trace.note == ""


@pytest.mark.parametrize(
    "method, change, field",
    [
        ("gaussian", {}, "keypoints, camera"),
        ("prior", {"keypoints": "a file"}, "keypoints"),
        ("prior", {"frames": 20}, "keypoints"),
        ("prior", {"fps": 25}, "keypoints"),
    ],
)
def test_evidence_that_does_not_fit_is_one_clear_error(scene, method, change, field):
    truth, camera, keypoints = scene
    given = change.get("keypoints", keypoints[: change.get("frames")])
    given = given.replace(fps=change["fps"]) if "fps" in change else given
    with pytest.raises(InputError) as error:
        refine(PoseSequence(truth, fps=50), method, PRIOR, keypoints=given, camera=camera)
    assert error.value.field == field


def test_a_camera_alone_is_one_clear_error(scene):
    truth, camera, _ = scene
    with pytest.raises(InputError, match="keypoints"):
        refine(PoseSequence(truth, fps=50), "prior", PRIOR, camera=camera)


def test_cases_with_keypoints_have_the_estimate_of_those_without():
    clips = datasets.load("synthetic", "val", clips=1, seconds=3.0)
    (plain,), (seen,) = (
        harness.make_cases(clips, ["limb"], "drift", input=kind)
        for kind in ("estimator", "estimator_2d")
    )
    np.testing.assert_array_equal(plain.sequence.joints, seen.sequence.joints)
    assert plain.sequence.keypoints is None and seen.input == "estimator_2d"
    keypoints = seen.sequence.keypoints
    miss = np.linalg.norm(keypoints.pixels - seen.camera.project(seen.truth), axis=-1)
    assert np.nanmedian(miss[seen.visible]) < 20 < np.nanmedian(miss[~seen.visible])
    (row,) = harness.compare_methods([seen], ["prior"], PRIOR)
    assert row["input"] == "estimator_2d" and row["noise"] == "drift"
    same = refine(seen.sequence, "prior", PRIOR, camera=seen.camera).sequence
    assert row["mpjpe"] == harness.score_case(seen, "prior", same.joints)["mpjpe"]


def test_weights_that_met_a_real_estimator_are_for_what_was_estimated_in_a_video(scene):
    truth, _, keypoints = scene
    bare = PoseSequence(spoil(truth), fps=50)
    seen = PoseSequence(spoil(truth), fps=50, keypoints=keypoints)
    assert [choose_weights(s, "stride_ours") for s in (bare, seen)] == ["prior", "prior_real"]
    assert choose_weights(seen, "stride_published") == "prior"
    assert choose_weights(seen, "smoothnet") == "smoothnet"
    chosen, named = refine(seen, "prior"), refine(seen, "prior", "prior_real")
    np.testing.assert_array_equal(chosen.sequence.joints, named.sequence.joints)
