"""What the losses promise, without the published numbers (those are in test_reference.py)."""

from __future__ import annotations

import pytest
import torch

from stride_nb.errors import InputError
from stride_nb.evaluation import metrics
from stride_nb.models import losses
from stride_nb.poses.skeleton import mirror_joints

# name → axis of (B, T, J) along which pairs are formed
RANKING = {"loss_spatial_rank": 2, "loss_temporal_rank": 1}


def clips(frames=12, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, frames, 17, 3, generator=generator, dtype=torch.float64)
        for _ in range(2)
    ]


def pairwise(pred, gt, axis):
    """The ranking loss as the paper writes it."""
    z, t = (x[..., 2].movedim(axis, -1) for x in (pred, gt))
    return (
        (z[..., :, None] - z[..., None, :]).clamp(min=0) * (t[..., :, None] < t[..., None, :])
    ).mean()


def quantised(x):
    return (2 * x).round() / 2  # so that many depths tie


@pytest.mark.parametrize("name", RANKING)
@pytest.mark.parametrize("tie", [False, True], ids=["distinct", "ties"])
def test_ranking_is_the_pairwise_hinge(name, tie, monkeypatch):
    pred, gt = (quantised(x) if tie else x for x in clips())
    pred.requires_grad_()
    expected = pairwise(pred, gt, RANKING[name])
    (gradient,) = torch.autograd.grad(expected, pred) if not tie else (None,)
    for chunk in (1, 100, 1 << 20):
        monkeypatch.setattr(losses, "_PAIRS_AT_ONCE", chunk)
        found = losses.LOSSES[name](pred, gt)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        if not tie:  # a hinge has no one gradient where it bends
            torch.testing.assert_close(
                torch.autograd.grad(found, pred)[0], gradient, rtol=0, atol=1e-12
            )


@pytest.mark.parametrize("name", RANKING)
def test_ranking_is_zero_in_the_right_order_and_where_truth_ties(name):
    pred, gt = clips()
    assert losses.LOSSES[name](2 * gt + 3, gt) == 0
    assert losses.LOSSES[name](pred, torch.zeros_like(gt)) == 0
    assert losses.LOSSES[name](-gt, gt) > 0.1


@pytest.mark.parametrize("name", RANKING)
def test_ranking_keeps_no_pairs_for_the_backward_pass(name):
    pred, gt = clips(frames=60)
    pred.requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        losses.LOSSES[name](pred, gt)
    assert sum(kept) <= 2 * pred[..., 2].numel()


def test_ranking_far_from_the_camera_is_as_exact_in_float32():
    pred, gt = clips()
    far = (pred + 1000).float()
    expected = pairwise(far.double(), gt, 1)
    torch.testing.assert_close(
        losses.loss_temporal_rank(far, gt.float()).double(), expected, rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("name", losses.LOSSES)
def test_gradients_are_those_of_the_value(name):
    pred, gt = clips(frames=3, batch=1)
    assert torch.autograd.gradcheck(lambda p: losses.LOSSES[name](p, gt), pred.requires_grad_())


# the published angles are lopsided
@pytest.mark.parametrize("name", [n for n in losses.LOSSES if "angle" not in n])
def test_mirroring_both_changes_nothing(name):
    pred, gt = clips()
    before, after = (
        losses.LOSSES[name](pred, gt),
        losses.LOSSES[name](mirror_joints(pred), mirror_joints(gt)),
    )
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in losses.LOSSES if n != "loss_limb_var"])
def test_truth_costs_nothing_and_anything_else_something(name):
    pred, gt = clips()
    assert losses.LOSSES[name](gt, gt) < 1e-12 < losses.LOSSES[name](pred, gt)


@pytest.mark.parametrize(
    "name", ["loss_velocity", "loss_limb_var", "loss_angle_velocity", "loss_temporal_rank"]
)
def test_one_frame_has_no_motion_to_judge(name):
    pred, gt = clips(frames=1)
    pred.requires_grad_()
    loss = losses.LOSSES[name](pred, gt)
    loss.backward()
    assert loss == 0 and (pred.grad == 0).all()


def test_bones_of_a_rigid_motion_do_not_vary():
    pose, _ = clips(frames=1, batch=1)
    turn, _ = torch.linalg.qr(
        torch.randn(40, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    )
    moved = (pose[0, 0] @ turn)[None] + torch.arange(40.0)[None, :, None, None]
    assert losses.loss_limb_var(moved) < 1e-20
    growing = pose * torch.linspace(1, 2, 40, dtype=torch.float64)[None, :, None, None]
    lengths = losses._measure_lengths(pose)[0, 0]
    expected = (lengths**2).mean() * torch.linspace(1, 2, 40, dtype=torch.float64).var()
    torch.testing.assert_close(losses.loss_limb_var(growing), expected)


def test_n_mpjpe_does_not_see_scale_and_weights_scale_mpjpe():
    pred, gt = clips()
    torch.testing.assert_close(losses.n_mpjpe(7 * pred, gt), losses.n_mpjpe(pred, gt))
    assert float(losses.n_mpjpe(pred, gt)) == pytest.approx(
        metrics.scaled_mpjpe(pred.numpy(), gt.numpy()).mean()
    )
    full = torch.full(pred.shape[:3], 3.0, dtype=torch.float64)
    torch.testing.assert_close(
        losses.weighted_mpjpe(pred, gt, full), 3 * losses.loss_mpjpe(pred, gt)
    )
    flat = pred.clone()
    flat[..., 2] = gt[..., 2]
    torch.testing.assert_close(
        losses.loss_2d_weighted(pred, gt, full[..., None]), 3 * losses.loss_mpjpe(flat, gt)
    )


def test_angles_of_a_known_pose():
    pose = torch.zeros(17, 3, dtype=torch.float64)
    for joint, parent in losses.H36M17.bones:
        pose[joint] = pose[parent] + torch.eye(3, dtype=torch.float64)[joint % 3]
    angles = losses._measure_angles(pose)
    expected = torch.tensor(
        [0.0 if (a - b) % 3 == 0 else torch.pi / 2 for a, b in losses._ANGLES.tolist()]
    )
    # acos is clamped next to 0
    torch.testing.assert_close(angles, expected.double(), rtol=0, atol=1e-3)


def test_combine_sums_by_name_and_refuses_other_names():
    pred, gt = clips()
    total, terms = losses.combine_losses(losses.STRIDE_WEIGHTS, pred, gt)
    assert list(terms) == ["loss_mpjpe", "n_mpjpe", "loss_velocity", "loss_limb_var"]
    torch.testing.assert_close(
        total,
        terms["loss_mpjpe"]
        + 0.5 * terms["n_mpjpe"]
        + 20 * terms["loss_velocity"]
        + 200 * terms["loss_limb_var"],
    )
    with pytest.raises(InputError, match=r"loss_mpjpe.*found mse"):
        losses.combine_losses({"mse": 1.0}, pred, gt)


def test_flip_twice_is_nothing_and_once_swaps_sides():
    x, _ = clips()
    torch.testing.assert_close(mirror_joints(mirror_joints(x)), x, rtol=0, atol=0)
    torch.testing.assert_close(
        mirror_joints(x)[..., 1, :], x[..., 4, :] * torch.tensor([-1.0, 1, 1]), rtol=0, atol=0
    )
    wide = torch.cat((x, torch.ones(*x.shape[:-1], 2)), -1)  # features beyond x stay as they are
    torch.testing.assert_close(mirror_joints(wide)[..., 3:], wide[..., 3:], rtol=0, atol=0)
