"""Gross outliers: detections that no body can have made, out of reach of the person's other joints,
or out and back within a fifth of a second.

A bad triangulation puts a wrist five metres away for three frames, with full confidence. A filter
follows it, a network is thrown off by it, and where it is the pelvis, from which all is measured,
every joint is. Such a detection is missing.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.poses.sequence import Keypoints2D, PoseSequence, TrackT

__all__ = ["OUTLIER_CONTEXT_SECONDS", "drop_gross_outliers", "find_gross_outliers"]

OUTLIER_CONTEXT_SECONDS = 1.0
"""To either side, that are looked at where a sequence is not in memory whole."""
_REACH_SIZES = 2.0
"""Metres from the middle of a person's joints: 1.2 is as far as one comes."""
_JUMP = 1.2
"""Metres out and back again: at 12 m/s, faster than a fist."""
_JUMP_SECONDS = 0.2
_FEWEST_KNOWN = 5  # joints in a frame that tell where the person is
_FEWEST_FRAMES = 2  # of 0.2 s: at fewer than 7.5 a second people do come back
_USUAL_SPREAD = 0.35
"""Metres that half of a person's joints are away from the middle one, for the scale of an image."""


def drop_gross_outliers(track: TrackT) -> TrackT:
    """The track with its gross outliers missing; itself where there are none."""
    outliers = find_gross_outliers(track)
    if not outliers.any():
        return track
    return track.replace(confidence=np.where(outliers, 0.0, track.confidence))


def find_gross_outliers(track: PoseSequence | Keypoints2D) -> Bool[np.ndarray, "T J"]:
    """Which detections are out of a body's reach, or jump out and back within 0.2 s.

    In an image a metre is measured by the person in it: by the median frame, and by the frame
    itself, where it is nearer.
    """
    known = ~track.missing
    points = track.pixels if isinstance(track, Keypoints2D) else track.joints
    middle, located = _find_middle(points, known)
    if not located.any():
        return np.zeros_like(known)
    relative = np.where((known & located[:, None])[..., None], points - middle[:, None], np.nan)
    far = np.linalg.norm(relative, axis=-1)
    metre = (
        _measure_metre(far, located) if isinstance(track, Keypoints2D) else np.ones((len(far), 1))
    )
    outliers = far > _REACH_SIZES * metre
    # of a joint that is elsewhere half of the time it is not known where it belongs
    outliers &= outliers.mean(0) < 0.5
    frames = round(_JUMP_SECONDS * track.fps)
    if frames < _FEWEST_FRAMES:
        return outliers
    relative[outliers] = np.nan
    outliers |= _find_jumps(relative / metre[..., None], frames)
    # of one scale: as a share of one that changes, who stands still would move
    path = np.where(located[:, None], middle / metre.max(), np.nan)[:, None]
    return outliers | (known & _find_jumps(path, frames))


def _measure_metre(
    far_px: Float[np.ndarray, "T J"], located: Bool[np.ndarray, " T"]
) -> Float[np.ndarray, "T 1"]:
    """Pixels of a metre in every frame, by how far half of the joints are from the middle one."""
    spread = np.full((len(far_px), 1), np.nan)
    spread[located, 0] = np.nanmedian(far_px[located], 1)
    usual = max(float(np.nanmedian(spread)), 1e-9)
    return np.fmax(spread, usual) / _USUAL_SPREAD


def _find_middle(points: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, C) the median joint of every frame, and (T,) where enough are seen for one."""
    count = known.sum(1)
    middle = np.maximum(count - 1, 0)[:, None, None] // 2
    ordered = np.sort(np.where(known[..., None], points, np.inf), 1)
    return np.take_along_axis(ordered, middle, 1)[:, 0], count >= _FEWEST_KNOWN


def _find_jumps(points_m: Float[np.ndarray, "T J C"], frames: int) -> Bool[np.ndarray, "T J"]:
    """Short spans, of so many frames at most, that begin with a step away and end with one back."""
    known = np.asarray(np.isfinite(points_m).all(-1))
    jumps = np.zeros(known.shape, bool)
    for j in range(points_m.shape[1]):
        seen = np.flatnonzero(known[:, j])
        if len(seen) < 3:
            continue
        own = points_m[seen, j]
        steps = np.linalg.norm(np.diff(own, axis=0), axis=-1)
        for out in np.flatnonzero(steps > _JUMP):
            back = out + 1 + np.arange(frames)
            back = back[back < len(steps)]
            if not len(back) or jumps[seen[out], j]:
                continue
            returns = np.linalg.norm(own[back + 1] - own[out], axis=-1) < _JUMP / 2
            within = seen[back + 1] - seen[out] <= frames + 1
            if (hits := np.flatnonzero(returns & within)).size:
                jumps[seen[out + 1 : back[hits[0]] + 1], j] = True
    return jumps
