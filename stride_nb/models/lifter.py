"""RePOSE's lifter: what a network is told of 2D keypoints, and how its answer is read."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from stride_nb.models.losses import flip
from stride_nb.poses.geometry import normalize_screen
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear, gap_seconds
from stride_nb.poses.skeleton import H36M17

__all__ = ["CHANNELS_2D", "UNIT", "Lifter", "condition_2d", "mirrored_2d", "mirrored_answers"]

CHANNELS_2D = 10
UNIT = 0.25
"""Metres that a backbone's answer of 1 stands for."""


class Lifter(nn.Module):
    """A backbone (B, T, J, 10) → (B, T, J, 3), read as root-relative camera-space joints in
    metres."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, features: Tensor) -> Tensor:
        """Joints (B, T, J, 3) of ``features`` (B, T, J, 10) as of `condition_2d`."""
        out = self.backbone(features).float() * UNIT
        return out - out[..., :1, :]


def condition_2d(
    pixels: np.ndarray, confidence: np.ndarray, fps: float, size: tuple[int, int]
) -> np.ndarray:
    """The ten channels of every joint: x and y as observed, as interpolated, and of the root; the
    log of the person's height; confidence; whether that is trusted; and the log of 1 + 4 times the
    seconds to the nearest trusted frame.

    The root's place is in halves of the image's width from its centre (`normalize_screen`, as in
    RePOSE); joints are relative to the root, in halves of the person's height in the image, so that
    a person near the edge or far away looks the same.

    Args:
        pixels: (T, J, 2) px, NaN where missing.
        confidence: (T, J) in [0, 1], 0 where missing.
        fps: frames per second.
        size: width and height of the image, px.

    Returns:
        (T, J, 10) float32.
    """
    trusted = confidence >= CONFIDENCE_THRESHOLD
    screen = normalize_screen(pixels, size)
    root = fill_linear(screen[..., :1, :], confidence[..., :1] > 0)
    relative = screen - root
    base = fill_linear(relative, trusted)
    raw = np.where((confidence > 0)[..., None], relative, base)
    height = max(float(np.ptp(base[..., 1], axis=-1).mean()), 1e-3)
    shape = relative.shape[:-1]
    told = [
        raw / height * 2,
        base / height * 2,
        np.broadcast_to(root, (*shape, 2)),
        np.full((*shape, 1), np.log(height) + 1),
        np.stack([confidence, trusted, np.log1p(4 * gap_seconds(trusted, fps))], -1),
    ]
    return np.concatenate(told, -1, dtype=np.float32)


def mirrored_2d(features: Tensor) -> Tensor:
    """The ten channels of the mirrored image: left is right, x is −x."""
    sign = torch.tensor(
        [-1, 1, -1, 1, -1, 1, 1, 1, 1, 1], dtype=features.dtype, device=features.device
    )
    return features[..., list(H36M17.mirror), :] * sign


def mirrored_answers(model: nn.Module, features: Tensor) -> Tensor:
    """A lifter's answers to (B, T, 17, 10) and to the mirror image, turned back, averaged: (B, T,
    17, 3) metres."""
    plain, turned = model(torch.cat([features, mirrored_2d(features)])).chunk(2)
    return (plain + flip(turned)) / 2
