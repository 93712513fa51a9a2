"""``stride-nb convert``: published .bin weights ↔ safetensors and card."""

from __future__ import annotations

import argparse
from pathlib import Path

from stride_nb.models.checkpoints import convert

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb convert``."""
    parser.description = (
        "Convert weights of MotionBERT, STRIDE or RePOSE (.bin) to ours (.safetensors), or back."
    )
    parser.add_argument("source", type=Path, help="a published .bin, or a .safetensors of ours")
    parser.add_argument(
        "target", type=Path, help="what to write: .safetensors (with a .json card) or .bin"
    )
    parser.add_argument(
        "--heads", type=int, help="attention heads (needed where no preset has these sizes)"
    )


def run(args: argparse.Namespace) -> int:
    """Convert, and say what was written."""
    print(f"wrote {convert(args.source, args.target, args.heads)}")
    return 0
