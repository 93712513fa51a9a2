"""Other people's files: every format in and out, and what malformed ones meet: a sequence or one InputError."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import InputError, Keypoints2D, PoseSequence, formats, motions, skeleton
from stride_nb.formats.documents import Document
from stride_nb.motions.clips import Label, write_clips
from stride_nb.report import report
from stride_nb.stored import opened

some = settings(max_examples=40, deadline=None)
LOST = range(7, 12)
FRAMES = 30


def poses(joints, dims=2, seed=0):
    """(2, FRAMES, joints, dims): two people on their own paths; person 0 is lost in LOST. Pixels, or metres."""
    rng = np.random.default_rng(seed)
    unit, far = (100, 400) if dims == 2 else (0.5, 3.0)
    body = rng.uniform(-unit, unit, (2, 1, joints, dims))
    path = np.linspace(0, unit / 2, FRAMES)[:, None, None] + np.array([far, 2 * far])[:, None, None, None]
    out = (body + path + rng.normal(0, unit / 200, (2, FRAMES, joints, dims))).round(4)
    out[0, LOST.start:LOST.stop] = np.nan
    return out


def flat(pose, confidence=0.9):
    return [v for point in pose for v in (*point, confidence)]


def present(people):
    """(frame, person, pose) of everyone seen, frames backwards: files need not be sorted."""
    return [(t, p, people[p, t].tolist()) for t in reversed(range(people.shape[1])) for p in (0, 1)
            if np.isfinite(people[p, t]).all()]


def alphapose(people, ids=True):
    return [{"image_id": f"frame_{t:05d}.jpg", "category_id": 1, "keypoints": flat(pose), "score": 2.5}
            | ({"idx": [[float(p + 1)], [0.0]]} if ids else {}) for t, p, pose in present(people)]


def openpose_frames(people, key="people", numbers="pose_keypoints_2d", ids=False):
    frames = {f"{t}.jpg": {"version": 1.3, key: []} for t in range(people.shape[1])}
    for t, p, pose in present(people):
        frames[f"{t}.jpg"][key].append({numbers: flat(pose), "person_id": [p if ids else -1]})
    return frames


def coco(people):
    images = [{"id": 1000 + t, "file_name": f"{t:06d}.jpg", "width": 1000, "height": 900}
              for t in range(people.shape[1])]
    return {"images": images, "annotations": [
        {"image_id": 1000 + t, "track_id": p + 1, "keypoints": flat(pose, 2)} for t, p, pose in present(people)]}


def mmpose(people):
    frames = [{"frame_id": t, "instances": []} for t in range(people.shape[1])]
    for t, _, pose in present(people):
        frames[t]["instances"].append({"keypoints": pose, "keypoint_scores": [0.9] * len(pose), "bbox": [[0, 0, 1, 1]]})
    return {"meta_info": {}, "instance_info": frames}


def mediapipe(people, key="pose_world_landmarks"):
    def landmarks(pose):
        return [dict(zip("xyz", point)) | {"visibility": 0.9} for point in pose]
    return {"fps": 25, "width": 1000, "height": 500, "frames": [
        {"frame": t, key: landmarks(people[0, t]) if np.isfinite(people[0, t]).all() else None}
        for t in range(people.shape[1])]}


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def check(found, people, order=(0, 1), atol=1e-3):
    """Two sequences that are the two people, the lost frames missing."""
    assert len(found) == len(order)
    for sequence, p in zip(found, order):
        points = sequence.joints if isinstance(sequence, PoseSequence) else sequence.pixels
        np.testing.assert_allclose(points, people[p], atol=atol)
        assert (sequence.missing.all(1) == np.isnan(people[p]).all((1, 2))).all()


@pytest.mark.parametrize("joints, name", [(17, "coco17"), (26, "halpe26"), (133, "wholebody133")])
def test_alphapose_with_ids_and_lost_frames(tmp_path, joints, name):
    people = poses(joints)
    found = formats.read(save(tmp_path / "a.json", alphapose(people)), fps=25, size=(1000, 900))
    check(found, people)
    assert found.format == "alphapose" and found.notes == ()
    assert [s.name for s in found] == ["person 1", "person 2"]
    assert {(s.skeleton.name, s.fps, s.size) for s in found} == {(name, 25.0, (1000, 900))}
    assert found[1].confidence.min() == pytest.approx(0.9)


def test_alphapose_with_136_joints_keeps_the_body(tmp_path):
    people = poses(136)
    found = formats.read(save(tmp_path / "a.json", alphapose(people)))
    check(found, people[:, :, :26])
    assert any("frames per second" in n for n in found.notes) and any("image size" in n for n in found.notes)


@pytest.mark.parametrize("form", [("people", "pose_keypoints_2d"), ("bodies", "joints")])
def test_alphapose_open_and_cmu_forms_have_no_ids(tmp_path, form):
    people = poses(18)
    found = formats.read(save(tmp_path / "a.json", openpose_frames(people, *form)))
    assert found.format == "alphapose" and found[0].skeleton.name == "coco18"
    check(found, people, order_of(found))
    assert any("told apart" in note for note in found.notes)


def order_of(found):
    """Which truth each sequence is: person 0 is the one that gets lost."""
    return [0 if s.missing[LOST.start].all() else 1 for s in found]


@pytest.mark.parametrize("ids", [True, False])
def test_openpose_folder(tmp_path, ids):
    people = poses(25)
    for name, frame in openpose_frames(people, ids=ids).items():
        save(tmp_path / f"video_{int(name[:-4]):012d}_keypoints.json", frame)
    found = formats.read(tmp_path)
    assert found.format == "openpose" and found[0].skeleton.name == "body25"
    check(found, people, order_of(found))


def test_coco_annotations_say_the_size_and_what_was_hidden(tmp_path):
    people, content = poses(17), coco(poses(17))
    content["annotations"][0]["keypoints"][2::3] = [1] * 17
    found = formats.read(save(tmp_path / "a.json", content), fps=30)
    check(found, people)
    assert found.format == "coco" and found[0].size == (1000, 900) and found.notes == ()
    assert set(np.unique(found[0].confidence)) | set(np.unique(found[1].confidence)) == {0, 0.5, 1}


def test_coco_results_are_a_list_by_image_number(tmp_path):
    people = poses(17)
    entries = [e | {"image_id": int(e["image_id"][6:-4]), "track_id": e.pop("idx")[0][0]} for e in alphapose(people)]
    check(formats.read(save(tmp_path / "a.json", entries)), people)


def test_mmpose_2d_video_and_folder(tmp_path):
    people = poses(17)
    content = mmpose(people)
    for path in (save(tmp_path / "a.json", content), save(tmp_path / "b.json", content["instance_info"])):
        found = formats.read(path)
        assert found.format == "mmpose" and found[0].skeleton.name == "coco17"
        check(found, people, order_of(found))
    for frame in content["instance_info"]:
        save(tmp_path / f"img_{frame['frame_id']}.json", frame["instances"] or [{"keypoints": [], "keypoint_scores": []}])
    for name in ("a.json", "b.json"):
        (tmp_path / name).unlink()
    assert formats.read(tmp_path).format == "mmpose"


def test_mmpose_3d_returns_to_the_camera(tmp_path):
    camera = poses(17, 3)
    written = np.stack([-camera[..., 0], camera[..., 2], -camera[..., 1]], -1)
    found = formats.read(save(tmp_path / "a.json", mmpose(written)), fps=30)
    check(found, camera, order_of(found))
    assert found[0].skeleton.name == "h36m17" and any("root height" in note for note in found.notes)


def test_mediapipe_world_landmarks_are_metres_without_a_path(tmp_path):
    people = poses(33, 3)[:1]
    people -= people[:, :, 23:25].mean(2, keepdims=True)
    found = formats.read(save(tmp_path / "a.json", mediapipe(people)))
    check(found, people, (0,))
    assert found.format == "mediapipe" and found[0].fps == 25 and any("no path" in note for note in found.notes)
    assert report(found[0]).root.startswith("absent")


@pytest.mark.parametrize("shape", ["frames", "list", "keyed", "protobuf", "people", "numbers", "times"])
def test_mediapipe_image_landmarks_in_many_wrappings(tmp_path, shape):
    people = poses(33, 3)[:1] / 10
    content = mediapipe(people, "pose_landmarks")
    frames = content["frames"]
    listed = [f["pose_landmarks"] or [] for f in frames]
    wrapped = {
        "frames": content, "list": listed, "keyed": {str(f["frame"]): f for f in frames},
        "protobuf": [{"landmarks": {"landmark": marks}} for marks in listed],
        "people": [{"timestamp_ms": 40 * i, "landmarks": [marks] if marks else []} for i, marks in enumerate(listed)],
        "numbers": [[[p["x"], p["y"], p["z"], 0.9] for p in marks] for marks in listed],
        "times": [{"timestamp_ms": 40 * i, "pose_landmarks": marks} for i, marks in enumerate(listed)],
    }[shape]
    found = formats.read(save(tmp_path / "a.json", wrapped), size=(1000, 500))
    check(found, people[..., :2] * (1000, 500), (0,), atol=0.1)
    assert found[0].size == (1000, 500) and found[0].fps == (25 if shape in ("frames", "people", "times") else 30)
    if shape == "list":
        with pytest.raises(InputError, match="size: expected width and height"):
            formats.read(tmp_path / "a.json")


@pytest.mark.parametrize("header", ["{}_x", "landmark_{i}_x", "x{i}", "x{i1}", "{mp}_x", "long"])
def test_csv_as_programs_round_mediapipe_write_it(tmp_path, header):
    people = poses(33, 3)[:1]
    people -= people[:, :, 23:25].mean(2, keepdims=True)
    joints = skeleton.MEDIAPIPE33.joints
    spelled = [f"{ {'l': 'LEFT_', 'r': 'RIGHT_'}[j[0]]}{j[1:].upper()}" if j != "nose" else "NOSE" for j in joints]
    rows = []
    if header == "long":
        rows = [["frame_id", "landmark_id", "landmark_name", "x", "y", "z", "visibility"]]
        rows += [[t, i, spelled[i], *point, 0.9] for t in range(FRAMES) for i, point in enumerate(people[0, t])
                 if np.isfinite(point).all()]
    else:
        names = [header.format(j, i=i, i1=i + 1, mp=spelled[i]) for i, j in enumerate(joints)]
        rows = [["frame", *(n.replace("x", a, 1) if n[0] == "x" else n[:-1] + a for n in names for a in "xyzv")]]
        rows += [[t, *("" if v != v else v for point in people[0, t] for v in (*point, 0.9))] for t in range(FRAMES)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    found = formats.read(path)
    check(found, people, (0,))
    assert found.format == "csv" and found[0].skeleton.name == "mediapipe33"
    numbered = header in ("landmark_{i}_x", "x{i}", "x{i1}")
    assert any("33 joints were taken for mediapipe33" in note for note in found.notes) == numbered


@pytest.mark.parametrize("suffix", ["json", "csv"])
@pytest.mark.parametrize("step, fps", [(2, 50), (1, 60), (1, 29.97)])
@pytest.mark.parametrize("numbered", [True, False])
def test_numbers_and_rounded_times_make_one_clock(tmp_path, suffix, step, fps, numbered):
    people = poses(33, 3)[1:]
    people -= people[:, :, 23:25].mean(2, keepdims=True)
    stamps = [{"timestamp_ms": round(1000 * t / fps)} | ({"frame": t} if numbered else {}) for t in range(0, step * FRAMES, step)]
    path = tmp_path / f"a.{suffix}"
    if suffix == "json":
        marks = [frame["pose_world_landmarks"] for frame in mediapipe(people)["frames"]]
        save(path, [stamp | {"pose_world_landmarks": found} for found, stamp in zip(marks, stamps)])
    else:
        rows = [[*stamps[0], *(f"{joint}_{axis}" for joint in skeleton.MEDIAPIPE33.joints for axis in "xyz")]]
        rows += [[*stamp.values(), *pose.ravel()] for pose, stamp in zip(people[0], stamps)]
        path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    (found,) = formats.read(path)
    every = step if numbered else 1
    assert found.fps == pytest.approx(fps * every / step, rel=2e-3) and len(found) == every * (FRAMES - 1) + 1
    np.testing.assert_allclose(found.joints[::every], people[0], atol=1e-3)


@pytest.mark.parametrize("times", [[0, 0, 0], [None, None, None], [5, 5, None]])
def test_times_that_stand_still_beside_numbers_tell_no_rate(tmp_path, times):
    people = poses(33, 3)[1:, :3]
    content = [frame | {"timestamp_ms": time} for frame, time in zip(mediapipe(people)["frames"], times)]
    found = formats.read(save(tmp_path / "a.json", content))
    assert len(found[0]) == 3 and any("no frame rate" in note for note in found.notes)


def test_one_frame_with_a_time_is_one_frame(tmp_path):
    frame = mediapipe(poses(33, 3)[1:, :1])["frames"][0]
    del frame["frame"]
    (found,) = formats.read(save(tmp_path / "a.json", [frame | {"timestamp_ms": 40}]))
    assert len(found) == 1 and not found.missing.any()
    for stamps in ([-40], [None], [40, 40]):
        with pytest.raises(InputError, match="timestamp_ms: expected increasing milliseconds"):
            formats.read(save(tmp_path / "a.json", [frame | {"timestamp_ms": stamp} for stamp in stamps]))


@pytest.mark.parametrize("format", ["mediapipe", None])
def test_a_video_that_nobody_enters_for_long_is_recognised(tmp_path, format):
    frames = mediapipe(poses(33, 3)[1:, :4])["frames"]
    content = [[]] * 1001 + [frame["pose_world_landmarks"] for frame in frames]
    (found,) = formats.read(save(tmp_path / "a.json", content), format, size=(1000, 500))
    assert len(found) == 1005 and (np.flatnonzero(~found.missing.all(1)) == range(1001, 1005)).all()


def test_a_person_without_landmarks_is_nobody(tmp_path):
    marks = mediapipe(poses(33, 3)[1:, :1] / 10)["frames"][0]["pose_world_landmarks"]
    content = [[{"landmark": marks}, {"label": "nobody"}, {"landmark": None}]] * 3
    (found,) = formats.read(save(tmp_path / "a.json", content), size=(1000, 500))
    assert found.skeleton.name == "mediapipe33" and not found.missing.any()


def table(path, sequences, change):
    """A csv of sequences, the cells of every row but the header changed."""
    formats.write(path, sequences)
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    rows = [change(i, dict(zip(header, row))) for i, row in enumerate(rows)]
    path.write_text("\n".join(",".join(map(str, line)) for line in [list(rows[0]), *(row.values() for row in rows)]))
    return path


@pytest.mark.parametrize("numbered", [True, False])
def test_a_time_that_is_missing_is_refused_where_nothing_else_numbers_the_frames(tmp_path, numbered):
    def change(i, row):
        frame = {"frame": row["frame"]} if numbered else {}
        return frame | {key: value for key, value in row.items() if key != "frame"} | ({"time_s": ""} if i == 25 else {})

    path = table(tmp_path / "a.csv", [PoseSequence(p[12:], fps=25) for p in poses(17, 3)], change)
    if numbered:
        check(formats.read(path), poses(17, 3)[:, 12:])
    else:
        with pytest.raises(InputError, match="column time_s: expected a time in every row.*found none in row 27"):
            formats.read(path)


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("column, factor, unit", [("timestamp", 1000, "seconds"), ("time_s", 1000, "seconds"),
                                                  ("timestamp_ms", 1, "milliseconds")])
def test_times_in_another_unit_are_refused(tmp_path, column, factor, unit, numbered):
    def change(i, row):
        row = {"frame": row["frame"], column: factor * float(row["time_s"])} | dict(list(row.items())[2:])
        return row if numbered else dict(list(row.items())[1:])

    path = table(tmp_path / "a.csv", PoseSequence(poses(17, 3)[1], fps=30), change)
    with pytest.raises(InputError, match=f"column {column}: expected {unit}, 1 to 1000 frames in 1 s"):
        formats.read(path)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_what_is_written_is_read_back(tmp_path, suffix, dims):
    people = poses(17, dims)
    confidence = np.random.default_rng(1).uniform(0.1, 1, people.shape[:3]) * np.isfinite(people).all(-1)
    make = PoseSequence if dims == 3 else Keypoints2D
    given = [make(p, c, 29.97, skeleton="h36m17") for p, c in zip(people, confidence)]
    paths = formats.write(tmp_path / f"out{suffix}", given)
    assert len(paths) == (1 if suffix == ".csv" else 2)
    found = [s for path in paths for s in formats.read(path, size=(1000, 1000))]
    check(found, people, atol=1e-6)
    for back, sequence in zip(found, given):
        np.testing.assert_allclose(back.confidence, sequence.confidence, atol=1e-6)
        assert back.fps == pytest.approx(29.97, rel=1e-4) and back.skeleton.name == "h36m17"


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_frames_lost_at_the_ends_are_read_back_as_lost(tmp_path, suffix):
    points = np.tile(poses(17, 3)[1], (4, 1, 1))[:100]
    points[:30] = points[80:] = np.nan
    formats.write(tmp_path / f"out{suffix}", PoseSequence(points, fps=25))
    (found,) = formats.read(tmp_path / f"out{suffix}")
    assert len(found) == 100 and (np.flatnonzero(~found.missing.all(1)) == range(30, 80)).all()


def test_a_csv_holds_one_frame_rate_that_can_be_told_again(tmp_path):
    a, b = (PoseSequence(p, fps=fps) for p, fps in zip(poses(17, 3), (25, 50)))
    with pytest.raises(InputError, match="fps: expected one .*found 25, 50"):
        formats.write(tmp_path / "out.csv", [a, b])
    with pytest.raises(InputError, match="fps: expected one from 1 to 1000, found 0.5"):
        formats.write(tmp_path / "out.csv", a.replace(fps=0.5))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("several", [True, False])
def test_what_is_longer_than_memory_is_written_as_what_is_not(tmp_path, several):
    walk = PoseSequence(poses(17, 3)[1], fps=25, name="walk")
    walk.save(tmp_path / "walk.npz")
    for suffix in (".npz", ".csv", ".bvh"):
        with opened(tmp_path / "walk.npz") as stored:
            ways = [formats.write(tmp_path / kind / f"out{suffix}", [given] * 2 if several else given)
                    for kind, given in (("stored", stored), ("whole", walk))]
        for a, b in zip(*ways):
            if suffix == ".npz":
                np.testing.assert_array_equal(PoseSequence.load(a).joints, PoseSequence.load(b).joints)
            else:
                assert a.read_bytes() == b.read_bytes()


def test_alphapose_is_written_as_it_is_read(tmp_path):
    people = poses(26)
    given = [Keypoints2D(p, fps=30, size=(1000, 900), skeleton="halpe26") for p in people]
    assert formats.write(tmp_path / "a.json", given) == [tmp_path / "a.json"]
    check(formats.read(tmp_path / "a.json"), people)
    with pytest.raises(InputError, match="2D keypoints"):
        formats.write(tmp_path / "b.json", PoseSequence(np.zeros((2, 17, 3))))
    assert not (tmp_path / "b.json").exists()


def test_plain_arrays_in_millimetres_and_with_confidence(tmp_path):
    people = poses(17, 3)
    people[:, :, 0] = (people[:, :, 1] + people[:, :, 4]) / 2  # as Human3.6M's pelvis lies
    np.save(tmp_path / "a.npy", people * 1000)
    found = formats.read(tmp_path / "a.npy", fps=50)
    check(found, people, atol=1e-6)
    assert found[0].skeleton.name == "h36m17" and len(found.notes) == 2
    assert "17 joints were taken for h36m17" in found.notes[0] and "mm" in found.notes[1]
    pixels = np.concatenate([poses(17), np.full((2, FRAMES, 17, 1), 0.5)], -1)
    np.savez(tmp_path / "b.npz", something=pixels, fps=24, size=[800, 1200])
    found = formats.read(tmp_path / "b.npz")
    check(found, pixels[..., :2])
    assert found[0].skeleton.name == "coco17" and found[0].fps == 24 and found[0].size == (800, 1200)
    assert np.nanmax(found[1].confidence) == 0.5
    assert formats.read(tmp_path / "b.npz", skeleton="coco17").notes == ()  # everything was said


@pytest.mark.parametrize("key", ["confidence", "scores", "keypoint_scores", "score"])
@pytest.mark.parametrize("people", [1, 2])
def test_confidence_beside_an_array_belongs_to_its_joints(tmp_path, key, people):
    joints = np.nan_to_num(poses(17)[2 - people :])
    confidence = np.random.default_rng(0).uniform(0.1, 1, joints.shape[:-1])
    one = people == 1
    shapes = [confidence, confidence[..., None], *([confidence[0], confidence[0, :, :, None]] if one else [])]
    for given in [joints, *([joints[0]] if one else [])]:
        for beside in shapes:
            np.savez(tmp_path / "a.npz", joints=given, **{key: beside})
            found = formats.read(tmp_path / "a.npz", size=(1000, 1000), skeleton="coco17")
            for person, truth in zip(found, confidence):
                np.testing.assert_array_equal(person.confidence, truth * (person.confidence > 0))


@pytest.mark.parametrize("key", ["confidence", "scores", "keypoint_scores"])
@pytest.mark.parametrize("shape", [(FRAMES,), (FRAMES - 3, 17), (17, FRAMES), (17 * FRAMES,), (2, FRAMES, 17), ()])
def test_confidence_of_another_shape_than_the_joints_is_refused(tmp_path, key, shape):
    np.savez(tmp_path / "a.npz", joints=poses(17)[1], **{key: np.full(shape, 0.5)})
    with pytest.raises(InputError) as error:
        formats.read(tmp_path / "a.npz", size=(1000, 1000))
    assert error.value.field == key and f"({FRAMES}, 17)" in error.value.expected and error.value.found == f"float64 {shape}"


def test_confidence_beside_an_array_is_numbers_and_a_score_of_poses_is_none(tmp_path):
    np.savez(tmp_path / "a.npz", joints=poses(17)[1], confidence=np.full((FRAMES, 17), "sure"))
    with pytest.raises(InputError, match="confidence: expected numbers"):
        formats.read(tmp_path / "a.npz", size=(1000, 1000))
    np.savez(tmp_path / "a.npz", joints=poses(17)[1], score=np.full(FRAMES, 0.5))
    assert formats.read(tmp_path / "a.npz", size=(1000, 1000))[0].confidence.min() == 1


def test_a_wrong_guess_is_an_error_with_the_alternatives(tmp_path):
    path = save(tmp_path / "a.json", alphapose(poses(17)))
    with pytest.raises(InputError, match="expected openpose .*found what looks like alphapose"):
        formats.read(path, format="openpose")
    with pytest.raises(InputError, match="one of alphapose, arrays, coco, csv, mediapipe, mmpose, openpose"):
        formats.read(path, format="vibe")
    with pytest.raises(InputError, match="133 joints of wholebody133, found 17 joints, as in h36m17 or coco17"):
        formats.read(path, skeleton="wholebody133")
    with pytest.raises(InputError, match="alphapose: a JSON list.*openpose: a folder"):
        formats.read(save(tmp_path / "b.json", {"poses": "here"}))
    with pytest.raises(InputError, match="suffix: expected .*found .txt"):
        formats.read(tmp_path / "a.txt")
    with pytest.raises(InputError, match="nothing there"):
        formats.read(tmp_path / "none.json")
    with pytest.raises(InputError, match="keypoints of entry 3: expected 51 numbers, found 50"):
        content = alphapose(poses(17))
        content[3]["keypoints"].pop()
        formats.read(save(tmp_path / "c.json", content))
    with pytest.raises(InputError, match="one of .*bvh"):
        formats.write(tmp_path / "out.fbx", PoseSequence(np.zeros((2, 17, 3))))


def test_negative_and_large_confidence_nan_and_duplicates(tmp_path):
    people = poses(17)
    content = alphapose(people)
    content[0]["keypoints"][2], content[0]["keypoints"][5], content[0]["keypoints"][6] = -0.5, 3.0, float("nan")
    worse = json.loads(json.dumps(content[5]))
    worse["keypoints"] = [v + (5 if i % 3 < 2 else -0.5) for i, v in enumerate(worse["keypoints"])]
    found = formats.read(save(tmp_path / "a.json", [worse, *content]))
    last = found[content[0]["idx"][0][0] == 2]
    assert last.missing[-1].tolist() == [True, False, True] + [False] * 14 and last.confidence[-1, 1] == 1
    np.testing.assert_allclose(found[1].pixels[:-1], people[1, :-1], atol=1e-3)  # of two in a frame the surer one stays


def test_keep_the_people_seen_most(tmp_path):
    people = poses(17)
    path = save(tmp_path / "a.json", alphapose(people))
    check(formats.read(path, people=1), people, (1,))


@pytest.mark.parametrize("people", [0, -1])
def test_to_keep_nobody_is_refused(tmp_path, people):
    save(tmp_path / "a.json", alphapose(poses(17)))
    PoseSequence(poses(17, 3)[1]).save(tmp_path / "a.npz")
    for path in (tmp_path / "a.json", tmp_path / "a.npz"):
        for reader in (formats.read, formats.read_tracks):
            with pytest.raises(InputError, match=f"people: expected at least 1, or None for all, found {people}"):
                reader(path, people=people)


# --- malformed files -------------------------------------------------------------------------------------------------

junk = st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**400), st.just(-1.0), st.just(float("nan")),
                 st.just(float("inf")), st.just(1e308), st.text(max_size=5), st.just([]), st.just({}), st.just([[1], []]))
def small(make, joints, dims=2):
    """A valid file of four frames, quick to spoil."""
    return make(poses(joints, dims)[:, :4])


VALID = {
    "alphapose": small(alphapose, 17), "open": small(openpose_frames, 18), "coco": small(coco, 17),
    "mmpose": small(mmpose, 17), "mmpose3d": small(mmpose, 17, 3), "mediapipe": small(mediapipe, 33, 3),
    "openpose": next(iter(small(openpose_frames, 25).values())),
}


def holds(path):
    """Sequences of one shape, or an InputError that names the file."""
    try:
        found = formats.read(path, size=(1000, 1000))
    except InputError as error:
        assert Path(error.where).is_relative_to(path) or Path(error.where) == path
        return None
    assert len(found) and all(isinstance(s, (PoseSequence, Keypoints2D)) for s in found)
    assert len({len(s) for s in found}) == 1
    return found


def spoil(data, content):
    """Replace, remove or repeat something at a random place of parsed JSON."""
    content = json.loads(json.dumps(content))
    node = content
    for _ in range(data.draw(st.integers(0, 6))):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        inner = [k for k in keys if isinstance(node[k], (dict, list)) and node[k]]
        if not inner:
            break
        node = node[data.draw(st.sampled_from(inner))]
    key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else list(range(len(node)))))
    how = data.draw(st.sampled_from(["replace", "remove", "repeat", "shuffle"]))
    if how == "replace":
        node[key] = data.draw(junk)
    elif how == "remove":
        del node[key]
    elif isinstance(node, list) and how == "repeat":
        node.append(node[key])
    elif isinstance(node, list):
        node[:] = data.draw(st.permutations(node)) if len(node) < 50 else node[::-1]
    return content


@pytest.mark.parametrize("name", VALID)
@some
@given(data=st.data())
def test_spoiled_json_meets_a_sequence_or_one_error(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / f"spoiled-{name}.json"
    content = VALID[name]
    for _ in range(data.draw(st.integers(1, 3))):
        content = spoil(data, content) if content else content
    try:
        path.write_text(json.dumps(content))
    except ValueError:  # an integer too long to print
        return
    holds(path)


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=15, deadline=None)
@given(cut=st.floats(0, 1), junk=st.binary(max_size=4))
def test_truncated_json_meets_one_error(tmp_path_factory, name, cut, junk):
    path = tmp_path_factory.getbasetemp() / f"cut-{name}.json"
    text = json.dumps(VALID[name]).encode()
    path.write_bytes(text[: int(cut * (len(text) - 1))] + junk)
    assert holds(path) is None or junk.strip() in (b"]", b"}")


@some
@given(data=st.data())
def test_spoiled_csv_meets_a_sequence_or_one_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "spoiled.csv"
    formats.write(path, [PoseSequence(p) for p in poses(17, 3)[:, :4]])
    rows = [line.split(",") for line in path.read_text().splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        r = data.draw(st.integers(0, len(rows) - 1))
        cell = data.draw(st.integers(0, max(len(rows[r]) - 1, 0)))
        how = data.draw(st.sampled_from(["cell", "column", "row", "short", "repeat"]))
        if how == "cell" and rows[r]:
            rows[r][cell] = data.draw(st.sampled_from(["", "nan", "-1", "x", "1e999", "\x00", '"', "0", "rhip_x"]))
        elif how == "column":
            rows = [row[:cell] + row[cell + 1:] for row in rows]
        elif how == "short":
            rows[r] = rows[r][:cell]
        elif how == "row" and len(rows) > 1:
            del rows[r]
        elif how == "repeat":
            rows.append(rows[r])
    path.write_text("\n".join(map(",".join, rows)))
    holds(path)


@some
@given(data=st.data())
def test_any_array_meets_a_sequence_or_one_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    shape = data.draw(st.one_of(st.lists(st.integers(0, 5), max_size=4).map(tuple),
                                st.tuples(st.integers(1, 5), st.sampled_from([17, 25, 26, 33]), st.integers(2, 4))))
    kind = data.draw(st.sampled_from(["f8", "i4", "c16", "U3", "?"]))
    values = np.random.default_rng(0).uniform(-2, 2, shape) * data.draw(st.sampled_from([1, 1000, np.nan, 0, 1e300]))
    with np.errstate(all="ignore"):
        arrays = {data.draw(st.sampled_from(["joints", "x", "pixels", "rel"])): np.nan_to_num(values).astype(kind)
                  if kind != "f8" else values}
    beside = st.sampled_from(["confidence", "fps", "size", "skeleton", "offsets", "root"])
    for extra in data.draw(st.lists(beside, max_size=4)):
        arrays[extra] = data.draw(st.sampled_from([np.array(-1.0), np.zeros((2, 3)), np.array("a"), np.array([1, 2])]))
    np.savez(path, **arrays)
    holds(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw) - 1))])
    assert holds(path) is None


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("long", [True, False])
def test_rows_without_number_or_time_are_everybodys_frames_in_order(tmp_path, long, blocks):
    people, joints = poses(17, 3)[:, 12:], skeleton.H36M17.joints
    where = [(person, t) for person in range(2) for t in range(len(people[0]))]
    where = where if blocks else sorted(where, key=lambda both: both[::-1])
    if long:
        rows = [["person", "joint", "x", "y", "z"], *([i, name, *point] for i, t in where for name, point in zip(joints, people[i, t]))]
    else:
        rows = [["person", *(f"{name}_{axis}" for name in joints for axis in "xyz")], *([i, *people[i, t].ravel()] for i, t in where)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    check(formats.read(path, fps=25), people)


@pytest.mark.parametrize("suffix, text", [(s, t) for s in (".json", ".csv", ".npz", ".npy") for t in (
    b"", b"\x00", b"[" * 100_000, b"\xff\xfe", b"{}", b"[]", b"null", b"0", b'""', b"[{}]", b"[[]]", b"a,b\n1")])
def test_empty_and_foreign_content_meets_one_error(tmp_path, suffix, text):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(text)
    assert holds(path) is None


def test_empty_folders_and_people_meet_one_error(tmp_path):
    assert holds(tmp_path) is None
    save(tmp_path / "000_keypoints.json", {"people": []})
    assert holds(tmp_path) is None
    save(tmp_path / "001_keypoints.json", [1])
    assert holds(tmp_path) is None


@pytest.mark.parametrize("name", VALID)
def test_one_frame(tmp_path, name):
    content = json.loads(json.dumps(VALID[name]))
    if name == "alphapose":
        content = content[:1]
    elif name == "open":
        content = dict(list(content.items())[:1])
    elif name == "coco":
        content = {"images": content["images"][-1:], "annotations": content["annotations"][:1]}
    elif name.startswith("mmpose"):
        content = content["instance_info"][:1]
    elif name == "mediapipe":
        content = content["frames"][:1]
    found = holds(save(tmp_path / "a.json", content))
    assert all(len(s) == 1 for s in found)


def long_content(name, length):
    """A long video: parsed content that repeats one frame, so that only the reader is at work."""
    frame = VALID
    if name == "alphapose":
        entry = frame[name][-1]
        return "json", [entry | {"image_id": i} for i in range(length)]
    if name == "openpose":
        return "folder", [(f"{i}_keypoints.json", {"people": frame[name]["people"][:1]}) for i in range(length)]
    if name == "coco":
        entry = frame[name]["annotations"][-1]
        return "json", {"annotations": [entry | {"image_id": i} for i in range(length)]}
    if name == "mediapipe":
        return "json", [frame[name]["frames"][0] | {"frame": i} for i in range(length)]
    instances = frame[name]["instance_info"][0]["instances"][:1]
    return "json", [{"frame_id": i, "instances": instances} for i in range(length)]


def calls(function):
    """How many functions, Python's and C's, are called meanwhile."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", ["alphapose", "openpose", "coco", "mmpose", "mediapipe"])
def test_100_000_frames(monkeypatch, name):
    """An hour of video is read whole, and every further frame takes as many calls as those before it."""
    def reading(length):
        document = Document(Path("long.json"), *long_content(name, length))
        monkeypatch.setattr(formats, "open_document", lambda path: document)
        return lambda: formats.read("long.json", size=(1000, 1000))

    found = reading(100_000)()
    assert len(found) == 1 and len(found[0]) == 100_000 and not found[0].missing.any()
    few, more, most = (calls(reading(length)) for length in (1000, 2000, 3000))
    assert 0 < most - more == pytest.approx(more - few, rel=0.01)


def test_a_crowd_without_ids_in_one_frame_is_refused(tmp_path):
    with pytest.raises(InputError, match="200 in a frame at most"):
        formats.read(save(tmp_path / "a.json", VALID["alphapose"][-1:] * 1000 + alphapose(poses(17), ids=False)))


def test_frame_numbers_that_are_no_video_are_refused(tmp_path):
    content = alphapose(poses(17))
    content[0]["image_id"] = "1000000000000.jpg"
    with pytest.raises(InputError, match="numbers of one video"):
        formats.read(save(tmp_path / "a.json", content))


# --- who is who --------------------------------------------------------------------------------------------------------

def crossing(seed, frames=240, fps=30, noise=3.0):
    """Two people (T, 26, 2) who walk past one another, seen by a detector that jitters, with lost frames and joints."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / fps
    people = []
    for sign, scale in ((1, rng.uniform(0.8, 1)), (-1, rng.uniform(1, 1.2))):
        body = rng.uniform((-60, -180), (60, 180), (26, 2)) * scale
        swing = 25 * np.sin(2 * np.pi * (time + rng.uniform()) + rng.uniform(0, 6, (26, 1)))
        across, height = 500 + sign * 90 * (time - 4 + rng.uniform(-0.3, 0.3)), 400 + rng.normal(0, 10)
        centre = np.concatenate([across, np.full_like(across, height)], -1)
        points = body + swing * (1, 0.2) + centre + rng.normal(0, noise, (frames, 26, 2))
        points[rng.random((frames, 26)) < 0.1] = np.nan
        people.append(points)
    people[0][30:42] = np.nan
    people[1][100:109] = np.nan
    return people


@pytest.mark.parametrize("seed", range(6))
def test_swapped_ids_are_put_right(seed):
    people = crossing(seed)
    mixed = [p.copy() for p in people]
    for start, stop in ((40, 70), (115, 200)):  # in a gap, and where they cross
        for a, b in ((0, 1), (1, 0)):
            mixed[a][start:stop] = people[b][start:stop]
    given = [Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n) for p, n in zip(mixed, "ab")]
    found = formats.retrack(given)
    assert [s.name for s in found] == ["a", "b"]

    def right(tracks, truth):
        return [np.mean([np.array_equal(s.pixels[t], p[t], equal_nan=True) for t in range(240)])
                for s, p in zip(tracks, truth)]

    assert [1.0, 1.0] in (right(found, people), right(found, people[::-1]))
    assert max(right(given, people)) < 0.6


def test_broken_tracks_are_joined_and_passers_by_left_out():
    people = [Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n) for p, n in zip(crossing(1), "ab")]
    pixels = people[0].pixels
    parts = []
    for number, (start, stop) in enumerate(((0, 60), (60, 130), (130, 240))):
        part = np.full_like(pixels, np.nan)
        part[start:stop] = pixels[start:stop]
        parts.append(people[0].replace(pixels=part, confidence=None, name=f"a{number}"))
    ghost = np.full_like(pixels, np.nan)
    ghost[50:53] = pixels[50:53] + (400, 300)
    given = [*parts, people[1], people[0].replace(pixels=ghost, confidence=None, name="ghost")]
    found = formats.retrack(given, people=2)
    assert [s.name for s in found] == ["a2", "b"]  # named after the longest of its parts
    np.testing.assert_array_equal(found[0].pixels, pixels)
    np.testing.assert_array_equal(found[1].pixels, people[1].pixels)
    assert [s.name for s in formats.retrack(given)] == ["a2", "b", "ghost"]


@pytest.mark.parametrize("seed", range(3))
def test_right_ids_are_left_alone(seed):
    given = [Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n) for p, n in zip(crossing(seed), "ab")]
    for s, t in zip(formats.retrack(given), given):
        np.testing.assert_array_equal(s.pixels, t.pixels)


def test_retrack_wants_tracks_of_one_video_and_somebody_to_keep():
    a, b = (PoseSequence(np.ones((n, 17, 3)), np.ones((n, 17)), 50) for n in (8, 9))
    with pytest.raises(InputError, match="retrack: sequences: expected one length"):
        formats.retrack([a, b])
    for given in ([a], [a, a]):
        with pytest.raises(InputError, match="retrack: people: expected at least 1, or None for all, found 0"):
            formats.retrack(given, people=0)


def test_tracks_of_one_video_are_put_right_and_clips_left_alone(tmp_path):
    mixed = np.stack(crossing(0))
    mixed[:, 100:140] = mixed[::-1, 100:140].copy()
    given = [Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n) for p, n in zip(mixed, "ab")]
    formats.write(tmp_path / "a.json", given)
    found, tracks = formats.read_tracks(tmp_path / "a.json", size=(1000, 800))
    assert found.format == "alphapose" and any("30 frames per second were assumed" in note for note in found.notes)
    for before, track, right in zip(found, tracks, formats.retrack(found)):
        np.testing.assert_array_equal(track.pixels, right.pixels)
        assert np.nanmax(np.abs(track.pixels - before.pixels)) > 1
    assert len(formats.read_tracks(tmp_path / "a.json", people=1)[1]) == 1
    clips = [clip[: 40 + 10 * i] for i, clip in enumerate(motions.load("synthetic", clips=3, seconds=1.2))]
    write_clips(tmp_path / "clips.npz", clips, [Label("1")] * 3)
    found, tracks = formats.read_tracks(tmp_path / "clips.npz")
    assert [len(clip) for clip in tracks] == [40, 50, 60] and tracks == list(found)
    assert len(formats.read_tracks(tmp_path / "clips.npz", people=2)[1]) == 2


def test_a_rate_that_the_file_contradicts_is_refused(tmp_path):
    path = save(tmp_path / "a.json", mediapipe(poses(33, 3)[:1]))
    assert formats.read_tracks(path, fps=25)[1][0].fps == 25
    with pytest.raises(InputError, match="fps: expected 25, as the file says, or none given, found 30"):
        formats.read_tracks(path, fps=30)


def test_more_tracks_than_fit_in_memory_are_read_once_people_says_how_many(tmp_path, monkeypatch):
    path = save(tmp_path / "a.json", alphapose(poses(17)))
    monkeypatch.setattr(formats.tracks, "MAX_VALUES", 1.5 * FRAMES * 34)
    with pytest.raises(InputError, match="people=…"):
        formats.read_tracks(path, people=2)
    check(formats.read_tracks(path, people=1)[1], poses(17), (1,))


def test_retrack_works_in_metres_and_keeps_one_person_as_is():
    people = [PoseSequence(np.concatenate([p[:, :17] / 200, np.zeros((240, 17, 1))], -1), fps=30, name=name)
              for p, name in zip(crossing(0), "ab")]
    swapped = [a.replace(joints=np.concatenate([a.joints[:50], b.joints[50:]]), confidence=None)
               for a, b in (people, people[::-1])]
    found = formats.retrack(swapped)
    np.testing.assert_array_equal(found[0].joints, people[1].joints)  # named after the id that it had for longest
    np.testing.assert_array_equal(found[1].joints, people[0].joints)
    assert formats.retrack(people[:1])[0] is people[0]


def test_up_is_told_by_the_person():
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.05, (20, 17, 3))
    joints[..., 1] += (0.9, 0.9, 0.5, 0.1, 0.9, 0.5, 0.1, 1.1, 1.4, 1.5, 1.7, 1.4, 1.1, 0.9, 1.4, 1.1, 0.9)
    world = PoseSequence(joints)
    assert formats.up_axis(world) == "y" and formats.upright(world) is world
    for up, turned in (("-y", joints * (1, -1, -1)), ("z", joints[..., [0, 2, 1]] * (1, -1, 1))):
        sequence = PoseSequence(turned + (3, 4, 5))
        assert formats.up_axis(sequence) == up
        back = formats.upright(sequence).joints
        assert back[..., 1].min() == pytest.approx(0)
        np.testing.assert_allclose(back - back[:1, :1], joints - joints[:1, :1], atol=1e-12)
        np.testing.assert_allclose(formats.facing_camera(sequence).joints, formats.facing_camera(PoseSequence(
            sequence.joints @ formats.axes.TURNS[up].T)).joints, atol=1e-12)
        assert formats.up_axis(formats.facing_camera(sequence)) == "-y"


@pytest.mark.parametrize("lost", [["pelvis"], ["pelvis", "rhip", "lhip"], ["pelvis", "thorax", "neck", "rankle", "lankle"],
                                  ["rhip", "lhip", "rknee", "lknee", "rankle", "lankle"]])
@pytest.mark.parametrize("up", ["y", "-y", "z"])
def test_up_is_told_without_the_pelvis_and_whatever_else_is_lost(up, lost):
    walk = motions.load("synthetic", clips=1, seconds=2)[0]
    joints = walk.joints @ formats.axes.TURNS[up] + (3, 4, 5)
    joints[:, [walk.skeleton.index(name) for name in lost]] = np.nan
    assert formats.up_axis(walk.replace(joints=joints, confidence=None)) == up


def test_up_is_told_by_any_frame_that_tells_and_is_y_where_none_does():
    walk = formats.facing_camera(motions.load("synthetic", clips=1, seconds=2)[0])
    joints = np.full_like(walk.joints, np.nan)
    joints[:, 8:] = walk.joints[:, 8:]  # without hips and legs
    assert formats.up_axis(walk.replace(joints=joints, confidence=None)) == "y"
    joints[7, 2] = walk.joints[7, 2]  # but for one knee, once
    assert formats.up_axis(walk.replace(joints=joints, confidence=None)) == "-y"
