"""SMPL, SMPL-H and SMPL-X model files: found, read without running them, and checked.

The files need a registration with their authors and are never shipped. Their arrays are the same in
.npz and in Python 2's .pkl.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from stride_nb._pickles import python2_pickle
from stride_nb.errors import UNREADABLE, InputError
from stride_nb.smpl.parameters import KINDS

__all__ = ["FOLDER", "find", "npz", "read", "read_regressor"]

FOLDER = "SMPL_MODEL_DIR"
"""The environment's name for the folder of the user's model files."""

_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")


def find(kind: str, gender: str, folder: str | os.PathLike | None = None) -> Path:
    """The model file of that family and gender: as its authors, `smplx` or AMASS name it, anywhere
    in the folder."""
    where = folder or os.environ.get(FOLDER)
    if not where:
        raise InputError(
            FOLDER,
            "folder",
            f"the folder of your {kind} model files (free of charge from their authors, "
            "after registration), or model='standin'",
            "not set",
        )
    names = [rf"{kind}_{gender}\.(npz|pkl)", rf".*\b{kind}/{gender}/model\.npz"]
    if kind == "smpl":
        names.append(rf"basicmodel_{gender[0]}[a-z]*_lbs_10_207_0_v1\.[01]\.0\.pkl")
    pattern = re.compile(rf"(.*/)?({'|'.join(names)})", re.IGNORECASE)
    paths = sorted([*Path(where).rglob("*.npz"), *Path(where).rglob("*.pkl")])
    found = [p for p in paths if pattern.fullmatch(p.relative_to(where).as_posix())]
    if not found:
        name = f"{kind}_{gender}".upper()
        raise InputError(
            where, "model file", f"{name}.npz or {name}.pkl, or model='standin'", "none"
        )
    return found[0]


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a model file, float64 but for faces and tree; ``shapedirs`` without SMPL-X's
    expressions.

    Raises:
        InputError: not a model file.
    """
    found = python2_pickle.load(path) if str(path).endswith(".pkl") else npz(path)
    if not isinstance(found, dict) or (lacking := [key for key in _KEYS if key not in found]):
        raise InputError(
            path,
            "keys",
            ", ".join(_KEYS),
            "lacking " + ", ".join(lacking) if isinstance(found, dict) else type(found).__name__,
        )
    try:
        arrays = {key: np.asarray(found[key], np.float64) for key in _KEYS[:5]}
        # uint32 in the files; the root's parent, −1 wrapped round, is exact in float64
        for key in _KEYS[5:]:
            value = np.asarray(found[key], np.float64)
            arrays[key] = np.where(np.isfinite(value), value, -1).astype(np.int64)
    except (ValueError, TypeError, OverflowError):
        raise InputError(path, "arrays", "numbers", "something else") from None
    _check(path, arrays)
    directions = arrays["shapedirs"].shape[-1]
    if len(arrays["J_regressor"]) == 55:  # SMPL-X: 300 + 100 expressions, or 10 + 10
        arrays["shapedirs"] = arrays["shapedirs"][
            ..., : 300 if directions >= 400 else min(directions, 10)
        ]
    arrays["kintree_table"] = arrays["kintree_table"].astype(np.uint32)
    return arrays


def npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All arrays of an npz file that can be read without unpickling; arrays of Python objects are
    left out."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: value for key in file.files if (value := _member(file, key)) is not None}
    except UNREADABLE as error:
        said = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else str(error).split("\n")[0]
        )
        raise InputError(path, "file", "an npz file", said or type(error).__name__) from None


def _member(file, key: str) -> np.ndarray | None:
    try:
        return file[key]
    except ValueError as error:
        if "pickle" in str(error):
            return None
        raise


def _check(path, arrays: dict[str, np.ndarray]) -> None:
    vertices, joints = (
        len(np.atleast_1d(arrays["v_template"])),
        len(np.atleast_1d(arrays["J_regressor"])),
    )
    if joints not in KINDS:
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
    for key, shape in shapes.items():
        found = arrays[key].shape
        if (
            len(found) != len(shape)
            or any(n not in (None, m) for n, m in zip(shape, found))
            or not arrays[key].size
        ):
            raise InputError(path, key, f"shape {shape}", found)
        if not np.isfinite(arrays[key]).all():
            raise InputError(path, key, "finite numbers", "NaN or infinity")
    parents = arrays["kintree_table"][0, 1:]
    if (parents < 0).any() or (parents >= np.arange(1, joints)).any():
        raise InputError(path, "kintree_table", "each joint's parent before it", parents.tolist())
    if arrays["f"].min() < 0 or arrays["f"].max() >= vertices:
        raise InputError(
            path, "f", f"vertices 0 to {vertices - 1}", (arrays["f"].min(), arrays["f"].max())
        )


def read_regressor(
    source: str | os.PathLike | np.ndarray, arrays: dict[str, np.ndarray]
) -> np.ndarray:
    """(17, V) Human3.6M's joints from a body's vertices, in the order of ``skeleton.H36M17``.

    The file that is passed around for SMPL lists the left leg before the right one; whichever way a
    file has it, the body at rest tells (SMPL's left is +x), and the legs come out right, left.
    """
    regressor = np.asarray(
        _regressor_file(source) if isinstance(source, (str, os.PathLike)) else source
    )
    where = source if isinstance(source, (str, os.PathLike)) else "regressor"
    vertices = len(arrays["v_template"])
    if (
        regressor.shape != (17, vertices)
        or regressor.dtype.kind not in "iuf"
        or not np.isfinite(regressor).all()
    ):
        found = f"{regressor.dtype} {regressor.shape}"
        raise InputError(where, "regressor", f"finite numbers of shape (17, {vertices})", found)
    x = (regressor @ arrays["v_template"])[:, 0]
    return regressor[[0, 4, 5, 6, 1, 2, 3, *range(7, 17)]] if x[1] > x[4] else regressor


def _regressor_file(path: str | os.PathLike) -> np.ndarray:
    if str(path).endswith(".npz"):
        arrays = list(npz(path).values())
        return arrays[0] if arrays else np.zeros(0)
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, TypeError) as error:
        said = str(error) or type(error).__name__
        raise InputError(path, "regressor", "a .npy or .npz file of numbers", said) from None
