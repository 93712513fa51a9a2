"""RePOSE's and MotionBERT's protocol on Human3.6M: errors in millimetres by action."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import nn

from stride_nb.datasets.h36m import H36MClips
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import mpjpe, p_mpjpe
from stride_nb.models.flip_averaging import average_with_flip

__all__ = ["BLOCK_LIST", "H36MScores", "evaluate_h36m", "is_blocked", "predict_clips"]

BLOCK_LIST = ("s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01")
"""Beginnings of the sources that the published protocol leaves out."""


class H36MScores(NamedTuple):
    """Errors in mm, each pose relative to its root; ``by_action`` has (mpjpe, p_mpjpe, frames)
    under every action."""

    mpjpe_mm: float
    p_mpjpe_mm: float
    by_action: dict[str, tuple[float, float, int]]


def is_blocked(source: str) -> bool:
    """Whether the protocol leaves this source out."""
    return source.startswith(BLOCK_LIST)


def evaluate_h36m(clips: H36MClips, predictions: Float[np.ndarray, "N T 17 3"]) -> H36MScores:
    """Mean over a frame's clips (overlaps), then over an action's frames, then over actions.

    Args:
        clips: of the test split; published: length 243, stride 243.
        predictions: in the normalised units of ``H36M.labels``; the root may be anywhere.

    Raises:
        InputError: a shape that does not fit the clips, NaN, or nothing left after the block list.
    """
    where, shape = "h36m protocol", (*clips.frames.shape, 17, 3)
    predictions = np.asarray(predictions)
    if predictions.shape != shape:
        raise InputError(where, "predictions", f"shape {shape}", predictions.shape)
    if not np.isfinite(predictions).all():
        raise InputError(where, "predictions", "finite numbers", "NaN or infinity")
    errors, count = _sum_frame_errors(clips, predictions)
    scored = np.flatnonzero(count)
    if not len(scored):
        raise InputError(where, "clips", "a source that is not on the block list", "none")
    errors, action = errors[:, scored] / count[scored], clips.data.action
    codes, names = action.codes[scored], action.names
    frames = np.bincount(codes, minlength=len(names))
    sums = [np.bincount(codes, error, len(names)) for error in errors]
    by_action = {
        names[a]: (float(sums[0][a] / frames[a]), float(sums[1][a] / frames[a]), int(frames[a]))
        for a in sorted(np.flatnonzero(frames), key=names.__getitem__)
    }
    means = np.mean([row[:2] for row in by_action.values()], axis=0)
    return H36MScores(float(means[0]), float(means[1]), by_action)


def _sum_frame_errors(
    clips: H36MClips, predictions: Float[np.ndarray, "N T 17 3"]
) -> tuple[Float[np.ndarray, "2 F"], Int[np.ndarray, " F"]]:
    """Sums of MPJPE and P-MPJPE over the clips that hold a frame, and how many do."""
    data = clips.data
    errors, count = np.zeros((2, len(data))), np.zeros(len(data), int)
    for frames, prediction in zip(clips.frames, predictions):
        if is_blocked(data.source[frames[0]]):
            continue
        pred = data.to_millimetres(prediction, frames)
        truth = data.millimetres[frames].astype(np.float64)
        pred, truth = pred - pred[:, :1], truth - truth[:, :1]
        for row, error in zip(errors, (mpjpe(pred, truth), p_mpjpe(pred, truth))):
            np.add.at(row, frames, error)
        np.add.at(count, frames, 1)
    return errors, count


def predict_clips(
    model: nn.Module, clips: H36MClips, size: int = 32
) -> Float32[np.ndarray, "N T 17 3"]:
    """The model's flip-averaged predictions for every clip, as published.

    Args:
        model: from (B, T, 17, 3) to the same; it is put into evaluation mode and left in it.
        size: clips at once.
    """
    model.eval()
    device = next(model.parameters()).device
    joints = np.empty((*clips.frames.shape, 17, 3), np.float32)
    with torch.no_grad():
        for i, (x, _) in enumerate(clips.batches(size)):
            y = average_with_flip(model, torch.from_numpy(x).to(device)).joints
            joints[i * size : i * size + len(x)] = y.float().cpu().numpy()
    return joints
