"""Who is who in a file of several people, and which way is up."""

import numpy as np
import pytest

from stride_nb import InputError, Keypoints2D, PoseSequence, datasets, io
from stride_nb.io.clip_archive import Label, write_clips
from tests.foreign import FRAMES, alphapose, check, mediapipe, poses, save


def crossing(seed, frames=240, fps=30, noise=3.0):
    """Two people (T, 26, 2) who walk past one another, seen by a detector that jitters, with lost
    frames and joints."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / fps
    people = []
    for sign, scale in ((1, rng.uniform(0.8, 1)), (-1, rng.uniform(1, 1.2))):
        body = rng.uniform((-60, -180), (60, 180), (26, 2)) * scale
        swing = 25 * np.sin(2 * np.pi * (time + rng.uniform()) + rng.uniform(0, 6, (26, 1)))
        across, height = (
            500 + sign * 90 * (time - 4 + rng.uniform(-0.3, 0.3)),
            400 + rng.normal(0, 10),
        )
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
    given = [
        Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n)
        for p, n in zip(mixed, "ab")
    ]
    found = io.retrack(given)
    assert [s.name for s in found] == ["a", "b"]

    def right(tracks, truth):
        return [
            np.mean([np.array_equal(s.pixels[t], p[t], equal_nan=True) for t in range(240)])
            for s, p in zip(tracks, truth)
        ]

    assert [1.0, 1.0] in (right(found, people), right(found, people[::-1]))
    assert max(right(given, people)) < 0.6


def test_broken_tracks_are_joined_and_passers_by_left_out():
    people = [
        Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n)
        for p, n in zip(crossing(1), "ab")
    ]
    pixels = people[0].pixels
    parts = []
    for number, (start, stop) in enumerate(((0, 60), (60, 130), (130, 240))):
        part = np.full_like(pixels, np.nan)
        part[start:stop] = pixels[start:stop]
        parts.append(people[0].replace(pixels=part, confidence=None, name=f"a{number}"))
    ghost = np.full_like(pixels, np.nan)
    ghost[50:53] = pixels[50:53] + (400, 300)
    given = [*parts, people[1], people[0].replace(pixels=ghost, confidence=None, name="ghost")]
    found = io.retrack(given, people=2)
    assert [s.name for s in found] == ["a2", "b"]  # named after the longest of its parts
    np.testing.assert_array_equal(found[0].pixels, pixels)
    np.testing.assert_array_equal(found[1].pixels, people[1].pixels)
    assert [s.name for s in io.retrack(given)] == ["a2", "b", "ghost"]


@pytest.mark.parametrize("seed", range(3))
def test_right_ids_are_left_alone(seed):
    given = [
        Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n)
        for p, n in zip(crossing(seed), "ab")
    ]
    for s, t in zip(io.retrack(given), given):
        np.testing.assert_array_equal(s.pixels, t.pixels)


def test_retrack_wants_tracks_of_one_video_and_somebody_to_keep():
    a, b = (PoseSequence(np.ones((n, 17, 3)), np.ones((n, 17)), 50) for n in (8, 9))
    with pytest.raises(InputError, match="retrack: sequences: expected one length"):
        io.retrack([a, b])
    for given in ([a], [a, a]):
        with pytest.raises(
            InputError, match="retrack: people: expected at least 1, or None for all, found 0"
        ):
            io.retrack(given, people=0)


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
    for before, track, right in zip(found, tracks, io.retrack(found)):
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
    io.agree("a.json", name, rate)
    with pytest.raises(InputError, match="fps: expected"):
        io.agree("a.json", name * 1.01, rate)


def test_more_tracks_than_fit_in_memory_are_read_once_people_says_how_many(tmp_path, monkeypatch):
    path = save(tmp_path / "a.json", alphapose(poses(17)))
    monkeypatch.setattr(io.tracking, "MAX_VALUES", 1.5 * FRAMES * 34)
    with pytest.raises(InputError, match="people=…"):
        io.read_tracks(path, people=2)
    check(io.read_tracks(path, people=1)[1], poses(17), (1,))


def test_retrack_works_in_metres_and_keeps_one_person_as_is():
    people = [
        PoseSequence(
            np.concatenate([p[:, :17] / 200, np.zeros((240, 17, 1))], -1), fps=30, name=name
        )
        for p, name in zip(crossing(0), "ab")
    ]
    swapped = [
        a.replace(joints=np.concatenate([a.joints[:50], b.joints[50:]]), confidence=None)
        for a, b in (people, people[::-1])
    ]
    found = io.retrack(swapped)
    # named after the id that it had for longest
    np.testing.assert_array_equal(found[0].joints, people[1].joints)
    np.testing.assert_array_equal(found[1].joints, people[0].joints)
    assert io.retrack(people[:1])[0] is people[0]


def test_up_is_told_by_the_person():
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.05, (20, 17, 3))
    joints[..., 1] += (
        0.9,
        0.9,
        0.5,
        0.1,
        0.9,
        0.5,
        0.1,
        1.1,
        1.4,
        1.5,
        1.7,
        1.4,
        1.1,
        0.9,
        1.4,
        1.1,
        0.9,
    )
    world = PoseSequence(joints)
    assert io.up_axis(world) == "y" and io.upright(world) is world
    for up, turned in (("-y", joints * (1, -1, -1)), ("z", joints[..., [0, 2, 1]] * (1, -1, 1))):
        sequence = PoseSequence(turned + (3, 4, 5))
        assert io.up_axis(sequence) == up
        back = io.upright(sequence).joints
        assert back[..., 1].min() == pytest.approx(0)
        np.testing.assert_allclose(back - back[:1, :1], joints - joints[:1, :1], atol=1e-12)
        np.testing.assert_allclose(
            io.facing_camera(sequence).joints,
            io.facing_camera(PoseSequence(sequence.joints @ io.axes.TURNS[up].T)).joints,
            atol=1e-12,
        )
        assert io.up_axis(io.facing_camera(sequence)) == "-y"


@pytest.mark.parametrize(
    "lost",
    [
        ["pelvis"],
        ["pelvis", "rhip", "lhip"],
        ["pelvis", "thorax", "neck", "rankle", "lankle"],
        ["rhip", "lhip", "rknee", "lknee", "rankle", "lankle"],
    ],
)
@pytest.mark.parametrize("up", ["y", "-y", "z"])
def test_up_is_told_without_the_pelvis_and_whatever_else_is_lost(up, lost):
    walk = datasets.load("synthetic", clips=1, seconds=2)[0]
    joints = walk.joints @ io.axes.TURNS[up] + (3, 4, 5)
    joints[:, [walk.skeleton.index(name) for name in lost]] = np.nan
    assert io.up_axis(walk.replace(joints=joints, confidence=None)) == up


def test_up_is_told_by_any_frame_that_tells_and_is_y_where_none_does():
    walk = io.facing_camera(datasets.load("synthetic", clips=1, seconds=2)[0])
    joints = np.full_like(walk.joints, np.nan)
    joints[:, 8:] = walk.joints[:, 8:]  # without hips and legs
    assert io.up_axis(walk.replace(joints=joints, confidence=None)) == "y"
    joints[7, 2] = walk.joints[7, 2]  # but for one knee, once
    assert io.up_axis(walk.replace(joints=joints, confidence=None)) == "-y"
