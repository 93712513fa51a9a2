"""AlphaPose's results file in and out."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb import InputError, Keypoints2D, PoseSequence, io
from tests.foreign import (
    alphapose,
    check,
    openpose_frames,
    order_of,
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


def test_alphapose_with_136_joints_keeps_face_and_hands(tmp_path):
    people = poses(136)
    found = io.read(save(tmp_path / "a.json", alphapose(people)))
    assert found[0].skeleton.name == "halpe136"
    check(found, people)
    assert any("frames per second" in n for n in found.notes) and any(
        "image size" in n for n in found.notes
    )


@pytest.mark.parametrize("form", [("people", "pose_keypoints_2d"), ("bodies", "joints")])
def test_alphapose_open_and_cmu_forms_have_no_ids(tmp_path, form):
    people = poses(18)
    found = io.read(save(tmp_path / "a.json", openpose_frames(people, *form)))
    assert found.format == "alphapose" and found[0].skeleton.name == "coco18"
    check(found, people, order_of(found))
    assert any("identified by their positions" in note for note in found.notes)


def test_coco_results_are_a_list_by_image_number(tmp_path):
    people = poses(17)
    entries = [
        e | {"image_id": int(e["image_id"][6:-4]), "track_id": e.pop("idx")[0][0]}
        for e in alphapose(people)
    ]
    check(io.read(save(tmp_path / "a.json", entries)), people)


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
        InputError, match=r"skeleton: expected coco17 or halpe26 or wholebody133.*found h36m17"
    ):
        io.write(tmp_path / "a.json", Keypoints2D(np.ones((2, 17, 2))))
    assert not (tmp_path / "a.json").exists()
