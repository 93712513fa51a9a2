"""Baselines: what a user would reach for instead of a learned prior, fill the gaps, then filter.

A baseline is one function ``name(sequence, **parameters) -> PoseSequence`` under
``@register_baseline(grid)``: the decorator enters it in ``BASELINES`` by its name and keeps the
grid that ``benchmarks tune_filters`` searches; the defaults in the signature are what that search
found. Lengths of time are in seconds, so a parameter holds at any frame rate.

A joint counts as seen from ``threshold`` confidence on; one that the threshold would leave nothing
of keeps what it has. All others are filled first (`gap_filling`), with confidence
`FILLED_CONFIDENCE`. The pelvis's path and the other joints relative to it are filled and filtered
apart: a wrist held where it was last seen *in the world* would be left behind by a person who walks
on.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.gap_filling import attach_to_root, fill_gaps, fill_relative_to_root
from stride_nb.poses.sequence import PoseSequence

__all__ = [
    "BASELINES",
    "PARAMETER_LIMITS",
    "THRESHOLDS",
    "TUNED",
    "gaussian",
    "hold",
    "linear",
    "one_euro",
    "register_baseline",
    "rts",
    "savgol",
]

BASELINES: dict = {}
"""Every baseline by its name; ``BASELINES[name].grid`` holds the values that the search tries."""

PARAMETER_LIMITS = {
    "threshold": (0, 1),
    "sigma": (1e-3, 100),
    "window": (0, 1e3),
    "order": (0, 10),
    "min_cutoff": (1e-3, 1e6),
    "beta": (0, 1e6),
    "accel": (1e-3, 1e6),
    "power": (0, 10),
}
"""Least and greatest value of a parameter; one that is not here may be any finite number."""

TUNED: dict[str, dict[str, dict]] = {
    "estimator": {},
    "lifted": {
        "hold": {"threshold": 0.0},
        "linear": {"threshold": 0.0},
        "gaussian": {"threshold": 0.0, "sigma": 0.02},
        "savgol": {"threshold": 0.0, "window": 0.4, "order": 3},
        "one_euro": {"threshold": 0.0, "min_cutoff": 64.0, "beta": 10.0},
        "rts": {"threshold": 0.0, "accel": 16.0, "power": 2.0},
        "smoothnet": {"threshold": 0.0},
    },
    "estimator_2d": {},
}
"""Input (``estimator``, ``lifted``, or ``estimator_2d``, of which the estimate in space alone is
seen) → method → parameters that do best there on CMU's val subjects, where they are not the
defaults (`data/results/baselines.json`): a search for each input, which is more than the prior
gets. SmoothNet fills as ``linear`` does. On lifted poses it is best to reject no low-confidence
joint, and to filter next to nothing."""

THRESHOLDS = (0.0, 0.3, 0.5, 0.6, 0.7)


def register_baseline(**grid: tuple):
    """Enter the decorated function in ``BASELINES``; ``grid``: parameter → the values to search.

    A call with an unknown, ill-typed or impossible parameter is an ``InputError``.
    """

    def register(function):
        """Enter the filter under its name, its parameters checked before it runs."""

        @wraps(function)
        def check_and_filter(sequence: PoseSequence, *values, **named) -> PoseSequence:
            for name, value in [*zip(grid, values), *named.items()]:
                _check_parameter(function.__name__, grid, name, value)
            return function(sequence, *values, **named)

        check_and_filter.grid = grid  # pyright: ignore[reportAttributeAccessIssue]
        BASELINES[function.__name__] = check_and_filter
        return check_and_filter

    return register


def _check_parameter(where: str, grid: dict, name: str, value) -> None:
    if name not in grid:
        raise InputError(where, "option", f"one of {', '.join(grid)}", name)
    is_whole = isinstance(grid[name][0], int)
    kind, noun = (numbers.Integral, "whole number") if is_whole else (numbers.Real, "finite number")
    least, most = PARAMETER_LIMITS.get(name, (-math.inf, math.inf))
    if not (isinstance(value, kind) and math.isfinite(value) and least <= value <= most):
        raise InputError(where, name, f"a {noun} from {least:g} to {most:g}", repr(value))


@register_baseline(threshold=THRESHOLDS)
def hold(sequence: PoseSequence, threshold: float = 0.6) -> PoseSequence:
    """Hold missing joints where they were last seen, relative to the pelvis (at the start: where
    first seen)."""
    return fill_gaps(sequence, threshold, "hold")


@register_baseline(threshold=THRESHOLDS)
def linear(sequence: PoseSequence, threshold: float = 0.6) -> PoseSequence:
    """Interpolate missing joints linearly, relative to the pelvis; hold them at both ends."""
    return fill_gaps(sequence, threshold, "linear")


@register_baseline(threshold=THRESHOLDS, sigma=(0.02, 0.04, 0.08, 0.12, 0.16, 0.2))
def gaussian(sequence: PoseSequence, threshold: float = 0.6, sigma: float = 0.12) -> PoseSequence:
    """Linear fill, then a Gaussian of standard deviation ``sigma`` seconds over time."""
    from scipy.ndimage import gaussian_filter1d

    frames = sigma * sequence.fps
    return _fill_and_filter(
        sequence, threshold, lambda x, _: gaussian_filter1d(x, frames, 0, mode="nearest")
    )


@register_baseline(threshold=THRESHOLDS, window=(0.2, 0.3, 0.4, 0.5, 0.7, 1.0), order=(1, 2, 3))
def savgol(
    sequence: PoseSequence, threshold: float = 0.6, window: float = 0.4, order: int = 1
) -> PoseSequence:
    """Linear fill, then local polynomials of that order over ``window`` seconds (Savitzky and
    Golay, 1964)."""
    from scipy.signal import savgol_filter

    # odd, and no longer than the sequence
    frames = 2 * int(min(window * sequence.fps, len(sequence) - 1) // 2) + 1
    if frames <= order:
        return linear(sequence, threshold)
    return _fill_and_filter(
        sequence, threshold, lambda x, _: savgol_filter(x, frames, order, axis=0)
    )


@register_baseline(
    threshold=THRESHOLDS, min_cutoff=(2.0, 4.0, 8.0, 16.0, 32.0, 64.0), beta=(0.0, 3.0, 10.0)
)
def one_euro(
    sequence: PoseSequence, threshold: float = 0.6, min_cutoff: float = 16.0, beta: float = 0.0
) -> PoseSequence:
    """Linear fill, then the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012), coordinate by
    coordinate.

    A causal low-pass whose cutoff ``min_cutoff + beta·|speed|`` (Hz, speed in m/s) opens when the
    joint moves; the speed is low-passed at 1 Hz, as in the paper. It never looks ahead, hence lags.
    """

    def weigh_new(cutoff):  # the new sample's share in an exponential low-pass of that cutoff
        return 1 / (1 + sequence.fps / (2 * np.pi * cutoff))

    def filter_joints(x, _):
        out, speed = x.copy(), np.zeros_like(x[0])
        for t in range(1, len(x)):
            speed += weigh_new(1.0) * ((x[t] - x[t - 1]) * sequence.fps - speed)
            share = weigh_new(min_cutoff + beta * np.abs(speed))
            out[t] = out[t - 1] + share * (x[t] - out[t - 1])
        return out

    return _fill_and_filter(sequence, threshold, filter_joints)


@register_baseline(
    threshold=THRESHOLDS,
    accel=(0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
    power=(0.1, 0.25, 0.5, 1.0, 2.0),
)
def rts(
    sequence: PoseSequence, threshold: float = 0.6, accel: float = 8.0, power: float = 1.0
) -> PoseSequence:
    """Linear fill, then a Kalman filter forwards and the Rauch-Tung-Striebel smoother back (AIAA J.
    3(8), 1965).

    Every coordinate has position and velocity, driven by white acceleration of spectral density
    accel² (m²/s³). A joint is measured with a variance of 0.05² · confidence^(−power) m²
    (only its ratio to accel² matters), so the lower its confidence, the more the motion around
    it decides.
    """
    dt = 1 / sequence.fps
    step = np.array([[1, dt], [0, 1]])
    drive = accel**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    return _fill_and_filter(
        sequence, threshold, lambda x, c: _smooth_kalman(x, 0.05**2 / c**power, step, drive)
    )


def _smooth_kalman(
    x: np.ndarray, variance: np.ndarray, step: np.ndarray, drive: np.ndarray
) -> np.ndarray:
    """Positions (T, J, 3), smoothed; ``variance`` (T, J) of the measurements. The three axes share
    a covariance."""
    T, J, _ = x.shape
    means, covs = np.zeros((T, J, 2, 3)), np.zeros((T, J, 2, 2))
    mean = np.stack([x[0], np.zeros_like(x[0])], 1)
    cov = np.broadcast_to(np.diag([1e2, 1e2]), (J, 2, 2))  # at first: anywhere near, at any speed
    for t in range(T):
        if t:
            mean, cov = step @ means[t - 1], step @ covs[t - 1] @ step.T + drive
        gain = cov[:, :, :1] / (cov[:, :1, :1] + variance[t, :, None, None])
        means[t] = mean + gain * (x[t][:, None] - mean[:, :1])
        covs[t] = cov - gain * cov[:, :1]
    smooth = means[-1]
    out = np.empty_like(x)
    out[-1] = smooth[:, 0]
    for t in range(T - 2, -1, -1):
        ahead = step @ covs[t] @ step.T + drive
        back = covs[t] @ step.T @ np.linalg.inv(ahead)
        smooth = means[t] + back @ (smooth - step @ means[t])
        out[t] = smooth[:, 0]
    return out


def _fill_and_filter(
    sequence: PoseSequence,
    threshold: float,
    filter_joints: Callable[[np.ndarray, np.ndarray], Any],
) -> PoseSequence:
    """``filter_joints`` of the filled joints (T, J, 3), relative to the pelvis's path, and their
    confidence (T, J)."""
    joints, confidence = fill_relative_to_root(sequence, threshold, "linear")
    return attach_to_root(sequence, filter_joints(joints, confidence), confidence)
