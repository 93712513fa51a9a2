"""Joints of a posed body without its vertices, and how they move when a parameter does.

Linear blend skinning puts vertex v at Σₖ wᵥₖ (Rₖ (xᵥ − jₖ) + tₖ), with xᵥ = template + shape + pose
offsets. A regressed joint is a weighted mean of vertices, so its sum over vertices can be taken
beforehand, once for every
pair of regressed joint and bone: the same numbers to rounding, at a small part of the cost of
skinning the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Kinematics", "Posed"]


@dataclass(frozen=True, eq=False)
class Posed:
    """A body in a pose."""

    world: np.ndarray
    """(T, J, 3, 3) rotation of every joint against the world."""
    joints: np.ndarray
    """(T, J, 3) metres."""
    parts: np.ndarray
    """(T, N, 3) share of each pair (point, bone) in its point."""
    points: np.ndarray
    """(T, R, 3) the points asked for, metres."""


class Kinematics:
    """Points that a body carries, as functions of its parameters.

    Args:
        arrays: a body's arrays, as `Body` has them.
        parents: J parents, −1 for the root, each before its children.
        regressor: (R, V) points as weighted means of the posed vertices, or (R, J) of the joints.
    """

    def __init__(self, arrays: dict, parents: np.ndarray, regressor: np.ndarray):
        joints = arrays["J_regressor"]
        self.parents = [int(p) for p in parents]
        self.rest, self.rest_dirs = (
            joints @ arrays["v_template"],
            np.tensordot(joints, arrays["shapedirs"], 1),
        )
        self.count = len(regressor)
        if regressor.shape[1] == len(joints):
            self._of_joints(regressor)
        else:
            self._of_vertices(arrays, regressor)

    def _of_joints(self, mix: np.ndarray) -> None:
        self.row, self.bone = np.nonzero(mix)
        self.mass = mix[self.row, self.bone]
        self.mean, self.mean_pose = self.mass[:, None] * self.rest[self.bone], None
        self.mean_dirs = self.mass[:, None, None] * self.rest_dirs[self.bone]

    def _of_vertices(self, arrays: dict, regressor: np.ndarray) -> None:
        """Sums over vertices, one row a pair (point, bone) that has any weight."""
        used = np.flatnonzero(regressor.any(0))
        share = np.einsum("rv,vk->rkv", regressor[:, used], arrays["weights"][used])
        self.row, self.bone = np.nonzero(np.abs(share).sum(-1) > 1e-9)
        share, posedirs = share[self.row, self.bone], arrays["posedirs"][used]
        self.mass, self.mean = share.sum(-1), share @ arrays["v_template"][used]
        self.mean_dirs = np.tensordot(share, arrays["shapedirs"][used], 1)
        self.mean_pose = np.tensordot(share, posedirs, 1) if posedirs.any() else None

    def __call__(self, rotations: np.ndarray, shape: np.ndarray, translation: np.ndarray) -> Posed:
        """Pose the body: (T, J, 3, 3) rotations against the parent, (B,) shape, (T, 3)
        translation."""
        shape = np.asarray(shape, np.float64)
        rest = self.rest + self.rest_dirs[..., : len(shape)] @ shape
        world, at = np.empty_like(rotations), np.empty((*rotations.shape[:2], 3))
        world[:, 0], at[:, 0] = rotations[:, 0], rest[0] + translation
        for k, parent in enumerate(self.parents[1:], 1):
            world[:, k] = world[:, parent] @ rotations[:, k]
            at[:, k] = at[:, parent] + world[:, parent] @ (rest[k] - rest[parent])
        mean = (
            self.mean
            + self.mean_dirs[..., : len(shape)] @ shape
            - self.mass[:, None] * rest[self.bone]
        )
        mean = np.broadcast_to(mean, (len(rotations), *mean.shape))
        if self.mean_pose is not None:
            mean = mean + np.tensordot(
                (rotations[:, 1:] - np.eye(3)).reshape(len(rotations), -1), self.mean_pose, (1, 2)
            )
        parts = (world[:, self.bone] @ mean[..., None])[..., 0] + self.mass[:, None] * at[
            :, self.bone
        ]
        return Posed(world, at, parts, np.einsum("rn,tnc->trc", self._belongs, parts))

    def by_rotation(self, posed: Posed, pose: np.ndarray) -> np.ndarray:
        """(T, R, 3, J, 3) derivatives of the points by the rotation vectors ``pose`` (T, J, 3) of
        the joints.

        A joint turns all that hangs from it about itself: dx = ω × (x − xₖ), with ω = R_parent
        Jₗ(θₖ) dθₖ, Jₗ the left Jacobian of rotations. For the root ω = R₀ dθ: a small turn after
        its rotation, in the body's own axes. Pose offsets of the surface are taken as constant.
        """
        lever = (
            np.einsum("rkn,tnc->trkc", self._moved, posed.parts)
            - self._mass_moved[..., None] * posed.joints[:, None]
        )
        axes = np.empty_like(posed.world)
        axes[:, 0] = posed.world[:, 0]
        axes[:, 1:] = posed.world[:, self.parents[1:]] @ _left_jacobian(pose[:, 1:])
        return np.moveaxis(
            np.cross(axes[:, None], lever[..., None], axisa=-2, axisb=-2, axisc=-2), -2, 2
        )

    def by_shape(self, rotations: np.ndarray, count: int) -> np.ndarray:
        """(T, R, 3, B) derivatives of the points by the first ``count`` shape coefficients: they
        enter linearly."""
        still = np.zeros((len(rotations), 3))
        base = self(rotations, np.zeros(count), still).points
        return np.stack([self(rotations, unit, still).points - base for unit in np.eye(count)], -1)

    @cached_property
    def total(self) -> np.ndarray:
        """(R,) the sum of each point's weights: how far it moves with the translation (1 for a
        mean)."""
        return self._belongs @ self.mass

    @cached_property
    def _belongs(self) -> np.ndarray:
        """(R, N) 1 where pair n is of point r."""
        return np.equal.outer(np.arange(self.count), self.row).astype(float)

    @cached_property
    def _moved(self) -> np.ndarray:
        """(R, J, N) 1 where joint k moves pair n of point r."""
        above = np.eye(len(self.parents))
        for k, parent in enumerate(self.parents[1:], 1):
            above[k] += above[parent]  # row: a joint; columns: it and those above it
        return self._belongs[:, None] * above[self.bone].T

    @cached_property
    def _mass_moved(self) -> np.ndarray:
        """(R, J) how much of a point's weight hangs from a joint."""
        return self._moved @ self.mass


def _left_jacobian(vectors: np.ndarray) -> np.ndarray:
    """(…, 3, 3) Jₗ with exp(θ + dθ) = exp(Jₗ(θ) dθ) exp(θ), for rotation vectors (…, 3)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    second = np.sinc(angle / (2 * np.pi)) ** 2 / 2  # (1 − cos a)/a²
    with np.errstate(invalid="ignore", divide="ignore"):
        third = np.where(angle > 1e-2, (angle - np.sin(angle)) / angle**3, 1 / 6 - angle**2 / 120)
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return np.eye(3) + second * cross + third * (cross @ cross)
