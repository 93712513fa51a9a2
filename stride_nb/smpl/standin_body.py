"""A body of our own in SMPL's format, made by code, so that figures and tests need no registration.

The surface is a smooth union of rods round the 24-joint skeleton (`implicit_surface`); skin weights
are heat that spreads from each bone over the mesh; each shape direction is a displacement field
with a meaning; joint regressors are non-negative weights of nearby vertices that give the joints
exactly, at rest and along every shape direction. It is a person of 1.7 m drawn by hand, not a
measured one. A user's own SMPL file takes its place by one parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from stride_nb.poses.skeleton import H36M17, SMPL24
from stride_nb.smpl.implicit_surface import Rod, extract_mesh, make_rod_field

__all__ = ["SHAPE_NAMES", "make_standin_body"]

SHAPE_NAMES = (
    "height",
    "girth",
    "thigh length",
    "shank length",
    "torso length",
    "upper arm length",
    "forearm length",
    "shoulder width",
    "hip width",
    "head size",
)
"""What each of the ten shape directions changes; a positive coefficient makes it larger."""

Point = tuple[float, float, float]

Bone = tuple[int, np.ndarray, np.ndarray]
"""Joint that moves it, start, end."""

ShapeField = Callable[[np.ndarray], np.ndarray]
"""(N, 3) points at rest → (N, 3) displacement in metres a unit."""

_CELL = 0.0145
"""Side of a cell of the surface, metres."""

_REST_JOINTS = {  # rest pose: T, facing +z, left is +x, soles on y = 0; metres
    "pelvis": (0, 0.940, -0.005),
    "lhip": (0.085, 0.890, 0.0),
    "lknee": (0.095, 0.495, 0.005),
    "lankle": (0.100, 0.085, -0.030),
    "lfoot": (0.113, 0.024, 0.095),
    "spine1": (0, 1.040, -0.010),
    "spine2": (0, 1.160, -0.010),
    "spine3": (0, 1.260, -0.010),
    "neck": (0, 1.440, -0.025),
    "head": (0, 1.530, -0.005),
    "lcollar": (0.060, 1.385, -0.020),
    "lshoulder": (0.175, 1.395, -0.022),
    "lelbow": (0.430, 1.395, -0.030),
    "lwrist": (0.670, 1.394, -0.020),
    "lhand": (0.755, 1.392, -0.010),
}

_CROWN, _TOE, _FINGERTIP = (0, 1.700, -0.010), (0.118, 0.016, 0.155), (0.860, 1.388, -0.008)

_MIDDLE_RODS: list[Rod] = [
    ((0, 0.93, 0), (0, 1.02, 0), 0.102, 0.092),  # lower trunk
    ((0, 1.05, 0.015), (0, 1.30, 0.01), 0.092, 0.098),  # upper trunk
    ((0, 1.40, -0.02), (0, 1.54, -0.005), 0.054, 0.050),  # neck
    ((0, 1.615, -0.015), (0, 1.625, -0.01), 0.086, 0.084),  # skull
    ((0, 1.625, 0.03), (0, 1.60, 0.035), 0.062, 0.060),  # brow
    ((0, 1.528, 0.062), (0, 1.526, 0.066), 0.026, 0.025),  # chin
    ((0, 1.602, 0.095), (0, 1.575, 0.107), 0.006, 0.011),  # nose
]

_LEFT_RODS: list[Rod] = [
    ((0.065, 0.97, 0), (0.085, 0.90, 0), 0.088, 0.090),  # hip
    ((0.065, 0.90, -0.045), (0.075, 0.86, -0.045), 0.075, 0.070),  # buttock
    ((0.092, 0.88, 0.005), (0.095, 0.52, 0.008), 0.082, 0.048),  # thigh
    ((0.090, 0.78, 0.03), (0.095, 0.60, 0.022), 0.050, 0.034),
    ((0.105, 0.80, -0.03), (0.097, 0.62, -0.02), 0.048, 0.036),
    ((0.095, 0.51, 0.015), (0.095, 0.47, 0.012), 0.041, 0.041),  # knee
    ((0.095, 0.50, 0), (0.100, 0.10, -0.03), 0.043, 0.026),  # shin
    ((0.098, 0.42, -0.024), (0.097, 0.30, -0.032), 0.040, 0.032),  # calf
    ((0.100, 0.10, -0.03), (0.100, 0.035, -0.045), 0.028, 0.025),  # heel
    ((0.100, 0.06, -0.02), (0.115, 0.024, 0.085), 0.031, 0.024),  # foot
    ((0.100, 0.022, -0.04), (0.112, 0.018, 0.10), 0.021, 0.019),
    ((0.105, 0.022, 0.08), (0.112, 0.015, 0.145), 0.021, 0.013),
    ((0.125, 0.020, 0.07), (0.138, 0.014, 0.125), 0.019, 0.012),
    ((0.055, 1.02, 0), (0.052, 1.12, 0), 0.084, 0.080),  # flank
    ((0.055, 1.16, -0.005), (0.072, 1.30, -0.005), 0.084, 0.087),  # ribs
    ((0.045, 1.30, 0.05), (0.11, 1.32, 0.035), 0.048, 0.045),  # breast
    ((0.075, 1.36, -0.055), (0.075, 1.22, -0.05), 0.045, 0.045),  # shoulder blade
    ((0.02, 1.455, -0.03), (0.13, 1.415, -0.025), 0.045, 0.040),  # nape to shoulder
    ((0.07, 1.36, -0.01), (0.15, 1.385, -0.02), 0.062, 0.057),
    ((0.165, 1.395, -0.02), (0.22, 1.395, -0.02), 0.060, 0.052),  # shoulder
    ((0.20, 1.395, -0.022), (0.43, 1.395, -0.03), 0.046, 0.034),  # upper arm
    ((0.28, 1.393, -0.012), (0.34, 1.393, -0.014), 0.032, 0.030),
    ((0.43, 1.395, -0.03), (0.66, 1.395, -0.02), 0.036, 0.022),  # forearm
    ((0.46, 1.393, -0.028), (0.54, 1.394, -0.022), 0.031, 0.026),
    ((0.69, 1.394, 0.004), (0.755, 1.393, 0.014), 0.018, 0.016),  # hand
    ((0.69, 1.394, -0.024), (0.755, 1.393, -0.036), 0.018, 0.015),
    ((0.755, 1.393, 0.014), (0.85, 1.388, 0.012), 0.013, 0.009),
    ((0.755, 1.393, -0.004), (0.86, 1.388, -0.006), 0.013, 0.009),
    ((0.755, 1.393, -0.022), (0.855, 1.388, -0.024), 0.013, 0.009),
    ((0.750, 1.392, -0.038), (0.83, 1.387, -0.040), 0.012, 0.009),
    ((0.68, 1.392, 0.01), (0.735, 1.387, 0.055), 0.018, 0.015),  # thumb
    ((0.735, 1.387, 0.055), (0.785, 1.384, 0.068), 0.014, 0.013),
    ((0.028, 1.575, 0.045), (0.022, 1.55, 0.055), 0.042, 0.030),  # cheek
    ((0.078, 1.605, -0.005), (0.076, 1.575, 0), 0.012, 0.009),  # ear
]


def _mirror_point(point: Point) -> Point:
    return (-point[0], point[1], point[2])


@lru_cache(maxsize=1)
def make_standin_body() -> dict[str, np.ndarray]:
    """The arrays of an SMPL model file, and ``J_regressor_h36m`` (17, V) beside them. Always the
    same to the last bit.

    Returns:
        ``v_template`` (V, 3) metres, ``f`` (F, 3), ``weights`` (V, 24), ``shapedirs`` (V, 3, 10)
        metres a unit, ``posedirs`` (V, 3, 207; zero: no pose correctives), ``J_regressor`` (24, V),
        ``kintree_table`` (2, 24), ``J_regressor_h36m`` (17, V) in the order of ``skeleton.H36M17``.
        They are shared: do not write into them.
    """
    right_rods = [(_mirror_point(a), _mirror_point(b), ra, rb) for a, b, ra, rb in _LEFT_RODS]
    rods = _MIDDLE_RODS + _LEFT_RODS + right_rods
    low, high = np.array([-0.9425, -0.0435, -0.174]), np.array([0.9425, 1.74, 0.203])
    vertices, faces = extract_mesh(make_rod_field(rods, 0.012), low, high, _CELL)
    joints, h36m = _place_smpl24(), _place_h36m17()
    fields = _make_shape_fields(joints)
    points, targets24, targets17 = (
        np.stack([p, *(field(p) for field in fields)], -1) for p in (vertices, joints, h36m)
    )
    # the root's −1 wraps round, as in SMPL's files
    parents = np.array(SMPL24.parents, np.int64).astype(np.uint32)
    return {
        "v_template": vertices,
        "f": faces.astype(np.uint32),
        "weights": _spread_skin_weights(vertices, faces, joints),
        "shapedirs": points[..., 1:],
        "posedirs": np.zeros((len(vertices), 3, 207), np.float32),
        "J_regressor": _solve_regressor(points, targets24),
        "kintree_table": np.stack([parents, np.arange(24, dtype=np.uint32)]),
        "J_regressor_h36m": _solve_regressor(points, targets17),
    }


def _place_smpl24() -> np.ndarray:
    """(24, 3) SMPL's joints at rest."""
    left = {name: point for name, point in _REST_JOINTS.items() if name[0] == "l"}
    right = {"r" + name[1:]: _mirror_point(point) for name, point in left.items()}
    return np.array([(_REST_JOINTS | right)[name] for name in SMPL24.joints], float)


def _place_h36m17() -> np.ndarray:
    """(17, 3) Human3.6M's joints at rest: limbs are SMPL's, the pelvis lies between the hips, the
    head is the crown."""
    rest = dict(zip(SMPL24.joints, _place_smpl24()))
    rest |= {
        "pelvis": (rest["lhip"] + rest["rhip"]) / 2,
        "thorax": rest["neck"] - (0, 0.055, 0),
        "neck": rest["head"] - (0, 0, 0.015),
        "head": np.array(_CROWN) - (0, 0.01, 0),
    }
    rest["spine"] = (rest["pelvis"] + rest["thorax"]) / 2
    return np.array([rest[name] for name in H36M17.joints])


def _list_bones(joints: np.ndarray) -> list[Bone]:
    """Every bone; head, feet and hands end at crown, toes and fingertips."""
    ends = {"head": _CROWN, "lfoot": _TOE, "lhand": _FINGERTIP}
    ends |= {"rfoot": _mirror_point(_TOE), "rhand": _mirror_point(_FINGERTIP)}
    bones = [(parent, joints[parent], joints[joint]) for joint, parent in SMPL24.bones]
    for name, end in ends.items():
        j = SMPL24.index(name)
        bones.append((j, joints[j], np.array(end)))
    return bones


def _project_on_bones(points: np.ndarray, bones: list[Bone]) -> tuple[np.ndarray, np.ndarray]:
    """(N, B) distances to the bones and (N, B, 3) their nearest points."""
    start, end = np.array([b[1] for b in bones]), np.array([b[2] for b in bones])
    axis = end - start
    t = ((points[:, None] - start) * axis).sum(-1) / (axis**2).sum(-1)
    foot = start + np.clip(t, 0, 1)[..., None] * axis
    return np.linalg.norm(points[:, None] - foot, axis=-1), foot


def _spread_skin_weights(
    vertices: np.ndarray, faces: np.ndarray, joints: np.ndarray, spread: float = 0.022
) -> np.ndarray:
    """(V, 24) skin weights: each vertex starts with its nearest bone, then heat spreads over the
    mesh.

    One implicit step of the heat equation, (M + s² L) w = M w₀ (L: graph Laplacian, M: degree), is
    smooth, keeps weights in [0, 1] and their sum at 1; ``spread`` s is about the width of the
    transition at a joint, metres.
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import splu

    bones = _list_bones(joints)
    owner = np.array([b[0] for b in bones])[_project_on_bones(vertices, bones)[0].argmin(1)]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    near = coo_matrix((np.ones(len(edges)), edges.T), shape=2 * (len(vertices),)).tocsr()
    degree = diags(np.asarray(near.sum(1)).ravel())
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=-1).mean()
    solve = splu((degree + (spread / length) ** 2 * 4 * (degree - near)).tocsc()).solve
    weights = solve(degree @ np.eye(24)[owner]).clip(0)
    # four bones a vertex, as in SMPL's files
    weights[weights < np.partition(weights, -4, 1)[:, -4:-3]] = 0
    return weights / weights.sum(1, keepdims=True)


def _smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, a smooth step between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _make_shape_fields(joints: np.ndarray) -> list[ShapeField]:
    """The ten displacement fields, in the order of ``SHAPE_NAMES``.

    Lengths change by stretching space between two joints: linearly in between, as a whole beyond.
    """
    bones, neck = _list_bones(joints), joints[SMPL24.index("neck")]
    x, y = ({n: p[axis] for n, p in zip(SMPL24.joints, joints)} for axis in (0, 1))

    def widen_arms(start: float, stop: float) -> ShapeField:
        stretch = _stretch(0, start, stop, 0.012)
        return lambda p: stretch(p) * _smoothstep(p[:, 1], 1.15, 1.30)[:, None]

    def widen_hips(p: np.ndarray) -> np.ndarray:
        return (
            _stretch(0, 0.0, x["lhip"], 0.008)(p) * (1 - _smoothstep(p[:, 1], 0.98, 1.15))[:, None]
        )

    return [
        lambda p: 0.03 * p,
        lambda p: _thicken(p, bones),
        _stretch(1, y["lknee"], y["lhip"], 0.015),
        _stretch(1, y["lankle"], y["lknee"], 0.015),
        _stretch(1, y["pelvis"], 1.33, 0.02),
        widen_arms(x["lshoulder"], x["lelbow"]),
        widen_arms(x["lelbow"], x["lwrist"]),
        widen_arms(0.03, x["lshoulder"]),
        widen_hips,
        lambda p: _enlarge_head(p, neck),
    ]


def _stretch(axis: int, start: float, stop: float, amount: float) -> ShapeField:
    """Space beyond ``stop`` moves away by ``amount`` along the axis, on both sides of the body for
    x."""

    def field(p: np.ndarray) -> np.ndarray:
        out, side = np.zeros_like(p), np.sign(p[:, 0]) if axis == 0 else 1
        distance = np.abs(p[:, axis]) if axis == 0 else p[:, axis]
        out[:, axis] = np.clip((distance - start) / (stop - start), 0, 1) * amount * side
        return out

    return field


def _thicken(p: np.ndarray, bones: list[Bone]) -> np.ndarray:
    """Away from the bones, 8 % of the distance to them; hands, feet and head keep their size."""
    distance, foot = _project_on_bones(p, bones)
    share = np.exp(-distance / 0.01) / np.exp(-distance / 0.01).sum(1, keepdims=True)
    feet, head = _smoothstep(p[:, 1], 0.05, 0.25), _smoothstep(p[:, 1], 1.44, 1.54)
    hands = _smoothstep(np.abs(p[:, 0]), 0.55, 0.72)
    limbs = feet * (1 - head) * (1 - hands)
    return 0.08 * (p - (share[..., None] * foot).sum(1)) * limbs[:, None]


def _enlarge_head(p: np.ndarray, neck: np.ndarray) -> np.ndarray:
    head = _smoothstep(p[:, 1], 1.43, 1.53) * (np.abs(p[:, 0]) < 0.16)
    return 0.04 * (p - neck) * head[:, None]


def _solve_regressor(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(J, V) non-negative weights, summing to 1, of vertices around each joint (every fourth of the
    480 nearest).

    Non-negative least squares with a little ridge, which spreads the weights round the joint.

    Args:
        points: (V, 3, 11) vertices at rest and their displacement along every shape direction.
        targets: (J, 3, 11) the joints' own.
    """
    from scipy.optimize import nnls

    regressor = np.zeros((len(targets), len(points)))
    for j, target in enumerate(targets):
        chosen = np.argsort(((points[..., 0] - target[:, 0]) ** 2).sum(-1), kind="stable")[:480:4]
        offsets = (points[chosen] - target).reshape(len(chosen), -1)
        offsets[:, 0::11] *= 30  # the rest pose above all
        system = np.concatenate([offsets.T, np.ones((1, len(chosen))), 2e-3 * np.eye(len(chosen))])
        weights = nnls(system, np.r_[np.zeros(33), 1.0, np.zeros(len(chosen))])[0]
        regressor[j, chosen] = weights / weights.sum()
    return regressor
