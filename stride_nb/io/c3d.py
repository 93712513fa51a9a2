"""C3D, the binary files of motion capture systems, in: labelled points as joints.

`ezc3d` (extra ``c3d``) reads them: ``POINT:LABELS``, ``POINT:RATE``, ``POINT:UNITS``; a residual
below 0 marks a missing point (c3d.org, "The C3D File Format", point residuals). Where the file says
which axis is up on its screen (``POINT:Y_SCREEN``), that is up; else it is judged by the person.
Labels of joints are known by name; of surface markers a joint map says what they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from stride_nb.errors import InputError, require
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.overrides import UNITS
from stride_nb.io.parsing import arrange_named_joints

__all__ = ["KEEPS", "LOADERS", "LOOKS", "NAME", "TOOLS", "parse", "recognises"]

NAME = "c3d"
TOOLS = "Vicon, Qualisys, OptiTrack, Theia"
LOOKS = "a C3D file, points by label"
KEEPS = "3D, fps, frame numbers, up axis, missing"
UP_NAMES = {"Y": "y", "-Y": "-y", "Z": "z"}
_SIGNATURE = 0x50
"""Second byte of every C3D file."""


MOST_BYTES, MOST_SECONDS = 2 << 30, 30
"""Of memory and time for one file."""
_CHILD = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]),) * 2)
except (ImportError, ValueError):
    pass
import numpy
import ezc3d
content = ezc3d.c3d(sys.argv[1])
point = content["parameters"]["POINT"]
names = [name for name in ("LABELS", "UNITS", "RATE", "Y_SCREEN") if name in point]
numpy.savez(
    sys.argv[2],
    points=content["data"]["points"],
    residuals=content["data"]["meta_points"]["residuals"][0],
    first=content["header"]["points"]["first_frame"],
    **{name: numpy.array(point[name]["value"]) for name in names},
)
"""


def _load_points(path: Path) -> dict[str, Any]:
    """Points (4, J, T), residuals (J, T), first frame and the parameters of points.

    The library takes memory on a file's word, so it runs in a process of its own, with bounds.
    """
    with open(path, "rb") as file:
        head = file.read(2)
    if len(head) < 2 or head[1] != _SIGNATURE:
        raise InputError(path, "file", "a C3D file", "another signature")
    require("ezc3d", "c3d")
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "points.npz"
        command = [sys.executable, "-c", _CHILD, str(path), str(out), str(MOST_BYTES)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=MOST_SECONDS,
                env=os.environ | one_thread | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
        except subprocess.TimeoutExpired:
            expected = f"a C3D file read within {MOST_SECONDS} s"
            raise InputError(path, "file", expected, "none") from None
        if done.returncode or not out.exists():
            reason = (done.stderr.strip().splitlines() or ["a damaged one"])[-1]
            raise InputError(path, "file", "a whole C3D file", reason[:120])
        with np.load(out, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}


LOADERS = {".c3d": _load_points}


def recognises(document: Document) -> bool:
    """Whether it is a C3D file."""
    return document.kind == "c3d"


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The points as one person's joints, metres."""
    content = document.content
    points = np.moveaxis(content["points"][:3], 0, -1).swapaxes(0, 1)
    labels = [str(label).strip() for label in content.get("LABELS", [])][: points.shape[1]]
    if not points.size or len(labels) < points.shape[1]:
        raise document.error("POINT:LABELS", f"{points.shape[1]} labels, at least 1", len(labels))
    unit = _get_text(content, "UNITS").lower()
    if unit not in UNITS:
        raise document.error("POINT:UNITS", f"one of {', '.join(UNITS)}", repr(unit))
    joint_set, columns = arrange_named_joints(document, labels, skeleton)
    confidence = (content["residuals"].T >= 0).astype(float)
    frames = np.arange(len(points)) + int(content["first"]) + 1
    up = _get_text(content, "Y_SCREEN").upper().lstrip("+")
    return Detections(
        frames,
        [None] * len(frames),
        points[:, columns],
        confidence[:, columns],
        joint_set,
        fps=_get_point_rate(content),
        frame_span=(int(frames[0]), int(frames[-1])),
        up=UP_NAMES.get(up),
        unit=UNITS[unit],
    )


def _get_text(content: dict[str, Any], key: str) -> str:
    """The first text of a parameter; empty where there is none."""
    return next((str(value).strip() for value in np.ravel(content.get(key, []))), "")


def _get_point_rate(content: dict[str, Any]) -> float | None:
    try:
        rate = float(next(iter(np.ravel(content.get("RATE", []))), 0))
    except ValueError:
        return None
    return rate if 0 < rate < 1e5 else None
