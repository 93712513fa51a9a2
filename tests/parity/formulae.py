"""The formulae of the published systems in float64, written from their papers, with nothing of
`stride_nb` in them.

Networks, losses and errors take NumPy arrays or torch tensors alike: one formula gives a number
and, by torch's autograd, its gradient. Poses are (B, T, 17, 3), joints in Human3.6M's order.

- DSTformer, losses, Human3.6M: Zhu et al., MotionBERT, ICCV 2023.
- Ranking losses: Sun et al., RePOSE, ECCV 2024.
- Test-time training: Lal et al., STRIDE, WACV 2025.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy import special

__all__ = [
    "FRAME_ERRORS",
    "LOSSES",
    "TTT_COLUMNS",
    "WEIGHTED_LOSSES",
    "adapt",
    "cut_clips",
    "differentiate",
    "measure_ttt_loss",
    "mirror",
    "normalise_inputs",
    "normalise_labels",
    "run_dstformer",
    "score_human36m",
]

PARENTS = [0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]  # of joints 1 to 16
MIRRORED = [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13]
# pairs of bones, each named by its outer joint
FIRST_BONES = [1, 1, 4, 1, 2, 4, 5, 7, 8, 8, 9, 11, 8, 9, 11, 12, 14, 15]
SECOND_BONES = [4, 7, 7, 2, 3, 5, 6, 8, 11, 14, 14, 14, 9, 10, 12, 13, 15, 16]


def _library(x):
    return torch if isinstance(x, torch.Tensor) else np


def mirror(poses):
    """The mirror image: x negated, left and right joints swapped."""
    signs = [-1.0, 1.0, 1.0]
    return poses[..., MIRRORED, :] * _library(poses).asarray(signs, dtype=poses.dtype)


# --- DSTformer ------------------------------------------------------------------------------------
def run_dstformer(weights: Mapping, x, heads: int):
    """Joints (B, T, 17, 3), and the representation (B, T, 17, rep) that they are read from."""
    x = _project(weights, "joints_embed", x) + weights["pos_embed"]
    x = x + weights["temp_embed"][:, : x.shape[1]]
    for stage in range(sum(n.startswith("ts_attn.") and n.endswith(".bias") for n in weights)):
        spatial_first = _run_block(weights, f"blocks_st.{stage}", x, heads, "st")
        temporal_first = _run_block(weights, f"blocks_ts.{stage}", x, heads, "ts")
        both = _library(x).concatenate([spatial_first, temporal_first], -1)
        share = _softmax(_project(weights, f"ts_attn.{stage}", both))
        x = spatial_first * share[..., :1] + temporal_first * share[..., 1:]
    fc = _project(weights, "pre_logits.fc", _standardise(weights, "norm", x))
    representation = _library(x).tanh(fc)
    return _project(weights, "head", representation), representation


def _run_block(weights, name, x, heads, order):
    for half in order:
        normed = _standardise(weights, f"{name}.norm1_{half}", x)
        if half == "t":
            normed = normed.swapaxes(1, 2)
        mixed = _attend(weights, f"{name}.attn_{half}", normed, heads)
        x = x + (mixed.swapaxes(1, 2) if half == "t" else mixed)
        normed = _standardise(weights, f"{name}.norm2_{half}", x)
        hidden = _gelu(_project(weights, f"{name}.mlp_{half}.fc1", normed))
        x = x + _project(weights, f"{name}.mlp_{half}.fc2", hidden)
    return x


def _attend(weights, name, x, heads):
    """Attention along the last axis but one."""
    *lead, tokens, width = x.shape
    qkv = _project(weights, f"{name}.qkv", x).reshape(*lead, tokens, 3, heads, width // heads)
    query, key, value = (qkv[..., i, :, :] for i in range(3))
    einsum = _library(x).einsum
    share = _softmax(einsum("...nhc,...mhc->...hnm", query, key) / (width // heads) ** 0.5)
    mixed = einsum("...hnm,...mhc->...nhc", share, value).reshape(*lead, tokens, width)
    return _project(weights, f"{name}.proj", mixed)


def _project(weights, name, x):
    return x @ weights[f"{name}.weight"].swapaxes(0, 1) + weights[f"{name}.bias"]


def _standardise(weights, name, x):
    x = x - x.mean(-1)[..., None]
    x = x / ((x * x).mean(-1)[..., None] + 1e-6) ** 0.5
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _softmax(x):
    powers = _library(x).exp(x)
    return powers / powers.sum(-1)[..., None]


def _gelu(x):
    erf = torch.erf if isinstance(x, torch.Tensor) else special.erf
    return x * (1 + erf(x / 2**0.5)) / 2


# --- losses ---------------------------------------------------------------------------------------
def _measure_length(vectors):
    return (vectors * vectors).sum(-1) ** 0.5


def _average_distance(pred, gt):
    return _measure_length(pred - gt).mean()


def _average_scaled_distance(pred, gt):
    """After one scale per frame, the best in the sense of least squares."""
    scale = (pred * gt).sum((-1, -2)) / (pred * pred).sum((-1, -2))
    return _average_distance(scale[..., None, None] * pred, gt)


def _difference(values):
    return values[:, 1:] - values[:, :-1]


def _find_bones(poses):
    return poses[..., 1:, :] - poses[..., PARENTS, :]


def _measure_angles(poses):
    """Angles between bones (B, T, 18), rad."""
    bones = _find_bones(poses)
    first, second = (bones[..., np.array(b) - 1, :] for b in (FIRST_BONES, SECOND_BONES))
    cosine = (first * second).sum(-1) / _measure_length(first) / _measure_length(second)
    return _library(poses).arccos(_library(poses).clip(cosine, -1 + 1e-7, 1 - 1e-7))


def _average_length_variance(pred, _):
    """Unbiased variance of each bone's length over time."""
    lengths = _measure_length(_find_bones(pred))
    deviation = lengths - lengths.mean(1)[:, None]
    return ((deviation**2).sum(1) / (lengths.shape[1] - 1)).mean()


def _average_misorder(depth, true_depth):
    """How far pairs along the last axis stand in the wrong order, over all pairs."""
    excess = depth[..., :, None] - depth[..., None, :]
    nearer = true_depth[..., :, None] < true_depth[..., None, :]
    return (excess * ((excess > 0) & nearer)).mean()


LOSSES = {
    "loss_mpjpe": _average_distance,
    "n_mpjpe": _average_scaled_distance,
    "loss_velocity": lambda pred, gt: _average_distance(_difference(pred), _difference(gt)),
    "loss_limb_gt": lambda pred, gt: abs(
        _measure_length(_find_bones(pred)) - _measure_length(_find_bones(gt))
    ).mean(),
    "loss_limb_var": _average_length_variance,
    "loss_angle": lambda pred, gt: abs(_measure_angles(pred) - _measure_angles(gt)).mean(),
    "loss_angle_velocity": lambda pred, gt: abs(
        _difference(_measure_angles(pred)) - _difference(_measure_angles(gt))
    ).mean(),
    "loss_joint": lambda pred, gt: abs(pred - gt).mean(),
    "loss_spatial_rank": lambda pred, gt: _average_misorder(pred[..., 2], gt[..., 2]),
    "loss_temporal_rank": lambda pred, gt: _average_misorder(
        pred[..., 2].swapaxes(1, 2), gt[..., 2].swapaxes(1, 2)
    ),
}
"""Published name → loss of (pred, gt)."""

WEIGHTED_LOSSES = {
    "loss_2d_weighted": (
        "conf",
        lambda pred, gt, conf: _measure_length((pred - gt)[..., :2] * conf).mean(),
    ),
    "weighted_mpjpe": ("w", lambda pred, gt, w: (w * _measure_length(pred - gt)).mean()),
}
"""Published name → name of its weights, and loss of (pred, gt, weights)."""


def differentiate(loss, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """Gradient of ``loss(pred, gt)`` in ``pred``, by autograd of the plain formula."""
    variable = torch.tensor(pred, requires_grad=True)
    loss(variable, torch.tensor(gt)).backward()
    return variable.grad.numpy()


# --- errors of the frames of one clip, (T, 17, 3) -------------------------------------------------
def _measure_frames(pred, gt, vis=None):
    return _measure_length(pred - gt).mean(-1)


def _measure_aligned_frames(pred, gt, vis=None):
    return np.array([_measure_length(_align(p, g) - g).mean() for p, g in zip(pred, gt)])


def _align(points, target):
    """The similarity of ``points`` (N, 3) nearest to ``target``, its rotation by Horn's
    quaternion (Horn, 1987)."""
    centre, goal = points.mean(0), target.mean(0)
    points, target = points - centre, target - goal
    s = points.T @ target
    skew = np.array([s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]])
    horn = np.zeros((4, 4))
    horn[0, 0], horn[0, 1:], horn[1:, 0] = np.trace(s), skew, skew
    horn[1:, 1:] = s + s.T - np.trace(s) * np.eye(3)
    w, *v = np.linalg.eigh(horn)[1][:, -1]
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    rotation = np.eye(3) + 2 * w * cross + 2 * cross @ cross
    turned = points @ rotation.T
    return turned * (turned * target).sum() / (points**2).sum() + goal


def _difference_twice(poses):
    return poses[2:] - 2 * poses[1:-1] + poses[:-2]


def _measure_acceleration_error(pred, gt):
    return _measure_frames(_difference_twice(pred), _difference_twice(gt))


FRAME_ERRORS = {
    "mpjpe_frames": _measure_frames,
    "p_mpjpe_frames": _measure_aligned_frames,
    "accel": lambda pred, gt, vis: _measure_length(_difference_twice(pred)).mean(-1),
    "error_accel": lambda pred, gt, vis: _measure_acceleration_error(pred, gt),
    "error_accel_vis": lambda pred, gt, vis: _measure_acceleration_error(pred, gt)[
        vis[:-2] & vis[1:-1] & vis[2:]
    ],
}
"""Published name → errors of (pred, gt, vis), a number a frame."""


# --- test-time training ---------------------------------------------------------------------------
TTT_COLUMNS = ("total", "position", "scale", "velocity", "limb_variance")
_TTT_TERMS = {"loss_mpjpe": 1.0, "n_mpjpe": 0.5, "loss_velocity": 20.0, "loss_limb_var": 200.0}


def measure_ttt_loss(pred, target):
    """STRIDE's loss and its terms, each without its weight, in the order of ``TTT_COLUMNS``."""
    terms = [LOSSES[name](pred, target) for name in _TTT_TERMS]
    return sum(weight * term for weight, term in zip(_TTT_TERMS.values(), terms)), *terms


def adapt(weights: Mapping, clip: np.ndarray, epochs: int, heads: int):
    """Test-time training without mirroring, windows (W, T, 17, 3) in order, one a step.

    Returns:
        The loss and its terms before each step (epochs, W, 5), and the refined windows: mean of
        the plain and the mirrored pass, root at 0.
    """
    weights = {name: torch.tensor(w).requires_grad_() for name, w in weights.items()}
    windows, history = torch.tensor(clip), []
    optimizer = torch.optim.AdamW(weights.values(), lr=2e-4, weight_decay=0.01)
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = 2e-4 * 0.99**epoch
        for window in windows.split(1):
            pred, _ = run_dstformer(weights, window, heads)
            losses = measure_ttt_loss(pred, window - window[:, :, :1])
            optimizer.zero_grad()
            losses[0].backward()
            optimizer.step()
            history.append([float(loss.detach()) for loss in losses])
    adapted = {name: w.detach().numpy() for name, w in weights.items()}
    plain, _ = run_dstformer(adapted, clip, heads)
    mirrored, _ = run_dstformer(adapted, mirror(clip), heads)
    refined = (plain + mirror(mirrored)) / 2
    refined[:, :, 0] = 0
    return np.reshape(history, (epochs, len(clip), -1)), refined


# --- Human3.6M, MotionBERT's file -----------------------------------------------------------------
_SIZES = {  # width and height of a camera's images, px
    "54138969": (1000, 1002),
    "60457274": (1000, 1002),
    "55011271": (1000, 1000),
    "58860488": (1000, 1000),
}
_BLOCKED = ("s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01")


def cut_clips(source: Sequence[str], length: int, stride: int) -> np.ndarray:
    """Frames of the clips (clips, length); none crosses from one source to the next."""
    clips = []
    for first in range(len(source) - length + 1):
        begin = source.index(source[first])
        if source[first + length - 1] == source[first] and (first - begin) % stride == 0:
            clips.append(range(first, first + length))
    return np.array(clips)


def _sizes_of(fields, frames):
    """Width and height of the images of these frames, (…, 1) each."""
    sizes = np.array([_SIZES[fields["camera_name"][frame]] for frame in frames.flat], float)
    return np.moveaxis(sizes.reshape(*frames.shape, 2), -1, 0)[..., None]


def normalise_inputs(fields: Mapping, frames: np.ndarray) -> np.ndarray:
    """x / w · 2 − 1, y / w · 2 − h / w and confidence."""
    width, height = _sizes_of(fields, frames)
    x, y = np.moveaxis(fields["joint_2d"][frames], -1, 0)
    confidence = fields["confidence"][frames]
    return np.stack([x / width * 2 - 1, y / width * 2 - height / width, confidence], -1)


def normalise_labels(fields: Mapping, frames: np.ndarray) -> np.ndarray:
    """x and y as those of the inputs, z · 2 / w."""
    width, height = _sizes_of(fields, frames)
    x, y, z = np.moveaxis(fields["joint3d_image"][frames].astype(float), -1, 0)
    return np.stack([x / width * 2 - 1, y / width * 2 - height / width, z / width * 2], -1)


def _to_millimetres(fields, frames, poses):
    width, height = _sizes_of(fields, frames)
    x, y, z = np.moveaxis(poses, -1, 0)
    image = [(x + 1) * width / 2, (y + height / width) * width / 2, z * width / 2]
    return np.stack(image, -1) * fields["2.5d_factor"][frames][..., None, None]


def score_human36m(fields: Mapping, clips: np.ndarray, predictions: np.ndarray):
    """MPJPE and P-MPJPE in mm, root-relative: mean over the clips that hold a frame, over the
    frames of an action, over actions."""
    by_frame = {}
    for frames, prediction in zip(clips, predictions.astype(float)):
        pred = _to_millimetres(fields, frames, prediction)
        pred, truth = (p - p[:, :1] for p in (pred, fields["joints_2.5d_image"][frames]))
        for frame, *errors in zip(
            frames, _measure_frames(pred, truth), _measure_aligned_frames(pred, truth)
        ):
            if not fields["source"][frame].startswith(_BLOCKED):
                by_frame.setdefault(frame, []).append(errors)
    by_action = {}
    for frame, errors in by_frame.items():
        by_action.setdefault(fields["action"][frame], []).append(np.mean(errors, 0))
    return np.mean([np.mean(errors, 0) for errors in by_action.values()], 0)
