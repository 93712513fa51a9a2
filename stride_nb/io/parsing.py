"""A user's file as parsed content, whatever its format; and the values in it as numbers, or one
clear error."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from stride_nb._pickles import numpy_pickle
from stride_nb.errors import UNREADABLE, InputError
from stride_nb.poses import skeleton as sk

__all__ = [
    "Document",
    "apart",
    "clock",
    "frame_number",
    "frame_rate",
    "joint_set",
    "matrix",
    "open_document",
    "track_id",
    "unnamed",
]

SUFFIXES = {
    ".json": "json",
    ".csv": "csv",
    ".npz": "npz",
    ".npy": "npy",
    ".pkl": "pickle",
    ".pickle": "pickle",
}


@dataclass(frozen=True)
class Document:
    """What a path holds, parsed once: every format is recognised from it and read from it."""

    path: Path
    kind: str
    """``json``, ``folder`` (of JSON files, one a frame), ``csv``, ``npz``, ``npy`` or
    ``pickle``."""
    content: Any
    """Parsed JSON; list of (file name, parsed JSON); list of rows of text; dict of arrays; array;
    what was pickled."""

    def error(self, field: str, expected: object, found: object) -> InputError:
        """The error to raise, with at most 120 characters of what was found."""
        found = str(found)
        return InputError(
            self.path, field, expected, found if len(found) <= 120 else found[:117] + "…"
        )


def open_document(path: str | PathLike) -> Document:
    """Parse a file by its suffix, or a folder of JSON files.

    Raises:
        InputError: nothing there, an unknown suffix, or content that cannot be parsed.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise InputError(path, "folder", "JSON files, one a frame", "none")
        return Document(path, "folder", [(file.name, _parse(file, "json")) for file in files])
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            path,
            "suffix",
            f"a folder of JSON files, or {', '.join(SUFFIXES)}",
            path.suffix or "none",
        )
    kind = SUFFIXES[path.suffix.lower()]
    return Document(path, kind, _parse(path, kind))


def _parse(path: Path, kind: str):
    if kind == "pickle":
        return numpy_pickle.load(path)
    try:
        if kind == "json":
            return json.loads(path.read_bytes())
        if kind == "csv":
            with open(path, newline="", encoding="utf-8-sig") as file:
                return [row for row in csv.reader(file) if row]
        loaded = np.load(path, allow_pickle=False)
        if kind == "npy":
            return np.asarray(loaded)
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except FileNotFoundError:
        raise InputError(path, "file", f"a {kind} file", "nothing there") from None
    except (*UNREADABLE, csv.Error) as error:
        raise InputError(
            path, "file", f"a whole {kind} file", str(error)[:120] or type(error).__name__
        ) from None


def matrix(
    document: Document, field: str, rows: Sequence[Sequence], widths: Sequence[int] = ()
) -> np.ndarray:
    """(N, W) float64 from N lists of equally many numbers; null, NaN and infinity become NaN.

    Args:
        widths: the numbers of values that would do; empty: any, but the same in every row.

    Raises:
        InputError: which row has how many values instead, or is not numbers.
    """
    try:
        values = np.array(rows, np.float64)
        trouble = None
    except (ValueError, TypeError, OverflowError) as error:
        values, trouble = np.zeros(0), error
    if values.ndim == 2 and values.size and (not widths or values.shape[1] in widths):
        return np.where(np.isfinite(values), values, np.nan)
    lengths = [len(row) if isinstance(row, (list, tuple)) else -1 for row in rows]
    allowed = set(widths) or {max(lengths, default=0)}
    allowed = ({lengths[0]} & allowed or allowed) if lengths else allowed
    for i, length in enumerate(lengths):
        if length not in allowed or length <= 0:
            expected = f"{' or '.join(map(str, sorted(allowed)))} numbers"
            raise document.error(
                f"{field} of entry {i}", expected, length if length >= 0 else repr(rows[i])
            )
    raise document.error(
        field, "lists of numbers", trouble or f"lists nested to depth {values.ndim}"
    )


def frame_number(document: Document, field: str, value) -> int:
    """A frame's number from a number or from the last digits of a file name: ``frame_0012.jpg`` is
    12."""
    if isinstance(value, str):
        found = re.findall(r"\d+", re.sub(r"\.\w*[a-zA-Z]\w*$", "", value))
        value = int(found[-1]) if found and len(found[-1]) < 19 else None
    if (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 0 <= value < 2**62
        and value == int(value)
    ):
        return int(value)
    raise document.error(field, "a frame number, or a file name that ends in one", repr(value))


def apart(document: Document, names: Sequence, numbers: Sequence[int]) -> None:
    """InputError where two of a video's frames, by their names, have one number."""
    first: dict[int, object] = {}
    for name, number in zip(names, numbers):
        if first.setdefault(number, name) != name:
            raise document.error(
                "frames",
                "names that end in numbers of their own",
                f"{first[number]} and {name}, both {number}",
            )


def frame_rate(frames, seconds) -> float | None:
    """Frames a second from the numbers (N,) of frames and their times, NaN where unknown; None
    where no time passes.

    >>> frame_rate([0, 2, 4, 4], [1.0, 1.04, 1.08, 1.08])
    50.0
    """
    return round(_rate(np.asarray(frames), np.asarray(seconds)), 3) or None


def clock(seconds: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Frame numbers (N,), whole but float, of finite times alone, and frames a second; None where
    no time passes."""
    times = np.unique(seconds)
    steps = np.diff(times)
    rough = (
        np.append(0, np.cumsum(np.round(steps / np.median(steps))))
        if len(steps)
        else np.zeros(len(times))
    )
    rate = _rate(rough, times)
    return np.round((seconds - times[0]) * rate), round(rate, 3) or None


def _rate(frames: np.ndarray, seconds: np.ndarray) -> float:
    """The median over rows half the recording apart, so that times in whole milliseconds do; 0
    where no time passes."""
    frames, rows = np.unique(frames[np.isfinite(seconds)], return_index=True)
    times = seconds[np.isfinite(seconds)][rows]
    half = len(times) - len(times) // 2
    passed, gone = times[-half:] - times[:half], frames[-half:] - frames[:half]
    return (
        float(np.median(gone[passed > 1e-6] / passed[passed > 1e-6]))
        if (passed > 1e-6).any()
        else 0.0
    )


def track_id(value) -> str | None:
    """A person's id as text, from a number, text or nested lists of one; None where there is none
    (or −1).

    >>> track_id(3.0), track_id([[3.0], [3.0]]), track_id("anna"), track_id(-1), track_id(None)
    ('3', '3', 'anna', None, None)
    """
    while isinstance(value, (list, tuple)):
        value = value[0] if value else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (
            (str(int(value)) if value == int(value) else repr(value)) if 0 <= value < 1e15 else None
        )
    return (
        value or None
        if isinstance(value, str) and not re.fullmatch(r"\s*-\d+(\.0*)?\s*", value)
        else None
    )


def unnamed(points: np.ndarray, skeleton: str) -> str:
    """The note on poses (N, J, C) whose joints bear no names, and whose set ``joint_set`` told by
    J."""
    return f"no joint set: {points.shape[1]} joints were taken for {skeleton} (skeleton=…)"


def joint_set(document: Document, points: np.ndarray, wanted: str | None = None) -> str:
    """The name of the joint set of poses (N, J, C): the one wanted if it has J joints, else told by
    J.

    Of the two sets of 17, Human3.6M's is the one whose first joint lies midway between its second
    and fifth.

    Raises:
        InputError: no set has J joints (with those that there are), or the one wanted has not.
    """
    count = points.shape[1]
    fits = [s.name for s in sk.SKELETONS.values() if len(s) == count]
    if wanted is not None and len(sk.get(wanted)) != count:
        raise document.error(
            "skeleton",
            f"{len(sk.get(wanted))} joints of {wanted}",
            f"{count} joints, as in {' or '.join(fits) or 'no set known'}",
        )
    if wanted is None and not fits:
        known = ", ".join(f"{s.name} ({len(s)})" for s in sk.SKELETONS.values())
        raise document.error("joints", f"as many as in {known}", count)
    if wanted is None and count == 17:
        middle = np.linalg.norm(points[:, 0] - (points[:, 1] + points[:, 4]) / 2, axis=-1)
        hips = np.linalg.norm(points[:, 1] - points[:, 4], axis=-1)
        middle, hips = middle[np.isfinite(middle)], hips[np.isfinite(middle)]
        return "h36m17" if len(middle) and np.median(middle) <= 0.25 * np.median(hips) else "coco17"
    return wanted or fits[0]
