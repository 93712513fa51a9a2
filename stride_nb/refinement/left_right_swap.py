"""Left taken for right: where an estimator has the two legs, or the two arms, exchanged, and their
readings put right.

Estimators do that for a few frames at a time, and say nothing of it in their confidence. A network
follows such readings (``benchmarks/ablations/left_right_swap.py`` measures at what cost). But limbs
do not change places from one frame to the next: of two ways to label them the one by which they
move less is right. Which frames are exchanged is the cheapest path through four states (neither,
legs, arms, both; Viterbi, 1967). Guesses at hidden joints count like readings: where one of two
limbs is hidden, its guess is all that there is to compare with. In an image, where limbs do cross,
they cross by meeting, and a change of sides then saves nothing.

What it cannot find: sides exchanged all along, or most of the time; an exchange that begins or ends
where limbs meet, or while they are not seen. Near either end of a sequence an exchange shows by one
change alone, and a cut in the video can be taken for it. With fewer than ten frames a second
nothing is changed.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.interpolation import fill_linear
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import H36M17, LIMBS

__all__ = ["AROUND", "PAIRS", "SWITCH", "exchanged", "moved", "of_limbs", "put_right", "saved"]

AROUND = 5.0
"""Seconds to either side that are looked at where a sequence is not in memory whole."""
PAIRS = tuple(tuple(zip(LIMBS[f"left {limb}"], LIMBS[f"right {limb}"])) for limb in ("leg", "arm"))
"""Pairs of joints, left and right, of the legs, and of the arms."""
SWITCH = 0.4
"""Metres that have to be saved by a change of sides: of those tried the least by which nothing is
changed, from 25 frames a second on, in the true motion of anybody in training, in space or in an
image (``benchmarks/ablations/left_right_swap.py``)."""
_STAY = 0.5  # and metres for every second that sides stay exchanged: most of the time they are not
_FARTHEST = 0.3  # metres: an outlier's jump says no more than a limb's
# metres that one pair speaks against it at most: hips may stay where they are when the knees are
# exchanged
_AGAINST = 0.3
_MEMORY = 0.2  # seconds without a reading after which the place of the last one says little
_LEAST = 10.0  # frames a second; with fewer, limbs do change places from one to the next
# metres: pelvis to between the shoulders, and these apart; for the scale of an image
_SIZES = {"trunk": 0.5, "shoulders": 0.35}
# (4, 2): are legs, are arms exchanged?
_STATES = np.array([[False, False], [True, False], [False, True], [True, True]])
_CHANGES = _STATES[:, None] != _STATES  # (4, 4, 2), to and from
Track = TypeVar("Track", PoseSequence, Keypoints2D)


def saved(joints: np.ndarray, fps: float) -> np.ndarray:
    """(T, 2, 3) how much shorter, in metres, the ways of each pair of joints are if they change
    sides just before a frame.

    Args:
        joints: (T, 17, 2 or 3) metres, relative to the pelvis; NaN where missing.
        fps: frames a second.
    """
    found = np.zeros((len(joints), len(PAIRS), len(PAIRS[0])))
    for limb, pairs in enumerate(PAIRS):
        for i, pair in enumerate(pairs):
            frames = np.flatnonzero(np.isfinite(joints[:, pair]).all((1, 2)))
            here, pause = joints[frames][:, pair], (np.diff(frames) - 1) / fps
            straight, across = (
                np.linalg.norm(here[1:] - before, axis=-1).clip(max=_FARTHEST).sum(1)
                for before in (here[:-1], here[:-1, ::-1])
            )
            found[frames[1:], limb, i] = (straight - across) * np.exp(-pause / _MEMORY)
    return found


def of_limbs(gain: np.ndarray) -> np.ndarray:
    """(T, 2) metres that a change saves the legs, and the arms: the sum over their pairs' ``gain``
    (T, 2, 3), each −0.3 at least."""
    return gain.clip(min=-_AGAINST).sum(-1)


def exchanged(joints: np.ndarray, fps: float, switch: float = SWITCH) -> np.ndarray:
    """(T, 2, 3) bool: in which frames the sides of each pair of joints, of legs and arms, are
    exchanged.

    Args:
        joints, fps: as of `saved`.
        switch: metres that a change of sides has to save.
    """
    gain = saved(joints, fps)
    if fps < _LEAST:
        return np.zeros(gain.shape, bool)
    prices = switch * _CHANGES.any(-1) - np.einsum("ijk,tk->tij", _CHANGES, of_limbs(gain))
    stay, before = _STAY / fps * _STATES.any(1), np.zeros((len(joints), len(_STATES)), int)
    cost = stay
    for t in range(1, len(joints)):
        paths = cost + prices[t]
        before[t] = paths.argmin(1)
        cost = paths.min(1) + stay
    state = np.full(len(joints), cost.argmin())
    for t in range(len(joints) - 1, 0, -1):
        state[t - 1] = before[t, state[t]]
    return _those_that_gain(_STATES[state], gain)


def _those_that_gain(limbs: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """(T, 2, 3) of limbs (T, 2) that are exchanged the pairs that save something (T, 2, 3) where
    that begins and ends: a knee and an ankle may be exchanged without the hip.
    """
    pairs, after = (
        np.repeat(limbs[..., None], gain.shape[-1], -1),
        np.pad(gain, ((0, 1), (0, 0), (0, 0))),
    )
    changes = np.diff(np.pad(limbs, ((1, 1), (0, 0))).astype(int), axis=0)
    for limb in range(limbs.shape[1]):
        for begin, end in zip(
            np.flatnonzero(changes[:, limb] > 0), np.flatnonzero(changes[:, limb] < 0)
        ):
            # 0 at either end of the sequence
            pairs[begin:end, limb] &= after[begin, limb] + after[end, limb] >= 0
    return pairs


def put_right(track: Track, switch: float = SWITCH) -> Track:
    """The track, in space or in an image, with exchanged limbs changed back.

    Nobody says whether the confidence of an exchanged joint belongs to its name or to its place, so
    that both of a pair get the lower one. Where only one of a pair was read, its reading goes to
    the other joint with its own confidence.

    Args:
        track: of joint set h36m17.
        switch: as of `exchanged`.

    Raises:
        InputError: another joint set.
    """
    if track.skeleton != H36M17:
        raise InputError(
            track.name or "put_right",
            "skeleton",
            'h36m17 (track.to("h36m17") converts)',
            track.skeleton.name,
        )
    field, points, confidence = _field(track), _points(track).copy(), track.confidence.copy()
    relative = points - fill_linear(points[:, :1], confidence[:, :1] > 0)
    wrong = exchanged(
        relative * (_metres_a_pixel(relative) if field == "pixels" else 1), track.fps, switch
    )
    for limb, pairs in enumerate(PAIRS):
        for i, pair in enumerate(pairs):
            frames = np.ix_(wrong[:, limb, i], pair)
            sure = confidence[frames]
            points[frames] = points[frames][:, ::-1]
            confidence[frames] = np.where(
                sure.all(1, keepdims=True), sure.min(1, keepdims=True), sure[:, ::-1]
            )
    return track.replace(**{field: points, "confidence": confidence})


def moved(one: Track, two: Track) -> np.ndarray:
    """(T, 2, 3) bool: which pairs of joints, of legs and arms, are not in the same places in two
    versions of a track."""
    differ = (np.abs(np.nan_to_num(_points(one)) - np.nan_to_num(_points(two))) > 1e-6).any(-1)
    return differ[:, np.array(PAIRS)].any(-1)


def _field(track: Track) -> str:
    return "pixels" if isinstance(track, Keypoints2D) else "joints"


def _points(track: Track) -> np.ndarray:
    return getattr(track, _field(track))


def _metres_a_pixel(relative: np.ndarray) -> float:
    """By what looks largest, as foreshortening only makes smaller; NaN where neither trunk nor
    shoulders are ever seen."""
    left, right = relative[:, H36M17.index("lshoulder", "rshoulder")].swapaxes(0, 1)
    trunk = np.where(np.isfinite(relative[:, 0]), (left + right) / 2 - relative[:, 0], np.nan)
    lengths = {
        "trunk": np.linalg.norm(trunk, axis=-1),
        "shoulders": np.linalg.norm(left - right, axis=-1),
    }
    seen = {name: length[np.isfinite(length) & (length > 0)] for name, length in lengths.items()}
    return min(
        (_SIZES[name] / np.quantile(length, 0.9) for name, length in seen.items() if len(length)),
        default=np.nan,
    )
