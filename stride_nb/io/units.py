"""Pixels and metres from coordinates whose unit the file does not say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stride_nb.io.detections import Detections
from stride_nb.io.document import Document

__all__ = ["METRES", "scale_to_metres", "scale_to_pixels"]

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}
"""Of one unit, by its name."""

VIDEO_SIZES = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
"""Usual widths and heights, px; each also stands upright."""


def scale_to_pixels(
    detections: Detections, size: tuple[int, int] | None, document: Document
) -> tuple[Detections, tuple[int, int], tuple[str, ...]]:
    """Detections in pixels, the image's size, and notes; shares of the image (MediaPipe's, say) are
    multiplied out.

    Without a size it is the smallest usual video size that holds all keypoints.

    Raises:
        InputError: shares of an image without a size.
    """
    largest = np.nanpercentile(detections.points, 99, axis=(0, 1))
    if (np.abs(largest) <= 2).all():
        if size is None:
            expected = "width and height of the image (size=…), for keypoints in shares of it"
            raise document.error("size", expected, "none")
        return replace(detections, points=detections.points * np.array(size)), size, ()
    if size is not None:
        return detections, size, ()
    sizes = VIDEO_SIZES + tuple((h, w) for w, h in VIDEO_SIZES)
    fitting = [s for s in sizes if (largest <= s).all()]
    tight = (int(np.ceil(largest[0])), int(np.ceil(largest[1])))
    size = min(fitting, key=lambda s: (s[0] * s[1], -s[0]), default=tight)
    note = f"no image size: {size[0]} × {size[1]} pixels were assumed (size=…)"
    return detections, size, (note,)


def scale_to_metres(
    detections: Detections, document: Document
) -> tuple[Detections, tuple[str, ...]]:
    """3D detections in metres, and notes: as the file says, else by a person's poses, whose median
    extent is 0.4 to 4 m.

    Raises:
        InputError: an extent that no person has in m, cm or mm.
    """
    if detections.unit is not None:
        return replace(detections, points=detections.points * detections.unit), ()
    box = np.nanmax(detections.points, 1) - np.nanmin(detections.points, 1)
    extent = np.median(np.linalg.norm(box, axis=-1))
    for unit, metres in METRES.items():
        if 0.4 <= extent * metres < 4:
            note = f"coordinates in {unit}, judged by a median extent of {extent:.0f}"
            scaled = replace(detections, points=detections.points * metres)
            return scaled, () if unit == "m" else (note,)
    expected = "a person 0.4 to 4 m across, in m, cm or mm"
    raise document.error("joints", expected, f"a median extent of {extent:g}")
