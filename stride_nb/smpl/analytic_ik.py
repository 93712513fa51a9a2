"""Inverse kinematics in closed form: a body's rotations from joint positions, frame by frame.

The trunk takes the best rotation of its joints (Kabsch), limbs follow from their hinges: knees and
elbows bend about one axis, so the plane of upper and lower part gives the twist of a limb. A
straight limb is not twisted.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.poses.geometry import fit_rotation, rotation_between
from stride_nb.poses.skeleton import SMPL24

__all__ = ["estimate_pose", "find_determined_rotations"]

_J = {name: i for i, name in enumerate(SMPL24.joints)}
_HINGE_AXES = {
    "lhip": (1, 0, 0),
    "rhip": (1, 0, 0),
    "lshoulder": (0, -1, 0),
    "rshoulder": (0, 1, 0),
}
"""The axis about which the knee or elbow below bends, in the T pose."""
_LIMB_CHAINS = {
    f"{side}{limb[0]}": tuple(side + joint for joint in limb)
    for limb in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))
    for side in "lr"
}
_HIP_TRIANGLE = ("lhip", "rhip", "spine2", "neck")
_CHEST_TRIANGLE = ("lshoulder", "rshoulder", "neck", "spine2")
_DETERMINED_BY = {joint: chain for chain in _LIMB_CHAINS.values() for joint in chain[:2]}
_DETERMINED_BY |= {f"spine{i}": ("neck", "lshoulder", "rshoulder") for i in (1, 2, 3)}
_DETERMINED_BY |= {"neck": ("neck", "head")}
"""The joints whose positions determine a joint's rotation."""


def find_determined_rotations(seen: Bool[np.ndarray, "T 24"]) -> Bool[np.ndarray, "T 24"]:
    """Frames in which the joints that were seen determine a joint's rotation.

    A joint whose rotation is never determined counts as determined throughout: it keeps the rest
    pose.
    """
    determined = np.ones(seen.shape, bool)
    for name, points in _DETERMINED_BY.items():
        here = seen[:, [_J[p] for p in points]].all(1)
        determined[:, _J[name]] = here | ~here.any()
    return determined


def estimate_pose(
    points: Float[np.ndarray, "T 24 3"], rest: Float[np.ndarray, "24 3"]
) -> tuple[Float[np.ndarray, "T 24 3"], Float[np.ndarray, "T 3"]]:
    """Rotations and translation that put a body's joints near ``points``.

    Args:
        points: SMPL's joints, metres; NaN where a joint is never known.
        rest: the body's joints at rest, metres.

    Returns:
        Rotation vectors (radians) and translation (metres), finite everywhere.
    """
    from scipy.spatial.transform import Rotation

    local = np.broadcast_to(np.eye(3), (len(points), 24, 3, 3)).copy()
    root = _fit_trunk(points, rest, _HIP_TRIANGLE, np.broadcast_to(np.eye(3), local[:, 0].shape))
    chest = _fit_trunk(points, rest, _CHEST_TRIANGLE, root)
    third = Rotation.from_rotvec(Rotation.from_matrix(_t(root) @ chest).as_rotvec() / 3)
    local[:, 0] = root
    local[:, [_J["spine1"], _J["spine2"], _J["spine3"]]] = third.as_matrix()[:, None]
    neck, head = _J["neck"], _J["head"]
    local[:, neck] = rotation_between(
        rest[head] - rest[neck], _apply(_t(chest), points[:, head] - points[:, neck])
    )
    for upper, chain in _LIMB_CHAINS.items():
        above = root if "hip" in upper else chest
        local[:, _J[upper]], local[:, _J[chain[1]]] = _solve_limb(points, rest, above, chain)
    pose = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(len(points), 24, 3)
    known = _find_known(points, _HIP_TRIANGLE)
    if not known:
        return pose, np.zeros((len(points), 3))
    posed = (rest[known] - rest[0]) @ _t(root) + rest[0]
    return pose, (points[:, known] - posed).mean(1)


def _t(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)


def _apply(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (matrix @ vectors[..., None])[..., 0]


def _find_known(points: np.ndarray, names: tuple) -> list[int]:
    """Those of the joints that are known in every frame."""
    return [_J[n] for n in names if np.isfinite(points[:, _J[n]]).all()]


def _fit_trunk(
    points: np.ndarray, rest: np.ndarray, names: tuple, fallback: np.ndarray
) -> np.ndarray:
    """(T, 3, 3) the rotation that best turns those joints' rest positions onto ``points``;
    ``fallback`` where fewer than three are known."""
    known = _find_known(points, names)
    if len(known) < 3:
        return fallback
    p, r = points[:, known], rest[known]
    return fit_rotation(r - r.mean(0), p - p.mean(1, keepdims=True))


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _solve_limb(
    points: np.ndarray, rest: np.ndarray, above: np.ndarray, chain: tuple
) -> tuple[np.ndarray, np.ndarray]:
    """Rotations of a limb's upper joint and of its hinge, (T, 3, 3) each, in the frame of the trunk
    above."""
    a, b, c = (_J[name] for name in chain)
    axis = np.array(_HINGE_AXES[chain[0]], float)
    upper0, lower0 = _unit(rest[b] - rest[a]), _unit(rest[c] - rest[b])
    upper = _apply(_t(above), points[:, b] - points[:, a])
    lower = _apply(_t(above), points[:, c] - points[:, b])
    swing = rotation_between(upper0, upper)
    u, w = _unit(upper), _unit(lower)
    normal = np.cross(u, w)
    # the bend counts from 5° on, fully from 23° on
    weight = np.clip(np.linalg.norm(normal, axis=-1, keepdims=True) / 0.3 - 0.3, 0, 1)
    hinge = np.nan_to_num(weight * _unit(normal) + (1 - weight) * (swing @ axis))
    hinge = _unit(hinge - (hinge * u).sum(-1, keepdims=True) * np.nan_to_num(u))
    hinge0 = _unit(axis - (axis @ upper0) * upper0)
    frame0 = np.stack([upper0, hinge0, np.cross(upper0, hinge0)], -1)
    rotation = np.stack([u, hinge, np.cross(u, hinge)], -1) @ frame0.T
    # no rotation where joints coincide or are not known
    proper = np.linalg.det(np.nan_to_num(rotation)) > 0.5
    rotation = np.where(proper[:, None, None], rotation, swing)
    return rotation, rotation_between(lower0, _apply(_t(rotation), lower))
