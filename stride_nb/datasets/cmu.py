"""Real motion of the CMU Graphics Lab, prepared as 17 joints at 50 fps; split by subject."""

from __future__ import annotations

import os
from pathlib import Path

from stride_nb.data_files import CHECKOUT
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import check_max_clips, read_clips
from stride_nb.poses.sequence import PoseSequence

__all__ = ["TERMS", "find_clip_file", "load", "pick_clips"]

TERMS = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. "
    "The database was created with funding from NSF EIA-0196217."
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
        raise InputError("datasets.cmu", "split", "train, val or test", repr(split))
    return pick_clips(read_clips(find_clip_file(f"cmu_h36m17_{split}.npz")), clips, fps)


def find_clip_file(filename: str, prepared: bool = True) -> Path:
    """Path of a file of clips: in ``STRIDE_NB_DATA`` if set, else where ``prepare`` writes, else in
    the folder shared beside the checkout.

    Args:
        prepared: whether ``stride-nb prepare`` makes the file.

    Raises:
        InputError: no such file; the message says what to set or run.
    """
    given = os.environ.get("STRIDE_NB_DATA")
    defaults = [CHECKOUT / "runs" / "mocap", CHECKOUT.parent / "shared" / "mocap"]
    folders = [Path(given)] if given else defaults
    for folder in folders:
        if (folder / filename).is_file():
            return folder / filename
    remedy = " (it is not fetched or converted here)"
    if prepared:
        remedy = ", or `stride-nb prepare` run once (downloads, checks and converts the raw files)"
    expected = f"STRIDE_NB_DATA set to the folder that holds it{remedy}"
    searched = given or "the default places"
    raise InputError(filename, "prepared motion", expected, f"no such file in {searched}")


def pick_clips(sequences: list[PoseSequence], clips: int | None, fps: float) -> list[PoseSequence]:
    """``clips`` of the sequences, evenly spread (``None``: all), resampled to ``fps``."""
    if (limit := check_max_clips(clips)) is not None:
        count = min(limit, len(sequences))
        sequences = [sequences[i * len(sequences) // count] for i in range(count)]
    return [sequence.resample(fps) for sequence in sequences]
