"""The data set of rendered people: what is written is read."""

from dataclasses import replace

import numpy as np
import pytest

from stride_nb import InputError
from stride_nb.datasets import rendered
from stride_nb.datasets.rendered import Footage, Take, load_takes, read_takes, write_takes
from stride_nb.poses.geometry import look_at


def make_footage(seed, frames=30):
    rng = np.random.default_rng(seed)
    joints = rng.normal(scale=0.3, size=(frames, 17, 3)) + (0, 0, 4)
    R, t = look_at((0, 1.5, 4), (0, 1, 0))
    body = {"stature": 1.7, "weight": 0.5}
    still = np.broadcast_to(R, (frames, 3, 3)), np.broadcast_to(t, (frames, 3))
    occluded = rng.random((frames, 17)) < 0.1
    return Footage(
        f"clip{seed}", "cmu_06", 25.0, (640, 720), 900.0, (320.0, 360.0), False, body, [1, seed],
        joints, occluded, *still,
    )  # fmt: skip


def make_takes(seed):
    rng, footage = np.random.default_rng(seed), make_footage(seed, 20 + seed)
    takes = []
    for occluder, crop in (("none", (0, 0, 640, 720)), ("edge", (40, 0, 640, 400))):
        hidden = rng.random((20 + seed, 17)) < 0.3
        for estimator in ("mediapipe_full", "mediapipe_heavy"):
            joints = rng.normal(scale=0.4, size=(20 + seed, 17, 3))
            pixels = rng.uniform(-50, 700, (20 + seed, 17, 2))
            confidence = rng.uniform(0.01, 1, (20 + seed, 17))
            joints[3:6], pixels[3:6], confidence[3:6] = np.nan, np.nan, 0
            takes.append(
                Take(footage, occluder, crop, hidden, estimator, joints, pixels, confidence)
            )
    return takes


def test_what_is_written_is_read(tmp_path):
    takes = make_takes(0) + make_takes(7)
    write_takes(tmp_path / "a.npz", takes)
    for take, back in zip(takes, read_takes(tmp_path / "a.npz"), strict=True):
        assert (take.name, take.crop, take.footage.body) == (
            back.name,
            back.crop,
            back.footage.body,
        )
        assert np.array_equal(take.hidden, back.hidden)
        assert np.array_equal(take.found, back.found)
        assert np.array_equal(take.footage.self_occluded, back.footage.self_occluded)
        np.testing.assert_allclose(back.joints, take.joints, atol=2.6e-4)
        np.testing.assert_allclose(back.pixels, take.pixels, atol=1 / 32)
        np.testing.assert_allclose(back.confidence, take.confidence, atol=1 / 510)
        np.testing.assert_allclose(back.footage.joints_cam, take.footage.joints_cam, atol=5.1e-5)
        np.testing.assert_allclose(back.footage.rotation, take.footage.rotation, atol=1e-6)


def test_footage_is_shared_again(tmp_path):
    write_takes(tmp_path / "a.npz", make_takes(0) + make_takes(7))
    takes = read_takes(tmp_path / "a.npz")
    assert len({id(take.footage) for take in takes}) == 2
    assert (tmp_path / "a.npz").stat().st_size < 60_000


def test_an_estimate_comes_with_its_keypoints():
    take = make_takes(0)[2]
    pose = take.estimate
    assert pose.keypoints.size == (600, 400)
    assert pose.missing[3:6].all() and pose.keypoints.missing[3:6].all()
    camera = take.make_camera()
    assert camera.size == (600, 400)
    assert camera.center.tolist() == [280, 360]


def test_the_world_is_the_cameras_seen_from_outside(tmp_path, monkeypatch):
    monkeypatch.setattr(rendered, "ESTIMATES", tmp_path)
    takes = make_takes(0)
    write_takes(tmp_path / "rendered_test.npz", takes)
    (world,) = rendered.load("test", fps=25)
    footage = takes[0].footage
    back = np.stack([footage.make_camera(t).to_camera(x) for t, x in enumerate(world.joints)])
    np.testing.assert_allclose(back, footage.joints_cam, atol=1e-4)


def test_takes_are_picked(tmp_path, monkeypatch):
    monkeypatch.setattr(rendered, "ESTIMATES", tmp_path)
    write_takes(tmp_path / "rendered_val.npz", make_takes(0))
    assert {t.occluder for t in load_takes("val", occluders=["edge"])} == {"edge"}
    assert {t.estimator for t in load_takes("val", "mediapipe_heavy")} == {"mediapipe_heavy"}
    assert len(load_takes("val", None)) == 4
    with pytest.raises(InputError, match="rendered_test: estimates: expected a checkout's"):
        load_takes("test")


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "b.npz", joints=np.zeros((3, 17, 3)))
    with pytest.raises(InputError, match="expected an npz of `stride-nb render`"):
        read_takes(tmp_path / "b.npz")


def test_what_is_far_away_is_cut_off_not_wrapped(tmp_path):
    take = make_takes(0)[0]
    pixels = take.pixels.copy()
    pixels[0, 0] = 1e5, -1e5
    write_takes(tmp_path / "a.npz", [replace(take, pixels=pixels)])
    assert np.sign(read_takes(tmp_path / "a.npz")[0].pixels[0, 0]).tolist() == [1, -1]
