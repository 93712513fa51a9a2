"""Variations of a motion that are motions too: pace, size, proportions, side.

NumPy only. A motion is (T, 17, 3), metres; a body (17,), the length of the bone to every joint,
metres.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stride_nb.datasets.simulation.estimator_noise import draw_smooth_noise
from stride_nb.poses.geometry import bone_lengths, rotation_about
from stride_nb.poses.skeleton import H36M17

__all__ = [
    "apply_body_proportions",
    "augment_motion",
    "crop_at_random_pace",
    "find_distinct_bodies",
    "have_same_proportions",
    "measure_body_proportions",
    "mirror",
    "mix_upper_lower_body",
    "sample_body_proportions",
    "scale_bones",
    "time_warp",
]

_LEFT, _RIGHT = (H36M17.index(*side) for side in zip(*H36M17.pairs))
_HIPS = H36M17.index("rhip", "lhip")
_LIMBS = [*_LEFT, *_RIGHT]
_LEGS = H36M17.index("rhip", "rknee", "rankle", "lhip", "lknee", "lankle")
_WAVER = 0.15  # standard deviation of the logarithm of the pace within a stretch
# of the hip line's length: with less of it level, which way the hips face is not told by it
_LEVEL = 0.5


def time_warp(joints: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The motion at moments ``at`` (frames of (T, 17, 3), any fraction of one), linearly
    interpolated, held beyond its ends."""
    at = np.clip(at, 0, len(joints) - 1)
    low = np.minimum(at.astype(int), len(joints) - 2)
    part = (at - low)[:, None, None]
    return joints[low] * (1 - part) + joints[low + 1] * part


def crop_at_random_pace(
    joints: np.ndarray, frames: int, rng: np.random.Generator, pace=(0.75, 1.35)
) -> np.ndarray:
    """A random stretch at a random pace that wavers; a clip too short for it is played slower, then
    held at its end."""
    fastest = (len(joints) - 1) / max(frames - 1, 1)
    step = min(rng.uniform(*pace), max(fastest, pace[0]))
    steps = np.exp(_WAVER * draw_smooth_noise(rng, (frames,), 0.7, 50))
    at = step * (frames - 1) * (np.cumsum(steps) - steps[0]) / max(steps[1:].sum(), 1e-9)
    return time_warp(joints, rng.uniform(0, max(len(joints) - 1 - step * (frames - 1), 0)) + at)


def mirror(joints: np.ndarray) -> np.ndarray:
    """x negated, left and right swapped."""
    return joints[:, list(H36M17.mirror)] * np.array([-1.0, 1.0, 1.0])


def scale_bones(joints: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Another body doing the same: every bone's length times ``scale`` (17,), directions and root
    kept."""
    out = joints.copy()
    for j, p in H36M17.bones:
        out[:, j] = out[:, p] + (joints[:, j] - joints[:, p]) * scale[j]
    return out


def find_distinct_bodies(clips: Sequence[np.ndarray]) -> np.ndarray:
    """(P, 17) lengths of the bone to each joint, metres (0 for the root), of the different bodies
    that move in clips (T, 17, 3).

    Whoever is ``have_same_proportions`` is one body, so that someone recorded often has no more say than others.
    """
    found: list[np.ndarray] = []
    for joints in clips:
        own = measure_body_proportions(joints)
        if not any(have_same_proportions(own, other) for other in found):
            found.append(own)
    return np.array(found)


def have_same_proportions(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two bodies (17,) are the same to 2 % in every bone of the limbs; the trunk bends
    within what is one bone here."""
    return bool(np.abs(one[_LIMBS] / other[_LIMBS] - 1).max() <= 0.02)


def measure_body_proportions(joints: np.ndarray) -> np.ndarray:
    """(17,) length of the bone to each joint, metres, 0 for the root: the median over the frames of
    (T, 17, 3)."""
    lengths = np.zeros(len(H36M17.joints))
    lengths[[j for j, _ in H36M17.bones]] = np.median(bone_lengths(joints), 0)
    return lengths


def apply_body_proportions(joints: np.ndarray, body: np.ndarray) -> np.ndarray:
    """The motion (T, 17, 3) done by a body (17,), metres: bones as long as its own in the median,
    directions and root kept."""
    return scale_bones(joints, body / np.maximum(measure_body_proportions(joints), 1e-6))


def sample_body_proportions(people: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(17,) bone lengths of somebody new: between two of ``people`` (P, 17), of another stature,
    with bones of their own.

    Sides differ by little. By how much a person's proportions differ from others' is drawn, too:
    the people of one laboratory are measured in one way, those of another differ from them by more
    than among themselves.
    """
    one, other = people[rng.integers(len(people), size=2)]
    part, own = rng.random(), rng.uniform(0.01, 0.09) * rng.standard_normal(17)
    own[_LEFT] = own[_RIGHT]
    aside = 0.02 * rng.standard_normal(17)
    aside[_HIPS] = 0  # the pelvis is the middle of both
    return one**part * other ** (1 - part) * rng.uniform(0.9, 1.12) * np.exp(own + aside)


def mix_upper_lower_body(joints: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A motion that nobody did: hips and legs of ``joints`` (T, 17, 3), and of ``other`` all above,
    turned to where the hips face.

    ``joints`` comes back as it is where a hip line is too steep to tell which way somebody faces.
    """
    (one, level), (two, as_level) = map(_measure_heading, (joints, other))
    if not (level and as_level):
        return joints
    turn = rotation_about((0, 1, 0), one - two)
    out = joints.copy()
    for j, p in H36M17.bones:
        if j not in _LEGS:
            out[:, j] = out[:, p] + np.einsum("tij,tj->ti", turn, other[:, j] - other[:, p])
    return out


def _measure_heading(joints: np.ndarray) -> tuple[np.ndarray, bool]:
    """(T,) the hip line's angle about the vertical, and whether it is level enough for that in
    every frame."""
    right, left = _HIPS
    line = joints[:, left] - joints[:, right]
    flat = np.hypot(line[:, 0], line[:, 2])
    return np.arctan2(-line[:, 2], line[:, 0]), bool(
        (flat > _LEVEL * np.linalg.norm(line, axis=-1)).all()
    )


def augment_motion(
    joints: np.ndarray, frames: int, rng: np.random.Generator, people: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Stretch, pace, body, side and, in one of four, the direction of time: (frames, 17, 3), world.

    In three of ten the trunk and arms do what they do in ``other``: motions are few, pairs of them
    are not (measured, with the pace that wavers, by ``benchmarks/ablations/learning_curves.py``).
    The body is a ``sample_body_proportions``'s, whoever the motion is from. A network that meets a motion with the
    body that made it, however changed, learns to know people by how they move, and takes strangers
    for them (measured by ``benchmarks/ablations/upper_bounds.py``). Nobody is made to carry
    themselves otherwise: with every bone turned by some degrees, the same all through the motion,
    validation of hidden joints got worse.
    """
    out = crop_at_random_pace(joints, frames, rng)
    out = (
        mix_upper_lower_body(out, crop_at_random_pace(other, frames, rng))
        if rng.random() < 0.3
        else out
    )
    out = apply_body_proportions(out, sample_body_proportions(people, rng))
    out = mirror(out) if rng.random() < 0.5 else out
    return out[::-1] if rng.random() < 0.25 else out
