"""From loose detections to one sequence a person: a common clock, lost frames missing, ids made or
mended.

Ids are made where a file has none, and mended (``retrack``) where a tracker swapped two people: in
both cases each frame's detections are given to the people known so far by the assignment of least
total distance, where a person is expected where it was last seen, moved on by its velocity.
Distances are means over the joints that both have, in units of a person's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.sequence import Keypoints2D, PoseSequence

__all__ = ["Detections", "assemble", "clean", "link", "retrack", "somebody"]

MAX_VALUES = 2e8
"""Coordinates of all people together, beyond which a file is refused rather than memory filled."""
MAX_CROWD = 200
"""People in a frame, and people remembered, when nobody has an id."""


@dataclass(frozen=True)
class Detections:
    """N poses found in a file, in no order."""

    frames: np.ndarray
    """(N,) frame numbers."""
    people: list[str | None]
    """N ids, None where the file gives none."""
    points: np.ndarray
    """(N, J, 2) px, or (N, J, 3)."""
    confidence: np.ndarray
    """(N, J) as the file has it."""
    skeleton: str
    fps: float | None = None
    """What the file says, if it does."""
    size: tuple[int, int] | None = None
    clock: tuple[int, int] | None = None
    """First and last frame that the file speaks of, also where nobody was found."""
    notes: tuple[str, ...] = ()


def clean(found: Detections, where: Path) -> Detections:
    """Missing joints marked both ways, confidence in [0, 1], one detection a person and frame, in
    order of time."""
    confidence = np.clip(np.nan_to_num(found.confidence, nan=0.0), 0, 1)
    confidence = confidence * np.isfinite(found.points).all(-1)
    seen = confidence.any(1)
    if not seen.any():
        raise InputError(where, "joints", "at least one joint seen in one frame", "none")
    points = np.where(confidence[..., None] > 0, found.points, np.nan)
    if np.nanmax(np.abs(points)) > 1e7:
        raise InputError(where, "coordinates", "within ±1e7", f"{np.nanmax(np.abs(points)):g}")
    spoken = [*found.frames[seen], *(found.clock or ())]
    first, last = min(spoken), max(spoken)
    if last - first > 1000 + 10 * len(np.unique(found.frames)):
        raise InputError(
            where,
            "frames",
            "numbers of one video, nine in ten of them lost at most",
            f"{len(np.unique(found.frames))} different ones from {first} to {last}",
        )
    order = np.flatnonzero(seen)[np.argsort(found.frames[seen], kind="stable")]
    return replace(
        found,
        frames=found.frames[order],
        people=[found.people[i] for i in order],
        points=points[order],
        confidence=confidence[order],
        clock=(int(first), int(last)),
    )


def assemble(
    found: Detections, where: Path, fps: float, size: tuple[int, int] | None, count: int | None
):
    """One sequence a person, all on the file's clock, in order of their ids; and notes on how they
    were told apart.

    Args:
        where: the file, for errors and names.
        count: keep this many people, those seen in most frames; None: all.
    """
    codes, names, notes = _identified(found, where, fps)
    kept = np.argsort(-np.bincount(codes), kind="stable")[:count]
    length = found.clock[1] - found.clock[0] + 1
    if len(kept) * length * found.points[0].size > MAX_VALUES:
        raise InputError(
            where,
            "people",
            "fewer in so many frames (keep those seen most: people=…)",
            f"{len(kept)} in {length} frames",
        )
    return [
        _one(
            found,
            codes == person,
            f"person {names[person]}" if len(names) > 1 else where.stem,
            fps,
            size,
        )
        for person in np.sort(kept)
    ], notes


def _one(
    found: Detections, mine: np.ndarray, name: str, fps: float, size
) -> Keypoints2D | PoseSequence:
    mine = np.flatnonzero(mine)
    # of two in a frame the surer one stays
    mine = mine[np.argsort(found.confidence[mine].mean(1), kind="stable")]
    points = np.full((found.clock[1] - found.clock[0] + 1, *found.points.shape[1:]), np.nan)
    confidence = np.zeros(points.shape[:2])
    at = found.frames[mine] - found.clock[0]
    points[at], confidence[at] = found.points[mine], found.confidence[mine]
    if points.shape[-1] == 3:
        return PoseSequence(points, confidence, fps, found.skeleton, name)
    return Keypoints2D(points, confidence, fps, size, found.skeleton, name)


def _identified(
    found: Detections, where: Path, fps: float
) -> tuple[np.ndarray, list[str], tuple[str, ...]]:
    """A code (N,) for each detection, the codes' names in their natural order, and what had to be
    done for them."""
    repeated = len(found.people) - len(set(zip(found.frames.tolist(), found.people)))
    known = set(found.people)
    if known == {None} and repeated == 0:  # one person, never named
        return np.zeros(len(found.people), int), ["1"], ()
    if None not in known and repeated <= 0.1 * len(found.people):
        names = sorted(
            known, key=lambda name: (not name.isdigit(), len(name) if name.isdigit() else 0, name)
        )
        code = {name: i for i, name in enumerate(names)}
        return np.array([code[name] for name in found.people]), names, ()
    crowd = np.unique(found.frames, return_counts=True)[1].max()
    if crowd > MAX_CROWD:
        raise InputError(
            where, "people", f"{MAX_CROWD} in a frame at most, where there are no track ids", crowd
        )
    codes = link(found.frames, found.points, fps)
    why = "no track ids" if None in known else "track ids that repeat within a frame"
    return (
        codes,
        [str(i + 1) for i in range(codes.max() + 1)],
        (f"{why}: people were told apart by where they are",),
    )


@dataclass(eq=False)
class _Person:
    """A person followed so far: the last pose, its frame and velocity, and the id that the file
    gave it there."""

    id: int
    pose: np.ndarray
    frame: int
    velocity: np.ndarray
    hint: int

    def follow(self, pose: np.ndarray, frame: int, hint: int) -> None:
        both = np.isfinite(pose - self.pose).all(-1)
        step = (pose - self.pose)[both].mean(0) if both.any() else np.zeros(pose.shape[-1])
        self.velocity = 0.8 * self.velocity + 0.2 * step / (frame - self.frame)
        self.pose, self.frame, self.hint = (
            np.where(np.isnan(pose), self.pose + step, pose),
            frame,
            hint,
        )


def link(
    frames: np.ndarray, points: np.ndarray, fps: float, hints: np.ndarray | None = None
) -> np.ndarray:
    """An id for each detection, so that everyone moves as little as possible.

    A person is looked for within 0.3 body sizes of where it is expected and 3 more for each second
    unseen, 2 at most; at equal distance the file's own id decides. Who is found nowhere keeps the
    file's id if that one is free, or is new.

    Args:
        frames: (N,) sorted.
        points: (N, J, C), NaN where missing.
        hints: (N,) the file's own ids, as numbers from 0; None: it has none.

    Returns:
        (N,) ids from 0, in order of appearance.
    """
    from scipy.optimize import linear_sum_assignment

    size = _size(points)
    hints = np.full(len(frames), -1) if hints is None else hints
    ids, everyone = np.empty(len(frames), int), []
    starts = np.flatnonzero(np.diff(frames, prepend=frames[0] - 1))
    for a, b in zip(starts, np.append(starts[1:], len(frames))):
        people = (
            everyone
            if len(everyone) <= MAX_CROWD
            else sorted(everyone, key=lambda p: -p.frame)[:MAX_CROWD]
        )
        cost = _costs(people, points[a:b], hints[a:b], frames[a], size, fps)
        match = {c: people[r] for r, c in zip(*linear_sum_assignment(cost)) if cost[r, c] < _FAR}
        for i in range(b - a):
            person = match.get(i) or _free(people, hints[a + i], frames[a], list(match.values()))
            if person is None:
                person = _Person(
                    len(everyone),
                    points[a + i],
                    frames[a],
                    np.zeros(points.shape[-1]),
                    hints[a + i],
                )
                everyone.append(person)
            elif person.frame < frames[a]:
                person.follow(points[a + i], frames[a], hints[a + i])
            ids[a + i] = person.id
    return ids


_FAR = 1e3


def _costs(
    people: list[_Person], poses: np.ndarray, hints: np.ndarray, frame: int, size: float, fps: float
):
    """(people, poses) distances in body sizes; ``_FAR`` where out of reach."""
    if not people:
        return np.zeros((0, len(poses)))
    unseen = np.array([frame - p.frame for p in people])
    expected = np.stack(
        [p.pose + p.velocity * min(gap, 0.5 * fps) for p, gap in zip(people, unseen)]
    )
    apart = np.linalg.norm(expected[:, None] - poses, axis=-1)
    both = np.isfinite(apart)
    cost = np.divide(
        np.where(both, apart, 0).sum(-1),
        both.sum(-1) * size,
        out=np.full(both.shape[:2], np.inf),
        where=both.any(-1),
    )
    reach = np.minimum(0.3 + 3 * unseen / fps, 2.0)[:, None]
    same = (np.array([p.hint for p in people])[:, None] == hints) & (hints >= 0)
    return np.where(cost <= reach, cost - 0.02 * same, _FAR)


def _free(people: list[_Person], hint: int, frame: int, taken: list[_Person]) -> _Person | None:
    """Whom a detection out of everyone's reach belongs to: the one who last had its id, if not
    found elsewhere."""
    return next(
        (
            p
            for p in people
            if p.hint == hint >= 0 and p.frame < frame and not any(p is t for t in taken)
        ),
        None,
    )


def _size(points: np.ndarray) -> float:
    """Median diagonal of the box around a pose."""
    low, high = np.nanmin(points, 1), np.nanmax(points, 1)
    return max(float(np.median(np.linalg.norm(high - low, axis=-1))), 1e-9)


def somebody(where: str | PathLike, people: int | None) -> None:
    """Raises InputError where nobody is to be kept."""
    if people is not None and people < 1:
        raise InputError(where, "people", "at least 1, or None for all", people)


def retrack(sequences: Sequence, people: int | None = None) -> list:
    """The same poses with swapped ids put right and broken tracks joined: each sequence follows one
    body.

    Args:
        sequences: ``Keypoints2D`` or ``PoseSequence`` of one clock, one skeleton and one kind, one
            a track id.
        people: keep this many, those seen in most frames; None: all.

    Returns:
        Sequences of the same kind, named like those given that they share most with: fewer where
        one body had several ids, more where one id stood for several bodies far apart.

    Raises:
        InputError: sequences of different lengths, which cannot be of one video; nobody to keep.
    """
    from scipy.optimize import linear_sum_assignment

    somebody("retrack", people)
    if len(sequences) < 2:
        return list(sequences)
    if len(lengths := {len(s) for s in sequences}) > 1:
        raise InputError(
            "retrack",
            "sequences",
            "one length: the tracks of one video",
            f"{min(lengths)} to {max(lengths)} frames",
        )
    first = sequences[0]
    points = np.stack([s.joints if isinstance(s, PoseSequence) else s.pixels for s in sequences], 1)
    confidence = np.stack([s.confidence for s in sequences], 1)
    frames, hints = np.nonzero(confidence.any(-1))
    if not len(frames):
        return list(sequences)
    ids = link(frames, points[frames, hints], first.fps, hints)
    counts = np.bincount(hints * (ids.max() + 1) + ids, minlength=len(sequences) * (ids.max() + 1))
    given, got = linear_sum_assignment(-counts.reshape(len(sequences), -1))
    names = dict(zip(got.tolist(), (sequences[i].name for i in given)))
    field = "joints" if isinstance(first, PoseSequence) else "pixels"
    out = []
    for person in range(ids.max() + 1):
        at, slot = frames[ids == person], hints[ids == person]
        mended, sure = np.full_like(points[:, 0], np.nan), np.zeros_like(confidence[:, 0])
        mended[at], sure[at] = points[at, slot], confidence[at, slot]
        name = names.get(person, f"further person {person + 1}")
        out.append(first.replace(**{field: mended, "confidence": sure, "name": name}))
    seen = [int(s.confidence.any(1).sum()) for s in out]
    kept = sorted(range(len(out)), key=lambda i: -seen[i])[:people]
    place = {s.name: i for i, s in enumerate(sequences)}
    return sorted((out[i] for i in kept), key=lambda s: place.get(s.name, len(place)))
