"""What cutting every bone to one length does to the frozen prior's answers, in all settings of the benchmark.

    python benchmarks/bones.py [--windows 8] [--seeds 3] [--threads 1]

Errors of the cut answers as multiples of the uncut ones' on the same windows, with 95 % intervals from drawing clips anew, and
the worst regime. Needs CMU's and HDM05's motion. Writes ``data/results/bones.json``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from stride_nb import bones, motions, records
from stride_nb.benchmark import EXPERIMENTS, choose
from stride_nb.cases import Case, cases
from stride_nb.metrics import UNITS, evaluate, paired_bootstrap
from stride_nb.networks import load_network
from stride_nb.occlusion import REGIMES
from stride_nb.windows import Windows, both_ways

RESULT = Path("data/results/bones.json")
METRICS = ("mpjpe_hidden", "mpjpe_visible", "pa_mpjpe", "accel_error", "bone_std")


def both(case: Case, network) -> tuple[dict, dict]:
    """Metrics of the network's answer, and of the same with its bones cut."""
    joints, scale = both_ways(network, Windows(case.sequence, network).features(0))[0]
    cut = bones.cut(joints, bones.measured([(joints, scale)]))
    return tuple(evaluate(x, case.truth, case.visible, case.sequence.fps) for x in (joints, cut))


def rows_of(experiment: str, source: str, family: str, pairs: list[tuple[Case, dict, dict]]) -> list[dict]:
    """A row a metric: the ratio over all windows, and the greatest of a regime."""
    found = []
    for metric in METRICS:
        here = [(case, plain[metric], cut[metric]) for case, plain, cut in pairs if metric in plain]
        plain, cut = (np.array([pair[i] for pair in here]) for i in (1, 2))
        ratio = paired_bootstrap(cut, plain, [case.clip for case, *_ in here], np.random.default_rng(0))
        regimes = np.array([case.regime for case, *_ in here])
        by = {r: cut[regimes == r].mean() / plain[regimes == r].mean() for r in dict.fromkeys(regimes)}
        worst = max(by, key=by.get)
        found.append({"experiment": experiment, "source": source, "noise": family, "metric": metric, "unit": UNITS[metric],
                      "uncut": round(plain.mean(), 4), "ratio": round(ratio.value, 4), "ratio_low": round(ratio.low, 4),
                      "ratio_high": round(ratio.high, 4), "worst_regime": worst, "worst": round(by[worst], 4), "n": len(here)})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=8, help="a seed and regime")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network, rows, began = load_network("prior"), [], time.perf_counter()
    for experiment, (source, families) in EXPERIMENTS.items():
        clips = motions.load(source, "test")
        for family in families:
            pairs = []
            for seed in range(args.seeds):
                made = choose(cases(clips, REGIMES, family, seed=seed), args.windows, np.random.default_rng(seed))
                pairs += [(case, *both(case, network)) for case in made]
            rows += rows_of(experiment, source, family, pairs)
            print(*rows[-len(METRICS):], sep="\n", flush=True)
    run = records.record("bones", rows, parameters=vars(args), seed=list(range(args.seeds)), seconds=time.perf_counter() - began,
                         protocol="windows, noise and occlusion of the benchmark; the frozen prior's answers, uncut and cut")
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
