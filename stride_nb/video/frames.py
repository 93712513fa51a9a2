"""Frames of a video file by PyAV: upright, in RGB, each with its own presentation time."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from stride_nb.errors import InputError, require

__all__ = [
    "VideoDescription",
    "VideoFrame",
    "describe_clock",
    "iterate_frames",
    "looks_like_video",
    "pick_frames",
    "probe_video",
]

_VIDEO_SUFFIXES = {".mkv", ".webm", ".mov", ".m4v", ".mts", ".m2ts", ".ts", ".wmv", ".flv", ".ogv"}
"""What Python's table of types does not know everywhere."""
_STILL_FORMATS = ("image2", "_pipe")
_REGULAR = 0.5
"""Frames: times that lie nearer to those of a constant rate are taken to have it."""


@dataclass(frozen=True)
class VideoFrame:
    """One frame."""

    number: int
    """From 0."""
    seconds: float
    """Presentation time, from the first frame on."""
    image: UInt8[np.ndarray, "H W 3"]
    """RGB, upright."""


@dataclass(frozen=True)
class VideoDescription:
    """What a file says of its video, before it is decoded."""

    size: tuple[int, int]
    """Width and height, px, upright."""
    fps: float
    """Mean frame rate."""
    frames: int
    """How many there should be; 0 where the file does not say."""


def looks_like_video(path: str | PathLike) -> bool:
    """Whether a file's name is that of a video, a sound or a picture, rather than of poses.

    >>> [looks_like_video(name) for name in ("clip.MP4", "walk.json", "photo.jpg")]
    [True, False, True]
    """
    kind = mimetypes.guess_type(Path(path).name)[0] or ""
    is_medium = kind.startswith(("video/", "audio/", "image/"))
    return is_medium or Path(path).suffix.lower() in _VIDEO_SUFFIXES


def probe_video(path: str | PathLike) -> VideoDescription:
    """Size, frame rate and number of frames.

    Raises:
        InputError: PyAV is not installed; no file, no video in it (sound only), a still image, or
            not a frame that can be decoded.
    """
    first = next(iterate_frames(path), None)
    with _open_container(path) as container:
        stream = _get_stream(path, container)
        if first is None:
            raise InputError(path, "video", "frames that can be decoded", "none")
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
        frames = int(stream.frames or round(seconds * rate))
        name = container.format.name
        if frames <= 1 and any(still in name for still in _STILL_FORMATS):
            raise InputError(path, "video", "two frames or more", f"a still image ({name})")
    height, width = first.image.shape[:2]
    return VideoDescription((width, height), rate or 30.0, frames)


def iterate_frames(path: str | PathLike, first: int = 0) -> Iterator[VideoFrame]:
    """The frames of a video from number ``first`` on, in order of presentation.

    Rotation flags are honoured, any depth of colour becomes 8 bits. A file that is cut short or
    damaged ends with its last frame that can be decoded.

    Raises:
        InputError: as of `probe_video`, but for a still image, which is one frame.
    """
    with _open_container(path) as container:
        stream = _get_stream(path, container)
        stream.thread_type = "AUTO"
        period = 1 / float(stream.average_rate or 30)
        start, seconds = None, -period
        for number, frame in enumerate(_decode(container, stream)):
            shown = seconds + period if frame.time is None else frame.time - (start or 0.0)
            if start is None:
                start, shown = (frame.time or 0.0), 0.0
            seconds = shown if shown > seconds else seconds + period
            if number >= first:
                yield VideoFrame(number, float(seconds), _convert_upright(frame))


def pick_frames(
    path: str | PathLike, numbers: Iterable[int]
) -> dict[int, UInt8[np.ndarray, "H W 3"]]:
    """Some frames of a video by number, as far as it has them.

    Raises:
        InputError: as of `iterate_frames`.
    """
    wanted = {int(number) for number in numbers}
    found = {}
    for frame in iterate_frames(path, min(wanted, default=0)):
        if frame.number in wanted:
            found[frame.number] = frame.image
        if len(found) == len(wanted):
            break
    return found


def describe_clock(
    seconds: Float[np.ndarray, " T"], fps: float
) -> tuple[float, Float[np.ndarray, " T"] | None]:
    """The constant rate that frames have, or are to be resampled to.

    Args:
        seconds: presentation times, growing.
        fps: the rate that the file claims; kept where no frame is half a period off its place.

    Returns:
        Frames per second; and, of a variable rate, where each frame lies in frames of that rate
        (None: of a constant one). The rate is then that of the usual distance between frames.
    """
    if len(seconds) < 2:
        return fps, None
    elapsed, places = seconds - seconds[0], np.arange(len(seconds))
    for rate in (fps, places[-1] / elapsed[-1]):
        if np.abs(elapsed * rate - places).max() < _REGULAR:
            return float(rate), None
    usual = round(1 / float(np.median(np.diff(seconds))), 3)
    return usual, elapsed * usual


def _open_container(path: str | PathLike) -> Any:
    av = require("av", "video")
    if not Path(path).is_file():
        raise InputError(path, "file", "a video", "nothing there")
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(path, "file", "a video that can be read", reason) from None


def _get_stream(path: str | PathLike, container: Any) -> Any:
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise InputError(path, "video", "a video stream", f"{kinds} only")
    return container.streams.video[0]


def _decode(container: Any, stream: Any) -> Iterator[Any]:
    error = require("av", "video").error.FFmpegError
    try:
        yield from container.decode(stream)
    except (error, OSError):
        return


def _convert_upright(frame: Any) -> UInt8[np.ndarray, "H W 3"]:
    quarter_turns = round(frame.rotation / 90) % 4
    image = np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns)
    return np.ascontiguousarray(image)  # PyAV's rows may be padded, which MediaPipe overlooks
