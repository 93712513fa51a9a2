"""Writes ``tests/parity/reference``: small files in the form of those of the published code, with
expected numbers from `formulae`, so that the parity tests run on every clone.

Every input is drawn here and rounded to float32 first; expected numbers are computed in float64.

    python -m tests.parity.make_reference [FOLDER]
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import torch

from tests.parity import formulae

__all__ = ["OWN", "make_reference"]

OWN = Path(__file__).with_name("reference")
STRIDE = {"dim_feat": 4, "dim_rep": 8, "depth": 2, "num_heads": 2, "mlp_ratio": 2, "maxlen": 16}
REPOSE = {"dim_feat": 8, "dim_rep": 12, "depth": 1, "num_heads": 4, "mlp_ratio": 4, "maxlen": 12}
CLIP = 10  # frames; published: 243
STRIDES = {"train": 3, "test": 10}  # frames; published: 81 and 243
SOURCES = {  # source, camera, action, frames: tails are left over, the last of train is too short
    "train": [
        ("s_01_act_02_subact_01_ca_01", "54138969", "walking", 13),
        ("s_01_act_05_subact_02_ca_02", "55011271", "sitting", 11),
        ("s_01_act_04_subact_01_ca_03", "58860488", "eating", 17),
        ("s_01_act_02_subact_02_ca_04", "60457274", "walking", 6),
    ],
    "test": [
        ("s_09_act_02_subact_01_ca_01", "54138969", "walking", 10),
        ("s_09_act_05_subact_02_ca_02", "55011271", "sitting", 21),  # on the block list
        ("s_09_act_04_subact_01_ca_03", "58860488", "eating", 12),
        ("s_09_act_02_subact_02_ca_04", "60457274", "walking", 10),
        ("s_09_act_05_subact_01_ca_01", "54138969", "sitting", 14),
    ],
}


def make_reference(folder: Path) -> None:
    """Write all files; seed 0."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    poses = draw_poses(rng, 3, 16)
    stride = make_checkpoint(rng, folder / "stride_checkpoint_tiny.bin", STRIDE, poses[:2])
    x, x_short = poses[:2, :CLIP], poses[2:, :5]
    write_forward(folder / "dstformer_forward.npz", stride, STRIDE, x, x_short)
    repose = make_checkpoint(rng, folder / "repose_checkpoint_tiny.bin", REPOSE, x, steps=0)
    write_forward(folder / "repose_forward.npz", repose, REPOSE, draw_poses(rng, 2, CLIP))
    write_losses(folder / "losses.npz", rng)
    write_ttt(folder / "stride_ttt.npz", stride, draw_poses(rng, 2, CLIP))
    write_human36m(folder, rng)


def draw_poses(rng: np.random.Generator, clips: int, frames: int) -> np.ndarray:
    """Smooth random motion about a random skeleton, (clips, frames, 17, 3) float32, of size 1."""
    rest, phase = rng.normal(0, 0.3, (clips, 1, 17, 3)), rng.uniform(0, 6.3, (3, clips, 1, 17, 3))
    time = np.arange(frames)[:, None, None]
    swings = (0.05 * np.sin((k + 1) * time / 5 + p) for k, p in enumerate(phase))
    return np.float32(rest + sum(swings))


def write_arrays(path: Path, arrays: dict) -> None:
    """Floating-point arrays as float32, those that float32 would not hold as they are."""
    keep = {"history", "mpjpe_mm", "p_mpjpe_mm"}
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype == float and name not in keep:
            arrays[name] = array.astype(np.float32)
    np.savez_compressed(path, **arrays)


# --- networks -------------------------------------------------------------------------------------
def list_shapes(dim_feat, dim_rep, depth, mlp_ratio, maxlen, **_) -> dict[str, tuple[int, ...]]:
    """Tensors of a DSTformer."""
    linear = {"joints_embed": (3, dim_feat), "pre_logits.fc": (dim_feat, dim_rep)}
    linear["head"], norms = (dim_rep, 3), ["norm"]
    for stage in range(depth):
        linear[f"ts_attn.{stage}"] = (2 * dim_feat, 2)
        for block in (f"blocks_{order}.{stage}" for order in ("st", "ts")):
            for half in "st":
                linear[f"{block}.attn_{half}.qkv"] = (dim_feat, 3 * dim_feat)
                linear[f"{block}.attn_{half}.proj"] = (dim_feat, dim_feat)
                linear[f"{block}.mlp_{half}.fc1"] = (dim_feat, mlp_ratio * dim_feat)
                linear[f"{block}.mlp_{half}.fc2"] = (mlp_ratio * dim_feat, dim_feat)
                norms += [f"{block}.norm1_{half}", f"{block}.norm2_{half}"]
    shapes = {"temp_embed": (1, maxlen, 1, dim_feat), "pos_embed": (1, 17, dim_feat)}
    for name, (width_in, width_out) in linear.items():
        shapes |= {f"{name}.weight": (width_out, width_in), f"{name}.bias": (width_out,)}
    for name in norms:
        shapes |= {f"{name}.weight": (dim_feat,), f"{name}.bias": (dim_feat,)}
    return shapes


def make_checkpoint(rng, path: Path, sizes: dict, x: np.ndarray, steps: int = 2) -> dict:
    """Random weights after steps of AdamW, written in the published form; they come back in
    float64. Without a step the optimiser has no state yet, which saves two thirds of the file."""
    model = {name: rng.normal(0, 0.4, shape) for name, shape in list_shapes(**sizes).items()}
    model = {
        name: torch.tensor(w + 1 if "norm" in name and name.endswith("weight") else w).float()
        for name, w in model.items()
    }
    variables = [w.requires_grad_() for w in model.values()]
    optimizer = torch.optim.AdamW(variables, lr=2e-4, weight_decay=0.01)
    x = torch.tensor(x[:, : sizes["maxlen"]])
    for _ in range(steps):
        pred, _ = formulae.run_dstformer(model, x, sizes["num_heads"])
        loss, *_ = formulae.measure_ttt_loss(pred, x - x[:, :, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    content = {
        "epoch": 7,
        "lr": 2e-4,
        "optimizer": optimizer.state_dict(),
        "model_pos": {f"module.{name}": w.detach() for name, w in model.items()},
        "min_loss": np.float64(41.5),
    }
    torch.save(content, path)
    return {name: w.detach().double().numpy() for name, w in model.items()}


def write_forward(path: Path, weights: dict, sizes: dict, x, x_short=None) -> None:
    """Answers to ``x``; where there is a shorter clip also those to it, and the representation."""
    config = {"dim_in": 3, "dim_out": 3, **sizes, "num_joints": 17}
    y, rep = formulae.run_dstformer(weights, x.astype(float), sizes["num_heads"])
    arrays = {"x": x, "y": y, "config": str(config)}
    if x_short is not None:
        y_short, _ = formulae.run_dstformer(weights, x_short.astype(float), sizes["num_heads"])
        arrays |= {"rep": rep, "x_short": x_short, "y_short": y_short}
    write_arrays(path, arrays)


def write_ttt(path: Path, weights: dict, clip: np.ndarray) -> None:
    """A trajectory of test-time training, 10 epochs."""
    history, refined = formulae.adapt(weights, clip.astype(float), 10, STRIDE["num_heads"])
    columns = np.array(formulae.TTT_COLUMNS)
    write_arrays(path, {"clip": clip, "history": history, "refined": refined, "columns": columns})


# --- losses ---------------------------------------------------------------------------------------
def write_losses(path: Path, rng: np.random.Generator) -> None:
    """Every loss with its gradient, and the errors of the frames of the first clip."""
    gt, noise = draw_poses(rng, 2, 8), draw_poses(rng, 2, 8)
    pred = gt + noise / 3
    vis = np.ones(8, bool)
    vis[4] = False
    arrays = {"pred": pred, "gt": gt, "vis": vis, "flipped": formulae.mirror(gt)}
    arrays["conf"] = rng.random((*gt.shape[:3], 1), np.float32)
    arrays["w"] = rng.random(gt.shape[:3], np.float32)
    write_arrays(path, arrays | measure_losses(arrays))


def measure_losses(arrays: dict) -> dict:
    """Expected numbers of ``losses.npz`` by their names, from its inputs."""
    pred, gt, vis = arrays["pred"].astype(float), arrays["gt"].astype(float), arrays["vis"]
    expected = {"flipped": formulae.mirror(gt)}
    for name, loss in formulae.LOSSES.items():
        expected[name] = loss(pred, gt)
        expected[f"grad_{name}"] = formulae.differentiate(loss, pred, gt)
    for name, (weights, loss) in formulae.WEIGHTED_LOSSES.items():
        expected[name] = loss(pred, gt, arrays[weights].astype(float))
    for name, measure in formulae.FRAME_ERRORS.items():
        expected[name] = measure(pred[0], gt[0], vis)
    return expected


# --- Human3.6M ------------------------------------------------------------------------------------
def write_human36m(folder: Path, rng: np.random.Generator) -> None:
    """Random motion in MotionBERT's form, what its reader makes of it, and errors of noisy
    predictions."""
    content = {split: draw_split(rng, sources) for split, sources in SOURCES.items()}
    path = folder / "h36m_sh_conf_cam_source_tiny.pkl"
    path.write_bytes(pickle.dumps(content, protocol=4))
    arrays = {}
    for split, fields in content.items():
        frames = formulae.cut_clips(fields["source"], CLIP, STRIDES[split])
        arrays[f"{split}_ids"] = frames
        arrays[f"{split}_x"] = formulae.normalise_inputs(fields, frames)
        arrays[f"{split}_y"] = formulae.normalise_labels(fields, frames)
    predictions = np.float32(arrays["test_y"] + rng.normal(0, 0.02, arrays["test_y"].shape))
    errors = formulae.score_human36m(content["test"], arrays["test_ids"], predictions)
    arrays |= {"predictions": predictions, "mpjpe_mm": errors[0], "p_mpjpe_mm": errors[1]}
    write_arrays(folder / "h36m_protocol.npz", arrays)


def draw_split(rng: np.random.Generator, sources: list) -> dict:
    """The fields of a split: detections are the labels plus noise, the truth in mm is the labels
    times the factor, but for each frame's depth."""
    image = np.concatenate([draw_poses(rng, 1, n)[0] for *_, n in sources]) * 200
    image = np.float32(image + np.array([500, 500, 0]))
    frames = len(image)
    factor = np.repeat(rng.uniform(3.5, 4.5, len(sources)), [n for *_, n in sources])
    truth = image * factor[:, None, None]
    truth[..., 2] += rng.uniform(4000, 5000, (frames, 1))
    names = {
        field: [source[i] for source in sources for _ in range(source[3])]
        for i, field in enumerate(["source", "camera_name", "action"])
    }
    return {
        "joint_2d": np.float32(image[..., :2] + rng.normal(0, 3, (frames, 17, 2))),
        "confidence": rng.random((frames, 17), np.float32),
        "joint3d_image": image,
        **names,
        "2.5d_factor": factor,
        "joints_2.5d_image": np.float32(truth),
    }


if __name__ == "__main__":
    make_reference(Path(sys.argv[1]) if sys.argv[1:] else OWN)
