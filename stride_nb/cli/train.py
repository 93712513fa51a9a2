"""``stride-nb train``: train a network that ships, or one like it."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path

from stride_nb.errors import parse_natural
from stride_nb.training.processes import is_first_process
from stride_nb.training.recipes import RECIPES, TrainOptions, train_recipe

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb train``."""
    add = parser.add_argument
    add("recipe", choices=sorted(RECIPES))
    add("--source", default="cmu", help="motions: their train and val splits (default: cmu)")
    add("--steps", type=int, help="instead of the recipe's")
    add("--lr", type=float, help="peak learning rate, instead of the recipe's")
    add("--init", help="weights to go on from: name of shipped ones, or a .safetensors file")
    add(
        "--keep",
        type=float,
        default=0.0,
        help="share of those weights in what is written, which forgets less (default: 0)",
    )
    add("--batch", type=int, help="instead of the recipe's")
    add("--seed", type=parse_natural, default=0)
    add("--device", help="default: a GPU where there is one")
    add("--threads", type=int, help="of the CPU (default: OMP_NUM_THREADS, else PyTorch's choice)")
    add(
        "--workers",
        type=int,
        default=1,
        help="processes that make batches; a GPU can use more (default: 1)",
    )
    add("--out", type=Path, help="folder to resume from (default: runs/RECIPE-SOURCE-SEED)")
    add("--ship", action="store_true", help="when done, write weights and card to data/weights")


def run(args: argparse.Namespace) -> int:
    """Train, and print where the weights are and how they validate."""
    options = TrainOptions(**{f.name: getattr(args, f.name) for f in fields(TrainOptions)})
    path, card = train_recipe(args.recipe, options)
    if is_first_process():
        print(f"{path}: {card['parameters']} parameters, {json.dumps(card['validation'])}")
    return 0
