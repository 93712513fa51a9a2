"""A body model of the SMPL family: parameters → vertices → joints, through `smplx`.

One reader and one skinning function serve SMPL, SMPL-H and SMPL-X: the three differ in their arrays
alone. The model files are the user's (``SMPL_MODEL_DIR`` or a parameter) and are read without
unpickling objects; ``"standin"`` is our own body, which needs no file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.geometry import axis_angle_to_matrix
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import SMPL24
from stride_nb.smpl import model_files
from stride_nb.smpl.forward_kinematics import Kinematics
from stride_nb.smpl.parameters import KINDS, BodyMotion
from stride_nb.smpl.standin_body import standin

__all__ = ["Body", "load"]

_HANDS = {"smpl": (22, 23), "smplh": (25, 40), "smplx": (28, 43)}
"""Which joints stand for SMPL's two hands: in the models with fingers, the middle finger's
knuckle."""


@dataclass(frozen=True, eq=False)
class Body:
    """A body model: made by `load`, used by `fit`, `render` and `gltf`.

    >>> body = load("standin")
    >>> still = BodyMotion(np.zeros((2, 24, 3)), np.zeros(10), np.zeros((2, 3)))
    >>> body.vertices(still).shape, body.joints(still).shape, body.sequence(still).joints.shape
    ((2, 11028, 3), (2, 24, 3), (2, 17, 3))
    """

    arrays: dict[str, np.ndarray]
    """As `files.read` gives them: ``v_template shapedirs posedirs J_regressor weights kintree_table
    f``."""
    name: str
    """What errors and figures call it."""
    regressor: np.ndarray | None = None
    """(17, V) Human3.6M joints from vertices; ``None``: they are converted from SMPL's joints."""
    device: str = "cpu"

    @property
    def kind(self) -> str:
        """``smpl``, ``smplh`` or ``smplx``."""
        return KINDS[len(self.arrays["weights"].T)]

    @property
    def faces(self) -> np.ndarray:
        """(F, 3) int triangles, counter-clockwise seen from outside."""
        return self.arrays["f"].astype(np.int64)

    @property
    def parents(self) -> np.ndarray:
        """(J,) int, −1 for the root."""
        parents = self.arrays["kintree_table"][0].astype(np.int64)
        parents[0] = -1
        return parents

    @property
    def smpl24(self) -> list[int]:
        """Which of the model's joints are ``skeleton.SMPL24``."""
        return [*range(22), *_HANDS[self.kind]]

    def coefficients(self, shape: np.ndarray) -> np.ndarray:
        """The shape's coefficients, as many as the body has directions: cut off, or 0 where not
        given."""
        out = np.zeros(self.arrays["shapedirs"].shape[-1])
        out[: len(shape)] = np.asarray(shape)[: len(out)]
        return out

    def rest(self, shape: np.ndarray) -> np.ndarray:
        """(J, 3) joints at rest, in that shape."""
        return self.arrays["J_regressor"] @ self.shaped(shape)

    def shaped(self, shape: np.ndarray) -> np.ndarray:
        """(V, 3) vertices at rest, in that shape."""
        return self.arrays["v_template"] + self.arrays["shapedirs"] @ self.coefficients(shape)

    def kinematics(self, regressor: np.ndarray) -> Kinematics:
        """Points that this body carries: ``regressor`` (R, V) from its vertices, or (R, J) from its
        joints."""
        return Kinematics(self.arrays, self.parents, regressor)

    @cached_property
    def _tensors(self) -> dict:
        import torch

        arrays = {
            key: torch.as_tensor(
                np.ascontiguousarray(self.arrays[key]), dtype=torch.float32, device=self.device
            )
            for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
        }
        arrays["posedirs"] = (
            arrays["posedirs"].reshape(-1, arrays["posedirs"].shape[-1]).T.contiguous()
        )
        return arrays | {"parents": torch.as_tensor(self.parents, device=self.device)}

    def skin(self, rotations, shape, translation):
        """Torch, differentiable: (T, J, 3, 3), (B,), (T, 3) → vertices (T, V, 3), metres,
        float32."""
        from smplx.lbs import lbs

        a = self._tensors
        vertices, _ = lbs(
            shape.expand(len(rotations), -1),
            rotations,
            a["v_template"],
            a["shapedirs"],
            a["posedirs"],
            a["J_regressor"],
            a["parents"],
            a["weights"],
            pose2rot=False,
        )
        return vertices + translation[:, None]

    def vertices(self, motion: BodyMotion, batch: int = 64) -> np.ndarray:
        """(T, V, 3) float32 metres, ``batch`` frames at a time."""
        import torch

        turns, shape, translation = (
            torch.as_tensor(a, dtype=torch.float32, device=self.device)
            for a in (self.rotations(motion), self.coefficients(motion.shape), motion.translation)
        )
        with torch.no_grad():
            parts = [
                self.skin(r, shape, t) for r, t in zip(turns.split(batch), translation.split(batch))
            ]
        return torch.cat(parts).cpu().numpy()

    def joints(self, motion: BodyMotion) -> np.ndarray:
        """(T, 24, 3) joints of ``skeleton.SMPL24``, metres."""
        return self._points(motion, np.eye(len(self.parents))[self.smpl24])

    def sequence(self, motion: BodyMotion) -> PoseSequence:
        """The 17 joints of Human3.6M: by ``regressor``, or else converted from SMPL's joints."""
        if self.regressor is not None:
            return PoseSequence(
                self._points(motion, self.regressor), fps=motion.fps, name=motion.name
            )
        return PoseSequence(
            self.joints(motion), fps=motion.fps, skeleton=SMPL24, name=motion.name
        ).to("h36m17")

    def _points(self, motion: BodyMotion, regressor: np.ndarray) -> np.ndarray:
        shape = self.coefficients(motion.shape)
        return self.kinematics(regressor)(self.rotations(motion), shape, motion.translation).points

    def rotations(self, motion: BodyMotion) -> np.ndarray:
        """(T, J, 3, 3) of this body's joints. SMPL-X has a shape space of its own, so it does not
        mix."""
        if (motion.kind == "smplx") != (self.kind == "smplx") and self.name != "standin":
            raise InputError(
                motion.name or "motion",
                "pose",
                f"parameters of {self.kind} for {self.name}",
                motion.kind,
            )
        return axis_angle_to_matrix(motion.to(self.kind).pose)


def load(
    model: str | os.PathLike = "smpl",
    gender: str = "neutral",
    folder: str | os.PathLike | None = None,
    regressor: str | os.PathLike | np.ndarray | None = None,
    device: str | None = None,
) -> Body:
    """A body model.

    Args:
        model: ``standin`` (our own, needs nothing), ``smpl``, ``smplh`` or ``smplx`` (looked up in
            ``folder``), or the path of a model file (.npz or .pkl).
        gender: ``neutral``, ``male`` or ``female``.
        folder: where the user's model files lie; default: the environment's ``SMPL_MODEL_DIR``.
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
        arrays, name = standin(), "standin"
        own = arrays["J_regressor_h36m"]
    else:
        path = (
            model_files.find(str(model), gender, folder) if str(model) in KINDS.values() else model
        )
        if not os.path.isfile(path):
            raise InputError(
                "body",
                "model",
                f"standin, {', '.join(KINDS.values())}, or a model file",
                repr(str(model)),
            )
        arrays, name, own = model_files.read(path), os.path.basename(path), None
    return Body(
        arrays,
        name,
        own if regressor is None else model_files.read_regressor(regressor, arrays),
        device,
    )
