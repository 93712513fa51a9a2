"""What low-confidence detections of hidden joints are worth to the frozen prior, noise model by
noise model.

    python -m benchmarks.ablations.low_confidence_inputs [--windows 8] [--seeds 3] [--threads 1]

On CMU's test people the prior predicts once as it is used; once without the detections of hidden
joints whose confidence is low; and once without any detection of a hidden joint, which no estimator
could know. Errors as multiples of those as it is used, and of a Gaussian's with the same input.
Needs CMU's motion. Writes ``data/results/guesses.json``.
"""

from __future__ import annotations

from functools import partial

import numpy as np

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
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.harness import Case
from stride_nb.models.registry import load_shared_model
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement.filters import gaussian
from stride_nb.training.tasks import VALIDATION_REGIMES

METRICS = ("mpjpe_hidden", "mpjpe_visible")
KEPT = ("all", "trusted", "none")
"""Which detections are left in: all, those above the threshold, or those of visible joints."""
COMPARISONS = (
    (("prior", "trusted"), ("prior", "all")),
    (("prior", "none"), ("prior", "all")),
    *((("prior", kept), ("gaussian", kept)) for kept in KEPT),
)
"""What is divided by what, each a method and the detections that it gets."""


def drop_detections(case: Case, kept: str) -> PoseSequence:
    """The sequence with only the detections of ``KEPT``."""
    dropped = {
        "all": np.zeros_like(case.visible),
        "trusted": case.sequence.confidence < CONFIDENCE_THRESHOLD,
        "none": ~case.visible,
    }[kept]
    return case.sequence.replace(
        joints=np.where(dropped[..., None], np.nan, case.sequence.joints),
        confidence=np.where(dropped, 0.0, case.sequence.confidence),
    )


def measure(case: Case, network) -> dict[tuple[str, str], dict]:
    """Method and detections kept → metrics."""
    errors = {}
    for kept in KEPT:
        sequence = drop_detections(case, kept)
        errors["prior", kept] = evaluate_case(case, predict_window(sequence, network)[0])
        errors["gaussian", kept] = evaluate_case(case, gaussian(sequence).joints)
    return errors


def measure_noise(noise: str, windows: int, seeds: int) -> list[dict]:
    """Rows of every comparison under a noise model."""
    network, clips = load_shared_model("prior"), datasets.load("cmu", "test")
    cases = sample_cases(clips, VALIDATION_REGIMES, noise, windows, seeds)
    errors, rows = [measure(case, network) for case in cases], []
    for one, against in COMPARISONS:
        about = {"source": "cmu", "split": "test", "noise": noise}
        about |= dict(zip(("method", "kept"), one)) | {"against": " ".join(against)}
        before, after = ([by[which] for by in errors] for which in (against, one))
        rows += [about | row for row in compare_paired(cases, before, after, METRICS)]
    return rows


def main() -> None:
    """Every noise model on CMU's test people."""
    args = parse_arguments(make_parser(__doc__, True, windows=8, seeds=3, threads=1))
    study = Study("guesses", vars(args), list(range(args.seeds)), prior="prior")
    measure_one = partial(measure_noise, windows=args.windows, seeds=args.seeds)
    study.measure(measure_one, list(estimator_noise.NOISE_MODELS))
    study.save(
        "windows, noise and occlusion of the benchmark, regimes "
        f"{', '.join(VALIDATION_REGIMES)}; the frozen prior; before: the error, mm, of what it is "
        "set against, ratio: after over before"
    )


if __name__ == "__main__":
    main()
