"""Cameras, projection, rotations, alignment: pure functions on NumPy arrays.

World: metres, Y up, right-handed. Camera: metres, x right, y down, z forward (depth), also
right-handed. Pixels: x right, y down from the upper left corner. Arrays keep their leading axes:
``(…, 3)`` in, ``(…, 3)`` or ``(…, 2)`` out; NaN (a missing joint) stays NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17, Skeleton

__all__ = [
    "Camera",
    "axis_angle_to_matrix",
    "bone_lengths",
    "look_at",
    "normalize_screen",
    "procrustes",
    "random_camera",
    "rotation_about",
]


Z_UP_TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Rotation (x, y, z) with z up → (x, z, −y) with y up."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera without distortion: ``X_camera = R X_world + t``, ``u = f X/Z + c``.

    >>> camera = Camera(*look_at((0, 1, 4), (0, 1, 0)), focal=(1145, 1145),
    ...                 center=(500, 500), size=(1000, 1000))
    >>> print(camera.to_camera((0, 1, 0)), camera.project((0, 0, 4)))
    [0. 0. 4.] [500. 500.]
    """

    R: np.ndarray
    """(3, 3) rotation, world to camera."""
    t: np.ndarray
    """(3,) translation in metres, in camera axes."""
    focal: np.ndarray
    """(2,) focal length in pixels along x and y."""
    center: np.ndarray
    """(2,) principal point in pixels."""
    size: tuple[int, int]
    """Image width and height in pixels."""

    def __post_init__(self):
        for name, shape in (("R", (3, 3)), ("t", (3,)), ("focal", (2,)), ("center", (2,))):
            value = np.asarray(getattr(self, name), np.float64)
            if value.shape != shape or not np.isfinite(value).all():
                raise InputError("camera", name, f"finite, shape {shape}", f"{value.tolist()}")
            object.__setattr__(self, name, value)
        if not np.allclose(self.R @ self.R.T, np.eye(3), atol=1e-6) or np.linalg.det(self.R) < 0:
            raise InputError(
                "camera", "R", "a rotation (orthonormal, determinant +1)", f"{self.R.tolist()}"
            )
        if not (self.focal > 0).all():
            raise InputError("camera", "focal", "two positive numbers", f"{self.focal.tolist()}")

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World (…, 3) to camera (…, 3), metres."""
        return np.asarray(points, np.float64) @ self.R.T + self.t

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Camera (…, 3) to world (…, 3), metres: the way back, for refined poses too; of zeros,
        where the camera stands."""
        return (np.asarray(points, np.float64) - self.t) @ self.R

    def project(self, points: np.ndarray) -> np.ndarray:
        """Camera (…, 3) in metres to pixels (…, 2); NaN for a point that is not in front of the
        camera."""
        points = np.asarray(points, np.float64)
        depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        return points[..., :2] / depth * self.focal + self.center

    def unproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Pixels (…, 2) at depth (…) in metres to camera (…, 3)."""
        depth = np.asarray(depth, np.float64)[..., None]
        ray = (np.asarray(pixels, np.float64) - self.center) / self.focal
        return depth * np.concatenate([ray, np.ones_like(ray[..., :1])], -1)

    def sees(self, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """(…) whether camera-space points (…, 3) fall in the image, ``margin`` (share of its size)
        off its edge."""
        pixels, size = self.project(points), np.asarray(self.size)
        return ((pixels >= margin * size) & (pixels <= (1 - margin) * size)).all(-1)


def look_at(
    eye: np.ndarray, target: np.ndarray, up: np.ndarray = (0.0, 1.0, 0.0)
) -> tuple[np.ndarray, np.ndarray]:
    """(R, t) of a camera at ``eye`` with ``target`` on its optical axis and the world's ``up``
    upright in its image."""
    eye, target, up = (np.asarray(v, np.float64) for v in (eye, target, up))
    forward = target - eye
    right = np.cross(forward, up)
    if not np.linalg.norm(right) > 1e-9 * np.linalg.norm(up):
        raise InputError(
            "look_at",
            "target",
            "a point neither at the eye nor straight above or below it",
            f"eye {eye.tolist()}, target {target.tolist()}",
        )
    forward, right = forward / np.linalg.norm(forward), right / np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return R, -R @ eye


def random_camera(rng: np.random.Generator, joints: np.ndarray, margin: float = 0.05) -> Camera:
    """A camera as a person would place it: the whole clip in its view, from any side.

    Height 1 to 2.5 m above the lowest joint, 2.5 to 7 m from where the clip comes nearest, any
    azimuth, aimed at the clip's middle, intrinsics like Human3.6M's (1000 × 1000 pixels, focal
    length about 1145, principal point a little off the middle). It moves away, at that height,
    until every joint is ``margin`` of the image off its edge.

    Args:
        joints: (T, J, 3) world, metres; NaN where missing.
    """
    points = np.asarray(joints, np.float64).reshape(-1, 3)
    points = points[np.isfinite(points).all(-1)]
    if not len(points):
        raise InputError("random_camera", "joints", "at least one finite joint", "none")
    low, high = points.min(0), points.max(0)
    middle, azimuth = (low + high) / 2, rng.uniform(0, 2 * np.pi)
    direction = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    height, distance = low[1] + rng.uniform(1.0, 2.5) - middle[1], rng.uniform(2.5, 7.0)
    focal = np.full(2, 1145 * rng.uniform(0.99, 1.01))
    center = 500 + rng.uniform(-15, 15, 2)
    distance += ((points - middle) @ direction).max()
    while True:
        R, t = look_at(middle + distance * direction + (0, height, 0), middle)
        camera = Camera(R, t, focal, center, (1000, 1000))
        if camera.sees(camera.to_camera(points), margin).all():
            return camera
        distance *= 1.05


def normalize_screen(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels (…, 2) to [−1, 1] across the image's *width* (w, h = ``size``): x/w·2 − 1, y/w·2 −
    h/w."""
    w, h = size
    return np.asarray(pixels, np.float64) / w * 2 - np.array([1.0, h / w])


def procrustes(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """``pred`` moved onto ``gt`` by the best similarity (rotation, scale, shift) of each point set;
    never a reflection.

    Least squares in closed form (Umeyama, 1991, eq. 39-43). A ``pred`` of one repeated point goes
    to the centre of ``gt``.

    Args:
        pred, gt: (…, J, 3), same unit.

    Returns:
        (…, J, 3), aligned ``pred``.
    """
    pred, gt = np.asarray(pred, np.float64), np.asarray(gt, np.float64)
    mean_pred, mean_gt = pred.mean(-2, keepdims=True), gt.mean(-2, keepdims=True)
    p, g = pred - mean_pred, gt - mean_gt
    u, s, vt = np.linalg.svd(np.swapaxes(g, -1, -2) @ p)
    sign = np.ones_like(s)
    sign[..., -1] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    rotation = (u * sign[..., None, :]) @ vt
    size = (p**2).sum((-2, -1))
    scale = np.divide((s * sign).sum(-1), size, out=np.zeros_like(size), where=size > 0)
    return scale[..., None, None] * (p @ np.swapaxes(rotation, -1, -2)) + mean_gt


def axis_angle_to_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """Rotation vectors (…, 3), radians, to matrices (…, 3, 3) (Rodrigues)."""
    axis_angle = np.asarray(axis_angle, np.float64)
    angle = np.linalg.norm(axis_angle, axis=-1)
    # sin(a)/a and (1 − cos(a))/a², both smooth at 0 where np.sinc knows the limit.
    first, second = np.sinc(angle / np.pi), np.sinc(angle / (2 * np.pi)) ** 2 / 2
    x, y, z = np.moveaxis(axis_angle, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return np.eye(3) + first[..., None, None] * cross + second[..., None, None] * (cross @ cross)


def rotation_about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (…, 3, 3) by ``angle`` (…) radians about ``axis`` (…, 3), of any length but
    0."""
    axis = np.asarray(axis, np.float64)
    return axis_angle_to_matrix(
        axis / np.linalg.norm(axis, axis=-1, keepdims=True) * np.asarray(angle)[..., None]
    )


def bone_lengths(joints: np.ndarray, skeleton: Skeleton = H36M17) -> np.ndarray:
    """Length of every bone, in the unit of the input: (…, J, 3) → (…, bones), in the order of
    ``skeleton.bones``."""
    child, parent = np.array(skeleton.bones).T
    joints = np.asarray(joints, np.float64)
    return np.linalg.norm(joints[..., child, :] - joints[..., parent, :], axis=-1)
