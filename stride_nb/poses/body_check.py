"""Is this a body? What no person's joints can be is an error or a note that names what to look at.

A file that is read in the wrong unit, joint set, axis order or image size is full of numbers that
look fine one by one. Together they make a body whose limbs have lengths that no person's have, that
differ left from right, that do not stay the same, or that stand elsewhere than in the image.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import H36M17, SKELETONS
from stride_nb.poses.streaming import StreamedSequence, Track3D

__all__ = [
    "PERSON_EXTENT",
    "check_extent",
    "describe_faults",
    "measure_extent",
    "sample_frames",
]

PERSON_EXTENT = (0.4, 4.0)
"""Metres from corner to corner of the box around a person."""
_HEIGHTS = (0.5, 2.5)
"""Metres that people are tall."""
_SAMPLE = 300
"""Frames that are looked at, evenly over the whole."""
_LIMBS = {
    "thigh": ("hip", "knee", 0.45),
    "shin": ("knee", "ankle", 0.43),
    "upper arm": ("shoulder", "elbow", 0.28),
    "forearm": ("elbow", "wrist", 0.25),
}
"""Their ends, and metres of an adult."""
_TRUNK_BONE = ("pelvis", "thorax", 0.5)
_WIDTHS = {"hips": ("lhip", "rhip", 0.25), "shoulders": ("lshoulder", "rshoulder", 0.35)}
_HEAD = 0.25  # metres from the shoulders to the crown
_OFF_PROPORTION = 2.6  # times longer or shorter than an adult's, all bones at one scale
_UNLIKE = 1.7  # times the other side's
_UNSTEADY = 0.45  # median deviation from the median length, of most limbs
_OUTSIDE = 0.1  # share of trusted joints beyond the image's edges by a tenth of its size
_FEWEST = 8  # joints in a frame that tell a person's size


def sample_frames(track: Track3D | Keypoints2D) -> PoseSequence | Keypoints2D:
    """A few hundred frames with somebody in them; of a stream from its beginning, middle and
    end."""
    if isinstance(track, StreamedSequence):
        part, last = _SAMPLE // 3, max(len(track) - _SAMPLE // 3, 0)
        track = _concatenate([track[a : a + part] for a in sorted({0, last // 2, last})])
    frames = np.flatnonzero(~track.missing.all(1))
    frames = frames[:: max(1, -(-len(frames) // _SAMPLE))] if len(frames) else np.arange(1)
    kept = {"confidence": track.confidence[frames]}
    if isinstance(track, Keypoints2D):
        return track.replace(pixels=track.pixels[frames], **kept)
    return track.replace(joints=track.joints[frames], keypoints=None, **kept)


def _concatenate(parts: list[PoseSequence]) -> PoseSequence:
    joints, confidence = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("joints", "confidence")
    )
    return parts[0].replace(joints=joints, confidence=confidence, keypoints=None)


def measure_extent(points: Float[np.ndarray, "N J C"]) -> float:
    """Median length from corner to corner of the boxes around poses, those of which little is known
    left out where others tell more; NaN where nothing is known."""
    known = np.isfinite(points).all(-1).sum(1)
    points = points[known >= min(_FEWEST, known.max(initial=0))]
    points = points[np.any(np.isfinite(points).all(-1), axis=1)]
    if not len(points):
        return float("nan")
    box = np.nanmax(points, 1) - np.nanmin(points, 1)
    return float(np.median(np.linalg.norm(box, axis=-1)))


def check_extent(sequence: Track3D) -> None:
    """InputError where a sequence that should be in metres is of no person in metres."""
    sample = sample_frames(sequence)
    assert isinstance(sample, PoseSequence)
    extent = measure_extent(sample.joints)
    well_seen = np.median((~sample.missing).sum(1)) >= _FEWEST
    # who is hardly seen, or moves little about a joint, may be small
    least = PERSON_EXTENT[0] / 4 if well_seen else 0.0
    if extent > PERSON_EXTENT[1] or 0 < extent < least:
        low, high = PERSON_EXTENT
        expected = f"metres, a person {low:g} to {high:g} m across"
        raise InputError(
            sequence.name or "sequence", "joints", expected, f"a median extent of {extent:g}"
        )


def describe_faults(track: Track3D | Keypoints2D) -> tuple[str, ...]:
    """What makes these joints no person's, if anything, and what may be wrong with them instead.

    Looked at are trusted joints of some hundred frames: proportions, sides, steadiness, size (3D),
    and whether they lie in the image (2D).
    """
    sample = sample_frames(track)
    source = sample.skeleton.name
    if sample.skeleton != H36M17:
        try:
            sample = sample.to("h36m17")
        except InputError:  # a set without a conversion
            return ()
    points = sample.pixels if isinstance(sample, Keypoints2D) else sample.joints
    trusted = sample.confidence >= min(CONFIDENCE_THRESHOLD, sample.confidence.max())
    points = np.where((trusted & ~sample.missing)[..., None], points, np.nan)
    if isinstance(sample, Keypoints2D):
        found = _describe_proportions(points, source, 0.9) + _describe_outside(points, sample.size)
    else:
        found = _describe_proportions(points, source, 0.5)
        found = found + _describe_sides(points) + _describe_steadiness(points)
        found = found[:1] or _describe_height(points)
    return tuple(found)


def _measure_bone(points: np.ndarray, one: str, other: str) -> np.ndarray:
    a, b = H36M17.index(one, other)
    lengths = np.linalg.norm(points[:, a] - points[:, b], axis=-1)
    return lengths[np.isfinite(lengths)]


def _measure_bones(points: np.ndarray, quantile: float) -> dict[str, tuple[float, float]]:
    """Length, and metres of an adult, by name, of what is seen often enough to tell."""
    bones = {f"{side} {name}": (f"{side[0]}{a}", f"{side[0]}{b}", adult)
             for name, (a, b, adult) in _LIMBS.items() for side in ("left", "right")}  # fmt: skip
    bones |= {"trunk": _TRUNK_BONE} | _WIDTHS
    found = {}
    for name, (a, b, adult) in bones.items():
        lengths = _measure_bone(points, a, b)
        if len(lengths) >= max(3, len(points) // 10):
            found[name] = float(np.quantile(lengths, quantile)), adult
    return found


def _describe_proportions(points: np.ndarray, skeleton: str, quantile: float) -> list[str]:
    """Bones far from an adult's proportions. In an image what is short may be foreshortened: only
    what is too long counts, at the lengths that are reached in a tenth of the frames."""
    bones = _measure_bones(points, quantile)
    if len(bones) < 5:
        return []
    in_image = points.shape[-1] == 2
    ratio = {name: np.log(max(length, 1e-9) / adult) for name, (length, adult) in bones.items()}
    scale = np.median(list(ratio.values()))
    off = {name: value - scale for name, value in ratio.items()}
    worst = max(off, key=lambda name: off[name] if in_image else abs(off[name]))
    limit = np.log(_OFF_PROPORTION * (1.5 if in_image else 1))
    if (off[worst] if in_image else abs(off[worst])) <= limit:
        return []
    others = [s.name for s in SKELETONS.values() if s.name != skeleton]
    others = [n for n in others if len(SKELETONS[n]) == len(SKELETONS.get(skeleton, ()))]
    other_set = f"another joint set ({', '.join(others)})" if others else "another joint set"
    way = "longer" if off[worst] > 0 else "shorter"
    times = f"{np.exp(abs(off[worst])):.1f} times {way} than a person's"
    return [f"no body: {worst} {times}; {other_set}, axis order or depth?"]


def _describe_sides(points: np.ndarray) -> list[str]:
    bones = _measure_bones(points, 0.5)
    for name in _LIMBS:
        pair = [
            bones[f"{side} {name}"][0] for side in ("left", "right") if f"{side} {name}" in bones
        ]
        if len(pair) == 2 and max(pair) > _UNLIKE * max(min(pair), 1e-9):
            lengths = " and ".join(f"{length:.2f}" for length in pair)
            return [f"no body: {name}s of {lengths} m, left and right; another joint set or axes?"]
    return []


def _describe_steadiness(points: np.ndarray) -> list[str]:
    spreads = []
    for a, b, _ in _LIMBS.values():
        for side in "lr":
            lengths = _measure_bone(points, side + a, side + b)
            if len(lengths) >= 10 and (middle := np.median(lengths)) > 0:
                spreads.append(np.median(np.abs(lengths - middle)) / middle)
    if len(spreads) < 4 or np.median(spreads) <= _UNSTEADY:
        return []
    percent = f"{100 * np.median(spreads):.0f} %"
    return [f"no body: limbs change their length by {percent}; axis order, frames or depth?"]


def _describe_height(points: np.ndarray) -> list[str]:
    bones = _measure_bones(points, 0.5)
    parts = [[bones[f"{side} {name}"][0] for side in ("left", "right") if f"{side} {name}" in bones]
             for name in ("thigh", "shin")]  # fmt: skip
    if "trunk" not in bones or not all(parts):
        return []
    own = bones["trunk"][0] + sum(map(np.mean, parts))
    height = own * (1 + _HEAD / sum(adult for *_, adult in (_TRUNK_BONE, *_leg())))
    if _HEIGHTS[0] <= height <= _HEIGHTS[1]:
        return []
    return [f"a person {height:.2f} m tall; another unit, or a scale to be set?"]


def _leg() -> tuple[tuple[str, str, float], ...]:
    return _LIMBS["thigh"], _LIMBS["shin"]


def _describe_outside(points_px: np.ndarray, size: tuple[int, int]) -> list[str]:
    seen = points_px[np.isfinite(points_px).all(-1)]
    if not len(seen):
        return []
    outside = _share_outside(seen, size)
    if outside <= _OUTSIDE:
        return []
    swapped = _share_outside(seen, (size[1], size[0])) <= _OUTSIDE / 10
    hint = "width and height exchanged?" if swapped else "another image size?"
    return [f"{100 * outside:.0f} % of the joints lie outside {size[0]} × {size[1]}; {hint}"]


def _share_outside(pixels: np.ndarray, size: tuple[int, int]) -> float:
    margin = 0.1 * np.array(size)
    return float(((pixels < -margin) | (pixels > np.array(size) + margin)).any(-1).mean())
