"""What is left to gain: errors on clips that the prior was trained on, and errors that do not move.

    python -m benchmarks.ablations.upper_bounds [--windows 100] [--former FILE] [--threads 1]

``trained on``: the frozen prior over the Gaussian filter on CMU's training clips, which it has met
time and again under other noise and in other guises, beside the same on test people; and on the
training clips done by somebody else, every bone as long as another training person's. Where that is
as hard as test people are, it is bodies that the prior has by heart, not motions. With ``--former``
the same for the weights that shipped before strangers' bodies were trained on (``git show
438a1ac:data/weights/prior.safetensors`` and ``.json``). ``constant``: what stays the same all
through a window of the input's error on visible joints. A perfect smoothing over time would
leave it: only knowledge of bodies can tell it from a pose. Needs CMU's and HDM05's motion. Writes
``data/results/limits.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks import records
from benchmarks.occlusion_benchmark import EXPERIMENTS, chosen
from stride_nb import datasets
from stride_nb.datasets.simulation.augmentation import alike, body_of, distinct_bodies, embodied
from stride_nb.evaluation.bootstrap import paired_bootstrap
from stride_nb.evaluation.harness import Case, compare, select
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.models.registry import load_model
from stride_nb.poses.gap_filling import fill
from stride_nb.poses.sequence import PoseSequence
from stride_nb.training.tasks import VALIDATION

RESULT = Path("data/results/limits.json")
EVERY = 6
"""Of CMU's training clips one in so many is looked at."""


def ratio(
    part: str, where: tuple[str, str, str], what: str, pairs: Iterable[tuple[str, float, float]]
) -> dict:
    """A row: clip by clip two errors, mm, and their ratio with its 95 % interval from drawing clips
    anew."""
    clips, ours, theirs = zip(*pairs)
    found = paired_bootstrap(np.array(ours), np.array(theirs), clips, np.random.default_rng(0))
    return (
        {"part": part}
        | dict(zip(("source", "split", "noise"), where))
        | {
            "what": what,
            "value": round(float(np.mean(ours)), 2),
            "against": round(float(np.mean(theirs)), 2),
            "ratio": round(found.value, 4),
            "ratio_low": round(found.low, 4),
            "ratio_high": round(found.high, 4),
            "n": len(ours),
        }
    )


def swapped(clips: Sequence[PoseSequence], seed: int) -> list[PoseSequence]:
    """The clips, each done by the body of another of the people in them."""
    people, rng, found = (
        distinct_bodies([clip.joints for clip in clips]),
        np.random.default_rng(seed),
        [],
    )
    for clip in clips:
        others = [body for body in people if not alike(body, body_of(clip.joints))]
        found.append(clip.replace(joints=embodied(clip.joints, others[rng.integers(len(others))])))
    return found


def trained_on(split: str, body: str, made: Sequence[Case], networks: dict) -> list[dict]:
    """Of each network: the prior over the Gaussian filter on hidden joints, and over the input on
    visible ones."""
    found = []
    for name, network in networks.items():
        rows = compare(made, ["input", "gaussian", "prior"], network)
        for metric, rival in (("mpjpe_hidden", "gaussian"), ("mpjpe_visible", "input")):
            ours, theirs = (select(rows, method=method) for method in ("prior", rival))
            row = ratio(
                "trained on",
                ("cmu", split, "estimator"),
                f"prior / {rival}, {metric.removeprefix('mpjpe_')}",
                [(a["clip"], a[metric], b[metric]) for a, b in zip(ours, theirs)],
            )
            found.append(row | {"body": body, "weights": name})
    return found


def constant(case: Case) -> tuple[str, float, float]:
    """The clip, and the mean error on visible joints, mm: of what stays all through the window, and
    of the input."""
    truth, seen = case.truth - case.truth[:, :1], case.visible[..., None]
    error = fill(case.sequence, how="hold").root_relative().joints - truth
    stays = np.where(seen, error, 0.0).sum(0) / np.maximum(seen.sum(0), 1)
    return case.clip, *(
        joint_errors_mm(truth + e, truth)[case.visible].mean() for e in (stays, error)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--windows", type=int, default=100, help="of a regime and setting, at most (default: 100)"
    )
    parser.add_argument(
        "--former",
        type=Path,
        help="other weights to look at too, on training clips and test people",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    files = {"shipped": "prior"} | ({"former": args.former} if args.former else {})
    parameters = records.called(vars(args), **files)
    networks, rows, began = (
        {name: load_model(file) for name, file in files.items()},
        [],
        time.perf_counter(),
    )
    known = datasets.load("cmu", "train")[::EVERY]
    for split, body, clips in (
        ("train", "own", known),
        ("train", "another's", swapped(known, args.seed)),
        ("test", "own", datasets.load("cmu", "test")),
    ):
        rows += trained_on(
            split, body, chosen(clips, VALIDATION, "estimator", args.windows, args.seed), networks
        )
    for source, families in EXPERIMENTS.values():
        for family in families:
            made = chosen(
                datasets.load(source, "test"), VALIDATION, family, args.windows, args.seed
            )
            rows.append(
                ratio(
                    "constant",
                    (source, "test", family),
                    "constant / all, visible",
                    map(constant, made),
                )
            )
    print(*rows, sep="\n")
    run = records.record(
        "limits",
        rows,
        parameters=parameters,
        seed=args.seed,
        seconds=time.perf_counter() - began,
        units={"value": "mm", "against": "mm"},
        protocol=f"windows of up to 243 frames, regimes {', '.join(VALIDATION)}; ratio: value over against, "
        "95 % by paired bootstrap over clips",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
