"""Variations of a motion that are motions too: pace, size, proportions, side.

NumPy only. A motion is (T, 17, 3), metres; body proportions are (17,), the length of the bone to
every joint, metres, 0 for the root.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from stride_nb.datasets.simulation.sampling import draw_smooth_noise, make_symmetric, time_warp
from stride_nb.poses.geometry import bone_lengths, rotation_about
from stride_nb.poses.skeleton import H36M17, mirror_joints

__all__ = [
    "apply_body_proportions",
    "augment_motion",
    "crop_at_random_pace",
    "find_distinct_bodies",
    "have_same_proportions",
    "measure_body_proportions",
    "mix_upper_lower_body",
    "sample_body_proportions",
    "scale_bones",
]

_HIP_JOINTS = H36M17.index("rhip", "lhip")
_LEG_PLACES = H36M17.index("rhip", "rknee", "rankle", "lhip", "lknee", "lankle")
_PAIRED_JOINTS = [joint for pair in H36M17.pairs for joint in H36M17.index(*pair)]
_WAVER = 0.15  # standard deviation of the logarithm of the pace within a stretch
# of the hip line's length: with less of it level, it does not show which way the hips face
_LEVEL = 0.5


def crop_at_random_pace(
    joints: Float[np.ndarray, "T 17 3"],
    frames: int,
    rng: np.random.Generator,
    pace: tuple[float, float] = (0.75, 1.35),
) -> Float[np.ndarray, "N 17 3"]:
    """A random stretch at a random pace that wavers; a clip too short for it is played slower, then
    held at its end."""
    fastest = (len(joints) - 1) / max(frames - 1, 1)
    step = min(rng.uniform(*pace), max(fastest, pace[0]))
    steps = np.exp(_WAVER * draw_smooth_noise(rng, (frames,), 0.7, 50))
    at = step * (frames - 1) * (np.cumsum(steps) - steps[0]) / max(steps[1:].sum(), 1e-9)
    return time_warp(joints, rng.uniform(0, max(len(joints) - 1 - step * (frames - 1), 0)) + at)


def scale_bones(
    joints: Float[np.ndarray, "T 17 3"], scale: Float[np.ndarray, " 17 *frames"]
) -> Float[np.ndarray, "T 17 3"]:
    """Another body doing the same: every bone's length times ``scale``, directions and root
    kept."""
    out = joints.copy()
    for j, p in H36M17.bones:
        out[:, j] = out[:, p] + (joints[:, j] - joints[:, p]) * scale[j]
    return out


def find_distinct_bodies(clips: Sequence[np.ndarray]) -> Float[np.ndarray, "P 17"]:
    """Proportions of the different bodies that move in clips (T, 17, 3).

    Clips with the same proportions count as one body, so that someone recorded often weighs no more
    than others.
    """
    bodies: list[np.ndarray] = []
    for body in map(measure_body_proportions, clips):
        if not any(have_same_proportions(body, other) for other in bodies):
            bodies.append(body)
    return np.array(bodies)


def have_same_proportions(one: Float[np.ndarray, " 17"], other: Float[np.ndarray, " 17"]) -> bool:
    """Whether two bodies are the same to 2 % in every bone of the limbs; the trunk bends within
    what is one bone here."""
    return bool(np.abs(one[_PAIRED_JOINTS] / other[_PAIRED_JOINTS] - 1).max() <= 0.02)


def measure_body_proportions(joints: Float[np.ndarray, "T 17 3"]) -> Float[np.ndarray, " 17"]:
    """Length of the bone to each joint, the median over the frames."""
    lengths = np.zeros(len(H36M17.joints))
    lengths[[j for j, _ in H36M17.bones]] = np.median(bone_lengths(joints), 0)
    return lengths


def apply_body_proportions(
    joints: Float[np.ndarray, "T 17 3"], body: Float[np.ndarray, " 17"]
) -> Float[np.ndarray, "T 17 3"]:
    """The motion done by another body: bones as long as its own in the median, directions and root
    kept."""
    return scale_bones(joints, body / np.maximum(measure_body_proportions(joints), 1e-6))


def sample_body_proportions(
    people: Float[np.ndarray, "P 17"], rng: np.random.Generator
) -> Float[np.ndarray, " 17"]:
    """Bone lengths of a new person: between two of ``people``, of another stature, with bones of
    their own.

    Sides differ by little. By how much a person's proportions differ from others' is drawn, too:
    the people of one laboratory are measured in one way, those of another differ from them by more
    than among themselves.
    """
    one, other = people[rng.integers(len(people), size=2)]
    part, own = rng.random(), rng.uniform(0.01, 0.09) * rng.standard_normal(17)
    aside = 0.02 * rng.standard_normal(17)
    aside[_HIP_JOINTS] = 0  # the pelvis is the middle of both
    between = one**part * other ** (1 - part)
    return between * rng.uniform(0.9, 1.12) * np.exp(make_symmetric(own) + aside)


def mix_upper_lower_body(
    joints: Float[np.ndarray, "T 17 3"], other: Float[np.ndarray, "T 17 3"]
) -> Float[np.ndarray, "T 17 3"]:
    """A new motion: hips and legs of ``joints``, and of ``other`` all above, turned to where the
    hips face.

    ``joints`` comes back as it is where a hip line is too steep to show which way somebody faces.
    """
    (one, level), (two, other_level) = map(_measure_heading, (joints, other))
    if not (level and other_level):
        return joints
    rotation = rotation_about(np.array([0, 1, 0]), one - two)
    out = joints.copy()
    for j, p in H36M17.bones:
        if j not in _LEG_PLACES:
            out[:, j] = out[:, p] + np.einsum("tij,tj->ti", rotation, other[:, j] - other[:, p])
    return out


def _measure_heading(joints: np.ndarray) -> tuple[np.ndarray, bool]:
    """(T,) the hip line's angle about the vertical, and whether it is level enough for that in
    every frame."""
    right, left = _HIP_JOINTS
    line = joints[:, left] - joints[:, right]
    flat = np.hypot(line[:, 0], line[:, 2])
    level = (flat > _LEVEL * np.linalg.norm(line, axis=-1)).all()
    return np.arctan2(-line[:, 2], line[:, 0]), bool(level)


def augment_motion(
    joints: Float[np.ndarray, "T 17 3"],
    frames: int,
    rng: np.random.Generator,
    people: Float[np.ndarray, "P 17"],
    other: Float[np.ndarray, "S 17 3"],
) -> Float[np.ndarray, "N 17 3"]:
    """Stretch, pace, body, side and, in one of four, the direction of time; ``frames`` frames,
    world.

    In three of ten the trunk and arms do what they do in ``other``, which multiplies the few
    motions there are (measured, with the pace that wavers, by
    ``benchmarks/ablations/learning_curves.py``). The body is always a sampled one: a network that
    meets every motion with the body that made it, however changed, learns to know people by how
    they move, and takes unknown people for them (measured by
    ``benchmarks/ablations/upper_bounds.py``). Posture is not varied: with every bone turned by some
    degrees, the same all through the motion, validation of hidden joints got worse.
    """
    out = crop_at_random_pace(joints, frames, rng)
    if rng.random() < 0.3:
        out = mix_upper_lower_body(out, crop_at_random_pace(other, frames, rng))
    out = apply_body_proportions(out, sample_body_proportions(people, rng))
    out = mirror_joints(out) if rng.random() < 0.5 else out
    return out[::-1] if rng.random() < 0.25 else out
