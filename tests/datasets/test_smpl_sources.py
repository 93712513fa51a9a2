"""Readers of data sets of bodies, on small files written here in the formats that their authors
publish."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from stride_nb import datasets, smpl
from stride_nb.datasets import amass
from stride_nb.datasets.smpl_sources import place_frames
from stride_nb.errors import InputError
from stride_nb.evaluation import lsp14_protocol
from stride_nb.io import amass as amass_writer
from stride_nb.poses.skeleton import H36M17
from stride_nb.smpl import BodyMotion
from tests.python2 import dumps

Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@pytest.fixture(scope="module")
def body():
    return smpl.load_body("standin", device="cpu")


def person(seed: int, frames: int = 8) -> BodyMotion:
    rng = np.random.default_rng(seed)
    pose = np.cumsum(rng.normal(0, 0.03, (frames, 24, 3)), 0) + rng.normal(0, 0.2, (24, 3))
    pose[:, 22:] = 0  # hands are what the families do not share
    return BodyMotion(
        pose, rng.normal(size=10), np.cumsum(rng.normal(0, 0.05, (frames, 3)), 0), fps=30
    )


def camera(seed: int) -> np.ndarray:
    """(4, 4) world to camera, the camera upside down as OpenCV's are, a little turned."""
    rng, out = np.random.default_rng(seed), np.eye(4)
    out[:3, :3] = Rotation.from_rotvec(rng.normal(0, 0.1, 3)).as_matrix() @ np.diag([1.0, -1, -1])
    out[:3, 3] = (0, 1, 5)
    return out


def turned(joints, matrix):
    return joints @ matrix[:3, :3].T + matrix[:3, 3]


# AMASS


def write_amass(path, motion, body, joints=52, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    up = motion.rotate(Z_UP, body.compute_rest_joints(motion.shape)[0]).to(
        "smplh" if joints == 52 else "smplx"
    )
    np.savez(
        path,
        **(
            {
                "poses": up.pose.reshape(len(up), -1),
                "trans": up.translation,
                "betas": np.r_[up.shape, np.zeros(6)],
                "dmpls": np.zeros((len(up), 8)),
                "gender": np.array("female"),
                "mocap_framerate": np.array(120.0),
            }
            | more
        ),
    )


def test_amass_clips_are_split_by_data_set_and_stand_upright(tmp_path, body):
    motion = person(0, 121)
    write_amass(tmp_path / "CMU/01/01_01_poses.npz", motion, body)
    write_amass(tmp_path / "SSM_synced/a/b_poses.npz", motion, body)
    write_amass(tmp_path / "HumanEva/S1/Box 1_poses.npz", motion, body, gender=np.array(b"male"))
    np.savez(tmp_path / "CMU/01/shape.npz", betas=np.zeros(16))
    names = {
        split: [s.name for s in datasets.load("amass", split, folder=tmp_path, body=body)]
        for split in ("train", "val", "test")
    }
    assert names == {
        "train": ["CMU_01_01_01_poses"],
        "val": ["HumanEva_S1_Box_1_poses"],
        "test": ["SSM_synced_a_b_poses"],
    }
    (found,) = datasets.load("amass", "test", folder=tmp_path, body=body, fps=120)
    np.testing.assert_allclose(found.joints, body.compute_sequence(motion).joints, atol=1e-9)
    (slower,) = datasets.load("amass", "test", folder=tmp_path, body=body)
    assert slower.fps == 50 and len(slower) == 51


def test_both_releases_of_amass_are_read(tmp_path, body):
    motion = person(1)
    write_amass(
        tmp_path / "SSM/x_stageii.npz",
        motion,
        body,
        joints=55,
        mocap_frame_rate=np.array(60.0),
        surface_model_type=np.array("smplx"),
        markers_obs=np.array([{}], object),
    )
    (tmp_path / "SSM/neutral_stagei.npz").write_bytes(b"not a clip")
    (found,) = datasets.load("amass", "test", folder=tmp_path, body="standin", fps=120)
    np.testing.assert_allclose(found.joints, body.compute_sequence(motion).joints, atol=1e-9)
    assert amass.read_amass_clip(tmp_path / "SSM/x_stageii.npz").kind == "smplx"


def test_what_is_written_as_amass_comes_back(tmp_path, body):
    motion = person(2)
    amass_writer.write_motion(tmp_path / "SSM/mine.npz", motion, body)
    back = amass.read_amass_clip(tmp_path / "SSM/mine.npz")
    assert (
        back.pose.shape == (8, 52, 3)
        and back.fps == 30
        and back.gender == "neutral"
        and len(back.shape) == 16
    )
    (found,) = datasets.load("amass", "test", folder=tmp_path, body=body, fps=30)
    np.testing.assert_allclose(found.joints, body.compute_sequence(motion).joints, atol=1e-9)


@pytest.mark.parametrize("name", ["mine", "mine.NPZ"])
def test_what_is_written_as_amass_has_the_name_that_was_asked_for(tmp_path, body, name):
    amass_writer.write_motion(tmp_path / name, person(2), body)
    assert [path.name for path in tmp_path.iterdir()] == [name] and len(
        amass.read_amass_clip(tmp_path / name)
    ) == 8


# 3DPW


def write_3dpw(path, body, people=2, frames=8, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    everyone = [person(10 + i, frames) for i in range(people)]
    views = np.stack([camera(t) for t in range(frames)])
    valid = [np.ones(frames, int) for _ in everyone]
    valid[0][:2] = 0
    data = {
        "sequence": path.stem,
        "poses": [p.pose.reshape(frames, 72) for p in everyone],
        "betas": [
            np.r_[p.shape, np.zeros(290)] if i else p.shape[:, None] for i, p in enumerate(everyone)
        ],
        "trans": [p.translation for p in everyone],
        "genders": ["m", "f"][:people],
        "cam_poses": views,
        "campose_valid": valid,
        "jointPositions": [body.compute_joints(p).reshape(frames, 72) for p in everyone],
        "img_frame_ids": np.arange(frames),
        "cam_intrinsics": np.eye(3),
        "texture_maps": [],
        "poses2d": [np.zeros((frames, 3, 18))] * people,
    }
    path.write_bytes(dumps(data | more))
    return everyone, views, valid


def test_3dpw_in_world_and_camera(tmp_path, body):
    people, views, valid = write_3dpw(tmp_path / "sequenceFiles/validation/walk_00.pkl", body)
    seen = datasets.load("3dpw", "val", folder=tmp_path, body=body, space="camera")
    assert [s.name for s in seen] == ["walk_00_0", "walk_00_1"] and seen[0].fps == 30
    for sequence, p, good in zip(seen, people, valid):
        truth = body.compute_sequence(p).joints
        for t in range(8):
            if good[t]:
                np.testing.assert_allclose(
                    sequence.joints[t], turned(truth[t], views[t]), atol=1e-9
                )
            else:
                assert sequence.missing[t].all()
    world = datasets.load("3dpw", "val", folder=tmp_path, body=body)
    fixed = np.diag([1.0, -1, -1, 1]) @ views[2]  # the first camera that is valid, turned upright
    np.testing.assert_allclose(
        world[0].joints, turned(body.compute_sequence(people[0]).joints, fixed), atol=1e-9
    )
    assert (
        not world[0].missing.any()
        and (world[1].joints[:, H36M17.index("head"), 1] > world[1].joints[:, 0, 1]).all()
    )


def test_3dpw_needs_no_model_for_its_own_joints(tmp_path, body):
    people, _, _ = write_3dpw(tmp_path / "sequenceFiles/test/a.pkl", body, people=1)
    (found,) = datasets.load("3dpw", "test", folder=tmp_path)
    converted = smpl.Body(body.arrays, "standin").compute_sequence(people[0])

    def lengths(x):
        return np.linalg.norm(x[:, H36M17.index("lknee")] - x[:, H36M17.index("head")], axis=-1)

    np.testing.assert_allclose(lengths(found.joints), lengths(converted.joints), atol=1e-9)


def test_the_protocol_scores_14_joints(tmp_path, body):
    write_3dpw(tmp_path / "sequenceFiles/test/a.pkl", body, people=2, frames=12)
    truth = datasets.load("3dpw", "test", folder=tmp_path, body=body, space="camera")
    perfect = {s.name: np.nan_to_num(s.joints) for s in truth}
    score = lsp14_protocol.evaluate_3dpw(perfect, "test", tmp_path, body)
    assert (
        score["frames"] == 22
        and max(score["mpjpe"], score["pa_mpjpe"], score["accel_error"]) < 1e-6
    )
    rng = np.random.default_rng(0)
    turn = Rotation.from_rotvec([0.2, 0.4, -0.3]).as_matrix()
    moved = {name: 1.1 * x @ turn.T + (1, 2, 3) for name, x in perfect.items()}
    for x in moved.values():
        # not among the 14
        x[:, H36M17.index("spine", "neck", "pelvis")] += rng.normal(size=(12, 3, 3))
    score = lsp14_protocol.evaluate_3dpw(moved, "test", tmp_path, body)
    assert score["pa_mpjpe"] < 1e-6 and score["mpjpe"] > 20
    bent = {
        name: x + (np.arange(17) == H36M17.index("lwrist"))[:, None] * (0.14, 0, 0)
        for name, x in perfect.items()
    }
    assert lsp14_protocol.evaluate_3dpw(bent, "test", tmp_path, body)["mpjpe"] == pytest.approx(10)
    jerky = {
        name: x
        + 0.001
        * (-1.0) ** np.arange(12)[:, None, None]
        * (np.arange(17) == H36M17.index("head"))[:, None]
        for name, x in perfect.items()
    }
    assert lsp14_protocol.evaluate_3dpw(jerky, "test", tmp_path, body)[
        "accel_error"
    ] == pytest.approx(4 * 3**0.5 / 14)


def test_the_protocol_says_what_is_missing(tmp_path, body):
    write_3dpw(tmp_path / "sequenceFiles/test/a.pkl", body, people=1)
    with pytest.raises(InputError, match="regressor"):
        lsp14_protocol.evaluate_3dpw({}, "test", tmp_path)
    with pytest.raises(InputError, match="a_0"):
        lsp14_protocol.evaluate_3dpw({}, "test", tmp_path, body)
    with pytest.raises(InputError, match="shape"):
        lsp14_protocol.evaluate_3dpw({"a_0": np.zeros((3, 17, 3))}, "test", tmp_path, body)
    with pytest.raises(InputError, match="missing"):
        lsp14_protocol.evaluate_3dpw({"a_0": np.full((8, 17, 3), np.nan)}, "test", tmp_path, body)


def test_the_14_joints_are_lsps():
    assert len(lsp14_protocol.LSP14) == 14 and lsp14_protocol.LSP14[2:4] == ("rhip", "lhip")


# OcMotion


def write_ocmotion(path, body, frames=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    p, views = person(20, frames), [camera(50), camera(51)]
    data = [
        [
            [
                {"img_path": f"images/0013/Camera{c:02}/{5 * t:06}.jpg", "h_w": (1536, 2048)}
                | (
                    {}
                    if t == 3
                    else {
                        "0": {
                            "pose": p.pose[t].reshape(1, 72),
                            "betas": p.shape[None],
                            "trans": p.translation[t],
                            "bbox": [[0, 0], [1, 1]],
                            "intri": np.eye(3).tolist(),
                            "extri": views[c].tolist(),
                        }
                    }
                )
                for t in range(frames)
            ]
            for c in range(2)
        ]
    ]
    path.write_bytes(dumps(data))
    return p, views


def test_ocmotion_sees_one_motion_from_every_camera(tmp_path, body):
    p, views = write_ocmotion(tmp_path / "annot/test.pkl", body)
    truth = body.compute_sequence(p).joints
    seen = datasets.load("ocmotion", "test", folder=tmp_path, body=body, space="camera")
    assert [s.name for s in seen] == ["0013_Camera00_0", "0013_Camera01_0"] and seen[0].fps == 10
    for sequence, view in zip(seen, views):
        assert sequence.missing[3].all() and sequence.missing.sum() == 17
        kept = np.arange(8) != 3
        np.testing.assert_allclose(sequence.joints[kept], turned(truth, view)[kept], atol=1e-9)
    world = datasets.load("ocmotion", "test", folder=tmp_path, body=body)
    np.testing.assert_allclose(
        world[0].joints[0], turned(truth[0], np.diag([1.0, -1, -1, 1]) @ views[0]), atol=1e-9
    )
    score = lsp14_protocol.evaluate_ocmotion(
        {s.name: np.nan_to_num(s.joints) for s in seen}, "test", tmp_path, body
    )
    assert score["frames"] == 14 and score["mpjpe"] < 1e-6
    with pytest.raises(InputError, match="regressor"):
        lsp14_protocol.evaluate_ocmotion({}, "test", tmp_path)


# BEDLAM


def write_bedlam(path, body, frames=8, joints=55):
    path.parent.mkdir(parents=True, exist_ok=True)
    p = person(30, frames).to("smplx" if joints == 55 else "smpl")
    kept = np.array([t for t in range(frames) if t not in (2, 5)])
    down, view = np.diag([1.0, -1, -1]), camera(60)
    world = p.rotate(down, body.compute_rest_joints(p.shape)[0])
    seen = world.rotate(view[:3, :3], body.compute_rest_joints(p.shape)[0])
    shift = np.eye(4)
    shift[:3, 3] = view[:3, 3]
    rows = {
        "pose_world": world.pose,
        "trans_world": world.translation,
        "pose_cam": seen.pose,
        "trans_cam": seen.translation,
    }
    rows = {key: value[kept].reshape(len(kept), -1) for key, value in rows.items()}
    np.savez(
        path,
        **rows,
        shape=np.tile(np.r_[p.shape, 0], (len(kept), 1)),
        cam_ext=np.tile(shift, (len(kept), 1, 1)),
        cam_int=np.eye(3),
        gender=np.array(["female"] * len(kept)),
        sub=np.array(["rp_someone_001"] * len(kept)),
        imgname=np.array([f"seq_000007/seq_000007_{5 * t:04}.png" for t in kept]),
        motion_info=np.array([{}] * len(kept), object),
    )
    return p, down, view, kept


@pytest.mark.parametrize("joints", [24, 55])
def test_bedlam_rows_become_one_sequence_a_person(tmp_path, body, joints):
    p, down, view, kept = write_bedlam(
        tmp_path / "all_npz_12_validation/20221018_a_6fps.npz", body, joints=joints
    )
    truth = body.compute_sequence(p.to("smpl")).joints
    (seen,) = datasets.load("bedlam", "val", folder=tmp_path, body=body, space="camera")
    assert (
        seen.fps == 6
        and seen.name == "20221018_a_6fps_seq_000007_rp_someone_001"
        and len(seen) == 8
    )
    assert (seen.missing.all(1) == ~np.isin(np.arange(8), kept)).all()
    np.testing.assert_allclose(seen.joints[kept], turned(truth @ down.T, view)[kept], atol=1e-9)
    (world,) = datasets.load("bedlam", "val", folder=tmp_path, body=body)
    np.testing.assert_allclose(world.joints[kept], truth[kept], atol=1e-9)
    with pytest.raises(InputError, match=r"all_npz_12.*training.*npz, found none"):
        datasets.load("bedlam", "train", folder=tmp_path, body=body)


# All of them


def test_every_source_is_behind_the_one_door():
    assert {"amass", "3dpw", "ocmotion", "bedlam"} <= set(
        datasets.list_sources()
    ) and "threedpw" not in datasets.list_sources()


@pytest.mark.parametrize(
    "source, bad", [("amass", "train2"), ("3dpw", "dev"), ("ocmotion", "val"), ("bedlam", "test")]
)
def test_splits_and_folders_that_are_not_there(tmp_path, monkeypatch, source, bad):
    with pytest.raises(InputError, match="split"):
        datasets.load(source, bad, folder=tmp_path)
    variable = {"3dpw": "THREEDPW_DIR"}.get(source, f"{source.upper()}_DIR")
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=variable):
        datasets.load(source, "train")
    with pytest.raises(InputError, match="no such folder"):
        datasets.load(source, "train", folder=tmp_path / "nowhere")


@pytest.mark.parametrize("source", ["amass", "3dpw", "ocmotion", "bedlam"])
def test_a_folder_without_the_data_sets_files_is_an_error(tmp_path, body, source):
    (tmp_path / "all_npz_12_training").mkdir()
    (tmp_path / "sequenceFiles" / "train").mkdir(parents=True)
    with pytest.raises(InputError):
        datasets.load(source, "train", folder=tmp_path, body=body)


@pytest.mark.parametrize("source, option", [("amass", "clips"), ("bedlam", "scenes")])
def test_fewer_files_are_the_first_and_at_least_one(tmp_path, body, source, option):
    for name in "abc":
        if source == "amass":
            write_amass(tmp_path / f"CMU/{name}.npz", person(4), body)
        else:
            write_bedlam(tmp_path / f"all_npz_12_training/{name}.npz", body)
    every = datasets.load(source, "train", folder=tmp_path, body=body)
    fewer = datasets.load(source, "train", folder=tmp_path, body=body, **{option: 2})
    assert len(every) == 3 and [s.name for s in fewer] == [s.name for s in every[:2]]
    for count in (0, -1):
        with pytest.raises(InputError, match=f"{option}: expected at least 1"):
            datasets.load(source, "train", folder=tmp_path, body=body, **{option: count})


def test_frame_numbers_become_an_even_row():
    assert place_frames("x", np.array([7]))[1:] == (1, 1)
    with pytest.raises(InputError, match="two"):
        place_frames("x", np.array([3, 3]))
    with pytest.raises(InputError, match="spread"):
        place_frames("x", np.array([0, 1, 10**9]))


WRONG = st.sampled_from(
    [
        None,
        "text",
        3.0,
        [],
        [[]],
        np.zeros(0),
        np.zeros((2, 3)),
        np.full((8, 72), np.nan),
        np.full((8, 3), np.inf),
        np.zeros((8, 71)),
        {},
        ["a"],
        [None],
        [np.zeros((8, 72))],
        np.zeros((8, 4, 4)),
    ]
)


def survives(load) -> None:
    try:
        found, message = load(), ""
    except InputError as error:
        found, message = [], str(error)
    assert "\n" not in message
    assert message or {sequence.joints.shape[1:] for sequence in found} == {(17, 3)}


@settings(max_examples=40, deadline=None)
@given(
    field=st.sampled_from(
        [
            "poses",
            "betas",
            "trans",
            "genders",
            "cam_poses",
            "campose_valid",
            "jointPositions",
            "sequence",
        ]
    ),
    value=WRONG,
)
def test_malformed_3dpw_is_one_clear_error(body, tmp_path_factory, field, value):
    folder = tmp_path_factory.mktemp("3dpw")
    write_3dpw(folder / "sequenceFiles/test/a.pkl", body, people=1)
    assert datasets.load("3dpw", "test", folder=folder)
    write_3dpw(folder / "sequenceFiles/test/a.pkl", body, people=1, **{field: value})
    survives(lambda: datasets.load("3dpw", "test", folder=folder))


@settings(max_examples=40, deadline=None)
@given(field=st.sampled_from(["poses", "trans", "betas", "gender", "mocap_framerate"]), value=WRONG)
def test_malformed_amass_is_one_clear_error(body, tmp_path_factory, field, value):
    folder = tmp_path_factory.mktemp("amass")
    try:
        value = np.asarray(value)
    except ValueError:
        value = np.asarray("ragged")
    write_amass(folder / "SSM/a.npz", person(3), body)
    assert datasets.load("amass", "test", folder=folder, body=body)
    write_amass(folder / "SSM/a.npz", person(3), body, **{field: value})
    survives(lambda: datasets.load("amass", "test", folder=folder, body=body))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_malformed_ocmotion_is_one_clear_error(body, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("ocmotion")
    (folder / "annot").mkdir()
    good = {"pose": np.zeros(72), "betas": np.zeros(10), "trans": np.zeros(3), "extri": np.eye(4)}
    entry = good | {data.draw(st.sampled_from(sorted(good))): data.draw(WRONG)}
    frame = {
        "img_path": data.draw(
            st.sampled_from(["images/1/c/0.jpg", "0.jpg", "", None, "a/b/c.jpg"])
        ),
        "h_w": (1, 1),
        "0": data.draw(st.sampled_from([entry, None, 5])),
    }
    content = data.draw(
        st.sampled_from(
            [
                [[[frame]]],
                [[frame]],
                [frame],
                frame,
                [],
                [[]],
                [[[]]],
                [[[frame, 3]]],
                [[[frame, frame]]],
            ]
        )
    )
    (folder / "annot/test.pkl").write_bytes(
        dumps([[[{"img_path": "images/1/c/0.jpg", "h_w": (1, 1), "0": good}]]])
    )
    assert datasets.load("ocmotion", "test", folder=folder, body=body)
    (folder / "annot/test.pkl").write_bytes(dumps(content))
    survives(lambda: datasets.load("ocmotion", "test", folder=folder, body=body))


@settings(max_examples=40, deadline=None)
@given(
    field=st.sampled_from(["pose_world", "trans_world", "cam_ext", "shape", "imgname", "sub"]),
    value=WRONG,
)
def test_malformed_bedlam_is_one_clear_error(body, tmp_path_factory, field, value):
    folder = tmp_path_factory.mktemp("bedlam")
    path = folder / "all_npz_12_training/a.npz"
    write_bedlam(path, body)
    assert datasets.load("bedlam", "train", folder=folder, body=body)
    with np.load(path, allow_pickle=True) as file:
        content = dict(file)
    try:
        content[field] = np.asarray(value)
    except ValueError:
        del content[field]
    np.savez(path, **content)
    survives(lambda: datasets.load("bedlam", "train", folder=folder, body=body))


@settings(max_examples=30, deadline=None)
@given(
    at=st.floats(0, 1),
    byte=st.integers(0, 255),
    source=st.sampled_from(["amass", "3dpw", "ocmotion", "bedlam"]),
)
def test_damaged_files_are_one_clear_error(body, tmp_path_factory, at, byte, source):
    folder = tmp_path_factory.mktemp(source)
    path = {
        "amass": folder / "CMU/a.npz",
        "3dpw": folder / "sequenceFiles/train/a.pkl",
        "ocmotion": folder / "annot/train.pkl",
        "bedlam": folder / "all_npz_12_training/a.npz",
    }[source]
    if source == "amass":
        write_amass(path, person(4), body)
    else:
        {"3dpw": write_3dpw, "ocmotion": write_ocmotion, "bedlam": write_bedlam}[source](path, body)
    assert datasets.load(source, "train", folder=folder, body=body)
    whole = path.read_bytes()
    cut = int(at * (len(whole) - 1))
    for damaged in (whole[:cut], whole[:cut] + bytes([byte]) + whole[cut + 1 :]):
        path.write_bytes(damaged)
        survives(lambda: datasets.load(source, "train", folder=folder, body=body))
