"""From 17 joints to the rotations of a body's bones, in closed form, frame by frame.

Each bone has a frame of its own: the direction to its child, and the axis about which the joint
below it bends. The rotation of a bone turns its frame at rest into its frame in motion, so that a
limb points exactly where the motion's limb points, whatever the body's proportions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from stride_nb.poses.geometry import rotation_between
from stride_nb.poses.skeleton import H36M17

__all__ = ["estimate_bone_rotations"]

_JOINT = {name: i for i, name in enumerate(H36M17.joints)}
_BENT = np.cos(np.radians([35.0, 10.0]))
"""A joint bent more than the first shows the axis that it bends about, less than the second does
not."""
_STANDING = (0.08, 0.20)  # metres of an ankle above the floor: the foot is flat below the first
_SMOOTH_FRAMES = 2.0  # of the bending axis; at 25 a second, so that a straight limb does not spin

Rotations = Float[np.ndarray, "T 3 3"]


def estimate_bone_rotations(
    joints: Float[np.ndarray, "T 17 3"], rest: Mapping[str, Float[np.ndarray, " 3"]]
) -> dict[str, Rotations]:
    """World rotation of every bone against its own rest pose.

    What 17 joints do not tell is filled in: hands follow their forearms, the head the chest, a foot
    lies flat where its ankle is near the floor and follows the shank where it is not.

    Args:
        joints: metres, world (Y up), all known.
        rest: heads of the body's bones at rest, metres, Y up, facing +z, by name.

    Returns:
        By the names of ``rest``: (T, 3, 3).
    """
    hips = _estimate_trunk(joints, "lhip", "rhip", "pelvis", "spine")
    chest = _estimate_trunk(joints, "lshoulder", "rshoulder", "spine", "thorax")
    loin = _take_half_turn(hips, chest)
    neck_rest = rest["Head"] - rest["Neck"]
    neck_now = joints[:, _JOINT["head"]] - joints[:, _JOINT["thorax"]]
    # The crown lies above the neck: the head nods by half of what the chord from the thorax leans.
    neck = _turn_towards(chest, neck_rest, neck_now, 0.5)
    rotations = {"Hips": hips, "LowerBack": loin, "Spine": chest, "Spine1": chest}
    rotations |= {"Neck": neck, "Neck1": neck, "Head": neck}
    for side, letter in (("Left", "l"), ("Right", "r")):
        rotations |= _estimate_leg(joints, rest, side, letter, hips)
        rotations |= _estimate_arm(joints, rest, side, letter, chest)
    return rotations


def _estimate_trunk(joints, left: str, right: str, low: str, high: str) -> Rotations:
    """Turns the rest's axes (x left, y up, z ahead) to the trunk's: across, and up the spine."""
    across = _normalise(joints[:, _JOINT[left]] - joints[:, _JOINT[right]])
    up = joints[:, _JOINT[high]] - joints[:, _JOINT[low]]
    ahead = _normalise(np.cross(across, up))
    return np.stack([across, np.cross(ahead, across), ahead], -1)


def _take_half_turn(first: Rotations, second: Rotations) -> Rotations:
    """Halfway from one rotation to another."""
    from scipy.spatial.transform import Rotation

    step = Rotation.from_matrix(np.swapaxes(first, -1, -2) @ second).as_rotvec()
    return first @ Rotation.from_rotvec(0.5 * step).as_matrix()


def _turn_towards(base: Rotations, rest_direction, direction, share: float) -> Rotations:
    """``base``, then turned by a share of the angle that takes it along ``direction``."""
    from scipy.spatial.transform import Rotation

    swing = rotation_between(base @ _normalise(rest_direction), _normalise(direction))
    return Rotation.from_rotvec(share * Rotation.from_matrix(swing).as_rotvec()).as_matrix() @ base


def _estimate_leg(joints, rest, side: str, letter: str, hips: Rotations) -> dict[str, Rotations]:
    names = [f"{side}UpLeg", f"{side}Leg", f"{side}Foot"]
    points = [joints[:, _JOINT[letter + n]] for n in ("hip", "knee", "ankle")]
    across = np.array([1.0, 0.0, 0.0])  # knees bend about the axis from right to left
    thigh, shank = _estimate_hinged_pair(points, [rest[n] for n in names], across, hips)
    foot = _lay_flat(shank, points[2][:, 1] - joints[..., 1].min())
    return {
        f"{letter.upper()}HipJoint": hips,
        names[0]: thigh,
        names[1]: shank,
        names[2]: foot,
        f"{side}ToeBase": foot,
    }


def _estimate_arm(joints, rest, side: str, letter: str, chest: Rotations) -> dict[str, Rotations]:
    names = [f"{side}Arm", f"{side}ForeArm", f"{side}Hand"]
    points = [joints[:, _JOINT[letter + n]] for n in ("shoulder", "elbow", "wrist")]
    heads = [rest[n] for n in names]
    bend = _normalise(np.cross(heads[1] - heads[0], heads[2] - heads[1]))  # elbows are bent at rest
    upper, fore = _estimate_hinged_pair(points, heads, bend, chest)
    collar_rest = rest[names[0]] - rest[f"{side}Shoulder"]
    collar_now = points[0] - joints[:, _JOINT["thorax"]]
    hand = [names[2], f"{letter.upper()}Thumb", f"{side}FingerBase", f"{side}HandFinger1"]
    return {
        f"{side}Shoulder": _turn_towards(chest, collar_rest, collar_now, 0.5),
        names[0]: upper,
        names[1]: fore,
        **dict.fromkeys(hand, fore),
    }


def _estimate_hinged_pair(points, rest, rest_axis, parent) -> tuple[Rotations, Rotations]:
    """Rotations of the two bones that meet in a hinge, from the places of its three joints."""
    from scipy.ndimage import gaussian_filter1d

    upper, lower = _normalise(points[1] - points[0]), _normalise(points[2] - points[1])
    rest_upper, rest_lower = _normalise(rest[1] - rest[0]), _normalise(rest[2] - rest[1])
    # straight: as the parent carries the axis, by the least turn of the bone against it
    carried = rotation_between(parent @ rest_upper, upper) @ parent @ rest_axis
    shown = np.cross(upper, lower)
    straight = np.clip(((upper * lower).sum(-1) - _BENT[0]) / (_BENT[1] - _BENT[0]), 0, 1)[:, None]
    straight = np.where((shown * carried).sum(-1, keepdims=True) < 0, 1.0, straight)
    axis = (1 - straight) * _normalise(shown) + straight * carried
    axis = gaussian_filter1d(axis, _SMOOTH_FRAMES, axis=0, mode="nearest")
    return (
        _make_axes(upper, axis) @ _make_axes(rest_upper, rest_axis).T,
        _make_axes(lower, axis) @ _make_axes(rest_lower, rest_axis).T,
    )


def _lay_flat(shank: Rotations, height: Float[np.ndarray, " T"]) -> Rotations:
    """The foot's rotation: heading as the shank's, level where the ankle is as low as when
    standing."""
    ahead = shank @ np.array([0.0, 0.0, 1.0])
    level = _normalise(ahead * (1.0, 0.0, 1.0) + 1e-6)
    up = np.array([0.0, 1.0, 0.0])
    flat = np.stack([np.cross(up, level), np.broadcast_to(up, level.shape), level], -1)
    share = np.clip((_STANDING[1] - height) / (_STANDING[1] - _STANDING[0]), 0, 1)
    upright = np.clip((shank[:, 1, 1] - 0.3) / 0.4, 0, 1)  # nobody who lies or kneels stands
    return _blend(shank, flat, share * upright)


def _blend(first: Rotations, second: Rotations, share: Float[np.ndarray, " T"]) -> Rotations:
    from scipy.spatial.transform import Rotation

    step = Rotation.from_matrix(np.swapaxes(first, -1, -2) @ second).as_rotvec()
    return first @ Rotation.from_rotvec(share[:, None] * step).as_matrix()


def _make_axes(direction, axis) -> np.ndarray:
    """Orthonormal axes (…, 3, 3) of a bone: its direction, then the bending axis."""
    direction = np.broadcast_to(direction, np.broadcast_shapes(direction.shape, axis.shape))
    axis = _normalise(axis - (axis * direction).sum(-1, keepdims=True) * direction)
    return np.stack([direction, axis, np.cross(direction, axis)], -1)


def _normalise(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
