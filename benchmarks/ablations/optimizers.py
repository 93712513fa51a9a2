"""Muon against AdamW: the prior's validation error after so many steps.

    python -m benchmarks.ablations.optimizers [--steps 500] [--threads 1]

The same network, seed, batches and cosine schedule (ended after ``--steps``), one seed, each at the
rate that a recipe here has used (AdamW 8e-4, Muon 4e-3); neither rate was swept. Needs CMU's
motion. Writes ``data/results/optimizers.json``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from benchmarks.study import Study, make_parser, parse_arguments
from stride_nb import datasets
from stride_nb.models.registry import build_network
from stride_nb.training.recipes import RECIPES
from stride_nb.training.tasks import Denoise
from stride_nb.training.trainer import train_network

RATES = {"adamw": 8e-4, "muon": 4e-3}


def measure_optimizer(name: str, steps: int) -> list[dict]:
    """The row of an optimiser's training run."""
    recipe, lr = RECIPES["prior"], RATES[name]
    train, val = ([c.joints for c in datasets.load("cmu", split)] for split in ("train", "val"))
    torch.manual_seed(0)
    model = build_network(recipe.head, recipe.backbone, recipe.config)
    settings = replace(recipe.settings, steps=steps, lr=lr, optimizer=name, validate_every=steps)
    _, history = train_network(model, Denoise(train, val, recipe.batch), settings)
    last = history[-1]
    errors = {key: round(last[f"val_{key}"], 1) for key in ("hidden_mm", "visible_mm")}
    return [{"optimizer": name, "rate": lr, "seconds": last["seconds"]} | errors]


def main() -> None:
    """One training run an optimiser."""
    args = parse_arguments(make_parser(__doc__, True, steps=500, threads=1))
    study = Study("optimizers", vars(args), 0)
    study.measure(partial(measure_optimizer, steps=args.steps), list(RATES))
    study.save(
        "validation as in data/weights/prior.json, weights as they stand after the last step",
        {"hidden_mm": "mm", "visible_mm": "mm", "seconds": "s"},
    )


if __name__ == "__main__":
    main()
