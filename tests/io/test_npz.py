"""Plain arrays in."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb import InputError, io
from tests.bodies import walk
from tests.foreign import (
    FRAMES,
    check,
    poses,
)


def test_plain_arrays_in_millimetres_and_with_confidence(tmp_path):
    people = np.stack([walk(FRAMES, seed=seed) + (2 * seed, 0, 0) for seed in (0, 1)])
    people[0, 7:12] = np.nan
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
