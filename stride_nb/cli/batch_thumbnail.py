"""A result at a glance: stick figures of a few moments as SVG, a frame of a video or a figure of a
notebook as PNG."""

from __future__ import annotations

import base64
import io as streams
import json
from pathlib import Path

import numpy as np

from stride_nb import io
from stride_nb.errors import require
from stride_nb.io.npz import is_own
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.streaming import StreamedSequence, open_streamed
from stride_nb.video.frames import iterate_frames, looks_like_video, probe_video
from stride_nb.viz.figures import PALETTE, project_view, rotate_upright, select_evenly_spaced

__all__ = ["draw_thumbnail", "make_thumbnail"]

_MOMENTS, _HEIGHT = 5, 90  # px
_LARGEST = 20_000_000  # bytes of a file that would have to be read whole


def draw_thumbnail(sequence: PoseSequence | StreamedSequence) -> str:
    """Stick figures at evenly spaced moments, side by side, as SVG."""
    times = select_evenly_spaced(len(sequence), _MOMENTS)
    few = PoseSequence(
        np.concatenate([sequence[t : t + 1].joints for t in times]), skeleton=sequence.skeleton
    )
    joints = rotate_upright(few.joints, io.estimate_up_axis(few))
    points = project_view(joints - np.nanmean(joints, 1, keepdims=True))
    points[..., 0] += 1.2 * np.arange(len(times))[:, None]
    low, high = np.nanmin(points, (0, 1)) - 0.1, np.nanmax(points, (0, 1)) + 0.1
    scale = _HEIGHT / max(high[1] - low[1], 0.5)
    points = (points - [low[0], high[1]]) * [scale, -scale]
    lines = [
        "M{:.0f} {:.0f}L{:.0f} {:.0f}".format(*pose[parent], *pose[child])
        for pose in points
        for child, parent in few.skeleton.bones
        if np.isfinite(pose[[parent, child]]).all()
    ]
    width = (high[0] - low[0]) * scale
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{_HEIGHT}">'
        f'<path d="{"".join(lines)}" fill="none" stroke="{PALETTE["refined"]}" '
        'stroke-width="1.5"/></svg>\n'
    )


def make_thumbnail(path: Path) -> tuple[str, bytes] | None:
    """The thumbnail of a file of poses, a video, a picture or an executed notebook: its suffix and
    content; ``None`` where the file has no such look.

    Raises:
        InputError: a file of another kind, or one that cannot be read.
    """
    if path.suffix == ".ipynb":
        return _pick_figure(path)
    if path.suffix in (".png", ".svg"):
        return path.suffix, path.read_bytes()
    if looks_like_video(path):
        return ".png", _shrink_frame(path)
    if is_own(path):
        with open_streamed(path) as sequence:
            return ".svg", draw_thumbnail(sequence).encode()
    tracks = io.read(path) if path.stat().st_size < _LARGEST else []
    poses = [track for track in tracks if isinstance(track, PoseSequence)]
    return (".svg", draw_thumbnail(poses[0]).encode()) if poses else None


def _pick_figure(path: Path) -> tuple[str, bytes] | None:
    """The first picture that a cell shows."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            if picture := output.get("data", {}).get("image/png"):
                return ".png", base64.b64decode(picture)
    return None


def _shrink_frame(path: Path) -> bytes:
    """A frame from the middle, as PNG."""
    middle = max(probe_video(path).frames // 2, 1)
    image = next(f.image for f in iterate_frames(path) if f.number + 1 >= middle)
    picture = require("PIL.Image", "viz").fromarray(image)
    picture.thumbnail((4 * _HEIGHT, 2 * _HEIGHT))
    file = streams.BytesIO()
    picture.save(file, "png")
    return file.getvalue()
