"""Who is who: track ids where a file has none, and corrected ids where a tracker swapped people.

Each frame's detections are given to the people known so far by the assignment of least total
distance. A person is expected where it was last seen, moved on by its velocity. Distances are means
over the joints that both have, in units of a person's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
from jaxtyping import Float, Int

from stride_nb.errors import InputError, check_kind
from stride_nb.poses.sequence import Keypoints2D, PoseSequence

__all__ = [
    "MAX_CROWD",
    "check_max_people",
    "fix_track_ids",
    "has_one_person",
    "join_tracks",
    "link_detections",
]

MAX_CROWD = 200
"""People in a frame, and people remembered, where there are no ids."""
_OUT_OF_REACH = 1e3
_CUT_SECONDS = 0.2
_GHOSTS = 0.02
"""Share of frames with a second person, up to which there is one person, and ghosts."""
_STILL = 0.01
"""Metres that the pelvis of poses moves at most that say nothing of where a person is."""


def check_max_people(where: str | PathLike, people: int | None) -> None:
    """InputError where nobody is to be kept."""
    if people is not None and not (isinstance(people, int) and people >= 1):
        raise InputError(where, "people", "at least 1, or None for all", people)


@dataclass(eq=False)
class _TrackedPerson:
    """A person followed so far: last pose, its frame and velocity, and the id that the file gave
    there."""

    id: int
    pose: np.ndarray
    frame: int
    velocity: np.ndarray
    hint: int

    def update(self, pose: np.ndarray, frame: int, hint: int) -> None:
        """Move to a newer detection; joints that it lacks move along."""
        both = np.isfinite(pose - self.pose).all(-1)
        step = (pose - self.pose)[both].mean(0) if both.any() else np.zeros(pose.shape[-1])
        self.velocity = 0.8 * self.velocity + 0.2 * step / (frame - self.frame)
        self.pose = np.where(np.isnan(pose), self.pose + step, pose)
        self.frame, self.hint = frame, hint


def link_detections(
    frames: Int[np.ndarray, " N"],
    points: Float[np.ndarray, "N J C"],
    fps: float,
    hints: Int[np.ndarray, " N"] | None = None,
) -> Int[np.ndarray, " N"]:
    """Ids from 0, in order of appearance, such that everyone moves as little as possible.

    A person is looked for within 0.3 body sizes of where it is expected and 3 more for each second
    unseen, 2 at most; at equal distance the file's own id decides. Who is found nowhere keeps the
    file's id if that one is free, or is new. Where without ids as many people as were just there
    are all elsewhere at once, the video was cut: they are the same.

    Args:
        frames: sorted.
        points: px or metres, NaN where missing.
        fps: frames per second.
        hints: the file's own ids, as numbers from 0; None: it has none.
    """
    body_size = _measure_body_size(points)
    hints = np.full(len(frames), -1) if hints is None else hints
    ids, people = np.empty(len(frames), int), []
    starts = np.flatnonzero(np.diff(frames, prepend=frames[0] - 1))
    for start, stop in zip(starts, np.append(starts[1:], len(frames))):
        frame, candidates = frames[start], people
        if len(people) > MAX_CROWD:
            candidates = sorted(people, key=lambda p: -p.frame)[:MAX_CROWD]
        now = slice(start, stop)
        matches = _match_people(candidates, points[now], hints[now], frame, body_size, fps)
        if not matches and (hints[now] < 0).all():
            matches = _match_across_cut(candidates, points[now], frame, fps)
        for i in range(start, stop):
            person = matches.get(i - int(start))
            person = person or _find_last_owner(candidates, hints[i], frame, matches.values())
            if person is None:
                still = np.zeros(points.shape[-1])
                person = _TrackedPerson(len(people), points[i], frame, still, hints[i])
                people.append(person)
            elif person.frame < frame:
                person.update(points[i], frame, hints[i])
            ids[i] = person.id
    return ids


def _match_people(people, poses, hints, frame, body_size, fps) -> dict[int, _TrackedPerson]:
    """The person of each pose of a frame that is within somebody's reach."""
    from scipy.optimize import linear_sum_assignment

    cost = _measure_costs(people, poses, hints, frame, body_size, fps)
    pairs = zip(*linear_sum_assignment(cost))
    return {col: people[row] for row, col in pairs if cost[row, col] < _OUT_OF_REACH}


def _match_across_cut(people, poses, frame, fps) -> dict[int, _TrackedPerson]:
    """The person of each pose after a cut: as they stood among one another just before it; nobody
    where there are more or fewer."""
    from scipy.optimize import linear_sum_assignment

    recent = [p for p in people if frame - p.frame <= max(1, _CUT_SECONDS * fps)]
    if len(recent) != len(poses):
        return {}
    before, after = (
        np.nanmean(np.asarray(group), 1) for group in ([p.pose for p in recent], poses)
    )
    before, after = before - before.mean(0), after - after.mean(0)
    cost = np.linalg.norm(before[:, None] - after, axis=-1)
    return {col: recent[row] for row, col in zip(*linear_sum_assignment(cost))}


def _measure_costs(people, poses, hints, frame, body_size, fps) -> np.ndarray:
    """(people, poses) distances in body sizes; ``_OUT_OF_REACH`` where too far."""
    if not people:
        return np.zeros((0, len(poses)))
    unseen = np.array([frame - p.frame for p in people])
    steps = [p.velocity * min(gap, 0.5 * fps) for p, gap in zip(people, unseen)]
    expected = np.stack([p.pose + step for p, step in zip(people, steps)])
    distance = np.linalg.norm(expected[:, None] - poses, axis=-1)
    both = np.isfinite(distance)
    total, count = np.where(both, distance, 0).sum(-1), both.sum(-1) * body_size
    cost = np.divide(total, count, out=np.full(total.shape, np.inf), where=both.any(-1))
    reach = np.minimum(0.3 + 3 * unseen / fps, 2.0)[:, None]
    same_id = (np.array([p.hint for p in people])[:, None] == hints) & (hints >= 0)
    return np.where(cost <= reach, cost - 0.02 * same_id, _OUT_OF_REACH)


def _find_last_owner(people, hint, frame, matched) -> _TrackedPerson | None:
    """Whom a detection out of everyone's reach belongs to: the one who last had its id, if not
    matched elsewhere."""
    for person in people:
        if person.hint == hint >= 0 and person.frame < frame and person not in matched:
            return person
    return None


def _measure_body_size(points: np.ndarray) -> float:
    """Median diagonal of the box around a pose."""
    low, high = np.nanmin(points, 1), np.nanmax(points, 1)
    return max(float(np.median(np.linalg.norm(high - low, axis=-1))), 1e-9)


def fix_track_ids(
    sequences: Sequence[PoseSequence] | Sequence[Keypoints2D], people: int | None = None
) -> list:
    """The same poses, each sequence following one body: swapped ids corrected, broken tracks
    joined.

    Args:
        sequences: of one clock, one skeleton and one kind, one a track id.
        people: keep this many, those seen in most frames; None: all.

    Returns:
        Sequences of the same kind, named like those given that they share most with: fewer where
        one body had several ids, more where one id stood for several bodies far apart.

    Raises:
        InputError: sequences of different lengths, which cannot be of one video; nobody to keep.
    """
    check_max_people("fix_track_ids", people)
    for sequence in sequences:
        check_kind("fix_track_ids", "sequences", sequence, type(sequences[0]))
        check_kind("fix_track_ids", "sequences", sequence, PoseSequence, Keypoints2D)
    if len(sequences) < 2:
        return list(sequences)
    if len(lengths := {len(s) for s in sequences}) > 1:
        given = f"{min(lengths)} to {max(lengths)} frames"
        raise InputError("fix_track_ids", "sequences", "one length: the tracks of one video", given)
    first, confidence = sequences[0], np.stack([s.confidence for s in sequences], 1)
    points = _stack_places(sequences)
    frames, slots = np.nonzero(confidence.any(-1) & np.isfinite(points).any((-1, -2)))
    if not len(frames) or not _say_places(sequences):
        return sorted(sequences, key=_count_lost)[:people]
    ids = link_detections(frames, points[frames, slots], first.fps, slots)
    if people is not None:
        ids = join_tracks(frames, ids, people)
    names = _name_people(ids, slots, [s.name for s in sequences])
    tracks = [
        _gather(sequences, frames[ids == person], slots[ids == person], name)
        for person, name in enumerate(names)
    ]
    tracks.sort(key=_count_lost)
    place = {s.name: i for i, s in enumerate(sequences)}
    return sorted(tracks[:people], key=lambda track: place.get(track.name, len(place)))


def _count_lost(track: PoseSequence | Keypoints2D) -> int:
    return int(track.missing.all(1).sum())


def _stack_places(sequences: Sequence) -> np.ndarray:
    """(T, P, J, C) where the people are: in the image, where that is known."""
    seen = [s.keypoints if isinstance(s, PoseSequence) else s for s in sequences]
    pixels = [s.pixels for s in seen if s is not None]
    if len(pixels) == len(seen):
        return np.stack(pixels, 1)
    return np.stack([s.joints for s in sequences], 1)


def _say_places(sequences: Sequence) -> bool:
    """Whether the poses say where anybody is: those about the middle of the hips do not."""
    for s in sequences:
        if not isinstance(s, PoseSequence) or s.keypoints is not None:
            return True
        hips = [s.skeleton.joints.index(n) for n in ("lhip", "rhip") if n in s.skeleton.joints]
        middle = s.joints[:, hips].mean(1) if len(hips) == 2 else s.joints[:, 0]
        middle = middle[np.isfinite(middle).all(-1)]
        if len(middle) and np.abs(middle).max() > _STILL:
            return True
    return False


def _gather(sequences: Sequence, at: np.ndarray, slot: np.ndarray, name: str):
    """One person's track: in each frame of ``at`` what the sequence ``slot`` has there."""
    first = sequences[0]
    field = "joints" if isinstance(first, PoseSequence) else "pixels"
    fields = {}
    for key in (field, "confidence"):
        values = np.stack([getattr(s, key) for s in sequences], 1)
        fields[key] = np.full_like(values[:, 0], np.nan if key == field else 0)
        fields[key][at] = values[at, slot]
    seen = [getattr(s, "keypoints", None) for s in sequences]
    if all(s is not None for s in seen):
        fields["keypoints"] = _gather(seen, at, slot, name)
    elif isinstance(first, PoseSequence):
        fields["keypoints"] = None
    return first.replace(name=name, **fields)


def join_tracks(
    frames: Int[np.ndarray, " N"], ids: Int[np.ndarray, " N"], people: int
) -> Int[np.ndarray, " N"]:
    """Ids of which every one beyond so many, seen in most frames, is joined with one that it shares
    no frame with: a person who was lost, and found elsewhere. Those that share frames with all stay
    apart."""
    ids = ids.copy()
    order = np.argsort(-np.bincount(ids), kind="stable")
    kept = {int(i): set(frames[ids == i].tolist()) for i in order[:people]}
    for i in order[people:]:
        own = set(frames[ids == i].tolist())
        free = [k for k, taken in kept.items() if not taken & own]
        if free:
            nearest = min(free, key=lambda k: _measure_pause(kept[k], own))
            kept[nearest] |= own
            ids[ids == i] = nearest
    return np.unique(ids, return_inverse=True)[1]


def _measure_pause(one: set[int], other: set[int]) -> int:
    """Frames between two tracks, at least."""
    a, b = np.array(sorted(one)), np.array(sorted(other))
    after = np.searchsorted(a, b).clip(1, max(len(a) - 1, 1))
    near = np.minimum(np.abs(a[after - 1] - b), np.abs(a[np.minimum(after, len(a) - 1)] - b))
    return int(near.min())


def has_one_person(frames: Int[np.ndarray, " N"]) -> bool:
    """Whether a second detection in a frame is so rare that it is a ghost."""
    _, count = np.unique(frames, return_counts=True)
    return int((count > 1).sum()) <= _GHOSTS * len(count)


def _name_people(ids: np.ndarray, slots: np.ndarray, names: Sequence[str]) -> list[str]:
    """A name for each id: that of the sequence (slot) that it shares most detections with."""
    from scipy.optimize import linear_sum_assignment

    count = ids.max() + 1
    shared = np.bincount(slots * count + ids, minlength=len(names) * count)
    people = [f"further person {i + 1}" for i in range(count)]
    for slot, person in zip(*linear_sum_assignment(-shared.reshape(len(names), -1))):
        people[person] = names[slot]
    return people
