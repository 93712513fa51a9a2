"""MMPose's predictions in."""

from __future__ import annotations

import numpy as np

from stride_nb import io
from tests.foreign import (
    FRAMES,
    check,
    mmpose,
    order_of,
    poses,
    save,
)


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
        "identified by their positions" in n for n in found.notes
    )
    check(found, people, (1, 0))
