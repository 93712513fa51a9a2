"""Outlier rejection: confident detections that the network's own prediction contradicts.

An estimator is now and then confident of a joint that it does not see, or has confused with
another. A network that trusts such a detection bends its prediction towards it, but not all the
way: the prediction stays further from it than from the joint's other detections, and further than
the error it expects. A second pass over the same sequence, with the outliers at low confidence,
averaged with the first, is nearer to the truth under noise like that of its training, and no nearer
under other noise (``benchmarks/ablations/second_pass.py``).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.models.uncertainty import MEAN_ERROR

__all__ = ["OUTLIER_CONFIDENCE", "OUTLIER_RATIO", "find_outliers"]

OUTLIER_RATIO = 2.5
"""How many times its usual distance an outlier is away. On people of ``val`` the best of those
tried (``benchmarks/ablations/second_pass.py``)."""
OUTLIER_CONFIDENCE = 0.3
"""The confidence that an outlier gets: about that of low-confidence detections in the prior's
training (`estimator_noise`)."""
_MIN_USUAL_DISTANCE = 0.02  # metres: a prediction that follows its input closer has no outliers


def find_outliers(
    observed: Float[np.ndarray, "T J 3"],
    trusted: Bool[np.ndarray, "T J"],
    predicted: Float[np.ndarray, "T J 3"],
    scale: Float[np.ndarray, "T J"],
    ratio: float = OUTLIER_RATIO,
) -> Bool[np.ndarray, "T J"]:
    """The outlier mask: trusted detections that are too far from the prediction.

    Args:
        observed, predicted: metres, relative to the pelvis, which is joint 0 and never an outlier:
            all others would be.
        scale: metres, of the prediction's error (`uncertainty`).
        ratio: an outlier is farther than ``ratio · hypot(m, e)``, m being the median distance of
            the joint's trusted detections, 2 cm at least, and e the error that the prediction
            expects.
    """
    distance = np.where(trusted, np.linalg.norm(observed - predicted, axis=-1), np.nan)
    distance[:, 0] = np.nan
    usual = np.full(distance.shape[1], np.nan)
    known = np.isfinite(distance).any(0)
    usual[known] = np.maximum(np.nanmedian(distance[:, known], 0), _MIN_USUAL_DISTANCE)
    return distance > ratio * np.hypot(usual, MEAN_ERROR * scale)  # False where NaN
