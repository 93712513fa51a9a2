"""Where the camera stands, and how it moves: one `Camera` a frame, known exactly."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from stride_nb.poses.geometry import Camera, look_at

__all__ = ["draw_cameras"]

_FIELD_OF_VIEW = np.radians([25.0, 80.0])  # vertical
_MARGIN = 0.1  # of the image, around the joints
_TRIES = 3
_SHAKE_DEGREES, _SHAKE_METRES = 0.5, 0.015  # standard deviations of a hand


def draw_cameras(
    rng: Generator,
    joints: Float[np.ndarray, "T 17 3"],
    fps: float,
    size: tuple[int, int],
    hand_held: bool,
) -> list[Camera]:
    """A camera on a tripod, which sees the whole path, or in a hand, which follows the person.

    It stands 3 to 5.5 m from the middle of the path (farther where that leaves the path no room),
    0.6 to 2.2 m high; one in eight looks down from above. Of three places the one is taken from
    which the person is largest.

    Args:
        joints: metres, world (Y up), on a floor at y = 0.
        fps: frames per second.
        size: width and height of the image, px.
    """
    placings = [_place(rng, joints, fps, size, hand_held) for _ in range(_TRIES)]
    poses, focal = max(placings, key=lambda placing: _measure_height(*placing, joints))
    centre = np.array(size) / 2
    return [Camera(R, t, np.full(2, focal), centre, size) for R, t in poses]


def _place(rng: Generator, joints, fps: float, size, hand_held: bool):
    """The camera's (R, t) in every frame, and its focal length, px."""
    from scipy.ndimage import gaussian_filter1d

    middle, azimuth = joints.mean((0, 1)), rng.uniform(0, 2 * np.pi)
    away = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    distance = max(rng.uniform(3.0, 5.5), ((joints - middle) @ away).max() + 1.8)
    height = rng.uniform(2.5, 4.0) if rng.random() < 1 / 8 else rng.uniform(0.6, 2.2)
    eye = middle * (1, 0, 1) + distance * away + (0, height, 0)
    eyes, targets = np.tile(eye, (len(joints), 1)), np.tile(middle, (len(joints), 1))
    roll = np.zeros(len(joints))
    if hand_held:
        shake = [_wander(rng, len(joints), fps) for _ in range(7)]
        eyes = eyes + _SHAKE_METRES * np.stack(shake[:3], 1)
        targets = gaussian_filter1d(joints[:, 0], 0.4 * fps, axis=0, mode="nearest")
        reach = np.linalg.norm(targets - eyes, axis=1, keepdims=True)
        targets = targets + np.radians(_SHAKE_DEGREES) * reach * np.stack(shake[3:6], 1)
        roll = np.radians(2 * _SHAKE_DEGREES) * shake[6]
    poses = [_roll(*look_at(e, t), r) for e, t, r in zip(eyes, targets, roll)]
    return poses, _fit_focal(rng, poses, joints, size)


def _measure_height(poses, focal: float, joints: np.ndarray) -> float:
    """Pixels of a metre where the person is, on average."""
    depths = [x[0] @ R[2] + t[2] for x, (R, t) in zip(joints, poses)]
    return float(np.mean(focal / np.array(depths)))


def _wander(rng: Generator, frames: int, fps: float) -> Float[np.ndarray, " T"]:
    """Slow noise of unit variance."""
    from scipy.ndimage import gaussian_filter1d

    padding = int(2 * fps)
    noise = gaussian_filter1d(rng.normal(size=frames + 2 * padding), 0.25 * fps)
    return (noise / noise.std())[padding : padding + frames]


def _roll(R: np.ndarray, t: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return turn @ R, turn @ t


def _fit_focal(rng: Generator, poses, joints: np.ndarray, size: tuple[int, int]) -> float:
    """Focal length, px, with which the joints fill the image, within the field of view's bounds."""
    seen = np.stack([x @ R.T + t for x, (R, t) in zip(joints, poses)])
    slopes = np.abs(seen[..., :2]) / np.maximum(seen[..., 2:], 0.3)
    half = np.array(size) / 2
    fits = ((1 - 2 * _MARGIN) * half / slopes.max((0, 1))).min() * rng.uniform(0.85, 1.0)
    shortest, longest = half[1] / np.tan(_FIELD_OF_VIEW[::-1] / 2)
    return float(np.clip(fits, shortest, longest))
