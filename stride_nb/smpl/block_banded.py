"""Least squares over time: variables of each frame, coupled to the neighbouring frames, and a few
variables shared by all frames."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["BandedNormalMatrix"]


class BandedNormalMatrix:
    """The normal matrix of T frames with n variables each: a block a frame, plus smoothness over
    time.

    Smoothness is Σ slow (x_{t+1} − x_t)² + even (x_{t+1} − 2 x_t + x_{t−1})², variable by variable.
    Everything is half the gradient and half the Hessian of the sum of squares.

    Args:
        blocks: symmetric.
        slow, even: weights of first and second differences.
    """

    def __init__(
        self,
        blocks: Float[np.ndarray, "T n n"],
        slow: Float[np.ndarray, " n"],
        even: Float[np.ndarray, " n"],
    ):
        self.blocks, self.slow, self.even = blocks, slow, even

    def add_to_diagonal(self, weights: Float[np.ndarray, " n"]) -> None:
        """Add the weights to every frame's diagonal."""
        index = np.arange(len(weights))
        self.blocks[:, index, index] += weights

    def compute_smoothness_gradient(
        self, change: Float[np.ndarray, "T1 n"], bend: Float[np.ndarray, "T2 n"]
    ) -> Float[np.ndarray, "T n"]:
        """Half the gradient of the smoothness, from its first and second differences."""
        out = np.zeros((len(self.blocks), len(self.slow)))
        out[:-1] -= self.slow * change
        out[1:] += self.slow * change
        for k, factor in enumerate((1, -2, 1)):
            out[k : len(out) - 2 + k] += factor * self.even * bend
        return out

    def solve(
        self,
        gradient: Float[np.ndarray, "T n"],
        free: Bool[np.ndarray, "T n"],
        mixed: Float[np.ndarray, "T n B"],
        shared_gradient: Float[np.ndarray, " B"],
        shared_block: Float[np.ndarray, "B B"],
        damping: float,
    ) -> tuple[Float[np.ndarray, "T n"], Float[np.ndarray, " B"]]:
        """The step of the frames' variables and of the shared ones, by the Schur complement.

        Args:
            gradient: half the gradient of the frames' variables.
            free: the others do not move.
            mixed: second derivatives by the frames' and the shared variables.
            shared_gradient, shared_block: of the shared variables.
            damping: Levenberg and Marquardt's: every diagonal entry grows by this part of itself.
        """
        from scipy.linalg import solveh_banded

        right = np.concatenate([-gradient[..., None], mixed], -1) * free[..., None]
        right = right.reshape(gradient.size, -1)
        lower = self._assemble_lower_band(free, damping)
        solved = solveh_banded(lower, right, lower=True, check_finite=False)
        own, by_shared, mixed = solved[:, 0], solved[:, 1:], right[:, 1:]
        damped = shared_block + damping * np.diag(np.diag(shared_block))
        shared = np.linalg.solve(damped - mixed.T @ by_shared, -shared_gradient - mixed.T @ own)
        return (own - by_shared @ shared).reshape(gradient.shape), shared

    def _assemble_lower_band(self, free: np.ndarray, damping: float) -> np.ndarray:
        """(2n + 1, T n) the matrix's lower diagonals; a variable that is not free stands alone."""
        frames, n = free.shape
        blocks = self.blocks * free[:, :, None] * free[:, None, :]
        band = np.zeros((2 * n + 1, frames, n))
        for k in range(n):
            band[k, :, : n - k] = np.diagonal(blocks, -k, 1, 2)
        for k in range(min(3, frames)):
            both = free[: frames - k] & free[k:]
            first, second = (_gram_diagonal(row, frames, k) for row in ((-1, 1), (1, -2, 1)))
            smooth = self.slow * first[:, None] + self.even * second[:, None]
            band[k * n, : frames - k] += smooth * both
        band[0] = np.where(free, band[0] * (1 + damping) + 1e-9, 1.0)
        return band.reshape(len(band), -1)[: frames * n]  # no more diagonals than columns


def _gram_diagonal(row: tuple, frames: int, k: int) -> np.ndarray:
    """(T − k,) the k-th diagonal of DᵀD, where D takes the difference ``row`` of neighbouring
    frames."""
    rows = max(frames - len(row) + 1, 0)
    out = np.zeros(max(frames - k, 0))
    for i in range(len(row) - k):
        out[i : i + rows] += row[i] * row[i + k]
    return out
