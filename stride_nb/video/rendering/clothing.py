"""What a body wears: a colour and a thickness for each vertex of the skin."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.random import Generator

from stride_nb.smpl.surface import compute_vertex_normals

__all__ = ["draw_colours", "thicken"]

_SKIN = np.array([[0.95, 0.80, 0.69], [0.87, 0.68, 0.54], [0.70, 0.50, 0.36], [0.45, 0.30, 0.21]])
_HAIR = np.array([[0.08, 0.06, 0.05], [0.26, 0.16, 0.10], [0.60, 0.45, 0.25], [0.62, 0.60, 0.58]])
_LEGS = ("UpLeg", "Leg")
_TRUNK = ("LowerBack", "Spine", "Spine1", "LeftShoulder", "RightShoulder")


def draw_colours(
    rng: Generator,
    skin: Float[np.ndarray, "V 3"],
    parts: np.ndarray,
    face: Float[np.ndarray, "5 3"],
) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, " V"]]:
    """RGB in [0, 1] and thickness in metres: a shirt with sleeves of any length, trousers or
    shorts, shoes, hair, eyes and a mouth.

    Args:
        skin: vertices at rest, metres, y up, facing +z.
        parts: the bone that moves each of them most, by name.
        face: places of nose, eyes and ears.
    """
    tone = rng.dirichlet(np.ones(len(_SKIN))) @ _SKIN
    colours = np.tile(tone, (len(skin), 1)) * rng.normal(1, 0.015, (len(skin), 1))
    thickness = np.zeros(len(skin))
    for worn, colour, loose in _draw_garments(rng, skin, parts):
        colours[worn] = _draw_cloth(rng, skin[worn], colour)
        thickness[worn] = loose
    _paint_head(rng, colours, thickness, skin, parts, face)
    return np.clip(colours, 0, 1), thickness


def _draw_garments(rng: Generator, skin: np.ndarray, parts: np.ndarray):
    """Which vertices each garment covers, its colour, and its thickness in metres."""
    hips = np.isin(parts, ("Hips", "LHipJoint", "RHipJoint"))
    knee, ankle = (np.mean(skin[_ends(parts, bone), 1]) for bone in ("Leg", "Foot"))
    waist = np.quantile(skin[hips, 1], 0.75)
    hem = rng.choice([ankle, knee + rng.uniform(-0.05, 0.15)], p=[0.7, 0.3])
    legs = (hips & (skin[:, 1] < waist)) | (_ends(parts, *_LEGS) & (skin[:, 1] > hem))
    yield legs, _draw_colour(rng), rng.uniform(0.006, 0.02)
    trunk = np.isin(parts, _TRUNK) | (hips & (skin[:, 1] >= waist))
    sleeve = np.abs(skin[:, 0]) < rng.choice([0.25, 0.33, 0.47], p=[0.2, 0.4, 0.4])
    arms = _ends(parts, "Arm", "ForeArm") & sleeve
    yield trunk | arms, _draw_colour(rng), rng.uniform(0.006, 0.022)
    yield _ends(parts, "Foot", "ToeBase"), _draw_colour(rng) * 0.7, 0.008


def _ends(parts: np.ndarray, *endings: str) -> np.ndarray:
    return np.array([part.endswith(endings) for part in parts])


def _draw_colour(rng: Generator) -> np.ndarray:
    """A colour that is neither black nor glaring."""
    grey = rng.uniform(0.15, 0.85)
    return np.clip(grey + rng.uniform(0, 0.35) * rng.normal(0, 1, 3), 0.08, 0.95)


def _draw_cloth(rng: Generator, points: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Plain, striped or mottled cloth."""
    kind, other = rng.choice(["plain", "stripes", "mottled"], p=[0.5, 0.25, 0.25]), rng.random(3)
    share = np.zeros(len(points))
    if kind == "stripes":
        along = points @ rng.normal(size=3)
        share = 0.5 * (np.sin(2 * np.pi * along / rng.uniform(0.04, 0.12)) > 0)
    if kind == "mottled":
        waves = np.sin(points @ rng.normal(0, 40, (3, 4)) + rng.uniform(0, 6, 4))
        share = 0.15 * waves.sum(1)
    shade = rng.normal(1, 0.02, (len(points), 1))
    return ((1 - share)[:, None] * colour + share[:, None] * other) * shade


def _paint_head(rng, colours, thickness, skin, parts, face) -> None:
    """Hair, eyes and mouth, in place."""
    nose, left, right, *ears = face
    head, eyes = _ends(parts, "Head"), (left + right) / 2
    ahead = eyes[2] - np.mean([ear[2] for ear in ears])
    hairline = eyes[1] + rng.uniform(0.045, 0.06)
    behind = skin[:, 2] < np.mean([ear[2] for ear in ears]) + 0.2 * ahead
    low = nose[1] - rng.choice([0.0, 0.05, 0.12])
    hair = head & ((skin[:, 1] > hairline) | (behind & (skin[:, 1] > low)))
    if rng.random() > 0.08:
        colours[hair] = rng.dirichlet(np.ones(len(_HAIR))) @ _HAIR
        thickness[hair] = rng.uniform(0.004, 0.03)
    for eye in (left, right):
        distance = np.linalg.norm(skin - eye, axis=1)
        colours[head & (distance < 0.016)] = (0.85, 0.85, 0.85)
        colours[head & (distance < 0.010)] = (0.12, 0.09, 0.07)
        brow = np.abs(skin - eye - (0, 0.021, 0)) < (0.02, 0.004, 0.03)
        colours[head & brow.all(1)] *= 0.35
    mouth = np.abs(skin - (nose - (0, 0.037, 0.01))) < (0.024, 0.007, 0.03)
    colours[head & mouth.all(1)] = colours[head & mouth.all(1)] * (0.8, 0.45, 0.45)


def thicken(
    skin: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    thickness: Float[np.ndarray, " V"],
) -> Float[np.ndarray, "V 3"]:
    """Vertices moved out along their normals, metres."""
    return skin + thickness[:, None] * compute_vertex_normals(skin, faces)
