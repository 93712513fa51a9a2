"""BVH out: rotations, by inverse kinematics, of a skeleton whose bones have one length.

Measured bones change length a little; a BVH skeleton's cannot. Each bone gets its median length
and keeps its measured direction. Every joint then has exactly one bone to turn: where several bones
meet (pelvis, thorax), the joint itself takes the rotation that fits them all best (Kabsch), and a
joint of no length before each bone, as in the skeletons of motion capture files (``LowerBack``,
``LHipJoint``, collars), takes what is left. A bone turns by the least rotation that does it, so
nothing twists that was not measured. The joints of the file are those of the bones so cut but for
rounding.

The rest pose is a T, facing +z. Units are metres, up is y, rotation order z, x, y: Blender's
importer, at its own defaults, shows a person standing on its floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError, atomic_path
from stride_nb.io.registry import get_single_pose_sequence
from stride_nb.poses.geometry import fit_rotation, rotation_between
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17

__all__ = ["solve_rotations", "write_bvh"]

REST_DIRECTIONS = {
    **{f"r{joint}": (-1, 0, 0) for joint in ("hip", "shoulder", "elbow", "wrist")},
    **{f"l{joint}": (1, 0, 0) for joint in ("hip", "shoulder", "elbow", "wrist")},
    **{f"{side}{joint}": (0, -1, 0) for side in "rl" for joint in ("knee", "ankle")},
}
"""Direction of each bone at rest, by the joint at its end; the others point up."""
HELPER_JOINTS = {
    "rhip": "rhipjoint",
    "lhip": "lhipjoint",
    "spine": "lowerback",
    "neck": "lowerneck",
    "lshoulder": "lcollar",
    "rshoulder": "rcollar",
}
"""The joint of no length that turns a bone which shares its beginning with others."""
TIP_METRES = 0.05
"""From a last joint to its End Site, along the bone."""


def solve_rotations(
    joints: Float[np.ndarray, "T 17 3"],
) -> tuple[list[str], list[int], Float[np.ndarray, "B 3"], Float[np.ndarray, "T B 3 3"]]:
    """The tree of a BVH file and how it turns.

    Args:
        joints: metres, y up, none missing.

    Returns:
        names, parents and offsets (metres) of its joints, and their rotations against their
        parents.
    """
    rest = np.array([REST_DIRECTIONS.get(name, (0, 1, 0)) for name in H36M17.joints], float)
    bones = joints - joints[:, np.maximum(H36M17.parents, 0)]
    lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)
    names, parents, offsets, rotations = [], [], [], []

    def add(name: str, parent: int, offset: np.ndarray, above: np.ndarray, turn: np.ndarray) -> int:
        names.append(name)
        parents.append(parent)
        offsets.append(offset)
        rotations.append(np.swapaxes(above, -1, -2) @ turn)
        return len(names) - 1

    def grow(j: int, parent: int, above: np.ndarray) -> None:
        """Add joint ``j`` and all after it; ``above`` (T, 3, 3): the parent's orientation in the
        world."""
        children = [child for child, p in H36M17.bones if p == j]
        turn = above
        if len(children) == 1:
            turn = _swing(above, rest[children[0]], bones[:, children[0]])
        elif children:
            turn = fit_rotation(rest[children], _normalize_bones(bones[:, children]))
        at = add(H36M17.joints[j], parent, rest[j] * lengths[j], above, turn)
        for child in children:
            if len(children) == 1:
                grow(child, at, turn)
            else:
                swung = _swing(turn, rest[child], bones[:, child])
                helper = HELPER_JOINTS[H36M17.joints[child]]
                grow(child, add(helper, at, np.zeros(3), turn, swung), swung)

    grow(0, -1, np.broadcast_to(np.eye(3), (len(joints), 3, 3)))
    return names, parents, np.array(offsets), np.stack(rotations, 1)


def _swing(above: np.ndarray, rest: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """``above`` (T, 3, 3) turned further by the least rotation that takes its image of ``rest``
    (3,) onto ``bones`` (T, 3)."""
    return rotation_between(above @ rest, bones) @ above


def _normalize_bones(bones: np.ndarray) -> np.ndarray:
    return bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)


def write_bvh(path: str | PathLike, sequences: Sequence[PoseSequence]) -> None:
    """One person as BVH: joints of Human3.6M's 17 in metres, y up, none missing.

    Raises:
        InputError: another joint set, 2D, or a missing joint (refine or fill the sequence first).
    """
    sequence = get_single_pose_sequence(path, sequences)
    if sequence.skeleton != H36M17:
        raise InputError(path, "skeleton", "h36m17 (sequence.to('h36m17'))", sequence.skeleton.name)
    if sequence.missing.any():
        given = f"{int(sequence.missing.sum())} missing"
        raise InputError(path, "joints", "none missing (refine or fill first)", given)
    names, parents, offsets, rotations = solve_rotations(sequence.joints)
    with atomic_path(path) as temporary, open(temporary, "w") as file:
        file.write("HIERARCHY\n" + _format_joint(names, parents, offsets, 0, ""))
        file.write(f"MOTION\nFrames: {len(sequence)}\nFrame Time: {1 / sequence.fps:.8f}\n")
        values = np.concatenate([sequence.joints[:, 0], _matrix_to_zxy(rotations)], 1)
        np.savetxt(file, values.round(6) + 0.0, fmt="%.6f")  # no −0


def _format_joint(
    names: list[str], parents: list[int], offsets: np.ndarray, j: int, indent: str
) -> str:
    """Joint ``j`` and all after it as lines of the HIERARCHY."""
    root = parents[j] < 0
    positions = "6 Xposition Yposition Zposition" if root else "3"
    lines = [
        f"{'ROOT' if root else 'JOINT'} {names[j]}",
        "{",
        f"  OFFSET {_format_vector(offsets[j])}",
        f"  CHANNELS {positions} Zrotation Xrotation Yrotation",
    ]
    children = [child for child, parent in enumerate(parents) if parent == j]
    if not children:
        tip = offsets[j] / max(np.linalg.norm(offsets[j]), 1e-9) * TIP_METRES
        lines += ["  End Site", "  {", f"    OFFSET {_format_vector(tip)}", "  }"]
    text = "".join(f"{indent}{line}\n" for line in lines)
    text += "".join(_format_joint(names, parents, offsets, k, indent + "  ") for k in children)
    return f"{text}{indent}}}\n"


def _format_vector(vector: np.ndarray) -> str:
    return " ".join(f"{x + 0.0:.6f}" for x in vector)


def _matrix_to_zxy(rotations: Float[np.ndarray, "T B 3 3"]) -> Float[np.ndarray, "T angles"]:
    """Degrees about z, then the new x, then the new y, joint by joint, without jumps of 360."""
    R = np.moveaxis(rotations, (-2, -1), (0, 1))
    x = np.arcsin(np.clip(R[2, 1], -1, 1))
    # where x is ±90°, z and y turn about one axis: all of it goes to y
    locked = np.hypot(R[0, 1], R[1, 1]) < 1e-7
    z = np.where(locked, 0, np.arctan2(-R[0, 1], R[1, 1]))
    y = np.arctan2(np.where(locked, R[0, 2], -R[2, 0]), np.where(locked, R[0, 0], R[2, 2]))
    return np.degrees(np.unwrap(np.stack([z, x, y], -1), axis=0)).reshape(len(rotations), -1)
