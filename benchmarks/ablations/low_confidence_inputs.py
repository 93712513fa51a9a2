"""What an estimator's guesses at hidden joints are worth to the frozen prior, and what they cost
it, family by family.

    python -m benchmarks.ablations.low_confidence_inputs [--windows 8] [--seeds 3] [--threads 1]

On CMU's test people the prior answers once as it is used; once without guesses whose confidence is
low, which it is told of elsewhere; and once without any, as no estimator would have it. Errors as
multiples of those as it is used, and of a Gaussian's that is told the same. Needs CMU's motion.
Writes ``data/results/guesses.json``.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks import records
from benchmarks.occlusion_benchmark import drawn, sampling
from benchmarks.paired_statistics import changes
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.harness import Case
from stride_nb.evaluation.metrics import evaluate
from stride_nb.models.registry import load_model
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement.filters import gaussian
from stride_nb.refinement.sliding_window import Windows, both_ways
from stride_nb.training.tasks import VALIDATION

RESULT = Path("data/results/guesses.json")
METRICS = ("mpjpe_hidden", "mpjpe_visible")
KEPT = ("all", "trusted", "none")
"""Which guesses are left in."""
SETS = (
    (("prior", "trusted"), ("prior", "all")),
    (("prior", "none"), ("prior", "all")),
    *((("prior", kept), ("gaussian", kept)) for kept in KEPT),
)
"""What is set against what, each a method and the guesses that it is told."""


def told(case: Case, kept: str) -> PoseSequence:
    """The sequence with its guesses, with those alone that are trusted, or with none."""
    out = {
        "all": np.zeros_like(case.visible),
        "trusted": case.sequence.confidence < CONFIDENCE_THRESHOLD,
        "none": ~case.visible,
    }[kept]
    return case.sequence.replace(
        joints=np.where(out[..., None], np.nan, case.sequence.joints),
        confidence=np.where(out, 0.0, case.sequence.confidence),
    )


def answered(case: Case, network) -> dict[tuple[str, str], dict]:
    """Method and guesses kept → metrics."""
    found = {}
    for kept in KEPT:
        sequence = told(case, kept)
        prior = both_ways(network, Windows(sequence, network).features(0))[0][0]
        for method, joints in (("prior", prior), ("gaussian", gaussian(sequence).joints)):
            found[method, kept] = evaluate(joints, case.truth, case.visible, sequence.fps)
    return found


def main() -> None:
    args = sampling(__doc__)
    parameters = records.called(vars(args), prior="prior")
    network, rows, began = load_model("prior"), [], time.perf_counter()
    clips = datasets.load("cmu", "test")
    for family in estimator_noise.FAMILIES:
        made = drawn(clips, VALIDATION, family, args.windows, args.seeds)
        found = [answered(case, network) for case in made]
        for one, against in SETS:
            what = dict(zip(("method", "kept"), one)) | {"against": " ".join(against)}
            errors = ([answers[which] for answers in found] for which in (against, one))
            rows += [
                {"source": "cmu", "split": "test", "noise": family} | what | row
                for row in changes(made, *errors, METRICS)
            ]
        print(*rows[-len(SETS) * len(METRICS) :], sep="\n", flush=True)
    run = records.record(
        "guesses",
        rows,
        parameters=parameters,
        seed=list(range(args.seeds)),
        seconds=time.perf_counter() - began,
        protocol=f"windows, noise and occlusion of the benchmark, regimes {', '.join(VALIDATION)}; the frozen prior; "
        "before: the error, mm, of what it is set against, ratio: after over before",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
