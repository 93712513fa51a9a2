"""What readers of SMPL data sets share: where the files are, which body reads them, and which frame
is whose."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from reprlib import repr as _short

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body, load
from stride_nb.smpl.model_files import npz
from stride_nb.smpl.parameters import BodyMotion

__all__ = [
    "UPRIGHT",
    "array",
    "bodies",
    "brief",
    "data_folder",
    "npz",
    "observed",
    "one_of",
    "slots",
    "some",
]

UPRIGHT = np.diag([1.0, -1.0, -1.0])
"""From a camera's axes (x right, y down, z forward) to axes with y up: the same right, looking out
of the picture."""


def data_folder(source: str, given: str | os.PathLike | None, variable: str) -> Path:
    """The user's copy of a data set: the parameter, or the environment's variable."""
    where = given or os.environ.get(variable)
    if not where:
        raise InputError(
            source, "folder", f"the folder of your copy, as a parameter or as {variable}", "neither"
        )
    if not Path(where).is_dir():
        raise InputError(where, "folder", f"the folder of {source}", "no such folder")
    return Path(where)


def one_of(where: object, field: str, value, allowed) -> None:
    """InputError unless ``value`` is among ``allowed``."""
    if value not in allowed:
        raise InputError(where, field, "one of " + ", ".join(map(str, allowed)), repr(value))


def some(where: object, field: str, expected: str, found: list) -> list:
    """What was found; InputError where that is nothing."""
    if not found:
        raise InputError(where, field, expected, "none")
    return found


def brief(value) -> str:
    """What came, on one short line."""
    # a stranger's lists may hold each other many times over
    return " ".join(_short(value).split())[:60]


def array(where: object, table: dict, field: str, shape: tuple) -> np.ndarray:
    """``table[field]`` as finite float64 of that shape, where ``None`` fits any length."""
    if not isinstance(table, dict) or field not in table:
        raise InputError(where, field, "an array of that name", "none")
    try:
        value = np.asarray(table[field], np.float64)
    except (ValueError, TypeError):
        raise InputError(where, field, "numbers", type(table[field]).__name__) from None
    if value.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, value.shape)):
        raise InputError(where, field, f"shape {shape}", value.shape)
    if not np.isfinite(value).all():
        raise InputError(where, field, "finite numbers", "NaN or infinity")
    return value


def bodies(
    body: Body | str | os.PathLike | None, kind: str, regressor=None
) -> Callable[[str], Body]:
    """gender → `Body`: the one given (``standin``, a model file, a `Body`), or the user's own of
    that family."""

    @lru_cache(maxsize=3)
    def of(gender: str) -> Body:
        if isinstance(body, Body):
            return body
        return load(kind if body is None else body, gender, regressor=regressor)

    return of


def slots(where: object, numbers: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Where frames with these numbers stand in an even row: (place of each, length of the row,
    numbers a step).

    >>> slots("clip", np.array([10, 15, 30]))
    (array([0, 1, 4]), 5, 5)
    """
    numbers = np.asarray(numbers, np.int64)
    if len(numbers) > 1 and (np.diff(np.sort(numbers)) == 0).any():
        raise InputError(where, "frames", "one a person and image", "two")
    step = int(np.gcd.reduce(np.diff(np.sort(numbers)))) if len(numbers) > 1 else 1
    places = (numbers - numbers.min()) // step
    if (length := int(places.max()) + 1) > 100 * len(numbers):
        raise InputError(
            where, "frames", "numbers of one video", f"{len(numbers)} frames spread over {length}"
        )
    return places, length, step


def observed(
    body: Body,
    motion: BodyMotion,
    rotation: np.ndarray | None = None,
    shift: np.ndarray | None = None,
    places: np.ndarray | None = None,
    length: int | None = None,
) -> PoseSequence:
    """The 17 joints of a motion, turned and shifted (``X' = R X + t``, once or a frame), put into
    an even row.

    Args:
        rotation, shift: (3, 3) or (T, 3, 3), and (3,) or (T, 3), metres.
        places, length: the row's place of each frame, and the row's length; other places are
            missing.
    """
    found = body.sequence(motion)
    joints = found.joints
    if rotation is not None:
        joints = np.einsum("...ij,...kj->...ki", rotation, joints)
    if shift is not None:
        joints = joints + np.asarray(shift)[..., None, :]
    if places is None:
        return found.replace(joints=joints)
    row = np.full((length, *joints.shape[1:]), np.nan)
    row[places] = joints
    return PoseSequence(row, fps=motion.fps, name=motion.name)
