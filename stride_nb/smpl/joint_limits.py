"""Bounds on SMPL's rotation vectors for a living person, in the frame of the T pose.

x points to the person's left, y up, z forward, at every joint. The bounds are generous round
numbers for active movement (anatomy textbooks' ranges, widened where SMPL's T pose lies at a
range's end), not a dataset's extremes: they exclude knees that bend forward and heads that look
backward, not dancers.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from stride_nb.poses.skeleton import SMPL24

__all__ = ["get_joint_limits"]

_LIMITS_DEGREES = {  # (low, high) about x, y, z; right sides are mirror images
    "lhip": ((-150, 50), (-60, 60), (-40, 80)),
    "lknee": ((-3, 155), (-20, 20), (-10, 10)),
    "lankle": ((-40, 60), (-30, 30), (-30, 30)),
    "lfoot": ((-40, 20), (-10, 10), (-10, 10)),
    "spine1": ((-25, 45), (-25, 25), (-25, 25)),
    "spine2": ((-20, 35), (-25, 25), (-20, 20)),
    "spine3": ((-20, 30), (-25, 25), (-20, 20)),
    "neck": ((-40, 45), (-55, 55), (-35, 35)),
    "head": ((-30, 30), (-35, 35), (-25, 25)),
    "lcollar": ((-20, 20), (-35, 30), (-25, 45)),
    "lshoulder": ((-100, 100), (-140, 70), (-130, 100)),
    "lelbow": ((-100, 100), (-160, 5), (-15, 15)),
    "lwrist": ((-35, 35), (-40, 40), (-80, 80)),
    "lhand": ((-20, 20), (-20, 20), (-20, 20)),
}


def get_joint_limits() -> tuple[Float[np.ndarray, "24 3"], Float[np.ndarray, "24 3"]]:
    """Lowest and highest rotation vectors, radians; joint 0, which turns the whole body, is
    unbounded.

    >>> low, high = get_joint_limits()
    >>> knee = SMPL24.index("lknee")
    >>> print(np.degrees(low[knee]).round(), np.degrees(high[knee]).round())
    [ -3. -20. -10.] [155.  20.  10.]
    """
    low, high = np.full((24, 3), -np.inf), np.full((24, 3), np.inf)
    for name, bounds in _LIMITS_DEGREES.items():
        j = SMPL24.index(name)
        low[j], high[j] = np.radians(bounds).T
        if (m := SMPL24.mirror[j]) != j:
            # a mirror across x = 0 reverses rotations about y and z
            low[m], high[m] = (low[j, 0], *-high[j, 1:]), (high[j, 0], *-low[j, 1:])
    return low, high
