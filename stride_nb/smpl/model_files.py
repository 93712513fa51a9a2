"""SMPL, SMPL-H and SMPL-X model files: found, read without unpickling objects, and checked.

The files need a registration with their authors and are never shipped. Their arrays are the same in
.npz and in Python 2's .pkl.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Num

from stride_nb._pickles.python2_pickle import load_python2_pickle
from stride_nb.errors import UNREADABLE, InputError
from stride_nb.smpl.parameters import MODEL_KINDS

__all__ = [
    "MODEL_FOLDER_VARIABLE",
    "find_model_file",
    "read_model_arrays",
    "read_npz_arrays",
    "read_regressor",
]

MODEL_FOLDER_VARIABLE = "SMPL_MODEL_DIR"
"""Environment variable that names the folder of the user's model files."""

_FLOAT_ARRAYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
_INDEX_ARRAYS = ("kintree_table", "f")
_MODEL_ARRAYS = _FLOAT_ARRAYS + _INDEX_ARRAYS


def find_model_file(kind: str, gender: str, folder: str | os.PathLike | None = None) -> Path:
    """The model file of that family and gender, named as by its authors, `smplx` or AMASS, anywhere
    in the folder."""
    root = folder or os.environ.get(MODEL_FOLDER_VARIABLE)
    if not root:
        expected = (
            f"the folder of your {kind} model files (free of charge from their authors, "
            "after registration), or model='standin'"
        )
        raise InputError(MODEL_FOLDER_VARIABLE, "folder", expected, "not set")
    names = [rf"{kind}_{gender}\.(npz|pkl)", rf".*\b{kind}/{gender}/model\.npz"]
    if kind == "smpl":
        names.append(rf"basicmodel_{gender[0]}[a-z]*_lbs_10_207_0_v1\.[01]\.0\.pkl")
    pattern = re.compile(rf"(.*/)?({'|'.join(names)})", re.IGNORECASE)
    for path in sorted([*Path(root).rglob("*.npz"), *Path(root).rglob("*.pkl")]):
        if pattern.fullmatch(path.relative_to(root).as_posix()):
            return path
    name = f"{kind}_{gender}".upper()
    raise InputError(root, "model file", f"{name}.npz or {name}.pkl, or model='standin'", "none")


def read_model_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a model file, float64 but for faces and tree; ``shapedirs`` without SMPL-X's
    expressions.

    Raises:
        InputError: not a model file.
    """
    content = load_python2_pickle(path) if str(path).endswith(".pkl") else read_npz_arrays(path)
    if not isinstance(content, dict):
        raise InputError(path, "keys", ", ".join(_MODEL_ARRAYS), type(content).__name__)
    if lacking := [key for key in _MODEL_ARRAYS if key not in content]:
        raise InputError(path, "keys", ", ".join(_MODEL_ARRAYS), "lacking " + ", ".join(lacking))
    try:
        numbers = {key: np.asarray(content[key], np.float64) for key in _MODEL_ARRAYS}
        # uint32 in the files; the root's parent, −1 wrapped round, is exact in float64
        indices = {
            key: np.where(np.isfinite(numbers[key]), numbers[key], -1).astype(np.int64)
            for key in _INDEX_ARRAYS
        }
    except (ValueError, TypeError, OverflowError):
        raise InputError(path, "arrays", "numbers", "something else") from None
    arrays: dict[str, np.ndarray] = numbers | indices
    _check_model_arrays(path, arrays)
    directions = arrays["shapedirs"].shape[-1]
    if len(arrays["J_regressor"]) == 55:  # SMPL-X: 300 + 100 expressions, or 10 + 10
        shapes = 300 if directions >= 400 else min(directions, 10)
        arrays["shapedirs"] = arrays["shapedirs"][..., :shapes]
    arrays["kintree_table"] = arrays["kintree_table"].astype(np.uint32)
    return arrays


def read_npz_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All arrays of an npz file that can be read without unpickling; arrays of Python objects are
    left out."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: _read_member(file, key) for key in file.files}
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise InputError(path, "file", "an npz file", reason or type(error).__name__) from None
    return {key: value for key, value in arrays.items() if value is not None}


def _read_member(file: Any, key: str) -> np.ndarray | None:
    try:
        return file[key]
    except ValueError as error:
        if "pickle" in str(error):
            return None
        raise


def _check_model_arrays(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    vertices = len(np.atleast_1d(arrays["v_template"]))
    joints = len(np.atleast_1d(arrays["J_regressor"]))
    if joints not in MODEL_KINDS:
        raise InputError(path, "J_regressor", "24, 52 or 55 joints", joints)
    shapes = {
        "v_template": (vertices, 3),
        "shapedirs": (vertices, 3, None),
        "posedirs": (vertices, 3, 9 * joints - 9),
        "J_regressor": (joints, vertices),
        "weights": (vertices, joints),
        "kintree_table": (2, joints),
        "f": (None, 3),
    }
    for key, expected in shapes.items():
        shape = arrays[key].shape
        fits = len(shape) == len(expected) and all(n in (None, m) for n, m in zip(expected, shape))
        if not fits or not arrays[key].size:
            raise InputError(path, key, f"shape {expected}", shape)
        if not np.isfinite(arrays[key]).all():
            raise InputError(path, key, "finite numbers", "NaN or infinity")
    parents = arrays["kintree_table"][0, 1:]
    if (parents < 0).any() or (parents >= np.arange(1, joints)).any():
        raise InputError(path, "kintree_table", "each joint's parent before it", parents.tolist())
    low, high = arrays["f"].min(), arrays["f"].max()
    if low < 0 or high >= vertices:
        raise InputError(path, "f", f"vertices 0 to {vertices - 1}", (low, high))


def read_regressor(
    source: str | os.PathLike | npt.ArrayLike, arrays: dict[str, np.ndarray]
) -> Num[np.ndarray, "17 V"]:
    """Human3.6M's joints from a body's vertices, in the order of ``skeleton.H36M17``.

    SMPL's public regressor file lists the left leg before the right one. The body at rest shows the
    order (SMPL's left is +x); the right leg comes out first.
    """
    is_file = isinstance(source, (str, os.PathLike))
    regressor = np.asarray(_load_regressor_file(source) if is_file else source)
    where = source if is_file else "regressor"
    shape = (17, len(arrays["v_template"]))
    numeric = regressor.dtype.kind in "iuf"
    if regressor.shape != shape or not numeric or not np.isfinite(regressor).all():
        found = f"{regressor.dtype} {regressor.shape}"
        raise InputError(where, "regressor", f"finite numbers of shape {shape}", found)
    x = (regressor @ arrays["v_template"])[:, 0]
    return regressor[[0, 4, 5, 6, 1, 2, 3, *range(7, 17)]] if x[1] > x[4] else regressor


def _load_regressor_file(path: str | os.PathLike) -> np.ndarray:
    if str(path).endswith(".npz"):
        return next(iter(read_npz_arrays(path).values()), np.zeros(0))
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, TypeError) as error:
        reason = str(error) or type(error).__name__
        raise InputError(path, "regressor", "a .npy or .npz file of numbers", reason) from None
