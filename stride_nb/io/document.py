"""A user's file as parsed content, whatever its format."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain, dropwhile
from os import PathLike
from pathlib import Path
from typing import IO, Any

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
    """``folder`` (of JSON files, one a frame), ``txt folder``, or the file's suffix without its
    dot."""
    content: Any
    """Of a folder a list of (file name, parsed JSON or text); else what the suffix's loader
    gives."""

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
        for kind, suffix in (("folder", ".json"), ("txt folder", ".txt")):
            files = [f for f in sorted(path.glob(f"*{suffix}")) if not f.name.startswith(".")]
            if files and suffix in loaders:
                loaded = [(file.name, _load(file, loaders[suffix])) for file in files]
                return Document(path, kind, loaded)
        inner = [f.name for f in sorted(path.iterdir()) if f.is_dir() and f.name[:1] not in "._"]
        found = f"none, but folders: {', '.join(inner)[:80]}" if inner else "none"
        raise InputError(path, "folder", "JSON or txt files, one a frame", found)
    suffix = path.suffix.lower()
    if suffix not in loaders:
        known = f"a folder of JSON files, or {', '.join(loaders)}"
        if suffix in CONVERTED_BY:
            known = f"{known}; of {suffix} {CONVERTED_BY[suffix]}"
        raise InputError(path, "suffix", known, path.suffix or "none")
    kind = "json" if suffix == ".jsonl" else suffix[1:]
    return Document(path, kind, _load(path, loaders[suffix]))


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
    """What it holds; of lines of JSON a list."""
    data = path.read_bytes()
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        lines = [line for line in data.splitlines() if line.strip()]
        if not error.msg.startswith("Extra data") or error.lineno < 2:
            raise
        return [json.loads(line) for line in lines]


def _load_csv(path: Path) -> list[list[str]]:
    """Rows of text, blank ones and comments above them left out; cells apart by comma, semicolon,
    tab or bar. Where it is not the comma, a comma may stand for the decimal point."""
    with open(path, "rb") as file:
        wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    with open(path, newline="", encoding="utf-16" if wide else "utf-8-sig") as file:
        lines = dropwhile(lambda line: not line.strip() or line[0] == "#", file)
        head = next(lines, "")
        delimiter = max(",;\t|", key=head.count)
        rows = [row for row in csv.reader(chain([head], lines), delimiter=delimiter) if row]
    if delimiter == ",":
        return rows
    return [[DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row] for row in rows]


DECIMAL_COMMA = re.compile(r"(?<![\w,.])(-?\d+),(\d+(?:[eE][+-]?\d+)?)(?![\w,.])")


def _load_npy(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except ValueError:
        with open(path, "rb") as file:
            return _read_objects(file, str(path))


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return {key: _load_member(archive, key, f"{path}: {key}") for key in archive.files}


def _load_member(archive: Any, key: str, where: str) -> np.ndarray:
    try:
        return archive[key]
    except ValueError:
        with archive.zip.open(f"{key}.npy") as file:
            return _read_objects(file, where)


def _read_objects(file: IO[bytes], where: str) -> np.ndarray:
    """An array of Python's objects in NumPy's form, by the restricted reader of pickles. Raises
    ValueError where it is no such array."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read_header = np.lib.format.read_array_header_2_0
    if not read_header(file)[2].hasobject:
        raise ValueError("a damaged array")
    value = numpy_pickle.load_pickle_bytes(file.read(MAX_PICKLE_BYTES), where)
    if not isinstance(value, np.ndarray):
        raise ValueError("a pickle that is no array")
    return value


MAX_PICKLE_BYTES = 1 << 30
"""Of one array of objects, read into memory at once."""


CONVERTED_BY = {
    ".fbx": "a BVH file (Blender: import, then export as Motion Capture)",
    ".blend": "a BVH file (Blender: export as Motion Capture)",
    ".mvnx": "a BVH or C3D file (Xsens MVN: export)",
    ".h5": "a CSV file (DeepLabCut: save_as_csv; else by pandas or NumPy)",
    ".hdf5": "an npz or CSV file",
    ".slp": "a CSV file (SLEAP: export analysis as CSV)",
    ".mat": "an npz file (scipy.io.loadmat, numpy.savez)",
    ".xlsx": "a CSV file (save as)",
    ".xls": "a CSV file (save as)",
    ".parquet": "a CSV file",
    ".zip": "what is in it, unpacked",
    ".gz": "what is in it, unpacked",
}
"""What to make of files that are not read."""

COMMON_LOADERS: dict[str, Loader] = {
    ".json": _load_json,
    ".jsonl": _load_json,
    ".csv": _load_csv,
    ".tsv": _load_csv,
    ".npz": _load_npz,
    ".npy": _load_npy,
    ".pkl": numpy_pickle.load_pickle,
    ".pickle": numpy_pickle.load_pickle,
}
"""By suffix. A format module may bring its own (`registry`)."""
