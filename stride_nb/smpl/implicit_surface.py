"""From an implicit function to a closed mesh: a smooth union of tapered rods, then naive surface
nets.

The surface is where the field is 0. Surface nets (Gibson, 1998) put one vertex in every cell that
the surface crosses and one quad across every crossed edge, so neighbouring cells share vertices and
the mesh is closed by construction; the vertices are then evened out and slid onto the surface.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

__all__ = ["Rod", "extract_mesh", "make_rod_field"]

Rod = tuple[tuple[float, float, float], tuple[float, float, float], float, float]
"""Two end points and the radius at each, metres."""

Field = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(N, 3) points → (N,) signed distance, about metres, negative inside; and (N, 3) its gradient."""

_CORNERS = np.array([(p >> 2 & 1, p >> 1 & 1, p & 1) for p in range(8)])
# a cell's 12 edges, as pairs of corners
_CELL_EDGES = [(p, q) for p in range(8) for q in range(p + 1, 8) if (p ^ q).bit_count() == 1]


def make_rod_field(rods: list[Rod], softness: float, region: float = 0.12) -> Field:
    """The field of a smooth union of rods.

    Smooth minimum −k·log Σ exp(−dᵢ/k), k = ``softness`` in metres: smooth, and it fillets where
    rods meet. Space is cut into cubes of side ``region``; in each, rods too far away to matter are
    left out.
    """
    a, b = np.array([rod[0] for rod in rods]), np.array([rod[1] for rod in rods])
    ra, rb = np.array([rod[2] for rod in rods]), np.array([rod[3] for rod in rods])
    axis, inverse = b - a, 1 / np.maximum(((b - a) ** 2).sum(-1), 1e-12)

    def measure_distances(points: np.ndarray, i: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, n) distances to the rods ``i`` and (N, n, 3) vectors away from their axes."""
        p = points[:, None] - a[i]
        t = np.clip((p * axis[i]).sum(-1) * inverse[i], 0, 1)
        away = p - t[..., None] * axis[i]
        return np.sqrt((away**2).sum(-1)) - (ra[i] + t * (rb[i] - ra[i])), away

    def evaluate_field(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cube by cube, from the rods near it alone."""
        value, gradient = np.empty(len(points)), np.empty(points.shape)
        index = np.floor(points / region).astype(int)
        cubes, number = np.unique(index, axis=0, return_inverse=True)
        order = np.argsort(number.ravel(), kind="stable")
        for cube, here in zip(cubes, np.split(order, np.cumsum(np.bincount(number.ravel()))[:-1])):
            bound = measure_distances((cube[None] + 0.5) * region, np.arange(len(a)))[0][0]
            near = np.flatnonzero(bound < bound.min() + region * 3**0.5 + 16 * softness)
            d, away = measure_distances(points[here], near)
            nearest = d.min(-1, keepdims=True)
            weight = np.exp((nearest - d) / softness)
            total = weight.sum(-1, keepdims=True)
            value[here] = (nearest - softness * np.log(total))[:, 0]
            away /= np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-9)
            gradient[here] = ((weight / total)[..., None] * away).sum(1)
        return value, gradient

    return evaluate_field


def extract_mesh(
    field: Field, low: Float[np.ndarray, " 3"], high: Float[np.ndarray, " 3"], cell: float
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Vertices and outward triangles of the surface where ``field`` is 0, inside the box; metres,
    ``cell`` the side of a cell."""
    axes = [lo + cell * np.arange(int(np.ceil((hi - lo) / cell)) + 1) for lo, hi in zip(low, high)]
    values = _sample_field(field, axes, cell)
    vertices, number = _place_vertices(values, axes, cell)
    quads = _connect_quads(values, number)
    for _ in range(4):
        vertices = _slide_to_surface(field, _relax_vertices(vertices, quads), cell)
    return vertices, _split_quads(vertices, quads)


def _sample_field(field: Field, axes: list[np.ndarray], cell: float, block: int = 4) -> np.ndarray:
    """The field on the grid; computed only in blocks near the surface, elsewhere its value in the
    block's middle."""
    middles = (axis[::block] + (block - 1) / 2 * cell for axis in axes)
    coarse = np.stack(np.meshgrid(*middles, indexing="ij"), -1)
    values = field(coarse.reshape(-1, 3))[0].reshape(coarse.shape[:3])
    for k, axis in enumerate(axes):
        values = values.repeat(block, k).take(range(len(axis)), k)
    near = np.abs(values) < 1.5 * block * cell
    values[near] = field(_pick_points(axes, near))[0]
    return values


def _pick_points(axes: list[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    """(N, 3) points of the grid where ``chosen`` is True."""
    return np.stack([axis[i] for axis, i in zip(axes, np.nonzero(chosen))], -1)


def _place_vertices(
    values: np.ndarray, axes: list[np.ndarray], cell: float
) -> tuple[np.ndarray, np.ndarray]:
    """One vertex in every crossed cell, at the mean of its edges' crossings; and the number of each
    cell's vertex."""
    nx, ny, nz = (n - 1 for n in values.shape)
    corners = np.stack([values[i : nx + i, j : ny + j, k : nz + k] for i, j, k in _CORNERS], -1)
    inside = (corners < 0).sum(-1)
    crossed = (inside > 0) & (inside < 8)
    corners = corners[crossed]
    total, count = np.zeros((len(corners), 3)), np.zeros(len(corners))
    for p, q in _CELL_EDGES:
        hit = (corners[:, p] < 0) != (corners[:, q] < 0)
        t = corners[hit, p] / (corners[hit, p] - corners[hit, q])
        total[hit] += _CORNERS[p] + t[:, None] * (_CORNERS[q] - _CORNERS[p])
        count[hit] += 1
    number = np.full(crossed.shape, -1)
    number[crossed] = np.arange(len(corners))
    return _pick_points(axes, crossed) + cell * total / count[:, None], number


def _connect_quads(values: np.ndarray, number: np.ndarray) -> np.ndarray:
    """(Q, 4) a quad across every grid edge that the surface crosses, counter-clockwise seen from
    outside."""
    quads = []
    for axis in range(3):
        order = (axis, (axis + 1) % 3, (axis + 2) % 3)
        inside, cells = values.transpose(order)[:, 1:-1, 1:-1] < 0, number.transpose(order)
        around = [cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, 1:, 1:], cells[:, :-1, 1:]]
        around = np.stack(around, -1)
        quads += [around[inside[:-1] & ~inside[1:]], around[~inside[:-1] & inside[1:]][:, ::-1]]
    return np.concatenate(quads)


def _relax_vertices(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Every vertex half way to the mean of its neighbours."""
    ends, others = quads.ravel(), np.roll(quads, 1, 1).ravel()
    count = np.bincount(ends, minlength=len(vertices))[:, None]
    total = np.stack([np.bincount(ends, x[others], len(vertices)) for x in vertices.T], -1)
    return (vertices + total / count) / 2


def _slide_to_surface(field: Field, vertices: np.ndarray, cell: float) -> np.ndarray:
    """Vertices moved along the field's gradient onto the surface (Newton, no step longer than half
    a cell)."""
    for _ in range(2):
        value, gradient = field(vertices)
        slope = np.maximum(np.linalg.norm(gradient, axis=-1), 0.1)
        step = np.clip(value / slope, -cell / 2, cell / 2) / slope
        vertices = vertices - step[:, None] * gradient
    return vertices


def _split_quads(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """(2Q, 3) every quad cut along its shorter diagonal."""
    a, b, c, d = (vertices[quads[:, k]] for k in range(4))
    other = np.linalg.norm(b - d, axis=-1) < np.linalg.norm(a - c, axis=-1) * (1 - 1e-9)
    quads = np.where(other[:, None], np.roll(quads, -1, 1), quads)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
