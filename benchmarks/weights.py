"""Two priors on people of ``val``, as they are used: every window, both ways, each kind of noise that may be tuned on.

    python benchmarks/weights.py FILE [--against prior] [--seeds 2] [--threads 1]

The validation of the training loop looks at the middle of few clips, one way, under one kind of noise; which of two sets of weights
is to ship is decided here. Ratios of errors with 95 % intervals from drawing clips anew. Needs CMU's motion. Writes
``data/results/weights.json``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from stride_nb import checkpoints, motions, noise, records
from stride_nb.cases import cases
from stride_nb.metrics import UNITS, evaluate, paired_bootstrap
from stride_nb.networks import load_network
from stride_nb.tasks import VALIDATION
from stride_nb.windows import Windows, both_ways

RESULT = Path("data/results/weights.json")
KINDS = (*((family, "estimator") for family in noise.SEEN + noise.TUNING), ("detector", "lifted"))
METRICS = ("mpjpe_hidden", "mpjpe_visible", "accel_error")


def scored(made, networks) -> np.ndarray:
    """(networks, cases, metrics): errors of each network's answers."""
    found = []
    for case in made:
        told = Windows(case.sequence, networks[0]).features(0)
        answers = [both_ways(network, told)[0][0] for network in networks]
        found.append([[metrics[m] for m in METRICS]
                      for metrics in (evaluate(x, case.truth, case.visible, case.sequence.fps) for x in answers)])
    return np.array(found).transpose(1, 0, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="name or path of weights")
    parser.add_argument("--against", default="prior", help="name or path of the weights to divide by (default: prior)")
    parser.add_argument("--seeds", type=int, default=2, help="of occlusion and noise (default: 2)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    networks, rows, began = [load_network(name) for name in (args.file, args.against)], [], time.perf_counter()
    val, lifter = motions.load("cmu", "val"), load_network("lifter")
    for family, kind in KINDS:
        simulated = family if kind == "estimator" else "estimator"  # of lifted input the detector makes the noise
        made = [case for seed in range(args.seeds)
                for case in cases(val, VALIDATION, simulated, seed=seed, input=kind, lifter=lifter)]
        one, other = scored(made, networks)
        for m, metric in enumerate(METRICS):
            ratio = paired_bootstrap(one[:, m], other[:, m], [case.clip for case in made], np.random.default_rng(0))
            rows.append({"source": "cmu", "split": "val", "noise": family, "metric": metric, "unit": UNITS[metric],
                         "value": round(one[:, m].mean(), 3), "against": round(other[:, m].mean(), 3),
                         "ratio": round(ratio.value, 4), "ratio_low": round(ratio.low, 4),
                         "ratio_high": round(ratio.high, 4), "n": len(made)})
            print(rows[-1], flush=True)
    hashes = {f"{name}_sha256": checkpoints.load(vars(args)[name])[1]["sha256"] for name in ("file", "against")}
    run = records.record("weights", rows, parameters=vars(args) | hashes,
                         seed=list(range(args.seeds)), seconds=time.perf_counter() - began,
                         protocol=f"windows of up to 243 frames, regimes {', '.join(VALIDATION)}; frozen priors; ratio: value over "
                                  "against, 95 % by paired bootstrap over clips")
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
