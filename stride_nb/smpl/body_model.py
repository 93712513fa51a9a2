"""A body model of the SMPL family: parameters → vertices → joints, through `smplx`.

One reader and one skinning function serve SMPL, SMPL-H and SMPL-X: the three differ in their arrays
alone. The model files are the user's (``SMPL_MODEL_DIR`` or a parameter) and are read without
unpickling objects; ``"standin"`` is our own body, which needs no file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

from stride_nb.errors import InputError, require
from stride_nb.poses.geometry import axis_angle_to_matrix
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import SMPL24
from stride_nb.smpl import model_files
from stride_nb.smpl.forward_kinematics import Kinematics
from stride_nb.smpl.parameters import MODEL_KINDS, BodyMotion
from stride_nb.smpl.standin_body import make_standin_body

if TYPE_CHECKING:  # importing a room stays light
    from torch import Tensor

__all__ = ["Body", "load_body"]

_HAND_JOINTS = {"smpl": (22, 23), "smplh": (25, 40), "smplx": (28, 43)}
"""Which joints stand for SMPL's two hands: in models with fingers, the middle finger's knuckle."""


@dataclass(frozen=True, eq=False)
class Body:
    """A body model: made by `load_body`, used by `fit` and by figures.

    >>> body = load_body("standin")
    >>> still = BodyMotion(np.zeros((2, 24, 3)), np.zeros(10), np.zeros((2, 3)))
    >>> body.compute_vertices(still).shape, body.compute_joints(still).shape
    ((2, 11028, 3), (2, 24, 3))
    """

    arrays: dict[str, np.ndarray]
    """As `model_files` reads them: ``v_template shapedirs posedirs J_regressor weights
    kintree_table f``."""
    name: str
    """Its name in errors and figures."""
    regressor: np.ndarray | None = None
    """(17, V) Human3.6M joints from vertices; ``None``: they are converted from SMPL's joints."""
    device: str = "cpu"

    @property
    def kind(self) -> str:
        """``smpl``, ``smplh`` or ``smplx``."""
        return MODEL_KINDS[len(self.arrays["weights"].T)]

    @property
    def faces(self) -> Int[np.ndarray, "F 3"]:
        """Triangles, counter-clockwise seen from outside."""
        return self.arrays["f"].astype(np.int64)

    @property
    def parents(self) -> Int[np.ndarray, " J"]:
        """Of every joint; −1 for the root."""
        parents = self.arrays["kintree_table"][0].astype(np.int64)
        parents[0] = -1
        return parents

    @property
    def smpl24(self) -> list[int]:
        """Which of the model's joints are ``skeleton.SMPL24``."""
        return [*range(22), *_HAND_JOINTS[self.kind]]

    def resize_shape(self, shape: npt.ArrayLike) -> Float[np.ndarray, " B"]:
        """The shape's coefficients, as many as the body has directions: cut off, or 0 where not
        given."""
        coefficients = np.zeros(self.arrays["shapedirs"].shape[-1])
        given = np.asarray(shape)[: len(coefficients)]
        coefficients[: len(given)] = given
        return coefficients

    def compute_rest_joints(self, shape: npt.ArrayLike) -> Float[np.ndarray, "J 3"]:
        """Joints at rest, in that shape; metres."""
        return self.arrays["J_regressor"] @ self.compute_rest_vertices(shape)

    def compute_rest_vertices(self, shape: npt.ArrayLike) -> Float[np.ndarray, "V 3"]:
        """Vertices at rest, in that shape; metres."""
        coefficients = self.resize_shape(shape)
        return self.arrays["v_template"] + self.arrays["shapedirs"] @ coefficients

    def make_kinematics(self, regressor: Float[np.ndarray, "R N"]) -> Kinematics:
        """Points that this body carries: ``regressor`` (R, V) from its vertices, or (R, J) from its
        joints."""
        return Kinematics(self.arrays, self.parents, regressor)

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        import torch

        arrays = {
            key: torch.as_tensor(
                np.ascontiguousarray(self.arrays[key]), dtype=torch.float32, device=self.device
            )
            for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
        }
        posedirs = arrays["posedirs"]
        arrays["posedirs"] = posedirs.reshape(-1, posedirs.shape[-1]).T.contiguous()
        return arrays | {"parents": torch.as_tensor(self.parents, device=self.device)}

    def skin(
        self,
        rotations: Float[Tensor, "T J 3 3"],
        shape: Float[Tensor, " B"],
        translation: Float[Tensor, "T 3"],
    ) -> Float[Tensor, "T V 3"]:
        """Vertices, metres, float32; differentiable."""
        lbs = require("smplx.lbs", "smpl").lbs
        keys = ("v_template", "shapedirs", "posedirs", "J_regressor", "parents", "weights")
        arrays = [self._tensors[key] for key in keys]
        vertices, _ = lbs(shape.expand(len(rotations), -1), rotations, *arrays, pose2rot=False)
        return vertices + translation[:, None]

    def compute_vertices(self, motion: BodyMotion, batch: int = 64) -> Float[np.ndarray, "T V 3"]:
        """Vertices, metres, float32; ``batch`` frames at a time."""
        import torch

        rotations, shape, translation = (
            torch.as_tensor(a, dtype=torch.float32, device=self.device)
            for a in (
                self.compute_rotations(motion),
                self.resize_shape(motion.shape),
                motion.translation,
            )
        )
        with torch.no_grad():
            parts = [
                self.skin(r, shape, t)
                for r, t in zip(rotations.split(batch), translation.split(batch))
            ]
        return torch.cat(parts).cpu().numpy()

    def compute_joints(self, motion: BodyMotion) -> Float[np.ndarray, "T 24 3"]:
        """Joints of ``skeleton.SMPL24``, metres."""
        return self._regress_points(motion, np.eye(len(self.parents))[self.smpl24])

    def compute_sequence(self, motion: BodyMotion) -> PoseSequence:
        """The 17 joints of Human3.6M: by ``regressor``, or else converted from SMPL's joints."""
        if self.regressor is not None:
            joints = self._regress_points(motion, self.regressor)
            return PoseSequence(joints, fps=motion.fps, name=motion.name)
        joints = self.compute_joints(motion)
        smpl24 = PoseSequence(joints, fps=motion.fps, skeleton=SMPL24, name=motion.name)
        return smpl24.to("h36m17")

    def _regress_points(self, motion: BodyMotion, regressor: np.ndarray) -> np.ndarray:
        shape, rotations = self.resize_shape(motion.shape), self.compute_rotations(motion)
        return self.make_kinematics(regressor)(rotations, shape, motion.translation).points

    def compute_rotations(self, motion: BodyMotion) -> Float[np.ndarray, "T J 3 3"]:
        """Of this body's joints, against their parents.

        Raises:
            InputError: SMPL-X's parameters for another family or the reverse; SMPL-X has a shape
                space of its own.
        """
        if (motion.kind == "smplx") != (self.kind == "smplx") and self.name != "standin":
            expected = f"parameters of {self.kind} for {self.name}"
            raise InputError(motion.name or "motion", "pose", expected, motion.kind)
        return axis_angle_to_matrix(motion.to(self.kind).pose)


def load_body(
    model: str | os.PathLike = "smpl",
    gender: str = "neutral",
    folder: str | os.PathLike | None = None,
    regressor: str | os.PathLike | npt.ArrayLike | None = None,
    device: str | None = None,
) -> Body:
    """A body model.

    Args:
        model: ``standin`` (our own, needs nothing), ``smpl``, ``smplh`` or ``smplx`` (looked up in
            ``folder``), or the path of a model file (.npz or .pkl).
        gender: ``neutral``, ``male`` or ``female``.
        folder: of the user's model files; default: the environment's ``SMPL_MODEL_DIR``.
        regressor: (17, V) array, or the .npy or .npz file of one, from vertices to Human3.6M's
            joints; default: none, and the 17 joints are converted from SMPL's joints by name (the
            stand-in has its own).
        device: default: a GPU where there is one.

    Raises:
        InputError: no such model, no such file, or a file that is not a body model.
    """
    if device is None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    if str(model) == "standin":
        arrays, name = make_standin_body(), "standin"
        own_regressor = arrays["J_regressor_h36m"]
    else:
        known = str(model) in MODEL_KINDS.values()
        path = model_files.find_model_file(str(model), gender, folder) if known else model
        if not os.path.isfile(path):
            expected = f"standin, {', '.join(MODEL_KINDS.values())}, or a model file"
            raise InputError("body", "model", expected, repr(str(model)))
        arrays, name = model_files.read_model_arrays(path), os.path.basename(path)
        own_regressor = None
    if regressor is not None:
        own_regressor = model_files.read_regressor(regressor, arrays)
    return Body(arrays, name, own_regressor, device)
