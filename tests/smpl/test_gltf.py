"""The exported animation, read back by an independent reader and posed by the glTF specification,
moves as the body does."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stride_nb import smpl
from stride_nb.errors import InputError
from stride_nb.poses.skeleton import SMPL24
from stride_nb.smpl import BodyMotion, gltf

pygltflib = pytest.importorskip("pygltflib")

COMPONENT = {5121: np.uint8, 5125: np.uint32, 5126: np.float32}
WIDTH = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    body, rng = smpl.load_body("standin", device="cpu"), np.random.default_rng(0)
    # far enough to cross the seam of rotation vectors
    pose = np.cumsum(rng.normal(0, 0.25, (30, 24, 3)), 0)
    motion = BodyMotion(
        pose, rng.normal(size=10), np.cumsum(rng.normal(0, 0.02, (30, 3)), 0), fps=25, name="dance"
    )
    path = tmp_path_factory.mktemp("gltf") / "dance.glb"
    gltf.write_glb(path, body, motion)
    return body, motion, pygltflib.GLTF2().load(str(path))


def numbers(document, accessor: int) -> np.ndarray:
    a = document.accessors[accessor]
    view = document.bufferViews[a.bufferView]
    data = document.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    found = np.frombuffer(data, COMPONENT[a.componentType]).reshape(a.count, WIDTH[a.type])
    for field, reduce in (("min", np.min), ("max", np.max)):
        if getattr(a, field):
            np.testing.assert_array_equal(getattr(a, field), reduce(found, 0))
    return found


def node_matrices(document, frame: int) -> dict[int, np.ndarray]:
    """World matrix of every node at a key frame, from the scene's roots down."""
    local = {
        i: (np.array(n.translation or [0, 0, 0], float), np.array(n.rotation or [0, 0, 0, 1.0]))
        for i, n in enumerate(document.nodes)
    }
    animation = document.animations[0]
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        value, at = numbers(document, sampler.output)[frame], local[channel.target.node]
        local[channel.target.node] = (
            (value, at[1]) if channel.target.path == "translation" else (at[0], value)
        )
    world = {}

    def visit(i, above):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = Rotation.from_quat(local[i][1]).as_matrix(), local[i][0]
        world[i] = above @ matrix
        for child in document.nodes[i].children or []:
            visit(child, world[i])

    for root in document.scenes[document.scene].nodes:
        visit(root, np.eye(4))
    return world


def test_joints_are_where_the_body_has_them(exported):
    body, motion, document = exported
    joints = body.compute_joints(motion)
    for frame in (0, 7, 29):
        world = node_matrices(document, frame)
        named = {n.name: world[i][:3, 3] for i, n in enumerate(document.nodes)}
        found = np.array([named[name] for name in SMPL24.joints])
        assert np.abs(found - joints[frame]).max() < 1e-3  # a millimetre; float32 rounds far below


def test_the_skinned_mesh_is_the_bodys(exported):
    body, motion, document = exported
    primitive = document.meshes[0].primitives[0]
    position, normal = (
        numbers(document, getattr(primitive.attributes, key)).astype(float)
        for key in ("POSITION", "NORMAL")
    )
    used, weight = (
        numbers(document, primitive.attributes.JOINTS_0),
        numbers(document, primitive.attributes.WEIGHTS_0).astype(float),
    )
    inverse = (
        numbers(document, document.skins[0].inverseBindMatrices)
        .reshape(-1, 4, 4)
        .transpose(0, 2, 1)
    )
    np.testing.assert_allclose(weight.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=-1), 1, atol=1e-6)
    faces = numbers(document, primitive.indices).reshape(-1, 3)
    np.testing.assert_array_equal(faces, body.faces)
    for frame in (3, 29):
        world = node_matrices(document, frame)
        bones = np.array([world[j] for j in document.skins[0].joints]) @ inverse
        mixed = (bones[used] * weight[..., None, None]).sum(1)
        skinned = (mixed[:, :3, :3] @ position[..., None])[..., 0] + mixed[:, :3, 3]
        np.testing.assert_allclose(skinned, body.compute_vertices(motion)[frame], atol=1e-4)


def test_keys_are_timed_and_never_take_the_long_way_round(exported):
    _, _, document = exported
    for sampler in document.animations[0].samplers:
        np.testing.assert_allclose(
            numbers(document, sampler.input)[:, 0], np.arange(30) / 25, rtol=1e-6
        )
        keys = numbers(document, sampler.output)
        if keys.shape[1] == 4:
            np.testing.assert_allclose(np.linalg.norm(keys, axis=-1), 1, atol=1e-6)
            assert ((keys[1:] * keys[:-1]).sum(-1) > 0).all()
    assert document.animations[0].name == "dance" and len(document.skins[0].joints) == 24


def test_other_endings_are_refused_and_nothing_is_left(tmp_path):
    body = smpl.load_body("standin", device="cpu")
    with pytest.raises(InputError, match=r".glb"):
        gltf.write_glb(
            tmp_path / "a.fbx",
            body,
            BodyMotion(np.zeros((1, 24, 3)), np.zeros(10), np.zeros((1, 3))),
        )
    assert not list(tmp_path.iterdir())
