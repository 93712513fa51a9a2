"""The error that a network expects of itself: 3D Laplace of scale s, density ∝ exp(−r/s) in space.

The distance r of a joint from the truth then has the density r² exp(−r/s) / 2s³ and the mean 3 s.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor

from stride_nb.poses.gap_filling import FILLED_CONFIDENCE

__all__ = ["BAND_90", "MEAN_ERROR", "RADIUS_90", "chance_within", "laplace_nll"]

MEAN_ERROR = 3
"""Mean distance from the truth, in scales."""
RADIUS_90 = 5.322
"""Distance below which 90 % of the errors are, in scales: 1 − exp(−x)(1 + x + x²/2) = 0.9."""
BAND_90 = 3.272
"""Half width of the middle 90 % of one coordinate x of the error, in scales.

Integrated over the other two coordinates the density is ``(1 + |x|/s) exp(−|x|/s) / 4s``, so that
``P(|x| < a·s) = 1 − (1 + a/2) exp(−a)``.
"""


def chance_within(radius: float, scale: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    """P(r < ``radius``), at least the confidence of a filled joint; both in metres.

    >>> chance_within(0.1, np.array([0.01, 0.1])).round(2)
    array([1.  , 0.08])
    """
    x = radius / np.maximum(scale, 1e-6)
    return np.clip(1 - np.exp(-x) * (1 + x + x**2 / 2), FILLED_CONFIDENCE, 1.0)


def laplace_nll(
    error: Float[Tensor, "*batch"], scale: Float[Tensor, "*batch"]
) -> Float[Tensor, ""]:
    """Mean negative log-likelihood of distances ``error``, but for a constant: r/s + 3 log s."""
    return (error / scale + 3 * scale.log()).mean()
