"""``stride-nb train``: train a network that ships, or one like it."""

from __future__ import annotations

import argparse
from pathlib import Path

from stride_nb.errors import natural
from stride_nb.training.recipes import RECIPES, run

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb train``."""
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument(
        "--source",
        default="cmu",
        help="motions to learn from; its train and val splits (default: cmu)",
    )
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--lr", type=float, help="peak learning rate, instead of the recipe's")
    parser.add_argument(
        "--init", help="weights to go on from: name of shipped ones, or a .safetensors file"
    )
    parser.add_argument(
        "--keep",
        type=float,
        default=0.0,
        help="share of those weights in what is written, so that what was learnt last costs less of what was known (default: 0)",
    )
    parser.add_argument("--batch", type=int, help="instead of the recipe's")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--device", help="default: a GPU where there is one")
    parser.add_argument(
        "--threads", type=int, help="of the CPU (default: OMP_NUM_THREADS, else PyTorch's choice)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that make batches; a GPU can use more (default: 1)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the run, to resume from (default: runs/RECIPE-SOURCE-SEED)",
    )
    parser.add_argument(
        "--ship", action="store_true", help="when done, write weights and card to data/weights"
    )
