"""From 17 joints as a file gives them to clips that can be used: glitches cut out, noise filtered,
50 frames a second.

Positions are resampled, not rotations: the files contain half-turns of twist that cannot be seen in
positions but would wreck separately filtered rotations.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17

__all__ = [
    "CLIP_FPS",
    "GLITCH_PADDING",
    "RIGID_BONES",
    "clean_motion",
    "find_glitches",
    "restore_bone_lengths",
    "smooth_and_resample",
    "split_at_glitches",
]

CLIP_FPS = 50.0
"""Frames per second of the clips."""
GLITCH_PADDING = 6
"""Source frames cut on either side of a glitch."""
_CUTOFF = 20.0  # Hz

# What no person does (metres, seconds), but the solver does when markers are lost:
_FASTEST_PELVIS = 9.0
_FASTEST_JOINT = np.where(  # relative to the pelvis
    np.isin(range(17), H36M17.index("lwrist", "rwrist", "lankle", "rankle")), 20.0, 14.0
)
_STRONGEST = 600.0  # acceleration relative to the pelvis, over 1/60 s
_SPIKE = 0.03  # from the median of a frame and its neighbours
_FOLDED = 0.65  # of a chord's median length

_BONE_ENDS = H36M17.index(
    *("rhip", "rknee", "rankle", "lhip", "lknee", "lankle"),
    *("lshoulder", "lelbow", "lwrist", "rshoulder", "relbow", "rwrist"),
)
RIGID_BONES = tuple((joint, H36M17.parents[joint]) for joint in _BONE_ENDS)
"""The (joint, parent) pairs that one bone joins in every source, so that their length is
constant."""


def clean_motion(joints: Float[np.ndarray, "T 17 3"], fps: float) -> list[np.ndarray]:
    """Usable clips of one recording, in order: (T', 17, 3) metres at 50 frames a second, at least a
    second each.

    Args:
        joints: metres, Y up, at ``fps``, which is at least 50.
    """
    if not fps >= CLIP_FPS:
        raise InputError("recording", "fps", f"at least {CLIP_FPS:g}", fps)
    child, parent = np.array(RIGID_BONES).T
    lengths = np.median(_norm(joints[:, child] - joints[:, parent]), 0)
    return [
        restore_bone_lengths(smooth_and_resample(joints[a:b], fps), lengths)
        for a, b in split_at_glitches(~find_glitches(joints, fps), fps)
    ]


def find_glitches(joints: Float[np.ndarray, "T 17 3"], fps: float) -> Bool[np.ndarray, " T"]:
    """Frames in which no person can have moved so, or in which the solver folded trunk or neck;
    metres."""
    local = joints - joints[:, :1]
    bad = np.zeros(len(joints), bool)
    jump = (_norm(np.diff(local, axis=0)) * fps > _FASTEST_JOINT).any(1)
    jump |= _norm(np.diff(joints[:, 0], axis=0)) * fps > _FASTEST_PELVIS
    bad[1:] |= jump
    bad[:-1] |= jump
    around = np.stack([local[:-2], local[1:-1], local[2:]])
    bad[1:-1] |= (_norm(local[1:-1] - np.median(around, 0)) > _SPIKE).any(1)
    k = round(fps / 60)
    bend = _norm(local[2 * k :] - 2 * local[k:-k] + local[: -2 * k])
    jerked = np.any(bend * (fps / k) ** 2 > _STRONGEST, axis=1)
    for shift in range(2 * k + 1):  # every frame that the difference was made of
        bad[shift : shift + len(jerked)] |= jerked
    for a, b in (("pelvis", "spine"), ("thorax", "head")):
        chord = _norm(joints[:, H36M17.index(a)] - joints[:, H36M17.index(b)])
        bad |= chord < _FOLDED * np.median(chord)
    return bad


def split_at_glitches(good: Bool[np.ndarray, " T"], fps: float) -> list[tuple[int, int]]:
    """Runs [a, b) of good frames, at least a second long, after every bad frame took
    `GLITCH_PADDING` neighbours on either side with it."""
    if len(good) < fps:
        return []
    bad = np.convolve(~good, np.ones(2 * GLITCH_PADDING + 1), "same") > 0.5
    edges = np.flatnonzero(np.diff(np.concatenate([[1], bad, [1]]).astype(int)))
    return [(a, b) for a, b in edges.reshape(-1, 2).tolist() if b - a >= fps]


def smooth_and_resample(
    joints: Float[np.ndarray, "T J 3"], fps: float
) -> Float[np.ndarray, "N J 3"]:
    """Low-pass at 20 Hz without phase shift (Butterworth, order 4), then a cubic spline at n/50
    s."""
    from scipy.interpolate import CubicSpline
    from scipy.signal import butter, filtfilt

    b, a = cast(tuple, butter(4, _CUTOFF, fs=fps))
    smooth = filtfilt(b, a, joints, axis=0)
    seconds = np.arange(len(joints)) / fps
    count = int((len(joints) - 1) * CLIP_FPS / fps + 1e-9) + 1
    return CubicSpline(seconds, smooth)(np.arange(count) / CLIP_FPS)


def restore_bone_lengths(
    joints: Float[np.ndarray, "T 17 3"], lengths: Float[np.ndarray, " B"]
) -> Float[np.ndarray, "T 17 3"]:
    """Set the lengths of `RIGID_BONES` (metres), from the pelvis outwards, keeping every bone's
    direction."""
    out = joints.copy()
    for (j, p), length in zip(RIGID_BONES, lengths):
        bone = joints[:, j] - joints[:, p]
        out[:, j] = out[:, p] + bone * (length / _norm(bone))[:, None]
    return out


def _norm(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x, axis=-1)
