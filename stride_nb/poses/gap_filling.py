"""TODO docstring."""

from __future__ import annotations

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.interpolation import fill_linear, neighbours
from stride_nb.poses.sequence import PoseSequence

__all__ = ["FILLED", "fill"]


FILLED = 1e-3
"""Confidence of a joint that a baseline made up."""


def fill(sequence: PoseSequence, threshold: float = 0.0, how: str = "linear") -> PoseSequence:
    """The sequence with every joint in place (see the module's text). ``how``: "linear" or "hold".

    With the default threshold only what has no coordinates is filled.

    Raises:
        InputError: no joint was ever seen, or another way than these two.
    """
    if how not in ("linear", "hold"):
        raise InputError("fill", "how", "linear or hold", repr(how))
    parts, confidence = _parts(sequence, threshold, how)
    return _whole(sequence, parts, confidence)


def _parts(sequence: PoseSequence, threshold: float, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Filled (T, J, 3): the pelvis's path at joint 0, the others relative to it; and confidence (T,
    J)."""
    seen = sequence.confidence >= max(threshold, np.finfo(float).tiny)
    seen |= ~seen.any(0) & ~sequence.missing
    if sequence.skeleton.joints[0] == "pelvis":
        seen[:, 0] = ~sequence.missing[:, 0]
    if not seen.any():
        raise InputError(
            sequence.name or "sequence", "joints", "at least one joint seen in one frame", "none"
        )
    x = np.where(seen[..., None], sequence.joints, np.nan)
    root = _root(x, seen, how)
    parts = _fill(x - root[:, None], seen, how)
    for j in sequence.skeleton.from_root:
        if not seen[:, j].any():
            parent = sequence.skeleton.parents[j]
            parts[:, j] = parts[:, parent] if parent > 0 else 0.0
    parts[:, 0] = root
    return parts, np.where(seen, sequence.confidence, FILLED)


def _root(x: np.ndarray, seen: np.ndarray, how: str) -> np.ndarray:
    """(T, 3) the pelvis's path: as seen, else as the joints in view have it, else filled."""
    both = seen & seen[:, :1]
    offset = x - x[:, :1] if both.any() else np.zeros_like(x)
    offset = _fill(np.where(both[..., None], offset, np.nan), both, how) if both.any() else offset
    told = np.where(np.isfinite(x + offset), x - offset, 0.0)
    votes = np.isfinite(x + offset).any(-1).sum(1)[:, None]
    root = np.where(
        seen[:, :1],
        x[:, 0],
        np.divide(told.sum(1), votes, out=np.full_like(x[:, 0], np.nan), where=votes > 0),
    )
    known = np.isfinite(root).all(-1)
    return _fill(root[:, None], known[:, None], how)[:, 0]


def _whole(sequence: PoseSequence, parts: np.ndarray, confidence: np.ndarray) -> PoseSequence:
    joints = parts + parts[:, :1]
    joints[:, 0] = parts[:, 0]
    return sequence.replace(joints=joints, confidence=confidence)


def _fill(x: np.ndarray, seen: np.ndarray, how: str) -> np.ndarray:
    """(T, J, 3) filled over time, joint by joint; a joint never seen stays NaN."""
    if how == "hold":
        before, after = neighbours(seen)
        return np.take_along_axis(
            x, np.where(before < 0, after, before).clip(max=len(x) - 1)[..., None], 0
        )
    return np.where(seen.any(0)[:, None], fill_linear(x, seen), np.nan)
