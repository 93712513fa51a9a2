"""``stride-nb prepare``: raw motion capture → 17 joints at 50 fps."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stride_nb.datasets.cleaning import FPS
from stride_nb.datasets.download import Downloads, LocalFiles, registry
from stride_nb.datasets.prepare import OUT, prepare

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb prepare``."""
    parser.add_argument(
        "--source", choices=["cmu"], default="cmu", help="which collection (default: cmu)"
    )
    parser.add_argument(
        "--split",
        choices=["train", "val", "test"],
        nargs="+",
        default=["train", "val", "test"],
        help="which people (default: all three groups)",
    )
    parser.add_argument(
        "--raw",
        metavar="FOLDER_OR_ZIP",
        help="raw files, under CMU's names such as 02_01.amc; default: download them, checked by hash",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        default=OUT,
        help="where cmu_h36m17_SPLIT.npz goes, and trials/ with what is done (default: runs/mocap)",
    )


def run(args: argparse.Namespace) -> int:
    """Prepare the splits asked for; 0 when each file is written."""
    entries = registry()
    files = LocalFiles(args.raw) if args.raw else Downloads(entries)
    for split in args.split:
        motions = [e for e in entries if e.split == split and e.role != "asf"]
        path, clips, left_out = prepare(motions, files, args.out / f"cmu_h36m17_{split}.npz")
        print(
            f"{path}: {len(clips)} clips, {sum(map(len, clips)) / FPS / 60:.1f} min, "
            f"from {len(motions) - len(left_out)} of {len(motions)} trials"
        )
        if left_out:
            more = f" and {len(left_out) - 10} more" if len(left_out) > 10 else ""
            print(
                f"left out, their file or skeleton is not in {files.where}: {' '.join(left_out[:10])}{more}",
                file=sys.stderr,
            )
    return 0
