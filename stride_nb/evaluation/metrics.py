"""How wrong a sequence is: float64 metrics with their units, split by what was hidden.

Two families. *As published* (``mpjpe``, ``p_mpjpe``, ``n_mpjpe``, ``accel``, ``error_accel``): the
numbers of MotionBERT and STRIDE, a value a frame, in the unit and the axes of the input. *Ours* (a
unit at the end of every name, and ``evaluate``, which returns them together): metres in; every pose
relative to its own pelvis (joint 0), which stays in the mean with its error of zero; ``mask`` (T,
J) bool says which joints and frames count.

Visible means: not hidden by the occlusion, whatever the detector or estimator made of it. In both
families a NaN that would be scored is an ``InputError``, never a frame left out in silence, and so
are two shapes that differ.
"""

from __future__ import annotations

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.geometry import bone_lengths, procrustes
from stride_nb.poses.skeleton import H36M17, Skeleton

__all__ = [
    "TITLES",
    "UNITS",
    "accel",
    "accel_error_mm_frame2",
    "accel_error_mps2",
    "bone_std_mm",
    "depth_order_accuracy_spatial",
    "depth_order_accuracy_temporal",
    "error_accel",
    "evaluate",
    "joint_errors_mm",
    "mpjpe",
    "mpjpe_mm",
    "n_mpjpe",
    "p_mpjpe",
    "pa_mpjpe_mm",
]

UNITS = {
    "mpjpe": "mm",
    "mpjpe_hidden": "mm",
    "mpjpe_visible": "mm",
    "pa_mpjpe": "mm",
    "bone_std": "mm",
    "accel_error": "m/s^2",
}
"""The unit of every key of ``evaluate``."""
TITLES = {
    "mpjpe_hidden": "hidden",
    "mpjpe_visible": "visible",
    "pa_mpjpe": "PA",
    "accel_error": "acceleration",
}
"""What tables call those that they set side by side."""


# As published: a value a frame, in the unit of the input.


def mpjpe(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """Mean per-joint position error: (…, J, 3) twice → (…)."""
    pred, gt = _finite("mpjpe", pred, gt)
    return np.linalg.norm(pred - gt, axis=-1).mean(-1)


def p_mpjpe(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """MPJPE after the best similarity transform of each frame ("protocol 2", PA-MPJPE): (…, J, 3)
    twice → (…)."""
    pred, gt = _finite("p_mpjpe", pred, gt)
    return mpjpe(procrustes(pred, gt), gt)


def n_mpjpe(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """MPJPE after the best scale of each frame, ⟨p, g⟩/⟨p, p⟩ (Rhodin et al., 2018): (…, J, 3)
    twice → (…)."""
    pred, gt = _finite("n_mpjpe", pred, gt)
    dot, size = (pred * gt).sum((-2, -1)), (pred**2).sum((-2, -1))
    scale = np.divide(dot, size, out=np.zeros_like(size), where=size != 0)
    return mpjpe(scale[..., None, None] * pred, gt)


def accel(joints: np.ndarray) -> np.ndarray:
    """Mean norm of the joints' second difference: (T, J, 3) → (T − 2,), unit of the input per
    frame²."""
    (joints,) = _finite("accel", joints)
    return _accel(joints)


def error_accel(pred: np.ndarray, gt: np.ndarray, vis: np.ndarray | None = None) -> np.ndarray:
    """``accel`` of the difference of two sequences: (T, J, 3) twice → (T − 2,), unit of the input
    per frame².

    With ``vis`` (T,) bool, only the entries whose three frames are all visible are returned.
    """
    pred, gt = _alike("error_accel", pred, gt)
    error = _accel(pred - gt)
    if vis is not None:
        vis = np.asarray(vis, bool)
        error = error[vis[:-2] & vis[1:-1] & vis[2:]]
    return _scored("error_accel", error, "frames")


def _accel(joints: np.ndarray) -> np.ndarray:
    """``accel`` of what is not checked."""
    return np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1).mean(-1)


# Ours: metres in, units in the names, every pose relative to its own pelvis.


def joint_errors_mm(pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Position error of every joint in every frame, mm: (…, J, 3) metres twice → (…, J). NaN where
    either is."""
    return _errors_mm("joint_errors_mm", pred, truth)


def _errors_mm(where: str, pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return 1000 * np.linalg.norm(_difference(where, pred, truth), axis=-1)


def mpjpe_mm(pred: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean per-joint position error over the joints and frames of ``mask``, mm."""
    return _mean("mpjpe_mm", _errors_mm("mpjpe_mm", pred, truth), mask)


def pa_mpjpe_mm(pred: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """The same after the best similarity transform of each whole frame (Procrustes), mm."""
    pred, truth = _whole("pa_mpjpe_mm", pred, truth)
    return _mean(
        "pa_mpjpe_mm", 1000 * np.linalg.norm(procrustes(pred, truth) - truth, axis=-1), mask
    )


def accel_error_mm_frame2(
    pred: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None
) -> float:
    """Mean over joints and frames of the norm of the difference of second differences, mm/frame².

    ``mask``: a second difference counts where its three frames all do. At least three frames.
    """
    difference = _difference("accel_error_mm_frame2", pred, truth)
    if len(difference) < 3:
        raise InputError("accel_error_mm_frame2", "pred", "three frames or more", len(difference))
    if mask is not None:
        mask = mask[:-2] & mask[1:-1] & mask[2:]
    return _mean(
        "accel_error_mm_frame2",
        1000 * np.linalg.norm(np.diff(difference, n=2, axis=0), axis=-1),
        mask,
    )


def accel_error_mps2(
    pred: np.ndarray, truth: np.ndarray, fps: float, mask: np.ndarray | None = None
) -> float:
    """The same as an acceleration, m/s²: times fps²."""
    return accel_error_mm_frame2(pred, truth, mask) / 1000 * fps**2


def bone_std_mm(pred: np.ndarray, skeleton: Skeleton = H36M17) -> float:
    """Standard deviation of each bone's length over time, mean over bones, mm. 0 for a body that
    does not stretch."""
    (pred,) = _whole("bone_std_mm", pred)
    return float(1000 * bone_lengths(pred, skeleton).std(0).mean())


def evaluate(
    pred: np.ndarray, truth: np.ndarray, visible: np.ndarray, fps: float
) -> dict[str, float]:
    """Every metric of the results tables for one sequence, in the units of ``UNITS``.

    Args:
        pred, truth: (T, 17, 3) metres, in the same axes, finite.
        visible: (T, 17) bool, the regime's mask before noise.
        fps: frames per second.

    Returns:
        mpjpe, mpjpe_hidden, mpjpe_visible, pa_mpjpe, bone_std, accel_error. A mean over nothing is
        absent: mpjpe_hidden where nothing is hidden, mpjpe_visible where everything is, accel_error
        below three frames.

    Raises:
        InputError: shapes that differ, a NaN.
    """
    pred, truth = _whole("evaluate", pred, truth)
    visible = np.asarray(visible)
    if visible.dtype != bool or visible.shape != pred.shape[:-1]:
        raise InputError(
            "evaluate",
            "visible",
            f"bool of shape {pred.shape[:-1]}",
            f"{visible.dtype} {visible.shape}",
        )
    found = {"mpjpe": mpjpe_mm(pred, truth)}
    if not visible.all():
        found["mpjpe_hidden"] = mpjpe_mm(pred, truth, ~visible)
    if visible.any():
        found["mpjpe_visible"] = mpjpe_mm(pred, truth, visible)
    found["pa_mpjpe"], found["bone_std"] = pa_mpjpe_mm(pred, truth), bone_std_mm(pred)
    if len(pred) > 2:
        found["accel_error"] = accel_error_mps2(pred, truth, fps)
    return found


# Order in depth.


def depth_order_accuracy_spatial(
    pred: np.ndarray, truth: np.ndarray, visible: np.ndarray | None = None
) -> dict:
    """Share of joint pairs of a frame whose order in depth is right.

    Pairs that are equally deep in truth have no order and do not count; an order is wrong where
    ``pred`` ties.

    Args:
        pred, truth: (T, J) camera depth in any unit.
        visible: (T, J) bool.

    Returns:
        ``all``, and with ``visible`` also ``visible`` (both of the pair are) and ``hidden`` (either
        is), shares in [0, 1]; absent where there is no such pair.
    """
    return _order_shares("depth_order_accuracy_spatial", pred, truth, visible, time_last=False)


def depth_order_accuracy_temporal(
    pred: np.ndarray, truth: np.ndarray, visible: np.ndarray | None = None
) -> dict:
    """Share of frame pairs of a joint whose order in depth is right; otherwise as
    ``depth_order_accuracy_spatial``."""
    return _order_shares("depth_order_accuracy_temporal", pred, truth, visible, time_last=True)


def _order_shares(where: str, pred, truth, visible, time_last: bool) -> dict[str, float]:
    pred, truth = _whole(where, pred, truth)
    hidden = np.zeros(pred.shape, bool) if visible is None else ~np.asarray(visible, bool)
    if time_last:
        pred, truth, hidden = pred.T, truth.T, hidden.T
    right, total = np.zeros(2, np.int64), np.zeros(2, np.int64)  # of visible pairs, of hidden pairs
    # one element against all later ones: memory grows with T, not with T²
    for i in range(pred.shape[1] - 1):
        order = np.sign(truth[:, i, None] - truth[:, i + 1 :])
        same = order == np.sign(pred[:, i, None] - pred[:, i + 1 :])
        either = hidden[:, i, None] | hidden[:, i + 1 :]
        for k, pairs in enumerate(((order != 0) & ~either, (order != 0) & either)):
            right[k] += np.count_nonzero(same & pairs)
            total[k] += np.count_nonzero(pairs)
    counts = {"all": (right.sum(), total.sum())}
    if visible is not None:
        counts |= {"visible": (right[0], total[0]), "hidden": (right[1], total[1])}
    return {name: float(r / n) for name, (r, n) in counts.items() if n}


# How sure.


# What the rest stands on.


def _difference(where: str, pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(…, J, 3) twice → how far each joint of ``pred`` is from that of ``truth``, both relative to
    their own pelvis."""
    pred, truth = (joints - joints[..., :1, :] for joints in _alike(where, pred, truth))
    return pred - truth


def _alike(where: str, pred: np.ndarray, *truth: np.ndarray) -> list[np.ndarray]:
    """The arrays in float64, checked: one shape."""
    arrays = [np.asarray(x, np.float64) for x in (pred, *truth)]
    if arrays[-1].shape != arrays[0].shape:
        raise InputError(where, "truth", f"shape {arrays[0].shape}", arrays[-1].shape)
    return arrays


def _finite(where: str, pred: np.ndarray, *truth: np.ndarray) -> list[np.ndarray]:
    """Likewise: one shape, all finite."""
    arrays = _alike(where, pred, *truth)
    for field, x in zip(("pred", "truth"), arrays):
        if not np.isfinite(x).all():
            raise InputError(
                where, field, "finite numbers", f"{np.count_nonzero(~np.isfinite(x))} that are not"
            )
    return arrays


def _whole(where: str, pred: np.ndarray, *truth: np.ndarray) -> list[np.ndarray]:
    """Likewise: one shape, all finite, not empty."""
    arrays = _finite(where, pred, *truth)
    if not arrays[0].size:
        raise InputError(where, "pred", "at least one frame", f"shape {arrays[0].shape}")
    return arrays


def _mean(where: str, errors: np.ndarray, mask: np.ndarray | None) -> float:
    scored = errors.ravel() if mask is None else errors[np.asarray(mask, bool)]
    if not scored.size:
        raise InputError(where, "mask", "something to score", "nothing")
    return float(_scored(where, scored, "joints").mean())


def _scored(where: str, errors: np.ndarray, of: str) -> np.ndarray:
    """The errors, all of them finite."""
    if not np.isfinite(errors).all():
        wrong = np.count_nonzero(~np.isfinite(errors))
        raise InputError(
            where, "pred", "finite where scored", f"{wrong} of {errors.size} {of} that are not"
        )
    return errors
