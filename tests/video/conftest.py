"""Clips made on the spot, and an estimator that sees what it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stride_nb.datasets import synthetic
from stride_nb.poses.skeleton import H36M17, Skeleton
from stride_nb.video.estimators import DetectedPerson
from stride_nb.video.frames import VideoDescription, VideoFrame

FPS, SIZE = 25.0, (160, 96)


def make_walk(frames: int, shift: float = 0.0) -> list[DetectedPerson]:
    """A person a frame, walking in front of a camera; ``shift`` metres to the right."""
    (clip,) = synthetic.load("test", clips=1, seconds=frames / FPS + 0.1, seed=0, fps=FPS)
    joints = clip.joints[:frames] * (1, -1, -1)
    joints = joints - joints[:1, :1]
    placed = joints + (shift, 0, 4.0)
    pixels = placed[..., :2] / placed[..., 2:] * 100 + np.array(SIZE) / 2
    relative = joints - joints[:, :1]
    return [DetectedPerson(p, np.full(17, 0.9), j) for p, j in zip(pixels, relative)]


@dataclass
class ScriptedEstimator:
    """Sees ``script[number]`` in frame ``number``, whose number is its brightness at the corner."""

    script: list[list[DetectedPerson]]
    name: str = "scripted"
    skeleton: Skeleton = H36M17
    stop_at: int | None = None
    """Frame at which Ctrl-C is pressed."""
    seen: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    resets: int = 0

    def detect(self, image, time_ms):
        number = len(self.seen) if image.ndim < 3 else int(image[0, 0, 0])
        if number == self.stop_at:
            raise KeyboardInterrupt
        self.seen.append(number)
        self.times.append(time_ms)
        return self.script[number]

    def reset(self):
        self.resets += 1

    def close(self):
        pass


def make_frames(count: int, seconds=None) -> list[VideoFrame]:
    seconds = np.arange(count) / FPS if seconds is None else seconds
    images = (np.full((SIZE[1], SIZE[0], 3), number, np.uint8) for number in range(count))
    return [VideoFrame(n, float(s), image) for n, (s, image) in enumerate(zip(seconds, images))]


@pytest.fixture
def play(monkeypatch, tmp_path):
    """``play(frames)``: the path of a file that the package takes for a video of these frames."""
    from stride_nb.video import estimate

    def put_in_place(frames: list[VideoFrame]) -> Path:
        described = VideoDescription(SIZE, FPS, len(frames))
        monkeypatch.setattr(estimate, "probe_video", lambda path: described)
        monkeypatch.setattr(estimate, "iterate_frames", lambda path, first=0: iter(frames[first:]))
        path = tmp_path / "clip.mp4"
        path.write_bytes(b"frames")
        return path

    return put_in_place


@pytest.fixture
def write_clip(tmp_path):
    """``write_clip(name, images, ...)``: a video file; skipped where PyAV is not installed."""
    av = pytest.importorskip("av", reason='PyAV: pip install "stride-nb[video]"')

    def write(name, images, seconds=None, codec="libx264", rotation=0, **options) -> Path:
        path, ticks = tmp_path / name, 1000
        seconds = np.arange(len(images)) / FPS if seconds is None else seconds
        with av.open(str(path), "w", options=options.pop("container", {})) as container:
            stream = container.add_stream(codec, rate=int(FPS), options={"crf": "8"})
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = options.pop("pix_fmt", "yuv420p")
            stream.codec_context.time_base = Fraction(1, ticks)
            if rotation:
                stream.set_display_rotation(rotation)
            for image, time in zip(images, seconds):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = round(time * ticks), Fraction(1, ticks)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
