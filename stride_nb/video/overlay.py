"""The overlay: a video with what the estimator saw on the left, the refined poses on the right."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from stride_nb.errors import InputError, atomic_path, require
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import Skeleton
from stride_nb.poses.streaming import StreamedSequence
from stride_nb.video.frames import iterate_frames, probe_video
from stride_nb.video.placement import place_on_image

__all__ = ["check_overlay_path", "get_keypoints", "write_overlay"]

SUFFIXES = (".mp4", ".mkv", ".mov")
_PANEL_HEIGHT = 720  # px, at most
_LEFT_COLOUR, _RIGHT_COLOUR, _MIDDLE_COLOUR = (27, 127, 184), (217, 95, 2), (240, 240, 240)
"""RGB of the person's left and right side and of what lies between."""
_OUTLINE = (0, 0, 0)
_CLOCK = 90_000  # ticks a second
_QUALITY = {"crf": "28", "preset": "veryfast"}


def check_overlay_path(path: Path) -> None:
    """InputError where a video cannot be written under that name."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(path, "overlay", f"a name ending in {', '.join(SUFFIXES)}", path.suffix)


def get_keypoints(track: PoseSequence | Keypoints2D | StreamedSequence) -> Keypoints2D:
    """What was seen in the image of a person.

    Raises:
        InputError: a sequence that is not of a video.
    """
    keypoints = track if isinstance(track, Keypoints2D) else getattr(track, "keypoints", None)
    if keypoints is None:
        raise InputError(track.name or "overlay", "keypoints", "those of a video", "none")
    return keypoints


def write_overlay(
    video: str | PathLike,
    out: Path,
    tracks: Sequence[PoseSequence | Keypoints2D | StreamedSequence],
    refined: Sequence[PoseSequence | StreamedSequence],
) -> Path:
    """Write the two views of a video side by side (H.264); whole or not at all.

    A joint whose keypoint is missing or below the confidence threshold is hollow in both.

    Args:
        video: the video that the tracks are of.
        out: ``.mp4``, ``.mkv`` or ``.mov``.
        tracks: what the estimator gave, a person each.
        refined: the same people's poses, camera axes, on the same frames.

    Returns:
        ``out``.
    """
    check_overlay_path(out)
    description = probe_video(video)
    seen = [get_keypoints(track) for track in tracks]
    views = [_DrawnPerson(k.pixels, k.confidence >= CONFIDENCE_THRESHOLD, k.skeleton) for k in seen]
    placed = []
    for poses, keypoints in zip(refined, seen):
        same = keypoints.to(poses.skeleton)
        pixels = place_on_image(poses[:], same)
        visible = (same.confidence >= CONFIDENCE_THRESHOLD) & np.isfinite(pixels).all(-1)
        placed.append(_DrawnPerson(pixels, visible, poses.skeleton))
    with atomic_path(out) as temporary:
        _encode_overlay(Path(video), temporary, description.size, (views, placed), seen[0].fps)
    return out


class _DrawnPerson:
    """A person's joints over time, as they are drawn."""

    def __init__(
        self,
        pixels: Float[np.ndarray, "T J 2"],
        visible: Bool[np.ndarray, "T J"],
        skeleton: Skeleton,
    ):
        self.pixels, self.visible, self.skeleton = pixels, visible, skeleton
        lefts = {name for name, _ in skeleton.pairs}
        rights = {name for _, name in skeleton.pairs}
        self.colours = [
            _LEFT_COLOUR if name in lefts else _RIGHT_COLOUR if name in rights else _MIDDLE_COLOUR
            for name in skeleton.joints
        ]

    def draw(self, image: UInt8[np.ndarray, "H W 3"], frame: int, scale: float) -> None:
        """Bones and joints of a frame onto an image that is ``scale`` times the video's size."""
        cv2 = require("cv2", "video")
        shown = np.isfinite(self.pixels[frame]).all(-1)
        places = np.nan_to_num(self.pixels[frame] * scale).clip(-9999, 9999).round().astype(int)
        visible = self.visible[frame]
        width = max(1, round(image.shape[0] / 240))
        for joint, parent in self.skeleton.bones:
            if shown[joint] and shown[parent]:
                thick = width if visible[joint] and visible[parent] else 1
                ends = places[joint].tolist(), places[parent].tolist()
                cv2.line(image, *ends, _OUTLINE, thick + 2, cv2.LINE_AA)
                cv2.line(image, *ends, self.colours[joint], thick, cv2.LINE_AA)
        for joint in np.flatnonzero(shown):
            place, colour = places[joint].tolist(), self.colours[joint]
            fill = -1 if visible[joint] else 1
            cv2.circle(image, place, width + 1, colour, fill, cv2.LINE_AA)


def _encode_overlay(
    video: Path,
    out: Path,
    size: tuple[int, int],
    sides: tuple[list[_DrawnPerson], list[_DrawnPerson]],
    fps: float,
) -> None:
    from tqdm import tqdm

    av = require("av", "video")
    width, height = _fit_panel(size)
    with av.open(str(out), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = 2 * width, height, "yuv420p"
        stream.options = _QUALITY
        stream.codec_context.time_base = Fraction(1, _CLOCK)
        last = len(sides[0][0].pixels) - 1
        for shown in tqdm(iterate_frames(video), "overlay", last + 1, unit="frame", disable=None):
            number = min(round(shown.seconds * fps), last)
            picture = _make_picture(shown.image, sides, number, (width, height))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(shown.seconds * _CLOCK), Fraction(1, _CLOCK)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _fit_panel(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a view: as the video, smaller if need be, even."""
    scale = min(1.0, _PANEL_HEIGHT / size[1], 2 * _PANEL_HEIGHT / size[0])
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size)
    return width, height


def _make_picture(
    image: UInt8[np.ndarray, "H W 3"],
    sides: tuple[list[_DrawnPerson], list[_DrawnPerson]],
    number: int,
    size: tuple[int, int],
) -> UInt8[np.ndarray, "h w2 3"]:
    """Both views of a frame, with their names."""
    cv2 = require("cv2", "video")
    small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    panels = []
    for views, title in zip(sides, ("estimator", "refined")):
        panel = small.copy()
        for view in views:
            view.draw(panel, number, size[0] / image.shape[1])
        _write_title(panel, title)
        panels.append(panel)
    return np.concatenate(panels, axis=1)


def _write_title(panel: UInt8[np.ndarray, "H W 3"], title: str) -> None:
    cv2 = require("cv2", "video")
    place, scale = (8, 8 + panel.shape[0] // 30), panel.shape[0] / 1200
    for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(panel, title, place, font, scale, colour, thick, cv2.LINE_AA)
