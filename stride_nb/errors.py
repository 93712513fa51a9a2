"""How bad input is reported, by functions and by commands; how outputs are written so that none is
left half-written; how optional packages are imported."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import re
import sys
import tempfile
import tokenize
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "DISK_FULL",
    "UNREADABLE",
    "InputError",
    "atomic_path",
    "check_kind",
    "check_path",
    "parse_natural",
    "parse_positive",
    "require",
    "run_command",
    "show_controls",
    "spell_as_options",
]

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Codes of a disk that takes no more."""
UNREADABLE = (
    *(OSError, ValueError, TypeError, EOFError, LookupError, AttributeError, RuntimeError),
    *(MemoryError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What Python, NumPy and SciPy raise for files that are damaged, cut short, encrypted, or claim to
be larger than they are."""
_CONTROLS = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories: controls, marks of direction, halves of pairs, ends of lines."""


def show_controls(text: str) -> str:
    """Text whose control characters are spelt out: a name in a stranger's file may hold a line's
    end, or a sequence that a terminal obeys.

    >>> show_controls("walk\\x1b[31m.npz")
    'walk\\\\x1b[31m.npz'
    """
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in _CONTROLS else c
        for c in text
    )


class InputError(ValueError):
    """Input that cannot be used, in one line: where, which field, what was expected, what was
    found.

    >>> raise InputError("walk.npz", "joints", "shape (T, J, 3)", "(17, 3)")
    Traceback (most recent call last):
    stride_nb.errors.InputError: walk.npz: joints: expected shape (T, J, 3), found (17, 3)
    """

    def __init__(self, where: object, field: str, expected: object, found: object):
        self.where, self.field, self.expected, self.found = str(where), field, expected, found
        message = f"{where}: {field}: expected {expected}, found {found}"
        super().__init__(show_controls(message))

    def __reduce__(self):
        return type(self), (self.where, self.field, self.expected, self.found)


def check_path(where: str, path: Any) -> Path:
    """The path; InputError where it is none."""
    try:
        return Path(path)
    except TypeError:
        raise InputError(where, "path", "a path", repr(path)[:80]) from None


def check_kind(where: str, field: str, value: Any, *kinds: type) -> None:
    """InputError where a value is of none of the kinds.

    >>> check_kind("write", "sequences", 3, str)
    Traceback (most recent call last):
    stride_nb.errors.InputError: write: sequences: expected str, found int
    """
    if not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(where, field, expected, type(value).__name__)


def require(module: str, extra: str) -> Any:
    """An optional module, imported; ``extra`` is the package's extra that installs it.

    >>> require("no_such_module", "viz")
    Traceback (most recent call last):
    stride_nb.errors.InputError: no_such_module: module: expected pip install "stride-nb[viz]",
    found not installed
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        expected = f'pip install "stride-nb[{extra}]"'
        raise InputError(module, "module", expected, "not installed") from None


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, or beside what it links to; rename it into place on
    success, remove it on failure.

    The temporary name keeps the suffix, because savers (matplotlib) read it. One that appends a
    suffix of its own where it misses it (NumPy's) is handed the open file instead of the path.

    Raises:
        OSError: that names ``path``, where it cannot be written or the disk is full.
    """
    target, temporary = Path(os.path.realpath(check_path("write", path))), None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.stem[:40]}-"
        fd, name = tempfile.mkstemp(prefix=prefix, suffix=target.suffix, dir=target.parent)
        os.close(fd)
        temporary = Path(name)
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; a result is not
        os.replace(temporary, target)
    except OSError as error:
        if error.errno and (temporary is None or error.filename in (None, str(temporary))):
            error.filename = os.fspath(path)
        raise
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def parse_natural(text: str, least: int = 0) -> int:
    """An integer from 0 on, such as a seed."""
    try:
        if (value := int(text)) >= least:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected an integer ≥ {least}, found {text!r}")


def parse_positive(text: str) -> int:
    """An integer from 1 on, such as a size."""
    return parse_natural(text, 1)


def spell_as_options(message: str) -> str:
    """A message's parameters as a command spells them.

    >>> spell_as_options("no frame rate: 30 frames per second were assumed (fps=…)")
    'no frame rate: 30 frames per second were assumed (--fps)'
    """
    return re.sub(r"\b(\w+)=…", r"--\1", message)


def run_command(program: str, package: str, commands: dict[str, str], argv: list[str]) -> int:
    """Run one of ``commands``, each a module of ``package`` with ``add_arguments(parser)`` and
    ``run(args)``; its exit status.

    What ends it early is one line: bad input (status 2), a file or disk that refuses (1), Ctrl-C
    (130).
    """
    # a character that the terminal lacks is no reason to lose the result
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        args = _parse_arguments(program, package, commands, argv)
        return args.run(args)
    except InputError as error:
        message, status = spell_as_options(str(error)), 2
    except OSError as error:
        parts = (error.filename, error.strerror or error)
        message, status = ": ".join(str(part) for part in parts if part), 1
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    print(f"{program} {argv[0]}: {message}", file=sys.stderr)
    return status


def _parse_arguments(
    program: str, package: str, commands: dict[str, str], argv: list[str]
) -> argparse.Namespace:
    summary = (sys.modules[package].__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog=program, description=summary)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in commands.items():
        sub = subparsers.add_parser(name, help=summary, description=summary)
        if argv[:1] == [name]:  # only the command asked for is imported
            module = importlib.import_module(f"{package}.{name}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser.parse_args(argv)
