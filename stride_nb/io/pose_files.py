"""Poses from the files that estimators write, to files that other tools open."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from stride_nb.errors import InputError, check_kind, check_path
from stride_nb.io.detections import Detections, assemble_sequences, clean_detections
from stride_nb.io.document import Document, open_document
from stride_nb.io.joint_map import JointMap, load_joint_map, map_joints
from stride_nb.io.overrides import (
    Overrides,
    apply_overrides,
    make_overrides,
    number_from,
    trust_from,
)
from stride_nb.io.parsing import NUMBERED
from stride_nb.io.registry import collect_loaders, find_reader, find_writer
from stride_nb.io.sentinels import mark_sentinels
from stride_nb.io.tracking import check_max_people, fix_track_ids
from stride_nb.io.units import scale_image_points, scale_to_metres, scale_to_pixels
from stride_nb.poses.body_check import describe_faults
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import get_skeleton
from stride_nb.poses.streaming import StreamedSequence

__all__ = ["PoseFile", "check_fps_agrees", "read", "read_tracks", "write"]

ASSUMED_FPS = 30.0


class PoseFile(list):
    """The sequences of a file, one a person, with the format recognised, the axis that it says is
    up (``y``, ``-y``, ``z``; None: it does not say), notes on what had to be assumed, and whether
    the sequences are clips, each of its own video."""

    def __init__(
        self,
        sequences: Sequence,
        format: str,
        notes: Sequence[str] = (),
        up: str | None = None,
        clips: bool = False,
    ):
        super().__init__(sequences)
        self.format, self.notes, self.up, self.clips = format, tuple(notes), up, clips


def read(
    path: str | PathLike,
    format: str | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    skeleton: str | None = None,
    people: int | None = None,
    joints: str | PathLike | JointMap | None = None,
    **overrides: Any,
) -> PoseFile:
    """The people in a file of poses, ``Keypoints2D`` (px) or ``PoseSequence`` (metres).

    All share the file's clock; a frame without a person is missing (NaN, confidence 0). 3D becomes
    metres.

    Args:
        path: a file, or a folder with one JSON a frame.
        format: a name in ``list_formats()``; None: judged by the content.
        fps: frames per second, where the file does not say; None: 30, with a note.
        size: width and height of the image, px, where the file does not say; None: a usual one.
        skeleton: the joint set, where the number of joints does not decide it.
        people: keep this many, those seen in most frames; None: all.
        joints: a joint map, or its JSON file (`joint_map`), where the joints are of no known set.
        overrides: ``up``, ``unit``, ``start``, ``trust`` (`Overrides`); an error where the file
            says otherwise.

    Raises:
        InputError: not the format named, a format that is not recognised (with the alternatives), a
            file that is malformed, or nobody to keep.
    """
    path = _check_request(path, people, skeleton)
    known, document = make_overrides(path, overrides), open_document(path, collect_loaders())
    reader = find_reader(document, format)
    parsed = reader.parse(document, skeleton if joints is None else NUMBERED)
    if not isinstance(parsed, Detections) and not isinstance(parsed[0], Detections):
        if joints is not None:
            raise document.error("joints", f"none: {reader.NAME} names them", "a joint map")
        return _override_sequences(PoseFile(parsed[:people], reader.NAME), known, path)
    clips = [parsed] if isinstance(parsed, Detections) else parsed[:people]
    if joints is not None:
        clips = [map_joints(clip, load_joint_map(joints), document.path) for clip in clips]
    clips = [apply_overrides(mark_sentinels(clip), known, path) for clip in clips]
    found = _finish_clips(clips, document, reader.NAME, fps, size, people, known)
    return _override_sequences(found, known, path)


def _check_request(path: str | PathLike, people: int | None, skeleton: str | None) -> Path:
    """The path; InputError for what is asked for and cannot be, before any work."""
    path = check_path("read", path)
    check_max_people(path, people)
    if skeleton is not None:
        get_skeleton(skeleton)
    return path


def _finish_clips(
    clips: Sequence[Detections],
    document: Document,
    format: str,
    fps: float | None,
    size: tuple[int, int] | None,
    people: int | None,
    known: Overrides,
) -> PoseFile:
    """Everybody in a video's detections, or in those of several, each named after its own."""
    if len(clips) == 1:
        sequences, notes = _finish_detections(clips[0], document, fps, size, people, known.unit)
        return PoseFile(sequences, format, notes, clips[0].up)
    sequences, notes = [], []
    for clip in clips:
        found, more_notes = _finish_detections(clip, document, fps, size, None, known.unit)
        sequences += [track.replace(name=clip.track_ids[0] or track.name) for track in found]
        notes += more_notes
    return PoseFile(sequences, format, list(dict.fromkeys(notes)), clips[0].up, clips=True)


def _override_sequences(file: PoseFile, known: Overrides, path: str | PathLike) -> PoseFile:
    """The file with frames counted, and confidence trusted, as asked for, and notes on both and on
    what is no body."""
    notes = list(file.notes)
    sequences = trust_from(number_from(file, known.start, path), known.trust, path)
    if (first := sequences[0].start) and not file.clips:
        notes.append(f"frames {first} to {max(s.start + len(s) for s in sequences) - 1}")
    for sequence in sequences:
        whose = f" ({sequence.name})" if len(sequences) > 1 else ""
        notes += [fault + whose for fault in describe_faults(sequence)]
    up = known.up if file.up is None else file.up
    return PoseFile(sequences, file.format, notes, up, file.clips)


def _finish_detections(
    parsed: Detections,
    document: Document,
    fps: float | None,
    size: tuple[int, int] | None,
    people: int | None,
    unit: str | None,
) -> tuple[list[Keypoints2D | PoseSequence], list[str]]:
    """One sequence a person, in pixels or metres, and notes."""
    detections = clean_detections(parsed, document.path)
    notes = list(detections.notes)
    if (fps := detections.fps or fps) is None:
        fps = ASSUMED_FPS
        notes.append(f"no frame rate: {fps:g} frames per second were assumed (fps=…)")
    if detections.points.shape[-1] == 2:
        size = detections.size or size
        detections, size, more_notes = scale_to_pixels(detections, size, document, unit)
    else:
        detections, more_notes = scale_to_metres(detections, document)
        detections, size, image_notes = scale_image_points(detections, detections.size or size)
        more_notes += image_notes
    sequences, people_notes = assemble_sequences(detections, document.path, fps, size, people)
    return sequences, [*notes, *more_notes, *people_notes]


def read_tracks(
    path: str | PathLike,
    format: str | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    skeleton: str | None = None,
    people: int | None = None,
    joints: str | PathLike | JointMap | None = None,
    **overrides: Any,
) -> tuple[PoseFile, list]:
    """What ``read`` gives, and the people in it: tracks of one video, with swapped ids corrected
    (``fix_track_ids``).

    Sequences of different lengths are clips instead, whose order and names are theirs: they stay as
    they are.

    Args:
        path, format, size, skeleton, joints, overrides: as of ``read``.
        fps: frames per second, where the file does not say; an error where it says otherwise.
        people: keep this many, those seen in most frames once broken tracks are joined (of clips
            the first); None: all.

    Raises:
        InputError: as ``read`` does, and where file and ``fps`` disagree.
    """
    path = check_path("read", path)
    check_max_people(path, people)
    try:
        sequences = read(path, format, fps, size, skeleton, joints=joints, **overrides)
    except InputError as error:
        if people is None or error.field != "people":
            raise
        # too many to hold before any could be joined
        sequences = read(path, format, fps, size, skeleton, people, joints, **overrides)
    check_fps_agrees(path, fps, sequences[0].fps)
    one_video = not sequences.clips and len({len(track) for track in sequences}) == 1
    return sequences, fix_track_ids(sequences, people) if one_video else sequences[:people]


def check_fps_agrees(path: str | PathLike, fps: float | None, file_fps: float) -> None:
    """InputError where a frame rate is given that is not the file's own.

    Broadcast rates may go by their round names, 30 for 29.97; the file's own rate counts.
    """
    if fps is not None and not math.isclose(fps, file_fps, rel_tol=2e-3):
        expected = f"{file_fps:g}, as the file says, or none given"
        raise InputError(path, "fps", expected, f"{fps:g}")


def write(
    path: str | PathLike,
    sequences: PoseSequence | StreamedSequence | Keypoints2D | Sequence,
    format: str | None = None,
    **options,
) -> list[Path]:
    """Write sequences: all in one file where the format can, else ``out_1.bvh``, ``out_2.bvh`` …
    for several.

    Args:
        path: the file, in a folder that is made where there is none.
        sequences: one or several; one longer than memory is read whole for any file but npz.
        format: ``npz``, ``csv``, ``bvh``, ``glb``, ``json`` (AlphaPose's), or a module's name
            (``amass``); None: the path's suffix.
        options: the format's own (``body`` of ``amass`` and ``glb``).

    Returns:
        The files written, each whole or not at all.

    Raises:
        InputError: an unknown format, or a sequence that the format cannot hold.
    """
    path = check_path("write", path)
    writer = find_writer(path, format)
    sequences = list(sequences) if isinstance(sequences, (list, tuple)) else [sequences]
    if not sequences:
        raise InputError(path, "sequences", "at least one", "none")
    for sequence in sequences:
        kinds = PoseSequence, StreamedSequence, Keypoints2D
        check_kind(str(path), "sequences", sequence, *kinds)
    known = list(inspect.signature(writer.write).parameters)[2:]
    if unknown := [name for name in options if name not in known]:
        expected = f"one of {', '.join(known)}" if known else "none"
        raise InputError(path, "options", f"{expected}, of {writer.NAME}", ", ".join(unknown))
    if not getattr(writer, "STREAMS", False):
        sequences = [s[:] if isinstance(s, StreamedSequence) else s for s in sequences]
    files = {path: sequences}
    if len(sequences) > 1 and not writer.SEVERAL:
        files = {path.with_stem(f"{path.stem}_{i}"): [s] for i, s in enumerate(sequences, 1)}
    for target, part in files.items():
        writer.write(target, part, **options)
    return list(files)
