"""Tables of joints: this package's own, and those that programs round MediaPipe write.

*Wide*: a row a frame (and person), columns named after joint and axis in either order and any
spelling that keeps them apart: ``rhip_x``, ``RIGHT_HIP_x``, ``x_rhip``, ``landmark_24_x``, ``x24``;
the other part one of x, y, z or visibility (v, confidence, score, presence). *Long*: a row a joint,
with columns ``landmark`` (or ``joint``, ``landmark_id``, ``landmark_name``, …), x, y, z,
visibility.
Columns beside them: the frame's number (``frame``, ``frame_number``, …) or its time (``time_s``,
``timestamp_ms``, …; in seconds unless its name says ms) or both, else everybody's rows are frames
in order; the person (``person``, ``track_id``, ``id``, …).

With z the coordinates are 3D. MediaPipe's image landmarks, shares of the image whose z is that
about the hips, are read as 2D. FreeMoCap's tables (``…_body_3d_xyz.csv``) are in millimetres, z up
(freemocap/freemocap, ``freemocap/core_processes/export_data``).
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from os import PathLike

import numpy as np
from jaxtyping import Float, Int

from stride_nb.errors import InputError, atomic_path
from stride_nb.io import mediapipe
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import (
    arrange_named_joints,
    estimate_fps,
    identify_joint_set,
    make_joint_set_note,
    number_frames_by_time,
    parse_cell,
    parse_frame_number,
    parse_track_id,
)
from stride_nb.poses import skeleton as sk
from stride_nb.poses.joint_names import find_named_set, simplify_joint_name
from stride_nb.poses.sequence import Keypoints2D, PoseSequence

__all__ = [
    "KEEPS",
    "LOOKS",
    "NAME",
    "SEVERAL",
    "SUFFIX",
    "TOOLS",
    "parse",
    "recognises",
    "write",
]

NAME = "csv"
TOOLS = "stride-nb, tables round MediaPipe, FreeMoCap, spreadsheets"
KEEPS = "2D or 3D, confidence, fps, ids, frame numbers, joint names, missing"
LOOKS = "a CSV whose header names joint and axis (rhip_x, landmark_24_x, x24), or landmark, x, y, z"
SUFFIX, SEVERAL = ".csv", True

# Columns by their plain names: lower case, letters and digits only.
FRAME_COLUMNS = (
    *("frame", "frameid", "framenumber", "frameindex", "frameidx", "imageid", "frameno", "fnum"),
    *("framenum", "framecount"),
)
INDEX_COLUMNS = ("", "index", "unnamed0")
"""A row's number, in a table of one person's frames that of the frame."""
TIME_COLUMNS = {
    "times": 1.0,
    "time": 1.0,
    "seconds": 1.0,
    "timestamp": 1.0,
    "timestampms": 1e-3,
    "timems": 1e-3,
}
"""And their unit in seconds."""
PERSON_COLUMNS = ("person", "trackid", "track", "personid", "id", "idx")
JOINT_COLUMNS = (
    *("landmark", "joint", "landmarkname", "jointname", "landmarkid", "landmarkindex", "jointid"),
    *("keypoint", "keypointname", "name", "bodypart", "bodyparts", "marker", "point", "label"),
)
_SEPARATORS = " :./_-(["
PRESENCE = "presence"
"""MediaPipe's, in the picture, visible or not: a visibility beside it counts instead."""
VALUE_COLUMNS = {"x": 0, "y": 1, "z": 2} | dict.fromkeys(
    ("v", "vis", "visibility", "c", "confidence", "score", "likelihood", PRESENCE), 3
)
"""And where the value stands in x, y, z, confidence."""
FPS_RANGE = (1, 1000)
"""Frames a second that a column of times may come to: beyond, its unit is another."""


def recognises(document: Document) -> bool:
    """Whether the header names x and y of joints, or a joint, x and y."""
    if document.kind not in ("csv", "tsv") or not document.content:
        return False
    header = document.content[0]
    plain = {_simplify(name) for name in header}
    wide = {_split_column(name)[1] for name in header} >= {0, 1}
    return wide or (plain >= {"x", "y"} and not plain.isdisjoint(JOINT_COLUMNS))


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The rows of a table as detections, 2D or 3D."""
    header, *rows = document.content
    if not rows:
        raise document.error("rows", "at least one below the header", "none")
    for i, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise document.error(f"row {i}", f"{len(header)} values", len(row))
    columns = dict(zip(map(_simplify, header), zip(*rows)))
    person_cells = _find_column(columns, PERSON_COLUMNS)
    track_ids = [parse_track_id(cell) for cell in person_cells or [None] * len(rows)]
    long = {"x", "y"} <= columns.keys()
    joint_cells = _find_column(columns, JOINT_COLUMNS) if long else None
    subjects = list(zip(track_ids, joint_cells or track_ids))
    frames, fps = _read_row_clock(document, columns, subjects)
    if joint_cells:
        names = [_standardize_joint(cell) for cell in joint_cells]
        frames, track_ids, names, values = _read_long(document, columns, names, frames, track_ids)
    else:
        names, values = _read_wide(document, header, rows)
    return _make_detections(document, frames, track_ids, names, values, fps, skeleton)


def _find_column(columns: Mapping[str, Sequence[str]], names: Iterable[str]):
    return next((columns[name] for name in names if name in columns), None)


def _simplify(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _split_column(name: str) -> tuple[str, int | None]:
    """Joint and place of the value (0 to 3) of a column; no place: not a joint's."""
    name = name.strip().rstrip(")]")
    match = re.fullmatch(r"(.*[^a-zA-Z]|.*[a-z](?=[A-Z]))([a-zA-Z]+)", name)
    stem = match[1].rstrip(_SEPARATORS) if match else ""
    if match and match[2].lower() in VALUE_COLUMNS and (joint := _standardize_joint(stem)):
        return joint, VALUE_COLUMNS[match[2].lower()]
    match = re.fullmatch(r"(x|y|z|v|c)_?(\d+)", name.lower())
    match = match or re.fullmatch(rf"({'|'.join(VALUE_COLUMNS)})[_ .-](.+)", name.lower())
    if match and (joint := _standardize_joint(match[2])):
        return joint, VALUE_COLUMNS[match[1]]
    return "", None


def _standardize_joint(name: str) -> str:
    """A joint's name as the package spells it: ``RIGHT_HIP`` is rhip; of a name with a number the
    number."""
    plain = simplify_joint_name(name)
    if digits := re.fullmatch(r"[a-z]*?(\d+)", plain):
        known = any(plain in s.joints for s in sk.SKELETONS.values())
        return plain if known else str(int(digits[1]))
    return plain


def _parse_cells(document: Document, field: str, cells: Sequence[str]) -> Float[np.ndarray, " N"]:
    """Cells as numbers; an empty cell is NaN."""
    try:
        numbers = np.array([parse_cell(cell) for cell in cells], np.float64)
    except ValueError as error:
        raise document.error(f"column {field}", "numbers", error) from None
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _read_row_clock(
    document: Document, columns: Mapping[str, Sequence[str]], subjects: Sequence
) -> tuple[Int[np.ndarray, " N"], float | None]:
    """Frame numbers of the rows, and the frame rate where there is a column of times.

    Where there is neither, rows about the same subject are frames in order.
    """
    time = next((name for name in TIME_COLUMNS if name in columns), None)
    frame = next((name for name in FRAME_COLUMNS if name in columns), None)
    if frame is None and time is None and len(set(subjects)) == 1:
        first = next(iter(columns))
        frame = first if first in INDEX_COLUMNS else None
    seconds = np.full(len(subjects), np.nan)
    if time:
        seconds = _parse_cells(document, time, columns[time]) * TIME_COLUMNS[time]
    if frame is not None:
        values = [_parse_if_number(cell) for cell in columns[frame]]
        frames = np.array([parse_frame_number(document, frame, value) for value in values])
        fps = estimate_fps(frames, seconds)
    elif time and np.isfinite(seconds).any():
        _check_times(document, time, seconds)
        numbers, fps = number_frames_by_time(seconds)
        frames = np.array([parse_frame_number(document, time, float(n)) for n in numbers])
    else:
        counters = defaultdict(count)
        return np.array([next(counters[subject]) for subject in subjects]), None
    if time and fps is not None and not FPS_RANGE[0] <= fps <= FPS_RANGE[1]:
        unit = "seconds" if TIME_COLUMNS[time] == 1 else "milliseconds"
        expected = f"{unit}, {FPS_RANGE[0]} to {FPS_RANGE[1]} frames in 1 s"
        raise document.error(_quote_column(document, time), expected, f"{fps:g} frames in 1 s")
    return frames, fps


def _check_times(document: Document, time: str, seconds: Float[np.ndarray, " N"]) -> None:
    """InputError where a column of times alone cannot number the frames."""
    column = _quote_column(document, time)
    if np.isnan(seconds).any():
        expected = "a time in every row, or a column of frame numbers"
        raise document.error(column, expected, f"none in row {np.argmax(np.isnan(seconds)) + 2}")
    times = np.unique(seconds)
    if time in ("time", "timestamp") and len(times) > 2 and (np.diff(times) == 1).all():
        expected = "seconds (time_s, if they are), or a column frame"
        raise document.error(column, expected, "a count, one a row")


def _quote_column(document: Document, plain: str) -> str:
    """What an error calls the column of that plain name: as the header spells it."""
    return f"column {next(name for name in document.content[0] if _simplify(name) == plain)}"


def _parse_if_number(cell: str) -> float | str:
    """A number, however it is written (``1.000e+02``), or text."""
    try:
        return float(cell)
    except ValueError:
        return cell


def _read_wide(
    document: Document, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], Float[np.ndarray, "N J 4"]]:
    """Joints' names and values, NaN where a column is absent (confidence: 1)."""
    columns = [(i, *_split_column(name)) for i, name in enumerate(header)]
    columns = [(i, joint, place) for i, joint, place in columns if place is not None]
    uses = Counter((joint, place) for _, joint, place in columns if place < 3)
    for i, joint, place in columns:
        if uses[joint, place] > 1:
            raise document.error("header", "each coordinate of a joint once", f"{header[i]} twice")
    names = list(dict.fromkeys(joint for _, joint, _ in columns))
    if all(name.isdigit() for name in names):
        names.sort(key=int)
    # presence first, so that a visibility overwrites it
    columns.sort(key=lambda column: not _simplify(header[column[0]]).endswith(PRESENCE))
    cells = list(zip(*rows))
    values = _make_empty_values(len(rows), len(names))
    for i, joint, place in columns:
        values[:, names.index(joint), place] = _parse_cells(document, header[i], cells[i])
    return names, values


def _read_long(
    document: Document,
    columns: Mapping[str, Sequence[str]],
    joints: Sequence[str],
    frames: Int[np.ndarray, " R"],
    track_ids: Sequence[str | None],
) -> tuple[Int[np.ndarray, " N"], list[str | None], list[str], Float[np.ndarray, "N J 4"]]:
    """Frames, track ids, joints' names and values of a table with a row a joint."""

    def order(name: str) -> tuple:
        return not name.isdigit(), int(name) if name.isdigit() else 0, joints.index(name)

    names = sorted(set(joints), key=order)
    rows = list(zip(frames.tolist(), track_ids))
    poses = list(dict.fromkeys(rows))
    if len(poses) * len(names) > 4 * len(rows) + 1000:
        given = f"{len(names)} joints, {len(poses)} frames, {len(rows)} rows"
        raise document.error("rows", "most joints of every frame", given)
    pose_index = {pose: i for i, pose in enumerate(poses)}
    joint_index = {name: j for j, name in enumerate(names)}
    at, slots = [pose_index[row] for row in rows], [joint_index[joint] for joint in joints]
    if len(set(zip(at, slots))) < len(rows):
        expected = "each joint once a frame and person (a column person, where there are several)"
        raise document.error("rows", expected, "one twice")
    values = _make_empty_values(len(poses), len(names))
    for name in sorted(columns, key=lambda name: name != PRESENCE):
        if name in VALUE_COLUMNS:
            cells = _parse_cells(document, name, columns[name])
            values[at, slots, VALUE_COLUMNS[name]] = cells
    return np.array([frame for frame, _ in poses]), [i for _, i in poses], names, values


def _make_empty_values(poses: int, joints: int) -> np.ndarray:
    values = np.full((poses, joints, 4), np.nan)
    values[..., 3] = 1
    return values


def _make_detections(
    document: Document, frames, track_ids, names: list[str], values, fps, skeleton: str | None
) -> Detections:
    """Joints in the order of their joint set, in 2D or 3D."""
    only_2d = np.isnan(values[..., 2]).all()
    numbered = all(name.isdigit() for name in names)
    points = values[..., : 2 if only_2d else 3]
    if numbered:
        joint_set = identify_joint_set(document, points, skeleton)
    else:
        wanted = skeleton or find_named_set(names)
        labels = names if wanted else [_find_label(document, name) for name in names]
        joint_set, order = arrange_named_joints(document, labels, wanted)
        values, points = values[:, order], points[:, order]
    notes = (make_joint_set_note(values, joint_set),) if numbered and not skeleton else ()
    if sk.get_skeleton(joint_set).name == "mediapipe33" and not only_2d:
        own = "time_s" in document.content[0] and "nose_confidence" in document.content[0]
        if not own and _are_image_landmarks(points):
            points = points[..., :2]
        elif np.nanmax(np.abs(points[:, 23:25].mean(1)), initial=0) < 1e-3:
            notes += (mediapipe.NO_PATH_NOTE,)
    is_freemocap = points.shape[-1] == 3 and "3d_xyz" in document.path.stem
    return Detections(
        frames,
        track_ids,
        points,
        values[..., 3],
        joint_set,
        fps=fps,
        frame_span=(frames.min(), frames.max()),
        notes=notes,
        up="z" if is_freemocap else None,
        unit=0.001 if is_freemocap else None,
    )


def _find_label(document: Document, joint: str) -> str:
    """A joint's name as the first column of it spells it."""
    for column in document.content[0]:
        if _split_column(column)[0] == joint:
            parts = re.fullmatch(r"(.*?)[_ .-]?([a-zA-Z]+)", column.strip())
            if parts and parts[2].lower() in VALUE_COLUMNS:
                return parts[1]
    return joint


def _are_image_landmarks(points: Float[np.ndarray, "N 33 3"]) -> bool:
    """Whether MediaPipe's landmarks are the image's: within about one image, or in pixels, its z
    counted from the hips, which themselves move."""
    seen = points[np.isfinite(points).all(-1)]
    hips = points[:, 23:25].mean(1)
    hips = hips[np.isfinite(hips).all(-1)]
    if not len(seen) or not len(hips):
        return True
    in_image = (np.percentile(seen[:, :2], (1, 99)) > -1).all() and np.percentile(
        seen[:, :2], 99
    ) < 2
    at_hips = np.median(np.abs(hips), axis=0)
    if np.abs(hips[:, 2]).max() < 1e-3 * at_hips[:2].max():  # in pixels: hips at depth 0, elsewhere
        return bool(len(hips) > 1 and (np.percentile(seen[:, :2], 1, axis=0) > -at_hips[:2]).all())
    return bool(in_image and at_hips[2] < 0.05 and at_hips[:2].max() > 0.05)


def write(path: str | PathLike, sequences: Sequence[PoseSequence | Keypoints2D]) -> None:
    """A row a person and frame: frame, time_s, person, then x, y(, z), confidence of each joint;
    missing cells empty.

    Raises:
        InputError: sequences of several kinds or frame rates, or a rate that would not be read
            back.
    """
    if len({(type(s), s.skeleton.name) for s in sequences}) > 1:
        raise InputError(path, "sequences", "one kind and one joint set", "several")
    rates = sorted({round(s.fps, 3) for s in sequences})
    if len(rates) > 1 or not FPS_RANGE[0] <= rates[0] <= FPS_RANGE[1]:
        given = ", ".join(f"{fps:g}" for fps in rates)
        raise InputError(path, "fps", f"one from {FPS_RANGE[0]} to {FPS_RANGE[1]}", given)
    first = sequences[0]
    field, axes = ("joints", "xyz") if isinstance(first, PoseSequence) else ("pixels", "xy")
    parts = (*axes, "confidence")
    header = [f"{joint}_{part}" for joint in first.skeleton.joints for part in parts]
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["frame", "time_s", "person", *header])
        for person, sequence in enumerate(sequences, 1):
            values = np.dstack([getattr(sequence, field), sequence.confidence])
            rows = values.reshape(len(values), -1).round(6).tolist()
            for frame, row in enumerate(rows, sequence.start):
                cells = ["" if value != value else value for value in row]
                table.writerow([frame, round(frame / sequence.fps, 6), person, *cells])
