"""COCO's and PoseTrack's annotations in."""

from __future__ import annotations

import numpy as np

from stride_nb import io
from tests.foreign import (
    check,
    coco,
    poses,
    save,
)


def test_coco_annotations_say_the_size_and_what_was_hidden(tmp_path):
    people, content = poses(17), coco(poses(17))
    content["annotations"][0]["keypoints"][2::3] = [1] * 17
    found = io.read(save(tmp_path / "a.json", content), fps=30)
    check(found, people)
    assert found.format == "coco" and found[0].size == (1000, 900) and found.notes == ()
    assert set(np.unique(found[0].confidence)) | set(np.unique(found[1].confidence)) == {0, 0.5, 1}


def test_a_flag_that_is_null_changes_none_of_the_others(tmp_path):
    content = coco(poses(17))
    content["annotations"][0]["keypoints"][2::3] = [None] + [1] * 16
    found = io.read(save(tmp_path / "a.json", content), fps=30)
    assert set(np.unique(found[0].confidence)) | set(np.unique(found[1].confidence)) == {0, 0.5, 1}


def test_posetrack_frames_are_told_by_number(tmp_path):
    content = coco(people := poses(17))
    for t, image in enumerate(content["images"]):
        image["frame_id"], image["file_name"] = t, "image.jpg"
    check(io.read(save(tmp_path / "a.json", content), fps=30), people)
