"""Flip averaging: the mean of the prediction and of the mirrored prediction for the mirrored input,
as in MotionBERT, STRIDE and RePOSE at test time.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from stride_nb.models.lifter import Lifter, mirror_lifter_features
from stride_nb.models.motion_prior import PriorOutput, mirror_features
from stride_nb.poses.skeleton import H36M17, mirror_joints

__all__ = ["average_with_flip", "predict_with_flip"]


def average_with_flip(network: nn.Module, features: Float[Tensor, "B T J C"]) -> PriorOutput:
    """The flip-averaged prediction: joints in the network's unit, and the scale of their error,
    which is 0 where the network does not estimate it.

    Args:
        network: a ``Prior``, a ``Lifter``, or a bare backbone from joints to joints.
        features: what it takes (`make_input_features`, `make_lifter_features`, coordinates).
    """
    if isinstance(network, Lifter):
        both = network(torch.cat([features, mirror_lifter_features(features)]))
        plain, flipped = both.chunk(2)
    else:
        plain, flipped = network(features), network(mirror_features(features))
    if not isinstance(plain, PriorOutput):
        joints = (plain + mirror_joints(flipped)) / 2
        return PriorOutput(joints, torch.zeros_like(joints[..., 0]))
    joints = (plain.joints + mirror_joints(flipped.joints)) / 2
    return PriorOutput(joints, (plain.scale + flipped.scale[..., list(H36M17.mirror)]) / 2)


@torch.no_grad()
def predict_with_flip(
    network: nn.Module, features: Float[Tensor, "B T J C"]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """`average_with_flip` a window: joints (T, J, 3) and scale (T, J), float64 on the CPU."""
    joints, scale = (x.double().cpu().numpy() for x in average_with_flip(network, features))
    return list(zip(joints, scale))
