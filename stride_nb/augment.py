"""Variations of a motion that are motions too: pace, size, proportions, side, viewpoint.

NumPy only; each takes joints (T, 17, 3) in metres and returns the like.
"""

from __future__ import annotations

import numpy as np

from .geometry import random_camera
from .skeleton import H36M17

__all__ = ["crop", "mirror", "paced", "reproportion", "vary", "view"]


def paced(joints: np.ndarray, start: float, frames: int, pace: float) -> np.ndarray:
    """``frames`` frames from ``start`` on, ``pace`` source frames apart, linearly interpolated."""
    at = np.clip(start + pace * np.arange(frames), 0, len(joints) - 1)
    low = np.minimum(at.astype(int), len(joints) - 2)
    part = (at - low)[:, None, None]
    return joints[low] * (1 - part) + joints[low + 1] * part


def crop(joints: np.ndarray, frames: int, rng: np.random.Generator, pace=(0.75, 1.35)) -> np.ndarray:
    """A random stretch at a random pace; a clip too short for it is played slower, then held at its end."""
    fastest = (len(joints) - 1) / max(frames - 1, 1)
    step = min(rng.uniform(*pace), max(fastest, pace[0]))
    room = len(joints) - 1 - step * (frames - 1)
    return paced(joints, rng.uniform(0, max(room, 0)), frames, step)


def mirror(joints: np.ndarray) -> np.ndarray:
    """x negated, left and right swapped."""
    return joints[:, list(H36M17.mirror)] * np.array([-1.0, 1.0, 1.0])


def reproportion(joints: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Another body doing the same: every bone's length times ``scale`` (17,), directions and root kept."""
    out = joints.copy()
    for j, p in H36M17.bones:
        out[:, j] = out[:, p] + (joints[:, j] - joints[:, p]) * scale[j]
    return out


def _body(rng: np.random.Generator) -> np.ndarray:
    """(17,) bone scales: stature by up to 12 %, each bone by some 4 %, the same left and right."""
    scale = rng.uniform(0.88, 1.12) * (1 + 0.04 * rng.standard_normal(17))
    left = H36M17.index(*(a for a, _ in H36M17.pairs))
    right = H36M17.index(*(b for _, b in H36M17.pairs))
    scale[left] = scale[right]
    return scale


def vary(joints: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Stretch, pace, body, side and, in one of four, the direction of time: (frames, 17, 3), world."""
    out = reproportion(crop(joints, frames, rng), _body(rng))
    out = mirror(out) if rng.random() < 0.5 else out
    return out[::-1] if rng.random() < 0.25 else out


def view(joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The world (T, 17, 3) as a random camera sees it: camera space, metres."""
    return random_camera(rng, joints).to_camera(joints)
