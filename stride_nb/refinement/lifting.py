"""RePOSE's step: 2D keypoints of one person to root-relative 3D joints."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from stride_nb.errors import InputError
from stride_nb.models.flip_averaging import average_with_flip
from stride_nb.models.lifter import Lifter, make_lifter_features
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.models.registry import choose_device, load_shared_model
from stride_nb.poses.gap_filling import FILLED_CONFIDENCE, fill_gaps
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import (
    Keypoints2D,
    PoseSequence,
    floor_confidence,
    resample_like,
    stitch,
    window_starts,
)
from stride_nb.refinement.left_right_swap import fix_swaps

__all__ = ["lift"]

# as long as in training (`tasks.Lift`): in longer windows the lifter errs more, seen or hidden
_LIFT_FRAMES, _LIFT_STRIDE = 120, 80
_LIFT_CONTEXT = 125  # frames to either side from which gaps at a window's ends are filled
_LIFT_BATCH = 4  # windows in one forward pass


def lift(
    keypoints: Keypoints2D, model: nn.Module | str = "lifter", device: str | None = None
) -> PoseSequence:
    """Lift 2D keypoints of one person to 3D: left/right swaps corrected (`fix_swaps`), window by
    window, flip-averaged.

    Args:
        keypoints: of 17 joints in H36M-17's order, or of a set that converts to it; any length and
            frame rate.
        model: a ``Lifter``, or the name or path of weights.

    Returns:
        Root-relative joints (the root at 0: one camera does not tell how far away a person is),
        camera axes, metres, with the detector's confidence, lower where a swap was corrected. Where
        none reaches `CONFIDENCE_THRESHOLD`, all detections are trusted. A joint that the detector
        lacks in a frame has `FILLED_CONFIDENCE`; a frame with no joint at all stays missing.

    Raises:
        InputError: something else than keypoints, no joint in any frame, a joint set without a
            conversion, or an unsuitable network.
    """
    if not isinstance(keypoints, Keypoints2D):
        raise InputError("lift", "keypoints", "Keypoints2D", type(keypoints).__name__)
    track = fix_swaps(keypoints.to("h36m17"))
    if track.missing.all():
        where = keypoints.name or "keypoints"
        raise InputError(where, "pixels", "at least one joint that was seen", "none")
    network = _load_lifter(model, device)
    is_calibrated = track.confidence.max() >= CONFIDENCE_THRESHOLD
    trusted = track if is_calibrated else floor_confidence(track)
    lifted = _lift_windows(network, _fill_pelvis(trusted.resample(PRIOR_FPS)))
    nobody = track.missing.all(1, keepdims=True)
    confidence = np.where(nobody, 0.0, np.maximum(track.confidence, FILLED_CONFIDENCE))
    joints = resample_like(track, lifted).joints
    return PoseSequence(joints, confidence, track.fps, name=keypoints.name)


def _load_lifter(model: nn.Module | str, device: str | None) -> nn.Module:
    network = model if isinstance(model, nn.Module) else load_shared_model(model)
    if not isinstance(network, Lifter):
        raise InputError("lift", "model", "a Lifter", type(network).__name__)
    return network.to(choose_device(device)).eval()


def _fill_pelvis(track: Keypoints2D) -> Keypoints2D:
    """A pelvis, untrusted, wherever any joint is in view: the lifter's input is relative to it."""
    lost = track.missing[:, 0] & ~track.missing.all(1)
    if not lost.any():
        return track
    flat = PoseSequence(np.pad(track.pixels, ((0, 0), (0, 0), (0, 1))), track.confidence, track.fps)
    pixels, confidence = track.pixels.copy(), track.confidence.copy()
    pixels[lost, 0] = fill_gaps(flat).joints[lost, 0, :2]
    confidence[lost, 0] = FILLED_CONFIDENCE
    return track.replace(pixels=pixels, confidence=confidence)


@torch.no_grad()
def _lift_windows(network: nn.Module, track: Keypoints2D) -> PoseSequence:
    device = next(network.parameters()).device
    starts = window_starts(len(track), _LIFT_FRAMES, _LIFT_STRIDE)
    windows = []
    for k in range(0, len(starts), _LIFT_BATCH):
        features = np.stack([_make_window(track, start) for start in starts[k : k + _LIFT_BATCH]])
        joints = average_with_flip(network, torch.from_numpy(features).to(device)).joints
        windows += [PoseSequence(x, fps=track.fps) for x in joints.double().cpu().numpy()]
    return stitch(windows, starts)


def _make_window(track: Keypoints2D, start: int) -> np.ndarray:
    """The lifter's input for the window at ``start``, gaps at its ends filled from its context."""
    low = max(start - _LIFT_CONTEXT, 0)
    part = track[low : start + _LIFT_FRAMES + _LIFT_CONTEXT]
    features = make_lifter_features(part.pixels, part.confidence, part.fps, part.size)
    return features[start - low :][:_LIFT_FRAMES]
