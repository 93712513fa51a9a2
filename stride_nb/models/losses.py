"""Losses of MotionBERT, STRIDE and RePOSE, each under its published name.

All take ``pred`` and ``gt`` of shape (B, T, 17, 3) in Human3.6M joint order and the same unit (the
two weighted ones, which are not in ``LOSSES``, weights as well), return a scalar and agree with the
published code in value and gradient. Zhu et al., ICCV 2023 (MotionBERT); Lal et al., WACV 2025
(STRIDE); Sun et al., ECCV 2024 (RePOSE). Terms over time are 0 for a clip of one frame.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17

__all__ = [
    "LOSSES",
    "MOTIONBERT",
    "STRIDE",
    "combine",
    "flip",
    "loss_2d_weighted",
    "loss_angle",
    "loss_angle_velocity",
    "loss_joint",
    "loss_limb_gt",
    "loss_limb_var",
    "loss_mpjpe",
    "loss_spatial_rank",
    "loss_temporal_rank",
    "loss_velocity",
    "n_mpjpe",
    "weighted_mpjpe",
    "with_ranking",
]

MOTIONBERT = {"loss_mpjpe": 1.0, "n_mpjpe": 0.5, "loss_velocity": 20.0}
"""MotionBERT's supervised objective, which RePOSE adds its ranking losses to."""
STRIDE = MOTIONBERT | {"loss_limb_var": 200.0}
"""STRIDE's published objective of test-time training."""


def with_ranking(rank: tuple[float, float]) -> dict[str, float]:
    """``MOTIONBERT`` and RePOSE's spatial and temporal ranking losses by their weights; a weight of
    0 leaves one out.

    >>> with_ranking((0.5, 0.0))
    {'loss_mpjpe': 1.0, 'n_mpjpe': 0.5, 'loss_velocity': 20.0, 'loss_spatial_rank': 0.5}
    """
    weights = MOTIONBERT | {"loss_spatial_rank": rank[0], "loss_temporal_rank": rank[1]}
    return {name: weight for name, weight in weights.items() if weight}


_BONES = torch.tensor(H36M17.bones)  # (16, 2): joint, parent
# Pairs of bones that enclose an angle; a bone is named by its outer joint. As published: (9, 14)
# has no mirror image.
_ANGLES = torch.tensor(
    (
        (1, 4),
        (1, 7),
        (4, 7),
        (1, 2),
        (2, 3),
        (4, 5),
        (5, 6),
        (7, 8),
        (8, 11),
        (8, 14),
        (9, 14),
        (11, 14),
        (8, 9),
        (9, 10),
        (11, 12),
        (12, 13),
        (14, 15),
        (15, 16),
    )
)
_PAIRS_AT_ONCE = 1 << 20  # bounds the memory of the ranking losses

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
"""Every loss of (pred, gt), by name."""


def _named(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    LOSSES[loss.__name__] = loss
    return loss


def combine(
    weights: dict[str, float], pred: Tensor, gt: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of losses by name, and the unweighted terms.

    >>> total, terms = combine(STRIDE, torch.zeros(1, 9, 17, 3), torch.ones(1, 9, 17, 3))
    >>> list(terms)
    ['loss_mpjpe', 'n_mpjpe', 'loss_velocity', 'loss_limb_var']
    """
    for name in weights:
        if name not in LOSSES:
            raise InputError("losses", "name", f"one of {', '.join(LOSSES)}", name)
    terms = {name: LOSSES[name](pred, gt) for name in weights}
    return sum(weights[name] * term for name, term in terms.items()), terms


def flip(x: Tensor) -> Tensor:
    """Mirror left and right: ``x`` (…, 17, C) with its first coordinate negated and paired joints
    swapped.

    >>> x = torch.randn(2, 5, 17, 3)
    >>> bool((flip(flip(x)) == x).all())
    True
    """
    return torch.cat((-x[..., :1], x[..., 1:]), -1)[..., list(H36M17.mirror), :]


@_named
def loss_mpjpe(pred: Tensor, gt: Tensor) -> Tensor:
    """Mean per-joint position error: mean ‖p − g‖."""
    return _distance(pred, gt).mean()


# These two train nothing here: they complete the published set, and tests compare them with it.
def weighted_mpjpe(pred: Tensor, gt: Tensor, w: Tensor) -> Tensor:
    """Mean of w ‖p − g‖ over all joints (not divided by the sum of the weights); ``w`` (B, T,
    17)."""
    return (w * _distance(pred, gt)).mean()


def loss_2d_weighted(pred: Tensor, gt: Tensor, conf: Tensor) -> Tensor:
    """Mean norm of (Δx, Δy)·c; ``conf`` (B, T, 17, 1)."""
    return ((pred[..., :2] - gt[..., :2]) * conf).norm(dim=-1).mean()


@_named
def n_mpjpe(pred: Tensor, gt: Tensor) -> Tensor:
    """MPJPE after the best scale of each frame, s = ⟨p, g⟩ / ⟨p, p⟩ (Rhodin et al., CVPR 2018)."""
    scale = (pred * gt).sum((-2, -1), keepdim=True) / pred.square().sum((-2, -1), keepdim=True)
    return loss_mpjpe(scale * pred, gt)


@_named
def loss_joint(pred: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute difference of coordinates."""
    return (pred - gt).abs().mean()


@_named
def loss_velocity(pred: Tensor, gt: Tensor) -> Tensor:
    """Mean norm of the difference of frame-to-frame differences, per frame (not per second)."""
    return _mean(_distance(pred.diff(dim=1), gt.diff(dim=1)))


@_named
def loss_limb_gt(pred: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute difference of bone lengths."""
    return (_lengths(pred) - _lengths(gt)).abs().mean()


@_named
def loss_limb_var(pred: Tensor, gt: Tensor | None = None) -> Tensor:
    """Unbiased variance of each bone's length over time, averaged; ``gt`` is not looked at (STRIDE,
    limb loss)."""
    lengths = _lengths(pred)
    return lengths.var(1).mean() if lengths.shape[1] > 1 else lengths[:, :0].sum()


@_named
def loss_angle(pred: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute difference of the angles between bones, in radians."""
    return (_angles(pred) - _angles(gt)).abs().mean()


@_named
def loss_angle_velocity(pred: Tensor, gt: Tensor) -> Tensor:
    """`loss_angle` on the frame-to-frame differences of the angles."""
    return _mean((_angles(pred).diff(dim=1) - _angles(gt).diff(dim=1)).abs())


@_named
def loss_spatial_rank(pred: Tensor, gt: Tensor) -> Tensor:
    """RePOSE's spatial ranking loss: depth order between the joints of a frame.

    Mean over B, T and all 17 × 17 ordered pairs of max(0, zᵢ − zⱼ)·[gt zᵢ < gt zⱼ].
    """
    return _ranking(pred[..., 2], gt[..., 2])


@_named
def loss_temporal_rank(pred: Tensor, gt: Tensor) -> Tensor:
    """RePOSE's temporal ranking loss: depth order of a joint between the frames of a clip.

    Mean over B, joints and all T × T ordered pairs of frames of max(0, zᵢ − zⱼ)·[gt zᵢ < gt zⱼ].
    """
    return _ranking(pred[..., 2].transpose(1, 2), gt[..., 2].transpose(1, 2))


def _ranking(z: Tensor, truth: Tensor) -> Tensor:
    """Mean of max(0, zᵢ − zⱼ)·[tᵢ < tⱼ] over ordered pairs along the last axis, of (…, L).

    Over the violated pairs, Σ (zᵢ − zⱼ) = Σₖ cₖ zₖ, where cₖ counts the violations in which k is i
    less those in which it is j. These counts are also the gradient, so they are all that is kept
    for the backward pass: L numbers a row instead of L × L. They take L² comparisons, made
    ``_PAIRS_AT_ONCE`` at a time, so memory does not grow with L². Since Σ cₖ = 0, centring z
    changes nothing but the rounding error.
    """
    if z.dtype in (torch.float16, torch.bfloat16):
        z = z.float()  # counts beyond 256 have no exact bfloat16
    with torch.no_grad():
        counts, centre = _violations(z, truth).to(z.dtype), z.mean(-1, keepdim=True)
    return ((z - centre) * counts).sum() / (z.numel() * z.shape[-1])


def _violations(z: Tensor, truth: Tensor) -> Tensor:
    """#{j: zₖ > zⱼ, tₖ < tⱼ} − #{i: zᵢ > zₖ, tᵢ < tₖ} for every k; ties on either side are no
    violation."""
    counts = torch.zeros_like(z, dtype=torch.int64)
    rows = max(1, _PAIRS_AT_ONCE // max(1, z.numel()))
    for i in range(0, z.shape[-1], rows):
        some = slice(i, i + rows)
        wrong = (z[..., some, None] > z[..., None, :]) & (
            truth[..., some, None] < truth[..., None, :]
        )
        counts[..., some] += wrong.sum(-1)
        counts -= wrong.sum(-2)
    return counts


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).norm(dim=-1)


def _mean(x: Tensor) -> Tensor:
    return x.sum() / max(1, x.numel())  # 0, not NaN, where a clip has no frame difference


def _bones(x: Tensor) -> Tensor:
    return x[..., _BONES[:, 0], :] - x[..., _BONES[:, 1], :]


def _lengths(x: Tensor) -> Tensor:
    return _bones(x).norm(dim=-1)


def _angles(x: Tensor) -> Tensor:
    bones = _bones(x)  # bone j stands at index j − 1
    cosine = F.cosine_similarity(
        bones[..., _ANGLES[:, 0] - 1, :], bones[..., _ANGLES[:, 1] - 1, :], dim=-1
    )
    return torch.acos(cosine.clamp(-1 + 1e-7, 1 - 1e-7))
