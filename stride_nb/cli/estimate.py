"""``stride-nb estimate VIDEO OUT``: what an estimator sees in a video, as a file of poses."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stride_nb import io
from stride_nb.batch.facts import note_facts
from stride_nb.errors import parse_positive, spell_as_options
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.video.estimate import DEFAULT_ESTIMATOR, estimate_poses

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb estimate``."""
    add = parser.add_argument
    add("video", type=Path, help="the video")
    add("out", type=Path, help=".npz, which keeps everything, or .csv, .json: what the suffix says")
    add(
        "--estimator",
        default=DEFAULT_ESTIMATOR,
        help="mediapipe_full, mediapipe_heavy, rtmpose … or a .task file (default: mediapipe_full)",
    )
    add("--people", type=parse_positive, help="how many to follow (default: one)")


def run(args: argparse.Namespace) -> int:
    """Estimate, say what was assumed, print the files written."""
    io.find_writer(args.out)  # before any work
    partial = args.out.with_name(f".{args.out.name}.estimates")
    found = estimate_poses(args.video, args.estimator, args.people, partial)
    if found.notes:
        print(f"{args.video}: {spell_as_options('; '.join(found.notes))}", file=sys.stderr)
    for track in found:
        note_facts(len(track), float((track.confidence < CONFIDENCE_THRESHOLD).mean()))
    for path in io.write(args.out, list(found)):
        print(path)
    partial.unlink(missing_ok=True)
    return 0
