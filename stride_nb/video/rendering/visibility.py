"""Which joints the camera cannot see, and why: something before the body, or the body itself.

Lines of sight are cut with geometry: boxes by slabs, bodies triangle by triangle. The depth of the
rendered picture is a second way to the same masks (`find_behind_depth`), to check them with.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from stride_nb.poses.geometry import Camera
from stride_nb.poses.skeleton import H36M17
from stride_nb.video.rendering.occluders import Box
from stride_nb.video.rendering.stage import NEAR_FAR

__all__ = [
    "find_behind_box",
    "find_behind_depth",
    "find_behind_mesh",
    "find_outside_image",
    "find_self_occluded",
    "linearise_depth",
]

_OWN_BONES = {
    "pelvis": ("Hips", "HipJoint", "UpLeg", "LowerBack"),
    "hip": ("Hips", "HipJoint", "UpLeg", "LowerBack"),
    "knee": ("UpLeg", "Leg"),
    "ankle": ("Leg", "Foot", "ToeBase"),
    "spine": ("Hips", "LowerBack", "Spine", "Spine1"),
    "thorax": ("Spine", "Spine1", "Shoulder", "Neck", "Neck1"),
    "neck": ("Head", "Neck", "Neck1"),
    "head": ("Head",),
    "shoulder": ("Arm", "Shoulder", "Spine1"),
    "elbow": ("Arm", "ForeArm"),
    "wrist": ("ForeArm", "Hand", "Thumb", "FingerBase", "HandFinger1"),
}
"""Bones whose skin may stand before a joint without hiding it, as endings of their names."""


def find_behind_box(
    points: Float[np.ndarray, "J 3"], eye: Float[np.ndarray, " 3"], box: Box, frame: int
) -> Bool[np.ndarray, " J"]:
    """Joints (world, metres) of which the line of sight cuts a box."""
    axes, centre = box.places[frame, :, :3], box.places[frame, :, 3]
    origin, direction = (eye - centre) @ axes, (points - eye) @ axes
    direction = np.where(np.abs(direction) < 1e-12, 1e-12, direction)
    ends = (-box.size / 2 - origin) / direction, (box.size / 2 - origin) / direction
    enter, leave = np.minimum(*ends).max(-1), np.maximum(*ends).min(-1)
    return (enter <= leave) & (leave >= 0) & (enter <= 1)


def find_behind_mesh(
    points: Float[np.ndarray, "J 3"],
    camera: Camera,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
) -> tuple[Bool[np.ndarray, " J"], Int[np.ndarray, " J"]]:
    """Joints (world, metres) of which the line of sight cuts a triangle, and the triangle that it
    cuts first (−1: none)."""
    corners = camera.to_camera(vertices)
    flat = np.where(corners[:, 2:] > 1e-3, corners[:, :2] / np.maximum(corners[:, 2:], 1e-3), 1e6)
    low, high = flat[faces].min(1), flat[faces].max(1)
    joints, first = camera.to_camera(points), np.full(len(points), -1)
    for j, joint in enumerate(joints):
        at = joint[:2] / joint[2]
        near = np.flatnonzero(((low <= at) & (high >= at)).all(1))
        depth = _cut_triangles(joint, corners[faces[near]])
        cut = np.flatnonzero(depth < 1 - 1e-9)
        if len(cut):
            first[j] = near[cut[depth[cut].argmin()]]
    return first >= 0, first


def _cut_triangles(
    point: Float[np.ndarray, " 3"], triangles: Float[np.ndarray, "F 3 3"]
) -> Float[np.ndarray, " F"]:
    """Where the line from the camera (0) to the point (1) cuts each triangle; infinity: nowhere
    (Möller and Trumbore, 1997)."""
    a, edge1, edge2 = triangles[:, 0], *np.moveaxis(triangles[:, 1:] - triangles[:, :1], 1, 0)
    p = np.cross(point, edge2)
    scale = (edge1 * p).sum(-1)
    scale = np.where(np.abs(scale) < 1e-15, np.nan, scale)
    u = -(a * p).sum(-1) / scale
    q = np.cross(-a, edge1)
    v, depth = (q @ point) / scale, (edge2 * q).sum(-1) / scale
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0)
    return np.where(hit, depth, np.inf)


def find_self_occluded(
    points: Float[np.ndarray, "17 3"],
    camera: Camera,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    bones: list[str],
    parts: Int[np.ndarray, " V"],
) -> Bool[np.ndarray, " 17"]:
    """Joints before which another part of the own body stands: the first skin that the line of
    sight meets belongs to a bone that does not meet in the joint."""
    _, first = find_behind_mesh(points, camera, vertices, faces)
    hidden = np.zeros(len(points), bool)
    for j, (joint, triangle) in enumerate(zip(H36M17.joints, first)):
        if triangle < 0:
            continue
        names = {bones[part] for part in parts[faces[triangle]]}
        kind, side = joint, ""
        if joint[1:] in _OWN_BONES and joint not in _OWN_BONES:
            kind, side = joint[1:], {"l": "L", "r": "R"}[joint[0]]
        hidden[j] = not any(_belongs(name, kind, side) for name in names)
    return hidden


def _belongs(bone: str, kind: str, side: str) -> bool:
    """Whether a bone is one of a joint's own, on its side of the body."""
    other = {"L": "R", "R": "L", "": ""}[side]
    return bone.endswith(_OWN_BONES[kind]) and not (other and bone.startswith(other))


def find_outside_image(
    pixels: Float[np.ndarray, "J 2"], crop: tuple[int, int, int, int]
) -> Bool[np.ndarray, " J"]:
    """Joints that lie outside of (left, top, right, bottom), px."""
    left, top, right, bottom = crop
    outside = (pixels < (left, top)) | (pixels >= (right, bottom))
    return np.any(outside, axis=-1)


def find_behind_depth(
    points_cam: Float[np.ndarray, "J 3"], pixels: Float[np.ndarray, "J 2"], depth: np.ndarray
) -> Bool[np.ndarray, " J"]:
    """Joints that lie behind what a depth buffer of the occluders alone shows at their pixels."""
    rows = np.clip(pixels[:, 1].astype(int), 0, depth.shape[0] - 1)
    columns = np.clip(pixels[:, 0].astype(int), 0, depth.shape[1] - 1)
    return np.asarray(linearise_depth(depth[rows, columns]) < points_cam[:, 2])


def linearise_depth(depth: np.ndarray) -> np.ndarray:
    """VTK's depth in [0, 1] as metres along the optical axis; infinity where nothing is."""
    near, far = NEAR_FAR
    metres = near * far / (far - np.asarray(depth, float) * (far - near))
    return np.where(depth >= 1, np.inf, metres)
