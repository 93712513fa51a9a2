"""Pixels and metres from coordinates whose unit the file does not say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.overrides import UNITS
from stride_nb.poses.body_check import PERSON_EXTENT, measure_extent
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.skeleton import get_skeleton

__all__ = ["scale_image_points", "scale_to_metres", "scale_to_pixels"]

VIDEO_SIZES = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
"""Usual widths and heights, px; each also stands upright."""


def scale_to_pixels(
    detections: Detections,
    size: tuple[int, int] | None,
    document: Document,
    unit: str | None = None,
) -> tuple[Detections, tuple[int, int], tuple[str, ...]]:
    """Detections in pixels, the image's size, and notes; shares of the image (MediaPipe's, say),
    from 0 to 1 or from −1 to 1, are multiplied out.

    Without a size it is the smallest usual video size that holds all keypoints.

    Args:
        unit: ``px`` or ``share``; None: judged by the numbers.

    Raises:
        InputError: shares of an image without a size.
    """
    largest = np.nanpercentile(detections.points, 99, axis=(0, 1))
    if unit == "share" or (unit is None and (np.abs(largest) <= 2).all()):
        if size is None:
            expected = "width and height of the image (size=…), for keypoints in shares of it"
            raise document.error("size", expected, "none")
        points, notes = detections.points, _note_shares(detections, document, unit)
        if _is_from_minus_one(detections):
            points = (points + 1) / 2
            notes = ("negative shares of the image: they were taken to go from −1 to 1",)
        return replace(detections, points=points * np.array(size)), size, notes
    if size is not None:
        return detections, size, ()
    sizes = VIDEO_SIZES + tuple((h, w) for w, h in VIDEO_SIZES)
    fitting = [s for s in sizes if (largest <= s).all()]
    tight = (int(np.ceil(largest[0])), int(np.ceil(largest[1])))
    size = min(fitting, key=lambda s: (s[0] * s[1], -s[0]), default=tight)
    note = f"no image size: {size[0]} × {size[1]} pixels were assumed (size=…)"
    return detections, size, (note,)


def _note_shares(detections: Detections, document: Document, unit: str | None) -> tuple[str, ...]:
    """A note where it is not by the format that keypoints are shares of the image."""
    known = get_skeleton(detections.skeleton).name == "mediapipe33"
    if unit == "share" or known or document.kind.startswith("txt"):
        return ()
    return ("keypoints in shares of the image, from 0 to 1 (unit=…)",)


def _is_from_minus_one(detections: Detections) -> bool:
    """Whether shares count from the image's middle: more than one trusted joint in twenty is
    clearly negative, and that leaves clearly fewer outside of the image. MediaPipe's never do, and
    its legs may lie far outside."""
    if get_skeleton(detections.skeleton).name == "mediapipe33":
        return False
    confidence = detections.confidence
    seen = detections.points[confidence >= min(CONFIDENCE_THRESHOLD, confidence.max())]
    seen = seen[np.isfinite(seen).all(-1)]
    if not len(seen) or (seen < -0.05).any(-1).mean() <= 0.05:
        return False
    outside = ((seen < -0.05) | (seen > 1.05)).any(-1).mean()
    return bool((np.abs(seen) > 1.05).any(-1).mean() < outside / 2)


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
    extent = measure_extent(detections.points)
    for unit, metres in UNITS.items():
        if PERSON_EXTENT[0] <= extent * metres < PERSON_EXTENT[1]:
            note = f"coordinates in {unit}, judged by a median extent of {extent:.0f}"
            scaled = replace(detections, points=detections.points * metres)
            return scaled, () if unit == "m" else (note,)
    expected = "a person 0.4 to 4 m across, in m, cm or mm"
    raise document.error("joints", expected, f"a median extent of {extent:g}")


def scale_image_points(
    detections: Detections, size: tuple[int, int] | None
) -> tuple[Detections, tuple[int, int] | None, tuple[str, ...]]:
    """Of 3D detections the joints in the image, in pixels, the image's size, and notes; no size
    where they cannot be used: there are none, or they are shares of an image of unknown size."""
    pixels = detections.pixels
    if pixels is None or not np.isfinite(pixels).any():
        return replace(detections, pixels=None), None, ()
    shares = np.nanpercentile(np.abs(pixels), 99) <= 2
    if size is None:
        note = "joints in the image tell who is who; to be used, they need its size (size=…)"
        return detections, None, (note,)
    if not shares:
        return detections, size, ()
    return replace(detections, pixels=pixels * np.array(size)), size, ()
