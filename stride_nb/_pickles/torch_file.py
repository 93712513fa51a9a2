"""Files of ``torch.save`` as data: tensors, numbers, text and containers of them, whatever else the
file asks for.

PyTorch's restricted reader calls nothing that is not on its list. For NumPy's scalars and arrays
one would put NumPy's own functions on that list, which trust a forged dtype; those of
`numpy_pickle`, which check, stand in for them.
"""

from __future__ import annotations

import io
import os
import pickletools
import re
import warnings
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stride_nb._pickles.numpy_pickle import RefusedPickle, escape_line, list_torch_globals
from stride_nb.errors import InputError, atomic_path

__all__ = ["load_torch", "save_torch"]

# what such files name beside NumPy's functions, and may
_PLAIN_NAMES = re.compile(
    r"collections\.OrderedDict|_codecs\.encode"
    r"|torch\.(_utils\._rebuild_\w+|\w+Storage|Size|b?float\w*|int\w*|bool)"
)


def save_torch(path: str | os.PathLike, content: Any) -> None:
    """``torch.save``, whole or not at all, by way of memory: of a full disk its own writer says
    nothing that helps."""
    import torch

    torch.save(content, buffer := io.BytesIO())
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_torch(path: str | os.PathLike, arrays: bool = False) -> Any:
    """What the file holds, tensors on the CPU; NumPy's scalars come as they are.

    Args:
        path: written by ``torch.save``, in either of its formats.
        arrays: NumPy's arrays too, as `RebuiltArray`.

    Raises:
        InputError: no such file, a damaged one, or one that asks to call something (named; nothing
            was run).
    """
    import torch

    path, allowed = Path(path), list_torch_globals(arrays)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing there"
        raise InputError(path, "file", "a file that exists", found)
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way; none of them may pass
        refused = _name_refused(path, error, {name for _, name in allowed})
        if refused:
            kinds = f"tensors, {'arrays, ' if arrays else ''}numbers and text only"
            found = f"{refused} (refused, nothing was run)"
            raise InputError(path, "pickle", kinds, found) from None
        found = _shorten_message(error)
        raise InputError(path, "file", "one written by torch.save", found) from None


def _name_refused(path: Path, error: Exception, allowed: set[str]) -> str:
    """What the pickle wanted to have called, as far as that is why it was not read."""
    if isinstance(error, RefusedPickle):
        return escape_line(error)
    named = dict.fromkeys(_list_globals(path))
    refused = [name for name in named if name not in allowed and not _PLAIN_NAMES.fullmatch(name)]
    refused = refused or re.findall(r"GLOBAL (\S+)", str(error))[:1]
    return escape_line(", ".join(refused))


def _list_globals(path: Path) -> Iterator[str]:
    """Dotted names of all functions and classes that the pickles of a file name, found without
    running them."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith("data.pkl"):
                        with archive.open(name) as stream:
                            yield from _scan_globals(stream)
        else:
            with path.open("rb") as stream:
                for _ in range(5):  # the older format is a row of five pickles
                    yield from _scan_globals(stream)
    except Exception:  # as far as it could be read
        return


def _scan_globals(stream) -> Iterator[str]:
    texts: deque[str | None] = deque(maxlen=2)  # what was pushed last, as far as it is text
    memo: dict[int, Any] = {}
    for op, argument, _ in pickletools.genops(stream):
        arg: Any = argument
        if op.name in ("GLOBAL", "INST"):
            yield arg.replace(" ", ".", 1)
        elif op.name == "STACK_GLOBAL":
            yield ".".join(map(str, texts))
        elif op.name == "MEMOIZE" or op.name.endswith("PUT"):
            memo[len(memo) if arg is None else arg] = texts[-1] if texts else None
        elif op.name.endswith("GET"):
            texts.append(memo.get(arg))
        elif op.name not in ("PROTO", "FRAME"):
            texts.append(arg if isinstance(arg, str) else None)


def _shorten_message(error: Exception) -> str:
    """The telling line of a message: PyTorch's are a page long and advise to read unsafely."""
    line = re.search(r"WeightsUnpickler error: (.+)|(.+)", str(error))
    detail = f": {(line[1] or line[2])[:200]}" if line else ""
    return escape_line(f"{type(error).__name__}{detail}")
