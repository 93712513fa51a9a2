"""MediaPipe Pose (BlazePose GHUM 3D), by its Tasks API in video mode.

It follows a person from frame to frame: frames go in in order, and a new clip needs a ``reset``.
``visibility`` is what it calls the chance that a landmark is in the frame and not occluded; it is
not calibrated.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from stride_nb.errors import InputError, require
from stride_nb.poses.skeleton import MEDIAPIPE33
from stride_nb.video.estimators.registry import DetectedPerson, register_estimator
from stride_nb.video.mediapipe_models import fetch_task_file, find_task_file

__all__ = ["MediaPipePose"]


class MediaPipePose:
    """MediaPipe's pose landmarker.

    Args:
        path: of the ``.task`` file.
        max_people: in a frame.
        name: what records call it; the file's name by default.

    Raises:
        InputError: MediaPipe is not installed, or does not take the file.
    """

    skeleton = MEDIAPIPE33

    def __init__(self, path: Path, max_people: int = 1, name: str = ""):
        self.name = name or path.stem
        self._path, self._max_people = path, max_people
        self._mediapipe = require("mediapipe", "video")
        self._vision = require("mediapipe.tasks.python.vision", "video")
        self._base = require("mediapipe.tasks.python", "video").BaseOptions
        self._landmarker: Any = None
        self.reset()

    def detect(self, image: UInt8[np.ndarray, "H W 3"], time_ms: float) -> list[DetectedPerson]:
        """People in an RGB frame; two frames of one millisecond are taken one apart."""
        self._last_ms = max(self._last_ms + 1, math.floor(time_ms + 0.5))
        self._first_ms = self._last_ms if self._first_ms is None else self._first_ms
        frame = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
        )
        if self._last_ms > self._first_ms:
            result = self._landmarker.detect_for_video(frame, self._last_ms)
        else:
            with _mute_stderr():
                result = self._landmarker.detect_for_video(frame, self._last_ms)
        size = np.array([image.shape[1], image.shape[0]], float)
        return [
            DetectedPerson(
                np.array([(mark.x, mark.y) for mark in marks]) * size,
                np.clip([mark.visibility or 0.0 for mark in marks], 0, 1),
                np.array([(mark.x, mark.y, mark.z) for mark in world]),
            )
            for marks, world in zip(result.pose_landmarks, result.pose_world_landmarks)
        ]

    def reset(self) -> None:
        """Begin another video."""
        self.close()
        self._last_ms, self._first_ms = -1, None
        options = self._vision.PoseLandmarkerOptions(
            base_options=self._base(model_asset_path=str(self._path)),
            running_mode=self._vision.RunningMode.VIDEO,
            num_poses=self._max_people,
        )
        try:
            with _mute_stderr():
                self._landmarker = self._vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            expected = "a .task file of the pose landmarker"
            raise InputError(self._path, "model", expected, reason) from None

    def close(self) -> None:
        """Free the networks; to be called before Python ends, since they run in threads."""
        if self._landmarker is not None:
            with _mute_stderr():
                self._landmarker.close()
            self._landmarker = None


@contextmanager
def _mute_stderr() -> Iterator[None]:
    """MediaPipe's libraries report their set-up on file descriptor 2, whatever they are asked."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _make_shipped(variant: str, max_people: int) -> MediaPipePose:
    require("mediapipe", "video")  # before any download
    return MediaPipePose(fetch_task_file(variant), max_people, f"mediapipe_{variant}")


@register_estimator("mediapipe")
def make_mediapipe(max_people: int) -> MediaPipePose:
    """*heavy* where its model has been fetched, else *full*."""
    return _make_shipped("heavy" if find_task_file("heavy").is_file() else "full", max_people)


@register_estimator("mediapipe_lite")
def make_mediapipe_lite(max_people: int) -> MediaPipePose:
    """The smallest."""
    return _make_shipped("lite", max_people)


@register_estimator("mediapipe_full")
def make_mediapipe_full(max_people: int) -> MediaPipePose:
    """The middle one, 0.06 s a frame on a busy core."""
    return _make_shipped("full", max_people)


@register_estimator("mediapipe_heavy")
def make_mediapipe_heavy(max_people: int) -> MediaPipePose:
    """The largest, 0.19 s a frame; far fewer facing errors."""
    return _make_shipped("heavy", max_people)
