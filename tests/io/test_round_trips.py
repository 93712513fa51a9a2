"""What comes in goes out in every form and comes back, by value; in the form that came in with its
own joints, axes, names and content."""

import pickle

import numpy as np
import pytest

from stride_nb import InputError, Keypoints2D, PoseSequence, io
from stride_nb.cli.refine_file import refine_file
from stride_nb.io import refined
from stride_nb.poses import skeleton
from stride_nb.poses.joint_names import make_named_skeleton
from tests.bodies import walk
from tests.io import forms

WITH_3D = {
    "npz": {"start", "confidence", "missing", "fps", "set"},
    "csv": {"start", "confidence", "missing", "fps", "set"},
    "trc": {"start", "missing", "fps", "set"},
    "pkl": {"start", "confidence", "missing", "fps", "set"},
    "bvh": {"fps"},
}
"""What each keeps of a sequence, beside its joints."""
SETS_3D = ["h36m17", "coco17", "halpe26", "kinect25", "smpl24", "mediapipe33", "custom"]


def make_sequence(name, missing):
    if name == "custom":
        labels = forms.LABELS["pose2sim"]
        joints, own = forms.named(labels, 2)[1], make_named_skeleton(labels)
    else:
        joints, own = forms.people_3d(name)[1], skeleton.get_skeleton(name)
    if missing:
        joints[5:9], joints[12:15, 2] = np.nan, np.nan
    confidence = np.random.default_rng(0).uniform(0.2, 1, joints.shape[:2]).round(3)
    return PoseSequence(joints, confidence, 29.97, own, start=31)


@pytest.mark.parametrize("name", SETS_3D)
@pytest.mark.parametrize("suffix", WITH_3D)
def test_every_set_through_every_format(tmp_path, suffix, name):
    keeps = WITH_3D[suffix]
    given = make_sequence(name, "missing" in keeps)
    if suffix == "bvh":
        given = given.to("h36m17")
    (path,) = io.write(tmp_path / f"a.{suffix}", given)
    (back,) = io.read(path)
    if suffix == "bvh":
        back = back.to("h36m17")
        size = np.linalg.norm(back.joints - given.joints, axis=-1)
        assert np.median(size) < 0.02  # its bones have one length
    else:
        np.testing.assert_allclose(back.joints, given.joints, atol=1e-6)
    assert back.fps == pytest.approx(given.fps, rel=1e-5)
    assert "start" not in keeps or back.start == 31
    if "confidence" in keeps:
        np.testing.assert_allclose(back.confidence, given.confidence, atol=1e-6)
    assert "missing" not in keeps or (back.missing == given.missing).all()
    assert "set" not in keeps or back.skeleton == given.skeleton


@pytest.mark.parametrize("first", [f for f in WITH_3D if f != "bvh"])
@pytest.mark.parametrize("second", WITH_3D)
def test_from_every_format_to_every_other(tmp_path, first, second):
    given = PoseSequence(walk(20), fps=25, start=4)
    (path,) = io.write(tmp_path / f"a.{first}", given)
    (path,) = io.write(tmp_path / f"b.{second}", io.read(path)[0])
    (back,) = io.read(path)
    np.testing.assert_allclose(
        back.to("h36m17").joints, given.joints, atol=1e-5 if second != "bvh" else 0.15
    )
    assert back.fps == 25


@pytest.mark.parametrize("name", [n for n in skeleton.SKELETONS if n != "coco18"])
def test_keypoints_through_openpose(tmp_path, name):
    people = forms.people_2d(name)
    confidence = forms.confidence_of(people)
    given = [Keypoints2D(p, c, 30, forms.SIZE, name, start=12) for p, c in zip(people, confidence)]
    io.write(tmp_path / "poses", given, "openpose")
    found = io.read(tmp_path / "poses", fps=30, size=forms.SIZE)
    for back, sequence in zip(found, given, strict=True):
        np.testing.assert_allclose(back.pixels, sequence.pixels, atol=1e-3)
        np.testing.assert_allclose(back.confidence, sequence.confidence, atol=1e-3)
        assert back.skeleton == sequence.skeleton and back.start == 12
    assert len(list((tmp_path / "poses").glob("*_keypoints.json"))) == forms.FRAMES


@pytest.mark.parametrize("name", [*SETS_3D[1:-1], "halpe136", "mhr70", "body25"])
def test_joints_of_the_file_follow_the_refined_body(name):
    """A track restored to its own truth is the truth, also where it was not seen; one whose body
    moves takes toes and fingers along."""
    truth = PoseSequence(forms.people_3d(name)[1], fps=25, skeleton=name)
    body = truth.to("h36m17")
    hidden = truth.joints.copy()
    hidden[10:13] = np.nan
    track = truth.replace(joints=hidden, confidence=np.where(np.isnan(hidden).any(-1), 0, 0.7))
    back = refined.restore_joints(track, body)
    assert back.skeleton == truth.skeleton and not back.missing.any()
    same = ~np.isnan(hidden).any(-1)
    np.testing.assert_allclose(back.joints[same], truth.joints[same], atol=1e-9)
    assert np.linalg.norm(back.joints - truth.joints, axis=-1).max() < 0.05
    moved = refined.restore_joints(track, body.replace(joints=body.joints + (0, 0.3, 0)))
    np.testing.assert_allclose(moved.joints, back.joints + (0, 0.3, 0), atol=1e-9)


def test_keypoints_move_to_the_refined_pose_where_they_are_not_trusted():
    """Hidden keypoints come out where the true pose is in the image; trusted ones stay."""
    joints = forms.to_camera(walk(30))
    near = joints * (1, 1, 0) + (0, 0, 4)  # far from the lens: scale and shift alone
    pixels = 900 * near[..., :2] / 4 + (400, 360)
    truth = Keypoints2D(pixels, None, 25, forms.SIZE)
    wrong, confidence = pixels.copy(), np.ones(pixels.shape[:2])
    wrong[5:20, 3] += 200
    confidence[5:20, 3] = 0.1
    wrong[25:27] = np.nan
    seen = Keypoints2D(wrong, confidence, 25, forms.SIZE)
    back = refined.project_refined(seen, PoseSequence(joints - joints[:, :1], fps=25))
    assert not back.missing.any()
    np.testing.assert_allclose(back.pixels[5:20, 3], truth.pixels[5:20, 3], atol=1e-6)
    np.testing.assert_allclose(back.pixels[:5], truth.pixels[:5], atol=1e-6)
    assert np.abs(back.pixels[25:27] - truth.pixels[25:27]).max() < 5  # between its neighbours


def refine(source, out, **options):
    return refine_file(source, out, "linear", report=lambda _: None, warn=lambda _: None, **options)


def test_trc_goes_out_as_trc_with_its_markers_world_and_numbers(tmp_path):
    labels = forms.LABELS["pose2sim"]
    person = forms.named(labels, 2)[1] + (3, 0, -2)
    seen = person.copy()
    seen[8:10] = np.nan
    forms.trc(tmp_path / "a.trc", seen, labels, "mm", start=41)
    refine(tmp_path / "a.trc", tmp_path / "b.trc")
    (back,) = io.read(tmp_path / "b.trc")
    assert list(back.skeleton.joints) == labels and back.start == 41 and back.fps == forms.FPS
    assert not back.missing.any()
    error = np.linalg.norm(back.joints - person, axis=-1)
    assert error[:8].max() < 1e-4 and error.max() < 0.05


def test_openpose_goes_out_as_openpose(tmp_path):
    people = forms.people_2d("body25", 1)
    confidence = forms.confidence_of(people)
    forms.openpose(tmp_path / "a", people, confidence, ids=(3,))
    refine(tmp_path / "a", tmp_path / "b", fps=25, size=forms.SIZE)
    (back,) = io.read(tmp_path / "b", fps=25, size=forms.SIZE)
    assert back.skeleton.name == "body25" and back.start == 12 and len(back) == forms.FRAMES
    error = np.linalg.norm(back.pixels - people[0], axis=-1)
    assert np.nanmedian(error) < 5 and not back.missing[:, :15].any()
    (tmp_path / "b" / "of_another_run_000000000999_keypoints.json").write_text("{}")
    with pytest.raises(InputError, match=r"folder: expected no JSON files of other frames"):
        refine(tmp_path / "a", tmp_path / "b", fps=25, size=forms.SIZE)
    with pytest.raises(InputError, match=r"joints as alphapose: expected coco17.*found body25"):
        refine(tmp_path / "a", tmp_path / "b.json", fps=25, size=forms.SIZE)
    with pytest.raises(InputError, match="format: expected one of"):
        refine(tmp_path / "a", tmp_path / "b.docx", fps=25, size=forms.SIZE)


def test_3d_is_not_written_as_pixels(tmp_path):
    io.write(tmp_path / "a.npz", PoseSequence(walk(10), fps=25))
    with pytest.raises(InputError, match="format: expected one of"):
        refine(tmp_path / "a.npz", tmp_path / "b.json")


def test_results_keep_what_they_hold_with_refined_joints_beside(tmp_path):
    people = forms.to_camera(forms.people_3d("body25"))
    content = {
        person: {
            "pose": np.zeros((30, 72)),
            "betas": np.full((30, 10), 0.5),
            "joints3d": np.nan_to_num(people[1]) + (p, 0, 0),
            "frame_ids": np.arange(12, 42),
        }
        for p, person in enumerate((3, 7))
    }
    forms.joblib_dump(content, tmp_path / "vibe_output.pkl")
    refine(tmp_path / "vibe_output.pkl", tmp_path / "b.pkl", fps=25)
    stored = pickle.loads((tmp_path / "b.pkl").read_bytes())
    assert stored.keys() == content.keys()
    for p, person in enumerate((3, 7)):
        np.testing.assert_array_equal(stored[person]["betas"], content[person]["betas"])
        own = stored[person]["refined"]
        assert (own["frame_ids"] == np.arange(12, 42)).all() and own["up"] == "-y"
        truth = PoseSequence(people[1] + (p, 0, 0), skeleton="body25").to("h36m17")
        np.testing.assert_allclose(own["joints"], truth.joints, atol=1e-6)
    found = io.read(tmp_path / "b.pkl")
    assert [s.name for s in found] == ["person 3", "person 7"] and found.up == "-y"


def test_the_command_lists_the_formats(capsys):
    from stride_nb.cli import main

    assert main(["formats"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*io.list_formats("parse"), *io.list_formats("write")))
    assert all(name in out for name in skeleton.SKELETONS)


def test_a_custom_pose_is_written_as_table_with_its_names(tmp_path):
    labels = [*forms.LABELS["pose2sim"]]
    given = PoseSequence(forms.named(labels)[0], skeleton=make_named_skeleton(labels))
    io.write(tmp_path / "a.csv", given)
    header = (tmp_path / "a.csv").read_text().splitlines()[0]
    assert all(f"{label}_x" in header for label in labels)
