"""What other programs write where they saw nothing: joints at exactly (0, 0), (−1, −1) or another
number, a confidence of 0 or nothing throughout, a confidence in percent.

As numbers they look like observations. Taken for such, an arm reaches for the image's corner, or
nobody is in the file at all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stride_nb.io.detections import Detections
from stride_nb.poses.repeated_values import find_repeated_values

__all__ = ["mark_sentinels"]

_OVERSHOOT = 1.5
"""Of heat maps, without a note."""
_PERCENT = (10.0, 100.0)
"""Between which the largest confidence is one in percent: heat maps overshoot 1, but not by so
much."""


def mark_sentinels(detections: Detections) -> Detections:
    """The detections with such joints missing (NaN), confidence in [0, 1] or not used, and notes on
    either."""
    detections = _mark_points(detections)
    return _read_confidence(detections)


def _mark_points(detections: Detections) -> Detections:
    points, notes = detections.points, detections.notes
    lost = np.zeros(points.shape[:2], bool)
    for value, found in find_repeated_values(points).items():
        lost |= found
        # what has no confidence is missing as it is
        if count := int((found & (np.nan_to_num(detections.confidence) > 0)).sum()):
            notes += (f"{count} joints at {value:g} in all coordinates are missing",)
    if not lost.any():
        return detections
    return replace(detections, points=np.where(lost[..., None], np.nan, points), notes=notes)


def _read_confidence(detections: Detections) -> Detections:
    confidence = detections.confidence
    known = np.isfinite(detections.points).all(-1)
    values = confidence[known & np.isfinite(confidence)]
    highest = values.max(initial=0.0)
    if known.any() and highest <= 0:
        note = "confidence is 0 or absent throughout: all joints are trusted"
        notes = (*detections.notes, note)
        return replace(detections, confidence=known.astype(float), notes=notes)
    if _PERCENT[0] < highest <= _PERCENT[1]:
        notes = (*detections.notes, f"confidence up to {highest:g} was taken for percent")
        return replace(detections, confidence=confidence / 100, notes=notes)
    if _OVERSHOOT < highest <= _PERCENT[0]:
        notes = (*detections.notes, f"confidence up to {highest:g}: above 1 it counts as 1")
        return replace(detections, notes=notes)
    return detections
