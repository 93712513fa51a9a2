"""Joint sets: names, parents, mirror pairs, and named conversions between them.

Human3.6M's 17 joints are the common language of the package. A conversion is a table: each joint
of the target is a weighted mean of named joints of the source; a target joint without a row comes
out missing (NaN, confidence 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np
from jaxtyping import Float, Num

from stride_nb.errors import InputError
from stride_nb.poses.joint_sets import JOINT_TABLES, JointTable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "BODY25",
    "COCO17",
    "COCO18",
    "CONVERSIONS",
    "H36M17",
    "HALPE26",
    "HALVES",
    "LIMBS",
    "MEDIAPIPE33",
    "SKELETONS",
    "SMPL24",
    "WHOLEBODY133",
    "Skeleton",
    "convert_joints",
    "find_conversion",
    "get_skeleton",
    "make_tree",
    "mirror_joints",
]


PointArray = TypeVar("PointArray", "np.ndarray", "Tensor")


@dataclass(frozen=True)
class Skeleton:
    """A named set of joints: ``parents[j]`` is the joint that bone ``j`` hangs from (−1: a
    root)."""

    name: str
    joints: tuple[str, ...] = field(repr=False)
    parents: tuple[int, ...] = field(repr=False)
    pairs: tuple[tuple[str, str], ...] = field(repr=False)
    """(left, right) names of mirrored joints."""
    own_rows: tuple[tuple[str, str, float], ...] = field(default=(), repr=False)
    """Of a set that is not registered: (Human3.6M joint, own joint, weight)."""

    def __len__(self) -> int:
        return len(self.joints)

    @overload
    def index(self, name: str, /) -> int: ...
    @overload
    def index(self, *names: str) -> list[int]: ...
    def index(self, *names: str) -> int | list[int]:
        """Index of one joint, or the list of indices of several, by name."""
        for name in names:
            if name not in self.joints:
                known = f"one of {', '.join(self.joints)}"
                raise InputError(f"skeleton {self.name}", "joint", known, name)
        indices = [self.joints.index(name) for name in names]
        return indices[0] if len(indices) == 1 else indices

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Permutation of joints that swaps left and right.

        >>> H36M17.mirror[:7]
        (0, 4, 5, 6, 1, 2, 3)
        """
        order = list(range(len(self)))
        for a, b in self.pairs:
            i, j = self.joints.index(a), self.joints.index(b)
            order[i], order[j] = j, i
        return tuple(order)

    @cached_property
    def from_root(self) -> tuple[int, ...]:
        """All joints, parents before their children."""
        order = [j for j, p in enumerate(self.parents) if p < 0]
        for joint in order:  # grows as it is gone through
            order += [j for j, p in enumerate(self.parents) if p == joint]
        return tuple(order)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """The (joint, parent) index pairs of every bone."""
        return tuple((j, p) for j, p in enumerate(self.parents) if p >= 0)


def _split(names: str) -> tuple[str, ...]:
    return tuple(names.split())


def _pair_sides(names: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"l{n}", f"r{n}") for n in names.split())


H36M17 = Skeleton(
    "h36m17",
    _split(
        "pelvis rhip rknee rankle lhip lknee lankle spine thorax neck head "
        "lshoulder lelbow lwrist rshoulder relbow rwrist"
    ),
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    _pair_sides("hip knee ankle shoulder elbow wrist"),
)

COCO17 = Skeleton(
    "coco17",
    _split(
        "nose leye reye lear rear lshoulder rshoulder lelbow relbow lwrist rwrist "
        "lhip rhip lknee rknee lankle rankle"
    ),
    (-1, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    _pair_sides("eye ear shoulder elbow wrist hip knee ankle"),
)

SMPL24 = Skeleton(
    "smpl24",
    _split(
        "pelvis lhip rhip spine1 lknee rknee spine2 lankle rankle spine3 lfoot rfoot neck "
        "lcollar rcollar head lshoulder rshoulder lelbow relbow lwrist rwrist lhand rhand"
    ),
    (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21),
    _pair_sides("hip knee ankle foot collar shoulder elbow wrist hand"),
)

# OpenPose's and AlphaPose's COCO with a neck (`--model_pose COCO`; AlphaPose's `cmu` and `open`
# forms).
COCO18 = Skeleton(
    "coco18",
    _split(
        "nose neck rshoulder relbow rwrist lshoulder lelbow lwrist "
        "rhip rknee rankle lhip lknee lankle reye leye rear lear"
    ),
    (1, -1, 1, 2, 3, 1, 5, 6, 1, 8, 9, 1, 11, 12, 0, 0, 14, 15),
    COCO17.pairs,
)

# OpenPose's default.
BODY25 = Skeleton(
    "body25",
    _split(
        "nose neck rshoulder relbow rwrist lshoulder lelbow lwrist midhip "
        "rhip rknee rankle lhip lknee lankle reye leye rear lear "
        "lbigtoe lsmalltoe lheel rbigtoe rsmalltoe rheel"
    ),
    (1, 8, 1, 2, 3, 1, 5, 6, -1, 8, 9, 10, 8, 12, 13, 0, 0, 15, 16, 14, 19, 14, 11, 22, 11),
    COCO17.pairs + _pair_sides("bigtoe smalltoe heel"),
)

# AlphaPose's, and the first 26 of Halpe-136; `hip` is the middle of the hips.
HALPE26 = Skeleton(
    "halpe26",
    COCO17.joints + _split("head neck hip lbigtoe rbigtoe lsmalltoe rsmalltoe lheel rheel"),
    (
        *(18, 0, 0, 1, 2, 18, 18, 5, 6, 7, 8, 19, 19, 11, 12, 13, 14),
        *(18, 19, -1, 15, 16, 20, 21, 15, 16),
    ),
    COCO17.pairs + _pair_sides("bigtoe smalltoe heel"),
)

_MEDIAPIPE_PARENTS = (
    *(-1, 0, 1, 2, 0, 4, 5, 3, 6, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16),
    *(11, 12, 23, 24, 25, 26, 27, 28, 27, 28),
)
MEDIAPIPE33 = Skeleton(
    "mediapipe33",
    _split(
        "nose leyeinner leye leyeouter reyeinner reye reyeouter lear rear lmouth rmouth "
        "lshoulder rshoulder lelbow relbow lwrist rwrist lpinky rpinky lindex rindex lthumb rthumb "
        "lhip rhip lknee rknee lankle rankle lheel rheel lfootindex rfootindex"
    ),
    _MEDIAPIPE_PARENTS,
    COCO17.pairs + _pair_sides("eyeinner eyeouter mouth pinky index thumb heel footindex"),
)


def _make_wholebody() -> Skeleton:
    """COCO-WholeBody: COCO-17, six of the feet, 68 of the face (iBUG order), 21 of each hand."""
    feet = _split("lbigtoe lsmalltoe lheel rbigtoe rsmalltoe rheel")
    face = tuple(f"face{i}" for i in range(68))
    hands = tuple(f"{side}hand{i}" for side in "lr" for i in range(21))
    # Fingers are chains of four from the hand's root, 1-4 the thumb … 17-20 the little finger.
    chain = [0 if i % 4 == 1 else i - 1 for i in range(1, 21)]
    left, right = ([first + i for i in chain] for first in (91, 112))
    parents = (*COCO17.parents, 15, 17, 15, 16, 20, 16, *[0] * 68, 9, *left, 10, *right)
    swaps = [(i, 16 - i) for i in range(8)] + [(i, 43 - i) for i in range(17, 22)]
    swaps += [(31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
    swaps += [(48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)]
    pairs = _pair_sides("bigtoe smalltoe heel " + " ".join(f"hand{i}" for i in range(21)))
    pairs += tuple((f"face{a}", f"face{b}") for a, b in swaps)
    return Skeleton(
        "wholebody133", COCO17.joints + feet + face + hands, parents, COCO17.pairs + pairs
    )


WHOLEBODY133 = _make_wholebody()


def make_tree(name: str, tree: str) -> Skeleton:
    """The joint set of a tree as `joint_sets` writes it. Joints that differ by a leading l and r
    are pairs; of the face's 68 the pairs are iBUG's."""
    joints, parents = zip(*((word + ":").split(":")[:2] for word in tree.split()))
    pairs = [(j, f"r{j[1:]}") for j in joints if j[0] == "l" and f"r{j[1:]}" in joints]
    faces = [p for p in WHOLEBODY133.pairs if p[0].startswith("face")] if "face0" in joints else []
    indices = tuple(joints.index(p) if p else -1 for p in parents)
    return Skeleton(name, joints, indices, (*pairs, *faces))


SKELETONS = {
    s.name: s
    for s in (
        *(H36M17, COCO17, SMPL24, COCO18, BODY25, HALPE26, MEDIAPIPE33, WHOLEBODY133),
        *(make_tree(name, table.tree) for name, table in JOINT_TABLES.items()),
    )
}
"""By name. Of sets with equally many joints the more common one comes first."""

_LIMB_JOINTS = _split("hip knee ankle shoulder elbow wrist")
_LIMB_ROWS = {side + n: {side + n: 1.0} for side in "rl" for n in _LIMB_JOINTS}

# A detector without a neck or a crown. MotionBERT's convention: the nose stands for "neck/nose",
# the eyes for the head.
_FROM_FACE = _LIMB_ROWS | {
    "pelvis": {"lhip": 0.5, "rhip": 0.5},
    "spine": {"lhip": 0.25, "rhip": 0.25, "lshoulder": 0.25, "rshoulder": 0.25},
    "thorax": {"lshoulder": 0.5, "rshoulder": 0.5},
    "neck": {"nose": 1.0},
    "head": {"leye": 0.5, "reye": 0.5},
}
# A detector that marks the neck, between the shoulders.
_FROM_NECK = _FROM_FACE | {
    "spine": {"lhip": 0.25, "rhip": 0.25, "neck": 0.5},
    "thorax": {"neck": 1.0},
}
# From Human3.6M only what it marks too: the limbs, and its neck/nose for the nose.
_TO_FACE = _LIMB_ROWS | {"nose": {"neck": 1.0}}
_TO_NECK = _TO_FACE | {"neck": {"thorax": 1.0}}

CONVERSIONS: dict[tuple[str, str], dict[str, dict[str, float]]] = {
    ("coco17", "h36m17"): _FROM_FACE,
    ("wholebody133", "h36m17"): _FROM_FACE,
    ("mediapipe33", "h36m17"): _FROM_FACE,
    ("coco18", "h36m17"): _FROM_NECK,
    ("body25", "h36m17"): _FROM_NECK
    | {"pelvis": {"midhip": 1.0}, "spine": {"midhip": 0.5, "neck": 0.5}},
    ("halpe26", "h36m17"): _FROM_NECK
    | {"pelvis": {"hip": 1.0}, "spine": {"hip": 0.5, "neck": 0.5}, "head": {"head": 1.0}},
    # SMPL's joints are joint centres; its `head` is the skull's base, which is Human3.6M's
    # neck/nose. The crown has no SMPL joint: it lies beyond `head` by as much as `head` lies beyond
    # `neck`, a weighted mean with a negative weight, i.e. an extrapolation along the neck.
    ("smpl24", "h36m17"): _LIMB_ROWS
    | {
        "pelvis": {"lhip": 0.5, "rhip": 0.5},
        "spine": {"spine2": 1.0},
        "thorax": {"neck": 1.0},
        "neck": {"head": 1.0},
        "head": {"head": 2.0, "neck": -1.0},
    },
    ("h36m17", "coco17"): _TO_FACE,
    ("h36m17", "wholebody133"): _TO_FACE,
    ("h36m17", "mediapipe33"): _TO_FACE,
    ("h36m17", "coco18"): _TO_NECK,
    ("h36m17", "body25"): _TO_NECK | {"midhip": {"pelvis": 1.0}},
    ("h36m17", "halpe26"): _TO_NECK | {"hip": {"pelvis": 1.0}, "head": {"head": 1.0}},
    ("h36m17", "smpl24"): _LIMB_ROWS
    | {
        "pelvis": {"pelvis": 1.0},
        "spine2": {"spine": 1.0},
        "neck": {"thorax": 1.0},
        "head": {"neck": 1.0},
    },
}


def _make_conversions(name: str, table: JointTable) -> Iterator[tuple[tuple[str, str], dict]]:
    """The conversions of a set in `joint_sets` to Human3.6M's 17, and of what both mark back."""
    rows = _LIMB_ROWS | table.rows
    yield (name, "h36m17"), rows
    yield (
        ("h36m17", name),
        {own: {joint: 1.0} for joint, row in rows.items() for own in row if row == {own: 1.0}},
    )


for _name, _table in JOINT_TABLES.items():
    CONVERSIONS |= dict(_make_conversions(_name, _table))


def get_skeleton(name: str | Skeleton) -> Skeleton:
    """The joint set of that name (a ``Skeleton`` passes through)."""
    if isinstance(name, Skeleton):
        return name
    if not isinstance(name, str) or name not in SKELETONS:
        raise InputError("skeleton", "name", f"one of {', '.join(sorted(SKELETONS))}", repr(name))
    return SKELETONS[name]


def find_conversion(source: Skeleton, target: Skeleton) -> dict[str, dict[str, float]]:
    """The target's joints as weighted means of the source's. Raises InputError where there is no
    such table."""
    if source.own_rows and target == H36M17:
        table: dict[str, dict[str, float]] = {joint: {} for joint, _, _ in source.own_rows}
        for joint, own, weight in source.own_rows:
            table[joint][own] = weight
        return table
    if (source.name, target.name) not in CONVERSIONS:
        known = ", ".join(f"{a}→{b}" for a, b in CONVERSIONS if b == "h36m17")
        asked = f"{source.name}→{target.name}"
        raise InputError("skeleton", "conversion", f"one of {known} or back", asked)
    return CONVERSIONS[source.name, target.name]


def convert_joints(
    points: Num[np.ndarray, "T J C"],
    confidence: Float[np.ndarray, "T J"],
    source: str | Skeleton,
    target: str | Skeleton,
) -> tuple[Num[np.ndarray, "T K C"], Float[np.ndarray, "T K"]]:
    """Joints of one set as joints of another; a table must stand in ``CONVERSIONS``.

    Args:
        points: coordinates in any unit, NaN where missing.
        confidence: in [0, 1].

    Returns:
        Points and confidence, the least among the joints used.
    """
    source, target = get_skeleton(source), get_skeleton(target)
    if source == target:
        return points, confidence
    table = find_conversion(source, target)
    out = np.full((len(points), len(target), points.shape[-1]), np.nan)
    conf = np.zeros(out.shape[:2])
    for j, name in enumerate(target.joints):
        if name in table:
            used = [source.joints.index(n) for n in table[name]]
            out[:, j] = np.tensordot(points[:, used], np.array(list(table[name].values())), (1, 0))
            conf[:, j] = confidence[:, used].min(1)
    return out, conf


def mirror_joints(
    points: PointArray, skeleton: Skeleton = H36M17, negate: Sequence[int] = (0,)
) -> PointArray:
    """Joints (…, J, C) seen in a mirror: left and right swapped, the channels ``negate`` negated.

    Its own inverse. NumPy arrays and torch tensors alike.

    >>> x = np.random.default_rng(0).normal(size=(4, 17, 3))
    >>> bool((mirror_joints(mirror_joints(x)) == x).all())
    True
    """
    sign = np.ones(points.shape[-1])
    sign[list(negate)] = -1
    if isinstance(points, np.ndarray):
        return points[..., list(skeleton.mirror), :] * sign.astype(points.dtype)
    return points[..., list(skeleton.mirror), :] * points.new_tensor(sign)


_PARTS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}
LIMBS = {
    f"{side} {part}": [H36M17.joints.index(side[0] + joint) for joint in joints]
    for side in ("right", "left")
    for part, joints in _PARTS.items()
}
"""Joints of each limb of ``H36M17``."""

HALVES = {
    "left side": LIMBS["left arm"] + LIMBS["left leg"],
    "right side": LIMBS["right arm"] + LIMBS["right leg"],
    "both legs": LIMBS["left leg"] + LIMBS["right leg"],
    "both arms": LIMBS["left arm"] + LIMBS["right arm"],
}
"""Joints of each half of ``H36M17``."""
