"""A moving body as one glTF file (.glb) that animation tools open: mesh, skeleton, skin weights,
key frames.

glTF 2.0 skins exactly as SMPL does, linearly, with at most four bones a vertex; only SMPL's pose
correctives have no place in it. Metres, Y up, seconds, as both formats have it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Num

from stride_nb.errors import InputError, atomic_path, require
from stride_nb.poses.skeleton import SMPL24
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion
from stride_nb.smpl.surface import compute_vertex_normals, keep_four_bones

if TYPE_CHECKING:  # an extra
    import pygltflib

__all__ = ["write_glb"]


def write_glb(path: str | os.PathLike, body: Body, motion: BodyMotion) -> None:
    """Write a skinned, animated mesh.

    Args:
        path: ends in ``.glb``.
        motion: in the package's world, Y up; its shape is baked into the mesh.

    Raises:
        InputError: another ending.
    """
    if not str(path).lower().endswith(".glb"):
        raise InputError(path, "file name", "ending .glb", os.path.basename(path))
    require("pygltflib", "gltf")
    document = _make_document(body, motion)
    with atomic_path(path) as temporary:
        document.save_binary(temporary)


def _make_document(body: Body, motion: BodyMotion) -> pygltflib.GLTF2:
    import pygltflib as gl

    joints, rest = len(body.parents), body.compute_rest_joints(motion.shape)
    document = gl.GLTF2(
        asset=gl.Asset(generator="stride-nb"),
        scene=0,
        scenes=[gl.Scene(nodes=[0, joints])],
        nodes=[*_make_skeleton(body, rest), gl.Node(name="body", mesh=0, skin=0)],
        buffers=[gl.Buffer()],
    )
    inverse = np.broadcast_to(np.eye(4), (joints, 4, 4)).copy()
    inverse[:, 3, :3] = -rest  # column-major: translation in the last row
    bind = _add_array(document, inverse.reshape(-1, 16))
    document.skins = [gl.Skin(joints=list(range(joints)), skeleton=0, inverseBindMatrices=bind)]
    mesh = _make_primitive(document, body, motion)
    document.meshes = [gl.Mesh(name=body.kind, primitives=[mesh])]
    color = gl.PbrMetallicRoughness(baseColorFactor=[0.62, 0.72, 0.8, 1])
    color.metallicFactor, color.roughnessFactor = 0, 0.8
    document.materials = [gl.Material(pbrMetallicRoughness=color)]
    document.animations = [_make_animation(document, body, motion, rest)]
    return document


def _make_primitive(
    document: pygltflib.GLTF2, body: Body, motion: BodyMotion
) -> pygltflib.Primitive:
    """The mesh at rest, in the motion's shape."""
    import pygltflib as gl

    vertices, faces = body.compute_rest_vertices(motion.shape), body.faces
    bones, weights = keep_four_bones(body.arrays["weights"])
    normals, corners = compute_vertex_normals(vertices, faces), faces.reshape(-1, 1)
    attributes = gl.Attributes(
        POSITION=_add_array(document, vertices, target=gl.ARRAY_BUFFER, bounds=True),
        NORMAL=_add_array(document, normals, target=gl.ARRAY_BUFFER),
        JOINTS_0=_add_array(document, bones.astype("u1"), target=gl.ARRAY_BUFFER),
        WEIGHTS_0=_add_array(document, weights, target=gl.ARRAY_BUFFER),
    )
    indices = _add_array(document, corners.astype("<u4"), target=gl.ELEMENT_ARRAY_BUFFER)
    return gl.Primitive(attributes=attributes, indices=indices, material=0)


def _make_skeleton(body: Body, rest: np.ndarray) -> list[pygltflib.Node]:
    """A node a joint, named as in ``skeleton.SMPL24`` where it is one of them, placed relative to
    its parent."""
    from pygltflib import Node

    names, parents = dict(zip(body.smpl24, SMPL24.joints)), body.parents
    offsets = rest - rest[parents]
    offsets[0] = rest[0]
    return [
        Node(
            name=names.get(j, f"joint{j}"),
            translation=offset.tolist(),
            children=np.flatnonzero(parents == j).tolist(),
        )
        for j, offset in enumerate(offsets)
    ]


def _make_animation(
    document: pygltflib.GLTF2, body: Body, motion: BodyMotion, rest: np.ndarray
) -> pygltflib.Animation:
    """A rotation channel a joint and a translation channel for the root, a key a frame."""
    import pygltflib as gl
    from scipy.spatial.transform import Rotation

    times = _add_array(document, np.arange(len(motion))[:, None] / motion.fps, bounds=True)
    pose = motion.to(body.kind).pose
    turns = Rotation.from_rotvec(pose.reshape(-1, 3)).as_quat().reshape(len(motion), -1, 4)
    # the nearer of q and −q: players interpolate
    flips = np.where((turns[1:] * turns[:-1]).sum(-1) < 0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips, 0)[..., None]
    animation = gl.Animation(name=motion.name or "motion")
    outputs = [(gl.TRANSLATION, 0, motion.translation + rest[0])]
    outputs += [(gl.ROTATION, j, turns[:, j]) for j in range(turns.shape[1])]
    for i, (path, j, keys) in enumerate(outputs):
        output = _add_array(document, keys)
        animation.samplers.append(gl.AnimationSampler(input=times, output=output))
        target = gl.AnimationChannelTarget(node=j, path=path)
        animation.channels.append(gl.AnimationChannel(sampler=i, target=target))
    return animation


def _add_array(
    document: pygltflib.GLTF2,
    array: Num[np.ndarray, "N width"],
    target: int | None = None,
    bounds: bool = False,
) -> int:
    """Append numbers to the binary part, floats as float32; returns the accessor's index."""
    import pygltflib as gl

    array = array.astype("<f4") if array.dtype.kind == "f" else array
    blob, data = document.binary_blob() or b"", array.tobytes()
    component = {"f4": gl.FLOAT, "u1": gl.UNSIGNED_BYTE, "u4": gl.UNSIGNED_INT}
    kinds = {1: gl.SCALAR, 3: gl.VEC3, 4: gl.VEC4, 16: gl.MAT4}
    accessor = gl.Accessor(
        bufferView=len(document.bufferViews),
        componentType=component[array.dtype.str[1:]],
        count=len(array),
        type=kinds[array.shape[1]],
    )
    if bounds:
        accessor.min, accessor.max = array.min(0).tolist(), array.max(0).tolist()
    view = gl.BufferView(buffer=0, byteOffset=len(blob), byteLength=len(data), target=target)
    document.set_binary_blob(blob + data + b"\0" * (-len(data) % 4))
    document.bufferViews.append(view)
    document.accessors.append(accessor)
    return len(document.accessors) - 1
