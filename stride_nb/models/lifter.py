"""RePOSE's lifter: from 2D keypoints of a person to root-relative 3D joints."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor, nn

from stride_nb.poses.geometry import normalize_screen
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear, gap_seconds
from stride_nb.poses.skeleton import H36M17, mirror_joints

__all__ = [
    "LIFTER_CHANNELS",
    "LIFTER_UNIT",
    "Lifter",
    "make_lifter_features",
    "mirror_lifter_features",
]

LIFTER_CHANNELS = 10
LIFTER_UNIT = 0.25
"""Metres that an output of the backbone of 1 stands for."""


class Lifter(nn.Module):
    """A backbone (B, T, J, 10) → (B, T, J, 3), read as root-relative camera-space joints."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, features: Float[Tensor, "B T J 10"]) -> Float[Tensor, "B T J 3"]:
        """Joints in metres from `make_lifter_features`."""
        out = self.backbone(features).float() * LIFTER_UNIT
        return out - out[..., :1, :]


def make_lifter_features(
    pixels: Float[np.ndarray, "T J 2"],
    confidence: Float[np.ndarray, "T J"],
    fps: float,
    size: tuple[int, int],
) -> Float32[np.ndarray, "T J 10"]:
    """The ten channels of every joint: x and y as detected, as interpolated, and of the root; the
    log of the person's height; confidence; whether that is trusted; and the log of 1 + 4 times the
    seconds to the nearest trusted frame.

    The root is in halves of the image's width from its centre (`normalize_screen`, as in RePOSE).
    Joints are relative to the root, in halves of the person's height in the image, so that a person
    near the edge or far away looks the same.

    Args:
        pixels: px, NaN where missing.
        confidence: in [0, 1], 0 where missing.
        fps: frames per second.
        size: width and height of the image, px.
    """
    trusted = confidence >= CONFIDENCE_THRESHOLD
    screen = normalize_screen(pixels, size)
    root = fill_linear(screen[..., :1, :], confidence[..., :1] > 0)
    relative = screen - root
    interpolated = fill_linear(relative, trusted)
    observed = np.where((confidence > 0)[..., None], relative, interpolated)
    height = max(float(np.ptp(interpolated[..., 1], axis=-1).mean()), 1e-3)
    shape = relative.shape[:-1]
    channels = [
        observed / height * 2,
        interpolated / height * 2,
        np.broadcast_to(root, (*shape, 2)),
        np.full((*shape, 1), np.log(height) + 1),
        np.stack([confidence, trusted, np.log1p(4 * gap_seconds(trusted, fps))], -1),
    ]
    return np.concatenate(channels, -1, dtype=np.float32)


def mirror_lifter_features(
    features: Float[Tensor, "*batch J 10"],
) -> Float[Tensor, "*batch J 10"]:
    """The ten channels of the mirrored image."""
    return mirror_joints(features, H36M17, negate=(0, 2, 4))
