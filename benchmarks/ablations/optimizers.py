"""What the choice of optimiser is worth: the prior's validation error after so many steps, by Muon
and by AdamW.

    python -m benchmarks.ablations.optimizers [--steps 500] [--threads 1]

The same network, seed, batches and cosine schedule (ended after ``--steps``), one seed, each at the
rate that a recipe here has used (AdamW 8e-4, Muon 4e-3); neither rate was swept. Needs CMU's
motion. Writes ``data/results/optimizers.json``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import records
from stride_nb import datasets
from stride_nb.models.registry import build
from stride_nb.training.recipes import RECIPES
from stride_nb.training.tasks import Denoise
from stride_nb.training.trainer import fit

RESULT = Path("data/results/optimizers.json")
RATES = {"adamw": 8e-4, "muon": 4e-3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe, began = RECIPES["prior"], time.perf_counter()
    train, val = ([c.joints for c in datasets.load("cmu", split)] for split in ("train", "val"))
    rows = []
    for name, lr in RATES.items():
        torch.manual_seed(0)
        model = build(recipe.head, recipe.backbone, recipe.config)
        settings = replace(
            recipe.settings, steps=args.steps, lr=lr, optimizer=name, validate_every=args.steps
        )
        _, history = fit(model, Denoise(train, val, recipe.batch), settings)
        last = history[-1]
        rows.append(
            {"optimizer": name, "rate": lr, "seconds": last["seconds"]}
            | {key: round(last[f"val_{key}"], 1) for key in ("hidden_mm", "visible_mm")}
        )
        print(rows[-1])
    run = records.record(
        "optimizers",
        rows,
        parameters=vars(args),
        seed=0,
        seconds=time.perf_counter() - began,
        units={"hidden_mm": "mm", "visible_mm": "mm", "seconds": "s"},
        protocol="validation as in data/weights/prior.json, weights as they stand after the last step",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
