"""Test cases, from motion to what an estimator made of it, and how well methods undo it.

``cases`` walks the road motion → camera → occlusion → noise (or detections → lifter) for every
window of every clip; ``compare`` runs methods on them and gives one tidy row a case and method;
``averages`` and ``interval`` sum rows up.

Every case has its own stream of chance, named by seed, clip, window and regime: another regime,
another clip or another noise family leaves the cameras, masks and errors of all other cases as they
were.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from stride_nb.datasets.simulation import estimator_noise, occlusion
from stride_nb.errors import InputError
from stride_nb.evaluation import bootstrap, metrics
from stride_nb.poses.gap_filling import fill
from stride_nb.poses.geometry import Camera, random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.refinement.filters import BASELINES

__all__ = [
    "FRAMES",
    "INPUTS",
    "LEAST",
    "Case",
    "Place",
    "averages",
    "cases",
    "compare",
    "evenly",
    "interval",
    "masked",
    "score",
    "select",
    "windows",
]

FRAMES, LEAST = 243, 81
"""Frames of a window, at most and at least; at 50 a second, 4.9 and 1.6 seconds."""
INPUTS = ("estimator", "lifted")
"""What a case hands to the methods: a simulated 3D estimate, or our lifter's answer to simulated 2D
detections."""
_LEAST = {"whole_2s": 162}  # a gap of two seconds wants something to be seen around it


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
    truth: np.ndarray
    """(T, 17, 3) metres, camera space."""
    visible: np.ndarray
    """(T, 17) bool: the regime's mask, before noise; frames that the estimator then loses stay as
    they are in it."""
    sequence: PoseSequence
    """What a method gets: camera space, NaN and confidence 0 in lost frames."""
    camera: Camera

    @property
    def name(self) -> str:
        """``clip/window/regime``."""
        return f"{self.clip}/{self.window}/{self.regime}"


def windows(frames: int, length: int = FRAMES, least: int = LEAST) -> list[slice]:
    """Windows of ``length`` frames one after the other, the last one shorter; none of fewer than
    ``least`` frames.

    >>> windows(600)
    [slice(0, 243, None), slice(243, 486, None), slice(486, 600, None)]
    """
    return [
        slice(a, min(a + length, frames)) for a in range(0, frames, length) if frames - a >= least
    ]


def cases(
    motions: Sequence[PoseSequence],
    regimes: Sequence[str],
    family: str = "estimator",
    frames: int = FRAMES,
    seed: int = 0,
    input: str = "estimator",
    lifter="lifter",
    choose: Callable[[list[Place]], Sequence[Place]] = list,
) -> list[Case]:
    """A case for every window of every clip under every regime, or for those chosen.

    Args:
        motions: world space (metres, Y up), complete, each with a name of its own; shorter clips
            than ``LEAST`` frames give no case.
        regimes: keys of ``occlusion.REGIMES``. ``whole_2s`` skips windows of fewer than 162 frames.
        family: a key of ``noise.FAMILIES``; of no effect on lifted input.
        frames: of a window, at most.
        input: one of ``INPUTS``.
        lifter: for lifted input, a ``Lifter`` or the name or path of weights.
        choose: of all places those to make, in their order; the cases are the same as if all had
            been made.

    Raises:
        InputError: an unknown regime, family or input; two clips of one name.
    """
    names = [m.name for m in motions]
    if len(set(names)) < len(names):
        raise InputError("cases", "motions", "a name of its own for every clip", "one name twice")
    if input not in INPUTS:
        raise InputError("cases", "input", f"one of {', '.join(INPUTS)}", repr(input))
    if input == "lifted" and isinstance(lifter, str):
        from stride_nb.models.registry import load_model

        lifter = load_model(lifter)
    parts = {
        (motion.name, w): motion[part]
        for motion in motions
        for w, part in enumerate(windows(len(motion), frames, min(LEAST, frames)))
    }
    places = [
        Place(*where, regime)
        for where, part in parts.items()
        for regime in regimes
        if len(part) >= _LEAST.get(regime, 0)
    ]
    lifter = lifter if input == "lifted" else None
    return [
        _case(parts[clip, w], w, regime, family, seed, lifter) for clip, w, regime in choose(places)
    ]


def _case(motion: PoseSequence, window: int, regime: str, family: str, seed: int, lifter) -> Case:
    case = seed, motion.name, window
    camera = random_camera(_chance(*case, "camera"), motion.joints)
    truth = camera.to_camera(motion.joints)
    visible = occlusion.occlude(regime, truth, motion.fps, _chance(*case, regime, "occlusion"))
    rng = _chance(*case, regime, "noise")
    if lifter is None:
        joints, confidence = estimator_noise.estimate(truth, visible, motion.fps, rng, family)
        sequence = PoseSequence(joints, confidence, motion.fps, name=motion.name)
    else:
        from stride_nb.refinement.lifting import lift

        pixels, confidence = estimator_noise.detect(camera.project(truth), visible, motion.fps, rng)
        sequence = lift(
            Keypoints2D(pixels, confidence, motion.fps, camera.size, name=motion.name), lifter
        )
        family = "detector"
    return Case(
        motion.name,
        window,
        regime,
        family,
        INPUTS[lifter is not None],
        seed,
        truth,
        visible,
        sequence,
        camera,
    )


def _chance(seed: int, clip: str, window: int, *what: str) -> np.random.Generator:
    return np.random.default_rng(
        [seed, window, *(zlib.crc32(name.encode()) for name in (clip, *what))]
    )


def masked(case: Case, name: str, visible: np.ndarray) -> Case:
    """The same case under another mask (T, 17) called ``name``: the camera and all that is drawn
    for its noise stay.

    What differs between two masks of one case is then due to the masks. For simulated estimates.
    """
    rng = _chance(case.seed, case.clip, case.window, case.regime, "noise")
    joints, confidence = estimator_noise.estimate(
        case.truth, visible, case.sequence.fps, rng, case.family
    )
    return replace(
        case,
        regime=name,
        visible=visible,
        sequence=case.sequence.replace(joints=joints, confidence=confidence),
    )


def evenly(cases: Sequence[Case], count: int) -> list[Case]:
    """The cases of ``count`` windows, spread evenly over all of them; the same windows of every
    regime."""
    found = list(dict.fromkeys((case.clip, case.window) for case in cases))
    count = min(count, len(found))
    chosen = {found[i * len(found) // count] for i in range(count)}
    return [case for case in cases if (case.clip, case.window) in chosen]


def compare(
    cases: Sequence[Case],
    methods: Sequence[str] | Mapping[str, Callable],
    model="prior",
    seed: int = 0,
    options: Mapping[str, Mapping] | None = None,
) -> list[dict]:
    """Run methods on cases: one row (see ``score``) a case and method.

    Rows of methods that give a ``scale`` also have ``claimed_hidden`` and ``claimed_visible``, the
    mean chance that a joint is said to have of being within 100 mm, and ``within_hidden`` and
    ``within_visible``, the share of joints that are; the pelvis is left out.

    Args:
        methods: names that ``refine`` knows, and ``input`` (lost frames held, nothing else done);
            or name → ``function(sequence) -> Refined``.
        model: the network of the methods that need one: itself, or the name or path of its weights.
        seed: of the methods; what cases were made with is theirs.
        options: method → options of ``refine``, for those that want some.
    """
    if not isinstance(methods, Mapping):
        methods = _named(methods, model, seed, options or {})
    return [_row(case, method, function) for case in cases for method, function in methods.items()]


def _named(
    names: Sequence[str], model, seed: int, options: Mapping[str, Mapping]
) -> dict[str, Callable]:
    from stride_nb.models.registry import load_model
    from stride_nb.refinement.refine import refine

    if isinstance(model, str) and set(names) - {"input", "smoothnet", *BASELINES}:
        model = load_model(model)

    def call(name):
        network = load_model("smoothnet") if name == "smoothnet" else model
        return lambda sequence: refine(
            sequence, name, model=network, seed=seed, **options.get(name, {})
        )

    return {name: None if name == "input" else call(name) for name in names}


def _row(case: Case, method: str, function: Callable | None) -> dict:
    if function is None:
        return score(case, method, fill(case.sequence, how="hold").joints)
    refined = function(case.sequence)
    told = {} if refined.scale is None else _claims(case, refined.sequence)
    return score(case, method, refined.sequence.joints, refined.trace.seconds) | told


def _claims(case: Case, answer: PoseSequence) -> dict:
    """How likely the answer says that joints, the pelvis aside, are within 100 mm, and the share
    that is: of hidden and of visible ones."""
    within = metrics.joint_errors_mm(answer.joints, case.truth)[:, 1:] < 100
    parts = {"hidden": ~case.visible[:, 1:], "visible": case.visible[:, 1:]}
    return {
        f"{what}_{part}": float(told[where].mean())
        for part, where in parts.items()
        if where.any()
        for what, told in (("claimed", answer.confidence[:, 1:]), ("within", within))
    }


def score(case: Case, method: str, joints: np.ndarray, seconds: float = 0.0) -> dict:
    """A tidy row: what the case was, the method, the metrics (units: ``metrics.UNITS``) of
    ``joints``, and seconds.

    Args:
        joints: (T, 17, 3) metres, camera axes, finite; where its root is does not matter.
    """
    found = metrics.evaluate(joints, case.truth, case.visible, case.sequence.fps)
    return (
        {
            "regime": case.regime,
            "input": case.input,
            "noise": case.family,
            "method": method,
            "clip": case.clip,
            "window": case.window,
            "seed": case.seed,
            "frames": len(joints),
        }
        | found
        | {"seconds": seconds}
    )


def select(rows: Sequence[Mapping], **wanted) -> list[Mapping]:
    """The rows that have these values: ``select(rows, regime="half", method="prior")``."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def averages(rows: Sequence[Mapping], by: Sequence[str] = ("regime", "method")) -> list[dict]:
    """Means over the windows of each group, in the order in which the groups come up.

    Args:
        rows: of ``compare``.
        by: the keys that make a group.

    Returns:
        For each group its keys, ``n`` windows, the mean of every metric that any of its rows has,
        and of seconds.
    """
    groups: dict[tuple, list[Mapping]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in by), []).append(row)
    found = []
    for key, members in groups.items():
        values = {m: [row[m] for row in members if m in row] for m in (*metrics.UNITS, "seconds")}
        found.append(
            dict(zip(by, key))
            | {"n": len(members)}
            | {name: float(np.mean(v)) for name, v in values.items() if v}
        )
    return found


def interval(
    rows: Sequence[Mapping], metric: str, method: str, against: str | None = None, seed: int = 0
) -> bootstrap.Interval:
    """The mean of a metric over the rows of a method, or its ratio to another method's, with its 95
    % interval.

    Resampled are clips, and windows stay paired (see ``metrics.paired_bootstrap``).

    Args:
        rows: of ``compare``; rows without the metric are left out.
        against: the method to divide by, on the same cases.

    Raises:
        InputError: the two methods were not run on the same cases.
    """
    a, b = (_values(rows, metric, name) for name in (method, against or method))
    if a.keys() != b.keys():
        raise InputError(
            "interval",
            "rows",
            f"the same cases of {method} and {against}",
            f"{len(a)} and {len(b)} cases",
        )
    groups = np.array([clip for clip, *_ in a])
    other = None if against is None else np.array([b[case] for case in a])
    return bootstrap.paired_bootstrap(
        np.array([*a.values()]), other, groups, np.random.default_rng(seed)
    )


def _values(rows: Sequence[Mapping], metric: str, method: str) -> dict[tuple, float]:
    keys = ("clip", "window", "regime", "input", "noise", "seed")
    return {
        tuple(row[k] for k in keys): row[metric]
        for row in rows
        if row["method"] == method and metric in row
    }
