"""The formats: what a module of this room defines to be one, and how it is found.

A format is one module here; nothing else is edited. It defines

* ``NAME``: what users call it (``format=``), and
* to be read: ``LOOKS`` (what it looks like, for errors), ``recognises(document) -> bool`` (whether
  the content looks so, at a glance; of nothing that another format writes) and ``parse(document,
  skeleton) -> Detections`` (of several videos a list of them; or finished sequences; an
  ``InputError`` says what is malformed); and/or
* to be written: ``SUFFIX`` (empty: by its name alone), ``SEVERAL`` (people in one file) and
  ``write(path, sequences)``, which may take options of its own.

``TOOLS`` and ``KEEPS`` say whose files they are and what of a sequence is kept, for the table of
formats. Optional are ``LOADERS`` (functions from a path to parsed content, by suffix, for files
that no loader of `document` opens), ``ONLY_2D = True`` (it cannot hold 3D), ``JOINT_SETS`` (those
it holds), ``STREAMS = True`` (``write`` takes sequences longer than memory,
`streaming.StreamedSequence`), ``SAME_JOINTS = True`` (refined poses go back into the joints that
came in, `refined`), and ``like`` among the options of ``write`` (it keeps the content of the file
that came in).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol

from stride_nb.errors import InputError
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document, Loader
from stride_nb.poses.sequence import PoseSequence

__all__ = [
    "ReadableFormat",
    "WritableFormat",
    "collect_loaders",
    "find_reader",
    "find_writer",
    "get_single_pose_sequence",
    "list_formats",
]


class ReadableFormat(Protocol):
    """A module that reads a format."""

    NAME: str
    LOOKS: str

    def recognises(self, document: Document) -> bool: ...
    def parse(self, document: Document, skeleton: str | None = None) -> Detections | list: ...


class WritableFormat(Protocol):
    """A module that writes a format."""

    NAME: str
    SUFFIX: str
    SEVERAL: bool

    def write(self, path: str | PathLike, sequences: Sequence, **options: Any) -> None: ...


def list_formats(verb: Literal["parse", "write"] = "parse") -> dict[str, Any]:
    """Modules of the formats by name: those that can ``parse`` or ``write``."""
    room = importlib.import_module(__name__.rpartition(".")[0])
    modules = [
        importlib.import_module(f"{room.__name__}.{found.name}")
        for found in pkgutil.iter_modules(room.__path__)
    ]
    formats = [m for m in modules if hasattr(m, "NAME") and hasattr(m, verb)]
    return {m.NAME: m for m in sorted(formats, key=lambda m: m.NAME)}


def collect_loaders() -> dict[str, Loader]:
    """What the formats bring to open files of their own kind, by suffix."""
    loaders = {}
    for module in list_formats().values():
        loaders |= getattr(module, "LOADERS", {})
    return loaders


def find_reader(document: Document, format: str | None = None) -> ReadableFormat:
    """The module of the format wanted if the content agrees, else of the one that the content looks
    like.

    Raises:
        InputError: another format than the one wanted, or none that is known.
    """
    readers = list_formats()
    matching = (name for name, module in readers.items() if module.recognises(document))
    if format is None:
        if (name := next(matching, None)) is not None:
            return readers[name]
        looks = "; ".join(f"{name}: {module.LOOKS}" for name, module in readers.items())
        raise InputError(document.path, "format", looks, f"{document.kind} of another form")
    if not isinstance(format, str) or format not in readers:
        raise document.error("format", f"one of {', '.join(readers)}", repr(format))
    if not readers[format].recognises(document):
        expected = f"{format} ({readers[format].LOOKS})"
        given = f"what looks like {' or '.join(matching) or 'none known'}"
        raise document.error("format", expected, given)
    return readers[format]


def find_writer(
    path: str | PathLike, format: str | None = None, allow_2d_only: bool = True
) -> WritableFormat:
    """The module that writes such a file.

    Args:
        path: its suffix decides where ``format`` is None.
        format: a suffix without its dot, or a module's name.
        allow_2d_only: may it be one that holds nothing but 2D?

    Raises:
        InputError: there is none.
    """
    modules = {
        name: module
        for name, module in list_formats("write").items()
        if allow_2d_only or not getattr(module, "ONLY_2D", False)
    }
    writers = {m.SUFFIX.lstrip("."): m for m in modules.values() if m.SUFFIX} | modules
    name = format or Path(path).suffix.lstrip(".").lower()
    if not isinstance(name, str) or name not in writers:
        raise InputError(path, "format", f"one of {', '.join(sorted(writers))}", repr(name))
    return writers[name]


def get_single_pose_sequence(path: str | PathLike, sequences: Sequence) -> PoseSequence:
    """The one 3D sequence that a format of one person takes. Raises InputError where it is not."""
    if len(sequences) != 1 or not isinstance(sequences[0], PoseSequence):
        kinds = [type(s).__name__ for s in sequences]
        raise InputError(path, "sequences", "one PoseSequence (3D)", kinds)
    return sequences[0]
