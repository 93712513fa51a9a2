"""A pose that was projected by a camera is put back where it was seen."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb.datasets import synthetic
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.video.placement import FIELD_OF_VIEW, place_on_image

SIZE = (720, 1280)


@pytest.fixture(scope="module")
def seen() -> tuple[PoseSequence, Keypoints2D]:
    """A walk about its own hips, and the pixels of the walk in front of the camera."""
    (clip,) = synthetic.load("test", clips=1, seconds=1.6, seed=3)
    joints = (clip.joints - clip.joints[:1, :1]) * (1, -1, -1)
    placed = joints * 1.3 + (0.3, 0.2, 5.0)  # how large a person is, an image does not say
    focal = max(SIZE) / 2 / np.tan(np.radians(FIELD_OF_VIEW / 2))
    pixels = placed[..., :2] / placed[..., 2:] * focal + np.array(SIZE) / 2
    keypoints = Keypoints2D(pixels, size=SIZE, fps=clip.fps)
    return PoseSequence(joints - joints[:, :1], fps=clip.fps), keypoints


def measure_error(placed: np.ndarray, keypoints: Keypoints2D) -> np.ndarray:
    return np.linalg.norm(placed - keypoints.pixels, axis=-1)


def test_the_same_camera_puts_it_back(seen):
    poses, keypoints = seen
    assert measure_error(place_on_image(poses, keypoints), keypoints).max() < 0.1


def test_another_field_of_view_costs_little(seen):
    poses, keypoints = seen
    error = measure_error(place_on_image(poses, keypoints, 40.0), keypoints)
    assert np.median(error) < 3


def test_hidden_joints_are_placed_by_the_visible_ones(seen):
    poses, keypoints = seen
    confidence = np.ones((len(poses), 17))
    confidence[:, 1:7] = 0.1  # the legs, and their pixels are wrong
    wrong = keypoints.pixels + np.where(confidence < 0.5, 300.0, 0.0)[..., None]
    placed = place_on_image(poses, keypoints.replace(pixels=wrong, confidence=confidence))
    assert measure_error(placed, keypoints).max() < 3


def test_frames_without_a_person_are_bridged(seen):
    poses, keypoints = seen
    confidence = np.ones((len(poses), 17))
    confidence[30:40] = 0
    placed = place_on_image(poses, keypoints.replace(confidence=confidence))
    error = measure_error(placed, keypoints)
    assert np.isfinite(placed).all() and error[:30].max() < 0.1 and error[30:40].max() < 30


def test_a_wrong_keypoint_does_not_pull_the_pose_away(seen):
    poses, keypoints = seen
    wrong = keypoints.pixels.copy()
    wrong[:, 13] += 200
    placed = place_on_image(poses, keypoints.replace(pixels=wrong))
    others = np.delete(np.arange(17), 13)
    assert measure_error(placed, keypoints)[:, others].max() < 5


def test_swapped_labels_do_not_turn_the_person(seen):
    poses, keypoints = seen
    swapped = keypoints.pixels.copy()
    swapped[20:40] = swapped[20:40][:, list(keypoints.skeleton.mirror)]
    placed = place_on_image(poses, keypoints.replace(pixels=swapped))
    assert measure_error(placed, keypoints).max() < 0.1


def test_nobody_visible_anywhere_still_gives_numbers(seen):
    poses, keypoints = seen
    nothing = keypoints.replace(confidence=np.full((len(poses), 17), 0.1))
    assert np.isfinite(place_on_image(poses, nothing)).all()


def test_a_pose_without_extent_is_no_error(seen):
    poses, keypoints = seen
    joints = poses.joints.copy()
    joints[10:20] = 0
    placed = place_on_image(poses.replace(joints=joints), keypoints)
    assert np.isfinite(placed).all()
    assert measure_error(placed, keypoints)[np.r_[:10, 20:80]].max() < 0.1
