"""Other people's files: every format in and out."""

import json

import numpy as np
import pytest

from stride_nb import InputError, Keypoints2D, PoseSequence, io
from stride_nb.evaluation.missing_data import report
from stride_nb.poses import skeleton
from stride_nb.poses.streaming import opened
from tests.foreign import (
    FRAMES,
    LOST,
    alphapose,
    check,
    coco,
    mediapipe,
    mmpose,
    openpose_frames,
    poses,
    save,
)


@pytest.mark.parametrize("joints, name", [(17, "coco17"), (26, "halpe26"), (133, "wholebody133")])
def test_alphapose_with_ids_and_lost_frames(tmp_path, joints, name):
    people = poses(joints)
    found = io.read(save(tmp_path / "a.json", alphapose(people)), fps=25, size=(1000, 900))
    check(found, people)
    assert found.format == "alphapose" and found.notes == ()
    assert [s.name for s in found] == ["person 1", "person 2"]
    assert {(s.skeleton.name, s.fps, s.size) for s in found} == {(name, 25.0, (1000, 900))}
    assert found[1].confidence.min() == pytest.approx(0.9)


def test_alphapose_with_136_joints_keeps_the_body(tmp_path):
    people = poses(136)
    found = io.read(save(tmp_path / "a.json", alphapose(people)))
    check(found, people[:, :, :26])
    assert any("frames per second" in n for n in found.notes) and any(
        "image size" in n for n in found.notes
    )


@pytest.mark.parametrize("form", [("people", "pose_keypoints_2d"), ("bodies", "joints")])
def test_alphapose_open_and_cmu_forms_have_no_ids(tmp_path, form):
    people = poses(18)
    found = io.read(save(tmp_path / "a.json", openpose_frames(people, *form)))
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
    found = io.read(tmp_path)
    assert found.format == "openpose" and found[0].skeleton.name == "body25"
    check(found, people, order_of(found))


def test_coco_annotations_say_the_size_and_what_was_hidden(tmp_path):
    people, content = poses(17), coco(poses(17))
    content["annotations"][0]["keypoints"][2::3] = [1] * 17
    found = io.read(save(tmp_path / "a.json", content), fps=30)
    check(found, people)
    assert found.format == "coco" and found[0].size == (1000, 900) and found.notes == ()
    assert set(np.unique(found[0].confidence)) | set(np.unique(found[1].confidence)) == {0, 0.5, 1}


def test_a_flag_that_is_null_changes_none_of_the_others(tmp_path):
    people, content = poses(17), coco(poses(17))
    content["annotations"][0]["keypoints"][2::3] = [None] + [1] * 16
    found = io.read(save(tmp_path / "a.json", content), fps=30)
    assert set(np.unique(found[0].confidence)) | set(np.unique(found[1].confidence)) == {0, 0.5, 1}


def test_coco_results_are_a_list_by_image_number(tmp_path):
    people = poses(17)
    entries = [
        e | {"image_id": int(e["image_id"][6:-4]), "track_id": e.pop("idx")[0][0]}
        for e in alphapose(people)
    ]
    check(io.read(save(tmp_path / "a.json", entries)), people)


def test_mmpose_2d_video_and_folder(tmp_path):
    people = poses(17)
    content = mmpose(people)
    for path in (
        save(tmp_path / "a.json", content),
        save(tmp_path / "b.json", content["instance_info"]),
    ):
        found = io.read(path)
        assert found.format == "mmpose" and found[0].skeleton.name == "coco17"
        check(found, people, order_of(found))
    for frame in content["instance_info"]:
        save(
            tmp_path / f"img_{frame['frame_id']}.json",
            frame["instances"] or [{"keypoints": [], "keypoint_scores": []}],
        )
    for name in ("a.json", "b.json"):
        (tmp_path / name).unlink()
    assert io.read(tmp_path).format == "mmpose"


def test_mmpose_3d_returns_to_the_camera(tmp_path):
    camera = poses(17, 3)
    written = np.stack([-camera[..., 0], camera[..., 2], -camera[..., 1]], -1)
    found = io.read(save(tmp_path / "a.json", mmpose(written)), fps=30)
    check(found, camera, order_of(found))
    assert found[0].skeleton.name == "h36m17" and any("root height" in note for note in found.notes)


def test_mediapipe_world_landmarks_are_metres_without_a_path(tmp_path):
    people = poses(33, 3)[:1]
    people -= people[:, :, 23:25].mean(2, keepdims=True)
    found = io.read(save(tmp_path / "a.json", mediapipe(people)))
    check(found, people, (0,))
    assert (
        found.format == "mediapipe"
        and found[0].fps == 25
        and any("no path" in note for note in found.notes)
    )
    assert report(found[0]).root.startswith("absent")


@pytest.mark.parametrize(
    "shape", ["frames", "list", "keyed", "protobuf", "people", "numbers", "times"]
)
def test_mediapipe_image_landmarks_in_many_wrappings(tmp_path, shape):
    people = poses(33, 3)[:1] / 10
    content = mediapipe(people, "pose_landmarks")
    frames = content["frames"]
    listed = [f["pose_landmarks"] or [] for f in frames]
    wrapped = {
        "frames": content,
        "list": listed,
        "keyed": {str(f["frame"]): f for f in frames},
        "protobuf": [{"landmarks": {"landmark": marks}} for marks in listed],
        "people": [
            {"timestamp_ms": 40 * i, "landmarks": [marks] if marks else []}
            for i, marks in enumerate(listed)
        ],
        "numbers": [[[p["x"], p["y"], p["z"], 0.9] for p in marks] for marks in listed],
        "times": [
            {"timestamp_ms": 40 * i, "pose_landmarks": marks} for i, marks in enumerate(listed)
        ],
    }[shape]
    found = io.read(save(tmp_path / "a.json", wrapped), size=(1000, 500))
    check(found, people[..., :2] * (1000, 500), (0,), atol=0.1)
    assert found[0].size == (1000, 500) and found[0].fps == (
        25 if shape in ("frames", "people", "times") else 30
    )
    if shape == "list":
        with pytest.raises(InputError, match="size: expected width and height"):
            io.read(tmp_path / "a.json")


@pytest.mark.parametrize("header", ["{}_x", "landmark_{i}_x", "x{i}", "x{i1}", "{mp}_x", "long"])
def test_csv_as_programs_round_mediapipe_write_it(tmp_path, header):
    people = poses(33, 3)[:1]
    people -= people[:, :, 23:25].mean(2, keepdims=True)
    joints = skeleton.MEDIAPIPE33.joints
    spelled = [
        f"{ {'l': 'LEFT_', 'r': 'RIGHT_'}[j[0]] }{j[1:].upper()}" if j != "nose" else "NOSE"
        for j in joints
    ]
    rows = []
    if header == "long":
        rows = [["frame_id", "landmark_id", "landmark_name", "x", "y", "z", "visibility"]]
        rows += [
            [t, i, spelled[i], *point, 0.9]
            for t in range(FRAMES)
            for i, point in enumerate(people[0, t])
            if np.isfinite(point).all()
        ]
    else:
        names = [header.format(j, i=i, i1=i + 1, mp=spelled[i]) for i, j in enumerate(joints)]
        rows = [
            [
                "frame",
                *(
                    n.replace("x", a, 1) if n[0] == "x" else n[:-1] + a
                    for n in names
                    for a in "xyzv"
                ),
            ]
        ]
        rows += [
            [t, *("" if v != v else v for point in people[0, t] for v in (*point, 0.9))]
            for t in range(FRAMES)
        ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    found = io.read(path)
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
    stamps = [
        {"timestamp_ms": round(1000 * t / fps)} | ({"frame": t} if numbered else {})
        for t in range(0, step * FRAMES, step)
    ]
    path = tmp_path / f"a.{suffix}"
    if suffix == "json":
        marks = [frame["pose_world_landmarks"] for frame in mediapipe(people)["frames"]]
        save(path, [stamp | {"pose_world_landmarks": found} for found, stamp in zip(marks, stamps)])
    else:
        rows = [
            [
                *stamps[0],
                *(f"{joint}_{axis}" for joint in skeleton.MEDIAPIPE33.joints for axis in "xyz"),
            ]
        ]
        rows += [[*stamp.values(), *pose.ravel()] for pose, stamp in zip(people[0], stamps)]
        path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    (found,) = io.read(path)
    every = step if numbered else 1
    assert (
        found.fps == pytest.approx(fps * every / step, rel=2e-3)
        and len(found) == every * (FRAMES - 1) + 1
    )
    np.testing.assert_allclose(found.joints[::every], people[0], atol=1e-3)


@pytest.mark.parametrize("times", [[0, 0, 0], [None, None, None], [5, 5, None]])
def test_times_that_stand_still_beside_numbers_tell_no_rate(tmp_path, times):
    people = poses(33, 3)[1:, :3]
    content = [
        frame | {"timestamp_ms": time} for frame, time in zip(mediapipe(people)["frames"], times)
    ]
    found = io.read(save(tmp_path / "a.json", content))
    assert len(found[0]) == 3 and any("no frame rate" in note for note in found.notes)


def test_one_frame_with_a_time_is_one_frame(tmp_path):
    frame = mediapipe(poses(33, 3)[1:, :1])["frames"][0]
    del frame["frame"]
    (found,) = io.read(save(tmp_path / "a.json", [frame | {"timestamp_ms": 40}]))
    assert len(found) == 1 and not found.missing.any()
    for stamps in ([-40], [None], [40, 40]):
        with pytest.raises(InputError, match="timestamp_ms: expected increasing milliseconds"):
            io.read(
                save(tmp_path / "a.json", [frame | {"timestamp_ms": stamp} for stamp in stamps])
            )


@pytest.mark.parametrize("format", ["mediapipe", None])
def test_a_video_that_nobody_enters_for_long_is_recognised(tmp_path, format):
    frames = mediapipe(poses(33, 3)[1:, :4])["frames"]
    content = [[]] * 1001 + [frame["pose_world_landmarks"] for frame in frames]
    (found,) = io.read(save(tmp_path / "a.json", content), format, size=(1000, 500))
    assert len(found) == 1005 and (np.flatnonzero(~found.missing.all(1)) == range(1001, 1005)).all()


def test_a_person_without_landmarks_is_nobody(tmp_path):
    marks = mediapipe(poses(33, 3)[1:, :1] / 10)["frames"][0]["pose_world_landmarks"]
    content = [[{"landmark": marks}, {"label": "nobody"}, {"landmark": None}]] * 3
    (found,) = io.read(save(tmp_path / "a.json", content), size=(1000, 500))
    assert found.skeleton.name == "mediapipe33" and not found.missing.any()


def table(path, sequences, change):
    """A csv of sequences, the cells of every row but the header changed."""
    io.write(path, sequences)
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    rows = [change(i, dict(zip(header, row))) for i, row in enumerate(rows)]
    path.write_text(
        "\n".join(
            ",".join(map(str, line)) for line in [list(rows[0]), *(row.values() for row in rows)]
        )
    )
    return path


@pytest.mark.parametrize("numbered", [True, False])
def test_a_time_that_is_missing_is_refused_where_nothing_else_numbers_the_frames(
    tmp_path, numbered
):
    def change(i, row):
        frame = {"frame": row["frame"]} if numbered else {}
        return (
            frame
            | {key: value for key, value in row.items() if key != "frame"}
            | ({"time_s": ""} if i == 25 else {})
        )

    path = table(tmp_path / "a.csv", [PoseSequence(p[12:], fps=25) for p in poses(17, 3)], change)
    if numbered:
        check(io.read(path), poses(17, 3)[:, 12:])
    else:
        with pytest.raises(
            InputError, match="column time_s: expected a time in every row.*found none in row 27"
        ):
            io.read(path)


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize(
    "column, factor, unit",
    [
        ("timestamp", 1000, "seconds"),
        ("time_s", 1000, "seconds"),
        ("timestamp_ms", 1, "milliseconds"),
    ],
)
def test_times_in_another_unit_are_refused(tmp_path, column, factor, unit, numbered):
    def change(i, row):
        row = {"frame": row["frame"], column: factor * float(row["time_s"])} | dict(
            list(row.items())[2:]
        )
        return row if numbered else dict(list(row.items())[1:])

    path = table(tmp_path / "a.csv", PoseSequence(poses(17, 3)[1], fps=30), change)
    with pytest.raises(
        InputError, match=f"column {column}: expected {unit}, 1 to 1000 frames in 1 s"
    ):
        io.read(path)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_what_is_written_is_read_back(tmp_path, suffix, dims):
    people = poses(17, dims)
    confidence = np.random.default_rng(1).uniform(0.1, 1, people.shape[:3]) * np.isfinite(
        people
    ).all(-1)
    make = PoseSequence if dims == 3 else Keypoints2D
    given = [make(p, c, 29.97, skeleton="h36m17") for p, c in zip(people, confidence)]
    paths = io.write(tmp_path / f"out{suffix}", given)
    assert len(paths) == (1 if suffix == ".csv" else 2)
    found = [s for path in paths for s in io.read(path, size=(1000, 1000))]
    check(found, people, atol=1e-6)
    for back, sequence in zip(found, given):
        np.testing.assert_allclose(back.confidence, sequence.confidence, atol=1e-6)
        assert back.fps == pytest.approx(29.97, rel=1e-4) and back.skeleton.name == "h36m17"


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_frames_lost_at_the_ends_are_read_back_as_lost(tmp_path, suffix):
    points = np.tile(poses(17, 3)[1], (4, 1, 1))[:100]
    points[:30] = points[80:] = np.nan
    io.write(tmp_path / f"out{suffix}", PoseSequence(points, fps=25))
    (found,) = io.read(tmp_path / f"out{suffix}")
    assert len(found) == 100 and (np.flatnonzero(~found.missing.all(1)) == range(30, 80)).all()


def test_a_csv_holds_one_frame_rate_that_can_be_told_again(tmp_path):
    a, b = (PoseSequence(p, fps=fps) for p, fps in zip(poses(17, 3), (25, 50)))
    with pytest.raises(InputError, match="fps: expected one .*found 25, 50"):
        io.write(tmp_path / "out.csv", [a, b])
    with pytest.raises(InputError, match="fps: expected one from 1 to 1000, found 0.5"):
        io.write(tmp_path / "out.csv", a.replace(fps=0.5))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("several", [True, False])
def test_what_is_longer_than_memory_is_written_as_what_is_not(tmp_path, several):
    walk = PoseSequence(poses(17, 3)[1], fps=25, name="walk")
    walk.save(tmp_path / "walk.npz")
    for suffix in (".npz", ".csv", ".bvh"):
        with opened(tmp_path / "walk.npz") as stored:
            ways = [
                io.write(tmp_path / kind / f"out{suffix}", [given] * 2 if several else given)
                for kind, given in (("stored", stored), ("whole", walk))
            ]
        for a, b in zip(*ways):
            if suffix == ".npz":
                np.testing.assert_array_equal(
                    PoseSequence.load(a).joints, PoseSequence.load(b).joints
                )
            else:
                assert a.read_bytes() == b.read_bytes()


def test_alphapose_is_written_as_it_is_read(tmp_path):
    people = poses(26)
    given = [Keypoints2D(p, fps=30, size=(1000, 900), skeleton="halpe26") for p in people]
    assert io.write(tmp_path / "a.json", given) == [tmp_path / "a.json"]
    check(io.read(tmp_path / "a.json"), people)
    with pytest.raises(InputError, match="2D keypoints"):
        io.write(tmp_path / "b.json", PoseSequence(np.zeros((2, 17, 3))))
    assert not (tmp_path / "b.json").exists()


def test_alphapose_is_as_long_as_the_video_also_where_nobody_is_seen_at_its_ends(tmp_path):
    people = poses(26)
    for pixels in people:
        pixels[:3], pixels[-5:] = np.nan, np.nan
    given = [Keypoints2D(p, fps=30, size=(1000, 900), skeleton="halpe26") for p in people]
    io.write(tmp_path / "a.json", given)
    for back, sequence in zip(
        io.read(tmp_path / "a.json", fps=30, size=(1000, 900)), given, strict=True
    ):
        np.testing.assert_allclose(back.pixels, sequence.pixels, atol=1e-3)


def test_joints_that_other_tools_would_take_for_cocos_are_not_written_as_alphapose(tmp_path):
    """Human3.6M's set has 17 joints, too, in another order."""
    with pytest.raises(
        InputError, match="skeleton: expected coco17 or halpe26 or wholebody133.*found h36m17"
    ):
        io.write(tmp_path / "a.json", Keypoints2D(np.ones((2, 17, 2))))
    assert not (tmp_path / "a.json").exists()


def test_plain_arrays_in_millimetres_and_with_confidence(tmp_path):
    people = poses(17, 3)
    people[:, :, 0] = (people[:, :, 1] + people[:, :, 4]) / 2  # as Human3.6M's pelvis lies
    np.save(tmp_path / "a.npy", people * 1000)
    found = io.read(tmp_path / "a.npy", fps=50)
    check(found, people, atol=1e-6)
    assert found[0].skeleton.name == "h36m17" and len(found.notes) == 2
    assert "17 joints were taken for h36m17" in found.notes[0] and "mm" in found.notes[1]
    pixels = np.concatenate([poses(17), np.full((2, FRAMES, 17, 1), 0.5)], -1)
    np.savez(tmp_path / "b.npz", something=pixels, fps=24, size=[800, 1200])
    found = io.read(tmp_path / "b.npz")
    check(found, pixels[..., :2])
    assert (
        found[0].skeleton.name == "coco17" and found[0].fps == 24 and found[0].size == (800, 1200)
    )
    assert np.nanmax(found[1].confidence) == 0.5
    assert io.read(tmp_path / "b.npz", skeleton="coco17").notes == ()  # everything was said


@pytest.mark.parametrize("key", ["confidence", "scores", "keypoint_scores", "score"])
@pytest.mark.parametrize("people", [1, 2])
def test_confidence_beside_an_array_belongs_to_its_joints(tmp_path, key, people):
    joints = np.nan_to_num(poses(17)[2 - people :])
    confidence = np.random.default_rng(0).uniform(0.1, 1, joints.shape[:-1])
    one = people == 1
    shapes = [
        confidence,
        confidence[..., None],
        *([confidence[0], confidence[0, :, :, None]] if one else []),
    ]
    for given in [joints, *([joints[0]] if one else [])]:
        for beside in shapes:
            np.savez(tmp_path / "a.npz", joints=given, **{key: beside})
            found = io.read(tmp_path / "a.npz", size=(1000, 1000), skeleton="coco17")
            for person, truth in zip(found, confidence):
                np.testing.assert_array_equal(person.confidence, truth * (person.confidence > 0))


@pytest.mark.parametrize("key", ["confidence", "scores", "keypoint_scores"])
@pytest.mark.parametrize(
    "shape", [(FRAMES,), (FRAMES - 3, 17), (17, FRAMES), (17 * FRAMES,), (2, FRAMES, 17), ()]
)
def test_confidence_of_another_shape_than_the_joints_is_refused(tmp_path, key, shape):
    np.savez(tmp_path / "a.npz", joints=poses(17)[1], **{key: np.full(shape, 0.5)})
    with pytest.raises(InputError) as error:
        io.read(tmp_path / "a.npz", size=(1000, 1000))
    assert (
        error.value.field == key
        and f"({FRAMES}, 17)" in error.value.expected
        and error.value.found == f"float64 {shape}"
    )


def test_confidence_beside_an_array_is_numbers_and_a_score_of_poses_is_none(tmp_path):
    np.savez(tmp_path / "a.npz", joints=poses(17)[1], confidence=np.full((FRAMES, 17), "sure"))
    with pytest.raises(InputError, match="confidence: expected numbers"):
        io.read(tmp_path / "a.npz", size=(1000, 1000))
    np.savez(tmp_path / "a.npz", joints=poses(17)[1], score=np.full(FRAMES, 0.5))
    assert io.read(tmp_path / "a.npz", size=(1000, 1000))[0].confidence.min() == 1


def test_a_wrong_guess_is_an_error_with_the_alternatives(tmp_path):
    path = save(tmp_path / "a.json", alphapose(poses(17)))
    with pytest.raises(InputError, match="expected openpose .*found what looks like alphapose"):
        io.read(path, format="openpose")
    with pytest.raises(
        InputError, match="one of alphapose, arrays, coco, csv, mediapipe, mmpose, openpose"
    ):
        io.read(path, format="vibe")
    with pytest.raises(
        InputError, match="133 joints of wholebody133, found 17 joints, as in h36m17 or coco17"
    ):
        io.read(path, skeleton="wholebody133")
    with pytest.raises(InputError, match="alphapose: a JSON list.*openpose: a folder"):
        io.read(save(tmp_path / "b.json", {"poses": "here"}))
    with pytest.raises(InputError, match="suffix: expected .*found .txt"):
        io.read(tmp_path / "a.txt")
    with pytest.raises(InputError, match="nothing there"):
        io.read(tmp_path / "none.json")
    with pytest.raises(InputError, match="keypoints of entry 3: expected 51 numbers, found 50"):
        content = alphapose(poses(17))
        content[3]["keypoints"].pop()
        io.read(save(tmp_path / "c.json", content))
    with pytest.raises(InputError, match="one of .*bvh"):
        io.write(tmp_path / "out.fbx", PoseSequence(np.zeros((2, 17, 3))))


def test_negative_and_large_confidence_nan_and_duplicates(tmp_path):
    people = poses(17)
    content = alphapose(people)
    content[0]["keypoints"][2], content[0]["keypoints"][5], content[0]["keypoints"][6] = (
        -0.5,
        3.0,
        float("nan"),
    )
    worse = json.loads(json.dumps(content[5]))
    worse["keypoints"] = [v + (5 if i % 3 < 2 else -0.5) for i, v in enumerate(worse["keypoints"])]
    found = io.read(save(tmp_path / "a.json", [worse, *content]))
    last = found[content[0]["idx"][0][0] == 2]
    assert (
        last.missing[-1].tolist() == [True, False, True] + [False] * 14
        and last.confidence[-1, 1] == 1
    )
    # of two in a frame the surer one stays
    np.testing.assert_allclose(found[1].pixels[:-1], people[1, :-1], atol=1e-3)


def test_keep_the_people_seen_most(tmp_path):
    people = poses(17)
    path = save(tmp_path / "a.json", alphapose(people))
    check(io.read(path, people=1), people, (1,))


@pytest.mark.parametrize("people", [0, -1])
def test_to_keep_nobody_is_refused(tmp_path, people):
    save(tmp_path / "a.json", alphapose(poses(17)))
    PoseSequence(poses(17, 3)[1]).save(tmp_path / "a.npz")
    for path in (tmp_path / "a.json", tmp_path / "a.npz"):
        for reader in (io.read, io.read_tracks):
            with pytest.raises(
                InputError, match=f"people: expected at least 1, or None for all, found {people}"
            ):
                reader(path, people=people)


def test_centimetres_and_nonsense(tmp_path):
    people = poses(17, 3)
    people[:, :, 0] = (people[:, :, 1] + people[:, :, 4]) / 2
    np.save(tmp_path / "a.npy", people * 100)
    found = io.read(tmp_path / "a.npy", fps=50)
    check(found, people, atol=1e-6)
    assert "in cm," in found.notes[-1]
    np.save(tmp_path / "a.npy", people * 20)
    with pytest.raises(InputError, match="0.4 to 4 m across"):
        io.read(tmp_path / "a.npy", fps=50)


def test_openpose_in_3d(tmp_path):
    people = poses(25, 3)
    for name, frame in openpose_frames(people, numbers="pose_keypoints_3d").items():
        for person in frame["people"]:
            person["pose_keypoints_2d"] = []
        save(tmp_path / f"v_{int(name[:-4]):012d}_keypoints.json", frame)
    found = io.read(tmp_path, fps=30)
    assert found[0].skeleton.name == "body25"
    check(found, people, order_of(found))


def test_posetrack_frames_are_told_by_number(tmp_path):
    content = coco(people := poses(17))
    for t, image in enumerate(content["images"]):
        image["frame_id"], image["file_name"] = t, "image.jpg"
    check(io.read(save(tmp_path / "a.json", content), fps=30), people)


def test_mmpose_tracks(tmp_path):
    people = poses(17)
    frames = [
        {
            "frame_id": t,
            "instances": [
                {
                    "keypoints": people[p, t].tolist(),
                    "keypoint_scores": [0.9] * 17,
                    "track_id": 7 - p,
                }
                for p in (0, 1)
                if np.isfinite(people[p, t]).all()
            ],
        }
        for t in range(FRAMES)
    ]
    found = io.read(save(tmp_path / "a.json", frames))
    assert [s.name for s in found] == ["person 6", "person 7"] and not any(
        "told apart" in n for n in found.notes
    )
    check(found, people, (1, 0))
