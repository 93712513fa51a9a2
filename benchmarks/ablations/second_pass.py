"""What a second look gains: readings that the frozen prior's answer does not believe lose trust, it
answers again, and the result is the mean of both answers, or the second alone.

    python -m benchmarks.ablations.second_pass [--windows 8] [--seeds 3] [--threads 1]

``val``: how far off is too far, and how much is the second answer to count? Decided on people of
``val``, under every kind of noise that may be tuned on. ``test``: what the chosen one does in all
settings of the benchmark with a simulated estimator. Errors as multiples of the first answer's on
the same windows, with 95 % intervals from drawing clips anew, and the worst regime. Needs CMU's and
HDM05's motion. Writes ``data/results/second_look.json``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from benchmarks import records
from benchmarks.occlusion_benchmark import EXPERIMENTS, drawn, sampling
from benchmarks.paired_statistics import changes
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.evaluation.harness import Case
from stride_nb.evaluation.metrics import evaluate
from stride_nb.models.registry import load_model
from stride_nb.refinement.outlier_rejection import DOUBT
from stride_nb.refinement.sliding_window import Windows, both_ways

RESULT = Path("data/results/second_look.json")
METRICS = ("mpjpe_hidden", "mpjpe_visible", "accel_error")
TRIED = (*((doubt, 0.5) for doubt in (1.5, 2.0, 2.5, 3.0, 4.0)), (DOUBT, 1.0))
"""Factors of doubt, and which share of the result the second answer is."""


def looks(case: Case, network: nn.Module, tried: Sequence[tuple[float, float]]) -> list[dict]:
    """Metrics of the first answer and, for each doubt and share tried, of the result of the second
    look."""
    windows, doubts = (
        Windows(case.sequence, network),
        list(dict.fromkeys(doubt for doubt, _ in tried)),
    )
    ((first, scale),) = both_ways(network, windows.features(0))
    again = both_ways(
        network, torch.cat([windows.reread(0, first, scale, doubt) for doubt in doubts])
    )
    second = {doubt: joints for doubt, (joints, _) in zip(doubts, again)}
    results = [first, *((1 - share) * first + share * second[doubt] for doubt, share in tried)]
    return [evaluate(joints, case.truth, case.visible, case.sequence.fps) for joints in results]


def settings() -> Iterator[tuple[str, str, str, str, tuple[tuple[float, float], ...]]]:
    """Source, split, noise, input and what is tried there."""
    yield from (
        ("cmu", "val", family, "estimator", TRIED)
        for family in estimator_noise.SEEN + estimator_noise.TUNING
    )
    yield "cmu", "val", "detector", "lifted", TRIED
    for source, families in EXPERIMENTS.values():
        yield from ((source, "test", family, "estimator", ((DOUBT, 0.5),)) for family in families)


def main() -> None:
    args = sampling(__doc__)
    parameters = records.called(vars(args), prior="prior", lifter="lifter")
    network, lifter, rows, began = (
        load_model("prior"),
        load_model("lifter"),
        [],
        time.perf_counter(),
    )
    for source, split, family, kind, tried in settings():
        clips, simulated = datasets.load(source, split), "estimator" if kind == "lifted" else family
        made = drawn(clips, REGIMES, simulated, args.windows, args.seeds, input=kind, lifter=lifter)
        first, *again = zip(*(looks(case, network, tried) for case in made))
        for (doubt, share), second in zip(tried, again):
            rows += [
                {"source": source, "split": split, "noise": family, "doubt": doubt, "share": share}
                | row
                for row in changes(made, first, second, METRICS)
            ]
        print(*rows[-len(METRICS) * len(tried) :], sep="\n", flush=True)
    run = records.record(
        "second_look",
        rows,
        parameters=parameters,
        seed=list(range(args.seeds)),
        seconds=time.perf_counter() - began,
        protocol="windows, noise and occlusion of the benchmark; the frozen prior after a second look against "
        "its first answer",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
