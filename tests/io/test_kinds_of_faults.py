"""Kinds of files that were once misread without a word, drawn at random: other axes, units, orders,
numbers for what was not seen, starts and scales. Each comes in as the truth, or as one error."""

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stride_nb import InputError, Keypoints2D, PoseSequence, io, refine
from stride_nb.poses import skeleton as sk
from stride_nb.poses.gross_outliers import find_gross_outliers
from tests.bodies import pose_in, walk
from tests.io import forms

some = settings(max_examples=12, deadline=None, derandomize=True)
SETS = st.sampled_from([n for n in sk.SKELETONS if n != "coco18"])
SEEDS = st.integers(0, 99)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kinds")


def make_body(name, seed, frames=24):
    """(T, J, 3) metres, y up."""
    return pose_in(name, walk(frames, 25, seed))


def see(joints):
    """(T, J, 2) px."""
    cam = forms.to_camera(joints)
    return 700 * cam[..., :2] / cam[..., 2:] + (500, 360)


def save(path, array):
    np.save(path, array)
    return path


@some
@given(SETS, SEEDS, st.sampled_from([1, 100, 1000]), st.sampled_from(["y", "z", "-y"]), st.data())
def test_a_table_in_3d_is_3d_in_any_unit_and_axes(folder, name, seed, unit, up, data):
    """Case 01."""
    joints = make_body(name, seed)
    turned = {"y": joints, "z": joints[..., [0, 2, 1]] * (1, -1, 1), "-y": joints * (1, -1, -1)}[up]
    options = data.draw(st.sampled_from([{}, {"delimiter": ";", "comma": True}, {"flip": True}]))
    names = sk.get_skeleton(name).joints
    path = forms.table(folder / "a.csv", turned * unit, names, **options)
    (found,) = (file := io.read(path, fps=25))
    np.testing.assert_allclose(found.joints, turned, atol=1e-3)
    assert (unit == 1) == (not any("coordinates in" in note for note in file.notes))
    assert found.skeleton.name == name and io.estimate_up_axis(found) == up


@some
@given(st.integers(1, 4), st.integers(5, 40), st.sampled_from([2, 3]), st.booleans(), st.data())
def test_axes_of_arrays_in_either_order(folder, people, frames, dims, frames_first, data):
    """Case 03."""
    bodies = np.stack(
        [make_body("coco17", data.draw(SEEDS), frames) + (2 * p, 0, 0) for p in range(people)]
    )
    array = bodies if dims == 3 else see(bodies)
    stored = array.swapaxes(0, 1) if frames_first else array
    path = save(folder / "a.npy", stored)
    found = io.read(path, fps=25, size=(3000, 1000))
    assert len(found) == people and len(found[0]) == frames
    for sequence, truth in zip(found, array):
        np.testing.assert_allclose(sequence.joints if dims == 3 else sequence.pixels, truth)


@some
@given(
    st.sampled_from([0, -1, -2, -100, -999, 999, 9999, -1e4, 1e6]),
    st.sampled_from(["coco17", "h36m17", "body25", "halpe26", "aic14"]),
    st.sampled_from([2, 3]),
    st.floats(0.01, 0.4),
    SEEDS,
)
def test_a_number_that_stands_for_nothing_is_missing(folder, value, name, dims, share, seed):
    """Case 04: joint set and unit are judged without it."""
    joints = make_body(name, seed) + (0, 0.2, -1)
    truth = joints if dims == 3 else see(joints)
    lost = np.random.default_rng(seed).random(truth.shape[:2]) < share
    assume(lost.sum() >= 3 and (dims == 3 or (truth.min() > 0 and truth[..., 1].max() < 720)))
    path = save(folder / "a.npy", np.where(lost[..., None], value, truth))
    (found,) = (file := io.read(path, fps=25, size=forms.SIZE))
    assert found.skeleton.name == name and (found.missing == lost).all()
    assert any(f"{lost.sum()} joints at {value:g} in all" in note for note in file.notes)
    if dims == 3:
        direct = refine(PoseSequence(found.joints, skeleton=name).to("h36m17"), "linear")
        assert np.isfinite(direct.sequence.joints).all()


@pytest.mark.parametrize("word", ["NA", "nan", "None", "null", "#N/A", " ", "-nan(ind)", "-", "."])
def test_a_cell_without_a_number_is_missing(folder, word):
    joints, names = make_body("h36m17", 1), sk.H36M17.joints
    forms.table(folder / "a.csv", joints, names)
    rows = [line.split(",") for line in (folder / "a.csv").read_text().splitlines()]
    rows[4][6:9] = [word] * 3
    (folder / "a.csv").write_text("\n".join(map(",".join, rows)))
    (found,) = io.read(folder / "a.csv", fps=25)
    assert found.missing.sum() == 1 and found.missing[3, 2]


def rotate(joints, seed):
    from scipy.spatial.transform import Rotation

    return joints @ Rotation.random(rng=np.random.default_rng(seed)).as_matrix().T


@some
@given(SEEDS)
def test_axes_that_the_format_fixes_are_not_judged_by_the_pose(folder, seed):
    """Case 05: whoever lies, falls or stands on the hands."""
    joints = rotate(make_body("mediapipe33", seed), seed)
    joints = joints - joints[:, 23:25].mean(1, keepdims=True)
    path = forms.tfjs(folder / "a.json", joints[None], np.ones((1, *joints.shape[:2])))
    found = io.read(path, fps=25)
    assert found.up == "-y"
    np.testing.assert_allclose(found[0].joints, joints, atol=1e-9)
    with pytest.raises(InputError, match="up: expected -y, as the format has it, found y"):
        io.read(path, fps=25, up="y")
    assert io.read(path, fps=25, up="-y").up == "-y"


@some
@given(SETS, SEEDS, st.booleans(), st.floats(0, 0.3))
def test_sets_of_equally_many_joints_are_told_apart(folder, name, seed, lying, hidden):
    """Case 06: in 2D, standing and lying, with joints that were not seen."""
    joints = make_body(name, seed)
    joints = joints[..., [1, 0, 2]] if lying else joints
    pixels = see(joints)
    lost = np.random.default_rng(seed).random(pixels.shape[:2]) < hidden
    path = save(folder / "a.npy", np.where(lost[..., None], np.nan, pixels))
    (found,) = io.read(path, fps=25, size=forms.SIZE)
    assert found.skeleton.name == name


@some
@given(SEEDS, st.booleans(), st.floats(0.2, 1), st.floats(-0.4, 0.4))
def test_shares_of_the_image_from_0_or_from_minus_1(folder, seed, middle, scale, shift):
    """Case 10: said either way."""
    shares = see(make_body("body25", seed))[None] / forms.SIZE
    shares = (shares - 0.5) * scale * 0.5 + (0.5 + shift * middle, 0.5)
    assume(shares.min() > 0 and shares.max() < 1)
    stored = 2 * shares - 1 if middle else shares
    if middle:
        assume((stored < -0.05).any(-1).mean() > 0.06)
    path = folder / "frames"
    for file in path.glob("*"):
        file.unlink()
    path.rmdir() if path.is_dir() else None
    forms.openpose(path, stored, np.full(shares.shape[:3], 0.9), ids=(-1,))
    (found,) = (file := io.read(path, fps=25, size=forms.SIZE))
    np.testing.assert_allclose(found.pixels, shares[0] * forms.SIZE, atol=1e-6)
    assert any(("−1 to 1" if middle else "0 to 1") in note for note in file.notes)


@pytest.mark.parametrize("given_confidence", [None, 0, 0.0])
@pytest.mark.parametrize("form", ["alphapose", "openpose", "csv", "npz", "mediapipe"])
def test_confidence_that_says_nothing_trusts_all(tmp_path, form, given_confidence):
    """Case 11."""
    joints = make_body("mediapipe33" if form == "mediapipe" else "coco17", 2)
    pixels, T = see(joints), len(joints)
    path = tmp_path / {"openpose": "a", "csv": "a.csv", "npz": "a.npz"}.get(form, "a.json")
    ones = np.ones((1, *pixels.shape[:2]))
    if form == "npz":
        scores = np.full(pixels.shape[:2], np.nan if given_confidence is None else 0.0)
        np.savez(path, keypoints=pixels, scores=scores)
    elif form == "csv":
        blank = np.full(pixels.shape[:2], np.nan if given_confidence is None else 0.0)
        forms.table(path, pixels, sk.COCO17.joints, confidence=blank)
    elif form == "mediapipe":
        marks = [
            [dict(zip("xyz", map(float, p)), visibility=given_confidence) for p in pose]
            for pose in joints - joints[:, 23:25].mean(1, keepdims=True)
        ]
        forms.save_json(path, [{"frame": t, "pose_world_landmarks": marks[t]} for t in range(T)])
    else:
        getattr(forms, form)(path, pixels[None], ones, ids=(1,))
        for file in sorted(path.iterdir()) if form == "openpose" else [path]:
            content = json.loads(file.read_text())
            people = content["people"] if form == "openpose" else content
            for person in people:
                key = "pose_keypoints_2d" if form == "openpose" else "keypoints"
                person[key][2::3] = [given_confidence] * 17
            forms.save_json(file, content)
    (found,) = (file := io.read(path, fps=25, size=forms.SIZE))
    assert (found.confidence == 1).all()
    assert any("confidence is 0 or absent throughout" in note for note in file.notes)


@some
@given(
    st.integers(1, 5000), st.sampled_from(["openpose", "alphapose", "csv", "trc", "time"]), SEEDS
)
def test_the_first_frame_keeps_its_number(tmp_path_factory, start, form, seed):
    """Case 13: into the sequence, the notes and the files written."""
    folder = tmp_path_factory.mktemp("start")
    joints, names = make_body("h36m17", seed, 10), sk.H36M17.joints
    pixels, ones = see(make_body("coco17", seed, 10))[None], np.ones((1, 10, 17))
    if form in ("openpose", "alphapose"):
        path = getattr(forms, form)(folder / "a.json", pixels, ones, ids=(1,), start=start)
    elif form == "trc":
        path = forms.trc(folder / "a.trc", joints, names, start=start)
    else:
        path = forms.table(folder / "a.csv", joints, names)
        first = "frame" if form == "csv" else "time_s"
        lines = path.read_text().splitlines()
        cells = [start + t if form == "csv" else (start + t) / 25 for t in range(10)]
        lines = [f"{first},{lines[0]}", *(f"{c},{line}" for c, line in zip(cells, lines[1:]))]
        path.write_text("\n".join(lines))
    (found,) = (file := io.read(path, fps=25, size=forms.SIZE))
    assert found.start == start and f"frames {start} to {start + 9}" in file.notes
    (back,) = io.read(io.write(folder / "b.csv", found)[0], size=forms.SIZE)
    assert back.start == start
    if form != "time":
        with pytest.raises(InputError, match=f"start: expected {start}, as the file counts"):
            io.read(path, fps=25, size=forms.SIZE, start=start + 1)


@some
@given(SEEDS, st.sampled_from([2, 3]), st.floats(0.01, 0.9))
def test_what_is_masked_is_missing(seed, dims, share):
    """Case 14: wherever an array goes in."""
    joints = make_body("h36m17", seed)
    mask = np.random.default_rng(seed).random(joints.shape[:2]) < share
    values = joints if dims == 3 else see(joints)
    masked = np.ma.masked_array(np.where(mask[..., None], 0, values), np.dstack([mask] * dims))
    make = (lambda a, c=None: PoseSequence(a, c)) if dims == 3 else Keypoints2D
    assert (make(masked).missing == mask).all()
    sure = np.ma.masked_array(np.full(mask.shape, 0.7), mask)
    assert (make(values, sure).missing == mask).all()
    field = {"joints" if dims == 3 else "pixels": masked}
    assert (make(values).replace(**field).missing == mask).all()


@some
@given(st.floats(1.6, 5000) | st.floats(1e-5, 0.25), SEEDS, st.sampled_from(["linear", "rts"]))
def test_another_unit_than_metres_is_refused_by_the_api(scale, seed, method):
    """Case 15: or said, where somebody could be so tall."""
    sequence = PoseSequence(scale * walk(20, 25, seed))
    if 0.06 < scale < 2.5:
        try:
            assert "m tall; another unit" in refine(sequence, method).trace.note
        except InputError as error:
            assert error.field == "joints"
        return
    with pytest.raises(InputError, match=r"joints: expected metres, a person 0.4 to 4 m across"):
        refine(sequence, method)


@some
@given(
    SEEDS,
    st.lists(st.integers(0, 16), min_size=1, max_size=3, unique=True),
    st.integers(1, 4),
    st.integers(1, 100),
    st.floats(2.5, 50),
)
def test_gross_outliers_are_missing_and_nothing_else(seed, joints, frames, at, far):
    """Case 19: any joint, the pelvis too."""
    rng = np.random.default_rng(seed)
    truth = walk(120, 30, seed) + rng.normal(0, 0.01, (120, 17, 3))
    wrong = truth.copy()
    way = rng.normal(size=3)
    wrong[at : at + frames, joints] += far * way / np.linalg.norm(way)
    found = find_gross_outliers(PoseSequence(wrong, fps=30))
    expected = np.zeros((120, 17), bool)
    expected[at : at + frames, joints] = True
    assert (found == expected).all()
    result = refine(PoseSequence(wrong, fps=30), "rts")
    assert np.linalg.norm(result.sequence.joints - truth, axis=-1).max() < 0.5
    assert "gross outliers are missing" in result.trace.note


@some
@given(SEEDS, st.sampled_from(["noise", "whole", "constant", "byte", "shares"]), st.data())
def test_a_confidence_in_another_unit_is_no_depth(folder, seed, kind, data):
    """Case 21: refused, as a third column; as a confidence by name taken for percent."""
    pixels, rng = see(make_body("coco17", seed)), np.random.default_rng(seed)
    scores = rng.uniform(20, 100, pixels.shape[:2])
    scores = {
        "noise": scores,
        "whole": scores.round(),
        "constant": np.tile(scores[0], (len(scores), 1)),
        "byte": (2.5 * scores).round(),
        "shares": scores,
    }[kind]
    points = pixels / forms.SIZE if kind == "shares" else pixels
    path = save(folder / "a.npy", np.dstack([points, scores]))
    with pytest.raises(InputError, match="coordinates: expected x, y, confidence in"):
        io.read(path, fps=25, size=forms.SIZE)
    np.savez(folder / "a.npz", keypoints=pixels, scores=scores)
    if kind == "byte":
        with pytest.raises(InputError, match=r"confidence: expected from 0 to 1, or in percent"):
            io.read(folder / "a.npz", fps=25, size=forms.SIZE)
    else:
        (found,) = io.read(folder / "a.npz", fps=25, size=forms.SIZE)
        np.testing.assert_allclose(found.confidence, scores / 100)


@some
@given(SEEDS, st.sampled_from(["y", "z", "-y"]), st.sampled_from([1, 100, 1000]))
def test_depths_are_still_depths(folder, seed, up, unit):
    """What has a third column of a body's depth is 3D, wherever it stands."""
    rng = np.random.default_rng(seed)
    joints = make_body("h36m17", seed) + rng.uniform(0, 4, 3) + rng.normal(0, 0.01, (24, 17, 3))
    joints = joints[..., [0, 2, 1]] if up == "z" else joints
    (found,) = io.read(save(folder / "a.npy", joints * unit), fps=25)
    np.testing.assert_allclose(found.joints, joints, atol=1e-6)


NOTHING = [None, {}, {"pose_keypoints_2d": []}, {"pose_keypoints_2d": None}]
BESIDE = ["._clip_000000000012_keypoints.json", ".DS_Store", "calib.json", "Thumbs.db", "a.txt"]


@some
@given(SEEDS, st.lists(st.sampled_from(NOTHING), max_size=5), st.lists(st.sampled_from(BESIDE)))
def test_nobody_and_other_files_are_left_out(tmp_path_factory, seed, nobody, beside):
    """Cases 18 and 27."""
    path = tmp_path_factory.mktemp("left") / "frames"
    pixels = see(make_body("coco17", seed))[None]
    forms.openpose(path, pixels, np.ones(pixels.shape[:3]), ids=(1,))
    first = sorted(path.iterdir())[3]
    content = json.loads(first.read_text())
    forms.save_json(first, content | {"people": [*nobody, *content["people"], *nobody]})
    for name in beside:
        (path / name).write_bytes(b"{}" if name == "calib.json" else b"\0\5\26\7")
    (found,) = (file := io.read(path, fps=25, size=forms.SIZE))
    np.testing.assert_allclose(found.pixels, pixels[0], atol=1e-9)
    said = [note for note in file.notes if "without keypoints" in note]
    assert said == ([f"{2 * len(nobody)} people without keypoints were left out"] if nobody else [])
    assert any("calib.json" in note for note in file.notes) == ("calib.json" in beside)


ANYTHING = st.sampled_from([None, 3, -1, 1.5, "x", [], {}, (1, 2), np.zeros(3), float("nan"), b"x"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(["fps", "size", "skeleton", "people", "joints", "up", "unit", "start",
                        "trust", "format"]), ANYTHING)  # fmt: skip
def test_any_argument_of_read_is_taken_or_refused_in_one_line(folder, name, value):
    """Case 24."""
    path = save(folder / "b.npy", see(make_body("coco17", 1)))
    try:
        assert len(io.read(path, **{name: value})) == 1
    except InputError as error:
        assert "\n" not in str(error)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(["method", "model", "seed", "device", "keypoints", "camera", "threshold"]),
       ANYTHING)  # fmt: skip
def test_any_argument_of_refine_is_taken_or_refused_in_one_line(name, value):
    options = {"method": "prior" if name in ("model", "device") else "linear"} | {name: value}
    try:
        refine(PoseSequence(walk(10)), **options)
    except InputError as error:
        assert "\n" not in str(error)


@some
@given(SEEDS, st.booleans(), st.integers(0, 3))
def test_the_image_says_who_is_who(folder, seed, exchanged, ghosts):
    """Case 26: two people, each about their own hips, listed in any order."""
    rng = np.random.default_rng(seed)
    people = np.stack([make_body("mediapipe33", seed + p, 30) + (1.5 * p, 0, 0) for p in (0, 1)])
    world = forms.to_camera(people)
    image = see(people) / forms.SIZE
    world = world - world[:, :, 23:25].mean(2, keepdims=True)
    frames = []
    for t in range(30):
        order = [1, 0] if exchanged and rng.random() < 0.5 else [0, 1]
        frames.append(
            {"frame": t}
            | {
                key: [
                    [
                        dict(zip("xyz", map(float, [*p, 0][:3])), visibility=0.9)
                        for p in pose[who, t]
                    ]
                    for who in order
                ]
                for key, pose in (("pose_world_landmarks", world), ("pose_landmarks", image))
            }
        )
    found = io.read(forms.save_json(folder / "a.json", frames), fps=25, size=forms.SIZE)
    assert len(found) == 2
    order = (0, 1) if np.allclose(found[0].joints, world[0]) else (1, 0)
    for sequence, who in zip(found, order):
        np.testing.assert_allclose(sequence.joints, world[who], atol=1e-9)
