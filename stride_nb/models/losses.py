"""Losses of MotionBERT, STRIDE and RePOSE, each under its published name.

All take a prediction and the truth in Human3.6M joint order and the same unit (the two weighted
ones, which are not in ``LOSSES``, weights as well), return a scalar, and agree with the published
code in value and gradient. Terms over time are 0 for a clip of one frame. Zhu et al., ICCV 2023
(MotionBERT); Lal et al., WACV 2025 (STRIDE); Sun et al., ECCV 2024 (RePOSE).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17

__all__ = [
    "LOSSES",
    "MOTIONBERT_WEIGHTS",
    "STRIDE_WEIGHTS",
    "combine_losses",
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
    "make_loss_weights",
    "n_mpjpe",
    "weighted_mpjpe",
]

MOTIONBERT_WEIGHTS = {"loss_mpjpe": 1.0, "n_mpjpe": 0.5, "loss_velocity": 20.0}
"""MotionBERT's supervised objective, which RePOSE adds its ranking losses to."""
STRIDE_WEIGHTS = MOTIONBERT_WEIGHTS | {"loss_limb_var": 200.0}
"""STRIDE's published objective of test-time training."""


PoseBatch = Float[Tensor, "B T J C"]
Scalar = Float[Tensor, ""]

_BONES = torch.tensor(H36M17.bones)  # (16, 2): joint, parent
# Pairs of bones that enclose an angle, each named by its outer joint. As published: (9, 14) has no
# mirror image.
# fmt: off
_ANGLES = torch.tensor([
    (1, 4), (1, 7), (4, 7), (1, 2), (2, 3), (4, 5), (5, 6), (7, 8), (8, 11),
    (8, 14), (9, 14), (11, 14), (8, 9), (9, 10), (11, 12), (12, 13), (14, 15), (15, 16),
])
# fmt: on
_PAIRS_AT_ONCE = 1 << 20  # bounds the memory of the ranking losses

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
"""Every loss of (pred, gt), by name."""


def _register_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    LOSSES[loss.__name__] = loss
    return loss


def make_loss_weights(rank: tuple[float, float]) -> dict[str, float]:
    """``MOTIONBERT_WEIGHTS`` and RePOSE's spatial and temporal ranking losses by their weights.

    A weight of 0 leaves a loss out.

    >>> make_loss_weights((0.5, 0.0))
    {'loss_mpjpe': 1.0, 'n_mpjpe': 0.5, 'loss_velocity': 20.0, 'loss_spatial_rank': 0.5}
    """
    weights = MOTIONBERT_WEIGHTS | {"loss_spatial_rank": rank[0], "loss_temporal_rank": rank[1]}
    return {name: weight for name, weight in weights.items() if weight}


def combine_losses(
    weights: dict[str, float], pred: PoseBatch, gt: PoseBatch
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of losses by name, and the unweighted terms.

    >>> joints = torch.zeros(1, 9, 17, 3)
    >>> total, terms = combine_losses(STRIDE_WEIGHTS, joints, joints + 1)
    >>> list(terms)
    ['loss_mpjpe', 'n_mpjpe', 'loss_velocity', 'loss_limb_var']
    """
    for name in weights:
        if name not in LOSSES:
            raise InputError("losses", "name", f"one of {', '.join(LOSSES)}", name)
    terms = {name: LOSSES[name](pred, gt) for name in weights}
    total = sum(weights[name] * term for name, term in terms.items())
    return cast(Tensor, total), terms


@_register_loss
def loss_mpjpe(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """Mean per-joint position error: mean ‖p − g‖."""
    return _measure_mean_distance(pred, gt).mean()


# The two weighted losses complete the published set; nothing here trains with them.
def weighted_mpjpe(pred: PoseBatch, gt: PoseBatch, w: Float[Tensor, "B T J"]) -> Scalar:
    """Mean of w ‖p − g‖ over all joints, not divided by the sum of the weights."""
    return (w * _measure_mean_distance(pred, gt)).mean()


def loss_2d_weighted(pred: PoseBatch, gt: PoseBatch, conf: Float[Tensor, "B T J 1"]) -> Scalar:
    """Mean norm of (Δx, Δy)·c."""
    return ((pred[..., :2] - gt[..., :2]) * conf).norm(dim=-1).mean()


@_register_loss
def n_mpjpe(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """MPJPE after the best scale of each frame, s = ⟨p, g⟩ / ⟨p, p⟩ (Rhodin et al., CVPR 2018)."""
    scale = (pred * gt).sum((-2, -1), keepdim=True) / pred.square().sum((-2, -1), keepdim=True)
    return loss_mpjpe(scale * pred, gt)


@_register_loss
def loss_joint(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """Mean absolute difference of coordinates."""
    return (pred - gt).abs().mean()


@_register_loss
def loss_velocity(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """Mean norm of the difference of frame-to-frame differences, per frame (not per second)."""
    return _average_or_zero(_measure_mean_distance(pred.diff(dim=1), gt.diff(dim=1)))


@_register_loss
def loss_limb_gt(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """Mean absolute difference of bone lengths."""
    return (_measure_lengths(pred) - _measure_lengths(gt)).abs().mean()


@_register_loss
def loss_limb_var(pred: PoseBatch, gt: PoseBatch | None = None) -> Scalar:
    """Unbiased variance of each bone's length over time, averaged; ``gt`` is not used (STRIDE's
    limb loss)."""
    lengths = _measure_lengths(pred)
    return lengths.var(1).mean() if lengths.shape[1] > 1 else lengths[:, :0].sum()


@_register_loss
def loss_angle(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """Mean absolute difference of the angles between bones, in radians."""
    return (_measure_angles(pred) - _measure_angles(gt)).abs().mean()


@_register_loss
def loss_angle_velocity(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """`loss_angle` on the frame-to-frame differences of the angles."""
    change, gt_change = (_measure_angles(x).diff(dim=1) for x in (pred, gt))
    return _average_or_zero((change - gt_change).abs())


@_register_loss
def loss_spatial_rank(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """RePOSE's spatial ranking loss: depth order between the joints of a frame.

    Mean over B, T and all 17 × 17 ordered pairs of max(0, zᵢ − zⱼ)·[gt zᵢ < gt zⱼ].
    """
    return _rank_depth(pred[..., 2], gt[..., 2])


@_register_loss
def loss_temporal_rank(pred: PoseBatch, gt: PoseBatch) -> Scalar:
    """RePOSE's temporal ranking loss: depth order of a joint between the frames of a clip.

    Mean over B, joints and all T × T ordered pairs of frames of max(0, zᵢ − zⱼ)·[gt zᵢ < gt zⱼ].
    """
    return _rank_depth(pred[..., 2].transpose(1, 2), gt[..., 2].transpose(1, 2))


def _rank_depth(z: Float[Tensor, "*batch L"], truth: Float[Tensor, "*batch L"]) -> Scalar:
    """Mean of max(0, zᵢ − zⱼ)·[tᵢ < tⱼ] over ordered pairs along the last axis.

    Over the violated pairs, Σ (zᵢ − zⱼ) = Σₖ cₖ zₖ, where cₖ counts the violations in which k is i
    less those in which it is j. These counts are also the gradient, so the backward pass needs L
    numbers a row instead of L × L. The L² comparisons are made ``_PAIRS_AT_ONCE`` at a time. As
    Σ cₖ = 0, centring z changes only the rounding error.
    """
    if z.dtype in (torch.float16, torch.bfloat16):
        z = z.float()  # counts beyond 256 have no exact bfloat16
    with torch.no_grad():
        counts, centre = _count_violations(z, truth).to(z.dtype), z.mean(-1, keepdim=True)
    return ((z - centre) * counts).sum() / (z.numel() * z.shape[-1])


def _count_violations(
    z: Float[Tensor, "*batch L"], truth: Float[Tensor, "*batch L"]
) -> Int[Tensor, "*batch L"]:
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


def _measure_mean_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).norm(dim=-1)


def _average_or_zero(x: Tensor) -> Tensor:
    return x.sum() / max(1, x.numel())  # a clip of one frame has no frame difference


def _subtract_parents(x: Tensor) -> Tensor:
    return x[..., _BONES[:, 0], :] - x[..., _BONES[:, 1], :]


def _measure_lengths(x: Tensor) -> Tensor:
    return _subtract_parents(x).norm(dim=-1)


def _measure_angles(x: Tensor) -> Tensor:
    bones = _subtract_parents(x)  # bone j stands at index j − 1
    cosine = F.cosine_similarity(
        bones[..., _ANGLES[:, 0] - 1, :], bones[..., _ANGLES[:, 1] - 1, :], dim=-1
    )
    return torch.acos(cosine.clamp(-1 + 1e-7, 1 - 1e-7))
