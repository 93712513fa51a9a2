"""The motion prior: what a network is told of a noisy, occluded sequence, and how its answer is
read.

A joint comes with nine channels: what the estimator said, what linear interpolation between trusted
frames says, how sure the estimator was, whether that is trusted, and how far away in time the
nearest trusted frame is. The network answers with how much of the interpolation to keep (the gate),
what to add to that, and its own uncertainty; one that adds nothing and keeps all returns the
classical baseline. The prior that ships is older than the gate and keeps all. From fresh weights
the gate learns hidden joints much faster (`benchmarks/ablations/prior_components.py`); trained on
with one, the shipped prior got no better.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from stride_nb.models.losses import flip
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear, gap_seconds, held
from stride_nb.poses.skeleton import H36M17

__all__ = ["ANSWER_SIGMA", "CHANNELS", "Answer", "PRIOR_FPS", "Prior", "condition", "mirrored"]

CHANNELS = 9
PRIOR_FPS = 50.0
"""The frame rate that the priors here are trained at."""
ANSWER_SIGMA = 0.05
"""Seconds: of the Gaussian that ends the network, in training and in use. It corrects an
interpolation whose white jitter it would leave in; a Gaussian that training does not know of takes
some of the motion with the jitter."""
_OPEN = 3.0  # where the gate begins: 0.95 of the interpolation is kept
# metres: about the standard deviation of root-relative joints, so that inputs are near 1
_UNIT = 0.25


class Answer(NamedTuple):
    """Root-relative joints (B, T, J, 3) in metres, and the scale s (B, T, J) of their error, metres
    (3D Laplace: 3 s is expected)."""

    joints: Tensor
    scale: Tensor


class Prior(nn.Module):
    """A backbone (B, T, J, 9) → (B, T, J, 5) read as an ``Answer``.

    Args:
        backbone: FrameFormer or DSTformer with ``dim_in=9`` and ``dim_out=5``, or 4 for one without
            the gate.
    """

    sigma = ANSWER_SIGMA

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, features: Tensor) -> Answer:
        """What it makes of ``features`` (B, T, J, 9) as of `condition`, at ``PRIOR_FPS``."""
        out = self.backbone(features).float()
        joints = _smooth(
            (_kept(out) * features[..., 3:6].float() + out[..., :3]) * _UNIT, self.sigma
        )
        joints = joints - joints[..., :1, :]  # the root is where everything is measured from
        return Answer(joints, torch.exp(out[..., 3].clamp(-6, 4)) * 0.05)


def _kept(out: Tensor) -> Tensor:
    """(B, T, J, 1) the share of the interpolation that is kept, of (B, T, J, 4 or 5)."""
    return (
        torch.sigmoid(4 * out[..., 4:] + _OPEN)
        if out.shape[-1] > 4
        else torch.ones_like(out[..., :1])
    )


def _smooth(joints: Tensor, sigma: float) -> Tensor:
    """A Gaussian of ``sigma`` seconds over time (B, T, J, 3); at the ends a mean of the frames that
    there are."""
    B, T = joints.shape[:2]
    frame = torch.arange(T, device=joints.device)
    weight = torch.exp(-(((frame[:, None] - frame) / (sigma * PRIOR_FPS)) ** 2) / 2)
    with torch.autocast(joints.device.type, enabled=False):  # half precision is a millimetre here
        return (weight / weight.sum(1, keepdim=True) @ joints.reshape(B, T, -1)).reshape(
            joints.shape
        )


def condition(
    joints: np.ndarray,
    confidence: np.ndarray,
    fps: float,
    root: np.ndarray | None = None,
    repeats: np.ndarray | None = None,
) -> np.ndarray:
    """The nine channels of every joint. A frame that repeats the one before is not trusted.

    Args:
        joints: (…, T, J, 3) metres, camera space, NaN where missing; the root may be anywhere.
        confidence: (…, T, J) in [0, 1], 0 where missing.
        fps: frames per second.
        root: (…, T, 1, 3) the pelvis's path; by default that of ``joints``, linearly filled.
        repeats: (…, T, 1) bool, which frames repeat the one before; by default by `gaps.held`.

    Returns:
        (…, T, J, 9) float32.
    """
    relative = joints - (
        fill_linear(joints[..., :1, :], confidence[..., :1] > 0) if root is None else root
    )
    trusted = confidence >= CONFIDENCE_THRESHOLD
    trusted = trusted & ~(held(relative, trusted, fps) if repeats is None else repeats)
    base = fill_linear(relative, trusted)
    raw = np.where((confidence > 0)[..., None], relative, base)
    gap = np.log1p(4 * gap_seconds(trusted, fps))
    told = [raw / _UNIT, base / _UNIT, np.stack([confidence, trusted, gap], -1)]
    return np.concatenate(told, -1, dtype=np.float32)


def mirrored(features: Tensor) -> Tensor:
    """The nine channels of the person seen in a mirror (of a bare DSTformer: the three
    coordinates)."""
    if features.shape[-1] == 3:
        return flip(features)
    order = list(H36M17.mirror)
    return torch.cat(
        [flip(features[..., :3]), flip(features[..., 3:6]), features[..., order, 6:]], -1
    )
