"""How long one video of 243 frames takes: adaptation and prediction by ours, and by the procedure
as published.

    python -m benchmarks.ablations.ttt_runtime [--threads 1]

The published procedure is 30 epochs with the published network (DSTformer ``base``, 42.5 M
parameters, here with fresh weights, on which the time does not depend); three warm steps are timed
and counted ten times. Both in one run. Writes ``data/results/adaptation_speed.json``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from benchmarks import records
from stride_nb import datasets
from stride_nb.evaluation import harness
from stride_nb.models.dstformer import PRESETS, DSTformer
from stride_nb.models.registry import load_model
from stride_nb.refinement.refine import refine
from stride_nb.refinement.test_time_training import Published

RESULT = Path("data/results/adaptation_speed.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    parameters, began = records.called(vars(args), prior="prior"), time.perf_counter()
    (case,) = harness.cases(
        datasets.load("synthetic", "test", clips=1, seconds=243 / 50), ["half"]
    )[:1]
    torch.manual_seed(0)
    base, prior = DSTformer(**PRESETS["base"]), load_model("prior")

    def seconds(*how, **options) -> float:
        return refine(case.sequence, *how, device="cpu", **options).trace.seconds

    seconds("stride_ours", prior, steps=1)  # warm
    ours = statistics.median(seconds("stride_ours", prior) for _ in range(3))
    one, four = (seconds("stride_published", base, epochs=epochs) for epochs in (1, 4))
    published = one + (Published().epochs - 1) * (four - one) / 3
    rows = [
        {
            "method": "stride_ours",
            "parameters": sum(p.numel() for p in prior.parameters()),
            "seconds": round(ours, 2),
        },
        {
            "method": "stride_published",
            "parameters": sum(p.numel() for p in base.parameters()),
            "seconds": round(published, 1),
        },
    ]
    print(*rows, f"ratio {published / ours:.0f}", sep="\n")
    records.save(
        records.record(
            "adaptation_speed",
            rows,
            parameters=parameters,
            seed=0,
            units={"seconds": "s"},
            seconds=time.perf_counter() - began,
            protocol=f"one window of {len(case.truth)} frames, adaptation and prediction",
        ),
        RESULT,
    )


if __name__ == "__main__":
    main()
