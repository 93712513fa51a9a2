"""A real estimator's poses made worse, as those of real video are worse than those of rendered
people (`benchmarks.noise_statistics`: errors 1.2 to 1.7 times as large, three to seven times as
many facing flips, three times as many jumps)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy.random import Generator

from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import mirror_joints

__all__ = ["worsen_estimate"]

_GAIN = (0.9, 1.8)
"""Of the error, the same in a whole window."""
_FLIP_CHANCE, _FLIP_SECONDS = 0.3, (0.08, 0.8)
_LOSS_CHANCE, _LOSS_SECONDS = 0.2, (0.1, 0.6)


def worsen_estimate(estimate: PoseSequence, truth: PoseSequence, rng: Generator) -> PoseSequence:
    """A window of an estimate with larger errors, in some windows with a facing flip, or frames in
    which nobody is found.

    Args:
        estimate: NaN where nobody was found; only joints relative to the pelvis change.
        truth: in the estimate's frame and size.
        rng: of all that is drawn.
    """
    root = estimate.joints[:, :1]
    true = truth.joints - truth.joints[:, :1]
    joints = true + rng.uniform(*_GAIN) * (estimate.joints - root - true)
    joints[:, 0] = 0
    confidence = estimate.confidence
    if rng.random() < _FLIP_CHANCE:
        span = _draw_frames(len(joints), estimate.fps, _FLIP_SECONDS, rng)
        # who faces the other way has the same outline: sides exchanged, depth negated
        joints[span] = mirror_joints(joints[span], negate=(2,))
    if rng.random() < _LOSS_CHANCE:
        span = _draw_frames(len(joints), estimate.fps, _LOSS_SECONDS, rng)
        confidence = np.where(span[:, None], 0.0, confidence)
    return estimate.replace(joints=joints + root, confidence=confidence)


def _draw_frames(
    frames: int, fps: float, seconds: tuple[float, float], rng: Generator
) -> Bool[np.ndarray, " T"]:
    length = min(max(1, round(rng.uniform(*seconds) * fps)), frames)
    first = rng.integers(0, frames - length + 1)
    return (np.arange(frames) >= first) & (np.arange(frames) < first + length)
