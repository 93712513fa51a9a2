"""Which way is up in poses from elsewhere, judged by how the person stands: files do not say."""

from __future__ import annotations

import numpy as np

from stride_nb.errors import InputError, check_kind
from stride_nb.poses.geometry import UP_AXES
from stride_nb.poses.posture import sum_upwards
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.streaming import StreamedSequence

__all__ = ["check_up_axis", "estimate_up_axis", "rotate_to_camera_axes", "rotate_to_y_up"]


def estimate_up_axis(sequence: PoseSequence | StreamedSequence) -> str:
    """``y``, ``-y`` or ``z``: the axis nearest to the way from knees and ankles over the pelvis to
    thorax and head, on average.

    Right for anyone who stands, walks or sits most of the time; a person lying down throughout is
    not recognised. ``y`` where no frame has joints of two of the three regions (legs, hips, from
    the thorax up).
    """
    upwards = sum_upwards(sequence)
    return max(UP_AXES, key=lambda axis: (UP_AXES[axis] @ upwards)[1])


def rotate_to_y_up(
    sequence: PoseSequence | StreamedSequence, up: str | None = None
) -> PoseSequence | StreamedSequence:
    """The sequence with y up. One that has to be rotated is also set down: its lowest joint touches
    height 0.

    Args:
        sequence: with any way up.
        up: ``y``, ``-y`` or ``z``; None: estimated (``estimate_up_axis``).
    """
    check_kind("axes", "sequence", sequence, PoseSequence, StreamedSequence)
    up = check_up_axis(up) or estimate_up_axis(sequence)
    if up == "y":
        return sequence
    rotated = _rotate_joints(sequence, UP_AXES[up])
    heights = [np.fmin.reduce(part.joints[..., 1], axis=None) for part in rotated.iter_parts()]
    floor = np.array([0, np.fmin.reduce(heights), 0])
    return rotated.map(lambda part: part.replace(joints=part.joints - floor))


def rotate_to_camera_axes(
    sequence: PoseSequence | StreamedSequence, up: str | None = None
) -> PoseSequence | StreamedSequence:
    """The sequence in a camera's axes, as ``refine`` takes it: x right, y down, z forward; from
    axes with any way up.

    A sequence in such axes stays as it is. Where the camera stood is not known: it is taken to have
    looked level, along the z of the rotated axes.
    """
    check_kind("axes", "sequence", sequence, PoseSequence, StreamedSequence)
    up = check_up_axis(up) or estimate_up_axis(sequence)
    return _rotate_joints(sequence, UP_AXES["-y"] @ UP_AXES[up])


def check_up_axis(up: str | None) -> str | None:
    """The axis that points up; InputError where it is none of those known."""
    if up is not None and (not isinstance(up, str) or up not in UP_AXES):
        raise InputError("axes", "up", f"one of {', '.join(UP_AXES)}", repr(up))
    return up


def _rotate_joints(
    sequence: PoseSequence | StreamedSequence, rotation: np.ndarray
) -> PoseSequence | StreamedSequence:
    return sequence.map(lambda part: part.replace(joints=part.joints @ rotation.T))
