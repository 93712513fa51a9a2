"""Tables of joints: this package's own, and those that programs round MediaPipe write.

*Wide*: a row a frame (and person), columns named after joint and axis in either order and any
spelling that keeps them
apart: ``rhip_x``, ``RIGHT_HIP_x``, ``landmark_24_x``, ``x24``; the last part one of x, y, z or
visibility (v, confidence, score, presence). *Long*: a row a joint, with columns ``landmark`` (or
``joint``, ``landmark_id``, ``landmark_name``, …), x, y, z, visibility. Columns beside them: the
frame's number (``frame``, ``frame_number``, …) or its time (``time_s``, ``timestamp_ms``, …; in
seconds unless its name says ms) or both, else everybody's rows are frames in order; the person
(``person``, ``track_id``, ``id``, …).

With z the coordinates are 3D; MediaPipe's image landmarks, known by hips that are not at 0, have a
z of another scale and are read as 2D.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import count

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.io import mediapipe
from stride_nb.io.parsing import (
    Document,
    clock,
    frame_number,
    frame_rate,
    joint_set,
    track_id,
    unnamed,
)
from stride_nb.io.tracking import Detections
from stride_nb.poses import skeleton as sk
from stride_nb.poses.sequence import Keypoints2D, PoseSequence

__all__ = ["LOOKS", "SEVERAL", "SUFFIX", "parse", "recognises", "write"]

NAME = "csv"
LOOKS = "a CSV whose header names joint and axis (rhip_x, landmark_24_x, x24), or landmark, x, y, z"
SUFFIX, SEVERAL = ".csv", True
FRAME = ("frame", "frameid", "framenumber", "frameindex", "frameidx", "imageid", "frameno")
TIME = {
    "times": 1.0,
    "time": 1.0,
    "seconds": 1.0,
    "timestamp": 1.0,
    "timestampms": 1e-3,
    "timems": 1e-3,
}
RATES = (1, 1000)
"""Least and most frames a second that a column of times may come to: beyond, its unit is
another."""
PERSON = ("person", "trackid", "track", "personid", "id", "idx")
JOINT = (
    "landmark",
    "joint",
    "landmarkname",
    "jointname",
    "landmarkid",
    "landmarkindex",
    "jointid",
    "keypoint",
    "name",
)
AXES = {
    "x": 0,
    "y": 1,
    "z": 2,
    "v": 3,
    "vis": 3,
    "visibility": 3,
    "c": 3,
    "confidence": 3,
    "score": 3,
    "likelihood": 3,
    "presence": 3,
}
_LEAST_SURE = "presence"  # in the picture, seen or not: what a visibility beside it says counts


def recognises(document: Document) -> bool:
    if document.kind != "csv" or not document.content:
        return False
    header = [_plain(name) for name in document.content[0]]
    return len({axis for _, axis in map(_split, document.content[0])} & {0, 1}) == 2 or (
        {"x", "y"} <= set(header) and any(name in JOINT for name in header)
    )


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The rows of a table as detections, 2D or 3D."""
    header, *rows = document.content
    if not rows:
        raise document.error("rows", "at least one below the header", "none")
    bad = next((i for i, row in enumerate(rows, 2) if len(row) != len(header)), None)
    if bad:
        raise document.error(f"row {bad}", f"{len(header)} values", len(rows[bad - 2]))
    columns = dict(zip((_plain(name) for name in header), zip(*rows)))
    person = next((columns[name] for name in PERSON if name in columns), None)
    people = [None] * len(rows) if person is None else [track_id(value) for value in person]
    joint = (
        next((columns[name] for name in JOINT if name in columns), None)
        if {"x", "y"} <= columns.keys()
        else None
    )
    frames, fps = _clock(document, columns, list(zip(people, joint or people)))
    if joint:
        frames, people, names, values = _long(document, columns, joint, frames, people)
    else:
        names, values = _wide(document, header, rows)
    return _detections(document, frames, people, names, values, fps, skeleton)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _split(name: str) -> tuple[str, int | None]:
    """Joint and axis (0 to 3) of a column; no axis: not a joint's."""
    found = re.fullmatch(r"(.*[^a-zA-Z]|.*[a-z](?=[A-Z]))([a-zA-Z]+)", name.strip())
    if found and found[2].lower() in AXES and (joint := _joint(found[1])):
        return joint, AXES[found[2].lower()]
    found = re.fullmatch(r"(x|y|z|v|c)_?(\d+)", name.strip().lower())
    return (found[2], AXES[found[1]]) if found else ("", None)


def _joint(name: str) -> str:
    """A joint's name as the package spells it: ``RIGHT_HIP`` is rhip; of a name with a number the
    number."""
    plain = _plain(name)
    if digits := re.fullmatch(r"[a-z]*?(\d+)", plain):
        known = any(plain in s.joints for s in sk.SKELETONS.values())
        return plain if known else str(int(digits[1]))
    return (
        re.sub(r"^(mouth)(left|right)$", r"\2\1", plain).replace("left", "l").replace("right", "r")
    )


def _number(document: Document, field: str, values: Sequence[str]) -> np.ndarray:
    """Cells as numbers; an empty cell is NaN."""
    try:
        numbers = np.array([float(value) if value else np.nan for value in values])
    except ValueError as error:
        raise document.error(f"column {field}", "numbers", error) from None
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _clock(document: Document, columns: dict, about: Sequence) -> tuple[np.ndarray, float | None]:
    """(rows,) frame numbers, and the frame rate where there is a column of times.

    Where there is neither, rows ``about`` the same person (and joint) are frames in order.
    """
    time = next((name for name in TIME if name in columns), None)
    frame = next((name for name in FRAME if name in columns), None)
    seconds = (
        _number(document, time, columns[time]) * TIME[time] if time else np.full(len(about), np.nan)
    )
    if frame:
        numbers = np.array([frame_number(document, frame, _told(v)) for v in columns[frame]])
        return numbers, _plausible(document, time, frame_rate(numbers, seconds))
    known = np.isfinite(seconds)
    if not known.any():
        turns = defaultdict(count)
        return np.array([next(turns[one]) for one in about]), None
    if not known.all():
        raise document.error(
            _column(document, time),
            "a time in every row, or a column of frame numbers",
            f"none in row {np.argmin(known) + 2}",
        )
    times = np.unique(seconds)
    if time in ("time", "timestamp") and len(times) > 2 and (np.diff(times) == 1).all():
        raise document.error(
            _column(document, time),
            "seconds (time_s, if they are), or a column frame",
            "a count, one a row",
        )
    numbers, fps = clock(seconds)
    return np.array([frame_number(document, time, float(n)) for n in numbers]), _plausible(
        document, time, fps
    )


def _plausible(document: Document, time: str | None, fps: float | None) -> float | None:
    """The frame rate that a column of times came to. Raises InputError where its unit must be
    another."""
    if fps is None or RATES[0] <= fps <= RATES[1]:
        return fps
    unit = "seconds" if TIME[time] == 1 else "milliseconds"
    raise document.error(
        _column(document, time),
        f"{unit}, {RATES[0]} to {RATES[1]} frames in 1 s",
        f"{fps:g} frames in 1 s",
    )


def _column(document: Document, plain: str) -> str:
    """What an error calls the column of that plain name: as the header spells it."""
    return f"column {next(name for name in document.content[0] if _plain(name) == plain)}"


def _told(cell: str) -> float | str:
    """A number, however it is written (``1.000e+02``), or text."""
    try:
        return float(cell)
    except ValueError:
        return cell


def _wide(document: Document, header: list[str], rows: list) -> tuple[list[str], np.ndarray]:
    """Joints' names and (rows, J, 4) values, NaN where a column is absent (confidence: 1)."""
    columns = [(i, *_split(name)) for i, name in enumerate(header)]
    columns = [column for column in columns if column[2] is not None]
    cells = list(zip(*rows))
    once = Counter((joint, axis) for _, joint, axis in columns if axis < 3)
    twice = next((header[i] for i, joint, axis in columns if once[joint, axis] > 1), None)
    if twice:
        raise document.error("header", "each coordinate of a joint once", f"{twice} twice")
    names = list(dict.fromkeys(joint for _, joint, _ in columns))
    if all(name.isdigit() for name in names):
        names.sort(key=int)
    # first, so that others are put over it
    columns.sort(key=lambda column: not _plain(header[column[0]]).endswith(_LEAST_SURE))
    values = np.full((len(rows), len(names), 4), np.nan)
    values[..., 3] = 1
    for i, joint, axis in columns:
        values[:, names.index(joint), axis] = _number(document, header[i], cells[i])
    return names, values


def _long(
    document: Document, columns: dict, joint: Sequence[str], frames: np.ndarray, people: list
):
    """Frames, people, joints' names and (N, J, 4) values of a table with a row a joint."""
    joints = [_joint(value) for value in joint]
    names = sorted(
        set(joints), key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, joints.index(n))
    )
    poses = list(dict.fromkeys(zip(frames.tolist(), people)))
    row = {pose: i for i, pose in enumerate(poses)}
    at = [row[pose] for pose in zip(frames.tolist(), people)]
    values = np.full((len(poses), len(names), 4), np.nan)
    if len(poses) * len(names) > 4 * len(at) + 1000:
        raise document.error(
            "rows",
            "most joints of every frame",
            f"{len(names)} joints, {len(poses)} frames, {len(at)} rows",
        )
    values[..., 3] = 1
    slot = {name: j for j, name in enumerate(names)}
    slots = [slot[joint] for joint in joints]
    if len(set(zip(at, slots))) < len(at):
        raise document.error(
            "rows",
            "each joint once a frame and person (a column person, where there are several)",
            "one twice",
        )
    for name in sorted(columns, key=lambda name: name != _LEAST_SURE):
        if name in AXES:
            values[at, slots, AXES[name]] = _number(document, name, columns[name])
    return np.array([f for f, _ in poses]), [p for _, p in poses], names, values


def _detections(document: Document, frames, people, names, values, fps, skeleton) -> Detections:
    """Joints in the order of their joint set, in 2D or 3D."""
    name = skeleton or _set_of(document, names, values)
    wanted = sk.get(name).joints
    numbered = all(n.isdigit() for n in names)
    if not numbered:
        lacking = [joint for joint in wanted if joint not in names]
        if lacking:
            raise document.error(
                "header", f"all joints of {name}", f"none for {', '.join(lacking)}"
            )
        values = values[:, [names.index(joint) for joint in wanted]]
    if values.shape[1] != len(wanted):
        raise document.error("header", f"{len(wanted)} joints of {name}", values.shape[1])
    flat = np.isnan(values[..., 2]).all()
    notes = (unnamed(values, name),) if numbered and not skeleton else ()
    if name == "mediapipe33" and not flat:
        hips = values[:, 23:25, :2].mean(1)
        flat = np.nanmedian(np.abs(hips)) > 0.05 if np.isfinite(hips).any() else True
        notes += () if flat else (mediapipe.NOTE,)
    return Detections(
        frames,
        people,
        values[..., : 2 if flat else 3],
        values[..., 3],
        name,
        fps=fps,
        clock=(frames.min(), frames.max()),
        notes=notes,
    )


def _set_of(document: Document, names: list[str], values: np.ndarray) -> str:
    if all(n.isdigit() for n in names):
        return joint_set(document, values[..., : 2 if np.isnan(values[..., 2]).all() else 3])
    fits = [s for s in sk.SKELETONS.values() if set(s.joints) <= set(names)]
    if not fits:
        raise document.error(
            "header", f"the joints of one of {', '.join(sk.SKELETONS)}", ", ".join(names)
        )
    return max(fits, key=len).name


def write(path, sequences: Sequence[PoseSequence | Keypoints2D]) -> None:
    """A row a person and frame: frame, time_s, person, then x, y(, z), confidence of each joint;
    missing cells empty.

    Raises:
        InputError: sequences of several kinds or frame rates, or a rate that would not be read
            back.
    """
    if len({(type(s), s.skeleton.name) for s in sequences}) > 1:
        raise InputError(path, "sequences", "one kind and one joint set", "several")
    if (
        len(rates := {round(s.fps, 3) for s in sequences}) > 1
        or not RATES[0] <= min(rates) <= RATES[1]
    ):
        raise InputError(
            path,
            "fps",
            f"one from {RATES[0]} to {RATES[1]}",
            ", ".join(f"{fps:g}" for fps in sorted(rates)),
        )
    first = sequences[0]
    axes = "xyz" if isinstance(first, PoseSequence) else "xy"
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            [
                "frame",
                "time_s",
                "person",
                *(
                    f"{joint}_{part}"
                    for joint in first.skeleton.joints
                    for part in (*axes, "confidence")
                ),
            ]
        )
        for person, sequence in enumerate(sequences, 1):
            points = sequence.joints if axes == "xyz" else sequence.pixels
            values = np.concatenate([points, sequence.confidence[..., None]], -1).reshape(
                len(sequence), -1
            )
            for frame, row in enumerate(values.round(6).tolist()):
                table.writerow(
                    [
                        frame,
                        round(frame / sequence.fps, 6),
                        person,
                        *("" if v != v else v for v in row),
                    ]
                )
