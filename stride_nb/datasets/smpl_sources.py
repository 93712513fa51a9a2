"""What readers of SMPL data sets share: where the files are, which body reads them, and which frame
is whose."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from reprlib import repr as repr_briefly

import numpy as np
from jaxtyping import Float, Int

from stride_nb.errors import InputError
from stride_nb.poses.geometry import UP_AXES
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body, load_body
from stride_nb.smpl.parameters import BodyMotion

__all__ = [
    "check_choice",
    "check_not_empty",
    "compute_joints",
    "find_data_folder",
    "make_body_loader",
    "make_view",
    "place_frames",
    "shorten",
    "take_array",
]


def find_data_folder(source: str, given: str | os.PathLike | None, variable: str) -> Path:
    """The user's copy of a data set: the folder given, else the environment's ``variable``."""
    folder = given or os.environ.get(variable)
    if not folder:
        expected = f"the folder of your copy, as a parameter or as {variable}"
        raise InputError(source, "folder", expected, "neither")
    if not Path(folder).is_dir():
        raise InputError(folder, "folder", f"the folder of {source}", "no such folder")
    return Path(folder)


def check_choice(where: object, field: str, value: object, allowed: Collection[str]) -> None:
    """InputError unless ``value`` is among ``allowed``."""
    if value not in allowed:
        raise InputError(where, field, "one of " + ", ".join(allowed), repr(value))


def check_not_empty(where: object, field: str, expected: str, items: list) -> list:
    """The items; InputError where there are none."""
    if not items:
        raise InputError(where, field, expected, "none")
    return items


def shorten(value: object) -> str:
    """The value on one short line, even if its lists hold each other many times over."""
    return " ".join(repr_briefly(value).split())[:60]


def take_array(
    where: object, table: object, field: str, shape: tuple[int | None, ...]
) -> Float[np.ndarray, " ..."]:
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


def make_body_loader(
    body: Body | str | os.PathLike | None,
    kind: str,
    regressor: Float[np.ndarray, "17 V"] | str | os.PathLike | None = None,
) -> Callable[[str], Body]:
    """gender → `Body`: the one given (``standin``, a model file, a `Body`), else the user's own
    model of that kind. Each is loaded once."""

    @cache
    def load_gender(gender: str) -> Body:
        if isinstance(body, Body):
            return body
        return load_body(kind if body is None else body, gender, regressor=regressor)

    return load_gender


def place_frames(
    where: object, numbers: Int[np.ndarray, " T"], step: int | None = None
) -> tuple[Int[np.ndarray, " T"], int, int]:
    """Where frames with these numbers stand in an even row: the place of each, the row's length,
    and the numbers from one place to the next, which is ``step`` or else as many as possible.

    >>> place_frames("clip", np.array([10, 15, 30]))
    (array([0, 1, 4]), 5, 5)
    """
    numbers = np.asarray(numbers, np.int64)
    gaps = np.diff(np.sort(numbers))
    if (gaps == 0).any():
        raise InputError(where, "frames", "one a person and image", "two")
    step = step or (int(np.gcd.reduce(gaps)) if len(gaps) else 1)
    places, between = np.divmod(numbers - numbers.min(), step)
    if between.any():
        raise InputError(where, "frames", f"every {step}th image", "images in between")
    length = int(places.max()) + 1
    if length > 100 * len(numbers):
        spread = f"{len(numbers)} frames spread over {length}"
        raise InputError(where, "frames", "numbers of one video", spread)
    return places, length, step


def make_view(
    cameras: Float[np.ndarray, "T 4 4"], space: str, first: int = 0
) -> tuple[Float[np.ndarray, "*T 3 3"], Float[np.ndarray, "*T 3"]]:
    """Rotation and shift (metres), ``X' = R X + t``, from a data set's world to ``space``.

    Args:
        cameras: world to camera, one a frame.
        space: ``camera``: x right, y down, z forward, one rotation and shift a frame. ``world``:
            the axes of camera ``first``, turned upright, one for all frames.
    """
    rotation, shift = cameras[:, :3, :3], cameras[:, :3, 3]
    if space == "camera":
        return rotation, shift
    return UP_AXES["-y"] @ rotation[first], UP_AXES["-y"] @ shift[first]


def compute_joints(
    body: Body,
    motion: BodyMotion,
    rotation: Float[np.ndarray, "*R 3 3"],
    shift: Float[np.ndarray, "*S 3"] | None = None,
    places: Int[np.ndarray, " T"] | None = None,
    length: int | None = None,
) -> PoseSequence:
    """The 17 joints of a motion, turned and shifted (``X' = R X + t``), put into an even row.

    Args:
        rotation, shift: one for all frames, or one a frame; metres.
        places, length: the row's place of each frame, and the row's length; the other places are
            missing. Default: the frames follow each other.
    """
    sequence = body.compute_sequence(motion)
    joints = np.einsum("...ij,...kj->...ki", rotation, sequence.joints)
    if shift is not None:
        joints = joints + shift[..., None, :]
    if places is None or length is None:
        return sequence.replace(joints=joints)
    row = np.full((length, *joints.shape[1:]), np.nan)
    row[places] = joints
    return PoseSequence(row, fps=motion.fps, name=motion.name)
