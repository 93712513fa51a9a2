"""What was found stays on disk through an interruption, to the last whole part."""

from __future__ import annotations

import numpy as np

from stride_nb.video.detection_log import DetectionLog
from stride_nb.video.estimators import DetectedPerson


def make_person(rng, joints_cam=True) -> DetectedPerson:
    space = rng.normal(size=(17, 3)) if joints_cam else None
    return DetectedPerson(rng.uniform(0, 1000, (17, 2)), rng.uniform(0.1, 1, 17), space)


def fill(log: DetectionLog, seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(frames):
        people = [make_person(rng) for _ in range(rng.integers(0, 3))]
        log.add(len(log) / 30, people)


def test_what_was_saved_is_read_back_and_goes_on(tmp_path):
    path = tmp_path / "log"
    first = DetectionLog(17, path, "key")
    fill(first, 0, 20)
    first.save()
    second = DetectionLog(17, path, "key")
    for field in ("seconds", "numbers", "pixels", "confidence", "joints_cam"):
        assert np.array_equal(getattr(first, field), getattr(second, field)), field
    fill(first, 1, 5)
    fill(second, 1, 5)
    second.save()
    third = DetectionLog(17, path, "key")
    assert len(third) == 25 and np.array_equal(third.pixels, first.pixels)


def test_a_part_that_was_cut_short_is_dropped(tmp_path):
    path = tmp_path / "log"
    log = DetectionLog(17, path, "key")
    fill(log, 0, 10)
    log.save()
    whole = path.stat().st_size
    fill(log, 1, 10)
    log.save()
    content = path.read_bytes()
    for size in (whole, whole + 40, whole + 300, len(content) - 1):
        path.write_bytes(content[:size])
        again = DetectionLog(17, path, "key")
        assert len(again) == 10 and path.stat().st_size == whole
        fill(again, 1, 10)
        again.save()
        assert path.read_bytes() == content


def test_another_video_or_no_log_at_all_begins_anew(tmp_path):
    path = tmp_path / "log"
    log = DetectionLog(17, path, "one video")
    fill(log, 0, 3)
    log.save()
    assert len(DetectionLog(17, path, "another video")) == 0
    path.write_bytes(b"something else")
    assert len(DetectionLog(17, path, "one video")) == 0
    np.save(path.open("wb"), np.array([{"a": 1}], object))  # a pickle: not opened
    assert len(DetectionLog(17, path, "one video")) == 0


def test_a_person_without_a_joint_is_nobody():
    log = DetectionLog(17)
    nowhere = DetectedPerson(np.full((17, 2), np.nan), np.ones(17))
    unsure = DetectedPerson(np.zeros((17, 2)), np.zeros(17))
    log.add(0.0, [nowhere, unsure])
    assert len(log) == 1 and len(log.numbers) == 0


def test_a_2d_estimators_people_have_no_place_in_space():
    log = DetectionLog(17)
    log.add(0.0, [make_person(np.random.default_rng(0), joints_cam=False)])
    assert np.isnan(log.joints_cam).all() and np.isfinite(log.pixels).all()
