"""The motion prior: from a noisy, occluded 3D sequence to root-relative joints and uncertainty.

A joint comes with nine channels: its detection, linear interpolation between trusted frames, the
detection's confidence, whether it is trusted, and the time to the nearest trusted frame. The
network predicts how much of the interpolation to keep (a gate), what to add to it, and the scale of
its error. One that keeps all and adds nothing returns the linear baseline. The shipped prior has no
gate and keeps all. From fresh weights a gate learns occluded joints faster
(``benchmarks/ablations/prior_components.py``); the shipped prior, trained on with one, gained
nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from stride_nb.poses.interpolation import (
    CONFIDENCE_THRESHOLD,
    fill_linear,
    find_repeated_frames,
    gap_seconds,
)
from stride_nb.poses.skeleton import H36M17, mirror_joints

__all__ = [
    "OUTPUT_SIGMA",
    "PRIOR_CHANNELS",
    "PRIOR_FPS",
    "Prior",
    "PriorOutput",
    "make_input_features",
    "mirror_features",
]

PRIOR_CHANNELS = 9
PRIOR_FPS = 50.0
"""Frame rate of the training data."""
OUTPUT_SIGMA = 0.05
"""Width in seconds of the Gaussian that ends the network, in training and in use. Without it the
white jitter of the interpolation stays; applied after training alone it takes motion away, too."""
_GATE_BIAS = 3.0  # the gate starts at 0.95
_UNIT = 0.25  # metres: about the standard deviation of root-relative joints


class PriorOutput(NamedTuple):
    """A prediction (`uncertainty`)."""

    joints: Float[Tensor, "B T J 3"]
    """Root-relative, metres."""
    scale: Float[Tensor, "B T J"]
    """Scale s of the 3D Laplace error, metres."""


class Prior(nn.Module):
    """A backbone (B, T, J, 9) → (B, T, J, 5), read as a `PriorOutput`.

    Args:
        backbone: FrameFormer or DSTformer with ``dim_in=9`` and ``dim_out=5``, or 4 for one without
            the gate.
    """

    sigma = OUTPUT_SIGMA

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, features: Float[Tensor, "B T J 9"]) -> PriorOutput:
        """Predict from `make_input_features` at ``PRIOR_FPS``."""
        out = self.backbone(features).float()
        joints = _compute_gate(out) * features[..., 3:6].float() + out[..., :3]
        joints = _smooth_output(joints * _UNIT, self.sigma)
        joints = joints - joints[..., :1, :]
        return PriorOutput(joints, torch.exp(out[..., 3].clamp(-6, 4)) * 0.05)


def _compute_gate(out: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J 1"]:
    """The share of the interpolation that is kept."""
    if out.shape[-1] > 4:
        return torch.sigmoid(4 * out[..., 4:] + _GATE_BIAS)
    return torch.ones_like(out[..., :1])


def _smooth_output(joints: Float[Tensor, "B T J 3"], sigma: float) -> Float[Tensor, "B T J 3"]:
    """A Gaussian of ``sigma`` seconds over time, normalised over the frames that there are."""
    B, T = joints.shape[:2]
    frame = torch.arange(T, device=joints.device)
    weight = torch.exp(-(((frame[:, None] - frame) / (sigma * PRIOR_FPS)) ** 2) / 2)
    with torch.autocast(joints.device.type, enabled=False):  # half precision is a millimetre here
        smooth = weight / weight.sum(1, keepdim=True) @ joints.reshape(B, T, -1)
    return smooth.reshape(joints.shape)


def make_input_features(
    joints: Float[np.ndarray, "*batch T J 3"],
    confidence: Float[np.ndarray, "*batch T J"],
    fps: float,
    root: Float[np.ndarray, "*batch T 1 3"] | None = None,
    repeats: Bool[np.ndarray, "*batch T 1"] | None = None,
) -> Float32[np.ndarray, "*batch T J 9"]:
    """The nine channels of every joint. A frame that repeats the one before is not trusted.

    Args:
        joints: metres, camera space, NaN where missing; the root may be anywhere.
        confidence: in [0, 1], 0 where missing.
        fps: frames per second.
        root: the pelvis's path; by default that of ``joints``, linearly filled.
        repeats: which frames repeat the one before; by default by `find_repeated_frames`.
    """
    if root is None:
        root = fill_linear(joints[..., :1, :], confidence[..., :1] > 0)
    relative = joints - root
    trusted = confidence >= CONFIDENCE_THRESHOLD
    trusted = trusted & ~(
        find_repeated_frames(relative, trusted, fps) if repeats is None else repeats
    )
    interpolated = fill_linear(relative, trusted)
    observed = np.where((confidence > 0)[..., None], relative, interpolated)
    gap = np.log1p(4 * gap_seconds(trusted, fps))
    channels = [observed / _UNIT, interpolated / _UNIT, np.stack([confidence, trusted, gap], -1)]
    return np.concatenate(channels, -1, dtype=np.float32)


def mirror_features(features: Float[Tensor, "*batch J C"]) -> Float[Tensor, "*batch J C"]:
    """The channels of the mirrored person: nine, or of a bare backbone three coordinates."""
    negate = (0, 3) if features.shape[-1] == PRIOR_CHANNELS else (0,)
    return mirror_joints(features, H36M17, negate)
