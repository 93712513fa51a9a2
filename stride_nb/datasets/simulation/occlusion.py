"""What hides joints: occlusion regimes by name, each from poses before a camera to who is visible.

A regime is one function ``(joints, fps, rng) -> visible`` under ``@register_regime("name")``;
nothing else is edited to add one. The hidden share is the regime's own; what an estimator then
makes of hidden joints is simulated by ``estimator_noise``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Bool, Float
from numpy.random import Generator

from stride_nb.errors import InputError
from stride_nb.poses.geometry import is_behind_box
from stride_nb.poses.skeleton import HALVES, LIMBS

__all__ = ["REGIMES", "draw_hidden_spans", "occlude", "register_regime"]

CameraJoints = Float[np.ndarray, "T J 3"]
VisibleJoints = Bool[np.ndarray, "T J"]

REGIMES: dict[str, Callable] = {}

# of a span, and of the frames that spans cover: fixed, so that figures can be compared
_SECONDS, _SHARE = (0.5, 2.0), (0.3, 0.5)


def register_regime(name: str):
    """Register a regime under the name that notebooks, tables and the command line use."""

    def add_regime(function: Callable) -> Callable:
        REGIMES[name] = function
        return function

    return add_regime


def occlude(name: str, joints: CameraJoints, fps: float, rng: Generator) -> VisibleJoints:
    """Which joints a regime leaves visible.

    Args:
        name: a key of ``REGIMES``.
        joints: metres, camera space (x right, y down, z forward, camera at the origin).
        fps: frames per second.
        rng: the only source of chance.
    """
    if name not in REGIMES:
        raise InputError("occlusion", "regime", f"one of {', '.join(REGIMES)}", repr(name))
    return REGIMES[name](joints, fps, rng)


def draw_hidden_spans(frames: int, fps: float, rng: Generator) -> list[tuple[int, int]]:
    """Spans [a, b) of 0.5 to 2 s, a frame or more apart, that together cover 30 to 50 % of the
    frames.

    Where that share of a short clip is less than the shortest span, one span of that share remains.
    """
    left = max(1, round(rng.uniform(*_SHARE) * frames))
    shortest, longest = max(1, math.ceil(_SECONDS[0] * fps)), max(1, round(_SECONDS[1] * fps))
    lengths = []
    while left > 0:
        length = min(left, max(shortest, round(rng.uniform(*_SECONDS) * fps)))
        if left - length < shortest:  # what remained would be too short to be a span
            length = left if left <= longest else left - shortest
        lengths.append(length)
        left -= length
    apart = np.arange(len(lengths))  # spans that touched would be one span, of any length
    cuts = np.sort(rng.integers(0, frames - sum(lengths) - apart[-1] + 1, len(lengths)))
    starts = cuts + apart + np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int)
    return [(int(a), int(a + n)) for a, n in zip(starts, lengths)]


@register_regime("none")
def hide_nothing(joints: CameraJoints, fps: float, rng: Generator) -> VisibleJoints:
    """Everything visible: what a method costs where there is nothing to repair."""
    return np.ones(joints.shape[:2], bool)


@register_regime("flicker")
def hide_single_joints(joints: CameraJoints, fps: float, rng: Generator) -> VisibleJoints:
    """Single joints vanish for 0.04–0.3 s at a time, each hidden about a seventh of the time."""
    visible = hide_nothing(joints, fps, rng)
    frames = len(joints)
    for j in range(joints.shape[1]):
        # below that a frame is longer than what hides it
        for start in np.flatnonzero(rng.random(frames) < 1.0 / max(fps, 6.0)):
            visible[start : start + max(1, round(rng.uniform(0.04, 0.3) * fps)), j] = False
    return visible


@register_regime("limb")
def hide_limb(joints: CameraJoints, fps: float, rng: Generator) -> VisibleJoints:
    """One arm or one leg at a time, in spans of 0.5–2 s that cover 30–50 % of the frames."""
    return _hide_groups(LIMBS, joints, fps, rng)


@register_regime("half")
def hide_half(joints: CameraJoints, fps: float, rng: Generator) -> VisibleJoints:
    """Left or right side, both legs, or both arms at a time, in spans of 0.5–2 s, 30–50 % of the
    frames."""
    return _hide_groups(HALVES, joints, fps, rng)


def _hide_groups(groups: dict[str, list[int]], joints, fps: float, rng: Generator) -> np.ndarray:
    visible = hide_nothing(joints, fps, rng)
    names = list(groups)
    for a, b in draw_hidden_spans(len(joints), fps, rng):
        visible[a:b, groups[names[rng.integers(len(names))]]] = False
    return visible


@register_regime("block")
def hide_behind_box(joints: CameraJoints, fps: float, rng: Generator) -> VisibleJoints:
    """A box that stands between camera and person: hidden is what a ray from the camera cannot
    reach.

    The box is drawn anew, up to 32 times, until it hides 10–50 % of all joints of the clip.
    """
    visible = hide_nothing(joints, fps, rng)
    for _ in range(32):
        frame, joint = rng.integers(len(joints)), rng.integers(joints.shape[1])
        reach = rng.uniform(0.4, 0.8)  # of the way from the camera to that joint
        half_size = rng.uniform((0.15, 0.3, 0.1), (0.6, 1.0, 0.4)) * reach
        yaw = rng.uniform(-0.6, 0.6)
        visible = ~is_behind_box(joints, joints[frame, joint] * reach, half_size, yaw)
        if 0.1 <= 1 - visible.mean() <= 0.5:
            break
    return visible


def hide_whole_person(
    seconds: float, joints: CameraJoints, fps: float, rng: Generator
) -> VisibleJoints:
    """The whole person gone once, for that time."""
    visible = hide_nothing(joints, fps, rng)
    gap = min(round(seconds * fps), len(joints) - 2)  # something stays to be seen at either end
    if gap > 0:
        start = rng.integers(1, len(joints) - gap)
        visible[start : start + gap] = False
    return visible


for _seconds, _name in ((0.5, "whole_0.5s"), (1.0, "whole_1s"), (2.0, "whole_2s")):
    register_regime(_name)(partial(hide_whole_person, _seconds))
