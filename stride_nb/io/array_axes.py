"""Which axis of an array is what: frames, people, joints, coordinates, a confidence."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from stride_nb.io.document import Document

__all__ = ["find_people_and_frames", "split_confidence"]

_TIMES_STEADIER = 3.0
"""Times steadier along one axis than along the other."""
_LONGER = 4
"""Times more frames than people, where steadiness does not tell."""
_SAMPLED_FRAMES = 200
_STEADY, _STEADIER = 0.03, 0.4
"""Deviation of a body's distances at most, and of those of numbers in another order."""
_BYTE, _PIXELS, _MILLIMETRES = 255, 100, 400
"""Largest confidence in any unit; coordinates that are none of metres; a box about a person in
millimetres or pixels, who is deeper than 255 mm."""
_JUMPIER = 4.0
"""Times that a confidence changes its course more than coordinates do."""
_PAIRS = 1000


def find_people_and_frames(
    document: Document, joints: np.ndarray
) -> tuple[Float[np.ndarray, "P T J C"], bool, tuple[str, ...]]:
    """Joints as (P, T, J, C), from (T, J, C), (P, T, J, C) or (T, P, J, C).

    Poses of one person change little from one frame to the next, those of two people differ: along
    the steadier axis time passes. Where that does not tell the longer axis does; an axis of length
    1 in second place is that of the people.

    Returns:
        The array, whether frames came first, and notes.

    Raises:
        InputError: neither tells.
    """
    if joints.ndim == 3:
        return joints[None], False, ()
    if _is_channels_first(joints):
        expected = "(people, frames, joints, coordinates), or frames first"
        found = f"{joints.shape}, coordinates first and people last: np.moveaxis(a, 0, -1)"
        raise document.error("axes", expected, found)
    first, second = joints.shape[:2]
    if first == 1 or second == 1:
        frames_first = second == 1 and first > 1
    else:
        frames_first = _is_time_first(document, joints)
    if not frames_first:
        return joints, False, ()
    note = f"axes (frames, people, joints, {joints.shape[-1]}), by lengths and steadiness"
    return joints.swapaxes(0, 1), True, (note,) if second > 1 else ()


def _is_channels_first(joints: np.ndarray) -> bool:
    """Whether it is (C, T, J, P), as graph networks take it, and not (P, T, J, C), where lengths
    allow both: it then holds far steadier bodies."""
    channels, frames, _, people = joints.shape
    if channels not in (2, 3) or people > 2 or frames < 3:
        return False
    known = np.where(joints == 0, np.nan, joints)[:, :_SAMPLED_FRAMES]
    as_given = [_measure_unsteadiness(pose) for pose in known]
    moved = np.moveaxis(known, 0, -1)  # (T, J, P, C)
    as_moved = [_measure_unsteadiness(moved[:, :, p]) for p in range(people)]
    return max(as_moved) < min(_STEADY, _STEADIER * max(as_given))


def _is_time_first(document: Document, joints: np.ndarray) -> bool:
    first, second = joints.shape[:2]
    along_first, along_second = (_measure_change(joints.swapaxes(0, axis)) for axis in (0, 1))
    if along_first * _TIMES_STEADIER < along_second:
        return True
    if along_second * _TIMES_STEADIER < along_first:
        return False
    if first >= _LONGER * second or second >= _LONGER * first:
        return first > second
    expected = "(people, frames, joints, coordinates), or frames first, as lengths or motion tell"
    raise document.error(
        "axes", expected, f"{joints.shape}, which may be either: one person a file"
    )


def _measure_change(poses: np.ndarray) -> float:
    """Median way of a joint from one pose to the next along the first axis; 0 of all-equal poses,
    and where nothing is known."""
    poses = poses[: _SAMPLED_FRAMES + 1]
    known = np.where((poses == 0).all(-1, keepdims=True), np.nan, poses)
    steps = np.linalg.norm(np.diff(known, axis=0), axis=-1)
    steps = steps[np.isfinite(steps)]
    return float(np.median(steps)) if steps.size else 0.0


def split_confidence(
    document: Document, joints: Float[np.ndarray, "N J C"]
) -> tuple[Float[np.ndarray, "N J D"], Float[np.ndarray, "N J"]]:
    """Coordinates (2 or 3) and confidence, non-finite coordinates as NaN.

    Raises:
        InputError: a third column that may be a depth as well as a confidence.
    """
    joints = np.where(np.isfinite(joints), joints, np.nan)
    coordinates, last = joints[..., :-1], joints[..., -1]
    if joints.shape[-1] == 4 or (joints.shape[-1] == 3 and _may_be_scores(coordinates, last)):
        return coordinates, last
    if joints.shape[-1] == 3 and _is_no_depth(coordinates, last):
        values = last[np.isfinite(last)]
        expected = "x, y, confidence in [0, 1], or x, y, z"
        found = f"a third column from {values.min():g} to {values.max():g} that is no body's depth"
        raise document.error("coordinates", expected, found)
    return joints, np.ones(joints.shape[:-1])


def _may_be_scores(pixels: np.ndarray, values: np.ndarray) -> bool:
    """In [0, 1] but for one in a hundred (the scores of interpolated heat maps overshoot a little),
    beside coordinates that are larger."""
    values, pixels = values[np.isfinite(values)], np.abs(pixels[np.isfinite(pixels)])
    if not values.size or not pixels.size or pixels.max() <= 10:
        return False
    return values.min() >= -0.1 and values.max() <= 1.5 and np.percentile(values, 99) <= 1


def _is_no_depth(pixels: np.ndarray, values: np.ndarray) -> bool:
    """Whether a third column, from 0 to 255, is one value a joint though the joints move, stands
    beside shares of an image or a person of many pixels, or jumps where the joints move evenly or
    is whole where they are not."""
    finite = np.isfinite(pixels).all(-1) & np.isfinite(values)
    if finite.sum() < 2 or not 0 <= values[finite].min() <= values[finite].max() <= _BYTE:
        return False
    poses = np.concatenate([pixels, values[..., None]], -1)[finite.all(1)][:_SAMPLED_FRAMES]
    if pixels[finite].min() < 0 or len(poses) < 3:
        return False
    moves, largest = poses.std(0), pixels[finite].max()
    if np.median(moves[:, :2]) > 0 and moves[:, 2].max() <= 1e-6 * max(values[finite].max(), 1.0):
        return True
    if largest <= 1:
        return True  # shares of an image: nobody is in a corner of 1 m
    if largest <= _PIXELS:
        return False
    box = np.median(np.linalg.norm(np.ptp(poses[..., :2], axis=1), axis=-1))
    jumps = np.median(np.abs(np.diff(poses, 2, axis=0)), axis=(0, 1))
    whole = (poses % 1 == 0).all((0, 1))
    counts = bool(whole[2] and not whole[:2].any())
    return bool(box > _MILLIMETRES or jumps[2] > _JUMPIER * max(jumps[:2]) or counts)


def _measure_unsteadiness(poses: np.ndarray) -> float:
    """Relative deviation of the distance between two joints, of the steadiest tenth of all pairs:
    of a body, bones."""
    one, other = np.triu_indices(poses.shape[1], 1)
    if len(one) > _PAIRS:
        one, other = one[:: len(one) // _PAIRS], other[:: len(other) // _PAIRS]
    distance = np.linalg.norm(poses[:, one] - poses[:, other], axis=-1)
    distance = distance[:, np.isfinite(distance).any(0)]
    usual = np.nanmean(distance, 0)
    deviation = np.nanstd(distance, 0)[usual > 0] / usual[usual > 0]
    return float(np.quantile(deviation, 0.1)) if len(deviation) else 0.0
