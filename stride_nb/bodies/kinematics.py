"""Joints of a posed body without its vertices: forward kinematics, and regressors folded into it.

Linear blend skinning puts vertex v at Σₖ wᵥₖ (Rₖ (xᵥ − jₖ) + tₖ), with xᵥ = template + shape + pose offsets.
A regressed joint is a weighted mean of vertices, so its sum over vertices can be taken beforehand, once for every
pair of regressed joint and bone: the same numbers to rounding, at a small part of the cost of skinning the mesh.
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["Kinematics", "rotation_matrices"]


def rotation_matrices(vectors: torch.Tensor) -> torch.Tensor:
    """Rotation vectors (…, 3), radians, to matrices (…, 3, 3) (Rodrigues), differentiable at 0 too."""
    squared = (vectors**2).sum(-1)[..., None, None]
    small = squared < 1e-8
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    first = torch.where(small, 1 - squared / 6, torch.sin(angle) / angle)
    second = torch.where(small, 0.5 - squared / 24, (1 - torch.cos(angle)) / angle**2)
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + first * cross + second * (cross @ cross)


class Kinematics:
    """Joints from parameters, on one device; built by ``Body.kinematics``.

    Args:
        arrays: a body's arrays (``v_template`` (V, 3), ``shapedirs`` (V, 3, B), ``posedirs`` (V, 3, 9(J − 1)),
            ``J_regressor`` (J, V), ``weights`` (V, J)).
        parents: J parents, −1 for the root, each before its children.
        regressor: (R, V) further joints to be regressed from the posed vertices, or ``None``.
    """

    def __init__(self, arrays: dict, parents: np.ndarray, regressor=None, device="cpu", dtype=torch.float64):
        def tensor(a):
            return torch.as_tensor(np.ascontiguousarray(a), dtype=dtype, device=device)

        self.parents, self.levels = list(map(int, parents)), _levels(parents)
        joints = arrays["J_regressor"]
        self.rest = tensor(joints @ arrays["v_template"])
        self.rest_dirs = tensor(np.tensordot(joints, arrays["shapedirs"], 1))
        self.regressed = 0 if regressor is None else len(regressor)
        if self.regressed:
            self._fold(arrays, np.asarray(regressor), tensor)

    def _fold(self, arrays: dict, regressor: np.ndarray, tensor) -> None:
        """Sums over vertices, one row a pair (regressed joint, bone) that has any weight."""
        used = np.flatnonzero(regressor.any(0))
        share = np.einsum("rv,vk->rkv", regressor[:, used], arrays["weights"][used])
        row, bone = np.nonzero(np.abs(share).sum(-1) > 1e-9)
        share, posedirs = share[row, bone], arrays["posedirs"][used]
        self.row, self.bone = (torch.as_tensor(i, device=self.rest.device) for i in (row, bone))
        self.mass, self.mean = tensor(share.sum(-1)), tensor(share @ arrays["v_template"][used])
        self.mean_dirs = tensor(np.tensordot(share, arrays["shapedirs"][used], 1))
        self.mean_pose = tensor(np.tensordot(share, posedirs, 1)) if posedirs.any() else None

    def __call__(self, rotations: torch.Tensor, shape: torch.Tensor, translation: torch.Tensor):
        """(T, J, 3, 3), (B,), (T, 3) → joints (T, J, 3) and regressed joints (T, R, 3), metres."""
        rest = self.rest + self.rest_dirs[..., : len(shape)] @ shape
        world, at = self._chain(rotations, rest)
        at = at + translation[:, None]
        if not self.regressed:
            return at, at[:, :0]
        mean = self.mean + self.mean_dirs[..., : len(shape)] @ shape - self.mass[:, None] * rest[self.bone]
        if self.mean_pose is not None:
            feature = (rotations[:, 1:] - torch.eye(3, dtype=rest.dtype, device=rest.device)).flatten(1)
            mean = mean + torch.einsum("npq,tq->tnp", self.mean_pose, feature)
        else:
            mean = mean.expand(len(rotations), -1, -1)
        part = (world[:, self.bone] @ mean[..., None])[..., 0] + self.mass[:, None] * at[:, self.bone]
        return at, at.new_zeros(len(at), self.regressed, 3).index_add(1, self.row, part)

    def _chain(self, rotations: torch.Tensor, rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """World rotations (T, J, 3, 3) and joints (T, J, 3), the depths of the tree one after the other."""
        world, at = [None] * len(rest), [None] * len(rest)
        world[0], at[0] = rotations[:, 0], rest[0].expand(len(rotations), 3)
        for level in self.levels:
            parents = [self.parents[j] for j in level]
            above, start = (torch.stack([x[p] for p in parents], 1) for x in (world, at))
            turned = above @ rotations[:, level]
            moved = (above @ (rest[level] - rest[parents])[..., None])[..., 0] + start
            for i, j in enumerate(level):
                world[j], at[j] = turned[:, i], moved[:, i]
        return torch.stack(world, 1), torch.stack(at, 1)


def _levels(parents) -> list[list[int]]:
    """Joints by their depth in the tree, without the root."""
    depth = [0]
    for parent in parents[1:]:
        depth.append(depth[parent] + 1)
    return [[j for j, d in enumerate(depth) if d == level] for level in range(1, max(depth) + 1)]
