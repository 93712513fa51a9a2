"""Cameras, projection, rotations, alignment: pure functions on NumPy arrays.

World: metres, Y up, right-handed. Camera: metres, x right, y down, z forward (depth), also
right-handed. Pixels: x right, y down from the upper left corner. Arrays keep their leading axes:
``(…, 3)`` in, ``(…, 3)`` or ``(…, 2)`` out; NaN (a missing joint) stays NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Num

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17, Skeleton

__all__ = [
    "UP_AXES",
    "Camera",
    "axis_angle_to_matrix",
    "bone_lengths",
    "chain_transforms",
    "fit_rotation",
    "is_behind_box",
    "look_at",
    "normalize",
    "normalize_screen",
    "procrustes",
    "random_camera",
    "rotation_about",
    "rotation_between",
]

UP_AXES = {
    "y": np.eye(3),
    "-y": np.diag([1.0, -1.0, -1.0]),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
"""Rotation to y up, by the axis that is up: y (world), −y (camera) or z (other tools)."""


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
            expected = "a rotation (orthonormal, determinant +1)"
            raise InputError("camera", "R", expected, f"{self.R.tolist()}")
        if not (self.focal > 0).all():
            raise InputError("camera", "focal", "two positive numbers", f"{self.focal.tolist()}")

    def to_camera(self, points: npt.ArrayLike) -> Float[np.ndarray, "*batch 3"]:
        """World to camera, metres."""
        return np.asarray(points, np.float64) @ self.R.T + self.t

    def to_world(self, points: npt.ArrayLike) -> Float[np.ndarray, "*batch 3"]:
        """Camera to world, metres; zeros give the camera's position."""
        return (np.asarray(points, np.float64) - self.t) @ self.R

    def project(self, points: npt.ArrayLike) -> Float[np.ndarray, "*batch 2"]:
        """Camera (metres) to pixels; NaN for a point that is not in front of the camera."""
        points = np.asarray(points, np.float64)
        depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        return points[..., :2] / depth * self.focal + self.center

    def unproject(
        self, pixels: npt.ArrayLike, depth: npt.ArrayLike
    ) -> Float[np.ndarray, "*batch 3"]:
        """Pixels (…, 2) at depths (…) in metres to camera, metres."""
        depth = np.asarray(depth, np.float64)[..., None]
        ray = (np.asarray(pixels, np.float64) - self.center) / self.focal
        return depth * np.concatenate([ray, np.ones_like(ray[..., :1])], -1)

    def sees(self, points: npt.ArrayLike, margin: float = 0.0) -> Bool[np.ndarray, "*batch"]:
        """Whether camera-space points (…, 3) fall in the image, ``margin`` (share of its size) off
        its edge."""
        pixels, size = self.project(points), np.asarray(self.size)
        inside = (pixels >= margin * size) & (pixels <= (1 - margin) * size)
        return np.all(inside, axis=-1)


def look_at(
    eye: npt.ArrayLike, target: npt.ArrayLike, up: npt.ArrayLike = (0.0, 1.0, 0.0)
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """(R, t) of a camera at ``eye`` with ``target`` on its optical axis and the world's ``up``
    upright in its image."""
    eye, target, up = (np.asarray(v, np.float64) for v in (eye, target, up))
    forward = target - eye
    right = np.cross(forward, up)
    if not np.linalg.norm(right) > 1e-9 * np.linalg.norm(up):
        expected = "a point neither at the eye nor straight above or below it"
        points = f"eye {eye.tolist()}, target {target.tolist()}"
        raise InputError("look_at", "target", expected, points)
    forward, right = forward / np.linalg.norm(forward), right / np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return R, -R @ eye


def random_camera(
    rng: np.random.Generator, joints: Float[np.ndarray, "*batch 3"], margin: float = 0.05
) -> Camera:
    """A camera as a person would place it: the whole clip in view, from any side.

    Height 1 to 2.5 m above the lowest joint, 2.5 to 7 m from where the clip comes nearest, any
    azimuth, aimed at the clip's middle, intrinsics like Human3.6M's (1000 × 1000 pixels, focal
    length about 1145, principal point a little off the middle). It moves away, at that height,
    until every joint is ``margin`` of the image off its edge.

    Args:
        joints: world, metres; NaN where missing.
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


def normalize_screen(pixels: npt.ArrayLike, size: tuple[int, int]) -> Float[np.ndarray, "*batch 2"]:
    """Pixels to [−1, 1] across the image's *width* (w, h = ``size``): x/w·2 − 1, y/w·2 − h/w."""
    w, h = size
    return np.asarray(pixels, np.float64) / w * 2 - np.array([1.0, h / w])


def procrustes(
    pred: Num[np.ndarray, "*batch J 3"], gt: Num[np.ndarray, "*batch J 3"]
) -> Float[np.ndarray, "*batch J 3"]:
    """``pred`` moved onto ``gt`` by the best similarity (rotation, scale, shift) of each point set;
    never a reflection.

    Least squares in closed form (Umeyama, 1991, eq. 39-43). Both in one unit. A ``pred`` of one
    repeated point goes to the centre of ``gt``.
    """
    pred, gt = np.asarray(pred, np.float64), np.asarray(gt, np.float64)
    mean_pred, mean_gt = pred.mean(-2, keepdims=True), gt.mean(-2, keepdims=True)
    p, g = pred - mean_pred, gt - mean_gt
    rotation, trace = _solve_kabsch(p, g)
    size = (p**2).sum((-2, -1))
    scale = np.divide(trace, size, out=np.zeros_like(size), where=size > 0)
    return scale[..., None, None] * (p @ np.swapaxes(rotation, -1, -2)) + mean_gt


def fit_rotation(
    source: Float[np.ndarray, "*#batch N 3"], target: Float[np.ndarray, "*#batch N 3"]
) -> Float[np.ndarray, "*#batch 3 3"]:
    """The rotation that best turns vectors ``source`` onto ``target``; never a reflection.

    Least squares in closed form (Kabsch, 1976). Nothing is centred.

    >>> quarter = rotation_about((0, 1, 0), np.pi / 2)
    >>> points = np.random.default_rng(0).normal(size=(5, 3))
    >>> bool(np.allclose(fit_rotation(points, points @ quarter.T), quarter))
    True
    """
    return _solve_kabsch(source, target)[0]


def _solve_kabsch(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best rotation (…, 3, 3), and the sum (…) of target · (rotation @ source)."""
    u, s, vt = np.linalg.svd(np.swapaxes(target, -1, -2) @ source)
    sign = np.ones_like(s)
    sign[..., -1] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    return (u * sign[..., None, :]) @ vt, (s * sign).sum(-1)


def rotation_between(
    start: Float[np.ndarray, "*#batch 3"], end: Float[np.ndarray, "*#batch 3"]
) -> Float[np.ndarray, "*#batch 3 3"]:
    """The smallest rotation that turns the direction ``start`` to ``end``, of any lengths.

    The identity where a direction is NaN or of length 0; half a turn about an axis across where
    they are opposite.

    >>> rotation_between(np.array([1.0, 0, 0]), np.array([0, 2.0, 0])).round() @ [1, 0, 0]
    array([0., 1., 0.])
    """
    from scipy.spatial.transform import Rotation

    a, b = np.broadcast_arrays(normalize(start), normalize(end))
    cross, cosine = np.cross(a, b), (a * b).sum(-1)
    sine = np.linalg.norm(cross, axis=-1)
    axis = normalize(cross)
    opposite = (sine < 1e-9) & (cosine < 0)
    if opposite.any():
        least = np.eye(3)[np.abs(a[opposite]).argmin(-1)]
        axis[opposite] = normalize(np.cross(a[opposite], least))
    rotvec = np.nan_to_num(axis * np.arctan2(sine, cosine)[..., None])
    return Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix().reshape(*rotvec.shape, 3)


def normalize(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Vectors of length 1; one shorter than a nanometre stays shorter than 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def chain_transforms(
    rotations: Float[np.ndarray, "*batch J 3 3"],
    translations: Float[np.ndarray, "*batch J 3"],
    parents: Sequence[int],
) -> tuple[Float[np.ndarray, "*batch J 3 3"], Float[np.ndarray, "*batch J 3"]]:
    """Forward kinematics: world orientation and position of every joint of a tree.

    Args:
        rotations: of every joint against its parent; of a root against the world.
        translations: where every joint lies in its parent's frame; a root in the world.
        parents: −1 for a root; each before its children.
    """
    world, positions = rotations.copy(), translations.copy()
    for j, parent in enumerate(parents):
        if parent >= 0:
            above = world[..., parent, :, :]
            world[..., j, :, :] = above @ rotations[..., j, :, :]
            offset = (above @ translations[..., j, :, None])[..., 0]
            positions[..., j, :] = positions[..., parent, :] + offset
    return world, positions


def axis_angle_to_matrix(axis_angle: npt.ArrayLike) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation vectors (…, 3), radians, to matrices (Rodrigues)."""
    axis_angle = np.asarray(axis_angle, np.float64)
    angle = np.linalg.norm(axis_angle, axis=-1)
    # sin(a)/a and (1 − cos(a))/a², both smooth at 0 where np.sinc knows the limit.
    first, second = np.sinc(angle / np.pi), np.sinc(angle / (2 * np.pi)) ** 2 / 2
    x, y, z = np.moveaxis(axis_angle, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return np.eye(3) + first[..., None, None] * cross + second[..., None, None] * (cross @ cross)


def rotation_about(axis: npt.ArrayLike, angle: npt.ArrayLike) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation by ``angle`` (…) radians about ``axis`` (…, 3), of any length but 0."""
    axis = np.asarray(axis, np.float64)
    direction = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    return axis_angle_to_matrix(direction * np.asarray(angle)[..., None])


def bone_lengths(
    joints: npt.ArrayLike, skeleton: Skeleton = H36M17
) -> Float[np.ndarray, "*batch bones"]:
    """Length of every bone in the order of ``skeleton.bones``; joints (…, J, 3), same unit."""
    child, parent = np.array(skeleton.bones).T
    joints = np.asarray(joints, np.float64)
    return np.linalg.norm(joints[..., child, :] - joints[..., parent, :], axis=-1)


def is_behind_box(
    points: Float[np.ndarray, "*batch 3"],
    centre: Float[np.ndarray, " 3"],
    half_size: Float[np.ndarray, " 3"],
    yaw: float,
) -> Bool[np.ndarray, "*batch"]:
    """Whether the segment from the camera (the origin) to each point meets a box (slab test).

    Args:
        points: metres, camera space.
        centre, half_size: metres; the box is turned by ``yaw`` radians about the vertical.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    origin, direction = -centre @ rotation, points @ rotation
    direction = np.where(np.abs(direction) < 1e-12, 1e-12, direction)
    near, far = (-half_size - origin) / direction, (half_size - origin) / direction
    enter = np.minimum(near, far).max(-1)
    leave = np.maximum(near, far).min(-1)
    return (enter <= leave) & (leave >= 0) & (enter <= 1)
