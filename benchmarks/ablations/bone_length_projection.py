"""What cutting every bone to one length does to the frozen prior's answers, in all settings of the
benchmark.

    python -m benchmarks.ablations.bone_length_projection [--windows 8] [--seeds 3] [--threads 1]

Errors of the cut answers as multiples of the uncut ones' on the same windows, with 95 % intervals
from drawing clips anew, and the worst regime. Needs CMU's and HDM05's motion. Writes
``data/results/bones.json``.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import bone_projection, records
from benchmarks.occlusion_benchmark import EXPERIMENTS, drawn, sampling
from benchmarks.paired_statistics import changes
from stride_nb import datasets
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.evaluation.harness import Case
from stride_nb.evaluation.metrics import evaluate
from stride_nb.models.registry import load_model
from stride_nb.refinement.sliding_window import Windows, both_ways

RESULT = Path("data/results/bones.json")
METRICS = ("mpjpe_hidden", "mpjpe_visible", "pa_mpjpe", "accel_error", "bone_std")


def both(case: Case, network) -> tuple[dict, dict]:
    """Metrics of the network's answer, and of the same with its bones cut."""
    joints, scale = both_ways(network, Windows(case.sequence, network).features(0))[0]
    cut = bone_projection.cut(joints, bone_projection.measured([(joints, scale)]))
    return tuple(evaluate(x, case.truth, case.visible, case.sequence.fps) for x in (joints, cut))


def main() -> None:
    args = sampling(__doc__)
    parameters = records.called(vars(args), prior="prior")
    network, rows, began = load_model("prior"), [], time.perf_counter()
    for experiment, (source, families) in EXPERIMENTS.items():
        clips = datasets.load(source, "test")
        for family in families:
            made = drawn(clips, REGIMES, family, args.windows, args.seeds)
            uncut, cut = zip(*(both(case, network) for case in made))
            rows += [
                {"experiment": experiment, "source": source, "noise": family} | row
                for row in changes(made, uncut, cut, METRICS)
            ]
            print(*rows[-len(METRICS) :], sep="\n", flush=True)
    run = records.record(
        "bones",
        rows,
        parameters=parameters,
        seed=list(range(args.seeds)),
        seconds=time.perf_counter() - began,
        protocol="windows, noise and occlusion of the benchmark; the frozen prior's answers, uncut and cut",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
