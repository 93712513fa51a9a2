"""MediaPipe's landmarks in, however they are wrapped."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb import InputError, io
from stride_nb.evaluation.missing_data import report_missing_data
from stride_nb.poses import skeleton
from tests.foreign import (
    FRAMES,
    check,
    mediapipe,
    poses,
    save,
)


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
    assert report_missing_data(found[0]).root.startswith("absent")


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
