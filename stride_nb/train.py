"""``python -m stride_nb train``: the networks that ship, each a recipe by name."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from . import checkpoints, motions
from .errors import InputError
from .models.dstformer import PRESETS
from .networks import build
from .tasks import Denoise, Lift
from .training import Settings, choose_device, fit

__all__ = ["RECIPES", "Recipe", "add_arguments", "run"]

@dataclass(frozen=True)
class Recipe:
    """What to train, on what, for how long."""

    task: Callable
    head: str
    """``prior`` or ``lifter``: how the backbone's output is read."""
    backbone: str
    config: dict
    """Arguments of the backbone."""
    settings: Settings
    batch: int = 16
    options: dict = field(default_factory=dict)
    """Further arguments of the task."""


_FRAMES = {"dim": 256, "depth": 6, "heads": 8, "mlp_ratio": 4, "patch": 3}

RECIPES = {
    "prior": Recipe(Denoise, "prior", "frameformer", _FRAMES, Settings(5000, 8e-4), batch=32),
    "lifter": Recipe(Lift, "lifter", "frameformer", _FRAMES | {"depth": 4}, Settings(2500, 8e-4),
                     batch=32, options={"rank": (1.0, 1.0)}),
    "prior_dstformer": Recipe(Denoise, "prior", "dstformer", PRESETS["tiny"], Settings(4500, 8e-4, half=False)),
    "lifter_dstformer": Recipe(Lift, "lifter", "dstformer", PRESETS["tiny"], Settings(2500, 8e-4, half=False)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m stride_nb train``."""
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--source", default="cmu", help="motions to learn from; its train and val splits (default: cmu)")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--batch", type=int, help="instead of the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="default: a GPU where there is one")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")
    parser.add_argument("--out", type=Path, help="folder of the run, to resume from (default: runs/RECIPE-SOURCE-SEED)")
    parser.add_argument("--ship", action="store_true", help="when done, write weights and card to data/weights")


def run(args: argparse.Namespace) -> int:
    """Train, resume where the folder holds a run, and write weights with their card."""
    from dataclasses import replace

    recipe = RECIPES[args.recipe]
    settings = replace(recipe.settings, steps=args.steps or recipe.settings.steps)
    if settings.steps < 1 or args.threads < 1:
        raise InputError("train", "--steps, --threads", "positive numbers", f"{settings.steps}, {args.threads}")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    train, val = ([c.joints for c in motions.load(args.source, split)] for split in ("train", "val"))
    task = recipe.task(train, val, args.batch or recipe.batch, args.seed, **recipe.options)
    model = build(recipe.head, recipe.backbone, recipe.config)
    folder = args.out or Path("runs") / f"{args.recipe}-{args.source}-{args.seed}"
    model, history = fit(model, task, settings, folder, args.device)
    return 0
