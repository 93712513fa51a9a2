"""What each ingredient of the prior is worth: small priors trained with one of them left out.

    python -m benchmarks.ablations.prior_components [--steps 600] [--seeds 3] [--threads 1]

Every variant of a seed learns from the same batches for the same number of steps; ``DSTformer``
takes as many steps as fit into the processor time that ``all`` took. They are scored on CMU's test
people, by whom nothing is chosen here. Small networks,
short training: what helps here need not help as much after a hundred times the work. Writes
``data/results/ingredients.json``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import records
from stride_nb import datasets
from stride_nb.evaluation import bootstrap, metrics
from stride_nb.models.dstformer import PRESETS
from stride_nb.models.motion_prior import Prior
from stride_nb.models.registry import build
from stride_nb.training.tasks import VALIDATION, Denoise
from stride_nb.training.trainer import Settings, fit

RESULT = Path("data/results/ingredients.json")
SMALL = {"dim": 128, "depth": 4, "heads": 4, "mlp_ratio": 4, "patch": 3}
SETTINGS = Settings(lr=4e-3, optimizer="muon", validate_every=10**9)
PARTS = ("gate", "interpolation", "guesses", "confidence and gap")
"""What ``Without`` keeps from a backbone; of gate and interpolation, the say: the one stays open,
the other is not kept."""
LOSSES = {"velocity loss": "loss_velocity", "bone loss": "loss_limb_gt"}
VARIANTS = ("all", *(f"no {name}" for name in (*PARTS, "Gaussian", *LOSSES)), "AdamW", "DSTformer")
METRICS = ("mpjpe_hidden", "mpjpe_visible", "accel_error")


class Without(nn.Module):
    """A prior's backbone, one of ``PARTS`` kept from it."""

    def __init__(self, backbone: nn.Module, part: str):
        super().__init__()
        self.backbone, self.part = backbone, part

    def forward(self, features: Tensor) -> Tensor:
        raw, base, told = features[..., :3], features[..., 3:6], features[..., 6:]
        if self.part == "guesses":
            raw = torch.where(told[..., 1:2] > 0, raw, base)
        if self.part == "confidence and gap":
            told = torch.zeros_like(told)
        out = self.backbone(torch.cat([raw, base, told], -1)).float()
        if self.part in ("gate", "interpolation"):  # the interpolation always, or never
            out = torch.cat(
                [out[..., :4], torch.full_like(out[..., 4:], 9.0 if self.part == "gate" else -9.0)],
                -1,
            )
        return out


class Rough(Prior):
    """The prior without the Gaussian that ends it."""

    sigma = 1e-3


class Drawn:
    """A task whose batches are drawn once, so that all variants of a seed learn from the same
    ones."""

    def __init__(self, task: Denoise, steps: int):
        self.task, self.batches = task, [task.batch(step) for step in range(steps)]

    def batch(self, step: int) -> tuple[Tensor, ...]:
        return self.batches[step]

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]):
        return self.task.loss(model, batch)

    def validate(self, model: nn.Module) -> dict[str, float]:
        return {}


def network(variant: str) -> nn.Module:
    """The network of a variant, its weights fresh."""
    if variant == "DSTformer":
        return build("prior", "dstformer", PRESETS["tiny"])
    prior, part = build("prior", "frameformer", SMALL), variant.removeprefix("no ")
    if part in PARTS:
        prior.backbone = Without(prior.backbone, part)
    return Rough(prior.backbone) if part == "Gaussian" else prior


def trained(variant: str, drawn: Drawn, seed: int, steps: int) -> tuple[nn.Module, float]:
    """The network after training, and the processor time that it took, seconds."""
    torch.manual_seed(seed)
    dropped = LOSSES.get(variant.removeprefix("no "))
    drawn.task.weights = {name: w for name, w in Denoise.weights.items() if name != dropped}
    settings = replace(SETTINGS, steps=steps, half=variant != "DSTformer")
    if variant in ("AdamW", "DSTformer"):
        settings = replace(settings, optimizer="adamw", lr=8e-4)
    began = time.process_time()
    model, _ = fit(network(variant), drawn, settings, device="cpu", progress=False)
    return model, time.process_time() - began


def steps_within(seconds: float, drawn: Drawn, most: int) -> int:
    """How many steps of DSTformer's training fit into so much processor time."""
    trial = 3  # windows of all lengths
    taken = trained("DSTformer", drawn, 0, trial)[1] / trial
    return max(trial, min(most, int(seconds / taken)))


@torch.no_grad()
def scored(model: nn.Module, tests: list[tuple]) -> list[dict]:
    """A row a test case: the metrics, its clip and its regime."""
    rows = []
    for i, (features, truth, visible) in enumerate(tests):
        joints = model(torch.from_numpy(features[None])).joints[0].double().numpy()
        found = metrics.evaluate(joints, truth, visible, 50)
        rows.append(
            {"clip": i // len(VALIDATION), "regime": VALIDATION[i % len(VALIDATION)]}
            | {m: found[m] for m in METRICS}
        )
    return rows


def summary(runs: dict[str, list[list[dict]]]) -> list[dict]:
    """Means over cases and seeds of each variant, and ratios to ``all`` with 95 % intervals from
    drawing clips anew."""
    rows = []
    for variant, seeds in runs.items():
        for metric in METRICS:
            ours, full = (
                np.array([[row[metric] for row in run] for run in runs[v]])
                for v in (variant, "all")
            )
            clips = [row["clip"] for row in seeds[0]]
            ratio = bootstrap.paired_bootstrap(
                ours.mean(0), full.mean(0), clips, np.random.default_rng(0)
            )
            by_seed = ours.mean(1) / full.mean(1)
            rows.append(
                {
                    "variant": variant,
                    "metric": metric,
                    "unit": metrics.UNITS[metric],
                    "value": round(ours.mean(), 4),
                    "ratio": round(ratio.value, 4),
                    "ratio_low": round(ratio.low, 4),
                    "ratio_high": round(ratio.high, 4),
                    "ratio_least_seed": round(by_seed.min(), 4),
                    "ratio_greatest_seed": round(by_seed.max(), 4),
                    "n": ours.shape[1],
                    "clips": len(set(clips)),
                    "seeds": len(seeds),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    train, test = ([c.joints for c in datasets.load("cmu", split)] for split in ("train", "test"))
    tests = list(Denoise(train, test).cases())
    runs: dict[str, list[list[dict]]] = {variant: [] for variant in VARIANTS}
    costs: dict[str, list[tuple[int, float]]] = {variant: [] for variant in VARIANTS}
    for seed in range(args.seeds):
        drawn = Drawn(Denoise(train, [], args.batch, seed), args.steps)
        for variant in VARIANTS:
            steps = (
                args.steps
                if variant != "DSTformer"
                else steps_within(costs["all"][-1][1], drawn, args.steps)
            )
            model, seconds = trained(variant, drawn, seed, steps)
            runs[variant].append(scored(model, tests))
            costs[variant].append((steps, round(seconds, 1)))
            print(
                seed,
                variant,
                costs[variant][-1],
                {m: round(np.mean([r[m] for r in runs[variant][-1]]), 1) for m in METRICS},
                flush=True,
            )
    rows = [
        row
        | {
            "steps": round(np.mean([s for s, _ in costs[row["variant"]]])),
            "cpu": round(np.mean([s for _, s in costs[row["variant"]]]), 1),
        }
        for row in summary(runs)
    ]
    run = records.record(
        "ingredients",
        rows,
        parameters=vars(args) | {"network": SMALL},
        seed=list(range(args.seeds)),
        seconds=time.perf_counter() - began,
        units={"cpu": "s"},
        protocol="middle 243 frames of every CMU test clip of that length, regimes "
        f"{', '.join(VALIDATION)}, noise estimator; ratio: to `all` on the same cases and seeds, "
        "95 % by paired bootstrap over clips",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
