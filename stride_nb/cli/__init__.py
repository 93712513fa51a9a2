"""``stride-nb COMMAND``, also ``python -m stride_nb COMMAND``: a small file a command, no logic."""

from __future__ import annotations

import sys

from stride_nb.errors import run_command

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "prepare": "raw motion capture → 17 joints at 50 fps",
    "train": "train the prior, the lifter or SmoothNet",
    "estimate": "a video → a file of poses",
    "refine": "refine the poses in a file or a video",
    "formats": "which files come in and go out, and what of them is kept",
    "render": "rendered people → estimates with exact truth",
    "batch": "a command or a notebook on many items, here or on a cluster",
    "convert": "published .bin weights ↔ safetensors and card",
}


def main(argv: list[str] | None = None) -> int:
    """Run a command; its exit status."""
    return run_command("stride-nb", __name__, COMMANDS, sys.argv[1:] if argv is None else argv)
