"""Components of the prior: small priors trained with one of them left out.

    python -m benchmarks.ablations.prior_components [--steps 600] [--seeds 3] [--threads 1]

Every variant of a seed learns from the same batches for the same number of steps; ``DSTformer``
takes as many steps as fit into the processor time that ``all`` took. They are scored on CMU's test
people, by whom nothing is chosen here. The networks are small and the training short: what helps
here need not help as much after a hundred times the work. Writes ``data/results/ingredients.json``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.frames import Frame, pd
from benchmarks.paired_statistics import RATIO, estimate_ratio, name_interval
from benchmarks.study import Study, make_parser, parse_arguments
from stride_nb import datasets
from stride_nb.batch.mapping import map_items
from stride_nb.evaluation import metrics
from stride_nb.models.dstformer import PRESETS
from stride_nb.models.motion_prior import Prior
from stride_nb.models.registry import build_network
from stride_nb.training.tasks import VALIDATION_REGIMES, Denoise
from stride_nb.training.trainer import Settings, train_network

SMALL = {"dim": 128, "depth": 4, "heads": 4, "mlp_ratio": 4, "patch": 3}
SETTINGS = Settings(lr=4e-3, optimizer="muon", validate_every=10**9)
PARTS = ("gate", "interpolation", "guesses", "confidence and gap")
"""Inputs and outputs that ``Without`` takes from a backbone; without the gate it stays open,
without the interpolation it stays closed."""
LOSSES = {"velocity loss": "loss_velocity", "bone loss": "loss_limb_gt"}
VARIANTS = ("all", *(f"no {name}" for name in (*PARTS, "Gaussian", *LOSSES)), "AdamW", "DSTformer")
METRICS = ("mpjpe_hidden", "mpjpe_visible", "accel_error")


class Without(nn.Module):
    """A prior's backbone without one of ``PARTS``."""

    def __init__(self, backbone: nn.Module, part: str):
        super().__init__()
        self.backbone, self.part = backbone, part

    def forward(self, features: Tensor) -> Tensor:
        """The backbone's output (B, T, J, 5) for features (B, T, J, 9)."""
        raw, base, about = features[..., :3], features[..., 3:6], features[..., 6:]
        if self.part == "guesses":
            raw = torch.where(about[..., 1:2] > 0, raw, base)
        if self.part == "confidence and gap":
            about = torch.zeros_like(about)
        out = self.backbone(torch.cat([raw, base, about], -1)).float()
        if self.part in ("gate", "interpolation"):  # the interpolation always, or never
            gate = torch.full_like(out[..., 4:], 9.0 if self.part == "gate" else -9.0)
            out = torch.cat([out[..., :4], gate], -1)
        return out


class UnsmoothedPrior(Prior):
    """The prior without the Gaussian that ends it."""

    sigma = 1e-3


class StoredBatches:
    """A task whose batches are drawn once, so that all variants of a seed learn from the same
    ones."""

    def __init__(self, task: Denoise, steps: int):
        self.task, self.batches = task, [task.make_batch(step) for step in range(steps)]

    def make_batch(self, step: int) -> tuple[Tensor, ...]:
        """The batch of a step."""
        return self.batches[step]

    def compute_loss(self, model: nn.Module, batch: tuple[Tensor, ...]):
        """The task's loss."""
        return self.task.compute_loss(model, batch)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Nothing: the networks are scored after training."""
        return {}


def make_network(variant: str) -> nn.Module:
    """The network of a variant, its weights fresh."""
    if variant == "DSTformer":
        return build_network("prior", "dstformer", PRESETS["tiny"])
    prior: Any = build_network("prior", "frameformer", SMALL)
    part = variant.removeprefix("no ")
    if part in PARTS:
        prior.backbone = Without(prior.backbone, part)
    return UnsmoothedPrior(prior.backbone) if part == "Gaussian" else prior


def train(variant: str, batches: StoredBatches, seed: int, steps: int) -> tuple[nn.Module, float]:
    """The network after training, and the processor time that it took, seconds."""
    torch.manual_seed(seed)
    dropped = LOSSES.get(variant.removeprefix("no "))
    weights = {name: w for name, w in Denoise.weights.items() if name != dropped}
    batches.task.weights = weights
    settings = replace(SETTINGS, steps=steps, half=variant != "DSTformer")
    if variant in ("AdamW", "DSTformer"):
        settings = replace(settings, optimizer="adamw", lr=8e-4)
    began = time.process_time()
    network = make_network(variant)
    model, _ = train_network(network, batches, settings, device="cpu", progress=False)
    return model, time.process_time() - began


def count_steps(seconds: float, batches: StoredBatches, most: int) -> int:
    """How many steps of DSTformer's training fit into so much processor time."""
    trial = 3  # windows of all lengths
    step_seconds = train("DSTformer", batches, 0, trial)[1] / trial
    return max(trial, min(most, int(seconds / step_seconds)))


@torch.no_grad()
def measure(model: nn.Module, tests: list[tuple]) -> Frame:
    """A row a test case: the metrics and the clip."""
    rows = []
    for i, (features, truth, visible) in enumerate(tests):
        joints = model(torch.from_numpy(features[None])).joints[0].double().numpy()
        errors = metrics.evaluate_poses(joints, truth, visible, 50)
        clip = i // len(VALIDATION_REGIMES)
        rows.append({"clip": clip} | {m: errors[m] for m in METRICS})
    return pd.DataFrame(rows)


def summarise(runs: dict[str, list[Frame]]) -> list[dict]:
    """Means over cases and seeds of each variant, and ratios to ``all`` with 95 % intervals by
    cluster bootstrap over clips."""
    rows = []
    for variant, seeds in runs.items():
        clips = seeds[0]["clip"].tolist()
        for metric in METRICS:
            # (seeds, cases)
            errors, full = (np.array([run[metric] for run in runs[v]]) for v in (variant, "all"))
            by_seed = errors.mean(1) / full.mean(1)
            rows.append(
                {"variant": variant, "metric": metric, "unit": metrics.UNITS[metric]}
                | {"value": round(errors.mean(), 4)}
                | name_interval(estimate_ratio(errors.mean(0), full.mean(0), clips), RATIO)
                | {
                    "ratio_least_seed": round(by_seed.min(), 4),
                    "ratio_greatest_seed": round(by_seed.max(), 4),
                    "n": errors.shape[1],
                    "clips": len(set(clips)),
                    "seeds": len(seeds),
                }
            )
    return rows


def run_seed(seed: int, batch: int, most: int) -> dict[str, tuple[Frame, int, float]]:
    """Variant → errors of the test cases, steps and processor time of its training."""
    people = ([c.joints for c in datasets.load("cmu", split)] for split in ("train", "test"))
    training, testing = people
    tests = list(Denoise(training, testing).make_cases())
    batches = StoredBatches(Denoise(training, [], batch, seed), most)
    done: dict[str, tuple[Frame, int, float]] = {}
    for variant in VARIANTS:
        fits = count_steps(done["all"][2], batches, most) if variant == "DSTformer" else most
        model, seconds = train(variant, batches, seed, fits)
        done[variant] = measure(model, tests), fits, round(seconds, 1)
        errors = done[variant][0][list(METRICS)].mean().round(1).to_dict()
        print(seed, variant, done[variant][1:], errors, flush=True)
    return done


def main() -> None:
    """Every variant under every seed."""
    args = parse_arguments(make_parser(__doc__, True, steps=600, batch=8, seeds=3, threads=1))
    seeds = list(range(args.seeds))
    study = Study("ingredients", vars(args) | {"network": SMALL}, seeds)
    function = partial(run_seed, batch=args.batch, most=args.steps)
    done = map_items(function, seeds, study.engine)
    runs = {variant: [by[variant][0] for by in done] for variant in VARIANTS}
    costs = {variant: [by[variant][1:] for by in done] for variant in VARIANTS}
    means = {variant: np.mean(pairs, 0) for variant, pairs in costs.items()}
    study.add(
        row | {"steps": round(means[row["variant"]][0]), "cpu": round(means[row["variant"]][1], 1)}
        for row in summarise(runs)
    )
    study.save(
        "middle 243 frames of every CMU test clip of that length, regimes "
        f"{', '.join(VALIDATION_REGIMES)}, noise estimator; ratio: to `all` on the same cases and "
        "seeds, 95 % by paired bootstrap over clips",
        {"cpu": "s"},
    )


if __name__ == "__main__":
    main()
