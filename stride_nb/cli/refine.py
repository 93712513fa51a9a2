"""``stride-nb refine POSES OUT``: refine the poses in a file, or in a video."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stride_nb.errors import parse_natural, parse_positive, spell_as_options
from stride_nb.poses.geometry import UP_AXES
from stride_nb.refinement.filters import BASELINES
from stride_nb.refinement.refine import METHODS
from stride_nb.video.estimate import DEFAULT_ESTIMATOR

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb refine``."""
    add = parser.add_argument
    add(
        "poses", type=Path, help="file or folder of poses; its content tells the format; or a video"
    )
    add("out", type=Path, help=".npz, .csv, .trc …: the suffix says; none: the form that came in")
    add("--method", choices=[*BASELINES, *METHODS], default="stride_ours")
    add("--model", help="name or path of weights (default: prior; of a video prior_real)")
    _add_file_arguments(parser)
    add(
        "--estimator",
        default=DEFAULT_ESTIMATOR,
        help="of a video: mediapipe_full, mediapipe_heavy, rtmpose … or a .task file "
        "(default: mediapipe_full)",
    )
    add(
        "--overlay",
        type=Path,
        help="of a video: write it here, beside itself with the refined poses",
    )
    add("--seed", type=parse_natural, default=0)
    add("--device", help="default: a GPU where there is one")


def _add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """What the file does not say."""
    add = parser.add_argument
    add("--format", help="of the poses, instead of what they look like")
    add("--fps", type=float, help="where the file does not say; an error where it says otherwise")
    add(
        "--size",
        nargs=2,
        type=parse_positive,
        metavar=("W", "H"),
        help="of the image, px, where the file does not say",
    )
    add("--skeleton", help="joint set, where the file does not tell it")
    add("--joints", type=Path, help="JSON: our joints → the file's, where no set is known")
    add(
        "--people",
        type=parse_positive,
        help="keep so many, those seen in most frames (default: all; of a video one)",
    )
    add(
        "--up", choices=list(UP_AXES), help="axis of 3D that points up, where the file does not say"
    )
    add("--unit", help="m, cm or mm of 3D, px or share (of the image) of 2D, likewise")
    add("--start", type=parse_natural, help="number of the first frame, likewise")
    add(
        "--trust",
        type=float,
        help="confidence from which a detection is trusted (default: 0.5; 0: all are)",
    )


def run(args: argparse.Namespace) -> int:
    """Refine the file; print a line a person, and the files written."""
    from stride_nb.cli.refine_file import refine_file

    options = {k: value for k, value in vars(args).items() if k not in ("command", "run", "size")}
    size = tuple(args.size) if args.size else None
    for path in refine_file(**options, size=size, warn=_warn):
        print(path)
    return 0


def _warn(note: str) -> None:
    print(spell_as_options(note), file=sys.stderr)
