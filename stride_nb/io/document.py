"""A user's file as parsed content, whatever its format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from stride_nb._pickles import numpy_pickle
from stride_nb.errors import UNREADABLE, InputError

__all__ = ["COMMON_LOADERS", "Document", "Loader", "open_document"]

Loader = Callable[[Path], Any]
"""Parses a file. Whatever it raises of ``errors.UNREADABLE`` becomes one InputError."""


@dataclass(frozen=True)
class Document:
    """What a path holds, parsed once: every format is recognised from it and read from it."""

    path: Path
    kind: str
    """``folder`` (of JSON files, one a frame), or the file's suffix without its dot."""
    content: Any
    """Of a folder a list of (file name, parsed JSON); else what the suffix's loader gives."""

    def error(self, field: str, expected: object, found: object) -> InputError:
        """The error to raise, with at most 120 characters of what was found."""
        found = str(found)
        found = found if len(found) <= 120 else found[:117] + "…"
        return InputError(self.path, field, expected, found)


def open_document(path: str | PathLike, loaders: Mapping[str, Loader] | None = None) -> Document:
    """Parse a file by its suffix, or a folder of JSON files.

    Args:
        path: a file or folder.
        loaders: for suffixes beside those in ``COMMON_LOADERS``.

    Raises:
        InputError: nothing there, an unknown suffix, or content that cannot be parsed.
    """
    path, loaders = Path(path), COMMON_LOADERS | dict(loaders or {})
    if path.is_dir():
        # names that begin with a dot are none of the user's: macOS leaves ._x.json beside x.json
        files = sorted(file for file in path.glob("*.json") if not file.name.startswith("."))
        if not files:
            raise InputError(path, "folder", "JSON files, one a frame", "none")
        return Document(path, "folder", [(file.name, _load(file, _load_json)) for file in files])
    suffix = path.suffix.lower()
    if suffix not in loaders:
        known = f"a folder of JSON files, or {', '.join(loaders)}"
        raise InputError(path, "suffix", known, path.suffix or "none")
    return Document(path, suffix[1:], _load(path, loaders[suffix]))


def _load(path: Path, loader: Loader) -> Any:
    kind = path.suffix.lower()[1:]
    try:
        return loader(path)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(path, "file", f"a {kind} file", "nothing there") from None
    except (*UNREADABLE, csv.Error) as error:
        reason = str(error)[:120] or type(error).__name__
        raise InputError(path, "file", f"a whole {kind} file", reason) from None


def _load_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _load_csv(path: Path) -> list[list[str]]:
    """Rows of text, blank ones left out."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        return [row for row in csv.reader(file) if row]


def _load_npy(path: Path) -> np.ndarray:
    return np.asarray(np.load(path, allow_pickle=False))


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


COMMON_LOADERS: dict[str, Loader] = {
    ".json": _load_json,
    ".csv": _load_csv,
    ".npz": _load_npz,
    ".npy": _load_npy,
    ".pkl": numpy_pickle.load_pickle,
    ".pickle": numpy_pickle.load_pickle,
}
"""By suffix. A format module may bring its own (`registry`)."""
