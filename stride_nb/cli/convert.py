"""``stride-nb convert``: published .bin weights ↔ safetensors and card."""

from __future__ import annotations

import argparse
from pathlib import Path

from stride_nb.models.checkpoints import convert_checkpoint

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb convert``."""
    parser.description = (
        "Convert weights of MotionBERT, STRIDE or RePOSE (.bin) to ours (.safetensors), or back."
    )
    add = parser.add_argument
    add("source", type=Path, help="a published .bin, or a .safetensors of ours")
    add("target", type=Path, help="what to write: .safetensors (with a .json card) or .bin")
    add("--heads", type=int, help="attention heads (needed where no preset has these sizes)")


def run(args: argparse.Namespace) -> int:
    """Convert, and print what was written."""
    print(f"wrote {convert_checkpoint(args.source, args.target, args.heads)}")
    return 0
