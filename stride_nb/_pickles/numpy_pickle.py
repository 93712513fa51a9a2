"""Pickles as data: arrays, lists, text and numbers come out; nothing named in the file is ever
called.

A pickle is a program: its ``GLOBAL`` operations name functions that ``pickle.load`` imports and
calls. Files that users download must not be given that power. This reader looks every name up in a
short table of its own functions (never imports one), and refuses any other by its full name. What
NumPy needs to rebuild an array is in the table, with every argument checked, because NumPy's own
``dtype.__setstate__`` trusts its argument enough to make a crafted one corrupt memory.
"""

from __future__ import annotations

import _compat_pickle
import codecs
import io
import math
import os
import pickle
import pickletools
import re
from collections.abc import Callable
from reprlib import repr as _short
from types import FunctionType
from typing import Any

import numpy as np

from stride_nb.errors import InputError

__all__ = [
    "DataUnpickler",
    "Dispatch",
    "RebuiltArray",
    "RefusedPickle",
    "escape_line",
    "list_torch_globals",
    "load_pickle",
    "load_pickle_bytes",
    "read_pickle_file",
    "rebuild_scalar",
    "reconstruct_array",
]

# text beyond this is an array's bytes, as protocol 2 writes them: decoded piece by piece
_CHUNK_BYTES = 1 << 20
_MAX_VALUES = 10**8
"""Values, beyond which lists that hold one another are refused: whoever makes arrays of them walks
them all."""
_PLAIN_TYPES = frozenset({type(None), bool, int, float, str, bytes})


def load_pickle(path: str | os.PathLike):
    """The arrays, lists, tuples, dicts, text and numbers of a pickle file (protocols 0–5).

    Each array is held once, also while it is read.

    Raises:
        InputError: the file names anything else (the message says what), or is truncated or
            damaged.
    """
    return read_pickle_file(path, DataUnpickler)


def load_pickle_bytes(data: bytes, where: str = "pickle"):
    """The same from bytes, as `pickle` has both; ``where`` stands for the file's name in errors."""
    return _read_stream(io.BytesIO(data), where, DataUnpickler)


def read_pickle_file(path: str | os.PathLike, reader: type[DataUnpickler]):
    """A pickle file as ``reader`` takes it."""
    try:
        with open(path, "rb") as file:
            return _read_stream(file, os.fspath(path), reader)
    except OSError as error:
        raise InputError(path, "file", "a readable pickle", error.strerror or error) from None


def _read_stream(file, where: str, reader: type[DataUnpickler]):
    try:
        value = reader(file).load()
        _count_values(value, {})
        return value
    except RefusedPickle as refused:
        expected = "arrays, lists, tuples, dicts, text and numbers only"
        raise InputError(where, "pickle", expected, escape_line(refused)) from None
    except Exception as error:  # a damaged pickle can fail in any operation, with any exception
        failure = escape_line(f"{type(error).__name__}: {error}".rstrip(": "))
        raise InputError(where, "pickle", "a complete, undamaged pickle", failure) from None


def escape_line(message: object) -> str:
    """One line, whatever characters the file put into its names."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(message))


class RefusedPickle(Exception):
    """Names what the file wants to have called, for the InputError."""


class _Dtype:
    """A dtype under construction: pickles make it first and state its byte order afterwards."""

    def __init__(self, code, align=False, copy=True):
        if not (isinstance(code, str) and re.fullmatch(r"[biufcSUO]\d{0,9}", code)):
            raise RefusedPickle(f"dtype {_short(code)}")
        self.value = np.dtype(code)

    def build(self, state) -> None:
        # no subarray, no fields, its own size and flags; only the order may differ
        genuine = self.value.__reduce__()[2]
        if (
            type(state) is not tuple
            or len(state) != 8
            or type(state[1]) is not str
            or state[1] not in tuple("<>|=")
        ):
            raise RefusedPickle(f"dtype state {_short(state)}")
        if (state[0], *state[2:]) != (3, *genuine[2:]):
            raise RefusedPickle(f"dtype state {_short(state)}")
        if state[1] in "<>":
            self.value = self.value.newbyteorder("<" if state[1] == "<" else ">")

    __setstate__ = build  # the name by which PyTorch's reader calls it


class _Latin1:
    """Bytes that came as one long text; only ``_codecs.encode`` may have them."""

    def __init__(self, data: bytes):
        self.data = data


def _ndarray(*_):
    raise RefusedPickle("a call of numpy.ndarray")


def _dtype(*args) -> _Dtype:
    return _Dtype(*args)


def reconstruct_array(kind, shape, code) -> np.ndarray:
    """NumPy's ``_reconstruct``: an empty array, whose state comes later."""
    if kind is not _ndarray or shape != (0,) or code != b"b":
        raise RefusedPickle(
            f"numpy's _reconstruct of {_short(kind)}, {_short(shape)}, {_short(code)}"
        )
    return np.empty(0, "b")


def rebuild_scalar(dtype: _Dtype, data: bytes) -> np.generic:
    """NumPy's ``scalar``."""
    if dtype.value.hasobject or type(data) is not bytes or len(data) != dtype.value.itemsize:
        raise RefusedPickle(f"a numpy scalar of {dtype.value} from {_short(data)}")
    return np.frombuffer(data, dtype.value)[0]


def _frombuffer(data, dtype: _Dtype, shape, order, axes=None) -> np.ndarray:
    """Protocol 5's form of an array; ``axes`` says how a neither-C-nor-Fortran array was turned."""
    # another array would lend its memory, pointers among it
    if type(data) not in (bytes, bytearray):
        raise RefusedPickle(f"a buffer of {type(data).__name__}")
    _check_size(data, dtype.value, shape)
    if dtype.value.hasobject or order not in ("C", "F", "K"):
        raise RefusedPickle(f"a buffer of {dtype.value} in order {_short(order)}")
    array = np.ndarray(shape, dtype.value, data, order="F" if order == "F" else "C")
    return array if axes is None else array.transpose(axes)


def _encode(text, encoding) -> bytes:
    """Protocols 0–2 have no bytes; they write them as text, to be encoded as latin1."""
    if encoding != "latin1" or type(text) not in (str, _Latin1):
        raise RefusedPickle(f"_codecs.encode of {type(text).__name__} as {_short(encoding)}")
    return text.data if type(text) is _Latin1 else text.encode("latin1")


def _empty_bytes(*args) -> bytes:
    if args:
        raise RefusedPickle(f"builtins.bytes called with {_short(args)}")
    return b""


def _check_size(data, dtype: np.dtype, shape) -> None:
    """A shape of non-negative integers with as many items as the data holds."""
    if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise RefusedPickle(f"an array of shape {_short(shape)}")
    size = len(data) if type(data) is list else len(data) / max(dtype.itemsize, 1)
    if size != math.prod(shape):
        raise RefusedPickle(
            f"an array of shape {_short(shape)} and dtype {dtype} from {len(data)} items or bytes"
        )


_ADMITTED_NUMPY = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _empty_bytes,
}
for _core in ("numpy.core", "numpy._core"):  # the name before and since NumPy 2
    _ADMITTED_NUMPY[f"{_core}.multiarray", "_reconstruct"] = reconstruct_array
    _ADMITTED_NUMPY[f"{_core}.multiarray", "scalar"] = rebuild_scalar
    _ADMITTED_NUMPY[f"{_core}.numeric", "_frombuffer"] = _frombuffer

_OPERATIONS = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT
    BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE
    TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET
    LONG_BINGET GLOBAL STACK_GLOBAL INST REDUCE BUILD
"""


class RebuiltArray:
    """An array in a file of ``torch.save``, rebuilt by the rules of this module; ``value`` is the
    array."""

    def __init__(self, kind, shape, code):
        self.value = reconstruct_array(kind, shape, code)

    def __setstate__(self, state):
        _fill_array(self.value, state)


def list_torch_globals(arrays: bool) -> list[Any]:
    """Arguments of ``torch.serialization.safe_globals``: ``torch.load(weights_only=True)`` then
    reads NumPy's scalars and, if ``arrays``, arrays (as ``RebuiltArray``) by the functions of this
    module. NumPy's own, which it would call otherwise, trust a forged dtype."""
    table = {
        name: known
        for name, known in _ADMITTED_NUMPY.items()
        if name[0].startswith("numpy") and (arrays or known in (rebuild_scalar, _dtype))
    }
    stand_ins: dict[Callable, Callable] = {reconstruct_array: RebuiltArray, _dtype: _Dtype}
    return [(stand_ins.get(known, known), ".".join(name)) for name, known in table.items()]


class Dispatch(dict):
    """Operations by their byte; any other one is refused."""

    def __missing__(self, code):
        names = {ord(op.code): op.name for op in pickletools.opcodes}
        if code in names:
            raise RefusedPickle(f"operation {names[code]}")
        raise RefusedPickle(f"byte {code:#04x} where an operation should stand")


class _Memo(list):
    """What was read, by number. Picklers count up, so a list does, in a tenth of the memory of a
    dict."""

    def __setitem__(self, number, value):
        if number < len(self):
            super().__setitem__(number, value)
        elif number <= len(self) + 1:  # Python 2 counts from 1
            self.extend([value] * (number - len(self) + 1))
        else:
            raise ValueError(f"memo number {number} after {len(self)}")


_PythonUnpickler: Any = pickle._Unpickler  # the C one cannot be left with part of its operations


class DataUnpickler(_PythonUnpickler):
    """The standard library's interpreter in Python, left with the operations that plain data
    need."""

    dispatch = Dispatch(
        (getattr(pickle, name)[0], _PythonUnpickler.dispatch[getattr(pickle, name)[0]])
        for name in _OPERATIONS.split()
    )

    def __init__(self, file):
        super().__init__(file)
        self.memo, self.texts = _Memo(), {}

    def find_class(self, module, name):
        """The function of this module that stands for a name in the file; nothing is imported."""
        written = f"{module}.{name}"
        if self.proto < 3:  # protocols 0–2 write Python 2's names
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        if (module, name) in _ADMITTED_NUMPY:
            return _ADMITTED_NUMPY[module, name]
        meant = f"{module}.{name}"
        raise RefusedPickle(meant if meant == written else f"{meant} (written {written})")

    def load_reduce(self):
        args, called = self.stack.pop(), self.stack[-1]
        if type(called) is not FunctionType:  # functions come from find_class alone
            raise RefusedPickle(f"a call of {_short(called)}")
        self.stack[-1] = called(*args)

    def load_build(self):
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is _Dtype:
            target.build(state)
        elif type(target) is np.ndarray:
            _fill_array(target, state)
        else:
            raise RefusedPickle(f"state for {type(target).__module__}.{type(target).__qualname__}")

    def load_append(self):
        _check_kind(list, self.stack[-2], "added to")
        super().load_append()

    def load_appends(self):
        _check_kind(list, self.metastack[-1][-1], "added to")
        super().load_appends()

    def load_setitem(self):
        _check_kind(dict, self.stack[-3], "set in")
        super().load_setitem()

    def load_setitems(self):
        _check_kind(dict, self.metastack[-1][-1], "set in")
        super().load_setitems()

    def load_inst(self):
        self.find_class(self.readline()[:-1].decode("ascii"), self.readline()[:-1].decode("ascii"))
        raise RefusedPickle("operation INST")

    def load_binunicode(self):
        size = int.from_bytes(self.read(4), "little")
        self.append(self._text(size) if size < _CHUNK_BYTES else self._long_text(size))

    def load_short_binunicode(self):
        self.append(self._text(self.read(1)[0]))

    def load_bytearray8(self):
        data = bytearray()
        for piece in self._pieces(int.from_bytes(self.read(8), "little")):
            data += piece
        self.append(data)

    def _text(self, size: int) -> str:
        """Equal texts become one: a file that names every frame holds few names."""
        text = str(self.read(size), "utf-8", "surrogatepass")
        return self.texts.setdefault(text, text)

    def _long_text(self, size: int) -> _Latin1:
        decoder, out = codecs.getincrementaldecoder("utf-8")(), io.BytesIO()
        for piece in self._pieces(size):
            out.write(decoder.decode(piece).encode("latin1"))
        decoder.decode(b"", final=True)
        return _Latin1(out.getvalue())

    def _pieces(self, size: int):
        """The next bytes piece by piece: no second copy, and no memory taken on the file's word
        alone."""
        while size:
            piece = self.read(min(size, _CHUNK_BYTES))
            if not piece:
                raise EOFError
            size -= len(piece)
            yield piece

    dispatch[pickle.APPEND[0]] = load_append
    dispatch[pickle.APPENDS[0]] = load_appends
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.INST[0]] = load_inst
    dispatch[pickle.BINUNICODE[0]] = load_binunicode
    dispatch[pickle.SHORT_BINUNICODE[0]] = load_short_binunicode


def _check_kind(kind: type, target, what: str) -> None:
    # an array, too, takes items: into memory that is checked already, or another's
    if type(target) is not kind:
        raise RefusedPickle(f"an item {what} a {type(target).__name__}")


def _fill_array(array: np.ndarray, state) -> None:
    if array.size:  # what it has would be freed, whoever looks at it
        raise RefusedPickle("a second state for an array")
    version, shape, dtype, fortran, data = state
    if type(version) is not int or type(dtype) is not _Dtype or type(fortran) not in (bool, int):
        raise RefusedPickle(f"array state {_short(state)}")
    if type(data) is not (list if dtype.value.hasobject else bytes):
        raise RefusedPickle(f"an array of {dtype.value} from {type(data).__name__}")
    _check_size(data, dtype.value, shape)
    array.__setstate__((1, shape, dtype.value, bool(fortran), data))  # type: ignore[arg-type]  # NumPy's stub


def _count_values(value, known: dict[int, int | None]) -> int:
    """How many values it holds, one held twice counted twice; each is looked at once.

    Nothing but data may come out: a name that was never called, or a half-made dtype, is not data.
    """
    kind = type(value)
    if kind in _PLAIN_TYPES or isinstance(value, np.generic):
        return 1
    if id(value) in known:
        if (count := known[id(value)]) is None:
            raise RefusedPickle(f"a {kind.__name__} that holds itself")
        return count
    known[id(value)] = None
    if kind is dict:
        parts = [*value.keys(), *value.values()]
    elif kind in (list, tuple):
        parts = value
    elif kind is np.ndarray:
        parts = value.ravel().tolist() if value.dtype.hasobject else ()
    else:
        raise RefusedPickle(f"a bare {getattr(value, '__name__', kind.__name__).lstrip('_')}")
    if set(map(type, parts)) <= _PLAIN_TYPES:
        count = len(parts)
    else:
        count = sum(_count_values(part, known) for part in parts)
    if count > _MAX_VALUES:
        raise RefusedPickle(f"{kind.__name__}s that hold one another, {count} values in all")
    known[id(value)] = count = max(count, 1)
    return count
