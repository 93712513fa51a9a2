"""Least squares over time: frames that touch only their neighbours, and a few variables that touch
all frames."""

from __future__ import annotations

import numpy as np

__all__ = ["Band"]


class Band:
    """The normal matrix of T frames with n variables each: a block a frame, plus smoothness over
    time.

    Smoothness is Σ slow (x_{t+1} − x_t)² + even (x_{t+1} − 2 x_t + x_{t−1})², variable by variable.
    Everything is written as half the gradient and half the Hessian of the sum of squares.

    Args:
        blocks: (T, n, n) symmetric.
        slow, even: (n,) weights.
    """

    def __init__(self, blocks: np.ndarray, slow: np.ndarray, even: np.ndarray):
        self.blocks, self.slow, self.even = blocks, slow, even
        frames = len(blocks)
        self.first = [_diagonal((-1, 1), frames, k) for k in range(3)]
        self.second = [_diagonal((1, -2, 1), frames, k) for k in range(3)]

    def add(self, weights: np.ndarray) -> None:
        """Add (n,) to every frame's diagonal."""
        index = np.arange(len(weights))
        self.blocks[:, index, index] += weights

    def pull(self, change: np.ndarray, bend: np.ndarray) -> np.ndarray:
        """(T, n) half the gradient of the smoothness, from first (T − 1, n) and second (T − 2, n)
        differences."""
        out = np.zeros((len(self.blocks), len(self.slow)))
        out[:-1] -= self.slow * change
        out[1:] += self.slow * change
        for k, factor in enumerate((1, -2, 1)):
            out[k : len(out) - 2 + k] += factor * self.even * bend
        return out

    def solve(self, slope, free, between, far_slope, far_square, damping: float):
        """The step against the slope: (T, n) of the frames and (B,) of the far variables.

        Args:
            slope: (T, n) half gradient; ``free`` (T, n) bool: the others do not move.
            between: (T, n, B) mixed second derivatives of frames and far variables.
            far_slope, far_square: (B,) and (B, B).
            damping: of Levenberg and Marquardt: every diagonal entry grows by this part of itself.
        """
        from scipy.linalg import solveh_banded

        size = slope.size
        right = np.concatenate([-slope[..., None], between], -1) * free[..., None]
        solved = solveh_banded(
            self._lower(free, damping), right.reshape(size, -1), lower=True, check_finite=False
        )
        own, shared = solved[:, 0], solved[:, 1:]
        mixed = right.reshape(size, -1)[:, 1:]
        square = far_square + damping * np.diag(np.diag(far_square)) - mixed.T @ shared
        far = np.linalg.solve(square, -far_slope - mixed.T @ own)
        return (own - shared @ far).reshape(slope.shape), far

    def _lower(self, free: np.ndarray, damping: float) -> np.ndarray:
        """(2n + 1, T n) the matrix's lower diagonals; a variable that is not free stands alone."""
        frames, n = free.shape
        blocks = self.blocks * free[:, :, None] * free[:, None, :]
        out = np.zeros((2 * n + 1, frames, n))
        for k in range(n):
            out[k, :, : n - k] = np.diagonal(blocks, -k, 1, 2)
        for k in range(min(3, frames)):
            held = free[: frames - k] & free[k:]
            smooth = self.slow * self.first[k][:, None] + self.even * self.second[k][:, None]
            out[k * n, : frames - k] += smooth * held
        out[0] = np.where(free, out[0] * (1 + damping) + 1e-9, 1.0)
        return out.reshape(len(out), -1)[: frames * n]  # no more diagonals than columns


def _diagonal(row: tuple, frames: int, k: int) -> np.ndarray:
    """(T − k,) the k-th diagonal of DᵀD, where D takes the difference ``row`` of neighbouring
    frames."""
    rows = max(frames - len(row) + 1, 0)
    out = np.zeros(max(frames - k, 0))
    for i in range(len(row) - k):
        out[i : i + rows] += row[i] * row[i + k]
    return out
