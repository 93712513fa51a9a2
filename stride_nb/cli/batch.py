"""``stride-nb batch WHAT ITEMS … --out FOLDER``: a command or a notebook on many items, here or on
a cluster."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from stride_nb.batch.engine import add_engine_arguments
from stride_nb.errors import parse_positive

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb batch``."""
    parser.description = (
        "Run a command or a notebook on every item under every combination of parameters. An item "
        "has a folder of its own; a second run does what is missing, changed or failed."
    )
    add = parser.add_argument
    add("what", help="refine, estimate, render … or a notebook (.ipynb)")
    add("items", nargs="*", help='inputs: paths or patterns ("clips/**/*.mp4")')
    add("--list", dest="listed", type=Path, metavar="FILE", help="CSV or JSON list of items: input "
        "and, where they differ, parameters")  # fmt: skip
    add("--out", type=Path, required=True, help="folder of outputs, manifest and summary")
    add(
        "-p",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter and its values, as --name of the command; {folder} and {stem} stand for "
        "the item's folder and the name of its input",
    )
    add("--suffix", default=".npz", help="of what a command writes (default: .npz)")
    add("--input", default="poses", help="the notebook's parameter for the input (default: poses)")
    add("--threads", type=parse_positive, default=1, help="of an item (default: 1)")
    add_engine_arguments(parser, f"as many processes as there are cores ({os.cpu_count()})")


def run(args: argparse.Namespace) -> int:
    """Run what is not done yet; print the table. 1 where an item failed."""
    from stride_nb.batch.engine import ENGINE_OPTIONS, make_engine
    from stride_nb.cli import COMMANDS
    from stride_nb.cli.batch_items import plan_items
    from stride_nb.cli.batch_report import run_batch

    if not any(getattr(args, name) for name in ENGINE_OPTIONS):
        args.workers = os.cpu_count() or 1
    commands = [name for name in COMMANDS if name != "batch"]
    items = plan_items(
        args.what, args.items, args.listed, args.p, args.suffix, args.input, commands
    )
    rows = run_batch(items, args.out, make_engine(args, args.threads))
    failed = [row for row in rows if row["status"] != "done"]
    for row in failed:
        print(f"{row['item']}: {row['message']}", file=sys.stderr)
    return 1 if failed else 0
