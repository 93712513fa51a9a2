"""A person in every joint set: landmarks of 17 joints, so that a file can be written in any tool's
order."""

import numpy as np

from stride_nb.poses import skeleton
from stride_nb.poses.skeleton import H36M17

LIMBS = [
    f"{side}{part}"
    for side in "rl"
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
]
_STANDING = {
    "pelvis": (0, 0.95, 0),
    "hip": (0.12, 0.95, 0),
    "knee": (0.13, 0.5, 0.03),
    "ankle": (0.14, 0.08, -0.02),
    "spine": (0, 1.2, -0.02),
    "thorax": (0, 1.45, 0),
    "neck": (0, 1.6, 0.06),
    "head": (0, 1.75, 0.03),
    "shoulder": (0.18, 1.42, 0),
    "elbow": (0.3, 1.18, -0.02),
    "wrist": (0.34, 0.95, 0.1),
}
"""x to the left of the person, who faces +z; metres, y up; of limbs the left side."""


def stand():
    """(17, 3) a person who stands, metres, y up, in Human3.6M's order."""
    joints = []
    for name in H36M17.joints:
        side = {"l": 1, "r": -1}.get(name[0]) if name[1:] in _STANDING else None
        joints.append(np.multiply(_STANDING[name[1:] if side else name], (side or 1, 1, 1)))
    return np.array(joints, float)


def walk(frames=40, fps=25, seed=0):
    """(T, 17, 3) that person on a way ahead and round, arms and legs swinging; metres, y up."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    joints = np.repeat(stand()[None], frames, 0)
    phase = 2 * np.pi * (1.1 * time + rng.uniform())
    for name, sign, amount in (
        *(("knee", 1, 0.15), ("ankle", 1, 0.3), ("elbow", -1, 0.1), ("wrist", -1, 0.2)),
    ):
        for side, way in (("l", 1), ("r", -1)):
            joints[:, H36M17.index(side + name), 2] += sign * way * amount * np.sin(phase)
    turn = rng.uniform(-1, 1) + 0.5 * time
    c, s = np.cos(turn), np.sin(turn)
    x, z = joints[..., 0].copy(), joints[..., 2].copy()
    joints[..., 0], joints[..., 2] = (
        c[:, None] * x + s[:, None] * z,
        c[:, None] * z - s[:, None] * x,
    )
    return joints + np.stack([0.6 * time, 0 * time, 0.3 * time], -1)[:, None]


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def landmarks(joints):
    """Everything that any of the sets names, from 17 joints (T, 17, 3) of an upright person: name →
    (T, 3)."""
    at = {name: joints[:, j] for j, name in enumerate(H36M17.joints)}
    left = unit(at["lshoulder"] - at["rshoulder"])
    up = unit(at["head"] - at["thorax"])
    front = unit(np.cross(left, up))
    shoulders = (at["lshoulder"] + at["rshoulder"]) / 2
    nose = at["neck"]
    found = {name: at[name] for name in LIMBS} | {
        "nose": nose,
        "midhip": at["pelvis"],
        "hip": at["pelvis"],
        "pelvis": at["pelvis"],
        "head": at["head"],
        "neck": shoulders,
        "headtop": at["head"],
        "spine": at["spine"],
        "chest": at["spine"],
        "thorax": at["thorax"],
        "spinebase": at["pelvis"],
        "spinemid": at["spine"],
        "spinenavel": at["spine"],
        "spineshoulder": at["thorax"],
        "spinechest": (at["spine"] + at["thorax"]) / 2,
    }
    for side, sign in (("l", 1), ("r", -1)):
        for part, out, above, ahead in (
            ("eye", 0.03, 0.04, -0.02),
            ("eyeinner", 0.02, 0.04, -0.02),
            ("eyeouter", 0.04, 0.04, -0.02),
            ("ear", 0.08, 0.02, -0.1),
            ("mouth", 0.02, -0.03, -0.01),
        ):
            found[side + part] = nose + sign * out * left + above * up + ahead * front
        for part in ("bigtoe", "smalltoe", "heel", "footindex", "foot", "toe"):
            found[side + part] = at[f"{side}ankle"] + (0.15 if part != "heel" else -0.05) * front
        for part in (
            *("pinky", "index", "thumb", "hand", "handtip", "middle"),
            *(f"hand{i}" for i in range(21)),
            *(f"{f}{i}" for f in ("thumb", "index", "middle", "ring", "pinky") for i in range(4)),
        ):
            found[side + part] = at[f"{side}wrist"] + 0.05 * left
        for part, joint in (
            *(("clavicle", "shoulder"), ("collar", "shoulder"), ("acromion", "shoulder")),
            *(("olecranon", "elbow"), ("cubitalfossa", "elbow")),
        ):
            found[side + part] = (at[f"{side}{joint}"] + shoulders) / 2
    found |= {f"face{i}": nose for i in range(68)}
    return found


OWN_NECKS = {
    **{key: {"spine2": "spine", "neck": "thorax", "head": "neck"} for key in ("smpl24", "smpl22")},
    "hybrik29": {"spine2": "spine", "neck": "thorax", "jaw": "neck", "head": "head"},
    **{key: {"neck": "thorax", "head": "neck"} for key in ("mpi_inf_3dhp17", "mpi_inf_3dhp28")},
    **{key: {"neck": "neck"} for key in ("body25b", "mpii16")},
    **{key: {"neck": "thorax"} for key in ("kinect25", "kinect32")},
    **{key: {"neck": "thorax"} for key in ("halpe26", "halpe136", "crowdpose14", "aic14", "mpi15")},
}
"""What a set's joint is in Human3.6M's words where it is not what its name says elsewhere."""


def pose_in(name, joints):
    """(T, J, 3) the person of 17 joints (T, 17, 3) as that set marks it."""
    if name == "h36m17":
        return joints
    at = {joint: joints[:, j] for j, joint in enumerate(H36M17.joints)}
    found = landmarks(joints)
    for joint in skeleton.get_skeleton(name).joints:
        found.setdefault(joint, at["pelvis"] / 2 + at["thorax"] / 2)
    found |= {joint: at[meant] for joint, meant in OWN_NECKS.get(name, {}).items()}
    return np.stack([found[joint] for joint in skeleton.get_skeleton(name).joints], 1)
