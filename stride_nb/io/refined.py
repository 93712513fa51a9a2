"""Refined poses back in the form that came in: the file's own joints, names, axes and image.

Refinement gives Human3.6M's 17 joints in a camera's axes. Of the file's joints those that are among
the 17 take their refined place; the others (toes, face, fingers) keep their way from the nearest of
them, filled over time where it is not known.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError
from stride_nb.io.axes import estimate_up_axis, rotate_to_camera_axes, rotate_to_y_up
from stride_nb.io.pose_files import PoseFile, write
from stride_nb.io.registry import WritableFormat, find_writer, list_formats
from stride_nb.poses.gap_filling import FILLED_CONFIDENCE
from stride_nb.poses.geometry import UP_AXES
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import H36M17, SKELETONS, Skeleton, convert_joints, find_conversion

__all__ = [
    "find_refined_writer",
    "goes_back",
    "project_refined",
    "restore_joints",
    "returns_form",
    "write_refined",
]

OWN_DEFINITIONS = ("neck", "head")
"""Joints that Human3.6M marks elsewhere than others do (neck/nose, crown): they follow the body."""


def find_refined_writer(
    path: str | PathLike, format_in: str | None = None, tracks: Sequence[Any] | None = None
) -> WritableFormat:
    """The format to write refined poses in: by the suffix; of a name without one the format that
    came in, such as OpenPose's folders.

    Args:
        path: the file or folder.
        format_in: the format that came in, if it is known.
        tracks: what came in, if it is known: of 3D it must be a format that holds 3D, of 2D one
            that holds these joints.

    Raises:
        InputError: there is none.
    """
    writers = list_formats("write")
    name = None if Path(path).suffix or format_in not in writers else format_in
    flat = all(isinstance(track, Keypoints2D) for track in tracks or ())
    writer = find_writer(path, name, allow_2d_only=flat)
    if getattr(writer, "ONLY_2D", False):
        for track in tracks or ():
            if track.skeleton.name not in (sets := getattr(writer, "JOINT_SETS", SKELETONS)):
                found = track.skeleton.name
                raise InputError(path, f"joints as {writer.NAME}", " or ".join(sets), found)
    return writer


def write_refined(
    path: str | PathLike,
    refined: Sequence[PoseSequence],
    tracks: Sequence[Any],
    file: PoseFile,
    source: str | PathLike,
) -> list[Path]:
    """Write refined poses; in the file's own joints and axes where they go out in the form that
    came in, else Human3.6M's 17 joints, y up.

    Args:
        path: the file or folder.
        refined: Human3.6M's 17 joints in a camera's axes, one a person.
        tracks: what they were refined from, as read: 2D or 3D.
        file: what was read.
        source: where it was read from.

    Returns:
        The files written.

    Raises:
        InputError: a format that holds nothing but 2D, of poses that came in as 3D.
    """
    flat = [track for track in tracks if isinstance(track, Keypoints2D)]
    writer = find_refined_writer(path, file.format, tracks)
    if getattr(writer, "ONLY_2D", False):
        return write(path, [project_refined(*pair) for pair in zip(flat, refined)], writer.NAME)
    if not returns_form(writer, file, tracks):
        return write(path, [rotate_to_y_up(s, up="-y") for s in refined], writer.NAME)
    ups = [file.up or estimate_up_axis(track) for track in tracks]
    options, given = {}, list(refined)
    if _takes_source(writer):
        options = {"like": source, "up": ups[0]}
    else:
        rotated = [rotate_to_camera_axes(track, up)[:] for track, up in zip(tracks, ups)]
        given = [restore_joints(*pair) for pair in zip(rotated, refined)]
    turns = [UP_AXES[up].T @ UP_AXES["-y"] for up in ups]
    back = [s.replace(joints=s.joints @ turn.T) for s, turn in zip(given, turns)]
    return write(path, back, writer.NAME, **options)


def returns_form(writer: WritableFormat, file: PoseFile, tracks: Sequence[Any]) -> bool:
    """Whether refined poses go out in the form that came in: the file's joints, axes and content,
    or its image's keypoints."""
    if getattr(writer, "ONLY_2D", False):
        return True
    from_image = any(isinstance(track, Keypoints2D) for track in tracks)
    return file.format == writer.NAME and not from_image and goes_back(writer)


def goes_back(writer: WritableFormat) -> bool:
    """Whether a format gives back what came in with its own joints or content."""
    return getattr(writer, "SAME_JOINTS", False) or _takes_source(writer)


def _takes_source(writer: WritableFormat) -> bool:
    """Whether it writes the results that came in, with refined joints beside."""
    return "like" in inspect.signature(writer.write).parameters


def restore_joints(track: PoseSequence, refined: PoseSequence) -> PoseSequence:
    """The refined 17 joints as the joints of the track that they come from, in the same axes."""
    points, confidence = _restore(
        track.joints, track.confidence, track.skeleton, refined.joints, refined.confidence
    )
    return track.replace(joints=points, confidence=confidence, keypoints=None)


def project_refined(track: Keypoints2D, refined: PoseSequence) -> Keypoints2D:
    """The keypoints of a track where the refined pose puts them in the image.

    The pose is laid over the trusted keypoints of each frame (scale and shift, by least squares;
    between such frames interpolated). A trusted keypoint moves towards it by what its confidence
    lacks to 1; all others take its place.
    """
    seen = track.to("h36m17")
    trusted = seen.confidence >= min(CONFIDENCE_THRESHOLD, seen.confidence.max())
    weights = np.where(trusted, seen.confidence, 0.0)
    placed = _fit_to_image(refined.joints[..., :2], np.nan_to_num(seen.pixels), weights)
    pixels = weights[..., None] * np.nan_to_num(seen.pixels) + (1 - weights[..., None]) * placed
    points, confidence = _restore(
        track.pixels, track.confidence, track.skeleton, pixels, refined.confidence
    )
    return track.replace(pixels=points, confidence=confidence)


def _fit_to_image(
    joints: Float[np.ndarray, "T 17 2"],
    pixels: Float[np.ndarray, "T 17 2"],
    weights: Float[np.ndarray, "T 17"],
) -> Float[np.ndarray, "T 17 2"]:
    """Joints (x right, y down) scaled and shifted onto the pixels, frame by frame."""
    w = weights[..., None]
    enough = (weights > 0).sum(1) >= 3
    if not enough.any():
        return np.full_like(joints, np.nan)
    total = np.maximum(w.sum(1), 1e-9)
    middle, target = (w * joints).sum(1) / total, (w * pixels).sum(1) / total
    own, seen = joints - middle[:, None], pixels - target[:, None]
    scale = (w * own * seen).sum((1, 2)) / np.maximum((w * own**2).sum((1, 2)), 1e-9)
    fit = np.concatenate([scale[:, None], target - scale[:, None] * middle], 1)
    scale, shift = np.split(fill_linear(fit[:, None], enough[:, None])[:, 0], [1], axis=1)
    return scale[:, None] * joints + shift[:, None]


def _restore(
    points: np.ndarray,
    confidence: np.ndarray,
    skeleton: Skeleton,
    refined: np.ndarray,
    refined_confidence: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(T, J, C) and (T, J) of the set from (T, 17, C) and (T, 17)."""
    rows = {} if skeleton == H36M17 else find_conversion(skeleton, H36M17)
    same = {next(iter(row)): joint for joint, row in rows.items() if len(row) == 1}
    same = {own: joint for own, joint in same.items() if joint not in OWN_DEFINITIONS}
    same |= {joint: joint for joint in H36M17.joints if skeleton == H36M17}
    before, _ = convert_joints(points, confidence, skeleton, H36M17)
    out, sure = np.full(points.shape, np.nan), np.zeros(confidence.shape)
    for j, joint in enumerate(skeleton.joints):
        if joint in same:
            anchor = H36M17.joints.index(same[joint])
            out[:, j], sure[:, j] = refined[:, anchor], refined_confidence[:, anchor]
            continue
        anchor = _find_nearest(points[:, j], before)
        way = points[:, j] - before[:, anchor]
        known = np.all(np.isfinite(way), axis=-1)
        if known.any():
            way = np.where(known[:, None], way, 0.0)[:, None]
            out[:, j] = refined[:, anchor] + fill_linear(way, known[:, None])[:, 0]
            sure[:, j] = np.where(confidence[:, j] > 0, confidence[:, j], FILLED_CONFIDENCE)
    return out, np.where(np.isfinite(out).all(-1), sure, 0.0)


def _find_nearest(points: Float[np.ndarray, "T C"], body: Float[np.ndarray, "T 17 C"]) -> int:
    """The joint of Human3.6M's that is nearest most of the time; the pelvis where none is seen with
    it."""
    distance = np.linalg.norm(body - points[:, None], axis=-1)
    distance[:, H36M17.index(*OWN_DEFINITIONS)] = np.nan
    known = np.isfinite(distance).any(0)
    return int(np.argmin([np.nanmedian(d) if k else np.inf for d, k in zip(distance.T, known)]))
