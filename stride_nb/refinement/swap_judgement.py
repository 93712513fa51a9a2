"""Left/right swaps that only one side speaks for: which labelling the prior believes.

A swap shows where it begins and where it ends. After a gap, or near an end of the sequence, one of
the two is not seen: the frames on this side of the change may be the swapped ones, or those on the
other side, as far as they reach. Then the frozen prior is asked about either, and about the input
as it is: the labelling from which its answer is nearest is kept, if it is clearly nearer, else the
input. On people of ``val`` whose limbs are swapped for 20 to 80 % of the way from a gap to the end,
every frame comes out right; by length alone, the shorter side is the swapped one, half do
(``tests/refinement/test_swap_judgement.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.models.motion_prior import PRIOR_FPS, Prior
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, find_runs
from stride_nb.poses.sequence import WINDOW_FRAMES, Keypoints2D, PoseSequence, TrackT
from stride_nb.refinement.left_right_swap import exchange_pairs, find_changed_pairs
from stride_nb.refinement.sliding_window import Windows

__all__ = ["judge_swaps", "settle_swaps_by_length"]

_GAP_SECONDS = 0.2
"""Without a limb, after which its labels are free."""
_CLEARLY_SHORTER = 1 / 3
"""Of a stretch between gaps, up to which the shorter side of a change is the swapped one."""
_CLEARLY_BETTER = 0.95
"""Times the distance of the prior's answer from the input as it is."""


def judge_swaps(given: PoseSequence, fixed: PoseSequence, network: Prior) -> PoseSequence:
    """What `fix_swaps` made of a sequence, with those corrections that only one side speaks for as
    the prior judges them.

    Args:
        given: before `fix_swaps`.
        fixed: after it.
        network: frozen.
    """
    changed = find_changed_pairs(given, fixed)
    for begin, end, changes in _find_one_sided(given, changed):
        candidates = {"given": changed & ~changes, "fixed": changed}
        candidates["rest"] = candidates["given"] ^ _flip_rest(given, changes, begin, end)
        distance = {
            name: _measure_disagreement(exchange_pairs(given, mask), begin, end, network)
            for name, mask in candidates.items()
        }
        best = min(distance, key=lambda name: distance[name])
        best = best if distance[best] < _CLEARLY_BETTER * distance["given"] else "given"
        changed = candidates[best]
    return exchange_pairs(given, changed)


def settle_swaps_by_length(given: TrackT, fixed: TrackT) -> TrackT:
    """What `fix_swaps` made of a track in space or in an image, without those corrections that only
    one side speaks for and that are not of the clearly shorter side: where there is no prior."""
    changed = find_changed_pairs(given, fixed)
    for begin, end, changes in _find_one_sided(given, changed):
        for limb in range(changes.shape[1]):
            if changes[begin:end, limb].any(-1).mean() > _CLEARLY_SHORTER:
                changed[begin:end, limb] &= ~changes[begin:end, limb]
    return exchange_pairs(given, changed)


def _find_one_sided(
    given: PoseSequence | Keypoints2D, changed: Bool[np.ndarray, "T 2 3"]
) -> Iterator[tuple[int, int, Bool[np.ndarray, "T 2 3"]]]:
    """Stretches between gaps, and the changes in them that begin or end at one."""
    gap = max(1, round(_GAP_SECONDS * given.fps))
    lost = np.ones(len(given) + 2 * gap, bool)
    lost[gap:-gap] = given.missing[:, 1:].mean(1) > 0.5
    for start, frames in find_runs(~_drop_short(lost, gap)):
        begin, end = max(int(start) - gap, 0), min(int(start) + int(frames) - gap, len(given))
        own = np.zeros_like(changed)
        for limb in range(changed.shape[1]):
            for a, n in find_runs(np.any(changed[begin:end, limb], -1)):
                if n < end - begin and (a == 0 or a + n == end - begin):
                    own[begin + a : begin + a + n, limb] = changed[begin + a : begin + a + n, limb]
        if own.any():
            yield begin, end, own


def _drop_short(lost: np.ndarray, gap: int) -> np.ndarray:
    """Without the runs that are shorter than a gap."""
    kept = lost.copy()
    for start, frames in find_runs(lost):
        if frames < gap:
            kept[start : start + frames] = False
    return kept


def _flip_rest(given: PoseSequence, changes: np.ndarray, begin: int, end: int) -> np.ndarray:
    """(T, 2, 3) the other frames of the stretch, for the pairs that have changes."""
    rest = np.zeros_like(changes)
    rest[begin:end] = changes.any(0) & ~changes[begin:end].any(-1, keepdims=True)
    return rest


def _measure_disagreement(sequence: PoseSequence, begin: int, end: int, network: Prior) -> float:
    """Mean distance of the frozen answer from trusted joints in the stretch, in a window about its
    middle, metres."""
    half = round(WINDOW_FRAMES * sequence.fps / PRIOR_FPS) // 2
    low = max((begin + end) // 2 - half, 0)
    part = sequence[low : low + 2 * half]
    windows = Windows(part.resample(PRIOR_FPS), network)
    joints, _ = predict_with_flip(network, windows.make_features(0))[0]
    trusted = windows.get_confidence(0) >= CONFIDENCE_THRESHOLD
    off = np.linalg.norm(windows.fill_relative(0) - joints, axis=-1)
    ratio = PRIOR_FPS / sequence.fps
    inside = slice(max(int((begin - low) * ratio), 0), int(np.ceil((end - low) * ratio)))
    scored = off[inside][trusted[inside]]
    return float(scored.mean()) if scored.size else np.inf
