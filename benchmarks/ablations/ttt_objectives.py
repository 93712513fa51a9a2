"""What adaptation can buy: its objective taken apart, its steps, the margin of its gate, and a
ceiling.

    python -m benchmarks.ablations.ttt_objectives [--windows 6] [--steps 60] [--threads 1]

The prior is adapted to single windows without any gate, and looked at every ten steps. ``truth as
target`` learns the *true* joints
where they are seen, which nobody has in use: what it reaches is a ceiling for objectives that hide
what was seen. The gate's margin is judged on people of ``val`` (noise of training, noise made for
tuning, and poses lifted from what a ``detector`` finds); the rest is measured on test people.
Needs CMU's and HDM05's motion. Writes ``data/results/adaptation.json``.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks import records
from benchmarks.occlusion_benchmark import choose
from benchmarks.paired_statistics import subject
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.bootstrap import paired_bootstrap
from stride_nb.evaluation.harness import Case, cases
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.models.registry import load_model
from stride_nb.refinement.sliding_window import Windows, both_ways
from stride_nb.refinement.test_time_training import (
    BlindSpot,
    _blind_step,
    _held_out_error,
    _Lesson,
    _optimizer,
)
from stride_nb.training.tasks import VALIDATION

RESULT = Path("data/results/adaptation.json")
VAL = (("cmu", "val", "estimator"), ("cmu", "val", "crossed"), ("cmu", "val", "detector"))
TEST = (("cmu", "test", "estimator"), ("hdm05", "test", "drift"))
VARIANTS = (
    "ours",
    "one person",
    "observations as target",
    "guesses in place",
    "no anchor",
    "truth as target",
)
MARGINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
EVERY = 10
"""Steps between two looks."""
OTHERS = 7
"""Windows, from other clips of the person, that ``one person`` learns from beside the one that is
looked at."""


class _Guessed(_Lesson):
    """Joints that are hidden from the network are guessed at, as the prior met them in training,
    instead of missing."""

    def told(self, hidden, rng):
        observed, fps = self.windows.relative(self.i), self.windows.sequence.fps
        family = estimator_noise.FAMILIES[
            estimator_noise.SEEN[rng.integers(len(estimator_noise.SEEN))]
        ]
        error = family(rng, observed, ~hidden, fps)
        # some leave joints out
        sure = np.where(np.isnan(error).any(-1), 0.0, estimator_noise.sureness(rng, ~hidden, fps))
        return self.windows.features(self.i, hidden, (error, sure))


def same_person(case: Case, pool: Sequence[Case], rng: np.random.Generator) -> list[Case]:
    """At most ``OTHERS`` cases of the regime, as long, from other clips of the person."""
    found = [
        c
        for c in pool
        if subject(c.clip) == subject(case.clip)
        and c.clip != case.clip
        and c.regime == case.regime
        and len(c.truth) == len(case.truth)
    ]
    return [found[i] for i in rng.permutation(len(found))[:OTHERS]]


def adapted(
    case: Case,
    frozen: nn.Module,
    variant: str,
    how: BlindSpot,
    seed: int,
    pool: Sequence[Case] = (),
) -> list[dict]:
    """A row every ten steps: hidden, visible and held-out error, mm. ``pool``: the cases that ``one
    person`` finds others in."""
    windows, truth = Windows(case.sequence, frozen), case.truth - case.truth[:, :1]
    rng, network = np.random.default_rng(seed), copy.deepcopy(frozen).eval()
    lesson = (_Guessed if variant == "guesses in place" else _Lesson)(
        windows, 0, frozen, rng, how.held_out
    )
    targets = {"observations as target": windows.relative(0), "truth as target": truth}
    if variant in targets:
        lesson.target = torch.from_numpy(targets[variant]).to(lesson.target)
    others = same_person(case, pool, rng) if variant == "one person" else []
    theirs = [_Lesson(Windows(c.sequence, frozen), 0, frozen, rng, how.held_out) for c in others]
    lessons = [lesson] * max(1, len(theirs)) + theirs  # every second lesson is of the window itself
    how = replace(how, anchor=0.0) if variant == "no anchor" else how
    optimizer, rows = _optimizer(network, how.lr, 0.0), []
    for step in range(how.steps + 1):
        if step:
            _blind_step(network, lessons, optimizer, rng, how)
        if step % EVERY == 0:
            error = joint_errors_mm(both_ways(network, windows.features(0))[0][0], truth)
            rows.append(
                {
                    "step": step,
                    "hidden": error[~case.visible].mean(),
                    "visible": error[case.visible].mean(),
                    "held_out": _held_out_error(network, [lesson]),
                }
            )
    return rows


def settings(
    places: Sequence[tuple[str, str, str]], windows: int, seed: int
) -> Iterator[tuple[tuple, list[Case], list[Case]]]:
    """Every setting with the windows chosen, the same ones for every regime, and with all that
    there are."""
    for source, split, family in places:
        told = (
            {"family": "estimator", "input": "lifted"}
            if family == "detector"
            else {"family": family}
        )
        made = cases(datasets.load(source, split), VALIDATION, seed=seed, **told)
        yield (source, split, family), choose(made, windows, np.random.default_rng(seed)), made


def curve(where: tuple, variant: str, runs: list[tuple[Case, list[dict]]]) -> list[dict]:
    """Rows a number of steps: errors as multiples of the frozen prior's, with 95 % intervals from
    drawing clips anew."""
    rows, clips = [], [case.clip for case, _ in runs]
    for at, first in enumerate(runs[0][1]):
        row = dict(zip(("source", "split", "noise"), where)) | {
            "part": "objective",
            "variant": variant,
            "step": first["step"],
            "n": len(runs),
            "clips": len(set(clips)),
        }
        for name in ("hidden", "visible", "held_out"):
            now, frozen = (np.array([run[i][name] for _, run in runs]) for i in (at, 0))
            found = paired_bootstrap(now, frozen, clips, np.random.default_rng(0))
            row |= {
                name: round(found.value, 4),
                f"{name}_low": round(found.low, 4),
                f"{name}_high": round(found.high, 4),
            }
        rows.append(
            row | {"frozen": round(float(np.mean([run[0]["hidden"] for _, run in runs])), 2)}
        )
    return rows


def kept(run: list[dict], margin: float) -> dict:
    """What the gate keeps of a run: the best look whose held-out error fell by the margin, else the
    frozen prior."""
    return min(
        (row for row in run[1:] if row["held_out"] < (1 - margin) * run[0]["held_out"]),
        key=lambda row: row["held_out"],
        default=run[0],
    )


def gates(
    where: tuple, variant: str, runs: list[tuple[Case, list[dict]]], steps: int
) -> list[dict]:
    """A row a margin: hidden error over the frozen prior's, of all windows and of the worst regime,
    and how often kept."""
    rows, regimes = [], np.array([case.regime for case, _ in runs])
    looks = [run[: 1 + steps // EVERY] for _, run in runs]
    frozen = np.array([run[0]["hidden"] for run in looks])
    for margin in MARGINS:
        chosen = [kept(run, margin) for run in looks]
        hidden = np.array([row["hidden"] for row in chosen])
        ratios = {r: hidden[regimes == r].sum() / frozen[regimes == r].sum() for r in VALIDATION}
        worst = max(ratios, key=ratios.get)
        rows.append(
            dict(zip(("source", "split", "noise"), where))
            | {
                "part": "margin",
                "variant": variant,
                "margin": margin,
                "steps": steps,
                "hidden": round(hidden.sum() / frozen.sum(), 4),
                "worst_regime": worst,
                "worst": round(ratios[worst], 4),
                "kept": round(np.mean([row["step"] > 0 for row in chosen]), 3),
                "n": len(runs),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--windows",
        type=int,
        default=6,
        help="of a regime and setting (default: 6; twice as many on val)",
    )
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    how = BlindSpot(steps=args.steps)
    parameters = records.called(vars(args) | {"lr": how.lr, "batch": how.batch}, prior="prior")
    frozen, rows, began = load_model("prior"), [], time.perf_counter()
    for where, found, _ in settings(VAL, 2 * args.windows, args.seed):
        for variant in ("ours", "guesses in place"):
            runs = [
                (case, adapted(case, frozen, variant, replace(how, steps=30), args.seed))
                for case in found
            ]
            rows += curve(where, variant, runs) + gates(where, variant, runs, 30)
        print(where, *rows[-len(MARGINS) :], sep="\n", flush=True)
    for where, found, pool in settings(TEST, args.windows, args.seed):
        for variant in VARIANTS:
            steps = curve(
                where,
                variant,
                [(case, adapted(case, frozen, variant, how, args.seed, pool)) for case in found],
            )
            print(
                where,
                variant,
                [(row["step"], row["hidden"], row["visible"], row["held_out"]) for row in steps],
                flush=True,
            )
            rows += steps
    run = records.record(
        "adaptation",
        rows,
        parameters=parameters,
        seed=args.seed,
        seconds=time.perf_counter() - began,
        units={"frozen": "mm"},
        protocol=f"windows of up to 243 frames, regimes {', '.join(VALIDATION)}; hidden, visible, held_out: "
        "errors as multiples of the frozen prior's (frozen: its hidden error)",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
