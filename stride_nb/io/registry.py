"""Other people's poses: in from the files that estimators write, out to files that other tools
open.

A format to read is a module with ``LOOKS`` (what it looks like, for errors), ``recognises(document)
-> bool`` (whether its content looks so, at a glance) and ``parse(document, skeleton) ->
Detections`` (or finished sequences; an ``InputError`` says what is malformed); a format to write is
one with ``SUFFIX``, ``SEVERAL`` (people in one file), ``write(path, sequences)`` and, where it
holds nothing but 2D, ``FLAT``, where it takes a sequence longer than memory (`stored.Stored`),
``STORED``. Both are found by their ``NAME``; nothing else is edited.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from stride_nb.errors import InputError
from stride_nb.io.axes import facing_camera, up_axis, upright
from stride_nb.io.parsing import Document, open_document
from stride_nb.io.tracking import Detections, assemble, clean, retrack, somebody
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.streaming import Stored

__all__ = [
    "Reading",
    "agree",
    "facing_camera",
    "formats",
    "read",
    "read_tracks",
    "retrack",
    "up_axis",
    "upright",
    "write",
    "writer",
]

ASSUMED_FPS = 30.0
SCREENS = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))


class Reading(list):
    """The sequences of a file, one a person, with what was recognised and what had to be
    assumed."""

    def __init__(self, sequences: Sequence, format: str, notes: Sequence[str] = ()):
        super().__init__(sequences)
        self.format, self.notes = format, tuple(notes)


def formats(verb: str = "parse") -> dict:
    """Modules of the formats by name: those that can ``parse`` or ``write``."""
    package = importlib.import_module(__name__.rpartition(".")[0])
    modules = (
        importlib.import_module(f"{package.__name__}.{m.name}")
        for m in pkgutil.iter_modules(package.__path__)
    )
    return {
        m.NAME: m
        for m in sorted(modules, key=lambda m: getattr(m, "NAME", ""))
        if hasattr(m, "NAME") and hasattr(m, verb)
    }


def read(
    path: str | PathLike,
    format: str | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    skeleton: str | None = None,
    people: int | None = None,
) -> Reading:
    """The people in a file of poses: ``Keypoints2D`` where it has pixels, ``PoseSequence`` where it
    has metres.

    All sequences of a file share its clock; a frame without a person is missing (NaN, confidence
    0). Confidence above 1 counts as 1, below 0 as missing. 3D in centimetres or millimetres becomes
    metres, told by a person's size.

    Args:
        path: a file, or a folder with one JSON a frame.
        format: a name in ``formats()``; None: told by the content.
        fps: frames per second, where the file does not say; None: 30, with a note.
        size: width and height of the image, px, where the file does not say; None: the smallest
            usual video size that holds all keypoints, with a note.
        skeleton: the joint set, where the number of joints does not tell it.
        people: keep this many, those seen in most frames; None: all.

    Raises:
        InputError: not the format named, a format that is not recognised (with the alternatives), a
            file that is malformed, or nobody to keep.
    """
    somebody(path, people)
    document = open_document(path)
    name = _recognised(document, format)
    found = formats()[name].parse(document, skeleton)
    if not isinstance(found, Detections):
        return Reading(found[:people], name)
    found = clean(found, document.path)
    notes = list(found.notes)
    if (fps := found.fps or fps) is None:
        fps = ASSUMED_FPS
        notes.append(f"no frame rate: {fps:g} frames per second were assumed (fps=…)")
    if found.points.shape[-1] == 2:
        found, size = _in_pixels(found, found.size or size, document, notes)
    else:
        found = _in_metres(found, document, notes)
    sequences, told = assemble(found, document.path, fps, size, people)
    return Reading(sequences, name, [*notes, *told])


def read_tracks(
    path: str | PathLike,
    format: str | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    skeleton: str | None = None,
    people: int | None = None,
) -> tuple[Reading, list]:
    """What ``read`` finds in a file, and the people in it: tracks of one video, with swapped ids
    put right (``retrack``).

    Sequences of different lengths are clips instead, whose order and names are theirs: they stay as
    they are.

    Args:
        path, format, size, skeleton: as of ``read``.
        fps: frames per second, where the file does not say; an error where it says otherwise.
        people: keep this many, those seen in most frames once broken tracks are joined (of clips
            the first); None: all.

    Raises:
        InputError: as ``read`` does, and where file and ``fps`` disagree.
    """
    somebody(path, people)
    try:
        found = read(path, format, fps, size, skeleton)
    except InputError as error:
        if people is None or error.field != "people":
            raise
        # too many to hold before any could be joined
        found = read(path, format, fps, size, skeleton, people)
    agree(path, fps, found[0].fps)
    one_video = len({len(track) for track in found}) == 1
    return found, retrack(found, people) if one_video else found[:people]


def agree(path: str | PathLike, fps: float | None, said: float) -> None:
    """A frame rate is given for files that do not say one; it is no way to play one that does at
    another speed.

    Broadcast rates may go by their round names, 30 for 29.97; what the file says counts.

    Raises:
        InputError: it is not what the file said.
    """
    if fps is not None and not math.isclose(fps, said, rel_tol=2e-3):
        raise InputError(path, "fps", f"{said:g}, as the file says, or none given", f"{fps:g}")


def _recognised(document: Document, wanted: str | None) -> str:
    """The format's name: the one wanted if the content agrees, else the one that the content looks
    like."""
    known = formats()
    if wanted is not None and wanted not in known:
        raise document.error("format", f"one of {', '.join(known)}", repr(wanted))
    looks = (name for name, module in known.items() if module.recognises(document))
    if wanted is None:
        if found := next(looks, None):
            return found
        raise InputError(
            document.path,
            "format",
            "; ".join(f"{name}: {known[name].LOOKS}" for name in known),
            f"{document.kind} of another form",
        )
    if known[wanted].recognises(document):
        return wanted
    raise document.error(
        "format",
        f"{wanted} ({known[wanted].LOOKS})",
        f"what looks like {' or '.join(looks) or 'none known'}",
    )


def _in_pixels(found: Detections, size, document: Document, notes: list[str]):
    """Detections in pixels and the image's size; shares of the image (MediaPipe's, say) are
    multiplied out."""
    largest = np.nanpercentile(found.points, 99, axis=(0, 1))
    if (np.abs(largest) <= 2).all():
        if size is None:
            raise document.error(
                "size",
                "width and height of the image (size=…), for keypoints in shares of it",
                "none",
            )
        return replace(found, points=found.points * np.array(size)), size
    if size is None:
        screens = sorted(
            SCREENS + tuple((h, w) for w, h in SCREENS), key=lambda s: (s[0] * s[1], -s[0])
        )
        size = next(
            (s for s in screens if (largest <= s).all()), tuple(int(np.ceil(v)) for v in largest)
        )
        notes.append(f"no image size: {size[0]} × {size[1]} pixels were assumed (size=…)")
    return found, size


def _in_metres(found: Detections, document: Document, notes: list[str]) -> Detections:
    """3D detections in metres: a person's poses have a median extent of 0.4 to 4 m."""
    extent = np.median(
        np.linalg.norm(np.nanmax(found.points, 1) - np.nanmin(found.points, 1), axis=-1)
    )
    for unit, metres in (("m", 1.0), ("cm", 0.01), ("mm", 0.001)):
        if 0.4 <= extent * metres < 4:
            if unit != "m":
                notes.append(f"coordinates in {unit}, told by a median extent of {extent:.0f}")
            return replace(found, points=found.points * metres)
    raise document.error(
        "joints", "a person 0.4 to 4 m across, in m, cm or mm", f"a median extent of {extent:g}"
    )


def writer(path: str | PathLike, format: str | None = None, flat: bool = True):
    """The module that writes such a file.

    Args:
        path, format: as of ``write``.
        flat: may it be one that holds nothing but 2D?

    Raises:
        InputError: there is none.
    """
    modules = {
        name: m for name, m in formats("write").items() if flat or not getattr(m, "FLAT", False)
    }
    writers = {m.SUFFIX.lstrip("."): m for m in modules.values() if m.SUFFIX} | modules
    name = format or Path(path).suffix.lstrip(".").lower()
    if name not in writers:
        raise InputError(path, "format", f"one of {', '.join(sorted(writers))}", repr(name))
    return writers[name]


def write(
    path: str | PathLike,
    sequences: PoseSequence | Stored | Keypoints2D | Sequence,
    format: str | None = None,
    **options,
) -> list[Path]:
    """Write sequences: all in one file where the format can, else ``out_1.bvh``, ``out_2.bvh`` …
    for several.

    Args:
        sequences: one or several; one longer than memory is read whole for any file but npz.
        format: ``npz``, ``csv``, ``bvh``, ``glb``, ``json`` (AlphaPose's), or a module's name
            (``amass``); None: the path's suffix.
        options: the format's own (``body`` of ``amass`` and ``glb``).

    Returns:
        The files written, each whole or not at all.

    Raises:
        InputError: an unknown format, or a sequence that the format cannot hold.
    """
    path, to = Path(path), writer(path, format)
    sequences = list(sequences) if isinstance(sequences, (list, tuple)) else [sequences]
    if not sequences:
        raise InputError(path, "sequences", "at least one", "none")
    if not getattr(to, "STORED", False):
        sequences = [s[:] if isinstance(s, Stored) else s for s in sequences]
    if to.SEVERAL or len(sequences) == 1:
        parts = {path: sequences}
    else:
        parts = {
            path.with_stem(f"{path.stem}_{i}"): [sequence]
            for i, sequence in enumerate(sequences, 1)
        }
    for target, part in parts.items():
        to.write(target, part, **options)
    return list(parts)
