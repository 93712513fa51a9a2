"""RePOSE's and MotionBERT's protocol on Human3.6M: training as a task, testing as a table by action
in millimetres."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stride_nb.datasets.h36m import H36MClips
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import mpjpe, p_mpjpe

__all__ = ["BLOCKED", "Scores", "blocked", "evaluate", "predict"]

BLOCKED = ("s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01")
"""Sources that begin so are left out: the published protocol's block list."""


class Scores(NamedTuple):
    """Errors in mm, each pose relative to its root; ``by_action`` has (mpjpe, p_mpjpe, frames)
    under every action."""

    mpjpe_mm: float
    p_mpjpe_mm: float
    by_action: dict[str, tuple[float, float, int]]


def blocked(source: str) -> bool:
    """Whether the protocol leaves this source out."""
    return source.startswith(BLOCKED)


def evaluate(clips: H36MClips, predictions: np.ndarray) -> Scores:
    """Mean over a frame's clips (overlaps), then over an action's frames, then over actions.

    Args:
        clips: of the test split; published: length 243, stride 243.
        predictions: (clips, length, 17, 3) in the normalised units of ``H36M.labels``; where the
            root is does not matter.

    Raises:
        InputError: a shape that does not fit the clips, NaN, or nothing left after the block list.
    """
    predictions = np.asarray(predictions)
    if predictions.shape != (*clips.frames.shape, 17, 3):
        raise InputError(
            "h36m protocol",
            "predictions",
            f"shape {(*clips.frames.shape, 17, 3)}",
            predictions.shape,
        )
    if not np.isfinite(predictions).all():
        raise InputError("h36m protocol", "predictions", "finite numbers", "NaN or infinity")
    errors, count = _frame_errors(clips, predictions)
    scored = np.flatnonzero(count)
    if not len(scored):
        raise InputError("h36m protocol", "clips", "a source that is not on the block list", "none")
    errors, action = errors[:, scored] / count[scored], clips.data.action
    frames = np.bincount(action.codes[scored], minlength=len(action.names))
    sums = [np.bincount(action.codes[scored], e, len(action.names)) for e in errors]
    rows = {
        action.names[a]: (
            float(sums[0][a] / frames[a]),
            float(sums[1][a] / frames[a]),
            int(frames[a]),
        )
        for a in sorted(np.flatnonzero(frames), key=action.names.__getitem__)
    }
    means = np.mean([row[:2] for row in rows.values()], axis=0)
    return Scores(float(means[0]), float(means[1]), rows)


def _frame_errors(clips: H36MClips, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of MPJPE and P-MPJPE over the clips that hold a frame, (2, N), and how many do, (N,)."""
    data = clips.data
    errors, count = np.zeros((2, len(data))), np.zeros(len(data), int)
    for frames, prediction in zip(clips.frames, predictions):
        if blocked(data.source[frames[0]]):
            continue
        pred, truth = (
            data.to_millimetres(prediction, frames),
            data.millimetres[frames].astype(np.float64),
        )
        pred, truth = pred - pred[:, :1], truth - truth[:, :1]
        np.add.at(errors, (slice(None), frames), [mpjpe(pred, truth), p_mpjpe(pred, truth)])
        np.add.at(count, frames, 1)
    return errors, count


def predict(model, clips: H36MClips, size: int = 32) -> np.ndarray:
    """The model's answers for every clip, (clips, length, 17, 3) float32, each averaged with the
    mirrored answer to the mirrored input, as published.

    Args:
        model: a torch module from (B, T, 17, 3) to the same; it is put into evaluation mode and
            left in it.
        size: clips at once.
    """
    import torch

    from stride_nb.models.losses import flip

    model.eval()
    device = next(model.parameters()).device
    out = np.empty((*clips.frames.shape, 17, 3), np.float32)
    with torch.no_grad():
        for at, (x, _) in enumerate(clips.batches(size)):
            x = torch.from_numpy(x).to(device)
            y = (model(x) + flip(model(flip(x)))) / 2
            out[at * size : at * size + len(x)] = y.float().cpu().numpy()
    return out
