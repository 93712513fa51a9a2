"""From the skeletons of motion capture files to the 17 joints of Human3.6M."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stride_nb.errors import InputError
from stride_nb.io.asf_amc import INCH
from stride_nb.io.bvh_reader import Animation
from stride_nb.poses.skeleton import H36M17

__all__ = ["CMU_UNIT", "KINDS", "joints17"]

CMU_UNIT = INCH / 0.45  # metres: the unit of CMU's ASF files and of the BVH files made from them


def joints17(
    animation: Animation, kind: str, where: object = "animation", thorax: np.ndarray | None = None
) -> np.ndarray:
    """The 17 joints, (T, 17, 3) metres.

    Args:
        animation: as read from the file.
        kind: ``amc`` (ASF/AMC), ``mb2`` (CMU's motion as Motionbuilder-friendly BVH) or ``daz``
            (Daz-friendly).
        where: names the file in an error.
        thorax: (3,) metres, the subject's thorax bone where the ASF file is at hand; only ``mb2``
            lacks it.
    """
    if kind not in KINDS:
        raise InputError(where, "kind", f"one of {', '.join(KINDS)}", repr(kind))
    try:
        named = KINDS[kind](_repaired(animation, thorax) if kind == "mb2" else animation)
    except (KeyError, ValueError):
        raise InputError(
            where, "joints", f"a skeleton of kind {kind}", " ".join(animation.names)
        ) from None
    named["pelvis"] = (named["lhip"] + named["rhip"]) / 2
    return np.stack([named[name] for name in H36M17.joints], 1)


def _named(animation: Animation, table: dict[str, str]) -> dict[str, np.ndarray]:
    position = animation.positions()
    return {joint: position[:, animation.names.index(name)] for joint, name in table.items()}


def _limbs(left: str, right: str, **names: str) -> dict[str, str]:
    """The left and the right limb's joints; the file's names with ``{}`` where the side stands."""
    sides = {"l": left, "r": right}
    return {f"{s}{joint}": name.format(sides[s]) for s in sides for joint, name in names.items()}


def _amc(animation: Animation) -> dict[str, np.ndarray]:
    """The ends of ASF bones. The wrist ends ``wrist``, not ``radius``: the two are one measured
    segment, which the Vicon model cuts at a fixed fraction."""
    named = _named(
        animation,
        _limbs(
            "l",
            "r",
            hip="{}hipjoint.end",
            knee="{}femur.end",
            ankle="{}tibia.end",
            shoulder="{}clavicle.end",
            elbow="{}humerus.end",
            wrist="{}wrist.end",
        )
        | {
            "spine": "lowerback.end",
            "thorax": "thorax.end",
            "neck": "upperneck",
            "above": "upperneck.end",
            "head": "head.end",
        },
    )
    named["neck"] = (named["neck"] + named.pop("above")) / 2
    return named


def _mb2(animation: Animation) -> dict[str, np.ndarray]:
    named = _named(
        animation,
        _limbs(
            "Left",
            "Right",
            hip="{}UpLeg",
            knee="{}Leg",
            ankle="{}Foot",
            shoulder="{}Arm",
            elbow="{}ForeArm",
            wrist="{}FingerBase",
        )
        | {
            "spine": "Spine",
            "thorax": "Neck",
            "neck": "Neck1",
            "above": "Head",
            "head": "Head.end",
        },
    )
    named["neck"] = (named["neck"] + named.pop("above")) / 2
    return named


def _repaired(animation: Animation, thorax: np.ndarray | None) -> Animation:
    """Give back the lengths that the conversion to BVH dropped, those of bones with several
    children.

    An unknown thorax is taken to be like the bone below it, and the wrist half as long as the
    radius: the fixed fractions by which the Vicon model divides the measured segments.
    """
    index, translations = animation.names.index, animation.translations.copy()
    for joint in ("Neck", "LeftShoulder", "RightShoulder"):
        translations[:, index(joint)] += (
            translations[:, index("Spine1")] if thorax is None else thorax
        )
    for side in ("Left", "Right"):
        translations[:, index(f"{side}FingerBase")] += translations[:, index(f"{side}Hand")] / 2
    return replace(animation, translations=translations)


def _daz(animation: Animation) -> dict[str, np.ndarray]:
    position, turn = animation.frames()
    at = {name: position[:, j] for j, name in enumerate(animation.names)}
    head = turn[:, animation.names.index("head")]
    named = {
        joint: at[name]
        for joint, name in _limbs(
            "l",
            "r",
            hip="{}Thigh",
            knee="{}Shin",
            ankle="{}Foot",
            shoulder="{}Shldr",
            elbow="{}ForeArm",
            wrist="{}Hand",
        ).items()
    }
    return named | {
        "spine": (at["abdomen"] + at["chest"]) / 2,
        "thorax": 0.3 * at["lCollar"] + 0.3 * at["rCollar"] + 0.4 * at["neck"],
        "neck": at["head"] + head @ np.array([0.002, 0.05, 0.01]),
        "head": at["head"] + head @ np.array([0.002, 0.185, 0.0]),
    }


KINDS = {"amc": _amc, "mb2": _mb2, "daz": _daz}
