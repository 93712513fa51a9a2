"""Errors over the length of the gap, over the level of the estimator's noise, and over the level of
the pelvis's error; on test people.

    python -m benchmarks.ablations.robustness_curves [--windows 12] [--seed 0] [--threads 1]

The gap, of a limb or of the whole person, lies in the middle of the window, and the noise's random
draws stay the same; the whole person's is followed on HDM05, too. The noise is the training model
``estimator``, its errors multiplied. In it the pelvis, from which everything is measured, is always
right: last, it errs like a joint of the trunk, times a factor. Writes
``data/results/degradation.json``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.paired_statistics import name_interval
from benchmarks.scaled_noise import add_pelvis_error, register_scaled, scale_errors
from benchmarks.study import Study, choose_cases, choose_windows, make_parser, parse_arguments
from stride_nb import datasets
from stride_nb.evaluation.harness import (
    Case,
    compare_methods,
    estimate_interval,
    make_cases,
    replace_mask,
)
from stride_nb.evaluation.metrics import UNITS
from stride_nb.models.registry import load_shared_model
from stride_nb.poses.skeleton import LIMBS

GAPS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Seconds."""
LEVELS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Multiples of the noise model's errors."""
METHODS = ("input", "gaussian", "smoothnet", "prior")
METRICS = ("mpjpe_hidden", "mpjpe_visible")
HIDDEN = {"limb": [LIMBS[name] for name in sorted(LIMBS)], "whole": [slice(None)]}
"""Joints that are hidden: one of these, in turn."""
PELVIS = (0.0, 0.25, 0.5, 1.0, 1.5)
"""Multiples of the error of a joint of the trunk."""
Curve = Iterator[tuple[str, float, list[Case]]]


def vary_gap(whole: list[Case], names: tuple[str, ...], source: str, fps: float = 50) -> Curve:
    """What is hidden of whom, for how many seconds, and the cases; of every gap at least a second
    of the window is visible."""
    shortest = min(len(case.truth) for case in whole) / fps
    for name in names:
        joints = HIDDEN[name]
        for seconds in (seconds for seconds in GAPS if seconds + 1 <= shortest):
            cases, length = [], round(seconds * fps)
            for i, case in enumerate(whole):
                visible = np.ones(case.visible.shape, bool)
                start = (len(visible) - length) // 2
                visible[start : start + length, joints[i % len(joints)]] = False
                cases.append(replace_mask(case, f"{name} {seconds:g}", visible))
            yield f"gap of {name}, {source}", seconds, cases


def vary_level(clips, windows: int, seed: int) -> Curve:
    """Cases with errors at every level: of joints behind limbs and halves; of the pelvis, behind a
    block as well."""
    parts = (
        ("errors", ["limb", "half"], LEVELS, scale_errors),
        ("error of the pelvis", ["limb", "half", "block"], PELVIS, add_pelvis_error),
    )
    for part, regimes, factors, model in parts:
        cases = choose_cases(clips, regimes, "estimator", windows, seed)
        for factor in factors:
            noise = register_scaled(f"{part} times {factor:g}", model, factor)
            scaled = [replace(case, family=noise) for case in cases]
            yield part, factor, [replace_mask(c, c.regime, c.visible) for c in scaled]


def make_visible(clips, frames: int, seed: int) -> list[Case]:
    """Windows of so many frames or more, in which nothing is hidden yet."""
    cases = make_cases(clips, ["none"], "estimator", seed=seed)
    return [case for case in cases if len(case.truth) >= frames]


def measure(point: tuple[str, float, list[Case]], seed: int) -> list[dict]:
    """A row a method and metric: the mean error and its interval."""
    part, x, cases = point
    rows = compare_methods(cases, METHODS, load_shared_model("prior"), seed)
    clips = len({case.clip for case in cases})
    return [
        {"part": part, "x": x, "method": method, "metric": metric, "unit": UNITS[metric]}
        | name_interval(estimate_interval(rows, metric, method), digits=3)
        | {"n": len(cases), "clips": clips}
        for method in METHODS
        for metric in METRICS
    ]


def main() -> None:
    """Gaps on CMU and HDM05, then levels on CMU."""
    args = parse_arguments(make_parser(__doc__, True, windows=12, seed=0, threads=1))
    weights = {"prior": "prior", "smoothnet": "smoothnet"}
    study = Study("degradation", vars(args), args.seed, **weights)
    clips = datasets.load("cmu", "test")
    rng = np.random.default_rng(args.seed)
    whole = choose_windows(make_visible(clips, 240, args.seed), args.windows, rng)
    # few of its clips are as long: all of them
    others = make_visible(datasets.load("hdm05", "test"), 200, args.seed)
    points = [
        *vary_gap(whole, ("limb", "whole"), "CMU"),
        *vary_gap(others, ("whole",), "HDM05"),
        *vary_level(clips, args.windows, args.seed),
    ]
    study.measure(partial(measure, seed=args.seed), points)
    study.save(
        "test people, windows of up to 243 frames at 50 fps, noise estimator; x: seconds of the "
        "gap, or the factor of the errors (CMU, regimes limb and half; of the pelvis also block); "
        "95 % by bootstrap over clips"
    )


if __name__ == "__main__":
    main()
