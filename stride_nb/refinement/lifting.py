"""RePOSE's step: 2D keypoints of one person to root-relative 3D joints."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from stride_nb.errors import InputError
from stride_nb.models.lifter import Lifter, condition_2d, mirrored_answers
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.models.registry import choose_device, load_model
from stride_nb.poses.gap_filling import FILLED, fill
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import (
    Keypoints2D,
    PoseSequence,
    on_clock_of,
    stitch,
    taken_as_seen,
    window_starts,
)
from stride_nb.refinement.left_right_swap import put_right

__all__ = ["lift"]

# as long as in training (`tasks.Lift`): in longer windows the lifter errs more, seen or hidden
_LENGTH, _STRIDE = 120, 80
_AT_ONCE = 4  # windows in one forward pass
_CONTEXT = 125  # frames to either side from which gaps at a window's ends are filled


def lift(
    keypoints: Keypoints2D, model: nn.Module | str = "lifter", device: str | None = None
) -> PoseSequence:
    """3D joints of a person from 2D keypoints, window by window, mean of the plain and the mirrored
    pass.

    Limbs that the detector has taken for the other side's are changed back first
    (`sides.put_right`).

    Args:
        keypoints: of 17 joints in H36M-17's order, or of a set that converts to it; any length and
            frame rate.
        model: a ``Lifter``, or the name or path of weights.

    Returns:
        Root-relative joints (the root at 0: one camera does not tell how far away a person is),
        camera axes, metres, with the detector's confidence, which is lower where limbs were changed
        back; where none reaches 0.5, all are trusted. A joint that the detector lacks in a frame is
        a guess of confidence ``FILLED``; a frame with no joint at all stays missing.

    Raises:
        InputError: something else than keypoints, no joint in any frame, a joint set without a
            conversion, or a network for something else.
    """
    if not isinstance(keypoints, Keypoints2D):
        raise InputError("lift", "keypoints", "Keypoints2D", type(keypoints).__name__)
    h36m = put_right(keypoints.to("h36m17"))
    if h36m.missing.all():
        raise InputError(
            keypoints.name or "keypoints", "pixels", "at least one joint that was seen", "none"
        )
    network = model if isinstance(model, nn.Module) else load_model(model)
    if not isinstance(network, Lifter):
        raise InputError("lift", "model", "a Lifter", type(network).__name__)
    network = network.to(choose_device(device)).eval()
    seen = h36m if h36m.confidence.max() >= CONFIDENCE_THRESHOLD else taken_as_seen(h36m)  # as `refine` takes them
    source = _rooted(seen.resample(PRIOR_FPS))
    starts = window_starts(len(source), _LENGTH, _STRIDE)
    windows = [
        window
        for k in range(0, len(starts), _AT_ONCE)
        for window in _lifted(network, source, starts[k : k + _AT_ONCE])
    ]
    joints = on_clock_of(h36m, stitch(windows, starts)).joints
    confidence = np.where(
        h36m.missing.all(1, keepdims=True), 0.0, np.maximum(h36m.confidence, FILLED)
    )
    return PoseSequence(joints, confidence, h36m.fps, name=keypoints.name)


def _rooted(track: Keypoints2D) -> Keypoints2D:
    """A pelvis, untrusted, wherever anything is in view: what a lifter is told is relative to it
    (`baselines.fill`)."""
    lost = track.missing[:, 0] & ~track.missing.all(1)
    if not lost.any():
        return track
    flat = PoseSequence(np.pad(track.pixels, ((0, 0), (0, 0), (0, 1))), track.confidence, track.fps)
    pixels, confidence = track.pixels.copy(), track.confidence.copy()
    pixels[lost, 0], confidence[lost, 0] = fill(flat).joints[lost, 0, :2], FILLED
    return track.replace(pixels=pixels, confidence=confidence)


@torch.no_grad()
def _lifted(network: nn.Module, track: Keypoints2D, starts: list[int]) -> list[PoseSequence]:
    told = torch.from_numpy(np.stack([_told(track, a) for a in starts])).to(
        next(network.parameters()).device
    )
    return [
        PoseSequence(x, fps=track.fps)
        for x in mirrored_answers(network, told).double().cpu().numpy()
    ]


def _told(track: Keypoints2D, start: int) -> np.ndarray:
    low = max(start - _CONTEXT, 0)
    part = track[low : start + _LENGTH + _CONTEXT]
    return condition_2d(part.pixels, part.confidence, part.fps, part.size)[start - low :][:_LENGTH]
