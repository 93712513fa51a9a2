"""How published benchmarks score: 14 joints regressed from meshes, in camera axes, frame by frame.

The 14 are LSP's: ankles, knees, hips, wrists, elbows, shoulders, neck and crown, regressed from the
vertices of the ground truth by the Human3.6M regressor that HMR and SPIN brought into use (the
user's: it is not ours to ship). As in VIBE (Kocabas et al., 2020): both are centred between their
hips for MPJPE, aligned by a similarity for PA-MPJPE, and the acceleration error is the mean norm of
the difference of second differences, per frame².
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from stride_nb.datasets import ocmotion, threedpw
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import error_accel, mpjpe, p_mpjpe
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17
from stride_nb.smpl.body_model import Body

__all__ = ["LSP14", "UNITS", "evaluate_3dpw", "evaluate_lsp14", "evaluate_ocmotion"]

LSP14 = (
    "rankle",
    "rknee",
    "rhip",
    "lhip",
    "lknee",
    "lankle",
    "rwrist",
    "relbow",
    "rshoulder",
    "lshoulder",
    "lelbow",
    "lwrist",
    "thorax",
    "head",
)
"""The 14 joints, by their Human3.6M names (``thorax`` is LSP's neck, ``head`` its top of the
head)."""

UNITS = {"mpjpe": "mm", "pa_mpjpe": "mm", "accel_error": "mm/frame^2", "frames": ""}


def evaluate_lsp14(
    predictions: dict[str, PoseSequence | np.ndarray], truth: Iterable[PoseSequence]
) -> dict[str, float]:
    """Mean errors over all frames of all sequences that have a ground truth.

    Args:
        predictions: name → 17 joints (T, 17, 3), metres, in the same axes and frames as the truth
            of that name.
        truth: what to score against; frames that lack any of the 14 joints do not count.

    Returns:
        ``mpjpe`` and ``pa_mpjpe`` in mm, ``accel_error`` in mm/frame² (NaN where no three frames in
        a row count), ``frames`` that counted.

    Raises:
        InputError: a sequence without a prediction, of another length, or with a joint missing
            where it counts.
    """
    scores = [_score(predictions, sequence) for sequence in truth]
    frames = sum(len(s["mpjpe"]) for s in scores)
    if not frames:
        raise InputError("protocol", "truth", "at least one frame with all joints", "none")
    joined = {key: np.concatenate([s[key] for s in scores]) for key in scores[0]}
    return {key: float(v.mean()) if len(v) else float("nan") for key, v in joined.items()} | {
        "frames": frames
    }


def evaluate_3dpw(
    predictions: dict[str, PoseSequence | np.ndarray],
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    regressor: str | os.PathLike | np.ndarray | None = None,
) -> dict[str, float]:
    """The published protocol: 14 joints regressed from the ground-truth mesh, frames with an
    aligned camera.

    Args:
        predictions: name of a sequence as `load` gives it (``<sequence>_<person>``) → 17 joints (T,
            17, 3) in camera axes, metres, one a frame of the video. Every person of the split must
            be there.
        body, regressor: as for `load`; without a body of their own, the user's SMPL models and H36M
            regressor.

    Returns:
        as `evaluate_lsp14`: ``mpjpe`` and ``pa_mpjpe`` in mm, ``accel_error`` in mm/frame²,
            ``frames``.
    """
    _need_regressor("3dpw", body, regressor)
    return evaluate_lsp14(
        predictions, threedpw.load(split, folder, body or "smpl", "camera", regressor)
    )


def evaluate_ocmotion(
    predictions: dict[str, PoseSequence | np.ndarray],
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    regressor: str | os.PathLike | np.ndarray | None = None,
    fps: float = 10,
) -> dict[str, float]:
    """The published protocol: 14 joints regressed from the ground-truth mesh, all annotated frames.

    Args:
        predictions: name of a sequence as `load` gives it → 17 joints (T, 17, 3) in camera axes,
            metres.
        body, regressor: as for `load`.

    Returns:
        as `evaluate_lsp14`.
    """
    _need_regressor("ocmotion", body, regressor)
    return evaluate_lsp14(predictions, ocmotion.load(split, folder, body, "camera", regressor, fps))


def _score(predictions: dict, truth: PoseSequence) -> dict[str, np.ndarray]:
    """Per-frame errors of one sequence, mm and mm/frame²."""
    if truth.name not in predictions:
        given = ", ".join(list(predictions)[:5]) or "none"
        raise InputError("predictions", truth.name, "a prediction of that name", given)
    found = predictions[truth.name]
    found = found.joints if isinstance(found, PoseSequence) else np.asarray(found, np.float64)
    if found.shape != truth.joints.shape:
        raise InputError(truth.name, "prediction", f"shape {truth.joints.shape}", found.shape)
    joints = H36M17.index(*LSP14)
    gt, pred = 1e3 * truth.joints[:, joints], 1e3 * found[:, joints]
    counts = np.isfinite(gt).all((1, 2))
    if not np.isfinite(pred[counts]).all():
        raise InputError(
            truth.name, "prediction", "all joints in every frame that counts", "missing ones"
        )
    gt, pred = (
        np.nan_to_num(x) - (np.nan_to_num(x)[:, 2:3] + np.nan_to_num(x)[:, 3:4]) / 2
        for x in (gt, pred)
    )
    accel = error_accel(pred, gt, counts) if len(gt) > 2 else np.zeros(0)
    return {
        "mpjpe": mpjpe(pred, gt)[counts],
        "pa_mpjpe": p_mpjpe(pred[counts], gt[counts]),
        "accel_error": accel,
    }


def _need_regressor(benchmark: str, body, regressor) -> None:
    """InputError where the 14 joints could only be guessed."""
    own = getattr(body, "regressor", None) is not None or str(body) == "standin"
    if regressor is None and not own:
        expected = (
            "the (17, V) array of Human3.6M's joints from SMPL's vertices, such as the J_regressor_h36m.npy that "
            "SPIN's authors distribute: the published figures are on its joints"
        )
        raise InputError(benchmark, "regressor", expected, "none")
