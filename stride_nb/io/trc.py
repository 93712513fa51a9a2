"""TRC, the marker files of OpenSim, Pose2Sim and OpenCap, in and out.

Tab-separated text: a line ``PathFileType``, names and values of the header (``DataRate``,
``Units``, …), ``Frame#``, ``Time`` and a marker's name every three columns, ``X1 Y1 Z1 …``, perhaps
an empty line, then a row a frame; an empty cell, or NaN, is a missing marker. OpenSim's world is
read: y up (opensim-org/opensim-core, ``OpenSim/Common/TRCFileAdapter.cpp``; perfanalytics/pose2sim,
``Pose2Sim/triangulation.py``). Frames are counted as the file counts them.

What is written opens in OpenSim: metres, y up, the markers under the names that they came with.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from stride_nb.errors import atomic_path
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.overrides import UNITS
from stride_nb.io.parsing import (
    arrange_named_joints,
    estimate_fps,
    parse_cell,
    parse_frame_number,
    parse_matrix,
    read_text,
)
from stride_nb.io.registry import get_single_pose_sequence
from stride_nb.poses.sequence import PoseSequence

__all__ = [
    "KEEPS",
    "LOADERS",
    "LOOKS",
    "NAME",
    "SAME_JOINTS",
    "SEVERAL",
    "SUFFIX",
    "TOOLS",
    "parse",
    "recognises",
    "write",
]

NAME = "trc"
TOOLS = "OpenSim, Pose2Sim, Sports2D, OpenCap"
LOOKS = "a TRC file, markers by name"
KEEPS = "3D, fps, frame numbers, marker names, missing"
SUFFIX, SEVERAL, SAME_JOINTS = ".trc", False, True
LOADERS = {".trc": lambda path: [line.split("\t") for line in read_text(path).splitlines()]}
UNIT_WORDS = {
    f"{prefix}met{end}": f"{letter}m"
    for prefix, letter in (("", ""), ("centi", "c"), ("milli", "m"))
    for end in ("er", "ers", "re", "res")
}
ORIGINAL = ("OrigDataRate", "OrigDataStartFrame", "OrigNumFrames")


def recognises(document: Document) -> bool:
    """Whether it is a TRC file."""
    return document.kind == "trc"


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The markers as one person's joints, metres."""
    lines = document.content
    head = next((i for i, line in enumerate(lines) if line[0].strip().lower() == "frame#"), None)
    if head is None or head < 2:
        raise document.error("header", "a line Frame#, Time, markers after the header's", "none")
    header = {key.strip(): cell.strip() for key, cell in zip(lines[head - 2], lines[head - 1])}
    unit = header.get("Units", "").lower()
    if (unit := UNIT_WORDS.get(unit, unit)) not in UNITS:
        raise document.error("Units", f"one of {', '.join(UNITS)}", repr(unit))
    labels = [cell.strip() for cell in lines[head][2:] if cell.strip()]
    joint_set, columns = arrange_named_joints(document, labels, skeleton)
    rows = [line for line in lines[head + 2 :] if line and line[0].strip()]
    if not rows:
        raise document.error("rows", "at least one frame", "none")
    width = 2 + 3 * len(labels)
    cells = [[_parse_marker_cell(cell) for cell in (line + [""] * width)[:width]] for line in rows]
    values = parse_matrix(document, "row", cells)
    frames = np.array([parse_frame_number(document, "Frame#", value) for value in values[:, 0]])
    points = values[:, 2:].reshape(len(values), -1, 3)[:, columns]
    return Detections(
        frames,
        [None] * len(frames),
        points,
        np.ones(points.shape[:2]),
        joint_set,
        fps=_read_data_rate(header) or estimate_fps(frames, values[:, 1]),
        frame_span=(int(frames.min()), int(frames.max())),
        up="y",
        unit=UNITS[unit],
    )


def _parse_marker_cell(cell: str) -> float | str:
    """A number; NaN of an empty cell; what is neither stays text, for the error."""
    try:
        return parse_cell(cell.replace(",", "."))
    except ValueError:
        return cell


def _read_data_rate(header: dict[str, str]) -> float | None:
    """Frames a second as the header says; None where it does not."""
    rate = _parse_marker_cell(header.get("DataRate", ""))
    return rate if isinstance(rate, float) and 0 < rate < 1e5 else None


def write(path: str | PathLike, sequences: Sequence[PoseSequence]) -> None:
    """One person's joints as markers, metres, y up; missing ones as empty cells."""
    sequence = get_single_pose_sequence(path, sequences)
    T, J = len(sequence), len(sequence.skeleton)
    fps = f"{sequence.fps:.10g}"
    labels = [
        label if sequence.skeleton.own_rows else _name_marker(label)
        for label in sequence.skeleton.joints
    ]
    head = [
        ["PathFileType", "4", "(X/Y/Z)", Path(path).name],
        [*("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units"), *ORIGINAL],
        [fps, fps, str(T), str(J), "m", fps, str(sequence.start), str(T)],
        ["Frame#", "Time", *(f"{label}\t\t" for label in labels)],
        ["", "", *(f"{axis}{j}" for j in range(1, J + 1) for axis in "XYZ")],
    ]
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.writelines("\t".join(line) + "\n" for line in head)
        for frame, row in enumerate(sequence.joints.reshape(T, -1).round(6), sequence.start):
            cells = ["" if np.isnan(value) else f"{value:.6f}" for value in row]
            file.write("\t".join([str(frame), f"{frame / sequence.fps:.6f}", *cells]) + "\n")


def _name_marker(joint: str) -> str:
    """As OpenSim's marker sets for pose estimators spell it: ``rhip`` is RHip, ``nose`` Nose."""
    sided = joint[0] in "lr" and len(joint) > 2
    return joint[0].upper() + joint[1:].capitalize() if sided else joint.capitalize()
