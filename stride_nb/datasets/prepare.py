"""``stride-nb prepare``: from raw motion capture files to the clips that the package reads.

Every trial is kept as soon as it is done, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from stride_nb.data_files import CHECKOUT
from stride_nb.datasets.cleaning import FPS, clean
from stride_nb.datasets.download import Downloads, Entry, LocalFiles
from stride_nb.datasets.joint_mapping import CMU_UNIT, joints17
from stride_nb.errors import InputError
from stride_nb.io import asf_amc, bvh_reader
from stride_nb.io.clip_archive import Label, read_clips, write_clips
from stride_nb.poses.sequence import PoseSequence

__all__ = ["convert", "prepare"]

OUT = CHECKOUT / "runs" / "mocap"
NOTE = "CMU Graphics Lab Motion Capture Database"
UNIT = {"mb2": CMU_UNIT, "daz": 0.01}  # metres
RECIPE = "1"  # raise it when a changed rule makes kept trials stale


def prepare(motions: list[Entry], files: Downloads | LocalFiles, out: Path):
    """Write all clips of the motions to one file; those already done come from ``trials/`` beside
    it.

    Returns:
        The path, the clips, and the names of the trials left out because a file of theirs is
        missing.

    Raises:
        InputError: a raw file is malformed or cannot be had, or nothing usable is there at all.
    """
    from tqdm import tqdm

    clips, labels, left_out = [], [], []
    for entry in tqdm(motions, desc=out.stem, unit="trial", disable=None):
        if entry.filename not in files or (
            entry.role == "amc" and f"{entry.subject}.asf" not in files
        ):
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
        skeleton: path of the subject's ASF file: needed by ``amc``; ``mb2`` takes the thorax from
            it.
    """
    thorax = None
    if entry.role == "amc":
        animation = asf_amc.read(skeleton, motion, entry.fps)
    else:
        animation = bvh_reader.read(motion, UNIT[entry.role])
        if skeleton is not None and entry.role == "mb2":
            thorax = asf_amc.read_skeleton(skeleton)[0]["thorax"].vector
    joints = joints17(animation, entry.role, motion, thorax)
    if entry.role == "mb2":
        joints = joints[1:]  # an artificial T-pose
    found = clean(joints, entry.fps) if len(joints) else []
    suffixes = [""] if len(found) == 1 else [f"_{chr(ord('a') + i)}" for i in range(len(found))]
    return [PoseSequence(x, fps=FPS, name=f"cmu_{entry.name}{s}") for x, s in zip(found, suffixes)]


def _trial(entry: Entry, files: Downloads | LocalFiles, kept: Path) -> list[PoseSequence]:
    """The clips of one trial, from ``kept`` if they were made from the same bytes in the same
    way."""
    skeleton = f"{entry.subject}.asf"
    used = [entry.filename, *([skeleton] if skeleton in files and entry.role != "daz" else [])]
    key = hashlib.sha256(
        " ".join([RECIPE, entry.role, str(entry.fps), *map(files.sha256, used)]).encode()
    ).hexdigest()
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
