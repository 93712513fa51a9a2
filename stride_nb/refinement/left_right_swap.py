"""Left/right swaps: an estimator exchanges the two legs or the two arms; detection and correction.

Estimators do so for a few frames at a time, without a lower confidence, and a network follows them
(``benchmarks/ablations/left_right_swap.py`` measures at what cost). But limbs do not change places
from one frame to the next: of two labellings the one by which they move less is right. The swapped
frames are the cheapest path through four states (neither, legs, arms, both; Viterbi, 1967).
Low-confidence detections count in full: where one of two limbs is occluded there is nothing else to
compare with. In an image limbs do cross, but they meet on the way, and a swap then saves nothing.

Not found: a swap for most of the time; one that begins or ends where limbs meet or are not seen.
Near either end of a sequence, and after a gap, a swap shows by one change alone, and the shorter
side is taken for the swapped one (`swap_judgement` asks the prior). Below ten frames a second
nothing is changed.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.errors import InputError
from stride_nb.poses.interpolation import fill_linear, find_runs
from stride_nb.poses.sequence import Keypoints2D, PoseSequence, TrackT
from stride_nb.poses.skeleton import H36M17, LIMBS

__all__ = [
    "CONTEXT_SECONDS",
    "LIMB_PAIRS",
    "SWAP_COST",
    "exchange_pairs",
    "find_changed_pairs",
    "find_swaps",
    "fix_swaps",
    "sum_over_pairs",
    "swap_cost_reduction",
]

CONTEXT_SECONDS = 5.0
"""Seconds to either side that are looked at where a sequence is not in memory whole."""
LIMB_PAIRS = tuple(
    tuple(zip(LIMBS[f"left {limb}"], LIMBS[f"right {limb}"])) for limb in ("leg", "arm")
)
"""Pairs of joints, left and right, of the legs, and of the arms."""
SWAP_COST = 0.4
"""Metres that a swap has to save: the least of those tried by which nothing is changed, from 25
frames a second on, in the true motion of all training people, in space or in an image
(``benchmarks/ablations/left_right_swap.py``)."""
_COST_PER_SECOND = 0.5  # metres for every second of a swap: most frames have none
_MAX_STEP = 0.3  # metres: an outlier's jump counts no more than a limb's
_MAX_VOTE_AGAINST = 0.3  # metres of one pair: hips may stay in place when the knees are swapped
_MEMORY_SECONDS = 0.2  # without a detection, after which the last place says little
_MIN_FPS = 10.0  # below, limbs do change places from one frame to the next
# metres: pelvis to between the shoulders, and these apart; for the scale of an image
_SIZES = {"trunk": 0.5, "shoulders": 0.35}
# (4, 2): are legs, are arms swapped?
_STATES = np.array([[False, False], [True, False], [False, True], [True, True]])
_CHANGES = _STATES[:, None] != _STATES  # (4, 4, 2), to and from


def swap_cost_reduction(
    joints: Float[np.ndarray, "T 17 D"], fps: float
) -> Float[np.ndarray, "T 2 3"]:
    """How much shorter, in metres, the ways of each pair of joints are if they swap just before a
    frame.

    Args:
        joints: metres, relative to the pelvis, in space or in an image; NaN where missing.
        fps: frames a second.
    """
    return _compare_labellings(joints, fps)[0]


def _compare_labellings(joints: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """`swap_cost_reduction`, and what the comparison is worth (T, 2, 3): 1 with the frame before,
    less the longer ago the pair was last seen, 0 where it is not."""
    reduction = np.zeros((len(joints), len(LIMB_PAIRS), len(LIMB_PAIRS[0])))
    worth = np.zeros_like(reduction)
    for limb, pairs in enumerate(LIMB_PAIRS):
        for i, pair in enumerate(pairs):
            frames = np.flatnonzero(np.isfinite(joints[:, pair]).all((1, 2)))
            here, pause = joints[frames][:, pair], (np.diff(frames) - 1) / fps
            straight, across = (
                np.linalg.norm(here[1:] - before, axis=-1).clip(max=_MAX_STEP).sum(1)
                for before in (here[:-1], here[:-1, ::-1])
            )
            worth[frames[1:], limb, i] = np.exp(-pause / _MEMORY_SECONDS)
            reduction[frames[1:], limb, i] = (straight - across) * worth[frames[1:], limb, i]
    return reduction, worth


def sum_over_pairs(reduction: Float[np.ndarray, "T 2 3"]) -> Float[np.ndarray, "T 2"]:
    """Metres that a swap saves the legs, and the arms: the sum over their pairs, each −0.3 at
    least."""
    return reduction.clip(min=-_MAX_VOTE_AGAINST).sum(-1)


def find_swaps(
    joints: Float[np.ndarray, "T 17 D"], fps: float, cost: float = SWAP_COST
) -> Bool[np.ndarray, "T 2 3"]:
    """In which frames each pair of joints, of legs and arms, is swapped.

    The labelling changes only where a pair is seen. After a gap a change costs as little as the
    comparison across it is worth: what stands before says little of the labels behind.

    Args:
        joints, fps: as of `swap_cost_reduction`.
        cost: metres that a swap has to save.
    """
    reduction, worth = _compare_labellings(joints, fps)
    if fps < _MIN_FPS:
        return np.zeros(reduction.shape, bool)
    saving = np.einsum("ijk,tk->tij", _CHANGES, sum_over_pairs(reduction))
    stay_cost = np.asarray(_COST_PER_SECOND / fps * _STATES.any(1))
    price = np.where(worth.any(-1), cost * worth.max(-1), np.inf)  # (T, 2), of each limb
    change_cost = np.where(_CHANGES, price[:, None, None], 0.0).max(-1)
    states = _find_cheapest_path(change_cost - saving, stay_cost)
    return _select_pairs(_STATES[states], reduction)


def _find_cheapest_path(change_cost: np.ndarray, stay_cost: np.ndarray) -> np.ndarray:
    """(T,) states of least total cost (Viterbi), of (T, to, from) costs of a change and (S,) costs
    of a frame in a state."""
    frames, states, _ = change_cost.shape
    previous, total = np.zeros((frames, states), int), stay_cost
    for t in range(1, frames):
        paths = total + change_cost[t]
        previous[t] = paths.argmin(1)
        total = paths.min(1) + stay_cost
    state = np.full(frames, total.argmin())
    for t in range(frames - 1, 0, -1):
        state[t - 1] = previous[t, state[t]]
    return state


def _select_pairs(limbs: np.ndarray, reduction: np.ndarray) -> np.ndarray:
    """(T, 2, 3) of swapped limbs (T, 2) the pairs that save something where the swap begins and
    ends: a knee and an ankle may be swapped without the hip."""
    pairs = np.repeat(limbs[..., None], reduction.shape[-1], -1)
    reduction = np.pad(reduction, ((0, 1), (0, 0), (0, 0)))  # 0 at the end of the sequence
    for limb, flags in enumerate(limbs.T):
        for begin, frames in find_runs(flags):
            end = begin + frames
            pairs[begin:end, limb] &= reduction[begin, limb] + reduction[end, limb] >= 0
    return pairs


def fix_swaps(track: TrackT, cost: float = SWAP_COST) -> TrackT:
    """The track, in space or in an image, with left/right swaps corrected.

    Whether the confidence of a swapped joint belongs to its name or to its place is unknown, so
    both of a pair get the lower one. Where only one of a pair was detected, the detection goes to
    the other joint with its own confidence.

    Args:
        track: of joint set h36m17.
        cost: as of `find_swaps`.

    Raises:
        InputError: another joint set.
    """
    if track.skeleton != H36M17:
        expected = 'h36m17 (track.to("h36m17") converts)'
        raise InputError(track.name or "fix_swaps", "skeleton", expected, track.skeleton.name)
    points, confidence = _get_points(track), track.confidence
    relative = points - fill_linear(points[:, :1], confidence[:, :1] > 0)
    if isinstance(track, Keypoints2D):
        relative = relative * _estimate_metres_per_pixel(relative)
    return exchange_pairs(track, find_swaps(relative, track.fps, cost))


def exchange_pairs(track: TrackT, swapped: Bool[np.ndarray, "T 2 3"]) -> TrackT:
    """The track with these pairs exchanged, and their confidence as `fix_swaps` says."""
    field = "pixels" if isinstance(track, Keypoints2D) else "joints"
    points, confidence = _get_points(track).copy(), track.confidence.copy()
    for limb, pairs in enumerate(LIMB_PAIRS):
        for i, pair in enumerate(pairs):
            where = np.ix_(swapped[:, limb, i], np.array(pair))
            before = confidence[where]
            points[where] = points[where][:, ::-1]
            confidence[where] = np.where(
                before.all(1, keepdims=True), before.min(1, keepdims=True), before[:, ::-1]
            )
    return track.replace(**{field: points, "confidence": confidence})


def find_changed_pairs(one: TrackT, two: TrackT) -> Bool[np.ndarray, "T 2 3"]:
    """Which pairs of joints, of legs and arms, differ between two versions of a track."""
    one_points, two_points = (np.nan_to_num(_get_points(track)) for track in (one, two))
    differ = np.asarray((np.abs(one_points - two_points) > 1e-6).any(-1))
    return np.asarray(differ[:, np.array(LIMB_PAIRS)].any(-1))


def _get_points(track: PoseSequence | Keypoints2D) -> np.ndarray:
    return track.pixels if isinstance(track, Keypoints2D) else track.joints


def _estimate_metres_per_pixel(relative_px: np.ndarray) -> float:
    """By what looks largest, as foreshortening only makes smaller; NaN where neither trunk nor
    shoulders are ever seen."""
    left, right = relative_px[:, H36M17.index("lshoulder", "rshoulder")].swapaxes(0, 1)
    pelvis = relative_px[:, 0]
    trunk = np.where(np.isfinite(pelvis), (left + right) / 2 - pelvis, np.nan)
    scales = []
    for name, vector in {"trunk": trunk, "shoulders": left - right}.items():
        length_px = np.linalg.norm(vector, axis=-1)
        length_px = length_px[np.isfinite(length_px) & (length_px > 0)]
        if len(length_px):
            scales.append(_SIZES[name] / np.quantile(length_px, 0.9))
    return min(scales, default=np.nan)
