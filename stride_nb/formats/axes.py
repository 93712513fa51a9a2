"""Which way is up in poses from elsewhere, told by the person: files do not say."""

from __future__ import annotations

import numpy as np

from ..sequence import PoseSequence

__all__ = ["facing_camera", "up_axis", "upright"]

TURNS = {
    "y": np.eye(3),
    "-y": np.diag([1.0, -1.0, -1.0]),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
"""Rotation to y up from each way of having up: the world's, the camera's, and tools whose z is up."""


def up_axis(sequence: PoseSequence) -> str:
    """``y``, ``-y`` or ``z``: the axis nearest to the way from the ankles over the pelvis to the thorax, on average.

    Right for anyone who stands, walks or sits most of the time; a person lying down throughout is not recognised.
    """
    body = sequence.to("h36m17") if sequence.skeleton.name != "h36m17" else sequence
    parts = body.root_relative().joints
    pick = body.skeleton.index
    ways = np.concatenate([parts[:, pick("thorax", "neck", "head")].reshape(-1, 3),
                           -parts[:, pick("rankle", "lankle", "rknee", "lknee")].reshape(-1, 3)])
    ways = ways[np.isfinite(ways).all(-1)]
    mean = ways.mean(0) if len(ways) else np.array([0.0, 1, 0])
    return max(TURNS, key=lambda axis: (TURNS[axis] @ mean)[1])


def upright(sequence: PoseSequence, up: str | None = None) -> PoseSequence:
    """The sequence with y up. One that has to be turned is also set down: its lowest joint touches height 0.

    Args:
        up: ``y``, ``-y`` or ``z``; None: as ``up_axis`` finds.
    """
    up = up or up_axis(sequence)
    if up == "y":
        return sequence
    joints = sequence.joints @ TURNS[up].T
    return sequence.replace(joints=joints - np.array([0, np.nanmin(joints[..., 1]), 0]))


def facing_camera(sequence: PoseSequence, up: str | None = None) -> PoseSequence:
    """The sequence in a camera's axes, as ``refine`` takes it: x right, y down, z forward; from axes with any way up.

    What was read in such axes already stays as it is. Where the camera stood is not known: it is taken to have looked
    level, along the z of the turned axes.
    """
    turn = TURNS["-y"] @ TURNS[up or up_axis(sequence)]
    return sequence.replace(joints=sequence.joints @ turn.T)
