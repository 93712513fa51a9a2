"""Joints of your own as plain arrays: ``.npy``, ``.npz`` or ``.pkl``, as one sequence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from stride_nb.errors import InputError
from stride_nb.io.document import open_document
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import get_skeleton

__all__ = ["load"]


def load(
    split: str | None = None,
    path: str | os.PathLike | None = None,
    fps: float | None = None,
    skeleton: str = "h36m17",
) -> list[PoseSequence]:
    """An array (T, J, 3) in metres, in the axes it has; NaN where a joint is missing.

    Args:
        split: there is none; ignored.
        path: the array, or a dict (npz, pickle) that calls it ``joints`` or has no other (T, J, 3);
            beside it may stand ``confidence`` (T, J) and ``fps``.
        fps: ``None``: what the file says, else 30.
        skeleton: the joint set.

    Raises:
        InputError: no path, a file that cannot be read without running it, or no such array in it.
    """
    if path is None:
        raise InputError("datasets.arrays", "path", "a .npy, .npz or .pkl of yours", "none")
    path, joint_set = Path(path), get_skeleton(skeleton)
    content = open_document(path).content
    arrays: dict[str, Any] = content if isinstance(content, dict) else {"joints": content}
    joints = arrays[_find_joints(path, arrays, len(joint_set))]
    try:
        fps = float(np.asarray(arrays.get("fps", 30.0)).item()) if fps is None else fps
        confidence = cast(np.ndarray, arrays.get("confidence"))  # None: all seen
        return [PoseSequence(joints, confidence, fps, joint_set, path.stem)]
    except InputError as error:
        raise InputError(path, error.field, error.expected, error.found) from None
    except (ValueError, TypeError) as error:
        raise InputError(path, "confidence, fps", "numbers", error) from None


def _find_joints(path: Path, arrays: dict, count: int) -> str:
    """Name of the array of joints: ``joints``, or the only one of that shape."""
    fits = [
        name
        for name, value in arrays.items()
        if isinstance(value, np.ndarray)
        and value.dtype.kind in "fiu"
        and value.shape[1:] == (count, 3)
    ]
    if "joints" in fits or len(fits) == 1:
        return "joints" if "joints" in fits else fits[0]
    shapes = ", ".join(f"{k} {getattr(v, 'shape', type(v).__name__)}" for k, v in arrays.items())
    expected = f"one array of numbers of shape (T, {count}, 3)"
    raise InputError(path, "joints", expected, shapes[:120] or "none")
