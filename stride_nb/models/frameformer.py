"""FrameFormer: a transformer over time whose tokens are a few frames of the whole body.

DSTformer spends 2·17 tokens a frame; here a token is ``patch`` frames of all joints, so the same
processor time buys more training (``benchmarks/ablations/backbones.py`` measures by how much).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["FrameFormer"]

_FINE = 128  # channels a frame before the last layer


class FrameFormer(nn.Module):
    """A transformer over time, from joints to joints.

    Args:
        dim_in, dim_out: channels a joint.
        dim, depth, heads, mlp_ratio: width and depth of the transformer.
        patch: frames a token.
    """

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        dim: int = 256,
        depth: int = 6,
        heads: int = 8,
        mlp_ratio: int = 4,
        patch: int = 3,
        joints: int = 17,
    ):
        super().__init__()
        self.patch, self.dim_out = patch, dim_out
        self.embed = nn.Linear(patch * joints * dim_in, dim)
        self.blocks = nn.ModuleList(FrameBlock(dim, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, patch * _FINE)
        # The kernel spans neighbouring tokens, so that no seam shows between their frames.
        self.head = nn.Conv1d(_FINE, joints * dim_out, 2 * patch + 1, padding=patch)
        # begins near the interpolation that it corrects
        nn.init.trunc_normal_(self.head.weight, std=0.002)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J K"]:
        """Any T ≥ 1; a last token short of frames repeats the last frame."""
        B, T, J, C = x.shape
        short = -T % self.patch
        if short:
            x = torch.cat([x, x[:, -1:].expand(B, short, J, C)], 1)
        h = self.embed(x.reshape(B, (T + short) // self.patch, -1))
        h = h + _encode_positions(h.shape[1], h.shape[2], h.device).to(h.dtype)
        for block in self.blocks:
            h = block(h)
        h = F.gelu(self.expand(self.norm(h))).reshape(B, T + short, _FINE)
        return self.head(h.transpose(1, 2)).transpose(1, 2)[:, :T].reshape(B, T, J, self.dim_out)


class FrameBlock(nn.Module):
    """Pre-norm attention over time, then a pre-norm MLP, both with residuals."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, mlp_ratio * dim), nn.Linear(mlp_ratio * dim, dim)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Along T."""
        B, T, D = x.shape
        qkv = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        # Written out: for so few tokens the fused kernel's backward pass takes most of a training
        # step on a CPU.
        attended = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1).to(v.dtype) @ v
        x = x + self.proj(attended.transpose(1, 2).reshape(B, T, D))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


def _encode_positions(tokens: int, dim: int, device: torch.device) -> Float[Tensor, "T D"]:
    """Sines and cosines of the token's place (Vaswani et al., 2017)."""
    speed = 1000.0 ** (-torch.arange(0, dim, 2, device=device) / dim)
    angle = torch.arange(tokens, device=device)[:, None] * speed
    return torch.cat([angle.sin(), angle.cos()], -1)
