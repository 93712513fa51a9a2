"""A person's bones keep their lengths: one number a bone, told by the whole sequence and given to
every frame.

No part of ``refine``: where left is taken for right a bone of the answer passes through no length
at all, and cutting it makes it jump (``benchmarks/ablations/bone_length_projection.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stride_nb.datasets.simulation.augmentation import reproportion
from stride_nb.poses.geometry import bone_lengths
from stride_nb.poses.skeleton import H36M17

__all__ = ["cut", "measured"]

_CHILD, _PARENT = np.array(H36M17.bones).T


def measured(answers: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """(17,) length of the bone to each joint, metres; 0 for the root.

    Args:
        answers: stretches of joints (T, 17, 3) and the scale (T, 17) of their errors, metres.
            Frames count by the inverse of the variance that these give the bone's two ends: a limb
            is measured where it is seen.
    """
    total, weight = np.zeros(len(_CHILD)), np.zeros(len(_CHILD))
    for joints, scale in answers:
        sure = 1 / (scale[:, _CHILD] ** 2 + scale[:, _PARENT] ** 2)
        total += (sure * bone_lengths(joints)).sum(0)
        weight += sure.sum(0)
    lengths = np.zeros(joints.shape[1])
    lengths[_CHILD] = total / weight
    return lengths


def cut(joints: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Every bone of (T, 17, 3) in its own direction, at its length (17,); the root stays."""
    now = np.ones((len(H36M17.joints), len(joints), 1))
    now[_CHILD, :, 0] = bone_lengths(joints).T
    return reproportion(joints, np.asarray(lengths)[:, None, None] / np.maximum(now, 1e-6))
