"""Joints of your own as plain arrays: ``.npy``, ``.npz`` or ``.pkl``, as one sequence."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from stride_nb.errors import InputError
from stride_nb.io.parsing import open_document
from stride_nb.poses import skeleton as sk
from stride_nb.poses.sequence import PoseSequence

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
        raise InputError("motions.arrays", "path", "a .npy, .npz or .pkl of yours", "none")
    path, joint_set = Path(path), sk.get(skeleton)
    content = open_document(path).content
    found = content if isinstance(content, dict) else {"joints": content}
    shape = (len(joint_set), 3)
    fits = [
        k
        for k, v in found.items()
        if isinstance(v, np.ndarray) and v.dtype.kind in "fiu" and v.shape[1:] == shape
    ]
    name = "joints" if "joints" in fits else fits[0] if len(fits) == 1 else None
    if name is None:
        shapes = ", ".join(f"{k} {getattr(v, 'shape', type(v).__name__)}" for k, v in found.items())
        raise InputError(
            path,
            "joints",
            f"one array of numbers of shape (T, {shape[0]}, 3)",
            shapes[:120] or "none",
        )
    try:
        fps = float(np.asarray(found.get("fps", 30.0)).item()) if fps is None else fps
        return [PoseSequence(found[name], found.get("confidence"), fps, joint_set, path.stem)]
    except InputError as error:
        raise InputError(path, error.field, error.expected, error.found) from None
    except (ValueError, TypeError) as error:
        raise InputError(path, "confidence, fps", "numbers", error) from None
