"""How 3DPW and OCMotion are scored: 14 joints regressed from meshes, in camera axes, a frame at a
time.

The 14 are LSP's: ankles, knees, hips, wrists, elbows, shoulders, neck and crown, regressed from the
vertices of the ground truth by the Human3.6M regressor that HMR and SPIN brought into use (the
user's; it is not shipped). As in VIBE (Kocabas et al., 2020), both are centred between their hips
for MPJPE, aligned by a similarity for PA-MPJPE, and the acceleration error is the mean norm of the
difference of second differences, per frame².
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float

from stride_nb.datasets import ocmotion, threedpw
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import error_accel, mpjpe, p_mpjpe
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17
from stride_nb.smpl.body_model import Body

__all__ = ["LSP14", "LSP14_UNITS", "evaluate_3dpw", "evaluate_lsp14", "evaluate_ocmotion"]

LSP14 = (
    *("rankle", "rknee", "rhip", "lhip", "lknee", "lankle"),
    *("rwrist", "relbow", "rshoulder", "lshoulder", "lelbow", "lwrist"),
    *("thorax", "head"),
)
"""The 14 joints by their Human3.6M names; ``thorax`` is LSP's neck, ``head`` its top of the
head."""
LSP14_UNITS = {"mpjpe": "mm", "pa_mpjpe": "mm", "accel_error": "mm/frame^2", "frames": ""}
_LSP14_HIPS = [LSP14.index("rhip"), LSP14.index("lhip")]

Predictions = Mapping[str, PoseSequence | np.ndarray]


def evaluate_lsp14(predictions: Predictions, truth: Iterable[PoseSequence]) -> dict[str, float]:
    """Mean errors over all frames of all sequences that have a ground truth.

    Args:
        predictions: name → 17 joints (T, 17, 3), metres, in the same axes and frames as the truth
            of that name.
        truth: frames that lack any of the 14 joints do not count.

    Returns:
        ``mpjpe`` and ``pa_mpjpe`` in mm, ``accel_error`` in mm/frame² (NaN where no three frames in
        a row count), ``frames`` that counted.

    Raises:
        InputError: a sequence without a prediction, of another length, or with a joint missing
            where it counts.
    """
    scores = [_score_sequence(predictions, sequence) for sequence in truth]
    frames = sum(len(s["mpjpe"]) for s in scores)
    if not frames:
        raise InputError("protocol", "truth", "at least one frame with all joints", "none")
    joined = {key: np.concatenate([s[key] for s in scores]) for key in scores[0]}
    means = {key: float(v.mean()) if len(v) else float("nan") for key, v in joined.items()}
    return means | {"frames": frames}


def evaluate_3dpw(
    predictions: Predictions,
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    regressor: str | os.PathLike | np.ndarray | None = None,
) -> dict[str, float]:
    """`evaluate_lsp14` on 3DPW, over frames with an aligned camera.

    Args:
        predictions: name of a sequence as `threedpw.load` gives it (``<sequence>_<person>``) → 17
            joints (T, 17, 3) in camera axes, metres, one a frame of the video. Every person of the
            split must be there.
        body, regressor: as for `threedpw.load`; without a body of their own, the user's SMPL models
            and H36M regressor.
    """
    _check_regressor("3dpw", body, regressor)
    truth = threedpw.load(split, folder, body or "smpl", "camera", regressor)
    return evaluate_lsp14(predictions, truth)


def evaluate_ocmotion(
    predictions: Predictions,
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    regressor: str | os.PathLike | np.ndarray | None = None,
    fps: float = 10,
) -> dict[str, float]:
    """`evaluate_lsp14` on OCMotion, over all annotated frames.

    Args:
        predictions: name of a sequence as `ocmotion.load` gives it → 17 joints (T, 17, 3) in camera
            axes, metres.
        body, regressor: as for `ocmotion.load`.
    """
    _check_regressor("ocmotion", body, regressor)
    return evaluate_lsp14(predictions, ocmotion.load(split, folder, body, "camera", regressor, fps))


def _score_sequence(
    predictions: Predictions, truth: PoseSequence
) -> dict[str, Float[np.ndarray, " N"]]:
    """Per-frame errors of one sequence, mm and mm/frame²."""
    if truth.name not in predictions:
        names = ", ".join(list(predictions)[:5]) or "none"
        raise InputError("predictions", truth.name, "a prediction of that name", names)
    joints = predictions[truth.name]
    joints = joints.joints if isinstance(joints, PoseSequence) else np.asarray(joints, np.float64)
    if joints.shape != truth.joints.shape:
        raise InputError(truth.name, "prediction", f"shape {truth.joints.shape}", joints.shape)
    lsp14 = H36M17.index(*LSP14)
    gt, pred = 1e3 * truth.joints[:, lsp14], 1e3 * joints[:, lsp14]
    counts = np.asarray(np.isfinite(gt).all((1, 2)))
    if not np.isfinite(pred[counts]).all():
        expected = "all joints in every frame that counts"
        raise InputError(truth.name, "prediction", expected, "missing ones")
    gt, pred = (_centre_hips(np.nan_to_num(x)) for x in (gt, pred))
    return {
        "mpjpe": mpjpe(pred, gt)[counts],
        "pa_mpjpe": p_mpjpe(pred[counts], gt[counts]),
        "accel_error": error_accel(pred, gt, counts) if len(gt) > 2 else np.zeros(0),
    }


def _centre_hips(joints: Float[np.ndarray, "T 14 3"]) -> Float[np.ndarray, "T 14 3"]:
    right, left = _LSP14_HIPS
    return joints - (joints[:, right, None] + joints[:, left, None]) / 2


def _check_regressor(benchmark: str, body, regressor) -> None:
    """InputError unless the 14 joints can be regressed."""
    own = getattr(body, "regressor", None) is not None or str(body) == "standin"
    if regressor is None and not own:
        expected = "the (17, V) array of Human3.6M's joints from SMPL's vertices, such as the "
        expected += "J_regressor_h36m.npy that SPIN's authors distribute: the published figures "
        raise InputError(benchmark, "regressor", expected + "are on its joints", "none")
