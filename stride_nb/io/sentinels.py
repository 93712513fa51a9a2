"""What other programs write where they saw nothing: joints at exactly (0, 0), (−1, −1) or (−999,
−999), a confidence of 0 or nothing throughout, a confidence in percent.

As numbers they look like observations. Taken for such, an arm reaches for the image's corner, or
nobody is in the file at all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.io.detections import Detections

__all__ = ["SENTINELS", "mark_sentinels"]

SENTINELS = (0.0, -1.0, -999.0, -9999.0)
"""Values that stand for no coordinate, where all coordinates of a joint have one."""
_ALWAYS = 0.9
"""Share of poses from which on a joint at such a place may be an origin, as a pelvis is."""
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
    for value in SENTINELS:
        found = _find_sentinel(points, value)
        lost |= found
        # what has no confidence is missing as it is
        if count := int((found & (np.nan_to_num(detections.confidence) > 0)).sum()):
            notes += (f"{count} joints at {value:g} in all coordinates are missing",)
    if not lost.any():
        return detections
    return replace(detections, points=np.where(lost[..., None], np.nan, points), notes=notes)


def _find_sentinel(points: Float[np.ndarray, "N J C"], value: float) -> Bool[np.ndarray, "N J"]:
    """Joints with that value in all coordinates, but for an origin: a joint that is always there,
    amidst the others."""
    at = (points == value).all(-1)
    always = at.mean(0) >= _ALWAYS
    if not always.any() or always.all():
        return at
    others = np.where(at[..., None], np.nan, points)
    others = others[np.any(np.isfinite(others).all(-1), axis=1)]
    low, high = np.nanmin(others, 1), np.nanmax(others, 1)
    amidst = ((low <= value) & (value <= high)).all(-1).mean() > 0.5
    # a whole pose of it is nobody's
    return at & (~always | at.all(1, keepdims=True)) if amidst else at


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
    return detections
