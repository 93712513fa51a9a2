"""Outlier rejection with a second pass: detections far from the frozen prior's prediction get low
confidence, it predicts again, and the result is the mean of both predictions, or the second alone.

    python -m benchmarks.ablations.second_pass [--windows 8] [--seeds 3] [--threads 1]

``val``: at what distance is a detection an outlier, and how much does the second prediction count?
Decided on people of ``val``, under every noise model that may be tuned on. ``test``: the chosen
values in all settings of the benchmark with a simulated estimator. Errors as multiples of the first
prediction's on the same windows, with 95 % intervals by cluster bootstrap over clips, and the worst
regime. Needs CMU's and HDM05's motion. Writes ``data/results/second_look.json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import nn

from benchmarks.occlusion_benchmark import EXPERIMENTS
from benchmarks.paired_statistics import compare_paired
from benchmarks.study import Study, evaluate_case, make_parser, parse_arguments, sample_cases
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.evaluation.harness import Case
from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.models.registry import load_shared_model
from stride_nb.refinement.outlier_rejection import OUTLIER_RATIO
from stride_nb.refinement.sliding_window import Windows

METRICS = ("mpjpe_hidden", "mpjpe_visible", "accel_error")
TRIED = (*((ratio, 0.5) for ratio in (1.5, 2.0, 2.5, 3.0, 4.0)), (OUTLIER_RATIO, 1.0))
"""Outlier ratios, and the share of the result that the second prediction is."""


def measure(case: Case, network: nn.Module, tried: Sequence[tuple[float, float]]) -> list[dict]:
    """Metrics of the first prediction and, for each ratio and share tried, of the second pass."""
    windows, ratios = Windows(case.sequence, network), list(dict(tried))
    ((first, scale),) = predict_with_flip(network, windows.make_features(0))
    features = [windows.make_second_pass_features(0, first, scale, ratio) for ratio in ratios]
    again = predict_with_flip(network, torch.cat(features))
    second = {ratio: joints for ratio, (joints, _) in zip(ratios, again)}
    results = [first, *((1 - share) * first + share * second[ratio] for ratio, share in tried)]
    return [evaluate_case(case, joints) for joints in results]


def list_settings() -> Iterator[tuple[str, str, str, str, tuple[tuple[float, float], ...]]]:
    """Source, split, noise model, input and what is tried there."""
    for noise in estimator_noise.SEEN + estimator_noise.TUNING:
        yield "cmu", "val", noise, "estimator", TRIED
    yield "cmu", "val", "detector", "lifted", TRIED
    for source, noise_models in EXPERIMENTS.values():
        for noise in noise_models:
            yield source, "test", noise, "estimator", ((OUTLIER_RATIO, 0.5),)


def measure_setting(
    setting: tuple[str, str, str, str, Sequence[tuple[float, float]]], windows: int, seeds: int
) -> list[dict]:
    """Rows of what is tried in a setting."""
    source, split, noise, kind, tried = setting
    network, options = load_shared_model("prior"), {"lifter": load_shared_model("lifter")}
    simulated = "estimator" if kind == "lifted" else noise  # the detector makes the noise
    clips = datasets.load(source, split)
    cases = sample_cases(clips, list(REGIMES), simulated, windows, seeds, input=kind, **options)
    first, *results = zip(*(measure(case, network, tried) for case in cases))
    rows = []
    for (ratio, share), second in zip(tried, results):
        about = {"source": source, "split": split, "noise": noise}
        about |= {"doubt": ratio, "share": share}
        rows += [about | row for row in compare_paired(cases, first, second, METRICS)]
    return rows


def main() -> None:
    """Every setting."""
    args = parse_arguments(make_parser(__doc__, True, windows=8, seeds=3, threads=1))
    seeds, weights = list(range(args.seeds)), {"prior": "prior", "lifter": "lifter"}
    study = Study("second_look", vars(args), seeds, **weights)
    measure_one = partial(measure_setting, windows=args.windows, seeds=args.seeds)
    study.measure(measure_one, list(list_settings()))
    study.save(
        "windows, noise and occlusion of the benchmark; the frozen prior after a second look "
        "against its first answer"
    )


if __name__ == "__main__":
    main()
