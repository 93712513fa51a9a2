"""OpenPose's folders in."""

from __future__ import annotations

import pytest

from stride_nb import io
from tests.foreign import (
    check,
    openpose_frames,
    order_of,
    poses,
    save,
)


@pytest.mark.parametrize("ids", [True, False])
def test_openpose_folder(tmp_path, ids):
    people = poses(25)
    for name, frame in openpose_frames(people, ids=ids).items():
        save(tmp_path / f"video_{int(name[:-4]):012d}_keypoints.json", frame)
    found = io.read(tmp_path)
    assert found.format == "openpose" and found[0].skeleton.name == "body25"
    check(found, people, order_of(found))


def test_openpose_in_3d(tmp_path):
    people = poses(25, 3)
    for name, frame in openpose_frames(people, numbers="pose_keypoints_3d").items():
        for person in frame["people"]:
            person["pose_keypoints_2d"] = []
        save(tmp_path / f"v_{int(name[:-4]):012d}_keypoints.json", frame)
    found = io.read(tmp_path, fps=30)
    assert found[0].skeleton.name == "body25"
    check(found, people, order_of(found))
