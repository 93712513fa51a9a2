"""The articulated body: proportions, joint limits, forward kinematics, and standing on the ground.

A pose is a dict of arrays (T,): ``yaw_rate`` in degrees a second, ``rsupport`` and ``lsupport`` in
[0, 1], which say how much weight a foot bears, and the angles of ``ANGLES`` in degrees, zero in the
upright stance with arms hanging. Angles are anatomical (flexion, abduction and internal rotation
positive on both sides), so that published gait curves can be typed in as they are printed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from stride_nb.poses.skeleton import H36M17

__all__ = [
    "ANGLES",
    "ANGLE_LIMITS",
    "GRAVITY",
    "Pose",
    "SyntheticBody",
    "compute_foot_lift",
    "compute_leg_reach",
    "crouch",
    "draw_synthetic_body",
    "face_forward",
    "limit_angles",
    "make_neutral_pose",
    "place_joints",
    "plan_root_path",
    "raise_arms",
]

Pose = dict[str, Float[np.ndarray, " T"]]

GRAVITY = 9.81  # m/s²
_SHANK = 0.36  # share of the bend of the knee by which the shank leans forward in a crouch

# Degrees: (least, most). Norms of the American Academy of Orthopaedic Surgeons (Greene and Heckman,
# 1994), but for the ankle, which bends further forward under load than on the couch; the pelvis's
# rows bound what an upright person does.
_AXIAL = {
    "pelvis_tilt": (-20, 60),
    "pelvis_list": (-15, 15),
    "pelvis_turn": (-20, 20),
    "trunk_bend": (-30, 80),
    "trunk_side": (-35, 35),
    "trunk_twist": (-45, 45),
    "neck_bend": (-45, 45),
    "neck_side": (-45, 45),
    "neck_twist": (-60, 60),
}
_SIDED = {
    "hip": (-30, 120),
    "hip_abd": (-30, 45),
    "hip_rot": (-45, 45),
    "knee": (0, 135),
    "ankle": (-50, 35),
    "shoulder": (-60, 180),
    "shoulder_abd": (-45, 180),
    "shoulder_rot": (-90, 70),
    "elbow": (0, 150),
}
ANGLE_LIMITS = _AXIAL | {side + name: bounds for side in "rl" for name, bounds in _SIDED.items()}
ANGLES = tuple(ANGLE_LIMITS)

# Rest offsets from parent to joint as fractions of stature (x left, y up, z forward). Segment
# lengths follow Drillis and Contini (1966) as tabulated by Winter (2009, fig. 4.1); hips, shoulders
# and the trunk chain follow the joint centres of optical motion capture, which lie inside the
# breadths that a caliper measures.
_OFFSETS = {
    "lhip": (0.053, 0, 0),
    "lknee": (0, -0.245, 0),
    "lankle": (0, -0.256, 0),
    "spine": (0, 0.130, -0.018),
    "thorax": (0, 0.139, 0.018),
    "neck": (0, 0.087, 0.0),
    "head": (0, 0.086, 0.018),
    "lshoulder": (0.111, 0.034, -0.012),
    "lelbow": (0, -0.176, 0),
    "lwrist": (0, -0.169, 0),
    "lheel": (0, -0.040, -0.032),
    "lball": (0, -0.040, 0.090),
}
_GROUPS = (  # segments that are scaled together
    *(("lhip",), ("lknee",), ("lankle",), ("spine", "thorax"), ("neck", "head")),
    *(("lshoulder",), ("lelbow",), ("lwrist",), ("lheel", "lball")),
)


@dataclass(frozen=True)
class SyntheticBody:
    """One person: stature in metres and the rest offset (3,) of every joint, heel and ball from its
    parent, metres."""

    stature: float
    offsets: dict[str, np.ndarray]

    def length(self, name: str) -> float:
        """Bone length from the parent to ``name``, metres."""
        return float(np.linalg.norm(self.offsets[name]))


def draw_synthetic_body(rng: np.random.Generator) -> SyntheticBody:
    """A person: stature 1.70 ± 0.09 m, each segment group ± 4 % of its share, left equal to
    right."""
    stature = float(np.clip(rng.normal(1.70, 0.09), 1.50, 1.95))
    offsets = {}
    for group, scale in zip(_GROUPS, np.exp(rng.normal(0, 0.04, len(_GROUPS)))):
        offsets |= {name: np.array(_OFFSETS[name]) * stature * scale for name in group}
    right = {"r" + name[1:]: o * [-1, 1, 1] for name, o in offsets.items() if name[0] == "l"}
    return SyntheticBody(stature, offsets | right)


def make_neutral_pose(t: Float[np.ndarray, " T"]) -> Pose:
    """Upright stance at the times ``t``, seconds: all angles 0, no turning, both feet bear
    weight."""
    pose = {name: np.zeros(len(t)) for name in (*ANGLES, "yaw_rate")}
    return pose | {name: np.ones(len(t)) for name in ("rsupport", "lsupport")}


def _rotate_frame(frame: np.ndarray, axes: str, *degrees: np.ndarray) -> np.ndarray:
    """``frame`` (T, 3, 3) turned about its own axes, one after the other, by (T,) degrees each."""
    columns = list(np.moveaxis(frame, -1, 0))
    for axis, angle in zip(axes, degrees):
        # turning about one axis mixes the other two
        i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        c, s = np.cos(np.radians(angle))[:, None], np.sin(np.radians(angle))[:, None]
        columns[i], columns[j] = c * columns[i] + s * columns[j], c * columns[j] - s * columns[i]
    return np.stack(columns, -1)


def _place_side(
    body: SyntheticBody, pose: Pose, side: str, pelvis: np.ndarray, thorax: np.ndarray, at: dict
) -> np.ndarray:
    """Place one side's joints into ``at``; returns heel and ball (T, 2, 3)."""
    # abduction and rotation are anatomical: their sign in space differs by side
    m = 1 if side == "l" else -1
    o = lambda name: body.offsets[side + name]
    p = lambda name: pose[side + name]
    at[side + "hip"] = at["pelvis"] + pelvis @ o("hip")
    thigh = _rotate_frame(pelvis, "xzy", -p("hip"), m * p("hip_abd"), -m * p("hip_rot"))
    at[side + "knee"] = at[side + "hip"] + thigh @ o("knee")
    shank = _rotate_frame(thigh, "x", p("knee"))
    at[side + "ankle"] = at[side + "knee"] + shank @ o("ankle")
    foot = _rotate_frame(shank, "x", -p("ankle"))
    at[side + "shoulder"] = at["thorax"] + thorax @ o("shoulder")
    shoulder = -p("shoulder"), m * p("shoulder_abd"), -m * p("shoulder_rot")
    arm = _rotate_frame(thorax, "xzy", *shoulder)
    at[side + "elbow"] = at[side + "shoulder"] + arm @ o("elbow")
    at[side + "wrist"] = at[side + "elbow"] + _rotate_frame(arm, "x", -p("elbow")) @ o("wrist")
    return at[side + "ankle"][:, None] + np.stack([foot @ o("heel"), foot @ o("ball")], 1)


def place_joints(
    body: SyntheticBody, pose: Pose, yaw: Float[np.ndarray, " T"]
) -> tuple[Float[np.ndarray, "T 17 3"], Float[np.ndarray, "T 2 2 3"]]:
    """Forward kinematics: every joint is its parent plus the rest offset, turned by all rotations
    above it.

    Args:
        pose: joint angles, degrees.
        yaw: heading, degrees, positive to the left; 0 faces +z.

    Returns:
        joints and feet (right and left; heel and ball), metres from the pelvis, Y up.
    """
    trunk, neck = (
        [pose[f"{part}_{way}"] / 2 for way in ("bend", "side", "twist")]
        for part in ("trunk", "neck")
    )
    world = np.broadcast_to(np.eye(3), (len(yaw), 3, 3))
    hips = yaw + pose["pelvis_turn"], pose["pelvis_tilt"], pose["pelvis_list"]
    pelvis = _rotate_frame(world, "yxz", *hips)
    lumbar = _rotate_frame(pelvis, "xzy", *trunk)
    thorax = _rotate_frame(lumbar, "xzy", *trunk)
    cervical = _rotate_frame(thorax, "xzy", *neck)
    at = {"pelvis": np.zeros((len(yaw), 3))}
    chain = (
        ("spine", "pelvis", lumbar),
        ("thorax", "spine", thorax),
        ("neck", "thorax", cervical),
        ("head", "neck", _rotate_frame(cervical, "xzy", *neck)),
    )
    for name, parent, frame in chain:
        at[name] = at[parent] + frame @ body.offsets[name]
    feet = [_place_side(body, pose, side, pelvis, thorax, at) for side in "rl"]
    return np.stack([at[name] for name in H36M17.joints], 1), np.stack(feet, 1)


def face_forward(joints: Float[np.ndarray, "T 17 3"]) -> Float[np.ndarray, "T 17 3"]:
    """The whole motion (metres, Y up) turned about the vertical so that, on average, the pelvis
    faces +z."""
    left = np.mean(joints[:, H36M17.index("lhip")] - joints[:, H36M17.index("rhip")], 0)
    x, z = left[[0, 2]] / np.hypot(left[0], left[2])
    return joints @ np.array([[x, 0, -z], [0, 1, 0], [z, 0, x]])


def compute_foot_lift(
    body: SyntheticBody, plantar: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    """Height of the ankle, metres, when the foot stands on its ball, heel up by ``plantar`` degrees
    ≥ 0."""
    ball, angle = body.offsets["lball"], np.radians(plantar)
    return -ball[1] * np.cos(angle) + ball[2] * np.sin(angle)


def crouch(
    pose: Pose,
    knee: Float[np.ndarray, " T"],
    shank: Float[np.ndarray, " T"] | float = _SHANK,
    lean: float = 0.42,
) -> None:
    """Bend both knees by ``knee`` degrees, feet flat: the shank leans forward by its share, the
    thigh takes the rest, and the trunk leans so that the body stays over the feet."""
    tilt = 0.5 * lean * knee
    pose["pelvis_tilt"] += tilt
    pose["trunk_bend"] += tilt
    pose["neck_bend"] -= 0.6 * tilt
    for s in "rl":
        pose[s + "knee"] += knee
        pose[s + "hip"] = pose[s + "hip"] + (1 - shank) * knee + tilt
        pose[s + "ankle"] += shank * knee


def raise_arms(
    pose: Pose,
    amount: Float[np.ndarray, " T"],
    flexion: float,
    abduction: float,
    elbow: float,
    rotation: float = 0,
    sides: str = "rl",
) -> None:
    """Take the arms to a posture (degrees) by the share ``amount``."""
    posture = {
        "shoulder": flexion,
        "shoulder_abd": abduction,
        "elbow": elbow,
        "shoulder_rot": rotation,
    }
    for s in sides:
        for name, degrees in posture.items():
            pose[s + name] += amount * degrees


def limit_angles(pose: Pose) -> None:
    """Bend every angle smoothly into its anatomical range: within 1.5° of a bound it starts to
    yield."""
    soft = lambda x: 1.5 * np.logaddexp(0, x / 1.5)
    least, most = np.array(list(ANGLE_LIMITS.values()), float).T[..., None]
    angles = np.stack([pose[name] for name in ANGLE_LIMITS])
    angles = np.minimum(most - soft(most - least - soft(angles - least)), most)
    pose |= dict(zip(ANGLE_LIMITS, angles))


def compute_leg_reach(
    body: SyntheticBody, knee: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Height of the hips above the ankles, metres, with the knees bent by ``knee`` degrees, the
    shank leaning forward by its share of the bend and the thigh backward by the rest: the law of
    the two-link leg."""
    forward, backward = np.radians(_SHANK * knee), np.radians((1 - _SHANK) * knee)
    return body.length("lankle") * np.cos(forward) + body.length("lknee") * np.cos(backward)


def plan_root_path(
    pose: Pose, feet: Float[np.ndarray, "T 2 2 3"], fps: float
) -> Float[np.ndarray, "T 3"]:
    """Where the pelvis must be, metres, for the feet that bear weight to rest on y = 0 without
    sliding.

    The four contact points (heel and ball of each foot) are weighted by ``lsupport``/``rsupport``
    and by how low they are. Their mean height gives the pelvis its height, the mean of their
    velocities, negated, its velocity. While no foot bears weight the pelvis follows the parabola
    between take-off and landing at constant speed.

    Args:
        pose: its ``rsupport`` and ``lsupport`` say, in [0, 1], how much each foot bears.
        feet: contact points, metres from the pelvis.
    """
    from scipy.ndimage import gaussian_filter1d

    smooth = lambda x, seconds: gaussian_filter1d(x, seconds * fps, axis=0, mode="nearest")
    support = np.stack([pose["rsupport"], pose["lsupport"]], 1)
    points = feet.reshape(len(feet), 4, 3)
    low = points[..., 1] - points[..., 1].min(1, keepdims=True)
    weight = np.repeat(support + 1e-6, 2, 1) * np.exp(-low / 0.01)
    weight /= weight.sum(1, keepdims=True)
    height = -(weight * points[..., 1]).sum(1)
    speeds = np.gradient(points, 1 / fps, axis=0) if len(feet) > 1 else 0 * points
    velocity = -(weight[..., None] * speeds).sum(1)
    bears = (support.max(1) > 0.05).astype(float)
    velocity = smooth(velocity * bears[:, None], 0.05) / np.maximum(
        smooth(bears, 0.05)[:, None], 1e-3
    )
    for a, b in _find_flights(bears):
        s, time = np.linspace(0, 1, b - a + 1), (b - a) / fps
        parabola = GRAVITY / 2 * time**2 * s * (1 - s)
        height[a : b + 1] = height[a] * (1 - s) + height[b] * s + parabola
        velocity[a : b + 1] = velocity[a] + s[:, None] * (velocity[b] - velocity[a])
    steps = (velocity[1:] + velocity[:-1]) / 2 / fps
    root = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, 0)])
    root[:, 1] = smooth(height, 0.02)
    return root


def _find_flights(bears: np.ndarray) -> list[tuple[int, int]]:
    """The (last supported, next supported) frame pairs around every stretch without support."""
    supported = np.flatnonzero(bears)
    gaps = np.flatnonzero(np.diff(supported) > 1)
    return [(int(supported[i]), int(supported[i + 1])) for i in gaps]
