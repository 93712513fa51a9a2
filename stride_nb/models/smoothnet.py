"""SmoothNet, a learnt temporal filter: one small network over time, the same for every coordinate.

Zeng et al., "SmoothNet: A Plug-and-Play Network for Refining Human Poses in Videos", ECCV 2022. It
treats every coordinate alone, so it smooths a pose but infers none: a baseline, stronger than a
fixed filter. Parameters carry the published names, so published weights load as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stride_nb.errors import InputError

__all__ = ["SmoothNet"]


class ResidualBlock(nn.Module):
    """x + two linear layers, each followed by dropout and a leaky ReLU of slope 0.2."""

    def __init__(self, hidden: int, inner: int, dropout: float):
        super().__init__()
        self.linear1 = nn.Linear(hidden, inner)
        self.linear2 = nn.Linear(inner, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "*batch H"]) -> Float[Tensor, "*batch H"]:
        """Feature by feature of the last axis."""
        y = x
        for linear in (self.linear1, self.linear2):
            y = F.leaky_relu(self.dropout(linear(y)), 0.2)
        return x + y


class SmoothNet(nn.Module):
    """Fully connected network over a window of frames, applied to each coordinate of each joint
    alone.

    Args:
        window: frames seen and returned at once.
        hidden: width of the network.
        inner: width within a residual block.
        blocks: residual blocks.
        dropout: share of features dropped while training.

    >>> SmoothNet()(torch.zeros(2, 32, 17, 3)).shape
    torch.Size([2, 32, 17, 3])
    """

    def __init__(
        self,
        window: int = 32,
        hidden: int = 512,
        inner: int = 16,
        blocks: int = 3,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.config: dict[str, Any] = {"window": window, "hidden": hidden, "inner": inner}
        self.config |= {"blocks": blocks, "dropout": dropout}
        self.encoder = nn.Sequential(nn.Linear(window, hidden), nn.LeakyReLU(0.1))
        self.res_blocks = nn.Sequential(
            *(ResidualBlock(hidden, inner, dropout) for _ in range(blocks))
        )
        self.decoder = nn.Linear(hidden, window)

    def reset_parameters(self, generator: torch.Generator | None = None) -> SmoothNet:
        """Draw the weights: uniform in ±1/√(inputs), as PyTorch does, from ``generator``."""
        for layer in (m for m in self.modules() if isinstance(m, nn.Linear)):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        return self

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J C"]:
        """Windows of T = ``window`` frames, root-relative, in any unit."""
        if x.ndim != 4 or x.shape[1] != self.config["window"]:
            expected = f"shape (B, {self.config['window']}, J, C)"
            raise InputError("SmoothNet", "input", expected, tuple(x.shape))
        return self._filter_last_axis(x.movedim(1, -1)).movedim(-1, 1)

    @torch.no_grad()
    def smooth(self, x: Float[Tensor, "T J C"], batch: int = 256) -> Float[Tensor, "T J C"]:
        """Smooth root-relative, finite ``x`` of any length T ≥ 1.

        The window slides frame by frame and a frame is the mean of the windows that hold it,
        ``batch`` windows at a time. A sequence shorter than the window is padded with its last
        frame. Dropout is turned off.
        """
        window, length = self.config["window"], len(x)
        if x.ndim != 3 or not length:
            raise InputError("SmoothNet", "sequence", "shape (T, J, C) with T ≥ 1", tuple(x.shape))
        self.eval()
        padded = torch.cat((x, x[-1:].expand(max(0, window - length), -1, -1)))
        total, count = torch.zeros_like(padded), torch.zeros_like(padded[:, :1, :1])
        for start in range(0, len(padded) - window + 1, batch):
            stop = min(start + batch, len(padded) - window + 1)
            # (stop − start, J, C, W)
            out = self._filter_last_axis(padded[start : stop + window - 1].unfold(0, window, 1))
            for k in range(window):
                total[start + k : stop + k] += out[..., k]
                count[start + k : stop + k] += 1
        return (total / count)[:length]

    def _filter_last_axis(self, x: Tensor) -> Tensor:
        return self.decoder(self.res_blocks(self.encoder(x)))
