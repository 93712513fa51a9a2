"""Do no harm: good detections are kept, as far as they are better than the prior's answer.

The prior pulls every body towards those that it was trained on. Where detections are precise that
costs more than it gains: on perfect input it moves visible joints by 18 mm. Each joint's detections
are therefore weighed against the answer by two errors, both estimated from the sequence itself,
from how much the joint's bones change their length (b), how much its acceleration differs from the
answer's (a), and how far detection and answer are apart (d):

    ê_d = max(exp(k₀ + k₁ log b + k₂ log d), exp(l₀ + l₁ log a + l₂ log d))
    ê_p = exp(m₀ + m₁ log a + m₂ log d)

of detection and answer. Bones alone say nothing of an estimator that answers with a body model,
whose bones never change; hence the greater of two. The coefficients were fitted on motion of CMU's
training people under six noise models at 0 to 1 times their size
(`benchmarks.ablations.noise_level`). The detection counts with

    w = ê_p⁴ / (ê_p⁴ + ê_d⁴),

the square of what precision weighting would do with independent errors that are known exactly. What
is hidden keeps the offset of the same joint's nearest detections for a quarter of a second.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17
from stride_nb.poses.streaming import StreamedSequence, Track3D

__all__ = [
    "ANSWER_BY_JITTER",
    "DETECTION_BY_BONES",
    "DETECTION_BY_JITTER",
    "estimate_weights",
    "fuse_with_detections",
    "measure_features",
]

DETECTION_BY_BONES = (1.707, 0.656, 0.730)
DETECTION_BY_JITTER = (4.838, 1.565, 0.107)
ANSWER_BY_JITTER = (-1.699, -0.090, 0.751)
"""k, l and m; metres, each plus a millimetre before its logarithm."""
_APART = 1.6  # times the answer's error: what detections are farther off is theirs
_LEAST_WEIGHT = 0.02
_FEWEST_SEEN = 20  # of a joint, from which its errors are estimated
_LOOKED_AT = 3000  # frames, at the beginning, from which weights are estimated: a minute
_PART_FRAMES = 1000  # frames
_DECAY_SECONDS, _CONTEXT_SECONDS = 0.25, 2.0


def fuse_with_detections(source: Track3D, result: Track3D) -> tuple[Track3D, str]:
    """The answer moved towards those detections that are the better ones; and a note of how much
    they count.

    Args:
        source: what the network saw, H36M-17, camera axes, metres.
        result: its answer, in the same frames.
    """
    weights = estimate_weights(source[:_LOOKED_AT], result[:_LOOKED_AT])
    if (weights < _LEAST_WEIGHT).all():
        return result, ""
    context = round(_CONTEXT_SECONDS * source.fps)

    def fuse(part: PoseSequence) -> PoseSequence:
        first = part.start - result.start
        return _fuse_part(source[first : first + len(part)], part, weights)

    if isinstance(result, StreamedSequence):
        fused = result.map(fuse, context)
        fused = fused.store(fused.iter_parts())
    else:
        joints = np.empty_like(result.joints)
        for a in range(
            0, len(result), _PART_FRAMES
        ):  # so that no copies of a long sequence pile up
            first = max(a - context, 0)
            part = fuse(result[first : a + _PART_FRAMES + context]).joints
            joints[a : a + _PART_FRAMES] = part[a - first :][:_PART_FRAMES]
        fused = result.replace(joints=joints)
    return fused, f"detections count {weights[1:].mean():.0%} beside the prior; "


def estimate_weights(source: PoseSequence, result: PoseSequence) -> Float[np.ndarray, " 17"]:
    """How much a joint's detections count beside the answer, from 0 to 1; 0 for the pelvis, and
    where there are too few.

    Args:
        source, result: as of `fuse_with_detections`.
    """
    detected, answer = source.root_relative().joints, result.root_relative().joints
    seen = source.confidence >= CONFIDENCE_THRESHOLD
    seen &= np.isfinite(detected).all(-1)
    bones, jitter, apart = measure_features(detected, answer, seen)
    own = np.maximum(
        _predict_error(DETECTION_BY_BONES, bones, apart),
        _predict_error(DETECTION_BY_JITTER, jitter, apart),
    )
    prior = _predict_error(ANSWER_BY_JITTER, jitter, apart)
    own = np.maximum(own, np.sqrt(np.maximum(apart**2 - (_APART * prior) ** 2, 0)))
    weights = prior**4 / (prior**4 + own**4)
    weights[0] = 0
    return np.nan_to_num(weights)


def measure_features(
    detected: Float[np.ndarray, "T 17 3"],
    answer: Float[np.ndarray, "T 17 3"],
    seen: Bool[np.ndarray, "T 17"],
) -> tuple[Float[np.ndarray, " 17"], Float[np.ndarray, " 17"], Float[np.ndarray, " 17"]]:
    """b, a and d of every joint, metres, where it was seen; NaN where that is too seldom.

    Args:
        detected, answer: relative to the pelvis.
    """
    apart = _average(np.linalg.norm(detected - answer, axis=-1), seen)
    return _measure_bone_spread(detected, seen), _measure_jitter(detected - answer, seen), apart


def _predict_error(coefficients, first: np.ndarray, apart: np.ndarray) -> np.ndarray:
    start, by_first, by_apart = coefficients
    return np.exp(start + by_first * np.log(first + 1e-3) + by_apart * np.log(apart + 1e-3))


def _average(values: np.ndarray, seen: np.ndarray) -> Float[np.ndarray, " 17"]:
    """Over frames in which a joint was seen; NaN where they are too few."""
    count = seen.sum(0)
    total = np.where(seen, values, 0).sum(0)
    return np.where(count >= _FEWEST_SEEN, total / np.maximum(count, 1), np.nan)


def _measure_bone_spread(joints: np.ndarray, seen: np.ndarray) -> Float[np.ndarray, " 17"]:
    """By how much the bones at a joint change their length: the median deviation, as a standard
    deviation, metres."""
    parents, spread = np.array(H36M17.parents), np.full(17, np.nan)
    for joint in range(1, 17):
        both = seen[:, joint] & seen[:, parents[joint]]
        if both.sum() >= _FEWEST_SEEN:
            bone = joints[both, joint] - joints[both, parents[joint]]
            length = np.linalg.norm(bone, axis=-1)
            spread[joint] = 1.4826 * np.median(np.abs(length - np.median(length)))
    at_joint = [[spread[j], *spread[parents == j]] for j in range(17)]
    known = [[s for s in values if np.isfinite(s)] for values in at_joint]
    return np.array([np.mean(values) if values else np.nan for values in known])


def _measure_jitter(offset: np.ndarray, seen: np.ndarray) -> Float[np.ndarray, " 17"]:
    """Standard deviation of white noise that would differ from the answer as much in acceleration,
    metres and coordinate."""
    bend = offset[2:] - 2 * offset[1:-1] + offset[:-2]
    all_seen = seen[2:] & seen[1:-1] & seen[:-2]
    return np.sqrt(_average((bend**2).sum(-1), all_seen) / 18)


def _fuse_part(
    source: PoseSequence, part: PoseSequence, weights: Float[np.ndarray, " 17"]
) -> PoseSequence:
    detected, joints = source.root_relative().joints, part.joints.copy()
    root = joints[:, :1]
    seen = (source.confidence >= CONFIDENCE_THRESHOLD) & np.isfinite(detected).all(-1)
    for joint in np.flatnonzero(weights >= _LEAST_WEIGHT):
        offset = weights[joint] * (detected[:, joint] - (joints - root)[:, joint])
        joints[:, joint] += _carry_offset(offset, seen[:, joint], weights[joint], part.fps)
    return part.replace(joints=joints)


def _carry_offset(
    offset: Float[np.ndarray, "T 3"], seen: Bool[np.ndarray, " T"], weight: float, fps: float
) -> Float[np.ndarray, "T 3"]:
    """The offset where a joint was seen; beside it that of the nearest such frames, fading."""
    frames = np.arange(len(seen))
    before = np.maximum.accumulate(np.where(seen, frames, -(10**9)))
    after = np.minimum.accumulate(np.where(seen, frames, 10**9)[::-1])[::-1]
    carried = np.zeros_like(offset)
    to_before, to_after = (frames - before) / fps, (after - frames) / fps
    for at, own, other in ((before, to_before, to_after), (after, to_after, to_before)):
        near = ~seen & (own < _CONTEXT_SECONDS)
        share = other[near] / np.maximum(own[near] + other[near], 1e-9)
        fade = weight**2 * np.exp(-own[near] / _DECAY_SECONDS) * share
        carried[near] += fade[:, None] * offset[at[near]]
    carried[seen] = offset[seen]
    return carried
