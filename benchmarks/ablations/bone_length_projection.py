"""Bone-length projection of the frozen prior's predictions, in all settings of the benchmark.

    python -m benchmarks.ablations.bone_length_projection [--windows 8] [--seeds 3] [--threads 1]

Errors with every bone at one length as multiples of those without, on the same windows, with 95 %
intervals by cluster bootstrap over clips, and the worst regime. Needs CMU's and HDM05's motion.
Writes ``data/results/bones.json``.
"""

from __future__ import annotations

from functools import partial

from benchmarks.bone_projection import estimate_bone_lengths, set_bone_lengths
from benchmarks.occlusion_benchmark import EXPERIMENTS
from benchmarks.paired_statistics import compare_paired
from benchmarks.study import (
    Study,
    evaluate_case,
    make_parser,
    parse_arguments,
    predict_window,
    sample_cases,
)
from stride_nb import datasets
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.evaluation.harness import Case
from stride_nb.models.registry import load_shared_model

METRICS = ("mpjpe_hidden", "mpjpe_visible", "pa_mpjpe", "accel_error", "bone_std")


def measure(case: Case, network) -> tuple[dict, dict]:
    """Metrics of the network's prediction, and of the same with its bones at one length."""
    joints, scale = predict_window(case.sequence, network)
    projected = set_bone_lengths(joints, estimate_bone_lengths([(joints, scale)]))
    return evaluate_case(case, joints), evaluate_case(case, projected)


def measure_setting(setting: tuple[str, str, str], windows: int, seeds: int) -> list[dict]:
    """Rows of an experiment, its source and a noise model."""
    experiment, source, noise = setting
    network, clips = load_shared_model("prior"), datasets.load(source, "test")
    cases = sample_cases(clips, list(REGIMES), noise, windows, seeds)
    before, after = zip(*(measure(case, network) for case in cases))
    about = {"experiment": experiment, "source": source, "noise": noise}
    return [about | row for row in compare_paired(cases, before, after, METRICS)]


def main() -> None:
    """Every setting of the benchmark with a simulated estimator."""
    args = parse_arguments(make_parser(__doc__, True, windows=8, seeds=3, threads=1))
    study = Study("bones", vars(args), list(range(args.seeds)), prior="prior")
    settings = [(name, of, noise) for name, (of, models) in EXPERIMENTS.items() for noise in models]
    study.measure(partial(measure_setting, windows=args.windows, seeds=args.seeds), settings)
    study.save(
        "windows, noise and occlusion of the benchmark; the frozen prior's answers, uncut and cut"
    )


if __name__ == "__main__":
    main()
