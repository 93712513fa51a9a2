"""DSTformer, the network of MotionBERT, STRIDE and RePOSE: two streams of attention.

Zhu et al., "MotionBERT: A Unified Perspective on Learning Human Motion Representations", ICCV 2023.
One stream attends to the joints of a frame first and then along time, the other the other way
round; after every stage a softmax, learnt per token, mixes them. Parameters carry the published
names, so published weights load as they are (`checkpoints`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stride_nb.errors import InputError

__all__ = ["PRESETS", "DSTformer"]

PRESETS: dict[str, dict[str, int]] = {
    "tiny": {"dim": 64, "rep": 128, "depth": 3, "heads": 4, "mlp_ratio": 2, "maxlen": 243},
    "lite": {"dim": 256, "rep": 512, "depth": 5, "heads": 8, "mlp_ratio": 4, "maxlen": 243},
    "base": {"dim": 512, "rep": 512, "depth": 5, "heads": 8, "mlp_ratio": 2, "maxlen": 243},
}
"""``tiny`` trains on two CPU cores, ``lite`` is RePOSE's (MotionBERT-Lite), ``base`` STRIDE's
(MotionBERT)."""


Tokens = Float[Tensor, "B T J D"]


class Attention(nn.Module):
    """Multi-head self-attention over the joints of a frame, or over the frames of a joint."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tokens, over_time: bool) -> Tokens:
        """softmax(q kᵀ / √d) v along T or along J."""
        qkv = self.qkv(x)
        if over_time:
            qkv = qkv.transpose(1, 2)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).flatten(0, 1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v)  # (B·J or B·T, heads, T or J, d)
        out = out.transpose(1, 2).flatten(2).unflatten(0, (len(x), -1))
        return self.proj(out.transpose(1, 2) if over_time else out)


class MLP(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tokens) -> Tokens:
        """Token by token."""
        return self.fc2(F.gelu(self.fc1(x)))


class DualOrderBlock(nn.Module):
    """A spatial (`_s`) and a temporal (`_t`) transformer layer, pre-norm, in either order."""

    def __init__(self, dim: int, heads: int, hidden: int, order: str):
        super().__init__()
        self.order = order
        for half in order:
            self.add_module(f"norm1_{half}", nn.LayerNorm(dim, eps=1e-6))
            self.add_module(f"attn_{half}", Attention(dim, heads))
            self.add_module(f"norm2_{half}", nn.LayerNorm(dim, eps=1e-6))
            self.add_module(f"mlp_{half}", MLP(dim, hidden))

    def forward(self, x: Tokens) -> Tokens:
        """Both layers, each with its residual."""
        for half in self.order:
            norm1, attn, norm2, mlp = (
                getattr(self, f"{n}_{half}") for n in ("norm1", "attn", "norm2", "mlp")
            )
            x = x + attn(norm1(x), over_time=half == "t")
            x = x + mlp(norm2(x))
        return x


class DSTformer(nn.Module):
    """Dual-stream spatio-temporal transformer, from joints to joints.

    Args:
        dim_in: features of an input joint: x, y, z, or x, y, confidence, or more.
        dim_out: features of an output joint.
        dim: width D of the tokens; a multiple of ``heads``.
        rep: width of the motion representation.
        depth: stages, each of two parallel blocks.
        heads: attention heads.
        mlp_ratio: hidden width of the MLPs, in multiples of ``dim``.
        maxlen: the longest clip, in frames.
        joints: joints per frame.

    ``config`` holds these arguments, so that ``DSTformer(**model.config)`` builds the same network.

    >>> model = DSTformer(**PRESETS["tiny"])
    >>> model(torch.zeros(2, 27, 17, 3)).shape
    torch.Size([2, 27, 17, 3])
    """

    def __init__(
        self,
        dim_in: int = 3,
        dim_out: int = 3,
        *,
        dim: int,
        rep: int,
        depth: int,
        heads: int,
        mlp_ratio: float,
        maxlen: int,
        joints: int = 17,
    ):
        super().__init__()
        if not isinstance(heads, int) or heads < 1 or dim % heads:
            raise InputError("DSTformer", "heads", f"a divisor of dim ({dim})", repr(heads))
        sizes = {"dim": dim, "rep": rep, "depth": depth, "heads": heads, "mlp_ratio": mlp_ratio}
        self.config = {"dim_in": dim_in, "dim_out": dim_out} | sizes
        self.config |= {"maxlen": maxlen, "joints": joints}
        hidden = round(dim * mlp_ratio)

        def make_blocks(order: str) -> nn.ModuleList:
            return nn.ModuleList(DualOrderBlock(dim, heads, hidden, order) for _ in range(depth))

        self.joints_embed = nn.Linear(dim_in, dim)
        self.pos_embed = nn.Parameter(torch.empty(1, joints, dim))
        self.temp_embed = nn.Parameter(torch.empty(1, maxlen, 1, dim))
        self.blocks_st = make_blocks("st")
        self.blocks_ts = make_blocks("ts")
        self.ts_attn = nn.ModuleList(nn.Linear(2 * dim, 2) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pre_logits = nn.ModuleDict({"fc": nn.Linear(dim, rep)})
        self.head = nn.Linear(rep, dim_out)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> DSTformer:
        """Draw the weights: truncated normals, std 0.02; biases 0; both streams weighted alike."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        for mix in self.ts_attn:
            assert isinstance(mix, nn.Linear)
            nn.init.zeros_(mix.weight)
            nn.init.constant_(mix.bias, 0.5)
        nn.init.trunc_normal_(self.pos_embed, std=0.02, generator=generator)
        nn.init.trunc_normal_(self.temp_embed, std=0.02, generator=generator)
        return self

    def get_representation(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J R"]:
        """The motion representation, in (−1, 1)."""
        self._check_input(x)
        x = self.joints_embed(x) + self.pos_embed + self.temp_embed[:, : x.shape[1]]
        for st, ts, mix in zip(self.blocks_st, self.blocks_ts, self.ts_attn, strict=True):
            a, b = st(x), ts(x)
            weight = mix(torch.cat((a, b), -1)).softmax(-1)
            x = a * weight[..., :1] + b * weight[..., 1:]
        return torch.tanh(self.pre_logits["fc"](self.norm(x)))

    def forward(self, x: Float[Tensor, "B T J C"]) -> Float[Tensor, "B T J K"]:
        """``dim_in`` → ``dim_out`` channels, T from 1 to ``maxlen``, in the units of training."""
        return self.head(self.get_representation(x))

    def _check_input(self, x: Tensor) -> None:
        joints, dim_in, maxlen = (self.config[k] for k in ("joints", "dim_in", "maxlen"))
        if x.ndim != 4 or x.shape[2:] != (joints, dim_in):
            expected = f"shape (B, T, {joints}, {dim_in})"
            raise InputError("DSTformer", "input", expected, tuple(x.shape))
        if not 1 <= x.shape[1] <= maxlen:
            expected = f"1 to {maxlen} (cut longer clips into windows)"
            raise InputError("DSTformer", "frames", expected, x.shape[1])
