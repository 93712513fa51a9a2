"""Confidence intervals by resampling whole clips, as windows of one clip are not independent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stride_nb.errors import InputError

__all__ = ["Interval", "bootstrap_interval"]


class Interval(NamedTuple):
    """A statistic and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    values_a: npt.ArrayLike,
    values_b: npt.ArrayLike | None,
    groups: npt.ArrayLike,
    rng: np.random.Generator,
    n: int = 2000,
) -> Interval:
    """The ratio mean(a)/mean(b), or mean(a) if ``values_b`` is None, with its 95 % percentile
    interval.

    Whole groups are resampled. Pairs stay together, so that a hard clip weighs on both methods at
    once. Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993.

    Args:
        values_a, values_b: (N,) the metric of two methods on the same windows.
        groups: (N,) labels of the clips that the windows come from.
        n: resamples.

    Returns:
        value, low, high; low and high are NaN if there is only one group.

    Raises:
        InputError: lengths that differ, no values, a value that is not finite.
    """
    a, groups = np.asarray(values_a, np.float64), np.asarray(groups)
    b = np.ones_like(a) if values_b is None else np.asarray(values_b, np.float64)
    if not a.ndim == b.ndim == groups.ndim == 1 or not 0 < len(a) == len(b) == len(groups):
        expected = "as many values of each method as groups, at least one"
        found = f"{a.shape}, {b.shape}, {groups.shape}"
        raise InputError("bootstrap_interval", "values", expected, found)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("bootstrap_interval", "values", "finite numbers", "NaN or infinity")
    _, group = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(group, a), np.bincount(group, b)], -1)
    value = float(a.sum() / b.sum())
    if len(sums) == 1:
        return Interval(value, np.nan, np.nan)
    resampled = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=n) @ sums
    low, high = np.percentile(resampled[:, 0] / resampled[:, 1], [2.5, 97.5])
    return Interval(value, float(low), float(high))
