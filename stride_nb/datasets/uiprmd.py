"""UI-PRMD: a Kinect v2 and Vicon's markers watch the same people exercise. For testing only.

Vakanski, Jun, Paul, Baker, *A Data Set of Human Body Movements for Physical Rehabilitation
Exercises*, Data 3(1):2, 2018 (https://www.mdpi.com/2306-5729/3/1/2). Ten movements, repeated ten
times each, right and wrong; a clip is one repetition, 1.5 to 5 s at 30 Hz. Both as Human3.6M's
joints in the Kinect's camera axes (x right, y down, z forward), metres, its clock. The Kinect's
files hold no confidence.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from stride_nb.data_files import CHECKOUT
from stride_nb.datasets.cmu import find_clip_file, pick_clips
from stride_nb.errors import InputError
from stride_nb.poses.joint_definitions import Definition
from stride_nb.poses.sequence import PoseSequence, open_npz

__all__ = ["TERMS", "KinectClip", "load", "read_kinect_clips"]

TERMS = (
    "UI-PRMD (Vakanski, Jun, Paul, Baker, 2018) is in the public domain: "
    "Open Data Commons PDDL 1.0."
)
_FILE = "uiprmd_dev.npz"
_KINDS = ("truth", "vicon", "kinect")
_KEYS = (
    ("kinect_delta", "vicon_delta", "scale", "fps", "offsets", "clip_id", "subject", "movement")
    + ("correct", "subjects", "definition_body", "definition_bone")
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class KinectClip:
    """One repetition of one movement, measured twice."""

    name: str
    subject: int
    movement: int
    """1 to 10: deep squat, hurdle step, inline lunge, side lunge, sit to stand, active straight leg
    raise, shoulder abduction, extension, internal–external rotation, scaption."""
    correct: bool
    """Whether it was done as prescribed."""
    fps: float
    kinect: Float[np.ndarray, "T 17 3"]
    vicon: Float[np.ndarray, "T 17 3"]
    """Joint centres from markers."""
    definition: Definition
    """The subject's constants: what the Kinect always places elsewhere."""

    def get_sequence(self, kind: str = "truth") -> PoseSequence:
        """``kinect``, ``vicon``, or ``truth``: Vicon's with the joints where the Kinect means them
        to be."""
        if kind not in _KINDS:
            raise InputError("datasets.uiprmd", "kind", f"one of {', '.join(_KINDS)}", repr(kind))
        joints = self.kinect if kind == "kinect" else self.vicon
        joints = self.definition.apply(joints) if kind == "truth" else joints
        return PoseSequence(joints, fps=self.fps, name=self.name)


def load(
    split: str = "test", clips: int | None = None, fps: float = 30, kind: str = "truth"
) -> list[PoseSequence]:
    """Clips of UI-PRMD in the Kinect's camera axes (x right, y down, z forward).

    Args:
        split: ``test`` alone: nothing is trained or tuned on it.
        clips: how many, evenly over the file; ``None``: all.
        fps: resampled to that rate.
        kind: ``truth``, ``vicon`` or ``kinect`` (`KinectClip`).

    Raises:
        InputError: another split or kind, or no prepared file at hand.
    """
    if split != "test":
        expected = "test (nothing is trained or tuned on UI-PRMD)"
        raise InputError("datasets.uiprmd", "split", expected, repr(split))
    sequences = [clip.get_sequence(kind) for clip in read_kinect_clips()]
    return pick_clips(sequences, clips, fps)


def read_kinect_clips(path: str | os.PathLike | None = None) -> list[KinectClip]:
    """All clips of a prepared file, both measurements beside each other.

    Args:
        path: default: ``uiprmd_dev.npz`` in ``STRIDE_NB_DATA``, where ``prepare`` writes, or in
            ``uiprmd`` in the folder shared beside the checkout.

    Raises:
        InputError: no such file, or one that is not of that form.
    """
    path = _find_file() if path is None else path
    with open_npz(path) as file:
        arrays = {key: file[key] for key in _KEYS if key in file.files}
    if missing := [key for key in _KEYS if key not in arrays]:
        raise InputError(path, missing[0], f"arrays {', '.join(_KEYS)}", "none of that name")
    offsets = arrays["offsets"]
    joints = {
        kind: _read_joints(path, arrays, kind, int(offsets[-1])) for kind in ("kinect", "vicon")
    }
    bodies = (arrays[f"definition_{part}"].astype(float) for part in ("body", "bone"))
    definitions = {
        int(subject): Definition(body, bone)
        for subject, body, bone in zip(arrays["subjects"], *bodies)
    }
    return [
        KinectClip(
            name=str(arrays["clip_id"][i]),
            subject=int(arrays["subject"][i]),
            movement=int(arrays["movement"][i]),
            correct=bool(arrays["correct"][i]),
            fps=float(arrays["fps"]),
            kinect=joints["kinect"][a:b],
            vicon=joints["vicon"][a:b],
            definition=definitions[int(arrays["subject"][i])],
        )
        for i, (a, b) in enumerate(pairwise(offsets))
    ]


def _find_file() -> Path:
    beside = CHECKOUT.parent / "shared" / "uiprmd" / _FILE
    if "STRIDE_NB_DATA" not in os.environ and beside.is_file():
        return beside
    return find_clip_file(_FILE, prepared=False)


def _read_joints(path, arrays: dict, kind: str, frames: int) -> Float[np.ndarray, "N 17 3"]:
    """Sums of the stored differences, (17, 3, N) steps of ``scale`` metres."""
    delta = arrays[f"{kind}_delta"]
    if delta.shape != (17, 3, frames) or delta.dtype.kind != "i":
        expected, found = f"whole numbers (17, 3, {frames})", f"{delta.dtype} {delta.shape}"
        raise InputError(path, f"{kind}_delta", expected, found)
    steps = np.cumsum(delta, -1, dtype=np.int64)
    return np.moveaxis(steps, -1, 0) * float(arrays["scale"])
