"""Which way is up in poses from elsewhere, told by the person: files do not say."""

from __future__ import annotations

import numpy as np

from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.streaming import Stored

__all__ = ["facing_camera", "up_axis", "upright"]

TURNS = {
    "y": np.eye(3),
    "-y": np.diag([1.0, -1.0, -1.0]),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
"""Rotation to y up from each way of having up: the world's, the camera's, and tools whose z is
up."""


def up_axis(sequence: PoseSequence | Stored) -> str:
    """``y``, ``-y`` or ``z``: the axis nearest to the way from knees and ankles over the pelvis to
    thorax and head, on average.

    Right for anyone who stands, walks or sits most of the time; a person lying down throughout is
    not recognised. Where no frame has joints of two of the three regions (legs, hips, from the
    thorax up), nothing tells: ``y``.
    """
    mean = sum(
        _upwards(part.to("h36m17") if part.skeleton.name != "h36m17" else part)
        for part in sequence.parts()
    )
    return max(TURNS, key=lambda axis: (TURNS[axis] @ mean)[1])


def _upwards(body: PoseSequence) -> np.ndarray:
    """(3,) the sum of what says where up is; zero where nothing does.

    The pelvis is between the upper and the lower joints; where it is missing, the hips seen or the
    middle of both groups.
    """
    regions = ("thorax", "neck", "head"), ("rhip", "lhip"), ("rankle", "lankle", "rknee", "lknee")
    upper, hips, lower = (body.joints[:, body.skeleton.index(*names)] for names in regions)
    between = body.joints[:, :1]
    for other in (_mean(hips), (_mean(upper) + _mean(lower)) / 2):
        between = np.where(np.isnan(between), other, between)
    return np.nansum(upper - between, (0, 1)) - np.nansum(lower - between, (0, 1))


def _mean(joints: np.ndarray) -> np.ndarray:
    """(T, 1, 3) the mean of those that are there; NaN where none is."""
    seen = np.isfinite(joints).sum(1, keepdims=True)
    return np.where(seen > 0, np.nansum(joints, 1, keepdims=True) / np.maximum(seen, 1), np.nan)


def upright(sequence: PoseSequence | Stored, up: str | None = None) -> PoseSequence | Stored:
    """The sequence with y up. One that has to be turned is also set down: its lowest joint touches
    height 0.

    Args:
        up: ``y``, ``-y`` or ``z``; None: as ``up_axis`` finds.
    """
    up = up or up_axis(sequence)
    if up == "y":
        return sequence
    turned = _turned(sequence, TURNS[up])
    lowest = np.fmin.reduce(
        [np.fmin.reduce(part.joints[..., 1], axis=None) for part in turned.parts()]
    )
    return turned.map(lambda part: part.replace(joints=part.joints - np.array([0, lowest, 0])))


def facing_camera(sequence: PoseSequence | Stored, up: str | None = None) -> PoseSequence | Stored:
    """The sequence in a camera's axes, as ``refine`` takes it: x right, y down, z forward; from
    axes with any way up.

    What was read in such axes already stays as it is. Where the camera stood is not known: it is
    taken to have looked level, along the z of the turned axes.
    """
    return _turned(sequence, TURNS["-y"] @ TURNS[up or up_axis(sequence)])


def _turned(sequence: PoseSequence | Stored, turn: np.ndarray) -> PoseSequence | Stored:
    return sequence.map(lambda part: part.replace(joints=part.joints @ turn.T))
