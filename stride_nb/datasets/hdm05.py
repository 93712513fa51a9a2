"""Real motion of HDM05 (another lab, other people): for testing only. CC BY-SA 3.0."""

from __future__ import annotations

from stride_nb.datasets.cmu import find_clip_file, pick_clips
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import read_clips
from stride_nb.poses.sequence import PoseSequence

__all__ = ["TERMS", "load"]

TERMS = (
    "The data used in this project was obtained from HDM05. CC BY-SA 3.0. "
    "Müller, Röder, Clausen, Eberhardt, Krüger, Weber: "
    "Documentation Mocap Database HDM05, CG-2007-2, Universität Bonn, 2007."
)


def load(split: str = "test", clips: int | None = None, fps: float = 50) -> list[PoseSequence]:
    """Clips of HDM05, in the world (metres, Y up).

    Args:
        split: ``test`` alone: nothing is trained or tuned on HDM05.
        clips: how many, evenly over the file; ``None``: all.
        fps: resampled to that rate.

    Raises:
        InputError: another split, or no prepared file at hand.
    """
    if split != "test":
        expected = "test (nothing is trained or tuned on HDM05)"
        raise InputError("datasets.hdm05", "split", expected, repr(split))
    return pick_clips(read_clips(find_clip_file("hdm05_h36m17.npz", prepared=False)), clips, fps)
