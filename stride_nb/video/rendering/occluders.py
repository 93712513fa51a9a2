"""What comes between the camera and the person, as geometry: kinds by name.

An occluder is one function ``(rng, joints, cameras, fps) -> Occluder`` under
``@register_occluder("name")``; nothing else is edited to add one. Boxes stand in front of the
person, never in it: from the camera they cover what the line of sight to the person passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy.random import Generator

from stride_nb.poses.geometry import Camera

__all__ = ["OCCLUDERS", "Box", "Occluder", "draw_occluder", "register_occluder"]

OCCLUDERS: dict[str, Callable] = {}
_CLEAR = 0.15  # metres between an occluder and the joint nearest to the camera
_TALL = 3.0  # metres: taller than anybody

WorldJoints = Float[np.ndarray, "T 17 3"]


@dataclass(frozen=True, eq=False)
class Box:
    """A box that is there in some frames."""

    size: Float[np.ndarray, " 3"]
    """Metres along its own axes: across the view, up, away."""
    places: Float[np.ndarray, "T 3 4"]
    """Its axes (columns) and its centre, metres, world."""
    present: Bool[np.ndarray, " T"]


@dataclass(frozen=True, eq=False)
class Occluder:
    """What hides a person in one version of a clip; most kinds use one of these."""

    boxes: Sequence[Box] = ()
    passer: Float[np.ndarray, "T 17 3"] | None = None
    """Joints of somebody who walks by, metres, world; NaN where out of the scene."""
    crop: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom of what is left of the image, px."""
    lost: Bool[np.ndarray, " T"] | None = None
    """Frames of which the picture is lost."""
    frozen: bool = False
    """Whether a lost frame repeats the last one; else it is black."""
    notes: dict = field(default_factory=dict)


def register_occluder(name: str):
    """Register an occluder under the name that records and the data set use."""

    def add_occluder(function: Callable) -> Callable:
        OCCLUDERS[name] = function
        return function

    return add_occluder


def draw_occluder(
    name: str, rng: Generator, joints: WorldJoints, cameras: Sequence[Camera], fps: float
) -> Occluder:
    """An occluder of a kind in ``OCCLUDERS``.

    Args:
        joints: metres, world, of the person who is to be hidden.
        cameras: one a frame.
        fps: frames per second.
    """
    return OCCLUDERS[name](rng, joints, cameras, fps)


@register_occluder("none")
def leave_all_in_view(rng, joints, cameras, fps) -> Occluder:
    """The clean version."""
    return Occluder()


@register_occluder("table")
def place_table(rng, joints, cameras, fps) -> Occluder:
    """Legs, or all below the chest, behind a table or a counter: for 1 to 3.5 s, or throughout."""
    frames = len(joints)
    whole = rng.random() < 0.3
    span = np.ones(frames, bool) if whole else _draw_span(rng, frames, fps, (1.0, 3.5))
    view = _View(joints, cameras, span)
    rise = rng.uniform(0.35, 0.62) * np.ptp(joints[..., 1], axis=1).mean()
    top, centre = view.sight((0.0, rise)), view.sight((rng.uniform(-0.3, 0.3), 0.0))
    height = float(np.clip(top[1], 0.3, 1.3))
    width = view.shrink * (np.ptp(view.across[span]) + rng.uniform(1.0, 2.4))
    depth = rng.uniform(0.1, 0.6)
    place = centre * (1, 0, 1) + (0, height / 2, 0) - view.ahead * depth / 2
    return Occluder([view.stand(place, (width, height, depth), span)])


@register_occluder("pillar")
def pass_pillar(rng, joints, cameras, fps) -> Occluder:
    """A post that crosses the view before the person in 1.2 to 2.6 s; twice in long clips."""
    boxes = []
    for part in np.array_split(np.arange(len(joints)), max(1, round(len(joints) / fps / 6))):
        span = np.zeros(len(joints), bool)
        span[part] = _draw_span(rng, len(part), fps, (1.2, 2.6))
        view = _View(joints, cameras, span)
        inside = np.flatnonzero(span)
        offsets = np.linspace(-1, 1, len(inside)) * rng.choice([-1, 1]) * rng.uniform(0.5, 0.9)
        places = np.tile(view.sight((0.0, 0.0)), (len(joints), 1))
        for frame, offset in zip(inside, offsets):
            places[frame] = view.sight((view.across_smooth[frame] + offset, 0.0))
        places = places * (1, 0, 1) + (0, _TALL / 2, 0)
        width = view.shrink * rng.uniform(0.2, 0.6)
        boxes.append(view.stand(places, (width, _TALL, width), span))
    return Occluder(boxes)


@register_occluder("half")
def board_up_half(rng, joints, cameras, fps) -> Occluder:
    """The left or right half of the image of the person behind a board, for 1 to 2.5 s."""
    span = _draw_span(rng, len(joints), fps, (1.0, 2.5))
    view = _View(joints, cameras, span)
    side, width = rng.choice([-1, 1]), 1.6
    shift = side * (width / 2 / view.shrink + rng.uniform(-0.08, 0.12))
    places = np.stack([view.sight((a + shift, 0.0)) for a in view.across_smooth])
    places = places * (1, 0, 1) + (0, _TALL / 2, 0)
    return Occluder([view.stand(places, (width, _TALL, 0.05), span)])


@register_occluder("passer")
def walk_by(rng, joints, cameras, fps) -> Occluder:
    """Somebody who walks by between the camera and the person."""
    from stride_nb.datasets.synthetic import ACTIVITIES
    from stride_nb.datasets.synthetic import load as load_synthetic

    span = _draw_span(rng, len(joints), fps, (1.5, 2.5))
    view = _View(joints, cameras, span, clear=0.5)
    walk = load_synthetic("train", 1, len(joints) / fps, int(rng.integers(1 << 30)), fps)[0].joints
    assert next(iter(ACTIVITIES)) == "walk"
    middle = int(np.flatnonzero(span).mean())
    path = walk[-1, 0] - walk[0, 0]
    across = view.right * rng.choice([-1, 1]) + rng.normal(0, 0.1, 3) * (1, 0, 1)
    turn = np.arctan2(across[0], across[2]) - np.arctan2(path[0], path[2])
    c, s = np.cos(turn), np.sin(turn)
    walk = (walk - walk[middle, :1] * (1, 0, 1)) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    place = view.sight((view.across_smooth[middle], 0.0)) * (1, 0, 1)
    return Occluder(passer=walk + place)


@register_occluder("edge")
def crop_image(rng, joints, cameras, fps) -> Occluder:
    """The image ends within the person: at the thighs, or on one side."""
    pixels = np.stack([c.project(c.to_camera(x)) for c, x in zip(cameras, joints)])
    width, height = cameras[0].size
    low, high = np.nanquantile(pixels, 0.02, axis=(0, 1)), np.nanquantile(pixels, 0.98, axis=(0, 1))
    left, top, right, bottom = 0, 0, width, height
    if rng.random() < 0.5:
        bottom = int(low[1] + (high[1] - low[1]) * rng.uniform(0.5, 0.85))
    elif rng.random() < 0.5:
        right = int(low[0] + (high[0] - low[0]) * rng.uniform(0.45, 0.75))
    else:
        left = int(low[0] + (high[0] - low[0]) * rng.uniform(0.25, 0.55))
    least = 96  # pixels that are left, at the least
    right, bottom = min(max(right, least), width), min(max(bottom, least), height)
    return Occluder(crop=(min(left, width - least), top, right, bottom))


@register_occluder("blackout")
def lose_picture(rng, joints, cameras, fps) -> Occluder:
    """The picture is lost for 0.3 to 1.5 s, once in four seconds: black, or the last one again."""
    lost = np.zeros(len(joints), bool)
    for part in np.array_split(np.arange(len(joints)), max(1, round(len(joints) / fps / 4))):
        lost[part] = _draw_span(rng, len(part), fps, (0.3, 1.5))
    return Occluder(lost=lost, frozen=bool(rng.random() < 0.5))


def _draw_span(rng: Generator, frames: int, fps: float, seconds) -> Bool[np.ndarray, " T"]:
    """A span of frames of that length, of half of them at most, anywhere."""
    length = int(min(rng.uniform(*seconds) * fps, max(frames // 2, 1)))
    first = rng.integers(0, frames - length + 1)
    span = np.zeros(frames, bool)
    span[first : first + length] = True
    return span


class _View:
    """The person as the camera sees it during a span: directions, and places before it."""

    def __init__(self, joints, cameras, span, clear: float = _CLEAR):
        from scipy.ndimage import gaussian_filter1d

        camera = cameras[int(np.flatnonzero(span).mean())]
        self.eye = camera.to_world(np.zeros(3))
        self.base = np.nanmean(joints[span][:, 0], 0) * (1, 0, 1)
        ahead = (self.base - self.eye) * (1, 0, 1)
        self.distance = float(np.linalg.norm(ahead))
        self.ahead = ahead / self.distance
        self.right = np.cross(self.ahead, (0.0, 1.0, 0.0))
        nearest = ((joints[span] - self.eye) @ self.ahead).min() - clear
        self.shrink = max(nearest, 0.3) / self.distance
        """How far away the occluder stands, as a share of the person's distance."""
        self.across = (joints[:, 0] - self.base) @ self.right
        self.across_smooth = gaussian_filter1d(self.across, 5, mode="nearest")

    def sight(self, offset: tuple[float, float]) -> Float[np.ndarray, " 3"]:
        """Where an occluder covers a point at the person's distance: across and above the floor."""
        point = self.base + offset[0] * self.right + (0, offset[1], 0)
        return self.eye + self.shrink * (point - self.eye)

    def stand(self, centres, size, span) -> Box:
        """A box that faces the camera, its far side at the centres' distance."""
        centres = np.broadcast_to(np.asarray(centres, float), (len(span), 3))
        axes = np.stack([self.right, (0.0, 1.0, 0.0), -self.ahead], -1)
        centres = centres - self.ahead * size[2] / 2
        turned = np.broadcast_to(axes, (len(span), 3, 3))
        return Box(np.asarray(size), np.concatenate([turned, centres[..., None]], -1), span)
