"""How errors grow with the length of the gap, with the estimator's noise, and where its pelvis errs
too; on test people.

    python -m benchmarks.ablations.robustness_curves [--windows 12] [--threads 1]

The gap, of a limb or of the whole person, lies in the middle of the window, and everything that was
drawn for the noise stays as it is; the whole person's is followed on HDM05, too. The noise is the
training family ``estimator``, its errors multiplied. In it the
pelvis, from which everything is measured, is always right: last, it errs like a joint of the trunk,
times a factor. Writes ``data/results/degradation.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import records
from benchmarks.occlusion_benchmark import choose, chosen
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.harness import Case, cases, compare, interval, masked, select
from stride_nb.evaluation.metrics import UNITS
from stride_nb.models.registry import load_model
from stride_nb.poses.skeleton import H36M17, LIMBS

RESULT = Path("data/results/degradation.json")
GAPS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Seconds."""
LEVELS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Multiples of the family's errors."""
METHODS = ("input", "gaussian", "smoothnet", "prior")
METRICS = ("mpjpe_hidden", "mpjpe_visible")
HIDDEN = {"limb": [LIMBS[name] for name in sorted(LIMBS)], "whole": [slice(None)]}
"""Joints that are hidden: one of these, in turn."""
PELVIS = (0.0, 0.25, 0.5, 1.0, 1.5)
"""Multiples of what a joint of the trunk errs by."""


def gaps(
    whole: list[Case], names: tuple[str, ...], source: str, fps: float = 50
) -> Iterator[tuple[str, float, list[Case]]]:
    """What is hidden of whom, for how many seconds, and the cases; no gap of which less than a
    second is left to be seen."""
    least = min(len(case.truth) for case in whole) / fps
    for name in names:
        joints = HIDDEN[name]
        for seconds in (seconds for seconds in GAPS if seconds + 1 <= least):
            made, length = [], round(seconds * fps)
            for i, case in enumerate(whole):
                visible = np.ones(case.visible.shape, bool)
                start = (len(visible) - length) // 2
                visible[start : start + length, joints[i % len(joints)]] = False
                made.append(masked(case, f"{name} {seconds:g}", visible))
            yield f"gap of {name}, {source}", seconds, made


def levels(windows: int, seed: int, clips) -> Iterator[tuple[str, float, list[Case]]]:
    """The same, errors times a level: of joints behind limbs and halves; of the pelvis, behind a
    block as well."""
    parts = (
        ("errors", ["limb", "half"], LEVELS, multiplied),
        ("error of the pelvis", ["limb", "half", "block"], PELVIS, unseated),
    )
    for part, regimes, factors, family in parts:
        made = chosen(clips, regimes, "estimator", windows, seed)
        for level in factors:
            name = f"{part} times {level:g}"
            estimator_noise.FAMILIES[name] = partial(family, level)
            yield (
                part,
                level,
                [masked(replace(case, family=name), case.regime, case.visible) for case in made],
            )


def multiplied(level: float, *told) -> np.ndarray:
    return level * estimator_noise.estimator(*told)


def unseated(
    level: float, rng: np.random.Generator, relative: np.ndarray, visible: np.ndarray, fps: float
) -> np.ndarray:
    """``estimator``'s errors, and of the pelvis, which has none, those that a spine in its place
    would have, times a level."""
    (apart,) = rng.spawn(1)
    error = estimator_noise.estimator(rng, relative, visible, fps)
    spine = estimator_noise.estimator(
        apart, np.zeros_like(relative), np.repeat(visible[:, :1], 17, 1), fps
    )[:, H36M17.index("spine")]
    error[:, 0] += level * spine
    return error


def long(clips, frames: int, seed: int) -> list[Case]:
    """Windows of so many frames or more, in which nothing is hidden yet."""
    return [
        case for case in cases(clips, ["none"], "estimator", seed=seed) if len(case.truth) >= frames
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    parameters = records.called(vars(args), prior="prior", smoothnet="smoothnet")
    clips, network, found, began = (
        datasets.load("cmu", "test"),
        load_model("prior"),
        [],
        time.perf_counter(),
    )
    whole = choose(long(clips, 240, args.seed), args.windows, np.random.default_rng(args.seed))
    # few of its clips are as long: all of them
    others = long(datasets.load("hdm05", "test"), 200, args.seed)
    for part, x, made in [
        *gaps(whole, ("limb", "whole"), "CMU"),
        *gaps(others, ("whole",), "HDM05"),
        *levels(args.windows, args.seed, clips),
    ]:
        rows = compare(made, METHODS, network, args.seed)
        for method in METHODS:
            for metric in METRICS:
                value = interval(rows, metric, method)
                found.append(
                    {
                        "part": part,
                        "x": x,
                        "method": method,
                        "metric": metric,
                        "unit": UNITS[metric],
                        "value": round(value.value, 3),
                        "ci_low": round(value.low, 3),
                        "ci_high": round(value.high, 3),
                        "n": len(made),
                        "clips": len({case.clip for case in made}),
                    }
                )
        print(
            part,
            x,
            {
                m: round(np.mean([r["mpjpe_hidden"] for r in select(rows, method=m)]))
                for m in METHODS
            },
            flush=True,
        )
    run = records.record(
        "degradation",
        found,
        parameters=parameters,
        seed=args.seed,
        seconds=time.perf_counter() - began,
        protocol="test people, windows of up to 243 frames at 50 fps, noise estimator; x: seconds of the gap, "
        "or the factor of the errors (CMU, regimes limb and half; of the pelvis also block); 95 % by "
        "bootstrap over clips",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
