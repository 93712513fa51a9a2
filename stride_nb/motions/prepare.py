"""``python -m stride_nb prepare``: from raw motion capture files to the clips that the package reads.

Every trial is kept as soon as it is done, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from ..errors import InputError
from ..sequence import PoseSequence
from . import asf, bvh
from .clean import FPS, clean
from .clips import Label, read_clips, write_clips
from .fetch import REGISTRY, Downloads, Entry, LocalFiles, registry
from .mocap import CMU_UNIT, joints17

__all__ = ["add_arguments", "convert", "prepare", "run"]

OUT = REGISTRY.parents[1] / "runs" / "mocap"
NOTE = "CMU Graphics Lab Motion Capture Database"
UNIT = {"mb2": CMU_UNIT, "daz": 0.01}  # metres
RECIPE = "1"  # raise it when a changed rule makes kept trials stale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m stride_nb prepare``."""
    parser.add_argument("--source", choices=["cmu"], default="cmu", help="which collection (default: cmu)")
    parser.add_argument("--split", choices=["train", "val", "test"], nargs="+", default=["train", "val", "test"],
                        help="which people (default: all three groups)")
    parser.add_argument("--raw", metavar="FOLDER_OR_ZIP",
                        help="raw files, under CMU's names such as 02_01.amc; default: download them, checked by hash")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=OUT,
                        help="where cmu_h36m17_SPLIT.npz goes, and trials/ with what is done (default: runs/mocap)")


def run(args: argparse.Namespace) -> int:
    """Prepare the splits asked for; 0 when each file is written."""
    entries = registry()
    files = LocalFiles(args.raw) if args.raw else Downloads(entries)
    for split in args.split:
        motions = [e for e in entries if e.split == split and e.role != "asf"]
        path, clips, left_out = prepare(motions, files, args.out / f"cmu_h36m17_{split}.npz")
        print(f"{path}: {len(clips)} clips, {sum(map(len, clips)) / FPS / 60:.1f} min, "
              f"from {len(motions) - len(left_out)} of {len(motions)} trials")
        if left_out:
            more = f" and {len(left_out) - 10} more" if len(left_out) > 10 else ""
            print(f"left out, their file or skeleton is not in {files.where}: {' '.join(left_out[:10])}{more}",
                  file=sys.stderr)
    return 0


def prepare(motions: list[Entry], files: Downloads | LocalFiles, out: Path):
    """Write all clips of the motions to one file; those already done come from ``trials/`` beside it.

    Returns:
        The path, the clips, and the names of the trials left out because a file of theirs is missing.

    Raises:
        InputError: a raw file is malformed or cannot be had, or nothing usable is there at all.
    """
    from tqdm import tqdm
    clips, labels, left_out = [], [], []
    for entry in tqdm(motions, desc=out.stem, unit="trial", disable=None):
        if entry.filename not in files or (entry.role == "amc" and f"{entry.subject}.asf" not in files):
            left_out.append(entry.name)
            continue
        found = _trial(entry, files, out.parent / "trials")
        clips += found
        labels += [_label(entry)] * len(found)
    if not clips:
        raise InputError(files.where, out.stem, f"trials such as {motions[0].filename}", "none")
    partly = f"; {len(left_out)} of {len(motions)} trials left out" if left_out else ""
    write_clips(out, clips, labels, NOTE + partly)
    return out, clips, left_out


def convert(entry: Entry, motion, skeleton=None) -> list[PoseSequence]:
    """The clips of one raw file, named ``cmu_SS_TT``, with ``_a``, ``_b``, … if glitches part it.

    Args:
        entry: what the file is.
        motion: its path (also a `zipfile.Path`).
        skeleton: path of the subject's ASF file: needed by ``amc``; ``mb2`` takes the thorax from it.
    """
    thorax = None
    if entry.role == "amc":
        animation = asf.read(skeleton, motion, entry.fps)
    else:
        animation = bvh.read(motion, UNIT[entry.role])
        if skeleton is not None and entry.role == "mb2":
            thorax = asf.read_skeleton(skeleton)[0]["thorax"].vector
    joints = joints17(animation, entry.role, motion, thorax)
    if entry.role == "mb2":
        joints = joints[1:]  # an artificial T-pose
    found = clean(joints, entry.fps) if len(joints) else []
    suffixes = [""] if len(found) == 1 else [f"_{chr(ord('a') + i)}" for i in range(len(found))]
    return [PoseSequence(x, fps=FPS, name=f"cmu_{entry.name}{s}") for x, s in zip(found, suffixes)]


def _trial(entry: Entry, files: Downloads | LocalFiles, kept: Path) -> list[PoseSequence]:
    """The clips of one trial, from ``kept`` if they were made from the same bytes in the same way."""
    skeleton = f"{entry.subject}.asf"
    used = [entry.filename, *([skeleton] if skeleton in files and entry.role != "daz" else [])]
    key = hashlib.sha256(" ".join([RECIPE, entry.role, str(entry.fps), *map(files.sha256, used)]).encode()).hexdigest()
    path = kept / f"cmu_{entry.name}-{key[:16]}.npz"
    if path.exists():
        try:
            return read_clips(path)
        except InputError:
            pass  # damaged: made again
    found = convert(entry, *map(files.path, used))
    if found:
        write_clips(path, found, [_label(entry)] * len(found), NOTE)
        found = read_clips(path)  # what a resumed run would see
    return found


def _label(entry: Entry) -> Label:
    return Label(f"cmu_{entry.subject}", entry.description, entry.repository, entry.fps, entry.role)
