"""Bone-length projection: one length a bone, estimated from the whole sequence and set in every
frame.

No part of ``refine``: at a left/right swap a bone of the prediction passes through zero length, and
setting its length makes it jump (``benchmarks/ablations/bone_length_projection.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from stride_nb.datasets.simulation.augmentation import scale_bones
from stride_nb.poses.geometry import bone_lengths
from stride_nb.poses.skeleton import H36M17

__all__ = ["estimate_bone_lengths", "set_bone_lengths"]

_CHILD, _PARENT = np.array(H36M17.bones).T


def estimate_bone_lengths(
    predictions: Iterable[tuple[Float[np.ndarray, "T 17 3"], Float[np.ndarray, "T 17"]]],
) -> Float[np.ndarray, " 17"]:
    """Length of the bone to each joint, metres; 0 for the root.

    Args:
        predictions: stretches of joints and the scales of their errors, metres. Frames count by the
            inverse of the variance that these give the bone's two ends: a limb is measured where it
            is visible.
    """
    total, weight = np.zeros(len(_CHILD)), np.zeros(len(_CHILD))
    lengths = np.zeros(len(H36M17.joints))
    for joints, scale in predictions:
        precision = 1 / (scale[:, _CHILD] ** 2 + scale[:, _PARENT] ** 2)
        total += (precision * bone_lengths(joints)).sum(0)
        weight += precision.sum(0)
    lengths[_CHILD] = total / weight
    return lengths


def set_bone_lengths(
    joints: Float[np.ndarray, "T 17 3"], lengths: Float[np.ndarray, " 17"]
) -> Float[np.ndarray, "T 17 3"]:
    """Every bone in its own direction, at its length; the root stays."""
    now = np.ones((len(H36M17.joints), len(joints), 1))
    now[_CHILD, :, 0] = bone_lengths(joints).T
    return scale_bones(joints, np.asarray(lengths)[:, None, None] / np.maximum(now, 1e-6))
