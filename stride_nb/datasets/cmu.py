"""Real motion of the CMU Graphics Lab, prepared as 17 joints at 50 fps; split by subject."""

from __future__ import annotations

import os
from pathlib import Path

from stride_nb.data_files import CHECKOUT
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import at_most, read_clips
from stride_nb.poses.sequence import PoseSequence

__all__ = ["TERMS", "find", "load"]

TERMS = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding "
    "from NSF EIA-0196217."
)
"""What CMU asks to be said of results."""


def find(filename: str, prepared: bool = True) -> Path:
    """Where a file of clips lies: ``STRIDE_NB_DATA``, else what ``prepare`` wrote, else a folder
    shared beside the checkout.

    Args:
        prepared: ``prepare`` makes it.

    Raises:
        InputError: it is nowhere; the message says what to set or run.
    """
    given = os.environ.get("STRIDE_NB_DATA")
    folders = (
        [Path(given)]
        if given
        else [CHECKOUT / "runs" / "mocap", CHECKOUT.parent / "shared" / "mocap"]
    )
    for folder in folders:
        if (folder / filename).is_file():
            return folder / filename
    run = (
        ", or `stride-nb prepare` run once (downloads, checks and converts the raw files)"
        if prepared
        else (" (it is not fetched or converted here)")
    )
    raise InputError(
        filename,
        "prepared motion",
        f"STRIDE_NB_DATA set to the folder that holds it{run}",
        f"no such file in {' or '.join(map(str, folders)) if given else 'the default places'}",
    )


def load(split: str = "test", clips: int | None = None, fps: float = 50) -> list[PoseSequence]:
    """Clips of CMU, in the world (metres, Y up).

    Args:
        split: ``train``, ``val`` or ``test``; subjects differ between them.
        clips: how many, evenly over the file; ``None``: all.
        fps: resampled to that rate.

    Raises:
        InputError: an unknown split, or no prepared file at hand.
    """
    if split not in ("train", "val", "test"):
        raise InputError("motions.cmu", "split", "train, val or test", repr(split))
    return pick(read_clips(find(f"cmu_h36m17_{split}.npz")), clips, fps)


def pick(found: list[PoseSequence], clips: int | None, fps: float) -> list[PoseSequence]:
    """``clips`` of the sequences, evenly spread, at ``fps``."""
    if at_most(clips) is not None:
        count = min(clips, len(found))
        found = [found[i * len(found) // count] for i in range(count)]
    return [clip.resample(fps) for clip in found]
