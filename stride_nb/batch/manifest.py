"""What was done: a line of JSON an item, appended when it ends; of several lines of an item the
last one counts.

A line says the item, its parameters, the SHA-256 of its input, the version of the package, its
status, seconds, worker and message. One process writes; a line that it could not end is not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from stride_nb.batch.locks import hold_lock
from stride_nb.errors import InputError, atomic_path

__all__ = ["Manifest", "hash_input", "is_input_unchanged", "open_manifest"]

_READ_BYTES = 1 << 20


class Manifest:
    """The lines of a file by item, and the file, open to append."""

    def __init__(self, path: Path):
        self.path = path
        self.rows = _read_rows(path)
        with atomic_path(path) as temporary:  # a line an item, none cut short
            temporary.write_text("".join(map(_format_row, self.rows.values())), encoding="utf-8")
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115  until `close`

    def add(self, row: Mapping[str, Any]) -> None:
        """Append what became of an item."""
        self.rows[row["item"]] = dict(row)
        self._file.write(_format_row(row))
        self._file.flush()

    def close(self) -> None:
        """End writing."""
        self._file.close()


def _format_row(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """InputError where a line but the last is no object with an item."""
    if not path.is_file():
        return {}
    *lines, _cut_short = path.read_text(encoding="utf-8", errors="replace").split("\n")
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows[row["item"]] = row
        except (ValueError, TypeError, KeyError):
            expected = "a JSON object with an item"
            raise InputError(path, f"line {number}", expected, line[:80]) from None
    return rows


@contextmanager
def open_manifest(path: Path) -> Iterator[Manifest]:
    """The manifest at ``path``, for one process at a time.

    Raises:
        InputError: another process writes it, or a line cannot be read.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(path.with_name(".lock"), wait=False))
        except BlockingIOError:
            expected = "a folder that no other batch writes to now"
            raise InputError(path.parent, "--out", expected, "another one does") from None
        yield stack.enter_context(closing(Manifest(path)))


def hash_input(paths: Iterable[Path]) -> dict[str, Any]:
    """What files, or all in folders, hold (``sha256``), and by what a change of it shows without
    reading them (``stamp``)."""
    digest, stamp, files = hashlib.sha256(), hashlib.sha256(), list(_list_files(paths))
    for path in files:
        with open(path, "rb") as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
        digest.update(path.name.encode())
        stamp.update(_stamp_file(path))
    return {"sha256": digest.hexdigest(), "stamp": stamp.hexdigest()[:16]} if files else {}


def is_input_unchanged(row: Mapping[str, Any], paths: Iterable[Path]) -> bool:
    """Whether a line is of these files as they are now; they are read only where their size or time
    differs."""
    files, stamp = list(_list_files(paths)), hashlib.sha256()
    if not files:
        return "sha256" not in row
    for path in files:
        stamp.update(_stamp_file(path))
    if row.get("stamp") == stamp.hexdigest()[:16]:
        return True
    return row.get("sha256") == hash_input(files)["sha256"]


def _list_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file())
        else:
            yield path


def _stamp_file(path: Path) -> bytes:
    status = path.stat()
    return f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode()
