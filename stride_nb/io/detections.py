"""From loose detections to one sequence a person: a common clock, lost frames missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from stride_nb.errors import InputError
from stride_nb.io.tracking import MAX_CROWD, has_one_person, join_tracks, link_detections
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import Skeleton, get_skeleton

__all__ = ["Detections", "assemble_sequences", "clean_detections"]

MAX_VALUES = 2e8
"""Coordinates of all people together, beyond which a file is refused rather than memory filled."""


@dataclass(frozen=True)
class Detections:
    """N poses found in a file, in no order."""

    frames: Int[np.ndarray, " N"]
    """Frame numbers."""
    track_ids: Sequence[str | None]
    """N ids, None where the file gives none."""
    points: Float[np.ndarray, "N J C"]
    """px (x, y), or x, y, z."""
    confidence: Float[np.ndarray, "N J"]
    """As the file has it."""
    skeleton: str | Skeleton
    fps: float | None = None
    """What the file says, if it does."""
    size: tuple[int, int] | None = None
    """Width and height of the image, px, if the file says them."""
    frame_span: tuple[int, int] | None = None
    """First and last frame that the file speaks of, also where nobody was found."""
    notes: tuple[str, ...] = ()
    """What had to be assumed."""
    up: str | None = None
    """Which axis of 3D is up (``y``, ``-y`` as in a camera, ``z``), if the format says."""
    unit: float | None = None
    """Metres of one unit of 3D, if the format says."""
    pixels: Float[np.ndarray, "N J 2"] | None = None
    """Of 3D: the same people's joints in the image, shares of it or px, where the file has them."""
    pixel_confidence: Float[np.ndarray, "N J"] | None = None
    """Of those, as the file has it."""

    def get_span(self) -> tuple[int, int]:
        """First and last frame: as the file says, else of the detections."""
        return self.frame_span or (int(self.frames.min()), int(self.frames.max()))


def clean_detections(detections: Detections, where: str | PathLike) -> Detections:
    """Missing joints marked both ways, confidence in [0, 1], empty poses dropped, in order of time.

    Raises:
        InputError: no joint anywhere, coordinates beyond any image, or frame numbers of no video.
    """
    highest = np.nanmax(detections.confidence, initial=0.0)
    if highest > 100:
        raise InputError(where, "confidence", "from 0 to 1, or in percent", f"{highest:g}")
    confidence = np.clip(np.nan_to_num(detections.confidence, nan=0.0), 0, 1)
    confidence = confidence * np.isfinite(detections.points).all(-1)
    visible = confidence.any(1)
    if not visible.any():
        raise InputError(where, "joints", "at least one joint seen in one frame", "none")
    points = np.where(confidence[..., None] > 0, detections.points, np.nan)
    if (largest := np.nanmax(np.abs(points))) > 1e7:
        raise InputError(where, "coordinates", "within ±1e7", f"{largest:g}")
    frames = detections.frames
    mentioned = [*frames[visible], *(detections.frame_span or ())]
    first, last, count = min(mentioned), max(mentioned), len(np.unique(frames))
    if last - first > 1000 + 10 * count:
        expected = "numbers of one video, nine in ten of them lost at most"
        given = f"{count} different ones from {first} to {last}"
        raise InputError(where, "frames", expected, given)
    order = np.flatnonzero(visible)[np.argsort(frames[visible], kind="stable")]
    return replace(
        detections,
        frames=frames[order],
        track_ids=[detections.track_ids[i] for i in order],
        points=points[order],
        confidence=confidence[order],
        pixels=None if detections.pixels is None else detections.pixels[order],
        pixel_confidence=_clean_confidence(detections, order),
        frame_span=(int(first), int(last)),
    )


def _clean_confidence(detections: Detections, order: np.ndarray) -> np.ndarray | None:
    if detections.pixels is None:
        return None
    confidence = detections.confidence
    if detections.pixel_confidence is not None:
        confidence = detections.pixel_confidence
    return np.clip(np.nan_to_num(confidence[order], nan=0.0), 0, 1)


def assemble_sequences(
    detections: Detections,
    where: Path,
    fps: float,
    size: tuple[int, int] | None,
    max_people: int | None,
) -> tuple[list[Keypoints2D | PoseSequence], tuple[str, ...]]:
    """One sequence a person, all on the file's clock, in order of their ids; and notes on how the
    people were identified.

    Args:
        detections: cleaned.
        where: the file, for errors and names.
        fps: frames per second.
        size: of the image, px; None of 3D: the keypoints of the image that came with it, if any,
            stay out.
        max_people: keep this many people, those seen in most frames; None: all.
    """
    codes, names, notes = _identify_people(detections, where, fps)
    kept = np.argsort(-np.bincount(codes), kind="stable")[:max_people]
    first, last = detections.get_span()
    length = last - first + 1
    if len(kept) * length * detections.points[0].size > MAX_VALUES:
        expected = "fewer in so many frames (keep those seen most: people=…)"
        raise InputError(where, "people", expected, f"{len(kept)} in {length} frames")
    sequences = []
    for code in np.sort(kept):
        name = f"person {names[code]}" if len(names) > 1 else where.stem
        sequences.append(_make_sequence(detections, codes == code, name, fps, size))
    return sequences, notes


def _make_sequence(
    detections: Detections, mask: np.ndarray, name: str, fps: float, size: tuple[int, int] | None
) -> Keypoints2D | PoseSequence:
    """The detections in the mask (N,) as one person."""
    rows = np.flatnonzero(mask)
    # of two in a frame the more confident one stays
    rows = rows[np.argsort(detections.confidence[rows].mean(1), kind="stable")]
    first, last = detections.get_span()
    points = np.full((last - first + 1, *detections.points.shape[1:]), np.nan)
    confidence = np.zeros(points.shape[:2])
    at = detections.frames[rows] - first
    points[at], confidence[at] = detections.points[rows], detections.confidence[rows]
    skeleton = get_skeleton(detections.skeleton)
    if points.shape[-1] == 2 and size is not None:
        return Keypoints2D(points, confidence, fps, size, skeleton, name, start=first)
    sequence = PoseSequence(points, confidence, fps, skeleton, name, start=first)
    if size is None or detections.pixels is None or detections.pixel_confidence is None:
        return sequence
    pixels, sure = np.full((*points.shape[:2], 2), np.nan), np.zeros(points.shape[:2])
    pixels[at], sure[at] = detections.pixels[rows], detections.pixel_confidence[rows]
    keypoints = Keypoints2D(pixels, sure, fps, size, skeleton, name, start=first)
    return sequence.replace(keypoints=keypoints)


def _identify_people(
    detections: Detections, where: Path, fps: float
) -> tuple[np.ndarray, list[str], tuple[str, ...]]:
    """A code (N,) for each detection, the codes' names in their natural order, and notes."""
    frames, track_ids = detections.frames, detections.track_ids
    known = [i for i in track_ids if i is not None]
    repeated = len(track_ids) - len(set(zip(frames.tolist(), track_ids)))
    if not known and repeated == 0:  # one person, never named
        return np.zeros(len(track_ids), int), ["1"], ()
    if len(known) == len(track_ids) and repeated <= 0.1 * len(track_ids):
        names = sorted(set(known), key=lambda n: (not n.isdigit(), len(n) if n.isdigit() else 0, n))
        code = {name: i for i, name in enumerate(names)}
        return np.array([code[name] for name in known]), names, ()
    crowd = np.unique(frames, return_counts=True)[1].max()
    if crowd > MAX_CROWD:
        expected = f"{MAX_CROWD} in a frame at most, where there are no track ids"
        raise InputError(where, "people", expected, crowd)
    # where people are, the image says: world landmarks are about everybody's own hips
    places = detections.points
    if detections.pixels is not None and np.isfinite(detections.pixels).any((1, 2)).all():
        places = detections.pixels
    codes = link_detections(frames, places, fps)
    named = len(known) == len(track_ids)
    if not known and has_one_person(frames):
        codes = join_tracks(frames, codes, 1)
    reason = "track ids that repeat within a frame" if named else "no track ids"
    names = [str(i + 1) for i in range(codes.max() + 1)]
    return codes, names, (f"{reason}: people were identified by their positions",)
