"""C3D, the binary files of motion capture systems, in: labelled points as joints.

`ezc3d` (extra ``c3d``) reads them: ``POINT:LABELS``, ``POINT:RATE``, ``POINT:UNITS``; a residual
below 0 marks a missing point (c3d.org, "The C3D File Format", point residuals). Where the file says
which axis is up on its screen (``POINT:Y_SCREEN``), that is up; else it is judged by the person.
Labels of joints are known by name; of surface markers a joint map says what they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stride_nb.errors import InputError, require
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import arrange_named_joints
from stride_nb.io.units import METRES

__all__ = ["KEEPS", "LOADERS", "LOOKS", "NAME", "TOOLS", "parse", "recognises"]

NAME = "c3d"
TOOLS = "Vicon, Qualisys, OptiTrack, Theia"
LOOKS = "a C3D file, points by label"
KEEPS = "3D, fps, frame numbers, up axis, missing"
UP_NAMES = {"Y": "y", "-Y": "-y", "Z": "z"}
_SIGNATURE = 0x50
"""Second byte of every C3D file."""


def _load_points(path: Path) -> dict[str, Any]:
    """Points (4, J, T), residuals (J, T), first frame and the parameters of points."""
    with open(path, "rb") as file:
        head = file.read(2)
    if len(head) < 2 or head[1] != _SIGNATURE:
        raise InputError(path, "file", "a C3D file", "another signature")
    content = require("ezc3d", "c3d").c3d(str(path))
    point = content["parameters"]["POINT"]
    return {
        "points": content["data"]["points"],
        "residuals": content["data"]["meta_points"]["residuals"][0],
        "first": int(content["header"]["points"]["first_frame"]),
        **{key: point[key]["value"] for key in point if key != "__METADATA__"},
    }


LOADERS = {".c3d": _load_points}


def recognises(document: Document) -> bool:
    """Whether it is a C3D file."""
    return document.kind == "c3d"


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The points as one person's joints, metres."""
    content = document.content
    points = np.moveaxis(content["points"][:3], 0, -1).swapaxes(0, 1)
    labels = [label.strip() for label in content.get("LABELS", [])][: points.shape[1]]
    if not points.size or len(labels) < points.shape[1]:
        raise document.error("POINT:LABELS", f"{points.shape[1]} labels, at least 1", len(labels))
    unit = next(iter(content.get("UNITS", [])), "").strip().lower()
    if unit not in METRES:
        raise document.error("POINT:UNITS", f"one of {', '.join(METRES)}", repr(unit))
    joint_set, columns = arrange_named_joints(document, labels, skeleton)
    confidence = (content["residuals"].T >= 0).astype(float)
    frames = np.arange(len(points)) + content["first"] + 1
    up = next(iter(content.get("Y_SCREEN", [])), "").strip().upper().lstrip("+")
    return Detections(
        frames,
        [None] * len(frames),
        points[:, columns],
        confidence[:, columns],
        joint_set,
        fps=_get_point_rate(content),
        frame_span=(int(frames[0]), int(frames[-1])),
        up=UP_NAMES.get(up),
        unit=METRES[unit],
    )


def _get_point_rate(content: dict[str, Any]) -> float | None:
    rate = float(next(iter(content.get("RATE", [])), 0))
    return rate if 0 < rate < 1e5 else None
