"""Parity: our networks, losses, metrics and weights against numbers of the published code, one
check a number."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import torch

from stride_nb.evaluation import metrics
from stride_nb.models import checkpoints, losses
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.refinement.refine import refine

VALUES = [
    "loss_mpjpe",
    "n_mpjpe",
    "loss_velocity",
    "loss_limb_gt",
    "loss_limb_var",
    "loss_angle",
    "loss_angle_velocity",
    "loss_joint",
    "loss_spatial_rank",
    "loss_temporal_rank",
]
FRAMES = {  # published name → our function of the reference arrays of one clip
    "mpjpe_frames": (metrics.mpjpe, "pred", "gt"),
    "p_mpjpe_frames": (metrics.p_mpjpe, "pred", "gt"),
    "accel": (metrics.accel, "pred"),
    "error_accel": (metrics.error_accel, "pred", "gt"),
    "error_accel_vis": (metrics.error_accel, "pred", "gt", "vis"),
}
TERMS = {
    "total": "loss",
    "position": "loss_mpjpe",
    "scale": "n_mpjpe",
    "velocity": "loss_velocity",
    "limb_variance": "loss_limb_var",
}  # published column → what our trace calls it
SYSTEMS = {
    "STRIDE": ("stride_checkpoint_tiny.bin", "dstformer_forward.npz"),
    "RePOSE": ("repose_checkpoint_tiny.bin", "repose_forward.npz"),
}


@pytest.fixture(scope="module")
def published(reference):
    """The published losses: name → tensor."""
    with np.load(reference / "losses.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module", params=SYSTEMS)
def forward(request, reference):
    """A published system: its name, its network from its checkpoint, its recorded arrays."""
    checkpoint, recorded = SYSTEMS[request.param]
    with np.load(reference / recorded) as arrays:
        recorded = {name: arrays[name] for name in arrays.files}
    recorded["config"] = ast.literal_eval(str(recorded["config"]))
    model, _ = checkpoints.load_dstformer(
        reference / checkpoint, heads=recorded["config"]["num_heads"]
    )
    return request.param, model, recorded


@pytest.fixture(scope="module")
def recorded(reference):
    """STRIDE's recorded arrays, and its number of attention heads."""
    with np.load(reference / "dstformer_forward.npz") as arrays:
        recorded = {name: arrays[name] for name in arrays.files}
    return recorded | {"heads": ast.literal_eval(str(recorded["config"]))["num_heads"]}


@pytest.fixture(scope="module")
def stride(reference, recorded):
    return checkpoints.load_dstformer(reference / "stride_checkpoint_tiny.bin", recorded["heads"])[
        0
    ], recorded


@pytest.fixture(scope="module")
def converted(reference, recorded, tmp_path_factory):
    """STRIDE's checkpoint as a file of ours."""
    path = tmp_path_factory.mktemp("weights") / "stride.safetensors"
    return checkpoints.convert_checkpoint(
        reference / "stride_checkpoint_tiny.bin", path, recorded["heads"]
    )


@torch.no_grad()
def run(network, x):
    return network(torch.from_numpy(x)).numpy()


def test_sizes_read_off_the_tensors(forward):
    _, model, recorded = forward
    theirs = {
        "dim_in": "dim_in",
        "dim_out": "dim_out",
        "dim": "dim_feat",
        "rep": "dim_rep",
        "depth": "depth",
        "heads": "num_heads",
        "mlp_ratio": "mlp_ratio",
        "maxlen": "maxlen",
        "joints": "num_joints",
    }
    assert model.config == {ours: recorded["config"][name] for ours, name in theirs.items()}


def test_forward(forward, agree):
    name, model, recorded = forward
    agree(
        f"DSTformer of {name}",
        "models.dstformer.DSTformer",
        run(model, recorded["x"]),
        recorded["y"],
        1e-5,
    )


def test_representation(stride, agree):
    model, recorded = stride
    found = run(model.get_representation, recorded["x"])
    agree(
        "DSTformer, representation",
        "models.dstformer.DSTformer.get_representation",
        found,
        recorded["rep"],
        1e-5,
    )


def test_short_clip(stride, agree):
    model, recorded = stride
    found = run(model, recorded["x_short"])
    agree("DSTformer, short clip", "models.dstformer.DSTformer", found, recorded["y_short"], 1e-5)


def test_converted_there_and_back(reference, recorded, converted, agree, tmp_path):
    model, card = checkpoints.load_dstformer(converted)
    agree(
        "checkpoint, as safetensors",
        "models.checkpoints.convert_checkpoint",
        run(model, recorded["x"]),
        recorded["y"],
        1e-5,
    )
    theirs = torch.load(
        checkpoints.convert_checkpoint(converted, tmp_path / "theirs.bin"), weights_only=True
    )
    original = checkpoints.read_published_checkpoint(reference / "stride_checkpoint_tiny.bin")
    assert theirs["min_loss"] == card["published"]["min_loss"]
    assert set(theirs["model_pos"]) == {f"module.{name}" for name in original}
    agree(
        "checkpoint, there and back",
        "models.checkpoints.write_published_checkpoint",
        torch.cat([theirs["model_pos"][f"module.{n}"].flatten() for n in original]),
        torch.cat([t.flatten() for t in original.values()]),
        0,
    )


@pytest.mark.parametrize("name", VALUES)
def test_loss(name, published, agree):
    found = losses.LOSSES[name](published["pred"], published["gt"])
    agree(name, f"models.losses.{name}", found, published[name], 1e-5)


@pytest.mark.parametrize("name", VALUES)
def test_gradient(name, published, agree):
    pred = published["pred"].clone().requires_grad_()
    losses.LOSSES[name](pred, published["gt"]).backward()
    agree(f"{name}, gradient", f"models.losses.{name}", pred.grad, published[f"grad_{name}"], 1e-5)


@pytest.mark.parametrize(
    ("name", "weights"), [("loss_2d_weighted", "conf"), ("weighted_mpjpe", "w")]
)
def test_weighted_loss(name, weights, published, agree):
    found = getattr(losses, name)(published["pred"], published["gt"], published[weights])
    agree(name, f"models.losses.{name}", found, published[name], 1e-5)


def test_mirroring(published, agree):
    agree(
        "mirroring",
        "poses.skeleton.mirror_joints",
        mirror_joints(published["gt"]),
        published["flipped"],
        0,
    )


@pytest.mark.parametrize("name", FRAMES)
def test_frame_metric(name, published, agree):
    function, *arguments = FRAMES[name]
    arrays = (published[a].numpy() if a == "vis" else published[a][0].numpy() for a in arguments)
    agree(
        f"{name.removesuffix('_frames')}, per frame",
        f"evaluation.metrics.{function.__name__}",
        function(*arrays),
        published[name],
        1e-5,
    )


@pytest.fixture(scope="module")
def adapted(reference, converted):
    """The published run, and ours by the call that users make: windows in order, none of the steps
    mirrored."""
    with np.load(reference / "stride_ttt.npz") as arrays:
        published = {name: arrays[name] for name in arrays.files}
    windows, frames = published["clip"].shape[:2]
    sequence = PoseSequence(
        published["clip"].reshape(windows * frames, 17, 3).astype(float), None, fps=50.0
    )
    ours = refine(
        sequence,
        "stride_published",
        model=str(converted),
        device="cpu",
        epochs=len(published["history"]),
        mirror=0.0,
        window=frames,
    )
    return published, ours


@pytest.mark.parametrize("term", TERMS)
def test_test_time_training_loss(term, adapted, agree):
    published, ours = adapted
    history = published["history"][..., list(published["columns"]).index(term)]
    found = np.array([step[TERMS[term]] for step in ours.trace.steps]).reshape(history.shape)
    agree(
        f"test-time training, {term}",
        "refinement.test_time_training.run_published_objective",
        found,
        history,
        1e-4,
    )


def test_test_time_training_refined(adapted, agree):
    published, ours = adapted
    refined = ours.sequence.joints - ours.sequence.joints[:, :1]
    agree(
        "test-time training, refined poses",
        "refinement.refine.refine",
        refined,
        published["refined"].reshape(refined.shape),
        1e-4,
    )
