"""``python -m benchmarks noise_statistics``: what errors look like, simulated and real.

Sources: every simulated noise model, on the truth and masks of the rendered test people; MediaPipe
on those people; MediaPipe on the four-camera demo; a Kinect against Vicon. Errors are of the twelve
limb joints after one similarity a clip (`evaluation.take_protocol`), lost frames left out.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from benchmarks import records
from benchmarks.frames import pd
from benchmarks.real_estimators import load_set
from stride_nb.datasets.rendered import Take
from stride_nb.datasets.simulation.estimator_noise import NOISE_MODELS, simulate_estimates
from stride_nb.errors import InputError
from stride_nb.evaluation.take_protocol import SCORED_JOINTS, align_to_truth
from stride_nb.poses.gap_filling import fill_gaps
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17

__all__ = ["Observation", "add_arguments", "describe_errors", "run"]

RESULT = Path("data/results/noise_statistics.json")
_JUMP_MM = 150.0  # of an error's change from one frame to the next at 25 a second
_LEGS, _ARMS = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
_J = {name: i for i, name in enumerate(H36M17.joints)}


@dataclass(frozen=True, eq=False)
class Observation:
    """A clip as somebody or something estimated it, root-relative, aligned to the truth; mm."""

    joints: Float[np.ndarray, "T 17 3"]
    truth: Float[np.ndarray, "T 17 3"]
    hidden: Bool[np.ndarray, "T 17"]
    found: Bool[np.ndarray, " T"]
    confidence: Float[np.ndarray, "T 17"] | None
    fps: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks noise_statistics``."""
    parser.add_argument("--clips", type=int, default=40, help="rendered clips (default: 40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT, help=f"the record (default: {RESULT})")


def run(args: argparse.Namespace) -> int:
    """Measure all sources that are at hand; write the record."""
    began, rows = time.perf_counter(), []
    for source, observations in iterate_sources(args.clips, args.seed):
        rows += [{"source": source} | row for row in describe_errors(observations)]
    record = records.make_record(
        "noise_statistics",
        rows,
        parameters={"clips": args.clips},
        seed=args.seed,
        seconds=time.perf_counter() - began,
        protocol="twelve limb joints relative to mid-hips after one similarity a clip; frames in "
        "which the estimator found somebody",
    )
    records.save(record, args.out)
    table = pd.DataFrame(rows).pivot_table(index="source", columns="quantity", values="value")
    print(table.round(2).to_string(), f"{args.out}: {len(rows)} rows", sep="\n")
    return 0


def iterate_sources(clips: int, seed: int) -> Iterator[tuple[str, list[Observation]]]:
    """Name and observations of every source."""
    rendered = load_set("rendered", "test", clips)
    for estimator in sorted({take.estimator for take in rendered}):
        chosen = [take for take in rendered if take.estimator == estimator]
        yield f"rendered, {estimator}", [_observe_take(take) for take in chosen]
    video = load_set("video")
    for estimator in sorted({take.estimator for take in video}):
        chosen = [take for take in video if take.estimator == estimator]
        yield f"video, {estimator}", [_observe_take(take) for take in chosen]
    with suppress(InputError):  # its file is not at hand
        yield "kinect", list(_observe_kinect())
    versions = list({(t.footage.name, t.occluder): t for t in rendered}.values())
    for place, noise in enumerate(NOISE_MODELS):
        rng = np.random.default_rng([seed, place])
        yield f"simulated, {noise}", [_observe_simulated(take, noise, rng) for take in versions]


def _observe_take(take: Take) -> Observation:
    return _observe(take.estimate, take.footage.joints_cam, take.hidden)


def _observe_simulated(take: Take, noise: str, rng: np.random.Generator) -> Observation:
    truth, fps = take.footage.joints_cam, take.footage.fps
    joints, confidence = simulate_estimates(truth, ~take.hidden, fps, rng, noise)
    return _observe(PoseSequence(joints, confidence, fps), truth, take.hidden)


def _observe_kinect() -> Iterator[Observation]:
    from stride_nb.datasets.uiprmd import read_kinect_clips

    for clip in read_kinect_clips()[::3]:
        truth = clip.get_sequence("truth").joints
        nothing = np.zeros(truth.shape[:2], bool)
        yield _observe(clip.get_sequence("kinect"), truth, nothing, with_confidence=False)


def _observe(sequence: PoseSequence, truth, hidden, with_confidence: bool = True) -> Observation:
    found = np.asarray(~sequence.missing.all(1))
    filled = fill_gaps(sequence, how="hold").joints
    aligned = align_to_truth(filled, truth, ~hidden & found[:, None])
    confidence = sequence.confidence if with_confidence else None
    relative = truth - truth[:, :1]
    return Observation(1e3 * aligned, 1e3 * relative, hidden, found, confidence, sequence.fps)


def describe_errors(observations: Sequence[Observation]) -> list[dict]:
    """Rows of quantity and value: the statistics of `_QUANTITIES`, means over clips, and the error
    of every scored joint, visible and hidden, mm."""
    rows = []
    for quantity, measure in _QUANTITIES.items():
        values = [measure(o) for o in observations]
        values = [value for value in values if np.isfinite(value)]
        rows.append({"quantity": quantity, "value": float(np.mean(values)) if values else None})
    for joint in SCORED_JOINTS:
        for part in ("visible", "hidden"):
            values = np.concatenate([_pick_errors(o, part, joint) for o in observations])
            name = f"{part} error of {H36M17.joints[joint]}, mm"
            rows.append({"quantity": name, "value": float(values.mean()) if len(values) else None})
    return rows


def _find_error(o: Observation) -> Float[np.ndarray, "T 12 3"]:
    return (o.joints - o.truth)[:, list(SCORED_JOINTS)]


def _mask(o: Observation, part: str) -> Bool[np.ndarray, "T 12"]:
    hidden = o.hidden[:, list(SCORED_JOINTS)]
    return np.asarray((hidden if part == "hidden" else ~hidden) & o.found[:, None])


def _pick_errors(o: Observation, part: str, joint: int) -> np.ndarray:
    column = SCORED_JOINTS.index(joint)
    return np.linalg.norm(_find_error(o)[:, column], axis=-1)[_mask(o, part)[:, column]]


def _average_error(part: str):
    def average(o: Observation) -> float:
        mask = _mask(o, part)
        return float(np.linalg.norm(_find_error(o), axis=-1)[mask].mean()) if mask.any() else np.nan

    return average


def _share_constant(o: Observation) -> float:
    """Of the squared error of joints in view, the part that is constant through the clip."""
    error, mask = _find_error(o), _mask(o, "visible")
    columns = [error[mask[:, j], j] for j in range(error.shape[1]) if mask[:, j].sum() > 5]
    total = sum((c**2).sum() for c in columns)
    return float(sum(len(c) * (c.mean(0) ** 2).sum() for c in columns) / total) if total else np.nan


def _correlation_time(o: Observation) -> float:
    """Seconds after which the rest of the error of joints in view is correlated to 1/e."""
    mask = _mask(o, "visible")
    error = np.where((mask & (mask.sum(0) > 1))[..., None], _find_error(o), np.nan)
    if np.isnan(error).all():
        return np.nan
    with warnings.catch_warnings():  # a joint that was never in view has no mean
        warnings.simplefilter("ignore", RuntimeWarning)
        error = error - np.nanmean(error, 0)
    power = np.nanmean(error**2)
    for lag in range(1, len(error) - 1):
        if np.nanmean(error[lag:] * error[:-lag]) < power / np.e:
            return lag / o.fps
    return np.nan


def _depth_to_lateral(o: Observation) -> float:
    """Root mean square error along the optical axis ÷ that across it (per axis)."""
    error = _find_error(o)[_mask(o, "visible")]
    return float(np.sqrt(2 * (error[:, 2] ** 2).mean() / (error[:, :2] ** 2).sum(-1).mean()))


def _share_jumps(o: Observation) -> float:
    """Joint-frames whose error changes by more than 150 mm within 1/25 s, percent."""
    lag = max(1, round(o.fps / 25))
    change = np.linalg.norm(_find_error(o)[lag:] - _find_error(o)[:-lag], axis=-1)
    known = o.found[lag:] & o.found[:-lag]
    return 100 * float((change[known] > _JUMP_MM).mean()) if known.any() else np.nan


def _share_swaps(names: Sequence[str]):
    def share(o: Observation) -> float:
        """Frames in which left and right of these joints, exchanged, fit clearly better,
        percent."""
        left, right = ([_J[side + n] for n in names] for side in "lr")
        as_is = _distance(o, left, left) + _distance(o, right, right)
        exchanged = _distance(o, left, right) + _distance(o, right, left)
        return 100 * float((exchanged < 0.5 * as_is)[o.found].mean())

    return share


def _distance(o: Observation, joints: list[int], places: list[int]) -> np.ndarray:
    return np.linalg.norm(o.joints[:, joints] - o.truth[:, places], axis=-1).mean(1)


def _share_facing_flips(o: Observation) -> float:
    """Frames in which hips and shoulders face more than 90° away from the truth, percent."""

    def face(joints: np.ndarray) -> np.ndarray:
        across = joints[:, _J["lhip"]] - joints[:, _J["rhip"]]
        return across + joints[:, _J["lshoulder"]] - joints[:, _J["rshoulder"]]

    dot = (face(o.joints)[:, [0, 2]] * face(o.truth)[:, [0, 2]]).sum(-1)
    return 100 * float((dot < 0)[o.found].mean())


def _share_confident(part: str):
    def share(o: Observation) -> float:
        mask = _mask(o, part)
        if o.confidence is None or not mask.any():
            return np.nan
        confidence = o.confidence[:, list(SCORED_JOINTS)][mask]
        return 100 * float((confidence >= CONFIDENCE_THRESHOLD).mean())

    return share


_QUANTITIES: Mapping = {
    "visible error, mm": _average_error("visible"),
    "hidden error, mm": _average_error("hidden"),
    "constant share of squared error": _share_constant,
    "correlation time, s": _correlation_time,
    "depth : lateral": _depth_to_lateral,
    "jumps over 150 mm, %": _share_jumps,
    "legs swapped, %": _share_swaps(_LEGS),
    "arms swapped, %": _share_swaps(_ARMS),
    "facing flips, %": _share_facing_flips,
    "visible joints of confidence ≥ 0.5, %": _share_confident("visible"),
    "hidden joints of confidence ≥ 0.5, %": _share_confident("hidden"),
    "frames with a person, %": lambda o: 100 * float(o.found.mean()),
}
