"""Every joint in place: gaps filled for the pelvis's path and for the joints relative to it apart.

A joint counts as seen if it has coordinates and at least ``threshold`` confidence; one of which
the threshold would leave nothing keeps what it has. A wrist held *in the world* would be left
behind by a person who walks on; held relative to the pelvis it comes along. The pelvis counts
wherever it has coordinates, whatever its confidence, since the other joints are measured from it.
Where it has none, the joints in view place it: each at its own filled offset, and the mean is
taken. Where nothing is in view, its path is filled like any joint. A pelvis never seen stands in
the middle of what is seen, any other joint never seen at its parent. Joint sets without a pelvis
are filled relative to their first joint; better convert them before.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError
from stride_nb.poses.interpolation import fill_linear, find_neighbours
from stride_nb.poses.sequence import PoseSequence

__all__ = ["FILLED_CONFIDENCE", "attach_to_root", "fill_gaps", "fill_relative_to_root"]

FILLED_CONFIDENCE = 1e-3
"""Confidence of a joint that was filled in: more than 0, which is missing."""


def fill_gaps(sequence: PoseSequence, threshold: float = 0.0, how: str = "linear") -> PoseSequence:
    """The sequence with every joint in place. ``how``: "linear" or "hold" (the last one seen).

    With the default threshold only what has no coordinates is filled.

    Raises:
        InputError: no joint was ever seen, or another way than these two.
    """
    if how not in ("linear", "hold"):
        raise InputError("fill", "how", "linear or hold", repr(how))
    return attach_to_root(sequence, *fill_relative_to_root(sequence, threshold, how))


def fill_relative_to_root(
    sequence: PoseSequence, threshold: float, how: str
) -> tuple[Float[np.ndarray, "T J 3"], Float[np.ndarray, "T J"]]:
    """Filled joints, and confidence: joint 0 holds the pelvis's path, the others are relative to
    it."""
    seen = np.greater_equal(sequence.confidence, max(threshold, np.finfo(float).tiny))
    seen |= ~seen.any(0) & ~sequence.missing
    if sequence.skeleton.joints[0] == "pelvis":
        seen[:, 0] = ~sequence.missing[:, 0]
    if not seen.any():
        where = sequence.name or "sequence"
        raise InputError(where, "joints", "at least one joint seen in one frame", "none")
    x = np.where(seen[..., None], sequence.joints, np.nan)
    root = _fill_root_path(x, seen, how)
    relative = _fill_joints(x - root[:, None], seen, how)
    for j in sequence.skeleton.from_root:
        if not seen[:, j].any():
            parent = sequence.skeleton.parents[j]
            relative[:, j] = relative[:, parent] if parent > 0 else 0.0
    relative[:, 0] = root
    return relative, np.where(seen, sequence.confidence, FILLED_CONFIDENCE)


def attach_to_root(
    sequence: PoseSequence,
    relative: Float[np.ndarray, "T J 3"],
    confidence: Float[np.ndarray, "T J"],
) -> PoseSequence:
    """The sequence with the joints of ``fill_relative_to_root``, back in its own coordinates."""
    joints = relative + relative[:, :1]
    joints[:, 0] = relative[:, 0]
    return sequence.replace(joints=joints, confidence=confidence)


def _fill_root_path(x: np.ndarray, seen: np.ndarray, how: str) -> np.ndarray:
    """(T, 3) the pelvis's path: as seen, else as the joints in view place it, else filled."""
    both = seen & seen[:, :1]
    offset = np.zeros_like(x)
    if both.any():
        offset = _fill_joints(np.where(both[..., None], x - x[:, :1], np.nan), both, how)
    placeable = np.isfinite(x + offset)
    total = np.where(placeable, x - offset, 0.0).sum(1)
    count = placeable.any(-1).sum(1)[:, None]
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    root = np.where(seen[:, :1], x[:, 0], mean)
    known = np.all(np.isfinite(root), axis=-1)
    return _fill_joints(root[:, None], known[:, None], how)[:, 0]


def _fill_joints(x: np.ndarray, seen: np.ndarray, how: str) -> np.ndarray:
    """(T, J, 3) filled over time, joint by joint; a joint never seen stays NaN."""
    if how == "hold":
        before, after = find_neighbours(seen)
        nearest = np.where(before < 0, after, before).clip(max=len(x) - 1)
        return np.take_along_axis(x, nearest[..., None], 0)
    return np.where(np.any(seen, axis=0)[:, None], fill_linear(x, seen), np.nan)
