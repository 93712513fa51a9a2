"""What a skinned mesh needs besides its arrays: normals, and no more than four bones a vertex."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

__all__ = ["compute_face_normals", "compute_vertex_normals", "keep_four_bones"]


def compute_face_normals(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "F 3"]:
    """Outward normals, as long as twice the face's area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def compute_vertex_normals(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Unit normals: the mean of the faces around a vertex, weighted by area."""
    normals = np.repeat(compute_face_normals(vertices, faces), 3, axis=0)
    total = np.stack([np.bincount(faces.ravel(), n, len(vertices)) for n in normals.T], -1)
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12)


def keep_four_bones(
    weights: Float[np.ndarray, "V J"],
) -> tuple[Int[np.ndarray, "V 4"], Float[np.ndarray, "V 4"]]:
    """The four heaviest bones of each vertex and their weights, summing to 1."""
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    heaviest = np.take_along_axis(weights, bones, 1)
    bones[heaviest == 0] = 0
    return bones, heaviest / heaviest.sum(1, keepdims=True)
