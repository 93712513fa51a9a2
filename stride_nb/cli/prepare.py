"""``stride-nb prepare``: raw motion capture → 17 joints at 50 fps."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stride_nb.datasets.cleaning import CLIP_FPS
from stride_nb.datasets.download import Downloads, LocalFiles, read_registry
from stride_nb.datasets.prepare import PREPARED_FOLDER, prepare_clips

__all__ = ["add_arguments", "run"]

_SPLITS = ["train", "val", "test"]
_NAMES_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb prepare``."""
    add = parser.add_argument
    add("--source", choices=["cmu"], default="cmu", help="which collection (default: cmu)")
    add(
        "--split",
        choices=_SPLITS,
        nargs="+",
        default=_SPLITS,
        help="which people (default: all three groups)",
    )
    add(
        "--raw",
        metavar="FOLDER_OR_ZIP",
        help="raw files, under CMU's names such as 02_01.amc; default: download them, checked by "
        "hash",
    )
    add(
        "--out",
        metavar="FOLDER",
        type=Path,
        default=PREPARED_FOLDER,
        help="where cmu_h36m17_SPLIT.npz goes, and trials/ with what is done (default: runs/mocap)",
    )


def run(args: argparse.Namespace) -> int:
    """Prepare the splits asked for; print what each file holds, and which trials it lacks."""
    entries = read_registry()
    files = LocalFiles(args.raw) if args.raw else Downloads(entries)
    for split in args.split:
        motions = [e for e in entries if e.split == split and e.role != "asf"]
        path, clips, left_out = prepare_clips(motions, files, args.out / f"cmu_h36m17_{split}.npz")
        minutes, used = sum(map(len, clips)) / CLIP_FPS / 60, len(motions) - len(left_out)
        trials = f"{used} of {len(motions)} trials"
        print(f"{path}: {len(clips)} clips, {minutes:.1f} min, from {trials}")
        if left_out:
            more = len(left_out) - _NAMES_SHOWN
            names = " ".join(left_out[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
            where = f"left out, their file or skeleton is not in {files.where}"
            print(f"{where}: {names}", file=sys.stderr)
    return 0
