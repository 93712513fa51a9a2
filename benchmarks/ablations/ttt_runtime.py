"""Runtime of test-time training on one video of 243 frames: ours, and the published procedure.

    python -m benchmarks.ablations.ttt_runtime [--threads 1]

The published procedure is 30 epochs with the published network (DSTformer ``base``, 42.5 M
parameters, here with fresh weights, on which the time does not depend); three warm steps are timed
and counted ten times. Both in one run. Writes ``data/results/adaptation_speed.json``.
"""

from __future__ import annotations

import statistics

import torch

from benchmarks.study import Study, make_parser, parse_arguments
from stride_nb import datasets
from stride_nb.evaluation.harness import make_cases
from stride_nb.models.dstformer import PRESETS, DSTformer
from stride_nb.models.registry import load_model
from stride_nb.refinement.refine import refine
from stride_nb.refinement.test_time_training import PublishedTTT


def main() -> None:
    """Ours three times, then one and four epochs of the published procedure."""
    args = parse_arguments(make_parser(__doc__, threads=1))
    study = Study("adaptation_speed", vars(args), 0, prior="prior")
    clips = datasets.load("synthetic", "test", clips=1, seconds=243 / 50)
    case = make_cases(clips, ["half"])[0]
    torch.manual_seed(0)
    base, prior = DSTformer(**PRESETS["base"]), load_model("prior")

    def measure(*method, **options) -> float:
        return refine(case.sequence, *method, device="cpu", **options).trace.seconds

    measure("stride_ours", prior, steps=1)  # warm
    ours = statistics.median(measure("stride_ours", prior) for _ in range(3))
    one, four = (measure("stride_published", base, epochs=epochs) for epochs in (1, 4))
    published = one + (PublishedTTT().epochs - 1) * (four - one) / 3
    methods = {
        "stride_ours": (prior, round(ours, 2)),
        "stride_published": (base, round(published, 1)),
    }
    study.add(
        {
            "method": name,
            "parameters": sum(p.numel() for p in network.parameters()),
            "seconds": seconds,
        }
        for name, (network, seconds) in methods.items()
    )
    print(f"ratio {published / ours:.0f}")
    protocol = f"one window of {len(case.truth)} frames, adaptation and prediction"
    study.save(protocol, {"seconds": "s"})


if __name__ == "__main__":
    main()
