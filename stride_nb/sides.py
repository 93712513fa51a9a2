"""Left taken for right: where an estimator has the two legs, or the two arms, exchanged, and their readings put right.

Estimators do that for a few frames at a time, and say nothing of it in their confidence. A network that is shown such readings
follows them half the way (``benchmarks/sides.py`` measures at what cost). But limbs do not change places from one frame to the
next: of two ways to label them the one by which they move less is right. Which frames are exchanged is the cheapest path through
four states (neither, legs, arms, both; Viterbi, 1967). That a limb is labelled rightly most of the time is taken for granted;
someone whose left is taken for right all along cannot be told from someone else.

Guesses at hidden joints count like readings: without them a fifth of the exchanges stayed, as one of the two limbs was hidden.
In an image, where limbs do cross, they cross by meeting, and a change of sides then saves nothing.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from .errors import InputError
from .sequence import Keypoints2D, PoseSequence
from .skeleton import H36M17

__all__ = ["AROUND", "LIMBS", "SWITCH", "exchanged", "put_right", "saved"]

AROUND = 250
"""Frames to either side that are looked at where a sequence is not in memory whole."""
LIMBS = tuple(tuple(H36M17.index(f"l{joint}", f"r{joint}") for joint in joints)
              for joints in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")))
"""Pairs of joints, left and right, of the legs, and of the arms."""
SWITCH = 0.4
"""Metres that have to be saved by a change of sides. On people of ``val`` the best of those tried (``benchmarks/sides.py``)."""
_TRUNK = 0.5  # metres from the pelvis to between the shoulders, for the scale of an image
_STAY = 0.5  # and metres for every second that sides stay exchanged: most of the time they are not
_FARTHEST = 0.3  # metres: an outlier's jump says no more than a limb's
_MEMORY = 0.2  # seconds without a reading after which the place of the last one says little
_STATES = np.array([[False, False], [True, False], [False, True], [True, True]])  # (4, 2): are legs, are arms exchanged?
_CHANGES = _STATES[:, None] != _STATES  # (4, 4, 2), to and from
Track = TypeVar("Track", PoseSequence, Keypoints2D)


def saved(joints: np.ndarray, fps: float) -> np.ndarray:
    """(T, 2) metres less that legs, and arms, go from where they were last read if they change sides just before the frame.

    Args:
        joints: (T, 17, 2 or 3) metres, relative to the pelvis; NaN where missing.
        fps: frames a second.
    """
    found = np.zeros((len(joints), len(LIMBS)))
    for limb, pairs in enumerate(LIMBS):
        for pair in pairs:
            frames = np.flatnonzero(np.isfinite(joints[:, pair]).all((1, 2)))
            here = joints[frames][:, pair]
            straight, across = (np.linalg.norm(here[1:] - before, axis=-1).clip(max=_FARTHEST).sum(1)
                                for before in (here[:-1], here[:-1, ::-1]))
            found[frames[1:], limb] += (straight - across) * np.exp(-(np.diff(frames) - 1) / fps / _MEMORY)
    return found


def exchanged(joints: np.ndarray, fps: float, switch: float = SWITCH) -> np.ndarray:
    """(T, 2) bool: in which frames the sides of the legs, and of the arms, are exchanged.

    Args:
        joints: (T, 17, 2 or 3) metres, relative to the pelvis; NaN where missing.
        fps: frames a second.
        switch: metres that a change of sides has to save.
    """
    gain, stay = saved(joints, fps), _STAY / fps * _STATES.any(1)
    cost, before = stay, np.zeros((len(joints), len(_STATES)), int)
    for t in range(1, len(joints)):
        paths = cost + switch * _CHANGES.any(-1) - _CHANGES @ gain[t]
        before[t] = paths.argmin(1)
        cost = paths.min(1) + stay
    state = np.full(len(joints), cost.argmin())
    for t in range(len(joints) - 1, 0, -1):
        state[t - 1] = before[t, state[t]]
    return _STATES[state]


def put_right(track: Track, switch: float = SWITCH) -> Track:
    """The track, in space or in an image, with exchanged limbs changed back.

    Whether the confidence of an exchanged joint is that of the name or of the place nobody says: both of a pair get the lower one.
    A reading that is alone keeps its own.

    Args:
        track: of joint set h36m17.
        switch: as of `exchanged`.

    Raises:
        InputError: another joint set.
    """
    if track.skeleton != H36M17:
        raise InputError(track.name or "put_right", "skeleton", 'h36m17 (track.to("h36m17") converts)', track.skeleton.name)
    field = "pixels" if isinstance(track, Keypoints2D) else "joints"
    points, confidence = getattr(track, field).copy(), track.confidence.copy()
    relative = points - points[:, :1]
    wrong = exchanged(relative * (_metres_a_pixel(relative) if field == "pixels" else 1), track.fps, switch)
    for limb, pairs in enumerate(LIMBS):
        for pair in pairs:
            frames = np.ix_(wrong[:, limb], pair)
            points[frames], sure = points[frames][:, ::-1], confidence[frames]
            confidence[frames] = np.where(sure.all(1, keepdims=True), sure.min(1, keepdims=True), sure[:, ::-1])
    return track.replace(**{field: points, "confidence": confidence})


def _metres_a_pixel(relative: np.ndarray) -> float:
    """By the trunk, which is seldom longer in an image than when it is upright; NaN where it is never seen."""
    shoulders = H36M17.index("lshoulder", "rshoulder")
    trunk = np.linalg.norm(relative[:, shoulders].mean(1), axis=-1)
    seen = trunk[np.isfinite(trunk)]
    return _TRUNK / np.quantile(seen, 0.9) if seen.any() else np.nan
