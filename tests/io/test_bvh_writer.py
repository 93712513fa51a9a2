"""BVH out: read back by two readers that are not the writer, every joint within a millimetre of the
rigid skeleton."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import InputError, Keypoints2D, PoseSequence, datasets, io
from stride_nb.io import bvh_reader as reader
from stride_nb.io import bvh_writer
from stride_nb.poses.geometry import axis_angle_to_matrix
from stride_nb.poses.skeleton import H36M17


@pytest.fixture(scope="module")
def clips():
    return datasets.load("synthetic", "test", clips=4, seconds=2)


def read_back(path):
    animation = reader.read_bvh(path)
    return animation.compute_positions()[
        :, [animation.names.index(name) for name in H36M17.joints]
    ], animation


def noisy(clip, seed=0):
    """As measured: bones that breathe by centimetres."""
    return clip.replace(
        joints=clip.joints + np.random.default_rng(seed).normal(0, 0.015, clip.joints.shape)
    )


def rigid(joints):
    """Every bone at its median length; the pelvis and all directions as they were."""
    out = joints.copy()
    for j, p in H36M17.bones:
        length = np.linalg.norm(joints[:, j] - joints[:, p], axis=-1, keepdims=True)
        out[:, j] = out[:, p] + (joints[:, j] - joints[:, p]) / length * np.median(length)
    return out


def test_the_package_reads_back_within_a_millimetre(clips, tmp_path):
    for clip in map(noisy, clips):
        io.write(tmp_path / "a.bvh", clip)
        joints, animation = read_back(tmp_path / "a.bvh")
        assert animation.fps == pytest.approx(clip.fps, rel=1e-5) and len(animation) == len(clip)
        assert 1000 * np.linalg.norm(joints - rigid(clip.joints), axis=-1).max() < 0.1


def test_an_independent_library_reads_back_within_a_millimetre(clips, tmp_path):
    bvhsdk = pytest.importorskip("bvhsdk", reason="the independent BVH reader is not installed")
    clip = noisy(clips[0])
    io.write(tmp_path / "a.bvh", clip)
    animation = bvhsdk.ReadFile(str(tmp_path / "a.bvh"))
    wanted = rigid(clip.joints)
    found = {joint.name: joint for joint in animation.getlistofjoints()}
    assert animation.frames == len(clip) and animation.frametime == pytest.approx(
        1 / clip.fps, rel=1e-5
    )
    for frame in range(0, len(clip), 9):
        joints = np.array([found[name].getPosition(frame) for name in H36M17.joints])
        assert 1000 * np.linalg.norm(joints - wanted[frame], axis=-1).max() < 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_pose_survives(tmp_path_factory, seed):
    """Bones pointing anywhere, also exactly against their rest pose and where Euler angles lock."""
    path = tmp_path_factory.getbasetemp() / "any.bvh"
    rng = np.random.default_rng(seed)
    joints = np.zeros((6, 17, 3))
    for j, p in H36M17.bones:
        way = rng.normal(size=(6, 3))
        way[:3] = rng.choice(np.concatenate([np.eye(3), -np.eye(3)]), 3)
        joints[:, j] = joints[:, p] + 0.3 * way / np.linalg.norm(way, axis=-1, keepdims=True)
    io.write(path, PoseSequence(joints + rng.normal(size=3)))
    back, _ = read_back(path)
    assert np.abs(back - back[:1, :1] - (joints - joints[:1, :1])).max() < 1e-4


def test_turning_the_person_turns_only_the_root(clips):
    clip = clips[2]
    turn = axis_angle_to_matrix((0.3, 2.0, -0.4))
    *_, before = bvh_writer.solve_rotations(clip.joints)
    *_, after = bvh_writer.solve_rotations(clip.joints @ turn.T)
    np.testing.assert_allclose(after[:, 0], turn @ before[:, 0], atol=1e-9)
    np.testing.assert_allclose(after[:, 1:], before[:, 1:], atol=1e-6)


def test_rotations_are_continuous_and_angles_do_not_jump_by_a_turn(clips, tmp_path):
    io.write(tmp_path / "a.bvh", clips[0])
    lines = (tmp_path / "a.bvh").read_text().split("Frame Time")[1].splitlines()[1:]
    angles = np.array([line.split() for line in lines], float)[:, 3:]
    assert np.abs(np.diff(angles, axis=0)).max() < 180
    *_, turns = bvh_writer.solve_rotations(clips[0].joints)
    step = np.swapaxes(turns[:-1], -1, -2) @ turns[1:]
    degrees = np.degrees(np.arccos(np.clip((np.trace(step, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))
    assert degrees.max() < 45


def test_blender_finds_what_it_needs(clips, tmp_path):
    """Its importer knows joints by name, so names differ; it wants these words at the start of
    lines."""
    io.write(tmp_path / "a.bvh", clips[0])
    lines = [line.split() for line in (tmp_path / "a.bvh").read_text().splitlines()]
    names = [line[1] for line in lines if line[0] in ("ROOT", "JOINT")]
    assert (
        lines[0] == ["HIERARCHY"]
        and len(set(names)) == len(names)
        and set(H36M17.joints) <= set(names)
    )
    motion = lines.index(["MOTION"])
    assert lines[motion + 1] == ["Frames:", str(len(clips[0]))] and lines[motion + 2][:2] == [
        "Frame",
        "Time:",
    ]
    channels = sum(int(line[1]) for line in lines if line[0] == "CHANNELS")
    assert {len(line) for line in lines[motion + 3 :]} == {channels}
    assert sum(line == ["End", "Site"] for line in lines) == 5


def test_what_bvh_cannot_hold_is_refused_and_nothing_is_written(clips, tmp_path):
    holed = clips[0].joints.copy()
    holed[3, 4] = np.nan
    for sequence, field in (
        (clips[0].replace(joints=holed), "joints"),
        (clips[0].to("halpe26"), "skeleton"),
    ):
        with pytest.raises(InputError, match=f"{field}: expected"):
            io.write(tmp_path / "a.bvh", sequence)
    assert list(tmp_path.iterdir()) == []
    one = clips[0][:1]
    io.write(tmp_path / "one.bvh", one)
    np.testing.assert_allclose(read_back(tmp_path / "one.bvh")[0], one.joints, atol=1e-4)


def test_smpl_parameters_and_a_mesh_come_out_too(clips, tmp_path, monkeypatch):
    """What is fitted is written; how well it fits is the business of test_fit."""
    from types import SimpleNamespace

    from stride_nb import smpl
    from stride_nb.datasets import amass

    pose = np.random.default_rng(0).normal(0, 0.2, (5, 24, 3))
    motion = smpl.BodyMotion(pose, np.zeros(10), np.ones((5, 3)), fps=30)
    asked, body = [], smpl.load_body("standin", device="cpu")
    monkeypatch.setattr(smpl, "load_body", lambda model: body)
    monkeypatch.setattr(
        smpl, "fit", lambda sequence, body: asked.append(sequence) or SimpleNamespace(motion=motion)
    )
    io.write(tmp_path / "a.npz", clips[0], format="amass")
    found = amass.read_amass_clip(tmp_path / "a.npz")
    assert asked == [clips[0]] and found.pose.shape == (5, 52, 3) and found.fps == 30
    np.testing.assert_allclose(found.pose[:, 1:22], pose[:, 1:22], atol=1e-6)
    io.write(tmp_path / "a.glb", clips[0], body="standin")
    assert (tmp_path / "a.glb").read_bytes()[:4] == b"glTF"
    with pytest.raises(InputError, match="one PoseSequence"):
        io.write(tmp_path / "b.glb", Keypoints2D(np.zeros((2, 17, 2))))
