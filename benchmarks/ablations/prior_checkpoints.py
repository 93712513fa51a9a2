"""Priors on people of ``val``, as they are used: every window, both ways, each kind of noise that
has been tuned on.

    python -m benchmarks.ablations.prior_checkpoints NAME=FILE … [--against prior] [--seeds 2]
    [--threads 1]

The validation of the training loop looks at the middle of few clips, one way, under one kind of
noise; which weights are to ship is decided here, a pelvis that errs (``robustness_curves.py``)
among the kinds, and ``tokens``, which has had a say in the last weights. Ratios of errors with 95 %
intervals from drawing clips anew. Needs CMU's motion. Writes ``data/results/weights.json``.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import records
from benchmarks.ablations.robustness_curves import unseated
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.bootstrap import paired_bootstrap
from stride_nb.evaluation.harness import cases
from stride_nb.evaluation.metrics import UNITS, evaluate
from stride_nb.models.registry import load_model
from stride_nb.refinement.sliding_window import Windows, both_ways
from stride_nb.training.tasks import VALIDATION

RESULT = Path("data/results/weights.json")
PELVIS = "estimator, pelvis off"
"""``estimator``, and a pelvis that errs as a joint of the trunk would."""
KINDS = (
    *(
        (family, "estimator")
        for family in (*estimator_noise.SEEN, PELVIS, *estimator_noise.TUNING, "tokens")
    ),
    ("detector", "lifted"),
)
METRICS = ("mpjpe_hidden", "mpjpe_visible", "accel_error")
TAKEN = ("against", "seeds")


def scored(made, networks) -> np.ndarray:
    """(networks, cases, metrics): errors of each network's answers."""
    found = []
    for case in made:
        told = Windows(case.sequence, networks[0]).features(0)
        answers = [both_ways(network, told)[0][0] for network in networks]
        found.append(
            [
                [metrics[m] for m in METRICS]
                for metrics in (
                    evaluate(x, case.truth, case.visible, case.sequence.fps) for x in answers
                )
            ]
        )
    return np.array(found).transpose(1, 0, 2)


def named(text: str) -> tuple[str, Path]:
    """``NAME=FILE``; the record has other uses for some names."""
    name, _, file = text.partition("=")
    if not name or not file or name in TAKEN:
        raise argparse.ArgumentTypeError(
            f"expected NAME=FILE, NAME none of {', '.join(TAKEN)}, found {text!r}"
        )
    return name, Path(file)


def compared(family: str, made, networks: dict) -> list[dict]:
    """A row a network and metric: its error, that of the last network, and their ratio."""
    *errors, against = scored(made, list(networks.values()))
    rows = []
    for name, own in zip(networks, errors):
        for m, metric in enumerate(METRICS):
            ratio = paired_bootstrap(
                own[:, m], against[:, m], [case.clip for case in made], np.random.default_rng(0)
            )
            rows.append(
                {
                    "weights": name,
                    "source": "cmu",
                    "split": "val",
                    "noise": family,
                    "metric": metric,
                    "unit": UNITS[metric],
                    "value": round(own[:, m].mean(), 3),
                    "against": round(against[:, m].mean(), 3),
                    "ratio": round(ratio.value, 4),
                    "ratio_low": round(ratio.low, 4),
                    "ratio_high": round(ratio.high, 4),
                    "n": len(made),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files",
        nargs="+",
        type=named,
        metavar="NAME=FILE",
        help="what to call weights, and their name or path",
    )
    parser.add_argument(
        "--against",
        type=Path,
        default="prior",
        help="name or path of the weights to divide by (default: prior)",
    )
    parser.add_argument("--seeds", type=int, default=2, help="of occlusion and noise (default: 2)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    files = dict(args.files) | {"against": args.against}
    if len(files) <= len(args.files):
        parser.error("a NAME of its own for every FILE")
    parameters = records.called({"seeds": args.seeds} | files, **files)
    networks, rows, began = (
        {name: load_model(file) for name, file in files.items()},
        [],
        time.perf_counter(),
    )
    val, lifter = datasets.load("cmu", "val"), load_model("lifter")
    estimator_noise.FAMILIES[PELVIS] = partial(unseated, 1.0)
    for family, kind in KINDS:
        # of lifted input the detector makes the noise
        simulated = family if kind == "estimator" else "estimator"
        made = [
            case
            for seed in range(args.seeds)
            for case in cases(val, VALIDATION, simulated, seed=seed, input=kind, lifter=lifter)
        ]
        rows += compared(family, made, networks)
        print(*rows[-len(METRICS) * len(args.files) :], sep="\n", flush=True)
    run = records.record(
        "weights",
        rows,
        parameters=parameters,
        seed=list(range(args.seeds)),
        seconds=time.perf_counter() - began,
        protocol=f"windows of up to 243 frames, regimes {', '.join(VALIDATION)}; frozen priors; ratio: value over "
        "against, 95 % by paired bootstrap over clips",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
