"""People who are not upright, and input unlike any that the prior was trained on.

The prior has seen people who stand, walk and sit before a camera with y down. Of somebody upside
down, or of joints handed over with y up, it makes somebody else, and is sure of it. Turned upright,
refined and turned back, the same input is refined as well as any. So a body whose trunk and legs do
not point up is turned, if the frozen prior then agrees better with what was trusted; what it is
given stays in the axes that it came in. An answer that stays far from trusted detections all the
same is no answer to rely on: its confidence is lowered.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.models.motion_prior import PRIOR_FPS, Prior
from stride_nb.models.uncertainty import MEAN_ERROR, chance_within
from stride_nb.poses.geometry import rotation_between
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.posture import sum_upwards
from stride_nb.poses.sequence import WINDOW_FRAMES, PoseSequence
from stride_nb.poses.streaming import Track3D
from stride_nb.refinement.sliding_window import Windows

__all__ = ["find_upright_rotation", "lower_confidence_if_far", "measure_disagreement", "turn"]

_UP = np.array([0.0, -1, 0])
"""In a camera's axes."""
_LEANING = 0.5
"""Cosine of 60°: nearer to up than that, a person is upright."""
_BETTER = 0.8
"""Times the disagreement as given, from which on a turned person agrees better."""
_FAR = 0.1
"""Metres between answer and trusted detections, in the median, from which on it is no answer."""
_FEWEST_JOINTS = 20


def find_upright_rotation(
    sequence: Track3D, network: Prior
) -> tuple[Float[np.ndarray, "3 3"] | None, str]:
    """The rotation that sets the person upright, where the prior's frozen answer then agrees better
    with what was trusted, else None; and a note.

    Args:
        sequence: camera axes, metres.
    """
    upwards = sum_upwards(sequence)
    if not (length := np.linalg.norm(upwards)) > 0:
        return None, ""
    direction = upwards / length
    if direction @ _UP > _LEANING:
        return None, ""
    rotation = _rotate_onto(direction, _UP)
    disagreement = [_try_frozen(turned, network) for turned in (sequence, turn(sequence, rotation))]
    stands = "y up, as in axes other than a camera's, or upside down"
    stands = stands if direction @ _UP < -_LEANING else "neither y down nor y up, or lying"
    as_given, turned_over = (f"{1000 * d:.0f} mm" for d in disagreement)
    if not disagreement[1] < _BETTER * disagreement[0]:
        return None, f"the person has {stands}; "
    agrees = f"{turned_over} from trusted joints, {as_given} as given"
    return rotation, f"the person has {stands}: refined upright ({agrees}) and turned back; "


def _rotate_onto(direction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The smallest rotation from one unit vector to another; about z where they are opposite."""
    if direction @ target < -0.999:
        return np.diag([-1.0, -1.0, 1.0])
    return np.asarray(rotation_between(direction, target))


def turn(sequence: Track3D, rotation: Float[np.ndarray, "3 3"]) -> Track3D:
    """The sequence rotated about the origin, without its keypoints, which show it as it was."""
    return sequence.map(lambda part: part.replace(joints=part.joints @ rotation.T, keypoints=None))


def _try_frozen(sequence: Track3D, network: Prior) -> float:
    """Median distance, metres, of the frozen answer from trusted joints in a window or two."""
    distances = []
    for part in _cut_samples(sequence):
        windows = Windows(part.resample(PRIOR_FPS), network)
        joints, _ = predict_with_flip(network, windows.make_features(0))[0]
        trusted = windows.get_confidence(0) >= CONFIDENCE_THRESHOLD
        off = np.linalg.norm(windows.fill_relative(0) - joints, axis=-1)
        distances.append(off[:, 1:][trusted[:, 1:]])
    found = np.concatenate(distances) if distances else np.zeros(0)
    return float(np.median(found)) if len(found) else 0.0


def _cut_samples(sequence: Track3D) -> list[PoseSequence]:
    """The beginning and the middle, as long as a window each, of those that show somebody."""
    frames = round(WINDOW_FRAMES * sequence.fps / PRIOR_FPS) + 1
    starts = sorted({0, max(len(sequence) // 2 - frames // 2, 0)})
    parts = [sequence[a : a + frames] for a in starts]
    return [part for part in parts if not part.missing.all()]


def measure_disagreement(sequence: Track3D, answer: Track3D) -> float:
    """Median distance of an answer from trusted joints, relative to the pelvis, metres, in the
    beginning and the middle; 0 where there is little to compare."""
    distances = [np.zeros(0)]
    for given in _cut_samples(sequence):
        a = given.start - sequence.start
        found = answer[a : a + len(given)]
        trusted = (given.confidence >= CONFIDENCE_THRESHOLD) & ~given.missing[:, :1]
        off = given.root_relative().joints - found.root_relative().joints
        distances.append(np.linalg.norm(off, axis=-1)[:, 1:][trusted[:, 1:]])
    flat = np.concatenate(distances)
    return float(np.median(flat)) if len(flat) >= _FEWEST_JOINTS else 0.0


def lower_confidence_if_far(
    sequence: Track3D, answer: Track3D, scale: Float[np.ndarray, "T J"] | None
) -> tuple[Track3D, np.ndarray | None, str]:
    """The answer, its confidence and scale such as its distance from trusted detections allows
    where that is large, and a note."""
    distance = measure_disagreement(sequence, answer)
    if distance <= _FAR:
        return answer, scale, ""
    least = distance / MEAN_ERROR
    off = f"{1000 * distance:.0f} mm from trusted detections"
    note = f"the answer is {off}: its confidence is lowered; "
    if scale is None:
        share = float(chance_within(_FAR, np.array(least)))
        return answer.map(lambda part: _lower(part, share * part.confidence)), None, note
    scale = np.where(scale > 0, np.hypot(scale, least), 0.0)
    return _lower(answer[:], chance_within(_FAR, scale)), scale, note


def _lower(part: PoseSequence, confidence: np.ndarray) -> PoseSequence:
    """With that confidence, but for the pelvis, from which all is measured."""
    return part.replace(confidence=np.concatenate([part.confidence[:, :1], confidence[:, 1:]], 1))
