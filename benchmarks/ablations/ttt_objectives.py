"""Objectives of test-time training: their parts, their steps, the margin of the acceptance gate,
and an upper bound.

    python -m benchmarks.ablations.ttt_objectives [--windows 6] [--steps 60] [--threads 1]

The prior is adapted to single windows without the gate and measured every ten steps. ``truth as
target`` learns the *true* visible joints: an upper bound for objectives that mask what was seen.
The gate's margin is judged on people of ``val`` (noise of training, noise made for tuning, and
poses lifted from the detections of a ``detector``); the rest is measured on test people. Needs
CMU's and HDM05's motion. Writes ``data/results/adaptation.json``.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import torch
from torch import nn

from benchmarks.paired_statistics import estimate_ratio, name_interval, parse_subject
from benchmarks.study import Study, choose_windows, make_parser, parse_arguments
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.harness import Case, make_cases
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.models.registry import load_shared_model
from stride_nb.refinement.sliding_window import Windows
from stride_nb.refinement.test_time_training import (
    SelfDistillationTTT,
    TTTSample,
    distill_step,
    make_adamw,
    measure_held_out_error,
)
from stride_nb.training.tasks import VALIDATION_REGIMES

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
"""Steps between two measurements."""
OTHERS = 7
"""Windows, from other clips of the person, that ``one person`` learns from beside the measured
one."""
Setting = tuple[str, str, str]
Run = tuple[Case, list[dict]]


class LowConfidenceSample(TTTSample):
    """Masked joints are low-confidence detections, as in the prior's training, instead of
    missing."""

    def make_inputs(self, masked: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """The student's input, with the errors and the confidence of a noise model of training at
        ``masked`` joints."""
        observed, fps = self.windows.fill_relative(self.i), self.windows.sequence.fps
        name = estimator_noise.SEEN[rng.integers(len(estimator_noise.SEEN))]
        error = estimator_noise.NOISE_MODELS[name](rng, observed, ~masked, fps)
        confidence = estimator_noise.simulate_confidence(rng, ~masked, fps)
        # some noise models leave joints out
        confidence = np.where(np.isnan(error).any(-1), 0.0, confidence)
        return self.windows.make_features(self.i, masked, (error, confidence))


def find_same_person(case: Case, pool: Sequence[Case], rng: np.random.Generator) -> list[Case]:
    """At most ``OTHERS`` cases of the regime, as long, from other clips of the person."""
    others = [
        c
        for c in pool
        if parse_subject(c.clip) == parse_subject(case.clip)
        and c.clip != case.clip
        and c.regime == case.regime
        and len(c.truth) == len(case.truth)
    ]
    return [others[i] for i in rng.permutation(len(others))[:OTHERS]]


def adapt(
    case: Case,
    frozen: nn.Module,
    variant: str,
    settings: SelfDistillationTTT,
    seed: int,
    pool: Sequence[Case] = (),
) -> list[dict]:
    """A row every ten steps: hidden, visible and held-out error, mm.

    Args:
        pool: the cases in which ``one person`` finds others.
    """
    truth, rng = case.truth - case.truth[:, :1], np.random.default_rng(seed)
    network, windows = copy.deepcopy(frozen).eval(), Windows(case.sequence, frozen)
    make = LowConfidenceSample if variant == "guesses in place" else TTTSample
    sample = make(windows, 0, frozen, rng, settings.held_out)
    targets = {"observations as target": windows.fill_relative(0), "truth as target": truth}
    if variant in targets:
        sample.target = torch.from_numpy(targets[variant]).to(sample.target)
    others = [
        TTTSample(Windows(c.sequence, frozen), 0, frozen, rng, settings.held_out)
        for c in (find_same_person(case, pool, rng) if variant == "one person" else [])
    ]
    samples = [sample] * max(1, len(others)) + others  # every second one is the window itself
    settings = replace(settings, anchor=0.0) if variant == "no anchor" else settings
    optimizer, rows = make_adamw(network, settings.lr, 0.0), []
    for step in range(settings.steps + 1):
        if step:
            distill_step(network, samples, optimizer, rng, settings)
        if step % EVERY == 0:
            joints, _ = predict_with_flip(network, windows.make_features(0))[0]
            error = joint_errors_mm(joints, truth)
            rows.append(
                {
                    "step": step,
                    "hidden": error[~case.visible].mean(),
                    "visible": error[case.visible].mean(),
                    "held_out": measure_held_out_error(network, [sample]),
                }
            )
    return rows


@lru_cache(maxsize=1)
def choose_setting(setting: Setting, windows: int, seed: int) -> tuple[list[Case], list[Case]]:
    """The chosen windows of a setting, the same ones for every regime, and all that there are."""
    source, split, noise = setting
    simulated, kind = ("estimator", "lifted") if noise == "detector" else (noise, "estimator")
    clips = datasets.load(source, split)
    cases = make_cases(clips, VALIDATION_REGIMES, simulated, seed=seed, input=kind)
    return choose_windows(cases, windows, np.random.default_rng(seed)), cases


def measure_variant(
    which: tuple[Setting, str], windows: int, seed: int, settings: SelfDistillationTTT
) -> list[dict]:
    """Rows of a variant in a setting; on people of ``val`` the margin, too."""
    (setting, variant), frozen = which, load_shared_model("prior")
    is_val = setting in VAL
    cases, pool = choose_setting(setting, windows * (2 if is_val else 1), seed)
    settings, pool = (replace(settings, steps=30), []) if is_val else (settings, pool)
    runs = [(case, adapt(case, frozen, variant, settings, seed, pool)) for case in cases]
    rows = summarise_steps(setting, variant, runs)
    return rows + (summarise_margins(setting, variant, runs, settings.steps) if is_val else [])


def _describe(setting: Setting, **about) -> dict:
    return dict(zip(("source", "split", "noise"), setting)) | about


def summarise_steps(setting: Setting, variant: str, runs: list[Run]) -> list[dict]:
    """Rows a number of steps: errors as multiples of the frozen prior's, with 95 % intervals by
    cluster bootstrap over clips."""
    clips = [case.clip for case, _ in runs]
    frozen = round(float(np.mean([run[0]["hidden"] for _, run in runs])), 2)
    rows = []
    for at, first in enumerate(runs[0][1]):
        row = _describe(setting, part="objective", variant=variant, step=first["step"])
        row |= {"n": len(runs), "clips": len(set(clips))}
        for name in ("hidden", "visible", "held_out"):
            now, before = ([run[i][name] for _, run in runs] for i in (at, 0))
            ratio = estimate_ratio(now, before, clips)
            row |= name_interval(ratio, (name, f"{name}_low", f"{name}_high"))
        rows.append(row | {"frozen": frozen})
    return rows


def apply_gate(run: list[dict], margin: float) -> dict:
    """What the gate keeps of a run: the best measurement whose held-out error fell by the margin,
    else the frozen prior."""
    return min(
        (row for row in run[1:] if row["held_out"] < (1 - margin) * run[0]["held_out"]),
        key=lambda row: row["held_out"],
        default=run[0],
    )


def summarise_margins(setting: Setting, variant: str, runs: list[Run], steps: int) -> list[dict]:
    """A row a margin: hidden error over the frozen prior's, of all windows and of the worst regime,
    and how often the gate keeps the adapted network."""
    regimes = np.array([case.regime for case, _ in runs])
    measured = [run[: 1 + steps // EVERY] for _, run in runs]
    frozen = np.array([run[0]["hidden"] for run in measured])
    rows = []
    for margin in MARGINS:
        chosen = [apply_gate(run, margin) for run in measured]
        hidden = np.array([row["hidden"] for row in chosen])
        ratios = {
            r: hidden[regimes == r].sum() / frozen[regimes == r].sum() for r in VALIDATION_REGIMES
        }
        worst = max(ratios, key=ratios.__getitem__)
        rows.append(
            _describe(setting, part="margin", variant=variant, margin=margin, steps=steps)
            | {
                "hidden": round(hidden.sum() / frozen.sum(), 4),
                "worst_regime": worst,
                "worst": round(ratios[worst], 4),
                "kept": round(np.mean([row["step"] > 0 for row in chosen]), 3),
                "n": len(runs),
            }
        )
    return rows


def main() -> None:
    """The margin on ``val``, then every objective on test people."""
    args = parse_arguments(make_parser(__doc__, True, windows=6, steps=60, seed=0, threads=1))
    settings = SelfDistillationTTT(steps=args.steps)
    arguments = vars(args) | {"lr": settings.lr, "batch": settings.batch}
    study = Study("adaptation", arguments, args.seed, prior="prior")
    items = [(setting, variant) for setting in VAL for variant in ("ours", "guesses in place")]
    items += [(setting, variant) for setting in TEST for variant in VARIANTS]
    options = {"windows": args.windows, "seed": args.seed, "settings": settings}
    study.measure(partial(measure_variant, **options), items)
    study.save(
        f"windows of up to 243 frames, regimes {', '.join(VALIDATION_REGIMES)}; hidden, visible, "
        "held_out: errors as multiples of the frozen prior's (frozen: its hidden error)",
        {"frozen": "mm"},
    )


if __name__ == "__main__":
    main()
