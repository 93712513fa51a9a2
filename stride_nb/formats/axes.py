"""Which way is up in poses from elsewhere, told by the person: files do not say."""

from __future__ import annotations

import numpy as np

from ..sequence import PoseSequence
from ..stored import Stored

__all__ = ["facing_camera", "up_axis", "upright"]

TURNS = {
    "y": np.eye(3),
    "-y": np.diag([1.0, -1.0, -1.0]),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
"""Rotation to y up from each way of having up: the world's, the camera's, and tools whose z is up."""


def up_axis(sequence: PoseSequence | Stored) -> str:
    """``y``, ``-y`` or ``z``: the axis nearest to the way from the ankles over the pelvis to the thorax, on average.

    Right for anyone who stands, walks or sits most of the time; a person lying down throughout is not recognised.
    """
    mean = sum(_upwards(part.to("h36m17") if part.skeleton.name != "h36m17" else part) for part in sequence.parts())
    return max(TURNS, key=lambda axis: (TURNS[axis] @ mean)[1])


def _upwards(body: PoseSequence) -> np.ndarray:
    """(3,) the sum of what says where up is; zero where nothing does."""
    parts = body.root_relative().joints
    pick = body.skeleton.index
    ways = np.concatenate([parts[:, pick("thorax", "neck", "head")].reshape(-1, 3),
                           -parts[:, pick("rankle", "lankle", "rknee", "lknee")].reshape(-1, 3)])
    return ways[np.isfinite(ways).all(-1)].sum(0)


def upright(sequence: PoseSequence | Stored, up: str | None = None) -> PoseSequence | Stored:
    """The sequence with y up. One that has to be turned is also set down: its lowest joint touches height 0.

    Args:
        up: ``y``, ``-y`` or ``z``; None: as ``up_axis`` finds.
    """
    up = up or up_axis(sequence)
    if up == "y":
        return sequence
    turned = _turned(sequence, TURNS[up])
    lowest = np.fmin.reduce([np.fmin.reduce(part.joints[..., 1], axis=None) for part in turned.parts()])
    return turned.map(lambda part: part.replace(joints=part.joints - np.array([0, lowest, 0])))


def facing_camera(sequence: PoseSequence | Stored, up: str | None = None) -> PoseSequence | Stored:
    """The sequence in a camera's axes, as ``refine`` takes it: x right, y down, z forward; from axes with any way up.

    What was read in such axes already stays as it is. Where the camera stood is not known: it is taken to have looked
    level, along the z of the turned axes.
    """
    return _turned(sequence, TURNS["-y"] @ TURNS[up or up_axis(sequence)])


def _turned(sequence: PoseSequence | Stored, turn: np.ndarray) -> PoseSequence | Stored:
    return sequence.map(lambda part: part.replace(joints=part.joints @ turn.T))
