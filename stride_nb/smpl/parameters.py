"""A body's motion as SMPL parameters: the input of a body model and the result of fitting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError

__all__ = ["MODEL_KINDS", "BodyMotion"]

MODEL_KINDS = {24: "smpl", 52: "smplh", 55: "smplx"}
"""Model family by number of joints. They share the first 22 joints."""


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """Pose, shape and translation of one person over time.

    Args:
        pose: (T, J, 3) or (T, 3J) rotation vectors, radians, each relative to the parent joint;
            joint 0 turns the whole body. J is 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X), or 22, which
            is SMPL without hands. Hands are absolute: 0 is flat, no mean pose is added.
        shape: (B,) coefficients of the body's shape directions (betas).
        translation: (T, 3) metres.
        fps: frames per second.
        gender: ``neutral``, ``male`` or ``female``: which of a family's models the numbers belong
            to.
        name: its name in figures.

    Raises:
        InputError: a shape that cannot be, or a number that is not finite.
    """

    pose: np.ndarray
    shape: np.ndarray
    translation: np.ndarray
    fps: float = 50.0
    gender: str = "neutral"
    name: str = ""

    def __post_init__(self):
        where = self.name or "BodyMotion"
        pose, shape, translation = (
            _as_finite_numbers(where, field, getattr(self, field))
            for field in ("pose", "shape", "translation")
        )
        if pose.ndim == 2 and pose.shape[1] % 3 == 0:
            pose = pose.reshape(len(pose), -1, 3)
        if pose.ndim == 3 and pose.shape[1:] == (22, 3):
            pose = np.concatenate([pose, np.zeros((len(pose), 2, 3))], 1)
        if (
            pose.ndim != 3
            or pose.shape[1] not in MODEL_KINDS
            or pose.shape[2] != 3
            or not len(pose)
        ):
            raise InputError(where, "pose", "shape (T ≥ 1, 22, 24, 52 or 55 joints, 3)", pose.shape)
        if shape.ndim != 1:
            raise InputError(where, "shape", "one row of coefficients", shape.shape)
        if translation.shape != (len(pose), 3):
            raise InputError(where, "translation", f"shape ({len(pose)}, 3)", translation.shape)
        if not (np.ndim(self.fps) == 0 and np.isfinite(self.fps) and self.fps > 0):
            raise InputError(where, "fps", "a positive number", self.fps)
        if self.gender not in ("neutral", "male", "female"):
            raise InputError(where, "gender", "neutral, male or female", repr(self.gender))
        values = {"pose": pose, "shape": shape, "translation": translation, "fps": float(self.fps)}
        for field, value in values.items():
            object.__setattr__(self, field, value)

    def __len__(self) -> int:
        return len(self.pose)

    @property
    def kind(self) -> str:
        """``smpl``, ``smplh`` or ``smplx``, by the number of joints."""
        return MODEL_KINDS[self.pose.shape[1]]

    def __getitem__(self, frames: slice) -> BodyMotion:
        """The frames of a slice."""
        return self.replace(pose=self.pose[frames], translation=self.translation[frames])

    def replace(self, **fields: Any) -> BodyMotion:
        """A copy with some fields changed."""
        return replace(self, **fields)

    def to(self, kind: str) -> BodyMotion:
        """For another family: the 22 common joints; its own hands and face at rest."""
        if kind == self.kind:
            return self
        joints = next(number for number, name in MODEL_KINDS.items() if name == kind)
        pose = np.zeros((len(self), joints, 3))
        pose[:, :22] = self.pose[:, :22]
        return self.replace(pose=pose)

    def rotate(
        self,
        rotation: Float[np.ndarray, "*T 3 3"],
        pelvis: Float[np.ndarray, " 3"],
    ) -> BodyMotion:
        """The whole motion rotated about the world's origin.

        Args:
            rotation: one for all frames, or one a frame.
            pelvis: metres, at rest in this shape; joint 0 turns the body about it
                (``Body.compute_rest_joints``).
        """
        from scipy.spatial.transform import Rotation

        root = Rotation.from_matrix(rotation) * Rotation.from_rotvec(self.pose[:, 0])
        pose = self.pose.copy()
        pose[:, 0] = root.as_rotvec()
        position = np.einsum("...ij,...j->...i", rotation, self.translation + pelvis)
        return self.replace(pose=pose, translation=position - pelvis)


def _as_finite_numbers(where: str, field: str, value: Any) -> np.ndarray:
    try:
        value = np.array(value, np.float64)
    except (ValueError, TypeError):
        raise InputError(where, field, "numbers", type(value).__name__) from None
    if not np.isfinite(value).all():
        raise InputError(where, field, "finite numbers", "NaN or infinity")
    return value
