"""Where a 3D pose lies in the image: the rigid motion that brings its visible joints closest to
the keypoints (perspective-n-point)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear
from stride_nb.poses.sequence import Keypoints2D, PoseSequence

__all__ = ["place_on_image"]

FIELD_OF_VIEW = 50.0
"""Degrees along the longer side of the image, where the camera is not known. Between 40 and 60 the
distance to the keypoints of a phone video hardly changes."""
_ERROR_SHARE = 0.015
"""Of a person's height: keypoints that lie farther off count ever less (Cauchy weights)."""
_TURN = 0.2  # radians: the turn that costs as much as one joint being off by that share
_ROUNDS = 12
_LONGEST_STEP = np.array([5.0, 5.0, 5.0, 0.5, 0.5, 0.5])  # a round: metres and radians
_LEAST_JOINTS = 4
_NEAREST = 0.2  # metres in front of the camera
_CHUNK = 2000  # frames


def place_on_image(
    poses: PoseSequence, keypoints: Keypoints2D, field_of_view: float = FIELD_OF_VIEW
) -> Float[np.ndarray, "T J 2"]:
    """A sequence's joints in the image, px.

    Frame by frame the pose is moved and, slightly, turned; by Gauss–Newton with weights that fall
    with a joint's distance, so that a few wrong keypoints do not pull it away. Where fewer than
    four joints are visible the motion is interpolated. Left and right labels of a frame's
    keypoints count as swapped where that fits better.

    Args:
        poses: finite, camera axes (x right, y down, z forward), metres; a frame for each of the
            keypoints'.
        keypoints: of the same joints.
        field_of_view: degrees, along the longer side of the image.
    """
    size = np.array(keypoints.size, float)
    focal = size.max() / 2 / np.tan(np.radians(field_of_view / 2))
    seen = keypoints.confidence >= CONFIDENCE_THRESHOLD
    rays = (np.nan_to_num(keypoints.pixels) - size / 2) / focal
    reach = _ERROR_SHARE * _measure_extent(keypoints.pixels, seen) / focal
    turns, shifts = np.zeros((len(poses), 3)), np.zeros((len(poses), 3))
    order = list(keypoints.skeleton.mirror)
    for start in range(0, len(poses), _CHUNK):
        part = slice(start, start + _CHUNK)
        joints, ray, mask = poses.joints[part], rays[part], seen[part]
        straight = fit_motion(joints, ray, mask, reach)
        swapped = fit_motion(joints, ray[:, order], mask[:, order], reach)
        better = (swapped[2] < straight[2])[:, None]
        turns[part] = np.where(better, swapped[0], straight[0])
        shifts[part] = np.where(better, swapped[1], straight[1])
    trusted = (seen.sum(1) >= _LEAST_JOINTS)[:, None]
    turns, shifts = (fill_linear(v[:, None], trusted)[:, 0] for v in (turns, shifts))
    placed = _apply_motion(poses.joints, turns, shifts)
    return placed[..., :2] / np.maximum(placed[..., 2:], _NEAREST) * focal + size / 2


def fit_motion(
    joints: Float[np.ndarray, "T J 3"],
    rays: Float[np.ndarray, "T J 2"],
    seen: Bool[np.ndarray, "T J"],
    reach: float,
) -> tuple[Float[np.ndarray, "T 3"], Float[np.ndarray, "T 3"], Float[np.ndarray, " T"]]:
    """Rotation vectors, translations (metres) and costs of the motions that bring joints onto
    rays.

    Args:
        joints: metres, camera axes.
        rays: x/z and y/z of the keypoints.
        seen: which count.
        reach: distance on the plane z = 1 at which a keypoint's weight is a half.
    """
    turns, shifts = np.zeros((len(joints), 3)), _fit_shift(joints, rays, seen)
    for _ in range(_ROUNDS):
        moved = _apply_motion(joints, turns, shifts)
        offset, weight = _measure_offsets(moved, rays, seen, reach)
        slopes = _differentiate(moved, moved - shifts[:, None])
        normal = np.einsum("tj,tjai,tjak->tik", weight, slopes, slopes) + 1e-12 * np.eye(6)
        pull = np.einsum("tj,tjai,tja->ti", weight, slopes, offset)
        normal[:, 3:, 3:] += (reach / _TURN) ** 2 * np.eye(3)
        pull[:, 3:] += (reach / _TURN) ** 2 * turns
        step = -np.linalg.solve(normal, pull[..., None])[..., 0].clip(-_LONGEST_STEP, _LONGEST_STEP)
        shifts, turns = shifts + step[:, :3], _chain_turns(step[:, 3:], turns)
        shifts[:, 2] = np.maximum(shifts[:, 2], _NEAREST)
    offset, _ = _measure_offsets(_apply_motion(joints, turns, shifts), rays, seen, reach)
    cost = np.log1p((offset**2).sum(-1) / reach**2)
    return turns, shifts, (cost * seen).sum(1)


def _fit_shift(joints: np.ndarray, rays: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Translations (T, 3) by linear least squares: x + t_x = u (z + t_z), likewise y."""
    slopes = np.zeros((*joints.shape[:2], 2, 3))
    slopes[..., 0, 0] = slopes[..., 1, 1] = 1
    slopes[..., 2] = -rays
    slopes *= seen[..., None, None]
    rest = rays * joints[..., 2:] - joints[..., :2]
    normal = np.einsum("tjai,tjak->tik", slopes, slopes) + 1e-9 * np.eye(3)
    pull = np.einsum("tjai,tja->ti", slopes, rest)
    shifts = np.linalg.solve(normal, pull[..., None])[..., 0]
    return np.where(shifts[:, 2:] > 1, shifts, np.array([0.0, 0.0, 5.0]))


def _apply_motion(joints: np.ndarray, turns: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return (
        np.einsum("tab,tjb->tja", Rotation.from_rotvec(turns).as_matrix(), joints) + shifts[:, None]
    )


def _chain_turns(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return (Rotation.from_rotvec(first) * Rotation.from_rotvec(second)).as_rotvec()


def _measure_offsets(
    moved: np.ndarray, rays: np.ndarray, seen: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (T, J, 2) on the plane z = 1, and weights (T, J)."""
    offset = moved[..., :2] / np.maximum(moved[..., 2:], _NEAREST) - rays
    return offset, seen / (1 + (offset**2).sum(-1) / reach**2)


def _differentiate(moved: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """(T, J, 2, 6): of x/z and y/z by the translation and by a further small rotation."""
    depth = np.maximum(moved[..., 2], _NEAREST)
    by_point = np.zeros((*moved.shape[:2], 2, 3))
    by_point[..., 0, 0] = by_point[..., 1, 1] = 1 / depth
    by_point[..., 2] = -moved[..., :2] / depth[..., None] ** 2
    # a rotation by w moves a point p by w × p
    by_turn = np.cross(turned[..., None, :], by_point)
    return np.concatenate([by_point, by_turn], -1)


def _measure_extent(pixels: np.ndarray, seen: np.ndarray) -> float:
    """Median extent of the visible joints, px."""
    visible = np.where(seen[..., None], pixels, np.nan)[seen.sum(1) >= _LEAST_JOINTS]
    if not len(visible):
        return 1.0
    extent = np.nanmax(visible, 1) - np.nanmin(visible, 1)
    return max(float(np.median(extent.max(1))), 1.0)
