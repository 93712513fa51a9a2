"""BVH out: rotations, by inverse kinematics, of a skeleton whose bones have one length.

Measured bones breathe a little; a BVH skeleton's cannot. Each bone gets its median length, its
direction stays
as measured, and every joint then has exactly one bone to turn: where several bones meet (pelvis,
thorax), the joint itself takes the rotation that fits them all best (Kabsch), and a joint of no
length before each bone, as in the skeletons of motion capture files (``LowerBack``, ``LHipJoint``,
collars), takes what is left. The swing of a bone is the least rotation that does it, so nothing
twists that was not measured. Nothing is fitted by descent: the joints of the file are those of the
bones so cut but for rounding.

The rest pose is a T, facing +z. Units are metres, up is y, rotation order z, x, y: Blender's
importer, at its own defaults, shows a person standing on its floor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17

__all__ = ["SEVERAL", "SUFFIX", "kinematics", "write"]

NAME = "bvh"
SUFFIX, SEVERAL = ".bvh", False
REST = {
    "rhip": (-1, 0, 0),
    "lhip": (1, 0, 0),
    "rshoulder": (-1, 0, 0),
    "lshoulder": (1, 0, 0),
    "relbow": (-1, 0, 0),
    "lelbow": (1, 0, 0),
    "rwrist": (-1, 0, 0),
    "lwrist": (1, 0, 0),
    "rknee": (0, -1, 0),
    "lknee": (0, -1, 0),
    "rankle": (0, -1, 0),
    "lankle": (0, -1, 0),
}
"""Direction of each bone at rest, by the joint at its end; the others point up."""
HELPERS = {
    "rhip": "rhipjoint",
    "lhip": "lhipjoint",
    "spine": "lowerback",
    "neck": "lowerneck",
    "lshoulder": "lcollar",
    "rshoulder": "rcollar",
}
"""The joint of no length that turns a bone which shares its beginning with others."""
TIP = 0.05
"""Metres from a last joint to its End Site, along the bone."""


def kinematics(joints: np.ndarray):
    """The tree of a BVH file and how it turns.

    Args:
        joints: (T, 17, 3) metres, y up, none missing.

    Returns:
        names, parents and offsets (B, 3) of its joints, and their rotations (T, B, 3, 3) against
        their parents.
    """
    children = [[j for j, p in H36M17.bones if p == joint] for joint in range(17)]
    rest = np.array([REST.get(name, (0, 1, 0)) for name in H36M17.joints], float)
    lengths = np.zeros(17)
    bones = np.zeros_like(joints)
    for j, p in H36M17.bones:
        bones[:, j] = joints[:, j] - joints[:, p]
        lengths[j] = np.median(np.linalg.norm(bones[:, j], axis=-1))
    names, parents, offsets, local = [], [], [], []

    def add(name: str, parent: int, offset, turn: np.ndarray, above: np.ndarray) -> int:
        names.append(name)
        parents.append(parent)
        offsets.append(offset)
        local.append(np.swapaxes(above, -1, -2) @ turn)
        return len(names) - 1

    def grow(j: int, parent: int, above: np.ndarray) -> None:
        """Joint ``j`` and all after it; ``above`` (T, 3, 3): how its parent is turned against the
        world."""
        own, offset = children[j], rest[j] * lengths[j]
        if len(own) < 2:
            turn = _swing(above, rest[own[0]], bones[:, own[0]]) if own else above
        else:
            turn = _fit(rest[own], bones[:, own])
        me = add(H36M17.joints[j], parent, offset, turn, above)
        for child in own:
            if len(own) < 2:
                grow(child, me, turn)
            else:
                swung = _swing(turn, rest[child], bones[:, child])
                grow(child, add(HELPERS[H36M17.joints[child]], me, np.zeros(3), swung, turn), swung)

    grow(0, -1, np.broadcast_to(np.eye(3), (len(joints), 3, 3)))
    return names, parents, np.array(offsets), np.stack(local, 1)


def _swing(above: np.ndarray, rest: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """``above`` (T, 3, 3) turned further by the least rotation that takes its image of ``rest``
    (3,) onto (T, 3)."""
    a = above @ rest
    b = bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    cross, cosine = np.cross(a, b), (a * b).sum(-1)
    K = np.zeros(above.shape)
    K[:, 0, 1], K[:, 0, 2], K[:, 1, 2] = -cross[:, 2], cross[:, 1], -cross[:, 0]
    K -= np.swapaxes(K, -1, -2)
    swing = np.eye(3) + K + K @ K / np.maximum(1 + cosine, 1e-9)[:, None, None]
    opposite = cosine < -1 + 1e-8  # half a turn, about any axis across the bone
    if opposite.any():
        axis = np.cross(a[opposite], np.eye(3)[np.abs(a[opposite]).argmin(-1)])
        axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
        swing[opposite] = 2 * axis[:, :, None] * axis[:, None] - np.eye(3)
    return swing @ above


def _fit(rest: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations that bring directions at rest (N, 3) nearest to bones (T, N, 3) (Kabsch,
    1976)."""
    b = bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    U, _, Vt = np.linalg.svd(np.swapaxes(b, -1, -2) @ rest)
    U[..., -1] *= np.sign(np.linalg.det(U @ Vt))[:, None]
    return U @ Vt


def write(path, sequences: Sequence[PoseSequence]) -> None:
    """One person as BVH: joints of Human3.6M's 17 in metres, y up, none missing.

    Raises:
        InputError: another joint set, 2D, or a missing joint (refine or fill the sequence first).
    """
    if len(sequences) != 1 or not isinstance(sequences[0], PoseSequence):
        raise InputError(
            path, "sequences", "one PoseSequence (3D)", [type(s).__name__ for s in sequences]
        )
    sequence = sequences[0]
    if sequence.skeleton != H36M17:
        raise InputError(path, "skeleton", "h36m17 (sequence.to('h36m17'))", sequence.skeleton.name)
    if sequence.missing.any():
        raise InputError(
            path,
            "joints",
            "none missing (refine or fill first)",
            f"{int(sequence.missing.sum())} missing",
        )
    names, parents, offsets, turns = kinematics(sequence.joints)
    with atomic_path(path) as temporary, open(temporary, "w") as file:
        file.write("HIERARCHY\n" + _hierarchy(names, parents, offsets, 0, ""))
        file.write(f"MOTION\nFrames: {len(sequence)}\nFrame Time: {1 / sequence.fps:.8f}\n")
        values = np.concatenate([sequence.joints[:, 0], _angles(turns)], 1)
        np.savetxt(file, values + 0.0, fmt="%.6f")


def _hierarchy(
    names: list[str], parents: list[int], offsets: np.ndarray, j: int, indent: str
) -> str:
    inner = indent + "  "
    channels = "3 Zrotation Xrotation Yrotation"
    if parents[j] < 0:
        channels = "6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    lines = [
        f"{'JOINT' if parents[j] >= 0 else 'ROOT'} {names[j]}",
        "{",
        f"  OFFSET {_vector(offsets[j])}",
        f"  CHANNELS {channels}",
    ]
    own = [k for k, p in enumerate(parents) if p == j]
    if not own:
        tip = offsets[j] / max(np.linalg.norm(offsets[j]), 1e-9) * TIP
        lines += ["  End Site", "  {", f"    OFFSET {_vector(tip)}", "  }"]
    text = "".join(f"{indent}{line}\n" for line in lines)
    return (
        text + "".join(_hierarchy(names, parents, offsets, k, inner) for k in own) + f"{indent}}}\n"
    )


def _vector(v: np.ndarray) -> str:
    return " ".join(f"{x + 0.0:.6f}" for x in v)


def _angles(turns: np.ndarray) -> np.ndarray:
    """(T, 3 B) degrees: turns (T, B, 3, 3) as rotations about z, then the new x, then the new y,
    without jumps of 360."""
    x = np.arcsin(np.clip(turns[..., 2, 1], -1, 1))
    # z and y turn about one axis: all of it to y
    locked = np.hypot(turns[..., 0, 1], turns[..., 1, 1]) < 1e-7
    z = np.where(locked, 0, np.arctan2(-turns[..., 0, 1], turns[..., 1, 1]))
    y = np.where(
        locked,
        np.arctan2(turns[..., 0, 2], turns[..., 0, 0]),
        np.arctan2(-turns[..., 2, 0], turns[..., 2, 2]),
    )
    return np.degrees(np.unwrap(np.stack([z, x, y], -1), axis=0)).reshape(len(turns), -1)
