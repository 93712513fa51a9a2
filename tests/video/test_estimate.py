"""A video becomes one sequence a person: who is who from the image, 3D and keypoints of the same
frames, at a constant rate, however often the run was interrupted."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb.errors import InputError
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.video import detection_log
from stride_nb.video.estimate import WARM_UP_SECONDS, estimate_poses
from stride_nb.video.estimators import DetectedPerson
from tests.video.conftest import FPS, SIZE, ScriptedEstimator, make_frames, make_walk


def test_one_person_keeps_image_and_space_of_every_frame(play):
    walk = make_walk(50)
    script = [[person] if number not in (20, 21) else [] for number, person in enumerate(walk)]
    found = estimate_poses(play(make_frames(50)), ScriptedEstimator(script))
    (body,) = found
    assert isinstance(body, PoseSequence) and found.format == "scripted"
    assert (len(body), body.fps, body.start, body.name) == (50, FPS, 0, "clip")
    assert body.keypoints.size == SIZE and body.keypoints.fps == FPS
    assert body.missing[20:22].all() and body.missing.sum() == 2 * 17
    for number in (0, 19, 22, 49):
        assert np.allclose(body.joints[number], walk[number].joints_cam, atol=1e-6)
        assert np.allclose(body.keypoints.pixels[number], walk[number].pixels, atol=1e-4)
    assert any("no path" in note for note in found.notes)


def test_people_are_told_apart_in_the_image_not_about_their_hips(play):
    left, right = make_walk(40, -0.8), make_walk(40, 0.8)
    script = [[a, b] if n % 2 else [b, a] for n, (a, b) in enumerate(zip(left, right))]
    found = estimate_poses(play(make_frames(40)), ScriptedEstimator(script), people=2)
    assert len(found) == 2 and {s.name for s in found} == {"person 1", "person 2"}
    centres = [s.keypoints.pixels[..., 0].mean(1) for s in found]
    right_first = int(centres[0][0] > centres[1][0])
    assert (centres[right_first] < centres[1 - right_first]).all()
    for body, walk in zip(found, (right, left) if right_first else (left, right)):
        assert np.allclose(body.keypoints.pixels, [p.pixels for p in walk], atol=1e-4)
        assert np.allclose(body.joints, [p.joints_cam for p in walk], atol=1e-6)


def test_the_one_seen_most_is_kept_and_that_is_said(play):
    near, passer_by = make_walk(60, -0.7), make_walk(60, 0.9)
    script = [[a] + [b] * (20 <= n < 40) for n, (a, b) in enumerate(zip(near, passer_by))]
    found = estimate_poses(play(make_frames(60)), ScriptedEstimator(script))
    assert len(found) == 1 and found[0].name == "clip" and not found[0].missing.any()
    assert "2 people were seen, the one in most frames kept (people=…)" in found.notes


def test_a_2d_estimator_gives_keypoints(play):
    script = [[DetectedPerson(p.pixels, p.confidence)] for p in make_walk(30)]
    (seen,) = estimate_poses(play(make_frames(30)), ScriptedEstimator(script))
    assert isinstance(seen, Keypoints2D) and len(seen) == 30 and seen.size == SIZE


def test_nobody_is_one_line(play):
    path = play(make_frames(12))
    expected = "clip.mp4: people: expected somebody in one of 12 frames, found nobody"
    with pytest.raises(InputError, match=expected):
        estimate_poses(path, ScriptedEstimator([[]] * 12))


def test_a_variable_rate_becomes_constant_and_the_motion_stays(play):
    times = np.delete(np.arange(100), [30, 31, 60, 61, 62]) / FPS
    walk = make_walk(100)
    script = [[walk[round(t * FPS)]] for t in times]
    estimator = ScriptedEstimator(script)
    found = estimate_poses(play(make_frames(95, times)), estimator)
    (body,) = found
    assert np.allclose(estimator.times, times * 1000)  # each frame at its own time
    assert body.fps == FPS and len(body) == 100 == len(body.keypoints)
    truth = np.array([p.joints_cam for p in walk])
    assert np.nanmax(np.abs(body.joints - truth)) < 0.02
    shifted = np.nanmean(np.abs(body.joints[40:60] - truth[38:58]))
    assert np.nanmean(np.abs(body.joints[40:60] - truth[40:60])) < shifted / 5
    assert any("variable frame rate: poses are resampled to 25 frames" in n for n in found.notes)


def test_an_interrupted_run_goes_on_where_it_was(play, tmp_path, monkeypatch):
    monkeypatch.setattr(detection_log, "_SAVE_SECONDS", 0.0)
    walk, partial = make_walk(150), tmp_path / ".out.estimates"
    path = play(make_frames(150))
    (whole,) = estimate_poses(path, ScriptedEstimator([[p] for p in walk]))
    stopped = ScriptedEstimator([[p] for p in walk], stop_at=90)
    with pytest.raises(KeyboardInterrupt):
        estimate_poses(path, stopped, partial=partial)
    later = ScriptedEstimator([[p] for p in walk])
    (resumed,) = estimate_poses(path, later, partial=partial)
    warm_up = int(WARM_UP_SECONDS * FPS)
    assert later.resets == 1 and later.seen == list(range(89 - warm_up, 150))
    assert np.array_equal(resumed.joints, whole.joints)
    assert np.array_equal(resumed.keypoints.pixels, whole.keypoints.pixels)


def test_estimates_of_another_file_are_not_taken(play, tmp_path):
    walk, partial = make_walk(30), tmp_path / ".out.estimates"
    path = play(make_frames(30))
    estimate_poses(path, ScriptedEstimator([[p] for p in walk]), partial=partial)
    path.write_bytes(b"another clip under the same name")
    estimator = ScriptedEstimator([[p] for p in walk])
    estimate_poses(path, estimator, partial=partial)
    assert estimator.seen == list(range(30))


def test_a_file_cut_short_is_said(play, monkeypatch):
    from stride_nb.video import estimate
    from stride_nb.video.frames import VideoDescription

    path = play(make_frames(30))
    monkeypatch.setattr(estimate, "probe_video", lambda path: VideoDescription(SIZE, FPS, 100))
    found = estimate_poses(path, ScriptedEstimator([[p] for p in make_walk(30)]))
    assert "cut short or damaged: 30 of 100 frames could be decoded" in found.notes


def test_times_of_no_video_are_refused(play):
    times = np.r_[np.arange(29) / FPS, 1e6]
    path = play(make_frames(30, times))
    with pytest.raises(InputError, match="times: expected presentation times of one video"):
        estimate_poses(path, ScriptedEstimator([[p] for p in make_walk(30)]))
