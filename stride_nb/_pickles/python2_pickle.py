"""Python 2's pickles (3DPW, OcMotion, SMPL's own files), read as data.

Python 2 had one type for text and bytes, so arrays come as text, to be read as latin1. SMPL's files
wrap some arrays in `chumpy` objects and sparse matrices; both come out as plain arrays, and neither
library is needed or imported.
"""

from __future__ import annotations

import os
import pickle
from types import FunctionType

import numpy as np

from stride_nb._pickles.numpy_pickle import (
    DataUnpickler,
    Dispatch,
    RefusedPickle,
    read_pickle_file,
    rebuild_scalar,
    reconstruct_array,
)

__all__ = ["load_python2_pickle"]


def load_python2_pickle(path: str | os.PathLike):
    """The arrays, lists, dicts, text and numbers of a pickle file of either Python.

    Raises:
        InputError: the file is missing or damaged, or names anything but data (the message says
            what).
    """
    return read_pickle_file(path, _Python2Unpickler)


class _Wrapped:
    """An object under construction that will come out as an array."""

    def __init__(self, unwrap):
        self.unwrap = unwrap


def _unwrap_chumpy(state: dict) -> np.ndarray:
    """A chumpy constant keeps its array as ``x``."""
    if type(state) is not dict or type(state.get("x")) is not np.ndarray:
        raise RefusedPickle("a chumpy object that is not a plain array")
    return state["x"]


def _unwrap_sparse(state: dict) -> np.ndarray:
    """A sparse matrix in compressed columns, dense."""
    from scipy.sparse import csc_matrix

    try:
        shape = tuple(int(n) for n in state["_shape" if "_shape" in state else "shape"])
        data, indices, starts = (np.asarray(state[key]) for key in ("data", "indices", "indptr"))
        if (
            len(shape) != 2
            or not 0 <= np.prod(shape) < 1e8
            or {indices.dtype.kind, starts.dtype.kind} - set("iu")
        ):
            raise ValueError
        matrix = csc_matrix((data, indices, starts), shape)
        matrix.check_format(full_check=True)
        return matrix.toarray()
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RefusedPickle("a sparse matrix that does not fit together") from None


def _new_chumpy(*_):
    return _Wrapped(_unwrap_chumpy)


def _new_sparse(*_):
    return _Wrapped(_unwrap_sparse)


def _refuse_object(*_):
    raise RefusedPickle("a call of object")


def _make_object(kind, base, state):
    """Protocols 0 and 1 make an object from its class, the base class ``object`` and no state."""
    if kind not in (_new_chumpy, _new_sparse) or base is not _refuse_object or state is not None:
        raise RefusedPickle("an object of a class that is not data")
    return kind()


def _reconstruct_text(kind, shape, code) -> np.ndarray:
    return reconstruct_array(kind, shape, b"b" if code == "b" else code)


def _rebuild_text_scalar(dtype, data):
    return rebuild_scalar(dtype, data.encode("latin1") if type(data) is str else data)


_ADMITTED_PYTHON2 = {
    (f"numpy.{core}.multiarray", name): function
    for core in ("core", "_core")
    for name, function in (("_reconstruct", _reconstruct_text), ("scalar", _rebuild_text_scalar))
}
_ADMITTED_PYTHON2 |= {
    ("chumpy.ch", "Ch"): _new_chumpy,
    ("scipy.sparse.csc", "csc_matrix"): _new_sparse,
    ("scipy.sparse._csc", "csc_matrix"): _new_sparse,
    ("copyreg", "_reconstructor"): _make_object,
    ("copy_reg", "_reconstructor"): _make_object,
    ("__builtin__", "object"): _refuse_object,
}


class _Python2Unpickler(DataUnpickler):
    dispatch = Dispatch(DataUnpickler.dispatch)

    def __init__(self, file):
        super().__init__(file)
        self.encoding = "latin1"

    def find_class(self, module, name):
        return _ADMITTED_PYTHON2.get((module, name)) or super().find_class(module, name)

    def load_newobj(self):
        args, kind = self.stack.pop(), self.stack[-1]
        if type(kind) is not FunctionType or args != ():
            raise RefusedPickle("an object of a class that is not data")
        self.stack[-1] = kind()

    def load_build(self):
        """State for what wraps an array in these files: the array takes its place."""
        state, target = self.stack[-1], self.stack[-2]
        if type(target) is _Wrapped:
            self.stack.pop()
            array = self.stack[-1] = target.unwrap(state)
            for number, known in enumerate(self.memo):
                if known is target:
                    self.memo[number] = array
            return
        if (
            type(target) is np.ndarray
            and type(state) is tuple
            and len(state) == 5
            and type(state[4]) is str
        ):
            self.stack[-1] = (*state[:4], state[4].encode("latin1"))
        super().load_build()

    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build
