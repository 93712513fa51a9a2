"""Which way a body points: from its legs over the pelvis to the head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.streaming import StreamedSequence

__all__ = ["sum_upwards"]


def sum_upwards(sequence: PoseSequence | StreamedSequence) -> Float[np.ndarray, "xyz=3"]:
    """The sum of all vectors that point up along the body; zero where no frame has joints of two of
    the three regions (legs, hips, from the thorax up).

    They start or end at the pelvis; where it is missing, at the middle of the hips seen or of the
    upper and lower joints.
    """
    return sum(
        (
            _sum_part(part.to("h36m17") if part.skeleton.name != "h36m17" else part)
            for part in sequence.iter_parts()
        ),
        np.zeros(3),
    )


def _sum_part(body: PoseSequence) -> np.ndarray:
    regions = ("thorax", "neck", "head"), ("rhip", "lhip"), ("rankle", "lankle", "rknee", "lknee")
    upper, hips, lower = (body.joints[:, body.skeleton.index(*names)] for names in regions)
    pelvis = body.joints[:, :1]
    for middle in (_mean_joint(hips), (_mean_joint(upper) + _mean_joint(lower)) / 2):
        pelvis = np.where(np.isnan(pelvis), middle, pelvis)
    return np.nansum(upper - pelvis, (0, 1)) - np.nansum(lower - pelvis, (0, 1))


def _mean_joint(joints: np.ndarray) -> Float[np.ndarray, "T 1 3"]:
    """The mean of the joints that are there; NaN where none is."""
    count = np.isfinite(joints).sum(1, keepdims=True)
    return np.where(count > 0, np.nansum(joints, 1, keepdims=True) / np.maximum(count, 1), np.nan)
