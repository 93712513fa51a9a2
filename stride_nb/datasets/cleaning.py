"""From 17 joints as a file gives them to clips that can be used: glitches cut out, noise filtered,
50 frames a second.

Positions are resampled, not rotations: the files contain half-turns of twist that cannot be seen in
positions but would wreck separately filtered rotations.
"""

from __future__ import annotations

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17

__all__ = ["BONES", "FPS", "clean", "glitches", "pieces", "resample", "restore_lengths"]

FPS = 50.0
CUTOFF = 20.0  # Hz
PAD = 6  # source frames cut on either side of a glitch

# What no one does (metres, seconds), told from what the solver does when markers are lost:
PELVIS_FASTEST = 9.0
STRONGEST = 600.0  # acceleration relative to the pelvis, over 1/60 s
SPIKE = 0.03  # from the median of a frame and its neighbours
FOLDED = 0.65  # of a chord's median length
# to pelvis
_FASTEST = np.where(
    np.isin(range(17), H36M17.index("lwrist", "rwrist", "lankle", "rankle")), 20.0, 14.0
)

_BONE_ENDS = (
    "rhip",
    "rknee",
    "rankle",
    "lhip",
    "lknee",
    "lankle",
    "lshoulder",
    "lelbow",
    "lwrist",
    "rshoulder",
    "relbow",
    "rwrist",
)
BONES = tuple((H36M17.index(n), H36M17.parents[H36M17.index(n)]) for n in _BONE_ENDS)
"""The (joint, parent) pairs that one bone joins in every source, so that their length is
constant."""


def clean(joints: np.ndarray, fps: float) -> list[np.ndarray]:
    """Usable clips of one recording, in order: (T', 17, 3) metres at 50 frames a second, at least a
    second each.

    Args:
        joints: (T, 17, 3) metres, Y up, at ``fps``, which is at least 50.
    """
    if not fps >= FPS:
        raise InputError("recording", "fps", f"at least {FPS:g}", fps)
    lengths = np.median(_lengths(joints), 0)
    return [
        restore_lengths(resample(joints[a:b], fps), lengths)
        for a, b in pieces(~glitches(joints, fps), fps)
    ]


def glitches(joints: np.ndarray, fps: float) -> np.ndarray:
    """(T,) bool: frames in which nobody can have moved so, or in which the solver folded trunk or
    neck."""
    local = joints - joints[:, :1]
    bad = np.zeros(len(joints), bool)
    jump = (_norm(np.diff(local, axis=0)) * fps > _FASTEST).any(1)
    jump |= _norm(np.diff(joints[:, 0], axis=0)) * fps > PELVIS_FASTEST
    bad[1:] |= jump
    bad[:-1] |= jump
    around = np.stack([local[:-2], local[1:-1], local[2:]])
    bad[1:-1] |= (_norm(local[1:-1] - np.median(around, 0)) > SPIKE).any(1)
    k = round(fps / 60)
    jerked = (
        _norm(local[2 * k :] - 2 * local[k:-k] + local[: -2 * k]) * (fps / k) ** 2 > STRONGEST
    ).any(1)
    for shift in range(2 * k + 1):  # every frame that the difference was made of
        bad[shift : shift + len(jerked)] |= jerked
    for a, b in (("pelvis", "spine"), ("thorax", "head")):
        chord = _norm(joints[:, H36M17.index(a)] - joints[:, H36M17.index(b)])
        bad |= chord < FOLDED * np.median(chord)
    return bad


def pieces(good: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Runs [a, b) of good frames, at least a second long, after every bad frame took `PAD`
    neighbours with it."""
    if len(good) < fps:
        return []
    bad = np.convolve(~good, np.ones(2 * PAD + 1), "same") > 0.5
    edges = np.flatnonzero(np.diff(np.concatenate([[1], bad, [1]]).astype(int)))
    return [(a, b) for a, b in edges.reshape(-1, 2).tolist() if b - a >= fps]


def resample(joints: np.ndarray, fps: float) -> np.ndarray:
    """Low-pass at 20 Hz without phase shift (Butterworth, order 4), then a cubic spline at n/50
    s."""
    from scipy.interpolate import CubicSpline
    from scipy.signal import butter, filtfilt

    b, a = butter(4, CUTOFF, fs=fps)
    smooth = filtfilt(b, a, joints, axis=0)
    seconds = np.arange(len(joints)) / fps
    return CubicSpline(seconds, smooth)(
        np.arange(int((len(joints) - 1) * FPS / fps + 1e-9) + 1) / FPS
    )


def restore_lengths(joints: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Set the lengths of `BONES`, from the pelvis outwards, keeping every bone's direction."""
    out = joints.copy()
    for (j, p), length in zip(BONES, lengths):
        bone = joints[:, j] - joints[:, p]
        out[:, j] = out[:, p] + bone * (length / _norm(bone))[:, None]
    return out


def _lengths(joints: np.ndarray) -> np.ndarray:
    return np.stack([_norm(joints[:, j] - joints[:, p]) for j, p in BONES], 1)


def _norm(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x, axis=-1)
