"""Joints by the names that files give them: markers, bones and body parts of other tools.

Two styles: joints by their own names (``RKnee``, ``right_knee``, ``knee_R``, ``RKJC``), or, in
animation files, by the bone that begins there (``RightLeg``, ``r_shin``, ``Bip01 R Calf``), where
``LeftShoulder`` is the collar. A file is of the style that finds more of its limbs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17, SKELETONS, Skeleton

__all__ = [
    "find_named_set",
    "make_named_skeleton",
    "name_conversion",
    "simplify_joint_name",
    "standardize_joint_names",
]

_LIMB_WORDS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_JOINT_WORDS = {f"{word[0]}jc": word for word in _LIMB_WORDS} | {
    **{word: word for word in _LIMB_WORDS},
    **{f"{word}joint": word for word in _LIMB_WORDS if word != "hip"},
    **{f"{word}center": word for word in _LIMB_WORDS},
}
_BONE_WORDS = {
    **dict.fromkeys(("upleg", "thigh", "upperleg", "femur"), "hip"),
    **dict.fromkeys(("leg", "shin", "calf", "lowerleg", "tibia"), "knee"),
    **dict.fromkeys(("foot", "ankle"), "ankle"),
    **dict.fromkeys(("arm", "upperarm", "uparm", "shldr", "humerus"), "shoulder"),
    **dict.fromkeys(("forearm", "lowerarm", "lowarm", "radius"), "elbow"),
    **dict.fromkeys(("hand", "wrist"), "wrist"),
}
_MIDDLE_WORDS = {
    **dict.fromkeys(("pelvis", "midhip", "chip", "hip", "hips", "spinebase"), "pelvis"),
    **dict.fromkeys(("headtop", "tophead", "headend", "tophhead", "vertex"), "headtop"),
    **{word: word for word in ("neck", "head", "nose")},
}
_SIDES = {"left": "l", "l": "l", "right": "r", "r": "r"}
_PREFIXES = re.compile(
    r"(mixamorig|bip|character|skeleton|armature|def|jnt|marker|subject|pos|position|coords?)\d*"
    r"|study"
)
"""Words that rigs and recorders put before or after a joint's name."""
_JOINT_ROWS = {
    "pelvis": ({"lhip": 0.5, "rhip": 0.5}, {"pelvis": 1.0}),
    "thorax": ({"lshoulder": 0.5, "rshoulder": 0.5}, {"neck": 1.0}),
    "neck": ({"nose": 1.0}, {"neck": 0.5, "head": 0.5}, {"neck": 0.5, "headtop": 0.5}),
    "head": ({"headtop": 1.0}, {"head": 1.0}, {"leye": 0.5, "reye": 0.5}),
}
"""What else Human3.6M's joints may be taken from, the best first."""
_BONE_ROWS = _JOINT_ROWS | {
    "thorax": _JOINT_ROWS["thorax"][::-1],
    "neck": ({"head": 1.0},),
    "head": ({"headtop": 1.0}, {"head": 2.0, "neck": -1.0}),
}
"""The same where ``head`` is the bone that begins at the skull's base."""
LEAST_LIMB_JOINTS = 6
"""Of the twelve, below which names are taken for something else than a body's joints."""
_PARENTS = {
    f"{side}{b}": f"{side}{a}" for side in "lr" for a, b in pairwise(_LIMB_WORDS) if b != "shoulder"
} | {
    **{f"{side}hip": "pelvis" for side in "lr"},
    **{f"{side}shoulder": "neck" for side in "lr"},
    "neck": "pelvis",
    "head": "neck",
    "nose": "neck",
    "headtop": "head",
}


def simplify_joint_name(label: str) -> str:
    """A joint's name as the package spells it: the side's letter first, then lower-case letters and
    digits.

    >>> [simplify_joint_name(n) for n in ("RIGHT_HIP", "HipLeft", "mixamorig:LeftUpLeg", "rknee")]
    ['rhip', 'lhip', 'lupleg', 'rknee']
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", label.rpartition(":")[2])
    words = [word.lower() for word in words]
    kept = [word for word in words if not _PREFIXES.fullmatch(word)]
    if len(kept) > 1 and kept[0].isdigit() and kept != words:  # Bip01 L Thigh
        kept = kept[1:]
    sides = [_SIDES[word] for word in kept if word in _SIDES]
    name = "".join(word for word in kept if word not in _SIDES)
    if len(sides) == 1 and name:
        return sides[0] + name
    match = re.fullmatch(r"(left|right)(\w+)|(\w+?)(left|right)", "".join(kept))
    if match:
        side, rest = match[1] or match[4], match[2] or match[3]
        return _SIDES[side] + rest
    return "".join(kept)


def find_named_set(labels: Sequence[str]) -> str | None:
    """The largest joint set all of whose joints are among the labels; None where there is none."""
    names = {simplify_joint_name(label) for label in labels}
    complete = [s for s in SKELETONS.values() if set(s.joints) <= names]
    return max(complete, key=len).name if complete else None


def standardize_joint_names(labels: Sequence[str]) -> tuple[dict[str, str], bool]:
    """What each of the labels is that a body needs, and whether they name bones.

    Returns:
        Standard name (``rhip``, ``pelvis``, ``neck``, ``head``, ``headtop``, ``nose``, ``leye``, …)
        to label, the first of several; True where limbs go by the bone that begins there.
    """
    simple = [simplify_joint_name(label) for label in labels]
    joints, bones = (_find_limbs(simple, labels, words) for words in (_JOINT_WORDS, _BONE_WORDS))
    names = dict(zip(reversed(simple), reversed(labels)))
    middle = {_MIDDLE_WORDS[n]: label for n, label in reversed(names.items()) if n in _MIDDLE_WORDS}
    face = {n: names[n] for n in ("leye", "reye", "lear", "rear") if n in names}
    by_bones = len(bones) > len(joints)
    return middle | face | (bones if by_bones else joints), by_bones


def _find_limbs(
    simple: Sequence[str], labels: Sequence[str], words: Mapping[str, str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, label in zip(simple, labels):
        if name[:1] in ("l", "r") and (word := words.get(name[1:])):
            found.setdefault(name[0] + word, label)
    return found


def name_conversion(labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Human3.6M's 17 joints as weighted means of labelled ones, as far as the labels tell.

    A file that names all 17 has them. Else the pelvis lies midway between the hips, the thorax
    between the shoulders (in animation files at the neck), the spine midway between the two.
    """
    simple = dict(zip(map(simplify_joint_name, reversed(labels)), reversed(labels)))
    if set(H36M17.joints) <= simple.keys():
        return {joint: {simple[joint]: 1.0} for joint in H36M17.joints}
    found, by_bones = standardize_joint_names(labels)
    rows = {
        joint: {joint: 1.0}
        for joint in H36M17.joints
        if joint[1:] in _LIMB_WORDS and joint in found
    }
    for joint, options in (_BONE_ROWS if by_bones else _JOINT_ROWS).items():
        if row := next((row for row in options if row.keys() <= found.keys()), None):
            rows[joint] = row
    if rows.keys() >= {"pelvis", "thorax"}:
        rows["spine"] = {
            name: (rows["pelvis"].get(name, 0) + rows["thorax"].get(name, 0)) / 2
            for name in (*rows["pelvis"], *rows["thorax"])
        }
    return {joint: {found[n]: w for n, w in row.items()} for joint, row in rows.items()}


def make_named_skeleton(labels: Sequence[str], where: object = "joints") -> Skeleton:
    """A joint set of a file's own labels, in its order: the registered one where they are exactly
    its names, else one named ``custom``, which ``to("h36m17")`` converts by its labels.

    Raises:
        InputError: a label twice, or too few that a body is made of.
    """
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if list(labels).count(label) > 1)
        raise InputError(where, "joints", "each name once", f"{twice!r} twice")
    simple = [simplify_joint_name(label) for label in labels]
    for known in SKELETONS.values():
        if tuple(simple) == known.joints:
            return known
    rows = name_conversion(labels)
    if len([joint for joint in rows if joint[1:] in _LIMB_WORDS]) < LEAST_LIMB_JOINTS:
        expected = "hips, knees, ankles, shoulders, elbows, wrists by name, or a mapping (joints=…)"
        raise InputError(where, "joints", expected, ", ".join(labels)[:200] or "none")
    mirrored = dict(zip(simple, labels))
    pairs = [
        (label, mirrored[f"r{name[1:]}"])
        for name, label in mirrored.items()
        if name[:1] == "l" and f"r{name[1:]}" in mirrored
    ]
    flat = [(joint, label, w) for joint, row in rows.items() for label, w in row.items()]
    parents = _find_parents(labels, simple)
    return Skeleton("custom", tuple(labels), parents, tuple(pairs), tuple(flat))


def _find_parents(labels: Sequence[str], simple: Sequence[str]) -> tuple[int, ...]:
    """The tree of a body over the labels; what is no part of one hangs from the root."""
    at = {name: labels.index(label) for name, label in standardize_joint_names(labels)[0].items()}
    root = next((at[name] for name in ("pelvis", "neck", "lhip", "rhip") if name in at), 0)
    parents = [root if j != root else -1 for j in range(len(labels))]
    tree = dict(_PARENTS)
    for j, name in enumerate(simple):
        if part := re.fullmatch(
            r"([lr])(?:(bigtoe|smalltoe|toe\w*|heel)|(thumb|index|pinky|finger)\w*)", name
        ):
            at.setdefault(name, j)
            tree[name] = part[1] + ("ankle" if part[2] else "wrist")
    for child, parent in tree.items():
        if child in at and parent in at and at[child] not in (root, at[parent]):
            parents[at[child]] = at[parent]
    return tuple(parents)
