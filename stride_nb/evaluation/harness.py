"""The evaluation harness: windows × occlusion regimes × noise × methods.

``make_cases`` walks the road motion → camera → occlusion → noise (or detections → lifter) for every
window of every clip; ``compare_methods`` runs methods on them and gives a tidy row a case and
method; ``average_rows`` and ``estimate_interval`` summarise rows.

Every case has its own random stream, named by seed, clip, window and regime: another regime, clip
or noise family leaves the cameras, masks and errors of all other cases as they were.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from torch import nn

from stride_nb.datasets.simulation import estimator_noise, occlusion
from stride_nb.errors import InputError
from stride_nb.evaluation import metrics
from stride_nb.evaluation.bootstrap import Interval, bootstrap_interval
from stride_nb.models.registry import load_model
from stride_nb.poses.gap_filling import fill_gaps
from stride_nb.poses.geometry import Camera, random_camera
from stride_nb.poses.sequence import WINDOW_FRAMES, Keypoints2D, PoseSequence
from stride_nb.refinement.filters import BASELINES
from stride_nb.refinement.lifting import lift
from stride_nb.refinement.refine import USE_IMAGE, Refinement, refine

__all__ = [
    "INPUTS",
    "MIN_FRAMES",
    "Case",
    "Place",
    "average_rows",
    "compare_methods",
    "estimate_interval",
    "make_cases",
    "replace_mask",
    "score_case",
    "select_evenly",
    "select_rows",
    "split_windows",
]

MIN_FRAMES = 81
"""Frames of a window at least; 1.6 seconds at 50 a second."""
INPUTS = ("estimator", "lifted", "estimator_2d")
"""What the methods get: a simulated 3D estimate; the shipped lifter's prediction from simulated 2D
detections; or the 3D estimate together with 2D detections of the same frames and the camera."""
_MIN_FRAMES_OF_REGIME = {"whole_2s": 162}  # a gap of two seconds needs visible frames around it

Row = Mapping
"""A tidy row: names of columns → values."""


class Place(NamedTuple):
    """Where a case comes from: a clip, which window of it, from 0, and the regime."""

    clip: str
    window: int
    regime: str


@dataclass(frozen=True, eq=False)
class Case:
    """One window of one clip, seen by a camera, occluded and estimated."""

    clip: str
    window: int
    """Which window of the clip, from 0."""
    regime: str
    family: str
    """Of the noise; ``detector`` where the input is lifted from 2D."""
    input: str
    seed: int
    truth: Float[np.ndarray, "T 17 3"]
    """Metres, camera space."""
    visible: Bool[np.ndarray, "T 17"]
    """The regime's mask, before noise; frames that the estimator then loses do not change it."""
    sequence: PoseSequence
    """What a method gets: camera space, NaN and confidence 0 in lost frames."""
    camera: Camera

    @property
    def name(self) -> str:
        """``clip/window/regime``."""
        return f"{self.clip}/{self.window}/{self.regime}"


def split_windows(frames: int, length: int = WINDOW_FRAMES, least: int = MIN_FRAMES) -> list[slice]:
    """Windows of ``length`` frames one after the other, the last one shorter; none of fewer than
    ``least`` frames.

    >>> split_windows(600)
    [slice(0, 243, None), slice(243, 486, None), slice(486, 600, None)]
    """
    starts = range(0, frames, length)
    return [slice(a, min(a + length, frames)) for a in starts if frames - a >= least]


def make_cases(
    motions: Sequence[PoseSequence],
    regimes: Sequence[str],
    family: str = "estimator",
    frames: int = WINDOW_FRAMES,
    seed: int = 0,
    input: str = "estimator",
    lifter: nn.Module | str = "lifter",
    choose: Callable[[list[Place]], Sequence[Place]] = list,
) -> list[Case]:
    """A case for every window of every clip under every regime, or for those chosen.

    Args:
        motions: world space (metres, Y up), complete, each with a name of its own; clips shorter
            than ``MIN_FRAMES`` give no case.
        regimes: keys of ``occlusion.REGIMES``. ``whole_2s`` skips windows of fewer than 162 frames.
        family: a key of ``estimator_noise.NOISE_MODELS``; of no effect on lifted input.
        frames: of a window, at most.
        input: one of ``INPUTS``.
        lifter: for lifted input, a ``Lifter`` or the name or path of weights.
        choose: of all places those to make, in their order; a case does not depend on the others.

    Raises:
        InputError: an unknown regime, family or input; two clips of one name.
    """
    if len({m.name for m in motions}) < len(motions):
        raise InputError("cases", "motions", "a name of its own for every clip", "one name twice")
    if input not in INPUTS:
        raise InputError("cases", "input", f"one of {', '.join(INPUTS)}", repr(input))
    network = lifter if input == "lifted" else None
    network = load_model(network) if isinstance(network, str) else network
    windows = {
        (motion.name, w): motion[part]
        for motion in motions
        for w, part in enumerate(split_windows(len(motion), frames, min(MIN_FRAMES, frames)))
    }
    places = [
        Place(*clip_window, regime)
        for clip_window, window in windows.items()
        for regime in regimes
        if len(window) >= _MIN_FRAMES_OF_REGIME.get(regime, 0)
    ]
    parts = ((windows[place.clip, place.window], place) for place in choose(places))
    return [_make_case(window, place, family, seed, network, input) for window, place in parts]


def _make_case(
    motion: PoseSequence,
    place: Place,
    family: str,
    seed: int,
    lifter: nn.Module | None,
    input: str,
) -> Case:
    clip, window, regime = place
    camera = random_camera(_make_rng(seed, clip, window, "camera"), motion.joints)
    truth, fps = camera.to_camera(motion.joints), motion.fps
    rng = _make_rng(seed, clip, window, regime, "occlusion")
    visible = occlusion.occlude(regime, truth, fps, rng)
    rng = _make_rng(seed, clip, window, regime, "noise")
    if lifter is None:
        joints, confidence = estimator_noise.simulate_estimates(truth, visible, fps, rng, family)
        sequence = PoseSequence(joints, confidence, fps, name=clip)
    else:
        detections = _detect(camera, truth, visible, fps, rng).replace(name=clip)
        sequence = lift(detections, lifter)
        family = "detector"
    if input == "estimator_2d":
        rng = _make_rng(seed, clip, window, regime, "keypoints")
        sequence = sequence.replace(keypoints=_detect(camera, truth, visible, fps, rng))
    return Case(clip, window, regime, family, input, seed, truth, visible, sequence, camera)


def _detect(camera: Camera, truth, visible, fps: float, rng: np.random.Generator) -> Keypoints2D:
    """Simulated 2D detections of a person."""
    pixels, confidence = estimator_noise.simulate_detections(
        camera.project(truth), visible, fps, rng
    )
    return Keypoints2D(pixels, confidence, fps, camera.size)


def _make_rng(seed: int, clip: str, window: int, *names: str) -> np.random.Generator:
    hashes = (zlib.crc32(name.encode()) for name in (clip, *names))
    return np.random.default_rng([seed, window, *hashes])


def replace_mask(case: Case, name: str, visible: Bool[np.ndarray, "T 17"]) -> Case:
    """The same case under another mask called ``name``, with its camera and the random stream of
    its noise.

    What differs between two masks of a case is then due to the masks. For simulated estimates.
    """
    rng = _make_rng(case.seed, case.clip, case.window, case.regime, "noise")
    fps = case.sequence.fps
    joints, confidence = estimator_noise.simulate_estimates(
        case.truth, visible, fps, rng, case.family
    )
    sequence = case.sequence.replace(joints=joints, confidence=confidence)
    return replace(case, regime=name, visible=visible, sequence=sequence)


def select_evenly(cases: Sequence[Case], count: int) -> list[Case]:
    """The cases of ``count`` windows, spread evenly over all of them; the same windows of every
    regime."""
    windows = list(dict.fromkeys((case.clip, case.window) for case in cases))
    count = min(count, len(windows))
    chosen = {windows[i * len(windows) // count] for i in range(count)}
    return [case for case in cases if (case.clip, case.window) in chosen]


def compare_methods(
    cases: Sequence[Case],
    methods: Sequence[str] | Mapping[str, Callable | None],
    model: nn.Module | str = "prior",
    seed: int = 0,
    options: Mapping[str, Mapping] | None = None,
) -> list[dict]:
    """Run methods on cases: one row (`score_case`) a case and method.

    Rows of methods that give a ``scale`` also have their calibration: ``claimed_hidden`` and
    ``claimed_visible``, the mean predicted chance that a joint is within 100 mm, and
    ``within_hidden`` and ``within_visible``, the share of joints that are; without the pelvis.

    Args:
        methods: names that ``refine`` knows, and ``input`` (lost frames held, nothing else done);
            or name → ``function(sequence) -> Refinement``. Of the names, those that ``USE_IMAGE``
            get the camera where the input is ``estimator_2d``.
        model: the network of the methods that need one, or the name or path of its weights.
        seed: of the methods; not that of the cases.
        options: method → options of ``refine``.
    """
    if isinstance(methods, Mapping):
        ready = {name: _read_sequence(function) for name, function in methods.items()}
    else:
        ready = _make_methods(methods, model, seed, options or {})
    return [
        _run_method(case, method, function) for case in cases for method, function in ready.items()
    ]


def _read_sequence(function: Callable | None) -> Callable[[Case], Refinement] | None:
    return None if function is None else lambda case: function(case.sequence)


def _make_methods(
    names: Sequence[str], model: nn.Module | str, seed: int, options: Mapping[str, Mapping]
) -> dict[str, Callable[[Case], Refinement] | None]:
    if isinstance(model, str) and set(names) - {"input", "smoothnet", *BASELINES}:
        model = load_model(model)

    def make_method(name: str) -> Callable:
        network = load_model("smoothnet") if name == "smoothnet" else model
        how = options.get(name, {})

        def run_refine(case: Case) -> Refinement:
            seen = name in USE_IMAGE and case.input == "estimator_2d"
            camera = {"camera": case.camera} if seen else {}
            return refine(case.sequence, name, model=network, seed=seed, **camera, **how)

        return run_refine

    return {name: None if name == "input" else make_method(name) for name in names}


def _run_method(case: Case, method: str, function: Callable | None) -> dict:
    if function is None:
        return score_case(case, method, fill_gaps(case.sequence, how="hold").joints)
    refined = function(case)
    row = score_case(case, method, refined.sequence.joints, refined.trace.seconds)
    return row if refined.scale is None else row | _measure_calibration(case, refined.sequence)


def _measure_calibration(case: Case, refined: PoseSequence) -> dict[str, float]:
    """Predicted and empirical chance that joints, the pelvis aside, are within 100 mm: of hidden
    and of visible ones."""
    within = metrics.joint_errors_mm(refined.joints, case.truth)[:, 1:] < 100
    parts = {"hidden": ~case.visible[:, 1:], "visible": case.visible[:, 1:]}
    return {
        f"{name}_{part}": float(values[mask].mean())
        for part, mask in parts.items()
        if mask.any()
        for name, values in (("claimed", refined.confidence[:, 1:]), ("within", within))
    }


def score_case(
    case: Case, method: str, joints: Float[np.ndarray, "T 17 3"], seconds: float = 0.0
) -> dict:
    """A tidy row: what the case was, the method, the metrics (units: ``metrics.UNITS``) of
    ``joints``, and seconds.

    Args:
        joints: metres, camera axes, finite; the root may be anywhere.
    """
    row = {
        "regime": case.regime,
        "input": case.input,
        "noise": case.family,
        "method": method,
        "clip": case.clip,
        "window": case.window,
        "seed": case.seed,
        "frames": len(joints),
    }
    scores = metrics.evaluate_poses(joints, case.truth, case.visible, case.sequence.fps)
    return row | scores | {"seconds": seconds}


def select_rows(rows: Sequence[Row], **values) -> list[Row]:
    """The rows that have these values: ``select_rows(rows, regime="half", method="prior")``."""
    return [row for row in rows if all(row[key] == value for key, value in values.items())]


def average_rows(rows: Sequence[Row], by: Sequence[str] = ("regime", "method")) -> list[dict]:
    """Means over the windows of each group, in the order in which the groups come up.

    Args:
        rows: of `compare_methods`.
        by: the keys that make a group.

    Returns:
        For each group its keys, ``n`` windows, the mean of every metric that any of its rows has,
        and of seconds.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in by), []).append(row)
    columns = (*metrics.UNITS, "seconds")
    return [
        dict(zip(by, key))
        | {"n": len(members)}
        | {c: float(np.mean(v)) for c in columns if (v := [r[c] for r in members if c in r])}
        for key, members in groups.items()
    ]


def estimate_interval(
    rows: Sequence[Row], metric: str, method: str, against: str | None = None, seed: int = 0
) -> Interval:
    """The mean of a metric over the rows of a method, or its ratio to another method's, with its
    95 % interval.

    Clips are resampled, and windows stay paired (`bootstrap_interval`).

    Args:
        rows: of `compare_methods`; rows without the metric are left out.
        against: the method to divide by, on the same cases.

    Raises:
        InputError: the two methods were not run on the same cases.
    """
    a, b = (_collect_values(rows, metric, name) for name in (method, against or method))
    if a.keys() != b.keys():
        expected = f"the same cases of {method} and {against}"
        raise InputError("interval", "rows", expected, f"{len(a)} and {len(b)} cases")
    clips = np.array([clip for clip, *_ in a])
    other = None if against is None else np.array([b[case] for case in a])
    return bootstrap_interval(np.array([*a.values()]), other, clips, np.random.default_rng(seed))


def _collect_values(rows: Sequence[Row], metric: str, method: str) -> dict[tuple, float]:
    keys = ("clip", "window", "regime", "input", "noise", "seed")
    return {
        tuple(row[k] for k in keys): row[metric]
        for row in rows
        if row["method"] == method and metric in row
    }
