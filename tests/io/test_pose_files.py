"""Reading and writing, whatever the format: people, clocks, units, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stride_nb import InputError, Keypoints2D, PoseSequence, datasets, io
from stride_nb.io.clip_archive import Label, write_clips
from stride_nb.poses.streaming import open_streamed
from tests.foreign import (
    FRAMES,
    alphapose,
    check,
    crossing,
    mediapipe,
    poses,
    save,
)


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


@pytest.mark.parametrize("several", [True, False])
def test_what_is_longer_than_memory_is_written_as_what_is_not(tmp_path, several):
    walk = PoseSequence(poses(17, 3)[1], fps=25, name="walk")
    walk.save(tmp_path / "walk.npz")
    for suffix in (".npz", ".csv", ".bvh"):
        with open_streamed(tmp_path / "walk.npz") as stored:
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


def test_a_wrong_guess_is_an_error_with_the_alternatives(tmp_path):
    path = save(tmp_path / "a.json", alphapose(poses(17)))
    with pytest.raises(InputError, match=r"expected openpose .*found what looks like alphapose"):
        io.read(path, format="openpose")
    with pytest.raises(
        InputError,
        match="one of alphapose, arrays, bvh, c3d, coco, csv, deeplabcut, mediapipe, mmpose, ",
    ):
        io.read(path, format="vibe")
    with pytest.raises(
        InputError, match="133 joints of wholebody133, found 17 joints, as in h36m17 or coco17"
    ):
        io.read(path, skeleton="wholebody133")
    with pytest.raises(InputError, match=r"alphapose: a JSON list.*openpose: a folder"):
        io.read(save(tmp_path / "b.json", {"poses": "here"}))
    with pytest.raises(InputError, match=r"suffix: expected .*found .doc"):
        io.read(tmp_path / "a.doc")
    with pytest.raises(InputError, match="nothing there"):
        io.read(tmp_path / "none.json")
    with pytest.raises(InputError, match="keypoints of entry 3: expected 51 numbers, found 50"):
        content = alphapose(poses(17))
        content[3]["keypoints"].pop()
        io.read(save(tmp_path / "c.json", content))
    with pytest.raises(InputError, match=r"one of .*bvh"):
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
    with pytest.raises(InputError, match=r"0.4 to 4 m across"):
        io.read(tmp_path / "a.npy", fps=50)


def test_tracks_of_one_video_are_put_right_and_clips_left_alone(tmp_path):
    mixed = np.stack(crossing(0))
    mixed[:, 100:140] = mixed[::-1, 100:140].copy()
    given = [
        Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n)
        for p, n in zip(mixed, "ab")
    ]
    io.write(tmp_path / "a.json", given)
    found, tracks = io.read_tracks(tmp_path / "a.json", size=(1000, 800))
    assert found.format == "alphapose" and any(
        "30 frames per second were assumed" in note for note in found.notes
    )
    for before, track, right in zip(found, tracks, io.fix_track_ids(found)):
        np.testing.assert_array_equal(track.pixels, right.pixels)
        assert np.nanmax(np.abs(track.pixels - before.pixels)) > 1
    assert len(io.read_tracks(tmp_path / "a.json", people=1)[1]) == 1
    clips = [
        clip[: 40 + 10 * i]
        for i, clip in enumerate(datasets.load("synthetic", clips=3, seconds=1.2))
    ]
    write_clips(tmp_path / "clips.npz", clips, [Label("1")] * 3)
    found, tracks = io.read_tracks(tmp_path / "clips.npz")
    assert [len(clip) for clip in tracks] == [40, 50, 60] and tracks == list(found)
    assert len(io.read_tracks(tmp_path / "clips.npz", people=2)[1]) == 2


def test_a_rate_that_the_file_contradicts_is_refused(tmp_path):
    path = save(tmp_path / "a.json", mediapipe(poses(33, 3)[:1]))
    assert io.read_tracks(path, fps=25)[1][0].fps == 25
    with pytest.raises(
        InputError, match="fps: expected 25, as the file says, or none given, found 30"
    ):
        io.read_tracks(path, fps=30)


@pytest.mark.parametrize(
    "name, rate", [(30, 30000 / 1001), (30, 29.97), (24, 23.976), (24, 23.98), (60, 59.94)]
)
def test_a_broadcast_rate_may_go_by_its_round_name(name, rate):
    io.check_fps_agrees("a.json", name, rate)
    with pytest.raises(InputError, match="fps: expected"):
        io.check_fps_agrees("a.json", name * 1.01, rate)


def test_more_tracks_than_fit_in_memory_are_read_once_people_says_how_many(tmp_path, monkeypatch):
    path = save(tmp_path / "a.json", alphapose(poses(17)))
    monkeypatch.setattr(io.detections, "MAX_VALUES", 1.5 * FRAMES * 34)
    with pytest.raises(InputError, match="people=…"):
        io.read_tracks(path, people=2)
    check(io.read_tracks(path, people=1)[1], poses(17), (1,))
