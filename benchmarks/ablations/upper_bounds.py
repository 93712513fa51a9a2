"""Upper bounds on what is left to gain: errors on clips that the prior was trained on, and errors
that stay constant within a window.

    python -m benchmarks.ablations.upper_bounds [--windows 100] [--former FILE] [--threads 1]

``trained on``: the frozen prior over the Gaussian filter on CMU's training clips, which it has met
under other noise and augmentation, beside the same on test people; and on the training clips with
the body proportions of another training person. Where that is as hard as test people are, the prior
has memorised bodies, not motions. With ``--former`` the same for the weights that shipped before
body-proportion augmentation (``git show 438a1ac:data/weights/prior.safetensors`` and ``.json``).
``constant``: the part of the input's error on visible joints that stays the same all through a
window. A perfect smoothing over time would leave it: only knowledge of bodies can tell it from a
pose. Needs CMU's and HDM05's motion. Writes ``data/results/limits.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.occlusion_benchmark import EXPERIMENTS
from benchmarks.paired_statistics import RATIO, estimate_ratio, name_interval
from benchmarks.study import Study, choose_cases, make_parser, parse_arguments
from stride_nb import datasets
from stride_nb.datasets.simulation.augmentation import (
    apply_body_proportions,
    find_distinct_bodies,
    have_same_proportions,
    measure_body_proportions,
)
from stride_nb.evaluation.harness import Case, compare_methods, select_rows
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.models.registry import load_model
from stride_nb.poses.gap_filling import fill_gaps
from stride_nb.poses.sequence import PoseSequence
from stride_nb.training.tasks import VALIDATION_REGIMES

EVERY = 6
"""One in so many of CMU's training clips is measured."""


def make_row(
    part: str, setting: tuple[str, str, str], what: str, pairs: Iterable[tuple[str, float, float]]
) -> dict:
    """A row from pairs (clip, error, reference error), mm: their means and their ratio with its
    95 % interval by cluster bootstrap over clips."""
    clips, errors, references = zip(*pairs)
    return (
        {"part": part}
        | dict(zip(("source", "split", "noise"), setting))
        | {
            "what": what,
            "value": round(float(np.mean(errors)), 2),
            "against": round(float(np.mean(references)), 2),
        }
        | name_interval(estimate_ratio(errors, references, clips), RATIO)
        | {"n": len(errors)}
    )


def exchange_bodies(clips: Sequence[PoseSequence], seed: int) -> list[PoseSequence]:
    """The clips, each with the body proportions of another of the people in them."""
    people = find_distinct_bodies([clip.joints for clip in clips])
    rng, exchanged = np.random.default_rng(seed), []
    for clip in clips:
        own = measure_body_proportions(clip.joints)
        others = [body for body in people if not have_same_proportions(body, own)]
        other = others[rng.integers(len(others))]
        exchanged.append(clip.replace(joints=apply_body_proportions(clip.joints, other)))
    return exchanged


def measure_trained(split: str, body: str, cases: Sequence[Case], networks: dict) -> list[dict]:
    """For each network: the prior over the Gaussian filter on hidden joints, and over the input on
    visible ones."""
    measured = []
    for name, network in networks.items():
        rows = compare_methods(cases, ["input", "gaussian", "prior"], network)
        for metric, rival in (("mpjpe_hidden", "gaussian"), ("mpjpe_visible", "input")):
            prior, reference = (select_rows(rows, method=method) for method in ("prior", rival))
            row = make_row(
                "trained on",
                ("cmu", split, "estimator"),
                f"prior / {rival}, {metric.removeprefix('mpjpe_')}",
                [(a["clip"], a[metric], b[metric]) for a, b in zip(prior, reference)],
            )
            measured.append(row | {"body": body, "weights": name})
    return measured


def measure_constant(case: Case) -> tuple[str, float, float]:
    """The clip, and the mean error on visible joints, mm: of its part that is constant in the
    window, and of the input."""
    truth, visible = case.truth - case.truth[:, :1], case.visible[..., None]
    error = fill_gaps(case.sequence, how="hold").root_relative().joints - truth
    constant = np.where(visible, error, 0.0).sum(0) / np.maximum(visible.sum(0), 1)
    constant_mm, error_mm = (
        joint_errors_mm(truth + e, truth)[case.visible].mean() for e in (constant, error)
    )
    return case.clip, constant_mm, error_mm


def measure_people(
    which: tuple[str, str], files: Mapping[str, str | Path], windows: int, seed: int
) -> list[dict]:
    """``measure_trained`` of a split and whose body its clips have."""
    split, body = which
    clips = datasets.load("cmu", split)[:: EVERY if split == "train" else 1]
    clips = exchange_bodies(clips, seed) if body != "own" else clips
    networks = {name: load_model(file) for name, file in files.items()}
    cases = choose_cases(clips, VALIDATION_REGIMES, "estimator", windows, seed)
    return measure_trained(split, body, cases, networks)


def measure_setting(setting: tuple[str, str], windows: int, seed: int) -> list[dict]:
    """The row of what is constant in a setting of the benchmark."""
    source, noise = setting
    clips = datasets.load(source, "test")
    cases = choose_cases(clips, VALIDATION_REGIMES, noise, windows, seed)
    pairs, where = map(measure_constant, cases), (source, "test", noise)
    return [make_row("constant", where, "constant / all, visible", pairs)]


def main() -> None:
    """Training clips, test clips, and every setting of the benchmark."""
    parser = make_parser(__doc__, True, windows=100, seed=0, threads=1)
    text = "other weights to measure too, on training clips and test people"
    parser.add_argument("--former", type=Path, help=text)
    args = parse_arguments(parser)
    files = {"shipped": "prior"} | ({"former": args.former} if args.former else {})
    study = Study("limits", vars(args), args.seed, **files)
    drawn = {"windows": args.windows, "seed": args.seed}
    people = [("train", "own"), ("train", "another's"), ("test", "own")]
    study.measure(partial(measure_people, files=files, **drawn), people)
    settings = [(source, noise) for source, models in EXPERIMENTS.values() for noise in models]
    study.measure(partial(measure_setting, **drawn), settings)
    study.save(
        f"windows of up to 243 frames, regimes {', '.join(VALIDATION_REGIMES)}; ratio: value over "
        "against, 95 % by paired bootstrap over clips",
        {"value": "mm", "against": "mm"},
    )


if __name__ == "__main__":
    main()
