"""Errors of a sequence: float64 metrics with their units, split by what was hidden.

Two groups. *As published* (``mpjpe``, ``p_mpjpe``, ``scaled_mpjpe``, ``accel``, ``error_accel``):
the numbers of MotionBERT and STRIDE, a value a frame, in the unit and the axes of the input. *With
a unit at the end of the name*, and `evaluate_poses`, which returns them together: metres in; every
pose relative to its own pelvis (joint 0), which counts with its error of zero; ``mask`` says which
joints and frames count.

Visible means: not hidden by the occlusion, whatever the detector or estimator made of it. A NaN
that would be scored is an ``InputError``, never a frame left out in silence, and so are two shapes
that differ.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

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
    "evaluate_poses",
    "joint_errors_mm",
    "mpjpe",
    "mpjpe_mm",
    "p_mpjpe",
    "pa_mpjpe_mm",
    "scaled_mpjpe",
]

JointArray = Float[np.ndarray, "*batch J 3"]
PerFrame = Float[np.ndarray, "*batch"]
Clip = Float[np.ndarray, "T J 3"]
Mask = Bool[np.ndarray, "T J"]

UNITS = {
    "mpjpe": "mm",
    "mpjpe_hidden": "mm",
    "mpjpe_visible": "mm",
    "pa_mpjpe": "mm",
    "bone_std": "mm",
    "accel_error": "m/s^2",
}
"""The unit of every key of ``evaluate_poses``."""
TITLES = {
    "mpjpe_hidden": "hidden",
    "mpjpe_visible": "visible",
    "pa_mpjpe": "PA",
    "accel_error": "acceleration",
}
"""Short column headings."""


def mpjpe(pred: JointArray, gt: JointArray) -> PerFrame:
    """Mean per-joint position error of each frame."""
    pred, gt = _check_arrays("mpjpe", pred, gt)
    return np.linalg.norm(pred - gt, axis=-1).mean(-1)


def p_mpjpe(pred: JointArray, gt: JointArray) -> PerFrame:
    """MPJPE after the best similarity transform of each frame ("protocol 2", PA-MPJPE)."""
    pred, gt = _check_arrays("p_mpjpe", pred, gt)
    return mpjpe(procrustes(pred, gt), gt)


def scaled_mpjpe(pred: JointArray, gt: JointArray) -> PerFrame:
    """MPJPE after the best scale of each frame, ⟨p, g⟩/⟨p, p⟩ (Rhodin et al., 2018; published as
    ``n_mpjpe``)."""
    pred, gt = _check_arrays("scaled_mpjpe", pred, gt)
    dot, size = (pred * gt).sum((-2, -1)), (pred**2).sum((-2, -1))
    scale = np.divide(dot, size, out=np.zeros_like(size), where=size != 0)
    return mpjpe(scale[..., None, None] * pred, gt)


def accel(joints: Clip) -> Float[np.ndarray, " N"]:
    """Mean norm of the joints' second difference, unit of the input per frame²."""
    (joints,) = _check_arrays("accel", joints)
    return _average_acceleration(joints)


def error_accel(
    pred: Clip, gt: Clip, vis: Bool[np.ndarray, " T"] | None = None
) -> Float[np.ndarray, " N"]:
    """``accel`` of the difference of two sequences, unit of the input per frame².

    With ``vis``, only the entries whose three frames are all visible are returned.
    """
    pred, gt = _check_arrays("error_accel", pred, gt, finite=False)
    error = _average_acceleration(pred - gt)
    if vis is not None:
        error = error[_all_of_three(np.asarray(vis, bool))]
    return _refuse_nan("error_accel", error, "frames")


def _average_acceleration(joints: Clip) -> Float[np.ndarray, " N"]:
    return np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1).mean(-1)


def joint_errors_mm(pred: JointArray, truth: JointArray) -> Float[np.ndarray, "*batch J"]:
    """Position error of every joint in every frame, mm, of poses in metres. NaN where either is."""
    return _measure_errors_mm("joint_errors_mm", pred, truth)


def mpjpe_mm(pred: Clip, truth: Clip, mask: Mask | None = None) -> float:
    """Mean per-joint position error over the joints and frames of ``mask``, mm."""
    return _average_over_mask("mpjpe_mm", _measure_errors_mm("mpjpe_mm", pred, truth), mask)


def pa_mpjpe_mm(pred: Clip, truth: Clip, mask: Mask | None = None) -> float:
    """The same after the best similarity transform of each whole frame (Procrustes), mm."""
    pred, truth = _check_arrays("pa_mpjpe_mm", pred, truth, filled=True)
    errors_mm = 1000 * np.linalg.norm(procrustes(pred, truth) - truth, axis=-1)
    return _average_over_mask("pa_mpjpe_mm", errors_mm, mask)


def accel_error_mm_frame2(pred: Clip, truth: Clip, mask: Mask | None = None) -> float:
    """Mean over joints and frames of the norm of the difference of second differences, mm/frame².

    ``mask``: a second difference counts where its three frames all do. At least three frames.
    """
    where = "accel_error_mm_frame2"
    error = _subtract_relative(where, pred, truth)
    if len(error) < 3:
        raise InputError(where, "pred", "three frames or more", len(error))
    errors = 1000 * np.linalg.norm(np.diff(error, n=2, axis=0), axis=-1)
    return _average_over_mask(where, errors, None if mask is None else _all_of_three(mask))


def accel_error_mps2(pred: Clip, truth: Clip, fps: float, mask: Mask | None = None) -> float:
    """The same as an acceleration, m/s²: times fps²."""
    return accel_error_mm_frame2(pred, truth, mask) / 1000 * fps**2


def bone_std_mm(pred: Clip, skeleton: Skeleton = H36M17) -> float:
    """Standard deviation of each bone's length over time, mean over bones, mm. 0 for a body that
    does not stretch."""
    (pred,) = _check_arrays("bone_std_mm", pred, filled=True)
    return float(1000 * bone_lengths(pred, skeleton).std(0).mean())


def evaluate_poses(
    pred: Float[np.ndarray, "T 17 3"],
    truth: Float[np.ndarray, "T 17 3"],
    visible: Bool[np.ndarray, "T 17"],
    fps: float,
) -> dict[str, float]:
    """Every metric of the results tables for one sequence, in the units of ``UNITS``.

    Args:
        pred, truth: metres, in the same axes, finite.
        visible: the regime's mask before noise.
        fps: frames per second.

    Returns:
        mpjpe, mpjpe_hidden, mpjpe_visible, pa_mpjpe, bone_std, accel_error. A mean over nothing is
        absent: mpjpe_hidden where nothing is hidden, mpjpe_visible where everything is, accel_error
        below three frames.

    Raises:
        InputError: shapes that differ, a NaN.
    """
    pred, truth = _check_arrays("evaluate_poses", pred, truth, filled=True)
    visible = np.asarray(visible)
    if visible.dtype != bool or visible.shape != pred.shape[:-1]:
        expected, found = f"bool of shape {pred.shape[:-1]}", f"{visible.dtype} {visible.shape}"
        raise InputError("evaluate_poses", "visible", expected, found)
    scores = {"mpjpe": mpjpe_mm(pred, truth)}
    if not visible.all():
        scores["mpjpe_hidden"] = mpjpe_mm(pred, truth, ~visible)
    if visible.any():
        scores["mpjpe_visible"] = mpjpe_mm(pred, truth, visible)
    scores["pa_mpjpe"], scores["bone_std"] = pa_mpjpe_mm(pred, truth), bone_std_mm(pred)
    if len(pred) > 2:
        scores["accel_error"] = accel_error_mps2(pred, truth, fps)
    return scores


def depth_order_accuracy_spatial(
    pred: Float[np.ndarray, "T J"],
    truth: Float[np.ndarray, "T J"],
    visible: Mask | None = None,
) -> dict[str, float]:
    """Share of joint pairs of a frame whose order in depth is right.

    Pairs that are equally deep in truth have no order and do not count; an order is wrong where
    ``pred`` ties.

    Args:
        pred, truth: camera depth in any unit.

    Returns:
        ``all``, and with ``visible`` also ``visible`` (both of the pair are) and ``hidden`` (either
        is), shares in [0, 1]; absent where there is no such pair.
    """
    return _score_pairs("depth_order_accuracy_spatial", pred, truth, visible, time_last=False)


def depth_order_accuracy_temporal(
    pred: Float[np.ndarray, "T J"],
    truth: Float[np.ndarray, "T J"],
    visible: Mask | None = None,
) -> dict[str, float]:
    """Share of frame pairs of a joint whose order in depth is right; otherwise as
    ``depth_order_accuracy_spatial``."""
    return _score_pairs("depth_order_accuracy_temporal", pred, truth, visible, time_last=True)


def _score_pairs(where: str, pred, truth, visible, time_last: bool) -> dict[str, float]:
    pred, truth = _check_arrays(where, pred, truth, filled=True)
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


def _measure_errors_mm(
    where: str, pred: JointArray, truth: JointArray
) -> Float[np.ndarray, "*batch J"]:
    return 1000 * np.linalg.norm(_subtract_relative(where, pred, truth), axis=-1)


def _subtract_relative(where: str, pred: JointArray, truth: JointArray) -> JointArray:
    """The error of each joint, both poses relative to their own pelvis."""
    arrays = _check_arrays(where, pred, truth, finite=False)
    pred, truth = (joints - joints[..., :1, :] for joints in arrays)
    return pred - truth


def _all_of_three(mask: np.ndarray) -> np.ndarray:
    return mask[:-2] & mask[1:-1] & mask[2:]


def _check_arrays(
    where: str, *arrays: npt.ArrayLike, finite: bool = True, filled: bool = False
) -> list[np.ndarray]:
    """``pred`` (and ``truth``) in float64: of one shape, finite, and, if ``filled``, not empty."""
    checked = [np.asarray(x, np.float64) for x in arrays]
    shape = checked[0].shape
    if checked[-1].shape != shape:
        raise InputError(where, "truth", f"shape {shape}", checked[-1].shape)
    for field, x in zip(("pred", "truth"), checked):
        if finite and (wrong := np.count_nonzero(~np.isfinite(x))):
            raise InputError(where, field, "finite numbers", f"{wrong} that are not")
    if filled and not checked[0].size:
        raise InputError(where, "pred", "at least one frame", f"shape {shape}")
    return checked


def _average_over_mask(where: str, errors: np.ndarray, mask: np.ndarray | None) -> float:
    scored = errors.ravel() if mask is None else errors[np.asarray(mask, bool)]
    if not scored.size:
        raise InputError(where, "mask", "something to score", "nothing")
    return float(_refuse_nan(where, scored, "joints").mean())


def _refuse_nan(where: str, errors: np.ndarray, what: str) -> np.ndarray:
    if wrong := np.count_nonzero(~np.isfinite(errors)):
        found = f"{wrong} of {errors.size} {what} that are not"
        raise InputError(where, "pred", "finite where scored", found)
    return errors
