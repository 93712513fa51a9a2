"""Second looks: which confident readings the network's own answer does not believe.

An estimator is now and then sure of a joint that it does not see, or has taken for another. A
network that is told to trust
such a reading bends its answer towards it, but not all the way: the answer stays further from it
than from the joint's other readings, and further than the network takes itself to be off. Shown the
same sequence with such readings as guesses it answers again; the mean of both answers is nearer to
the truth under noise like that of its training, and no nearer under other
(``benchmarks/ablations/second_pass.py``).
"""

from __future__ import annotations

import numpy as np

__all__ = ["DOUBT", "UNSURE", "disbelieved"]

DOUBT = 2.5
"""How many times as far off as is usual a reading has to be. On people of ``val`` the best of those
tried (``benchmarks/ablations/second_pass.py``)."""
UNSURE = 0.3
"""The confidence that a disbelieved reading gets: about what guesses come with where the prior is
trained (`noise.sureness`)."""
# metres: an answer that follows its readings closer than this is not to make every other one
# suspect
_LEAST = 0.02


def disbelieved(
    observed: np.ndarray,
    trusted: np.ndarray,
    answer: np.ndarray,
    scale: np.ndarray,
    doubt: float = DOUBT,
) -> np.ndarray:
    """Trusted readings that are too far from the answer.

    Args:
        observed, answer: (T, J, 3) metres, relative to the pelvis, which is joint 0 and never
            disbelieved: all others would be.
        trusted: (T, J) bool.
        scale: (T, J) metres, of the answer's error (3D Laplace, whose mean is three times that).
        doubt: a reading is too far off beyond ``doubt · hypot(m, 3 · scale)``, m being the median
            distance of the joint's trusted readings from the answer, 2 cm at least, and 3 · scale
            the error that the answer expects of itself.

    Returns:
        (T, J) bool.
    """
    distance = np.where(trusted, np.linalg.norm(observed - answer, axis=-1), np.nan)
    distance[:, 0] = np.nan
    usual = np.full(distance.shape[1], np.nan)
    known = np.isfinite(distance).any(0)
    usual[known] = np.maximum(np.nanmedian(distance[:, known], 0), _LEAST)
    return distance > doubt * np.hypot(usual, 3 * scale)  # a comparison with NaN is False
