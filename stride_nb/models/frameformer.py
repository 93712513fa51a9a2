"""FrameFormer: a transformer over time whose tokens are a few frames of the whole body.

DSTformer spends 2·17 tokens a frame; here a token is ``patch`` frames of all joints, so the same
processor time buys more training (``data/results/architectures.json`` has the comparison). Attention is
by relative time (rotary embedding; Su et al., 2021), so a window may begin anywhere and have any length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FrameFormer"]


class FrameFormer(nn.Module):
    """(B, T, J, dim_in) → (B, T, J, dim_out).

    Args:
        dim_in, dim_out: channels a joint.
        dim, depth, heads, mlp_ratio: width and depth of the transformer.
        patch: frames a token.
    """

    def __init__(self, dim_in: int, dim_out: int, dim: int = 256, depth: int = 6, heads: int = 8,
                 mlp_ratio: int = 4, patch: int = 3, joints: int = 17):
        super().__init__()
        self.config = {"dim_in": dim_in, "dim_out": dim_out, "dim": dim, "depth": depth, "heads": heads,
                       "mlp_ratio": mlp_ratio, "patch": patch, "joints": joints}
        self.patch, self.dim_out = patch, dim_out
        self.embed = nn.Conv1d(joints * dim_in, dim, 3 * patch, stride=patch, padding=patch)
        self.blocks = nn.ModuleList(Block(dim, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        # Kernels overlap, so that no seam shows between the frames of neighbouring tokens.
        self.expand = nn.ConvTranspose1d(dim, dim // 2, 3 * patch, stride=patch, padding=patch)
        self.head = nn.Conv1d(dim // 2, joints * dim_out, 5, padding=2)
        nn.init.trunc_normal_(self.head.weight, std=0.002)  # begins near the interpolation that it corrects
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        B, T, J, C = x.shape
        short = -T % self.patch
        if short:
            x = torch.cat([x, x[:, -1:].expand(B, short, J, C)], 1)
        h = self.embed(x.reshape(B, T + short, J * C).transpose(1, 2)).transpose(1, 2)
        turn = _rotary(h.shape[1], h.shape[2] // self.blocks[0].heads, h.device)
        for block in self.blocks:
            h = block(h, turn)
        h = F.gelu(self.expand(self.norm(h).transpose(1, 2)))
        return self.head(h).transpose(1, 2)[:, :T].reshape(B, T, J, self.dim_out)


class Block(nn.Module):
    """Pre-norm attention over time, then a pre-norm MLP, both with residuals."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, mlp_ratio * dim), nn.Linear(mlp_ratio * dim, dim)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        B, T, D = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(_turned(q, turn), _turned(k, turn), v)
        x = x + self.proj(mixed.transpose(1, 2).reshape(B, T, D))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


def _rotary(tokens: int, dim: int, device) -> tuple[Tensor, Tensor]:
    """cos and sin (tokens, dim/2) of every position's angles."""
    speed = 1000.0 ** (-torch.arange(0, dim, 2, device=device) / dim)
    angle = torch.arange(tokens, device=device)[:, None] * speed
    return angle.cos(), angle.sin()


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = (t.to(x.dtype) for t in turn)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
