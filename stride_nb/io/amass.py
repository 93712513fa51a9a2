"""SMPL parameters out, as AMASS keeps them: a body is fitted to the joints first, which takes a
while."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.poses.geometry import Z_UP_TO_Y_UP
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["SEVERAL", "SUFFIX", "fitted", "write", "write_motion"]

NAME = "amass"
# an npz by suffix is this package's own: this one goes by its name, `amass`
SUFFIX, SEVERAL = "", False


def fitted(path, sequences: Sequence[PoseSequence], model: str):
    """The body of that name (`bodies.load`) and its motion that follows the one sequence given."""
    from stride_nb import smpl

    if len(sequences) != 1 or not isinstance(sequences[0], PoseSequence):
        raise InputError(
            path, "sequences", "one PoseSequence (3D)", [type(s).__name__ for s in sequences]
        )
    body = smpl.load(model)
    return body, smpl.fit(sequences[0], body).motion


def write(path, sequences: Sequence[PoseSequence], body: str = "standin") -> None:
    """One person's pose, shape and translation.

    Args:
        sequences: one, y up; missing joints are the fit's to decide.
        body: whose shape space: ``standin``, or ``smpl``, ``smplh``, ``smplx`` with the user's
            model files.
    """

    model, motion = fitted(path, sequences, body)
    write_motion(path, motion, model)


def write_motion(path: str | os.PathLike, motion: BodyMotion, body: Body) -> None:
    """Write an npz as AMASS has it: Z up, ``poses`` of SMPL-H (T, 156), or of SMPL-X (T, 165) for
    its motions.

    Args:
        motion: in the package's world, Y up.
        body: whose shape space ``motion.shape`` is (the pelvis at rest, about which it turns,
            depends on it).
    """
    motion = motion if motion.kind == "smplx" else motion.to("smplh")
    turned = motion.turned(Z_UP_TO_Y_UP.T, body.rest(motion.shape)[0])
    betas = np.zeros(16)
    betas[: len(motion.shape)] = motion.shape[:16]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            poses=turned.pose.reshape(len(motion), -1),
            trans=turned.translation,
            betas=betas,
            gender=motion.gender,
            mocap_framerate=motion.fps,
            mocap_frame_rate=motion.fps,
            surface_model_type=motion.kind,
        )
