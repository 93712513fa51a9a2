"""Joints of a posed body without its vertices, and their derivatives by its parameters.

Linear blend skinning puts vertex v at Σₖ wᵥₖ (Rₖ (xᵥ − jₖ) + tₖ), with xᵥ = template + shape + pose
offsets. A regressed joint is a weighted mean of vertices, so its sum over vertices is taken
beforehand, once for every pair of regressed joint and bone: the same numbers to rounding, at a
small part of the cost of skinning the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from stride_nb.poses.geometry import chain_transforms

__all__ = ["Kinematics", "PosedBody"]


@dataclass(frozen=True, eq=False)
class PosedBody:
    """A body in a pose."""

    world: Float[np.ndarray, "T J 3 3"]
    """Rotation of every joint against the world."""
    joints: Float[np.ndarray, "T J 3"]
    """Metres."""
    parts: Float[np.ndarray, "T N 3"]
    """What each pair (point, bone) adds to its point, metres."""
    points: Float[np.ndarray, "T R 3"]
    """The regressed points, metres."""


class Kinematics:
    """Points that a body carries, as functions of its parameters.

    Args:
        arrays: a body's arrays, as `Body` has them.
        parents: J parents, −1 for the root, each before its children.
        regressor: (R, V) points as weighted means of the posed vertices, or (R, J) of the joints.
    """

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        parents: Int[np.ndarray, " J"],
        regressor: Float[np.ndarray, "R N"],
    ):
        joints = arrays["J_regressor"]
        self.parents = [int(p) for p in parents]
        self.rest = joints @ arrays["v_template"]
        self.rest_dirs = np.tensordot(joints, arrays["shapedirs"], 1)
        self.count = len(regressor)
        if regressor.shape[1] == len(joints):
            self._sum_over_joints(regressor)
        else:
            self._sum_over_vertices(arrays, regressor)

    def _sum_over_joints(self, mix: np.ndarray) -> None:
        """One row for every pair (point, joint) that has any weight."""
        self.row, self.bone = np.nonzero(mix)
        self.mass = mix[self.row, self.bone]
        self.mean, self.mean_pose = self.mass[:, None] * self.rest[self.bone], None
        self.mean_dirs = self.mass[:, None, None] * self.rest_dirs[self.bone]

    def _sum_over_vertices(self, arrays: dict, regressor: np.ndarray) -> None:
        """One row for every pair (point, bone) that has any weight."""
        used = np.flatnonzero(regressor.any(0))
        share = np.einsum("rv,vk->rkv", regressor[:, used], arrays["weights"][used])
        self.row, self.bone = np.nonzero(np.abs(share).sum(-1) > 1e-9)
        share, posedirs = share[self.row, self.bone], arrays["posedirs"][used]
        self.mass, self.mean = share.sum(-1), share @ arrays["v_template"][used]
        self.mean_dirs = np.tensordot(share, arrays["shapedirs"][used], 1)
        self.mean_pose = np.tensordot(share, posedirs, 1) if posedirs.any() else None

    def __call__(
        self,
        rotations: Float[np.ndarray, "T J 3 3"],
        shape: Float[np.ndarray, " B"],
        translation: Float[np.ndarray, "T 3"],
    ) -> PosedBody:
        """The body in that pose: rotations against the parent, shape, translation in metres."""
        dirs, mean_dirs = self.rest_dirs[..., : len(shape)], self.mean_dirs[..., : len(shape)]
        rest = self.rest + dirs @ shape
        offsets = np.broadcast_to(rest - rest[self.parents], (*rotations.shape[:2], 3)).copy()
        offsets[:, 0] = rest[0] + translation
        world, joints = chain_transforms(rotations, offsets, self.parents)
        mass = self.mass[:, None]
        mean = np.broadcast_to(
            self.mean + mean_dirs @ shape - mass * rest[self.bone], (len(rotations), len(mass), 3)
        )
        if self.mean_pose is not None:
            features = (rotations[:, 1:] - np.eye(3)).reshape(len(rotations), -1)
            mean = mean + np.tensordot(features, self.mean_pose, (1, 2))
        parts = (world[:, self.bone] @ mean[..., None])[..., 0] + mass * joints[:, self.bone]
        return PosedBody(world, joints, parts, np.einsum("rn,tnc->trc", self._belongs, parts))

    def compute_pose_jacobian(
        self, posed: PosedBody, pose: Float[np.ndarray, "T J 3"]
    ) -> Float[np.ndarray, "T R 3 J 3"]:
        """Derivatives of the points by the rotation vectors ``pose`` of the joints.

        A joint turns all that hangs from it about itself: dx = ω × (x − xₖ), with ω = R_parent
        Jₗ(θₖ) dθₖ, Jₗ the left Jacobian of rotations. For the root ω = R₀ dθ: a small turn after
        its rotation, in the body's own axes. Pose offsets of the surface are taken as constant.
        """
        moved = np.einsum("rkn,tnc->trkc", self._descends, posed.parts)
        lever = moved - (self._descends @ self.mass)[..., None] * posed.joints[:, None]
        axes = np.empty_like(posed.world)
        axes[:, 0] = posed.world[:, 0]
        axes[:, 1:] = posed.world[:, self.parents[1:]] @ _compute_left_jacobian(pose[:, 1:])
        turns = np.cross(axes[:, None], lever[..., None], axisa=-2, axisb=-2, axisc=-2)
        return np.moveaxis(turns, -2, 2)

    def compute_shape_jacobian(
        self, rotations: Float[np.ndarray, "T J 3 3"], count: int
    ) -> Float[np.ndarray, "T R 3 B"]:
        """Derivatives of the points by the first ``count`` shape coefficients: they enter
        linearly."""
        still = np.zeros((len(rotations), 3))
        base = self(rotations, np.zeros(count), still).points
        return np.stack([self(rotations, unit, still).points - base for unit in np.eye(count)], -1)

    @cached_property
    def total(self) -> Float[np.ndarray, " R"]:
        """The sum of each point's weights: its derivative by the translation (1 for a mean)."""
        return self._belongs @ self.mass

    @cached_property
    def _belongs(self) -> Float[np.ndarray, "R N"]:
        """1 where pair n is of point r."""
        return np.equal.outer(np.arange(self.count), self.row).astype(float)

    @cached_property
    def _descends(self) -> Float[np.ndarray, "R J N"]:
        """1 where joint k moves pair n of point r."""
        above = np.eye(len(self.parents))
        for k, parent in enumerate(self.parents[1:], 1):
            above[k] += above[parent]  # row: a joint; columns: it and those above it
        return self._belongs[:, None] * above[self.bone].T


def _compute_left_jacobian(vectors: np.ndarray) -> np.ndarray:
    """(…, 3, 3) Jₗ with exp(θ + dθ) = exp(Jₗ(θ) dθ) exp(θ), for rotation vectors (…, 3)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    second = np.sinc(angle / (2 * np.pi)) ** 2 / 2  # (1 − cos a)/a²
    with np.errstate(invalid="ignore", divide="ignore"):
        third = np.where(angle > 1e-2, (angle - np.sin(angle)) / angle**3, 1 / 6 - angle**2 / 120)
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return np.eye(3) + second * cross + third * (cross @ cross)
