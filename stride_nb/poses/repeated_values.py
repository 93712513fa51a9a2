"""Values that stand for no coordinate: joints all of whose coordinates are one and the same number.

``0``, ``-1`` and ``-999`` are common; any other number that is there again and again, outside of
all else, is as good as they are.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["find_repeated_values", "hide_repeated_values"]

COMMON_VALUES = (0.0, -1.0, -999.0, -9999.0)
_FEWEST_TIMES = 3
"""Joints at another number, below which it may be a place."""
_BEYOND = 0.05
"""Of the spread of all else, that such a number lies beyond it."""
_ALWAYS = 0.9
"""Share of its poses from which on a joint at such a place may be an origin, as a pelvis is."""


def find_repeated_values(
    points: Float[np.ndarray, "N J C"],
) -> dict[float, Bool[np.ndarray, "N J"]]:
    """Numbers that stand for no coordinate, and the joints at them."""
    at_one = np.asarray((points == points[..., :1]).all(-1))
    values, counts = np.unique(points[at_one][:, 0], return_counts=True)
    common = np.isin(values, COMMON_VALUES)
    others = points[~at_one & np.isfinite(points).all(-1)]
    if len(others):
        low, high = np.percentile(others, (1, 99), axis=0)
        reach = _BEYOND * (high - low)
        outside = (values[:, None] < low - reach) | (values[:, None] > high + reach)
        common |= (counts >= _FEWEST_TIMES) & outside.any(1)
    return {float(v): found for v in values[common] if (found := _find_value(points, v)).any()}


def _find_value(points: Float[np.ndarray, "N J C"], value: float) -> Bool[np.ndarray, "N J"]:
    """Joints with that value in all coordinates, but for an origin: a joint that is always there,
    amidst the others."""
    at = np.asarray((points == value).all(-1))
    known = np.isfinite(points).all(-1)
    always = at.sum(0) >= _ALWAYS * np.maximum(known.sum(0), 1)
    if not always.any() or always.all():
        return at
    others = np.where(at[..., None], np.nan, points)
    others = others[np.any(np.isfinite(others).all(-1), axis=1)]
    low, high = np.nanmin(others, 1), np.nanmax(others, 1)
    amidst = ((low <= value) & (value <= high)).all(-1).mean() > 0.5
    # a whole pose of it is nobody's
    return at & (~always | at.all(1, keepdims=True)) if amidst else at


def hide_repeated_values(points: Float[np.ndarray, "N J C"]) -> Float[np.ndarray, "N J C"]:
    """The points, NaN where they stand for no coordinate."""
    hidden = points
    for found in find_repeated_values(points).values():
        hidden = np.where(found[..., None], np.nan, hidden)
    return hidden
