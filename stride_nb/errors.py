"""How bad input is reported, and how outputs are written so that none is left half-written."""

from __future__ import annotations

import argparse
import errno
import os
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["FULL", "UNREADABLE", "InputError", "atomic_path", "natural", "positive"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that takes no more."""
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    AttributeError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Python, NumPy and SciPy say of files that are damaged, cut short, encrypted, or claim to be
larger than they are."""


class InputError(ValueError):
    """Input that cannot be used, said in one line: where, which field, what was expected, what
    came.

    >>> raise InputError("walk.npz", "joints", "shape (T, J, 3)", "(17, 3)")
    Traceback (most recent call last):
    stride_nb.errors.InputError: walk.npz: joints: expected shape (T, J, 3), found (17, 3)
    """

    def __init__(self, where: object, field: str, expected: object, found: object):
        self.where, self.field, self.expected, self.found = str(where), field, expected, found
        said = f"{where}: {field}: expected {expected}, found {found}"
        # a name in a stranger's file may hold a line's end
        super().__init__("\\n".join(said.splitlines()))

    def __reduce__(self):
        return type(self), (self.where, self.field, self.expected, self.found)


def natural(text: str, least: int = 0) -> int:
    """A command's argument, such as a seed, as an integer from 0 on."""
    try:
        if (value := int(text)) >= least:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected an integer ≥ {least}, found {text!r}")


def positive(text: str) -> int:
    """Likewise from 1 on, such as a size."""
    return natural(text, 1)


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, or beside what it links to; rename it into place on
    success, remove it on failure.

    The temporary name keeps the suffix, because savers (matplotlib) read it. One that appends a
    suffix of its own where it misses it (NumPy's) is handed the open file instead of the path.

    Raises:
        OSError: that names ``path``, where it cannot be written or the disk is full.
    """
    said, path, temporary = path, Path(os.path.realpath(path)), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(
            prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
        )
        os.close(fd)
        temporary = Path(name)
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; a result is not
        os.replace(temporary, path)
    except OSError as error:
        if error.errno and (temporary is None or error.filename in (None, str(temporary))):
            error.filename = os.fspath(said)
        raise
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)
