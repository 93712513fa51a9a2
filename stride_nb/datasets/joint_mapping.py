"""From the skeletons of motion capture files to the 17 joints of Human3.6M."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError
from stride_nb.io.asf_amc import METRES_PER_INCH
from stride_nb.io.bvh_reader import Animation
from stride_nb.poses.skeleton import H36M17

__all__ = ["CMU_UNIT", "MOCAP_KINDS", "map_to_h36m17"]

CMU_UNIT = METRES_PER_INCH / 0.45
"""Metres: the unit of CMU's ASF files and of the BVH files made from them."""


def map_to_h36m17(
    animation: Animation,
    kind: str,
    where: object = "animation",
    thorax: Float[np.ndarray, " 3"] | None = None,
) -> Float[np.ndarray, "T 17 3"]:
    """The 17 joints, metres.

    Args:
        animation: as read from the file.
        kind: ``amc`` (ASF/AMC), ``mb2`` (CMU's motion as Motionbuilder-friendly BVH) or ``daz``
            (Daz-friendly).
        where: names the file in an error.
        thorax: metres, the subject's thorax bone where the ASF file is at hand; only ``mb2`` lacks
            it.
    """
    if kind not in MOCAP_KINDS:
        raise InputError(where, "kind", f"one of {', '.join(MOCAP_KINDS)}", repr(kind))
    try:
        if kind == "mb2":
            animation = _restore_dropped_bones(animation, thorax)
        joints = MOCAP_KINDS[kind](animation)
    except (KeyError, ValueError):
        names = " ".join(animation.names)
        raise InputError(where, "joints", f"a skeleton of kind {kind}", names) from None
    joints["pelvis"] = (joints["lhip"] + joints["rhip"]) / 2
    return np.stack([joints[name] for name in H36M17.joints], 1)


def _pick_joints(animation: Animation, table: dict[str, str]) -> dict[str, np.ndarray]:
    position = animation.compute_positions()
    return {joint: position[:, animation.names.index(name)] for joint, name in table.items()}


def _name_limbs(left: str, right: str, limbs: str) -> dict[str, str]:
    """The left and the right limb's joints → the file's names, given for hip, knee, ankle,
    shoulder, elbow and wrist, with ``{}`` where the side stands."""
    joints = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    return {
        side + joint: name.format(word)
        for side, word in (("l", left), ("r", right))
        for joint, name in zip(joints, limbs.split())
    }


# The wrist is the end of ``wrist``, not ``radius``: the two are one measured segment, which the
# Vicon model cuts at a fixed fraction.
_AMC = _name_limbs(
    "l", "r", "{}hipjoint.end {}femur.end {}tibia.end {}clavicle.end {}humerus.end {}wrist.end"
) | {
    "spine": "lowerback.end",
    "thorax": "thorax.end",
    "neck": "upperneck",
    "above": "upperneck.end",
    "head": "head.end",
}
_MB2 = _name_limbs("Left", "Right", "{}UpLeg {}Leg {}Foot {}Arm {}ForeArm {}FingerBase") | {
    "spine": "Spine",
    "thorax": "Neck",
    "neck": "Neck1",
    "above": "Head",
    "head": "Head.end",
}
_DAZ = _name_limbs("l", "r", "{}Thigh {}Shin {}Foot {}Shldr {}ForeArm {}Hand")


def _map_amc(animation: Animation) -> dict[str, np.ndarray]:
    return _halve_neck(_pick_joints(animation, _AMC))


def _map_mb2(animation: Animation) -> dict[str, np.ndarray]:
    return _halve_neck(_pick_joints(animation, _MB2))


def _halve_neck(joints: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The neck moved to half-way between itself and the joint above it, which is left out."""
    joints["neck"] = (joints["neck"] + joints.pop("above")) / 2
    return joints


def _restore_dropped_bones(animation: Animation, thorax: np.ndarray | None) -> Animation:
    """Give back the lengths that the conversion to BVH dropped, those of bones with several
    children.

    An unknown thorax is taken to be like the bone below it, and the wrist half as long as the
    radius: the fixed fractions by which the Vicon model divides the measured segments.
    """
    index, translations = animation.names.index, animation.translations.copy()
    for joint in ("Neck", "LeftShoulder", "RightShoulder"):
        bone = translations[:, index("Spine1")] if thorax is None else thorax
        translations[:, index(joint)] += bone
    for side in ("Left", "Right"):
        translations[:, index(f"{side}FingerBase")] += translations[:, index(f"{side}Hand")] / 2
    return replace(animation, translations=translations)


def _map_daz(animation: Animation) -> dict[str, np.ndarray]:
    position, orientation = animation.compute_world_frames()
    at = {name: position[:, j] for j, name in enumerate(animation.names)}
    head = orientation[:, animation.names.index("head")]
    return {joint: at[name] for joint, name in _DAZ.items()} | {
        "spine": (at["abdomen"] + at["chest"]) / 2,
        "thorax": 0.3 * at["lCollar"] + 0.3 * at["rCollar"] + 0.4 * at["neck"],
        "neck": at["head"] + head @ np.array([0.002, 0.05, 0.01]),
        "head": at["head"] + head @ np.array([0.002, 0.185, 0.0]),
    }


MOCAP_KINDS = {"amc": _map_amc, "mb2": _map_mb2, "daz": _map_daz}
"""How the 17 joints are taken from a skeleton, by its kind."""
