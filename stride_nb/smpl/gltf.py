"""A moving body as one glTF file (.glb) that animation tools open: mesh, skeleton, skin weights,
key frames.

glTF 2.0 skins exactly as SMPL does, linearly, with at most four bones a vertex; only SMPL's pose
correctives have no place in it. Metres, Y up, seconds, as both formats have it.
"""

from __future__ import annotations

import json
import os
import struct

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.poses.skeleton import SMPL24
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["write"]

_FLOAT, _UINT8, _UINT32 = 5126, 5121, 5125
_VERTICES, _INDICES = 34962, 34963
_KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


def write(path: str | os.PathLike, body: Body, motion: BodyMotion) -> None:
    """Write a skinned, animated mesh.

    Args:
        path: ends in ``.glb``.
        motion: in the package's world, Y up; its shape is baked into the mesh.

    Raises:
        InputError: another ending.
    """
    if not str(path).lower().endswith(".glb"):
        raise InputError(path, "file name", "ending .glb", os.path.basename(path))
    buffer = _Buffer()
    document = _document(buffer, body, motion)
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data = b"".join(buffer.parts)
    header = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(data))
    chunks = [
        struct.pack("<I4s", len(text), b"JSON"),
        text,
        struct.pack("<I4s", len(data), b"BIN\0"),
        data,
    ]
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"".join([header, *chunks]))


def _document(buffer: _Buffer, body: Body, motion: BodyMotion) -> dict:
    joints, rest = len(body.parents), body.rest(motion.shape)
    inverse = np.broadcast_to(np.eye(4), (joints, 4, 4)).copy()
    inverse[:, 3, :3] = -rest  # column-major: translation in the last row
    skin = {
        "joints": list(range(joints)),
        "skeleton": 0,
        "inverseBindMatrices": buffer.add(inverse.reshape(-1, 16)),
    }
    surface = {"baseColorFactor": [0.62, 0.72, 0.8, 1], "metallicFactor": 0, "roughnessFactor": 0.8}
    return {
        "asset": {"version": "2.0", "generator": "stride-nb"},
        "scene": 0,
        "scenes": [{"nodes": [0, joints]}],
        "nodes": [*_skeleton(body, rest), {"name": "body", "mesh": 0, "skin": 0}],
        "skins": [skin],
        "meshes": [{"name": body.kind, "primitives": [_primitive(buffer, body, motion)]}],
        "materials": [{"pbrMetallicRoughness": surface}],
        "animations": [_animation(buffer, body, motion, rest)],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": buffer.length}],
    }


def _primitive(buffer: _Buffer, body: Body, motion: BodyMotion) -> dict:
    """The mesh at rest, in the motion's shape."""
    vertices, faces = body.shaped(motion.shape), body.faces
    used, weights = _four(body.arrays["weights"])
    attributes = {
        "POSITION": buffer.add(vertices, target=_VERTICES, bounds=True),
        "NORMAL": buffer.add(_normals(vertices, faces), target=_VERTICES),
        "JOINTS_0": buffer.add(used, _UINT8, target=_VERTICES),
        "WEIGHTS_0": buffer.add(weights, target=_VERTICES),
    }
    indices = buffer.add(faces.reshape(-1, 1), _UINT32, target=_INDICES)
    return {"attributes": attributes, "indices": indices, "material": 0}


def _skeleton(body: Body, rest: np.ndarray) -> list[dict]:
    """A node a joint, named as in ``skeleton.SMPL24`` where it is one of them, placed relative to
    its parent."""
    names, parents = dict(zip(body.smpl24, SMPL24.joints)), body.parents
    nodes = []
    for j, parent in enumerate(parents):
        place = rest[j] - (rest[parent] if j else 0)
        children = np.flatnonzero(parents == j).tolist()
        node = {"name": names.get(j, f"joint{j}"), "translation": place.tolist()}
        nodes.append(node | ({"children": children} if children else {}))
    return nodes


def _animation(buffer: _Buffer, body: Body, motion: BodyMotion, rest: np.ndarray) -> dict:
    """A rotation channel a joint and a translation channel for the root, a key a frame."""
    from scipy.spatial.transform import Rotation

    times = buffer.add(np.arange(len(motion))[:, None] / motion.fps, bounds=True)
    pose = motion.to(body.kind).pose
    turns = Rotation.from_rotvec(pose.reshape(-1, 3)).as_quat().reshape(len(motion), -1, 4)
    # the nearer of q and −q: players interpolate
    flips = np.where((turns[1:] * turns[:-1]).sum(-1) < 0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips, 0)[..., None]
    outputs = [("translation", 0, motion.translation + rest[0])]
    outputs += [("rotation", j, turns[:, j]) for j in range(turns.shape[1])]
    samplers = [
        {"input": times, "output": buffer.add(keys), "interpolation": "LINEAR"}
        for _, _, keys in outputs
    ]
    channels = [
        {"sampler": i, "target": {"node": j, "path": path}}
        for i, (path, j, _) in enumerate(outputs)
    ]
    return {"name": motion.name or "motion", "samplers": samplers, "channels": channels}


def _four(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four heaviest bones of each vertex (V, 4) and their weights, summing to 1."""
    used = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    chosen = np.take_along_axis(weights, used, 1)
    used[chosen == 0] = 0
    return used, chosen / chosen.sum(1, keepdims=True)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, the mean of the faces around, weighted by area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    total = np.stack(
        [np.bincount(faces.ravel(), normal[:, k], len(vertices)) for k in range(3)], -1
    )
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12)


class _Buffer:
    """The binary part: arrays laid end to end, with their accessors and views."""

    def __init__(self):
        self.parts, self.views, self.accessors, self.length = [], [], [], 0

    def add(
        self,
        array: np.ndarray,
        component: int = _FLOAT,
        target: int | None = None,
        bounds: bool = False,
    ) -> int:
        """Append (N, width) numbers; returns the accessor's number."""
        array = np.ascontiguousarray(
            array, {_FLOAT: "<f4", _UINT8: "u1", _UINT32: "<u4"}[component]
        )
        view = {"buffer": 0, "byteOffset": self.length, "byteLength": array.nbytes}
        accessor = {
            "bufferView": len(self.views),
            "componentType": component,
            "count": len(array),
            "type": _KINDS[array.shape[1]],
        }
        if target:
            view["target"] = target
        if bounds:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        data = array.tobytes() + b"\0" * (-array.nbytes % 4)
        self.parts.append(data)
        self.length += len(data)
        self.views.append(view)
        self.accessors.append(accessor)
        return len(self.accessors) - 1
