"""Files of ``joblib.dump`` as data (WHAM's, VIBE's and PHALP's results): a pickle in which each
array is a wrapper with shape and dtype, its bytes behind it (joblib/joblib,
``joblib/numpy_pickle.py``). What was compressed by zlib or gzip is read too. Nothing is called.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import zlib
from types import FunctionType
from typing import Any

import numpy as np

from stride_nb._pickles.numpy_pickle import (
    DataUnpickler,
    Dispatch,
    RefusedPickle,
    read_pickle_file,
)

__all__ = ["load_joblib"]

MAX_UNPACKED_BYTES = 1 << 31
"""Of a compressed file, all of which stands in memory."""


def load_joblib(path: str | os.PathLike) -> Any:
    """The arrays, lists, tuples, dicts, text and numbers of a file of joblib's, or of a plain
    pickle.

    Raises:
        InputError: the file names anything else (the message says what), or is truncated or
            damaged.
    """
    return read_pickle_file(path, _JoblibUnpickler)


class _Wrapper:
    """An array whose bytes follow."""


def _new_wrapper(*_):
    return _Wrapper()


def _make_dict(*_) -> dict:
    return {}


def _name_dict(*_):
    raise RefusedPickle("a call of builtins.dict")


_ADMITTED_JOBLIB = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _new_wrapper,
    ("collections", "OrderedDict"): _make_dict,
    ("collections", "defaultdict"): _make_dict,
    ("builtins", "dict"): _name_dict,
}


class _JoblibUnpickler(DataUnpickler):
    dispatch = Dispatch(DataUnpickler.dispatch)

    def __init__(self, file):
        head = file.read(2)
        file.seek(0)
        if head[:1] == b"\x78" or head == b"\x1f\x8b":
            unpacked = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(
                file.read(), MAX_UNPACKED_BYTES
            )
            file = io.BytesIO(unpacked)
        super().__init__(file)
        self.raw = file

    def find_class(self, module, name):
        return _ADMITTED_JOBLIB.get((module, name)) or super().find_class(module, name)

    def load_newobj(self):
        args, kind = self.stack.pop(), self.stack[-1]
        if type(kind) is not FunctionType or kind is not _new_wrapper or args != ():
            raise RefusedPickle("an object of a class that is not data")
        self.stack[-1] = kind()

    def load_build(self):
        if type(self.stack[-2]) is not _Wrapper:
            return super().load_build()
        state, wrapper = self.stack.pop(), self.stack.pop()
        array = self._read_array(state)
        self.stack.append(array)
        for number, known in enumerate(self.memo):
            if known is wrapper:
                self.memo[number] = array
        return None

    def _read_array(self, state: Any) -> np.ndarray:
        """The bytes behind a wrapper: perhaps one that counts the padding, the padding, values."""
        if type(state) is not dict:
            raise RefusedPickle("an array's wrapper without its fields")
        shape, order, dtype = state.get("shape"), state.get("order"), state.get("dtype")
        value = getattr(dtype, "value", None)
        if not isinstance(value, np.dtype) or value.hasobject:
            raise RefusedPickle(f"an array of {value}")
        if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
            raise RefusedPickle(f"an array of shape {shape!r}")
        if state.get("numpy_array_alignment_bytes") is not None:
            self.raw.read(self.raw.read(1)[0])
        size = math.prod(shape) * value.itemsize
        data = b"".join(self._read_pieces(size))
        array = np.ndarray(shape, value, bytearray(data), order="F" if order == "F" else "C")
        return array

    def _read_pieces(self, size: int):
        """So many bytes, no memory taken on the file's word alone."""
        while size:
            piece = self.raw.read(min(size, 1 << 20))
            if not piece:
                raise EOFError
            size -= len(piece)
            yield piece

    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build
