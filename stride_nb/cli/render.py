"""``stride-nb render --split SPLIT``: rendered people, and what estimators make of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from stride_nb.batch.engine import add_engine_arguments, make_engine
from stride_nb.datasets.rendered import ESTIMATES

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb render``."""
    add = parser.add_argument
    add("--split", choices=["train", "val", "test"], required=True, help="whose motion")
    add("--minutes", type=float, default=1.0, help="of video, all versions together (default: 1)")
    add(
        "--estimators",
        nargs="+",
        default=["mediapipe_full", "mediapipe_heavy"],
        metavar="NAME",
        help="of train each clip goes to one in turn, else to all (default: full and heavy)",
    )
    add(
        "--work",
        type=Path,
        default=Path("runs/rendered"),
        metavar="FOLDER",
        help="a file a clip; a run that was stopped goes on from there (default: runs/rendered)",
    )
    add(
        "--out",
        type=Path,
        default=ESTIMATES,
        metavar="FOLDER",
        help="where rendered_SPLIT.npz and its card go (default: data/estimates)",
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make what is missing, collect it; print the files."""
    from stride_nb.video.rendering.data_set import make_data_set

    for path in make_data_set(
        args.split, args.minutes, args.estimators, args.work, args.out, make_engine(args)
    ):
        print(path)
    return 0
