"""How errors grow with the length of the gap and with the estimator's noise, on CMU's test people.

    python benchmarks/degradation.py [--windows 12] [--threads 1]

The gap, of a limb or of the whole person, lies in the middle of the window, and everything that was drawn for the noise stays as
it is. The noise is the training family ``estimator``, its errors multiplied. Writes ``data/results/degradation.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from stride_nb import motions, noise, records
from stride_nb.cases import Case, cases, compare, interval, masked, select
from stride_nb.benchmark import choose, chosen
from stride_nb.metrics import UNITS
from stride_nb.networks import load_network
from stride_nb.occlusion import LIMBS

RESULT = Path("data/results/degradation.json")
GAPS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Seconds."""
LEVELS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Multiples of the family's errors."""
METHODS = ("input", "gaussian", "smoothnet", "prior")
METRICS = ("mpjpe_hidden", "mpjpe_visible")
HIDDEN = {"limb": [LIMBS[name] for name in sorted(LIMBS)], "whole": [slice(None)]}
"""Joints that are hidden: one of these, in turn."""


def gaps(whole: list[Case], fps: float = 50) -> Iterator[tuple[str, float, list[Case]]]:
    """What is hidden, for how many seconds, and the cases."""
    for name, joints in HIDDEN.items():
        for seconds in GAPS:
            made, length = [], round(seconds * fps)
            for i, case in enumerate(whole):
                visible = np.ones(case.visible.shape, bool)
                start = (len(visible) - length) // 2
                visible[start : start + length, joints[i % len(joints)]] = False
                made.append(masked(case, f"{name} {seconds:g}", visible))
            yield f"gap of {name}", seconds, made


def levels(windows: int, seed: int, clips) -> Iterator[tuple[str, float, list[Case]]]:
    """The same, errors times a level: of joints behind limbs and halves."""
    made = chosen(clips, ["limb", "half"], "estimator", windows, seed)
    for level in LEVELS:
        name = f"estimator times {level:g}"
        noise.FAMILIES[name] = lambda *told, k=level: k * noise.estimator(*told)
        yield "noise", level, [masked(replace(case, family=name), case.regime, case.visible) for case in made]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    parameters = records.called(vars(args), prior="prior", smoothnet="smoothnet")
    clips, network, found, began = motions.load("cmu", "test"), load_network("prior"), [], time.perf_counter()
    whole = [case for case in cases(clips, ["none"], "estimator", seed=args.seed) if len(case.truth) >= 240]
    whole = choose(whole, args.windows, np.random.default_rng(args.seed))
    for part, x, made in [*gaps(whole), *levels(args.windows, args.seed, clips)]:
        rows = compare(made, METHODS, network, args.seed)
        for method in METHODS:
            for metric in METRICS:
                value = interval(rows, metric, method)
                found.append({"part": part, "x": x, "method": method, "metric": metric, "unit": UNITS[metric],
                              "value": round(value.value, 3), "ci_low": round(value.low, 3), "ci_high": round(value.high, 3),
                              "n": len(made), "clips": len({case.clip for case in made})})
        print(part, x, {m: round(np.mean([r["mpjpe_hidden"] for r in select(rows, method=m)])) for m in METHODS}, flush=True)
    run = records.record("degradation", found, parameters=parameters, seed=args.seed, seconds=time.perf_counter() - began,
                         protocol="CMU test people, windows of up to 243 frames at 50 fps, noise estimator; x: seconds of the gap, "
                                  "or the factor of the errors (regimes limb and half); 95 % by bootstrap over clips")
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
