"""Which observations to trust, and how to bridge the frames between them.

Time is the last axis but one of arrays (…, T, J), the last but two of arrays (…, T, J, C). There
are no loops over frames, so that whole batches are filled at once.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped

__all__ = [
    "CONFIDENCE_THRESHOLD",
    "fill_linear",
    "find_neighbours",
    "find_repeated_frames",
    "find_runs",
    "gap_seconds",
    "resample_confidence",
]

CONFIDENCE_THRESHOLD = 0.5
"""Confidence from which an observation counts as seen; below it, it is at best a hint."""


def find_neighbours(
    trusted: Bool[np.ndarray, "*batch T J"],
) -> tuple[Int[np.ndarray, "*batch T J"], Int[np.ndarray, "*batch T J"]]:
    """Index of the last trusted frame at or before each frame, and of the first at or after; −1
    and T where there is none."""
    frames = trusted.shape[-2]
    index = np.arange(frames)[:, None]
    before = np.maximum.accumulate(np.where(trusted, index, -1), axis=-2)
    reverse = np.where(trusted, index, frames)[..., ::-1, :]
    return before, np.minimum.accumulate(reverse, axis=-2)[..., ::-1, :]


def fill_linear(
    points: Float[np.ndarray, "*batch T J C"], trusted: Bool[np.ndarray, "*batch T J"]
) -> Float[np.ndarray, "*batch T J C"]:
    """Linear interpolation between trusted frames, held beyond the first and last; zero where a
    joint has none. Untrusted points are ignored.

    >>> points = np.array([0.0, 9, 2, 7]).reshape(4, 1, 1)
    >>> fill_linear(points, np.array([[True], [False], [True], [False]])).ravel()
    array([0., 1., 2., 2.])
    """
    frames = trusted.shape[-2]
    before, after = find_neighbours(trusted)
    low = np.where(before < 0, np.minimum(after, frames - 1), before)
    high = np.where(after >= frames, np.maximum(before, 0), after)
    span = np.maximum(high - low, 1)
    part = np.clip((np.arange(frames)[:, None] - low) / span, 0, 1)[..., None]
    known = np.where(trusted[..., None], points, 0.0)
    a = np.take_along_axis(known, low[..., None], axis=-3)
    b = np.take_along_axis(known, high[..., None], axis=-3)
    return a + (b - a) * part


def gap_seconds(
    trusted: Bool[np.ndarray, "*batch T J"], fps: float, longest: float = 4.0
) -> Float[np.ndarray, "*batch T J"]:
    """Seconds to the nearest trusted frame of the same joint, at most ``longest``."""
    frames = trusted.shape[-2]
    before, after = find_neighbours(trusted)
    index = np.arange(frames)[:, None]
    back = np.where(before < 0, np.inf, index - before)
    ahead = np.where(after >= frames, np.inf, after - index)
    return np.minimum(np.minimum(back, ahead) / fps, longest)


def find_repeated_frames(
    points: Float[np.ndarray, "*batch T J 3"],
    trusted: Bool[np.ndarray, "*batch T J"],
    fps: float,
    longest: float = 0.25,
) -> Bool[np.ndarray, "*batch T 1"]:
    """Frames that repeat the one before, as where a slower estimator's last output is shown again.

    A frame repeats if no joint that is trusted in both moves by more than 0.1 mm along an axis. The
    first joint, from which the others are measured, does not count.

    Args:
        points: metres, relative to the first joint; untrusted ones are ignored.
        longest: seconds from the first frame to its last repeat; a longer run is taken for a person
            who stands still.
    """
    both = trusted[..., 1:, 1:] & trusted[..., :-1, 1:]
    moved = both & (np.abs(np.diff(points[..., 1:, :], axis=-3)) > 1e-4).any(-1)
    same = both.any(-1, keepdims=True) & ~moved.any(-1, keepdims=True)
    same = np.concatenate([np.zeros_like(trusted[..., :1, :1]), same], -2)
    before, after = find_neighbours(~same)
    return same & (after - before <= longest * fps + 1)


def resample_confidence(
    confidence: Float[np.ndarray, " K"],
    seen: Real[np.ndarray, " K"],
    times: Float[np.ndarray, " N"],
    half: float,
) -> Float[np.ndarray, " N"]:
    """One joint's confidence at ``times``: that of the nearest frame ``seen``, if it lies within
    ``half`` a period; all in frames.

    Of two new frames the earlier one takes what lies in the middle; the last one takes all that
    comes after it.
    """
    if not len(seen):
        return np.zeros(len(times))
    later = np.searchsorted(seen, times - 1e-9)
    after, before = np.minimum(later, len(seen) - 1), np.maximum(later - 1, 0)
    after_is_nearer = np.abs(seen[after] - times) <= np.abs(seen[before] - times) + 1e-9
    nearest = np.where(after_is_nearer, after, before)
    apart = seen[nearest] - times
    until = np.full(len(times), half)
    until[-1] = np.inf
    return np.where((apart > 1e-9 - half) & (apart <= until + 1e-9), confidence[nearest], 0.0)


def find_runs(flags: Shaped[np.ndarray, " T"]) -> Int[np.ndarray, "N 2"]:
    """First frame and length of every run of True.

    >>> find_runs(np.array([True, False, True, True])).tolist()
    [[0, 1], [2, 2]]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, int), [0]])))
    starts, stops = edges.reshape(-1, 2).T
    return np.stack([starts, stops - starts], 1)
