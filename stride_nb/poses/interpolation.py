"""Which observations to trust, and what to put where there are none.

Time is the last axis but one of arrays (…, T, J), the last but two of arrays (…, T, J, C). There
are no loops over frames, so that whole batches are filled at once (but for `carried`, which is of
one joint).
"""

from __future__ import annotations

import numpy as np

__all__ = ["CONFIDENCE_THRESHOLD", "carried", "fill_linear", "gap_seconds", "held", "neighbours", "runs"]

CONFIDENCE_THRESHOLD = 0.5
"""Confidence from which an observation counts as seen; below it, it is at best a hint."""


def neighbours(trusted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the last trusted frame at or before each frame, and of the first at or after.

    Args:
        trusted: (…, T, J) bool.

    Returns:
        Two (…, T, J) int arrays; −1 and T where there is none.
    """
    frames = trusted.shape[-2]
    index = np.arange(frames)[:, None]
    before = np.maximum.accumulate(np.where(trusted, index, -1), axis=-2)
    after = np.minimum.accumulate(np.where(trusted, index, frames)[..., ::-1, :], axis=-2)[
        ..., ::-1, :
    ]
    return before, after


def fill_linear(points: np.ndarray, trusted: np.ndarray) -> np.ndarray:
    """Linear interpolation between trusted frames, held beyond the first and last; zero where a
    joint has none.

    Args:
        points: (…, T, J, C); what is not trusted is not looked at.
        trusted: (…, T, J) bool.

    >>> points = np.array([0.0, 9, 2, 7]).reshape(4, 1, 1)
    >>> fill_linear(points, np.array([[True], [False], [True], [False]])).ravel()
    array([0., 1., 2., 2.])
    """
    frames = trusted.shape[-2]
    before, after = neighbours(trusted)
    low = np.where(before < 0, np.minimum(after, frames - 1), before)
    high = np.where(after >= frames, np.maximum(before, 0), after)
    span = np.maximum(high - low, 1)
    part = np.clip((np.arange(frames)[:, None] - low) / span, 0, 1)[..., None]
    known = np.where(trusted[..., None], points, 0.0)
    a = np.take_along_axis(known, low[..., None], axis=-3)
    b = np.take_along_axis(known, high[..., None], axis=-3)
    return a + (b - a) * part


def gap_seconds(trusted: np.ndarray, fps: float, longest: float = 4.0) -> np.ndarray:
    """(…, T, J) seconds to the nearest trusted frame of the same joint, at most ``longest``."""
    frames = trusted.shape[-2]
    before, after = neighbours(trusted)
    index = np.arange(frames)[:, None]
    back = np.where(before < 0, np.inf, index - before)
    ahead = np.where(after >= frames, np.inf, after - index)
    return np.minimum(np.minimum(back, ahead) / fps, longest)


def held(points: np.ndarray, trusted: np.ndarray, fps: float, longest: float = 0.25) -> np.ndarray:
    """(…, T, 1) bool: frames that repeat the one before, as where a slower estimator's last answer
    is shown again.

    A frame repeats if no joint that is trusted in both moves by more than 0.1 mm along an axis. The
    first joint, from which the others are measured, has no say.

    Args:
        points: (…, T, J, 3) metres, relative to the first joint; what is not trusted is not looked
            at.
        trusted: (…, T, J) bool.
        longest: seconds from the first frame to its last repeat; longer ones are taken for a person
            who stands still.
    """
    both = trusted[..., 1:, 1:] & trusted[..., :-1, 1:]
    moved = both & (np.abs(np.diff(points[..., 1:, :], axis=-3)) > 1e-4).any(-1)
    same = both.any(-1, keepdims=True) & ~moved.any(-1, keepdims=True)
    same = np.concatenate([np.zeros_like(trusted[..., :1, :1]), same], -2)
    before, after = neighbours(~same)
    return same & (after - before <= longest * fps + 1)


def carried(confidence: np.ndarray, seen: np.ndarray, times: np.ndarray, half: float) -> np.ndarray:
    """(N,) confidence at ``times`` (frames): that of the nearest frame ``seen``, if it lies within
    ``half`` a period.

    Of two new frames the earlier one takes what lies in the middle; the last one takes all that
    comes after it.
    """
    if not len(seen):
        return np.zeros(len(times))
    later = np.searchsorted(seen, times - 1e-9)
    after, before = np.minimum(later, len(seen) - 1), np.maximum(later - 1, 0)
    nearest = np.where(
        np.abs(seen[after] - times) <= np.abs(seen[before] - times) + 1e-9, after, before
    )
    apart = seen[nearest] - times
    until = np.full(len(times), half)
    until[-1] = np.inf
    return np.where((apart > 1e-9 - half) & (apart <= until + 1e-9), confidence[nearest], 0.0)


def runs(flags: np.ndarray) -> np.ndarray:
    """(N, 2) first frame and length of every run of True in (T,) flags.

    >>> runs(np.array([True, False, True, True])).tolist()
    [[0, 1], [2, 2]]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, int), [0]]))).reshape(
        -1, 2
    )
    return np.stack([edges[:, 0], edges[:, 1] - edges[:, 0]], 1)
