"""SMPL parameters out, as AMASS keeps them; a body is fitted to the joints first (slow)."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from stride_nb.errors import atomic_path
from stride_nb.io.registry import get_single_pose_sequence
from stride_nb.poses.geometry import UP_AXES
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["KEEPS", "NAME", "SEVERAL", "SUFFIX", "TOOLS", "fit_body", "write", "write_motion"]

NAME = "amass"
TOOLS = "whatever takes AMASS files"
KEEPS = "3D as a body's pose and shape, fps"
SUFFIX, SEVERAL = "", False  # .npz is this package's own: this one goes by its name


def fit_body(
    path: str | os.PathLike, sequences: Sequence[PoseSequence], model: str
) -> tuple[Body, BodyMotion]:
    """The body of that name (``smpl.load``) and its motion that follows the one sequence given."""
    from stride_nb import smpl

    sequence = get_single_pose_sequence(path, sequences)
    body = smpl.load_body(model)
    return body, smpl.fit(sequence, body).motion


def write(
    path: str | os.PathLike, sequences: Sequence[PoseSequence], body: str = "standin"
) -> None:
    """One person's pose, shape and translation.

    Args:
        path: the npz.
        sequences: one, y up; the fit places missing joints.
        body: whose shape space: ``standin``, or ``smpl``, ``smplh``, ``smplx`` with the user's
            model files.
    """
    model, motion = fit_body(path, sequences, body)
    write_motion(path, motion, model)


def write_motion(path: str | os.PathLike, motion: BodyMotion, body: Body) -> None:
    """Write an npz as AMASS has it: Z up, ``poses`` of SMPL-H (T, 156), or of SMPL-X (T, 165) for
    its motions.

    Args:
        path: the npz.
        motion: in the package's world, Y up.
        body: whose shape space ``motion.shape`` is (the pelvis at rest, about which it turns,
            depends on it).
    """
    motion = motion if motion.kind == "smplx" else motion.to("smplh")
    turned = motion.rotate(UP_AXES["z"].T, body.compute_rest_joints(motion.shape)[0])
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
