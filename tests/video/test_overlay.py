"""The overlay shows the right pose at the right time, hidden joints hollow."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb.errors import InputError
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.video.frames import iterate_frames
from stride_nb.video.overlay import get_keypoints, write_overlay
from tests.video.conftest import FPS, make_walk

EXTRA = 'pip install "stride-nb[video]"'


@pytest.fixture
def person() -> PoseSequence:
    walk = make_walk(20)
    keypoints = Keypoints2D([p.pixels for p in walk], fps=FPS, size=(160, 96))
    return PoseSequence([p.joints_cam for p in walk], fps=FPS, keypoints=keypoints)


def find_drawn(picture: np.ndarray) -> np.ndarray:
    """x and y of what is not the grey of the wall."""
    colourful = np.ptp(picture.astype(int), axis=-1) > 40
    return np.argwhere(colourful)[:, ::-1]


def test_both_views_follow_the_person_frame_by_frame(write_clip, tmp_path, person):
    pytest.importorskip("cv2", reason=f"OpenCV: {EXTRA}")
    seconds = np.arange(20) / FPS
    seconds[10:] += 0.5  # a pause in the recording
    clip = write_clip("clip.mp4", [np.full((96, 160, 3), 128, np.uint8)] * 20, seconds)
    clock = seconds * FPS
    times = np.arange(round(clock[-1]) + 1.0)
    nearest = np.round(np.interp(times, clock, np.arange(20))).astype(int)
    seen = person.sample_at(times, FPS, clock)  # during the pause nobody
    refined = PoseSequence(person.joints[nearest], fps=FPS)
    out = write_overlay(clip, tmp_path / "out.mp4", [seen], [refined])
    frames = list(iterate_frames(out))
    assert np.allclose([f.seconds for f in frames], seconds, atol=2e-3)
    assert frames[0].image.shape == (96, 320, 3)
    for number in (0, 9, 10, 19):
        expected = person.keypoints.pixels[number].mean(0)
        for panel in np.split(frames[number].image[12:], 2, axis=1):
            assert np.abs(find_drawn(panel).mean(0) + (0, 12) - expected).max() < 6


def test_hidden_joints_are_hollow(write_clip, tmp_path, person):
    pytest.importorskip("cv2", reason=f"OpenCV: {EXTRA}")
    # enlarged, so that a joint is more than its outline
    pixels = person.keypoints.pixels * 7.5
    confidence = np.ones((20, 17))
    confidence[:, 13] = 0.2
    keypoints = Keypoints2D(pixels, confidence, FPS, (1200, 720))
    clip = write_clip("clip.mp4", [np.full((720, 1200, 3), 128, np.uint8)] * 20)
    seen = person.replace(keypoints=keypoints)
    write_overlay(clip, tmp_path / "out.mp4", [seen], [person])
    picture = next(iterate_frames(tmp_path / "out.mp4")).image
    scale = picture.shape[0] / 720

    def is_filled(joint: int) -> bool:
        x, y = np.round(pixels[0, joint] * scale).astype(int)
        patch = picture[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).astype(int)
        return bool((np.ptp(patch, axis=1) > 60).mean() > 0.6)

    assert is_filled(16) and not is_filled(13)


def test_names_that_no_video_can_have_are_refused(tmp_path, person):
    with pytest.raises(InputError, match=r"overlay: expected a name ending in .mp4"):
        write_overlay("clip.mp4", tmp_path / "out.gif", [person], [person])


def test_poses_without_an_image_are_refused(person):
    with pytest.raises(InputError, match="keypoints: expected those of a video, found none"):
        get_keypoints(person.replace(keypoints=None))
