"""Frames come upright, at their own times; what is no video is refused in one line."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stride_nb.errors import InputError
from stride_nb.video.frames import (
    describe_clock,
    iterate_frames,
    looks_like_video,
    pick_frames,
    probe_video,
)
from tests.video.conftest import FPS, SIZE


def make_images(count: int, width: int = SIZE[0], height: int = SIZE[1]) -> list[np.ndarray]:
    """Grey levels that grow from frame to frame; the left half is red."""
    images = []
    for number in range(count):
        image = np.full((height, width, 3), 40 + 4 * number, np.uint8)
        image[:, : width // 2] = (200, 0, 0)
        images.append(image)
    return images


def is_red(pixel) -> bool:
    return bool(pixel[0] > 150 and pixel[1] < 60)


def test_frames_come_in_order_with_their_numbers_and_times(write_clip):
    path = write_clip("clip.mp4", make_images(30))
    frames = list(iterate_frames(path))
    assert [f.number for f in frames] == list(range(30))
    assert np.allclose([f.seconds for f in frames], np.arange(30) / FPS, atol=1e-3)
    levels = [int(f.image[48, 120, 0]) for f in frames]
    assert np.allclose(levels, 40 + 4 * np.arange(30), atol=3)
    described = probe_video(path)
    assert described.size == SIZE and described.fps == FPS and described.frames == 30
    assert [f.number for f in iterate_frames(path, first=27)] == [27, 28, 29]


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_rotation_flag_is_honoured_as_opencv_does(write_clip, rotation):
    cv2 = pytest.importorskip("cv2", reason='OpenCV: pip install "stride-nb[video]"')
    path = write_clip("turned.mp4", make_images(5), rotation=rotation)
    ours = next(iterate_frames(path)).image
    capture = cv2.VideoCapture(str(path))
    theirs = capture.read()[1][..., ::-1]
    assert ours.shape == theirs.shape == ((96, 160, 3) if rotation == 180 else (160, 96, 3))
    assert np.abs(ours.astype(int) - theirs).mean() < 6
    assert np.abs(ours.astype(int) - theirs[::-1, ::-1]).mean() > 30
    assert probe_video(path).size == ours.shape[1::-1]


def test_ten_bits_and_portrait(write_clip):
    path = write_clip("deep.mp4", make_images(4, 96, 160), codec="libx265", pix_fmt="yuv420p10le")
    frames = list(iterate_frames(path))
    assert len(frames) == 4 and frames[0].image.dtype == np.uint8
    assert frames[0].image.shape == (160, 96, 3)
    assert is_red(frames[0].image[80, 20]) and not is_red(frames[0].image[80, 70])


def test_rows_follow_each_other_without_padding(write_clip):
    (frame, *_) = iterate_frames(write_clip("narrow.mp4", make_images(3, 150, 90)))
    assert frame.image.shape == (90, 150, 3) and frame.image.flags.c_contiguous


def test_a_variable_rate_keeps_every_frames_time(write_clip):
    seconds = np.array([0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.4, 0.44])
    path = write_clip("phone.mp4", make_images(8), seconds)
    assert np.allclose([f.seconds for f in iterate_frames(path)], seconds, atol=2e-3)


def test_sound_only_is_refused(tmp_path):
    av = pytest.importorskip("av", reason='PyAV: pip install "stride-nb[video]"')
    path = tmp_path / "voice.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        for _ in range(4):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match=r"voice.mp4: video: expected a video stream, found audio"):
        probe_video(path)


def test_a_still_image_is_refused(tmp_path):
    pytest.importorskip("av", reason='PyAV: pip install "stride-nb[video]"')
    cv2 = pytest.importorskip("cv2", reason='OpenCV: pip install "stride-nb[video]"')
    for name in ("photo.png", "photo.jpg"):
        cv2.imwrite(str(tmp_path / name), make_images(1)[0])
        with pytest.raises(InputError, match="expected two frames or more, found a still image"):
            probe_video(tmp_path / name)


def test_a_file_cut_short_gives_what_is_left(write_clip, tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (96, 160, 3), np.uint8) for _ in range(60)]
    path = write_clip("whole.mp4", images, container={"movflags": "faststart"})
    content = path.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) // 2])
    count = len(list(iterate_frames(cut)))
    assert 10 < count < 50
    assert probe_video(cut).frames == 60


def test_what_cannot_be_opened_is_one_line(write_clip, tmp_path):
    path = write_clip("whole.mp4", make_images(30))
    (tmp_path / "cut.mp4").write_bytes(path.read_bytes()[:2000])  # its index stood at the end
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("cut.mp4", "text.mp4"):
        with pytest.raises(InputError, match=f"{name}: file: expected a video that can be read"):
            probe_video(tmp_path / name)
    with pytest.raises(InputError, match="expected a video, found nothing there"):
        probe_video(tmp_path / "absent.mp4")


def test_without_pyav_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'pip install "stride-nb\[video\]"'):
        probe_video(tmp_path / "clip.mp4")


def test_poses_are_not_taken_for_videos():
    for name in ("a.mp4", "a.MOV", "a.mkv", "a.webm", "a.avi", "a.wav", "a.png"):
        assert looks_like_video(name), name
    for name in ("a.json", "a.npz", "a.csv", "a.bvh", "folder", "a.pkl", "a.npy"):
        assert not looks_like_video(name), name


@given(st.floats(5, 240), st.integers(2, 400), st.floats(0, 0.4), st.integers(0, 99))
def test_a_constant_rate_is_known_through_jitter(fps, count, jitter, seed):
    wobble = np.random.default_rng(seed).uniform(-jitter, jitter, count)
    wobble[[0, -1]] = 0
    seconds = 3 + (np.arange(count) + wobble) / fps
    assert describe_clock(seconds, fps) == (fps, None)


def test_the_rate_that_a_file_claims_gives_way_to_its_times():
    seconds = np.arange(1000) / 29.97
    fps, clock = describe_clock(seconds, 30.0)
    assert fps == pytest.approx(29.97) and clock is None


def test_lost_frames_leave_gaps_on_the_clock():
    kept = np.delete(np.arange(100), [10, 11, 40, 41, 42, 70])
    fps, clock = describe_clock(kept / 30, 28.2)
    assert fps == pytest.approx(30, abs=1e-3)
    assert np.allclose(clock, kept, atol=0.01)


def test_some_frames_are_picked_by_number(write_clip):
    path = write_clip("clip.mp4", make_images(30))
    every = {frame.number: frame.image for frame in iterate_frames(path)}
    picked = pick_frames(path, [20, 3, 99])
    assert sorted(picked) == [3, 20]
    for number, image in picked.items():
        np.testing.assert_array_equal(image, every[number])
