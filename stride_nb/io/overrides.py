"""What a user knows of a file better than the file says it: which way is up, the unit, the first
frame's number, the confidence from which a detection is to be trusted.

What a format fixes is not asked for again: there, anything else is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import Any

import numpy as np

from stride_nb.errors import InputError
from stride_nb.io.axes import check_up_axis
from stride_nb.io.detections import Detections
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import Keypoints2D, PoseSequence, TrackT

__all__ = ["UNITS", "Overrides", "apply_overrides", "make_overrides", "number_from", "trust_from"]

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
"""Metres of each."""
_IMAGE_UNITS = ("px", "share")


@dataclass(frozen=True)
class Overrides:
    """Each None where the file is to be believed, or judged."""

    up: str | None = None
    """Which axis of 3D is up: ``y``, ``-y`` (a camera's) or ``z``."""
    unit: str | None = None
    """``m``, ``cm`` or ``mm`` of 3D; ``px`` or ``share`` (of the image's width and height) of
    2D."""
    start: int | None = None
    """Number of the first frame."""
    trust: float | None = None
    """Confidence from which a detection is trusted, from 0 (all are) to 1."""

    def check(self, where: str | PathLike) -> None:
        """InputError where one is no such value."""
        check_up_axis(self.up)
        units = (*UNITS, *_IMAGE_UNITS)
        known = isinstance(self.unit, str) and self.unit in units
        if self.unit is not None and not known:
            raise InputError(where, "unit", f"one of {', '.join(units)}", repr(self.unit))
        if self.start is not None and not (isinstance(self.start, int) and self.start >= 0):
            raise InputError(where, "start", "a frame number from 0 on", repr(self.start))
        numeric = isinstance(self.trust, (int, float)) and 0 <= self.trust < 1
        if self.trust is not None and not numeric:
            expected = "a confidence from 0 (all are trusted) to below 1"
            raise InputError(where, "trust", expected, repr(self.trust))


def make_overrides(where: str | PathLike, given: Mapping[str, Any]) -> Overrides:
    """Overrides by name. Raises InputError of one that there is not, or that cannot be."""
    names = [field.name for field in fields(Overrides)]
    if unknown := [name for name in given if name not in names]:
        raise InputError(where, "option", f"one of {', '.join(names)}", ", ".join(unknown))
    overrides = Overrides(**given)
    overrides.check(where)
    return overrides


def apply_overrides(
    detections: Detections, overrides: Overrides, where: str | PathLike
) -> Detections:
    """The detections with the axis and the unit given.

    Raises:
        InputError: one that the file contradicts, or a unit of images for 3D or the reverse.
    """
    in_image = detections.points.shape[-1] == 2
    if overrides.up is not None:
        if in_image:
            raise InputError(where, "up", "none: what is in an image has y down", overrides.up)
        if detections.up not in (None, overrides.up):
            raise InputError(where, "up", f"{detections.up}, as the format has it", overrides.up)
        detections = replace(detections, up=overrides.up)
    if overrides.unit is None:
        return detections
    if (overrides.unit in _IMAGE_UNITS) != in_image:
        expected = " or ".join(_IMAGE_UNITS if in_image else UNITS)
        raise InputError(
            where, "unit", f"{expected}, of {'2D' if in_image else '3D'}", overrides.unit
        )
    if in_image:
        return detections
    metres = UNITS[overrides.unit]
    if detections.unit not in (None, metres):
        own = next((name for name, m in UNITS.items() if m == detections.unit), detections.unit)
        raise InputError(where, "unit", f"{own}, as the format has it", overrides.unit)
    return replace(detections, unit=metres)


def number_from(tracks: Sequence[TrackT], start: int | None, where: str | PathLike) -> list[TrackT]:
    """The tracks counted from that frame on; InputError where the file counts from another."""
    if start is None:
        return list(tracks)
    if own := next((track.start for track in tracks if track.start not in (0, start)), 0):
        raise InputError(where, "start", f"{own}, as the file counts, or none given", start)
    return [track.replace(start=start, **_number_keypoints(track, start)) for track in tracks]


def _number_keypoints(track: PoseSequence | Keypoints2D, start: int) -> dict[str, Keypoints2D]:
    own = getattr(track, "keypoints", None)
    return {} if own is None else {"keypoints": own.replace(start=start)}


def trust_from(
    tracks: Sequence[TrackT], trust: float | None, where: str | PathLike
) -> list[TrackT]:
    """The tracks with their confidence rescaled, so that that one becomes the threshold from which
    all else trusts a detection.

    Raises:
        InputError: none reaches it.
    """
    Overrides(trust=trust).check(where)
    if trust is None:
        return list(tracks)
    highest = max(float(track.confidence.max()) for track in tracks)
    if highest < trust:
        expected = f"a confidence that some detection reaches, {highest:g} at most"
        raise InputError(where, "trust", expected, f"{trust:g}")
    return [track.replace(confidence=_rescale(track.confidence, trust)) for track in tracks]


def _rescale(confidence: np.ndarray, trust: float) -> np.ndarray:
    above = CONFIDENCE_THRESHOLD + (1 - CONFIDENCE_THRESHOLD) * (confidence - trust) / (1 - trust)
    below = CONFIDENCE_THRESHOLD * confidence / max(trust, 1e-9)
    rescaled = np.where(confidence >= trust, above, np.minimum(below, CONFIDENCE_THRESHOLD - 1e-6))
    return np.where(confidence > 0, rescaled, 0.0)
