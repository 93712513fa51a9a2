"""A first guess at a body's rotations from joint positions alone: closed form, frame by frame.

The trunk by the best rotation of its joints (Kabsch), limbs by their hinges: the plane of upper and
lower part says how far a limb is twisted, since knees and elbows bend about one axis only. Where a
limb is straight, it is not twisted.
"""

from __future__ import annotations

import numpy as np

from stride_nb.poses.skeleton import SMPL24

__all__ = ["guess", "told"]

_J = {name: i for i, name in enumerate(SMPL24.joints)}
_HINGES = {"lhip": (1, 0, 0), "rhip": (1, 0, 0), "lshoulder": (0, -1, 0), "rshoulder": (0, 1, 0)}
"""The axis about which the knee or elbow below bends, in the T pose."""
_LIMBS = [
    ("lhip", "lknee", "lankle"),
    ("rhip", "rknee", "rankle"),
    ("lshoulder", "lelbow", "lwrist"),
    ("rshoulder", "relbow", "rwrist"),
]
_HIPS, _CHEST = ("lhip", "rhip", "spine2", "neck"), ("lshoulder", "rshoulder", "neck", "spine2")
_TELL = {
    f"{side}{joint}": tuple(side + n for n in limb)
    for side in "lr"
    for limb in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))
    for joint in limb[:2]
}
_TELL |= {f"spine{i}": ("neck", "lshoulder", "rshoulder") for i in (1, 2, 3)} | {
    "neck": ("neck", "head")
}
"""The joints that tell how a joint is turned."""


def told(seen: np.ndarray) -> np.ndarray:
    """(T, 24) bool: frames in which a joint's rotation follows from joints that were seen, (T, 24)
    bool.

    A joint of which nothing ever tells counts as told throughout: its guess is the rest pose.
    """
    out = np.ones(seen.shape, bool)
    for name, points in _TELL.items():
        here = seen[:, [_J[p] for p in points]].all(1)
        out[:, _J[name]] = here | ~here.any()
    return out


def guess(points: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and translation that put a body's joints near ``points``.

    Args:
        points: (T, 24, 3) SMPL's joints, metres; NaN where a joint is not known at all.
        rest: (24, 3) the body's joints at rest.

    Returns:
        pose (T, 24, 3) rotation vectors and translation (T, 3), finite everywhere.
    """
    from scipy.spatial.transform import Rotation

    local = np.broadcast_to(np.eye(3), (len(points), 24, 3, 3)).copy()
    root = _align(points, rest, _HIPS)
    chest = _align(points, rest, _CHEST, root)
    third = Rotation.from_rotvec(Rotation.from_matrix(_t(root) @ chest).as_rotvec() / 3).as_matrix()
    local[:, 0] = root
    local[:, [_J["spine1"], _J["spine2"], _J["spine3"]]] = third[:, None]
    local[:, _J["neck"]] = _swing(
        rest[_J["head"]] - rest[_J["neck"]],
        _t(chest) @ (points[:, _J["head"]] - points[:, _J["neck"]])[..., None],
    )
    for limb in _LIMBS:
        above = root if "hip" in limb[0] else chest
        local[:, _J[limb[0]]], local[:, _J[limb[1]]] = _limb(points, rest, above, limb)
    pose = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(len(points), 24, 3)
    known = [
        i
        for i in (_J["lhip"], _J["rhip"], _J["spine2"], _J["neck"])
        if np.isfinite(points[:, i]).all()
    ]
    if not known:
        return pose, np.zeros((len(points), 3))
    turned = (rest[known] - rest[0]) @ _t(root) + rest[0]
    return pose, (points[:, known] - turned).mean(1)


def _t(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)


def _align(
    points: np.ndarray, rest: np.ndarray, names: tuple, fallback: np.ndarray | None = None
) -> np.ndarray:
    """(T, 3, 3) the rotation that best turns those joints' rest positions onto ``points``; needs
    three of them."""
    known = [_J[n] for n in names if np.isfinite(points[:, _J[n]]).all()]
    if len(known) < 3:
        return np.broadcast_to(np.eye(3), (len(points), 3, 3)) if fallback is None else fallback
    p, r = points[:, known], rest[known]
    u, _, vt = np.linalg.svd(_t(p - p.mean(1, keepdims=True)) @ (r - r.mean(0)))
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return u @ vt


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _swing(start: np.ndarray, to: np.ndarray) -> np.ndarray:
    """(T, 3, 3) the smallest rotation that turns the direction ``start`` (3,) to ``to`` (T, 3, 1);
    none for NaN."""
    from scipy.spatial.transform import Rotation

    a, b = _unit(start), _unit(to[..., 0])
    cross, cosine = np.cross(np.broadcast_to(a, b.shape), b), (a * b).sum(-1)
    sine = np.linalg.norm(cross, axis=-1)
    return Rotation.from_rotvec(
        np.nan_to_num(_unit(cross) * np.arctan2(sine, cosine)[:, None])
    ).as_matrix()


def _limb(
    points: np.ndarray, rest: np.ndarray, above: np.ndarray, limb: tuple
) -> tuple[np.ndarray, np.ndarray]:
    """Rotations of a limb's upper joint and of its hinge, (T, 3, 3) each, in the frame of the trunk
    above."""
    a, b, c = (_J[name] for name in limb)
    axis = np.array(_HINGES[limb[0]], float)
    upper0, lower0 = _unit(rest[b] - rest[a]), _unit(rest[c] - rest[b])
    upper = _t(above) @ (points[:, b] - points[:, a])[..., None]
    lower = _t(above) @ (points[:, c] - points[:, b])[..., None]
    swing = _swing(upper0, upper)
    u, w = _unit(upper[..., 0]), _unit(lower[..., 0])
    bent = np.cross(u, w)
    # from 5° to 23° of bend
    trust = np.clip(np.linalg.norm(bent, axis=-1, keepdims=True) / 0.3 - 0.3, 0, 1)
    hinge = np.nan_to_num(trust * _unit(bent) + (1 - trust) * (swing @ axis))
    hinge = _unit(hinge - (hinge * u).sum(-1, keepdims=True) * np.nan_to_num(u))
    frame0 = np.stack(
        [upper0, h := _unit(axis - (axis @ upper0) * upper0), np.cross(upper0, h)], -1
    )
    turned = np.stack([u, hinge, np.cross(u, hinge)], -1) @ frame0.T
    whole = np.linalg.det(np.nan_to_num(turned)) > 0.5  # not where joints coincide or are not known
    turned = np.where(whole[:, None, None], turned, swing)
    return turned, _swing(lower0, _t(turned) @ lower)
