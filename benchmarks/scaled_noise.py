"""Noise models of the ablations: the ``estimator``'s errors scaled, and a pelvis that errs too."""

from __future__ import annotations

from functools import partial

import numpy as np

from stride_nb.datasets.simulation import estimator_noise
from stride_nb.poses.skeleton import H36M17

__all__ = ["add_pelvis_error", "register_scaled", "scale_errors"]


def scale_errors(
    factor: float, rng: np.random.Generator, relative: np.ndarray, visible: np.ndarray, fps: float
) -> np.ndarray:
    """``estimator``'s errors (T, 17, 3), metres, times a factor."""
    return factor * estimator_noise.draw_estimator_error(rng, relative, visible, fps)


def add_pelvis_error(
    factor: float, rng: np.random.Generator, relative: np.ndarray, visible: np.ndarray, fps: float
) -> np.ndarray:
    """``estimator``'s errors (T, 17, 3), metres, and of the pelvis, which has none, those that a
    spine in its place would have, times a factor."""
    (apart,) = rng.spawn(1)
    error = estimator_noise.draw_estimator_error(rng, relative, visible, fps)
    still, as_pelvis = np.zeros_like(relative), np.repeat(visible[:, :1], 17, 1)
    spine = estimator_noise.draw_estimator_error(apart, still, as_pelvis, fps)[
        :, H36M17.index("spine")
    ]
    error[:, 0] += factor * spine
    return error


def register_scaled(name: str, model, factor: float) -> str:
    """Register ``scale_errors`` or ``add_pelvis_error`` at one factor as a noise model; returns its
    name."""
    estimator_noise.register_noise_model(name)(partial(model, factor))
    return name
