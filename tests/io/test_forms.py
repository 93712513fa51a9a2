"""Truth, written in each tool's form with its conventions, is read back: within 1 mm, sides, axes,
unit, frame rate, confidence, missing frames, ids and numbers exactly."""

import pickle

import numpy as np
import pytest
import torch

from stride_nb import InputError, Keypoints2D, PoseSequence, io
from stride_nb.io.format_table import list_rows
from stride_nb.poses import skeleton
from stride_nb.poses.joint_names import make_named_skeleton
from stride_nb.smpl.body_model import load_body
from stride_nb.smpl.parameters import BodyMotion
from tests.bodies import pose_in, walk
from tests.io import forms

IDS = (3, 7)
PIXEL_SETS = [
    *("body25", "body25b", "coco18", "mpi15", "halpe26", "coco17", "wholebody133"),
    *("crowdpose14", "aic14", "mpii16", "halpe136"),
]


def assert_same(found, people, confidence=None, name=None, start=0, ids=None, fps=None, up=None):
    """That the sequences are the people (P, T, J, C), in their order."""
    assert len(found) == len(people) and found.up == up
    for p, (sequence, points) in enumerate(zip(found, people)):
        own = sequence.joints if isinstance(sequence, PoseSequence) else sequence.pixels
        sure = np.ones(points.shape[:2]) if confidence is None else confidence[p]
        sure = np.where(np.isnan(points).any(-1), 0, sure)
        truth = np.where((sure > 0)[..., None], points, np.nan)
        assert own.shape == truth.shape
        tolerance = 1e-3 if points.shape[-1] == 3 else 2e-3
        np.testing.assert_allclose(own, truth, atol=tolerance)
        np.testing.assert_allclose(sequence.confidence, sure, atol=1e-3)
        assert sequence.start == start
        assert name is None or sequence.skeleton.name == name
        assert fps is None or sequence.fps == pytest.approx(fps)
        assert ids is None or sequence.name == f"person {ids[p]}"


@pytest.mark.parametrize("name", PIXEL_SETS)
@pytest.mark.parametrize("form", ["openpose", "alphapose"])
def test_detections_in_every_set(tmp_path, form, name):
    people = forms.people_2d(name)
    confidence = forms.confidence_of(people)
    path = getattr(forms, form)(tmp_path / "a.json", people, confidence)
    found = io.read(path, fps=30, size=forms.SIZE)
    assert found.format == form
    assert_same(found, people, confidence, name, 12, IDS, 30)
    assert found[0].size == forms.SIZE


@pytest.mark.parametrize("name", ["body25", "halpe26", "coco17"])
def test_openpose_in_3d(tmp_path, name):
    people = forms.people_3d(name)
    confidence = forms.confidence_of(people)
    path = forms.openpose(tmp_path / "a", people, confidence, key="pose_keypoints_3d")
    assert_same(io.read(path, fps=30), people, confidence, name, 12, IDS)


def test_panoptic(tmp_path):
    people = forms.people_3d("panoptic19")
    confidence = forms.confidence_of(people)
    found = io.read(forms.panoptic(tmp_path / "a", people, confidence), fps=29.97)
    assert_same(found, people * (1, -1, -1), confidence, "panoptic19", 12, IDS, 29.97, "-y")


@pytest.mark.parametrize("name", [n for n in skeleton.SKELETONS if n not in ("coco18",)])
@pytest.mark.parametrize("unit", [1, 1000])
def test_arrays_of_every_set(tmp_path, name, unit):
    people = forms.people_3d(name)
    np.save(tmp_path / "a.npy", people * unit)
    assert_same(io.read(tmp_path / "a.npy", fps=30), people, None, name)


@pytest.mark.parametrize("name", skeleton.SKELETONS)
def test_sides_of_every_set_are_right(name):
    """A person whose right hand is raised raises Human3.6M's right wrist."""
    joints = walk(3)
    joints[:, 16, 1] = 2.2
    back = PoseSequence(pose_in(name, joints), skeleton=name).to("h36m17")
    assert (back.joints[:, 16, 1] > back.joints[:, 13, 1] + 0.5).all()
    error = np.linalg.norm(back.joints - joints, axis=-1)
    assert error[:, [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]].max() < 1e-9


def test_tensorflow_js(tmp_path):
    people = forms.to_camera(forms.people_3d("mediapipe33", 1))
    people = people - people[:, :, 23:25].mean(2, keepdims=True)
    confidence = forms.confidence_of(people)
    found = io.read(forms.tfjs(tmp_path / "a.json", people, confidence), fps=30)
    assert found.format == "mediapipe"
    assert_same(found, people, confidence, "mediapipe33", up="-y")


@pytest.mark.parametrize("form", ["json", "txt", "txt without confidence"])
def test_ultralytics(tmp_path, form):
    people = forms.people_2d("coco17")
    confidence = forms.confidence_of(people)
    if form == "json":
        path = forms.ultralytics_json(tmp_path / "a.json", people, confidence)
    else:
        path = forms.ultralytics_txt(tmp_path / "a", people, confidence, save_conf=form == "txt")
    found = io.read(path, fps=30, size=forms.SIZE)
    assert found.format == "ultralytics"
    assert_same(found, people, confidence, "coco17", 0 if form == "json" else 12, IDS)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("several", [True, False])
def test_deeplabcut(tmp_path, dims, several):
    make = forms.people_2d if dims == 2 else forms.people_3d
    people = make("coco17", 2 if several else 1)
    confidence = forms.confidence_of(people) if dims == 2 else None
    path = forms.deeplabcut(
        tmp_path / "a.csv",
        people,
        confidence,
        skeleton.COCO17.joints,
        ["anna", "ben"] if several else None,
    )
    found = io.read(path, fps=30, size=forms.SIZE)
    assert found.format == "deeplabcut"
    assert_same(found, people, confidence, "coco17", 12, ("anna", "ben") if several else None)


def test_videopose3d(tmp_path):
    people = forms.people_2d("coco17")
    clips = {"a.mp4": people[1], "b.mp4": people[1, :20] + 5}
    found = io.read(forms.videopose3d(tmp_path / "data_2d_custom_x.npz", clips), fps=30)
    assert [s.name for s in found] == ["a.mp4 custom", "b.mp4 custom"]
    for sequence, truth in zip(found, clips.values()):
        np.testing.assert_allclose(sequence.pixels, truth, atol=1e-3)
        assert sequence.size == forms.SIZE and sequence.fps == 30
    _, tracks = io.read_tracks(tmp_path / "data_2d_custom_x.npz", fps=30)
    assert len(tracks) == 2


def test_freemocap(tmp_path):
    person = forms.people_3d("mediapipe33", 1)
    z_up = person[0][..., [0, 2, 1]] * (1, -1, 1)
    path = forms.table(
        tmp_path / "mediapipe_body_3d_xyz.csv", 1000 * z_up, forms.LABELS["freemocap"]
    )
    assert_same(io.read(path, fps=30), z_up[None], None, "mediapipe33", up="z")


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ";", "comma": True},
        {"delimiter": "\t"},
        {"delimiter": "\t", "comma": True},
        {"delimiter": ";"},
        {"flip": True},
        {"flip": True, "delimiter": ";", "comma": True},
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_tables_of_any_spelling(tmp_path, options, suffix):
    people = forms.people_2d("coco17", 1)
    confidence = forms.confidence_of(people)
    path = forms.table(
        tmp_path / f"a{suffix}",
        people[0],
        skeleton.COCO17.joints,
        confidence=confidence[0],
        **options,
    )
    found = io.read(path, fps=30, size=forms.SIZE)
    assert found.format == "csv"
    assert_same(found, people, confidence, "coco17")


@pytest.mark.parametrize("unit", ["m", "cm", "mm"])
def test_trc(tmp_path, unit):
    labels = forms.LABELS["pose2sim"]
    person = forms.named(labels)
    person[0, 20:24, 3] = np.nan
    found = io.read(forms.trc(tmp_path / "a.trc", person[0], labels, unit, start=41))
    assert_same(found, person, None, "custom", 41, fps=forms.FPS, up="y")
    assert list(found[0].skeleton.joints) == labels


@pytest.mark.parametrize("unit", ["m", "mm"])
@pytest.mark.parametrize("up", ["+Z", "+Y"])
def test_c3d(tmp_path, unit, up):
    pytest.importorskip("ezc3d", reason="the extra c3d")
    labels = forms.LABELS["pose2sim"]
    person = forms.named(labels)
    person[0, 20:24, 3] = np.nan
    found = io.read(forms.c3d(tmp_path / "a.c3d", person[0], labels, unit, 120.0, 40, up))
    assert_same(found, person, None, "custom", 41, fps=120, up=up[1].lower())


def test_c3d_names_its_extra(tmp_path, monkeypatch):
    (tmp_path / "a.c3d").write_bytes(b"\x02\x50" + bytes(1000))
    monkeypatch.setitem(__import__("sys").modules, "ezc3d", None)
    with pytest.raises(InputError, match=r"stride-nb\[c3d\]"):
        io.read(tmp_path / "a.c3d")
    (tmp_path / "a.c3d").write_bytes(b"no such file")
    with pytest.raises(InputError, match="expected a C3D file"):
        io.read(tmp_path / "a.c3d")


def rename_bvh(path, names):
    """Our own file with a rig's names."""
    lines = path.read_text().splitlines()
    for i, line in enumerate(lines):
        words = line.split()
        if words[:1] in (["JOINT"], ["ROOT"]):
            lines[i] = line.replace(words[1], names.get(words[1], f"Extra{i}"))
    path.write_text("\n".join(lines) + "\n")


BONES = ("UpLeg", "Leg", "Foot", "Arm", "ForeArm", "Hand")
SHINS = ("Thigh", "Calf", "Foot", "UpperArm", "Forearm", "Hand")


@pytest.mark.parametrize(
    "rig",
    [
        ("mixamorig:{side}{bone}", BONES, "Left", "Right"),
        ("Bip01 {side} {bone}".replace(" ", "_"), SHINS, "L", "R"),
        ("{bone}.{side}", ("thigh", "shin", "foot", "upper_arm", "forearm", "hand"), "L", "R"),
        ("{side}_{bone}", ("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist"), "L", "R"),
    ],
)
def test_bvh_of_other_rigs(tmp_path, rig):
    form, bones, left, right = rig
    walked = walk(20, 30)
    io.write(tmp_path / "a.bvh", PoseSequence(walked, fps=30))
    own = io.read(tmp_path / "a.bvh")[0].to("h36m17")
    limbs = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    names = {
        f"{s}{limb}": form.format(side=side, bone=bone)
        for s, side in (("l", left), ("r", right))
        for limb, bone in zip(limbs, bones)
    } | {"pelvis": "Hips", "thorax": "Neck", "neck": "Head"}
    rename_bvh(tmp_path / "a.bvh", names)
    found = io.read(tmp_path / "a.bvh")
    assert found.up == "y" and found[0].fps == 30
    back = found[0].to("h36m17")
    same = [j for j, n in enumerate(skeleton.H36M17.joints) if n[1:] in limbs]
    np.testing.assert_allclose(back.joints[:, same], own.joints[:, same], atol=1e-6)
    assert not back.missing.any()


def params(frames=6, kind=24):
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 0.2, (frames, kind, 3))
    trans = np.cumsum(rng.normal(0, 0.02, (frames, 3)), 0)
    motion = BodyMotion(pose[:, :22].reshape(frames, -1), np.zeros(10), trans)
    return pose, trans, load_body("standin", device="cpu").compute_joints(motion)


@pytest.fixture(autouse=True)
def no_smpl_file(monkeypatch):
    monkeypatch.delenv("SMPL_MODEL_DIR", raising=False)


def assert_standin(found, joints, up, name="smpl24", start=0):
    assert any("stand-in body" in note for note in found.notes)
    (sequence,) = found
    np.testing.assert_allclose(sequence.joints[:, :22], joints[:, :22], atol=1e-3)
    assert sequence.skeleton.name == name and found.up == up and sequence.start == start


@pytest.mark.parametrize("world", [True, False])
def test_wham(tmp_path, world):
    pose, trans, joints = params()
    person = {
        "pose": pose.reshape(6, 72).astype("f4"),
        "trans": trans.astype("f4"),
        "betas": np.zeros((6, 10), "f4"),
        "frame_ids": np.arange(31, 37),
    }
    if world:
        person |= {"pose_world": person["pose"], "trans_world": person["trans"]}
        person |= {"pose": np.zeros((6, 72), "f4"), "trans": np.zeros((6, 3), "f4")}
    found = io.read(forms.joblib_dump({0: person}, tmp_path / "wham_output.pkl"), fps=30)
    assert found.format == "smpl"
    assert_standin(found, joints, "y" if world else "-y", start=31)


def test_vibe(tmp_path):
    people = forms.to_camera(forms.people_3d("body25"))
    content = {
        person: {
            "pred_cam": np.zeros((30 - lost, 3)),
            "pose": np.zeros((30 - lost, 72)),
            "betas": np.zeros((30 - lost, 10)),
            "joints3d": np.concatenate([people[p, rows], np.zeros((30 - lost, 24, 3))], 1),
            "frame_ids": np.flatnonzero(rows) + 12,
        }
        for p, person in enumerate(IDS)
        for rows in [~np.isnan(people[p]).any((1, 2))]
        for lost in [int((~rows).sum())]
    }
    found = io.read(forms.joblib_dump(content, tmp_path / "vibe_output.pkl"), fps=30)
    assert_same(found, people, None, "body25", 12, IDS, 30, "-y")


def test_gvhmr(tmp_path):
    pose, trans, joints = params(kind=22)
    smpl_params = {
        "body_pose": torch.as_tensor(pose[:, 1:].reshape(6, 63)),
        "global_orient": torch.as_tensor(pose[:, 0]),
        "betas": torch.zeros(6, 10),
        "transl": torch.as_tensor(trans),
    }
    content = {"smpl_params_global": smpl_params, "K_fullimg": torch.eye(3).repeat(6, 1, 1)}
    torch.save(content, tmp_path / "hmr4d_results.pt")
    assert_standin(io.read(tmp_path / "hmr4d_results.pt", fps=30), joints, "y")


def test_phalp(tmp_path):
    people = forms.to_camera(forms.people_3d("body25"))
    people = people - people[:, :, 8:9]  # about the pelvis, as it stores them
    found = io.read(forms.phalp(tmp_path / "demo_clip.pkl", people), fps=30)
    assert any("focal length" in note for note in found.notes)
    assert_same(found, people, None, "body25", 12, IDS, up="-y")


@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize("unit", [2.2, 1.0])
def test_hybrik(tmp_path, struct, unit):
    name = "smpl24" if struct else "h36m17"
    person = forms.to_camera(forms.people_3d(name)[1:])
    transl = person[0, :, 0] + 0.1
    path = forms.hybrik(tmp_path / "res.pk", person[0], transl, unit, struct)
    assert_same(io.read(path, fps=30), person, None, name, 1, up="-y")


@pytest.mark.parametrize("form", ["romp", "trace"])
def test_romp_and_trace(tmp_path, form):
    people = forms.to_camera(forms.people_3d("smpl24"))
    path = getattr(forms, form)(tmp_path / "video_results.npz", people)
    assert_same(io.read(path, fps=30), people, None, "smpl24", 0, IDS, up="-y")


def test_sam3d(tmp_path):
    people = forms.to_camera(forms.people_3d("mhr70"))
    found = io.read(forms.sam3d(tmp_path / "sam3d.pkl", people), fps=30)
    assert_same(found, people, None, "mhr70", 12, IDS, up="-y")


def test_amass(tmp_path):
    pose, trans, joints = params(kind=52)
    np.savez(
        tmp_path / "walk_poses.npz",
        poses=pose.reshape(6, 156),
        trans=trans,
        betas=np.zeros(16),
        gender="neutral",
        mocap_framerate=120.0,
    )
    found = io.read(tmp_path / "walk_poses.npz")
    assert_standin(found, joints, "z")
    assert found[0].fps == 120


def test_motionbert(tmp_path):
    """In pixels, y down: a usual person's size, and said so."""
    person = forms.to_camera(forms.people_3d("h36m17")[1:])
    np.save(tmp_path / "X3D.npy", person[0] * 300 + (500, 400, 0))
    found = io.read(tmp_path / "X3D.npy", fps=30)
    assert any("MotionBERT" in note for note in found.notes)
    assert found.up == "-y" and found[0].skeleton.name == "h36m17"
    own = found[0].joints - found[0].joints[:, :1]
    truth = person[0] - person[0][:, :1]
    scale = (own * truth).sum() / (truth**2).sum()
    assert 0.8 < scale < 1.2
    np.testing.assert_allclose(own, scale * truth, atol=1e-6)


JOINT_MAP = {
    "rhip": "HR",
    "lhip": "HL",
    "pelvis": ["HR", "HL"],
    "rknee": "KR",
    "lknee": 4,
    "rshoulder": {"SR": 0.5, "SL": 0.5},
    "lshoulder": "SL",
    "head": {"SL": 1.5, "SR": -0.5},
}


def test_a_joint_map_names_what_has_no_known_name(tmp_path):
    labels = ["HR", "HL", "KR", "SR", "KL", "SL"]
    person = forms.people_3d("h36m17", 1)[0][:, [1, 4, 2, 14, 5, 11]]
    path = forms.trc(tmp_path / "a.trc", person, labels)
    (found,) = io.read(path, joints=JOINT_MAP | {"lknee": "KL"})
    at = dict(zip(labels, np.moveaxis(person, 1, 0)))
    joints = dict(zip(found.skeleton.joints, np.moveaxis(found.joints, 1, 0)))
    np.testing.assert_allclose(joints["lknee"], at["KL"], atol=1e-4)
    np.testing.assert_allclose(joints["pelvis"], (at["HR"] + at["HL"]) / 2, atol=1e-4)
    np.testing.assert_allclose(joints["head"], 1.5 * at["SL"] - 0.5 * at["SR"], atol=1e-4)
    np.save(tmp_path / "a.npy", person)
    (numbered,) = io.read(
        tmp_path / "a.npy",
        fps=25,
        joints=dict(zip(("rhip", "lhip", "rknee", "rshoulder", "lknee", "lshoulder"), range(6))),
    )
    np.testing.assert_allclose(numbered.joints, person)
    (tmp_path / "map.json").write_text('{"rhip": "HR", "lhip": "nobody"}')
    with pytest.raises(InputError, match=r"joints: lhip: expected one of HR, HL"):
        io.read(path, joints=tmp_path / "map.json")
    (tmp_path / "map.json").write_text('{"rhip": {"HR": 0.5}}')
    with pytest.raises(InputError, match=r"weights that sum to 1, found 0.5"):
        io.read(path, joints=tmp_path / "map.json")
    with pytest.raises(InputError, match=r"hips, knees, ankles.*mapping.*found HR, HL"):
        io.read(path)


def test_every_way_in_is_in_the_table_and_tested_here():
    rows = {row["format"]: row for row in list_rows()}
    assert rows.keys() == io.list_formats("parse").keys() | io.list_formats("write").keys()
    assert all(row["tools"] and row["kept"] for row in rows.values())


@pytest.mark.parametrize(
    "module, name",
    [("os", "system"), ("builtins", "eval"), ("joblib.numpy_pickle", "NDArrayWrapper")],
)
def test_results_that_call_anything_are_refused(tmp_path, module, name):
    data = b"\x80\x04\x8c" + bytes([len(module)]) + module.encode()
    data += b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93\x8c\x04true\x85R."
    for suffix in (".pkl", ".pk", ".pth"):
        (tmp_path / f"a{suffix}").write_bytes(data)
        with pytest.raises(InputError, match=f"{module}.{name}"):
            io.read(tmp_path / f"a{suffix}")
    array = np.empty((), object)
    array[()] = pickle.loads  # a name that is no data
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=r"_pickle\.loads"):
        io.read(tmp_path / "a.npy")


def test_a_custom_set_survives_the_package_own_file(tmp_path):
    labels = forms.LABELS["pose2sim"]
    sequence = PoseSequence(forms.named(labels)[0], skeleton=make_named_skeleton(labels), start=4)
    io.write(tmp_path / "a.npz", sequence)
    (found,) = io.read(tmp_path / "a.npz")
    assert found.skeleton == sequence.skeleton and found.start == 4
    io.write(tmp_path / "a.csv", sequence)
    (found,) = io.read(tmp_path / "a.csv")
    np.testing.assert_allclose(found.joints, sequence.joints, atol=1e-6)
    assert isinstance(found, PoseSequence) and not isinstance(found, Keypoints2D)


def test_movenet_in_pixels(tmp_path):
    people = forms.people_2d("coco17", 1)
    confidence = forms.confidence_of(people)
    frames = [
        [
            {
                "score": 0.8,
                "keypoints": [
                    {"x": x, "y": y, "score": c, "name": name}
                    for (x, y), c, name in zip(
                        np.nan_to_num(people[0, t]).tolist(),
                        confidence[0, t].tolist(),
                        skeleton.COCO17.joints,
                    )
                ],
            }
        ]
        for t in range(forms.FRAMES)
    ]
    found = io.read(forms.save_json(tmp_path / "a.json", frames), fps=30, size=forms.SIZE)
    assert_same(found, people, confidence, "coco17")


def test_the_users_smpl_file_is_taken_where_there_is_one(tmp_path, monkeypatch):
    body = load_body("standin", device="cpu")
    names = ["v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f"]
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **{name: body.arrays[name] for name in names})
    monkeypatch.setenv("SMPL_MODEL_DIR", str(tmp_path))
    pose, trans, _ = params()
    betas = np.tile(np.linspace(-1, 1, 10), (6, 1))
    person = {"pose": pose.reshape(6, 72), "trans": trans, "betas": betas}
    (found,) = (file := io.read(forms.joblib_dump({0: person}, tmp_path / "a.pkl"), fps=30))
    assert not any("stand-in" in note for note in file.notes)
    motion = BodyMotion(pose[:, :22].reshape(6, -1), betas[0], trans)
    truth = load_body("smpl", device="cpu").compute_joints(motion)
    np.testing.assert_allclose(found.joints[:, :22], truth[:, :22], atol=1e-6)


def test_parameters_of_phalp(tmp_path):
    from scipy.spatial.transform import Rotation

    pose, trans, joints = params()
    matrices = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(6, 24, 3, 3)
    content = {
        f"img/{t + 1:06d}.jpg": {
            "time": t,
            "tid": [1],
            "tracked_time": [0],
            "camera": [trans[t]],
            "smpl": [
                {
                    "global_orient": matrices[t, :1],
                    "body_pose": matrices[t, 1:],
                    "betas": np.zeros(10),
                }
            ],
        }
        for t in range(6)
    }
    found = io.read(forms.joblib_dump(content, tmp_path / "demo.pkl"), fps=30)
    assert_standin(found, joints - trans[:, None], "-y")
