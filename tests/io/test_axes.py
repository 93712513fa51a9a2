"""Which way is up."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb import PoseSequence, datasets, io


def test_up_is_told_by_the_person():
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.05, (20, 17, 3))
    joints[..., 1] += (
        0.9,
        0.9,
        0.5,
        0.1,
        0.9,
        0.5,
        0.1,
        1.1,
        1.4,
        1.5,
        1.7,
        1.4,
        1.1,
        0.9,
        1.4,
        1.1,
        0.9,
    )
    world = PoseSequence(joints)
    assert io.estimate_up_axis(world) == "y" and io.rotate_to_y_up(world) is world
    for up, turned in (("-y", joints * (1, -1, -1)), ("z", joints[..., [0, 2, 1]] * (1, -1, 1))):
        sequence = PoseSequence(turned + np.array((3, 4, 5)))
        assert io.estimate_up_axis(sequence) == up
        back = io.rotate_to_y_up(sequence).joints
        assert back[..., 1].min() == pytest.approx(0)
        np.testing.assert_allclose(back - back[:1, :1], joints - joints[:1, :1], atol=1e-12)
        np.testing.assert_allclose(
            io.rotate_to_camera_axes(sequence).joints,
            io.rotate_to_camera_axes(PoseSequence(sequence.joints @ io.axes.UP_AXES[up].T)).joints,
            atol=1e-12,
        )
        assert io.estimate_up_axis(io.rotate_to_camera_axes(sequence)) == "-y"


@pytest.mark.parametrize(
    "lost",
    [
        ["pelvis"],
        ["pelvis", "rhip", "lhip"],
        ["pelvis", "thorax", "neck", "rankle", "lankle"],
        ["rhip", "lhip", "rknee", "lknee", "rankle", "lankle"],
    ],
)
@pytest.mark.parametrize("up", ["y", "-y", "z"])
def test_up_is_told_without_the_pelvis_and_whatever_else_is_lost(up, lost):
    walk = datasets.load("synthetic", clips=1, seconds=2)[0]
    joints = walk.joints @ io.axes.UP_AXES[up] + (3, 4, 5)
    joints[:, [walk.skeleton.index(name) for name in lost]] = np.nan
    assert io.estimate_up_axis(walk.replace(joints=joints, confidence=None)) == up


def test_up_is_told_by_any_frame_that_tells_and_is_y_where_none_does():
    walk = io.rotate_to_camera_axes(datasets.load("synthetic", clips=1, seconds=2)[0])
    joints = np.full_like(walk.joints, np.nan)
    joints[:, 8:] = walk.joints[:, 8:]  # without hips and legs
    assert io.estimate_up_axis(walk.replace(joints=joints, confidence=None)) == "y"
    joints[7, 2] = walk.joints[7, 2]  # but for one knee, once
    assert io.estimate_up_axis(walk.replace(joints=joints, confidence=None)) == "-y"
