"""The moving skeleton that motion capture files are read into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["Animation", "euler_to_matrix"]


@dataclass(frozen=True)
class Animation:
    """A tree of joints that turn (and may slide) over time. Parents stand before their children.

    Joint ``j`` lies at ``translations[:, j]`` in its parent's frame, and its own frame is turned
    against its parent's by ``rotations[:, j]``. A joint named ``X.end`` is the end of ``X`` (BVH's
    End Site).
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Float[np.ndarray, "J 3"]
    """Metres: where each joint lies in its parent's frame at rest."""
    translations: Float[np.ndarray, "T J 3"]
    """Metres: the same, frame by frame; differs from ``offsets`` where a file moves a joint."""
    rotations: Float[np.ndarray, "T J 3 3"]
    fps: float

    def __len__(self) -> int:
        return len(self.rotations)

    def compute_world_frames(
        self,
    ) -> tuple[Float[np.ndarray, "T J 3"], Float[np.ndarray, "T J 3 3"]]:
        """World position, in metres, and orientation of every joint."""
        # not geometry.chain_transforms, whose matrix product rounds the last digit otherwise
        positions, orientations = self.translations.copy(), self.rotations.copy()
        for j, parent in enumerate(self.parents):
            if parent >= 0:
                above = orientations[:, parent]
                orientations[:, j] = above @ self.rotations[:, j]
                offset = np.einsum("tij,tj->ti", above, self.translations[:, j])
                positions[:, j] = positions[:, parent] + offset
        return positions, orientations

    def compute_positions(self) -> Float[np.ndarray, "T J 3"]:
        """World position of every joint, metres."""
        return self.compute_world_frames()[0]


def euler_to_matrix(
    axes: str, degrees: Float[np.ndarray, "*batch axes"]
) -> Float[np.ndarray, "*batch 3 3"]:
    """Product of elementary rotations in the order written.

    ``euler_to_matrix("zyx", a)`` is Rz(a₀) Ry(a₁) Rx(a₂); of any number of axes, of none the
    identity.
    """
    angle = np.radians(degrees)
    matrix = np.broadcast_to(np.eye(3), (*angle.shape[:-1], 3, 3))
    for n, axis in enumerate(axes):
        i = "xyz".index(axis)
        j, k = (i + 1) % 3, (i + 2) % 3
        elementary = np.zeros((*angle.shape[:-1], 3, 3))
        elementary[..., i, i] = 1
        elementary[..., j, j] = elementary[..., k, k] = np.cos(angle[..., n])
        elementary[..., k, j] = np.sin(angle[..., n])
        elementary[..., j, k] = -elementary[..., k, j]
        matrix = matrix @ elementary
    return matrix
