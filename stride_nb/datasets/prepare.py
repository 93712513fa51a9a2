"""``stride-nb prepare``: from raw motion capture files to the clips that the package reads.

Every trial is kept as soon as it is done, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from stride_nb.data_files import CHECKOUT
from stride_nb.datasets.cleaning import CLIP_FPS, clean_motion
from stride_nb.datasets.download import Downloads, Entry, LocalFiles
from stride_nb.datasets.joint_mapping import CMU_UNIT, map_to_h36m17
from stride_nb.errors import InputError
from stride_nb.io import asf_amc, bvh_reader
from stride_nb.io.clip_archive import Label, read_clips, write_clips
from stride_nb.poses.sequence import PoseSequence

__all__ = ["PREPARED_FOLDER", "convert_trial", "prepare_clips"]

PREPARED_FOLDER = CHECKOUT / "runs" / "mocap"
_CLIP_NOTE = "CMU Graphics Lab Motion Capture Database"
_BVH_UNIT = {"mb2": CMU_UNIT, "daz": 0.01}  # metres
_RECIPE_VERSION = "1"  # raise it when a changed rule makes stored trials stale


def prepare_clips(
    motions: list[Entry], files: Downloads | LocalFiles, out: Path
) -> tuple[Path, list[PoseSequence], list[str]]:
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
        lacks_skeleton = entry.role == "amc" and entry.skeleton not in files
        if entry.filename not in files or lacks_skeleton:
            left_out.append(entry.name)
            continue
        trial = _load_or_convert_trial(entry, files, out.parent / "trials")
        clips += trial
        labels += [_make_label(entry)] * len(trial)
    if not clips:
        raise InputError(files.where, out.stem, f"trials such as {motions[0].filename}", "none")
    partly = f"; {len(left_out)} of {len(motions)} trials left out" if left_out else ""
    write_clips(out, clips, labels, _CLIP_NOTE + partly)
    return out, clips, left_out


def convert_trial(entry: Entry, motion: Any, skeleton: Any = None) -> list[PoseSequence]:
    """The clips of one raw file, named ``cmu_SS_TT``, with ``_a``, ``_b``, … if glitches part it.

    Args:
        entry: what the file is.
        motion: its path (also a `zipfile.Path`).
        skeleton: path of the subject's ASF file: needed by ``amc``; ``mb2`` takes the thorax from
            it.
    """
    thorax = None
    if entry.role == "amc":
        animation = asf_amc.read_asf_amc(skeleton, motion, entry.fps)
    else:
        animation = bvh_reader.read_bvh(motion, _BVH_UNIT[entry.role])
        if skeleton is not None and entry.role == "mb2":
            thorax = asf_amc.read_asf(skeleton)[0]["thorax"].vector
    joints = map_to_h36m17(animation, entry.role, motion, thorax)
    if entry.role == "mb2":
        joints = joints[1:]  # an artificial T-pose
    clips = clean_motion(joints, entry.fps) if len(joints) else []
    suffixes = [""] if len(clips) == 1 else [f"_{chr(ord('a') + i)}" for i in range(len(clips))]
    return [
        PoseSequence(clip, fps=CLIP_FPS, name=f"cmu_{entry.name}{suffix}")
        for clip, suffix in zip(clips, suffixes)
    ]


def _load_or_convert_trial(
    entry: Entry, files: Downloads | LocalFiles, folder: Path
) -> list[PoseSequence]:
    """The clips of one trial, from ``folder`` if they were made from the same bytes in the same
    way."""
    used = [entry.filename]
    if entry.skeleton in files and entry.role != "daz":
        used.append(entry.skeleton)
    key = " ".join([_RECIPE_VERSION, entry.role, str(entry.fps), *map(files.get_sha256, used)])
    path = folder / f"cmu_{entry.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if path.exists():
        try:
            return read_clips(path)
        except InputError:
            pass  # damaged: made again
    clips = convert_trial(entry, *map(files.fetch, used))
    if clips:
        write_clips(path, clips, [_make_label(entry)] * len(clips), _CLIP_NOTE)
        clips = read_clips(path)  # what a resumed run would see
    return clips


def _make_label(entry: Entry) -> Label:
    return Label(f"cmu_{entry.subject}", entry.description, entry.repository, entry.fps, entry.role)
