"""Raw motion capture files: which there are, where they come from, and getting them onto this
computer.

``data/registry.csv`` lists every file with its address, size, SHA-256 and licence. Downloads are
checked against the hash and kept in ``STRIDE_NB_CACHE`` or the user's cache folder.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stride_nb.data_files import DATA
from stride_nb.errors import UNREADABLE, InputError, require

__all__ = ["REGISTRY", "Downloads", "Entry", "LocalFiles", "find_cache_dir", "read_registry"]

REGISTRY = DATA / "registry.csv"
_HINT = (
    "STRIDE_NB_DATA set to a folder with cmu_h36m17_*.npz, "
    "or `prepare --raw` with a folder or zip of mocap files, or a network"
)


@dataclass(frozen=True)
class Entry:
    """One raw file. ``role`` says what it is: a skeleton (``asf``), or a motion (``amc``, ``mb2``,
    ``daz``)."""

    subject: str
    trial: str
    role: str
    split: str
    url: str
    bytes: int
    sha256: str
    licence: str
    description: str
    fps: float

    @property
    def name(self) -> str:
        """``SS_TT``, subject and trial; of a skeleton ``SS``."""
        return f"{self.subject}_{self.trial}" if self.trial else self.subject

    @property
    def filename(self) -> str:
        """What CMU calls the file."""
        return f"{self.name}.{self.role if self.role in ('asf', 'amc') else 'bvh'}"

    @property
    def skeleton(self) -> str:
        """What CMU calls the subject's skeleton."""
        return f"{self.subject}.asf"

    @property
    def repository(self) -> str:
        """Owner and name of the GitHub repository that holds the file."""
        return "/".join(self.url.split("/")[3:5])


def read_registry(path: str | os.PathLike = REGISTRY) -> list[Entry]:
    """Every file of the registry.

    Raises:
        InputError: no such file, or a row that lacks a field.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "file", "the registry of raw files", error) from None
    return [_parse_entry(path, line, row) for line, row in enumerate(rows, 2)]


def _parse_entry(path: str | os.PathLike, line: int, row: dict[str, Any]) -> Entry:
    try:
        return Entry(**row | {"bytes": int(row["bytes"]), "fps": float(row["fps"] or "nan")})
    except (KeyError, TypeError, ValueError):
        expected = f"the fields {', '.join(Entry.__annotations__)}"
        raise InputError(path, f"line {line}", expected, row) from None


def find_cache_dir() -> Path:
    """Where downloads are kept: ``STRIDE_NB_CACHE``, else the user's cache folder."""
    given = os.environ.get("STRIDE_NB_CACHE")
    return Path(given or require("pooch", "data").os_cache("stride_nb"))


class Downloads:
    """The files of a registry by name, downloaded when asked for, each once."""

    def __init__(self, entries: list[Entry]):
        self.entries = {entry.filename: entry for entry in entries}
        self.where = "the registry"

    def __contains__(self, filename: str) -> bool:
        return filename in self.entries

    def get_sha256(self, filename: str) -> str:
        """Of a file, known before it is here."""
        return self.entries[filename].sha256

    def fetch(self, filename: str) -> Path:
        """Path of the file, downloaded where need be and checked against its hash; a download that
        fails the check is thrown away.

        Raises:
            InputError: the address cannot be reached, or gives another file than the one
                registered.
        """
        pooch = require("pooch", "data")
        entry = self.entries[filename]
        pooch.get_logger().setLevel("ERROR")
        folder = find_cache_dir() / "raw" / entry.subject
        try:
            path = pooch.retrieve(entry.url, f"sha256:{entry.sha256}", fname=filename, path=folder)
        except ValueError as error:
            other = re.search(r"but got (\w+)", str(error))
            received = f"{other[1] if other else error} (not kept)"
            raise InputError(entry.url, "sha256", entry.sha256, received) from None
        except OSError as error:
            answer = getattr(getattr(error, "response", None), "status_code", type(error).__name__)
            raise InputError(entry.url, "download", _HINT, answer) from None
        return Path(path)


class LocalFiles:
    """Files of a folder or zip, wherever in it they lie, by name."""

    def __init__(self, path: str | os.PathLike):
        self.where = path = Path(path)
        try:
            if path.is_dir():
                paths: list = sorted(p for p in path.rglob("*") if p.is_file())
            else:
                archive = zipfile.ZipFile(path)
                names = sorted(name for name in archive.namelist() if not name.endswith("/"))
                paths = [zipfile.Path(archive, name) for name in names]
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(path, "--raw", "a folder or zip of mocap files", error) from None
        self.files = {p.name: p for p in reversed(paths)}

    def __contains__(self, filename: str) -> bool:
        return filename in self.files

    def get_sha256(self, filename: str) -> str:
        """Of the file as it is, which need not be the one that is registered."""
        try:
            return hashlib.sha256(self.files[filename].read_bytes()).hexdigest()
        except UNREADABLE as error:
            reason = str(error) or type(error).__name__
            raise InputError(self.where, filename, "a readable file", reason) from None

    def fetch(self, filename: str) -> Path | zipfile.Path:
        """The file, or its place in the zip."""
        return self.files[filename]
