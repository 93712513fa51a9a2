"""The backbone of a few frames a token: any length, no seams, plain attention."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb.models.frameformer import FrameBlock, FrameFormer

SMALL = {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2}


def network(seed=0, **more):
    torch.manual_seed(seed)
    model = FrameFormer(9, 4, **SMALL | more).eval()
    torch.nn.init.normal_(model.head.weight, std=0.1)  # as if trained: it begins near zero
    return model


@torch.no_grad()
def run(model, frames, batch=2, seed=0):
    return model(torch.randn(batch, frames, 17, 9, generator=torch.Generator().manual_seed(seed)))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5))
def test_any_length_and_patch(frames, patch):
    assert run(network(patch=patch), frames).shape == (2, frames, 17, 4)


def test_begins_near_zero():
    torch.manual_seed(0)
    out = run(FrameFormer(9, 4, **SMALL), 30)
    assert 0 < out.abs().max() < 0.1


@pytest.mark.parametrize("frames", [1, 2, 4, 29])
def test_a_length_between_patches_is_the_last_frame_held(frames):
    model = network()
    x = torch.randn(1, frames, 17, 9)
    held = torch.cat([x, x[:, -1:].expand(-1, -frames % 3, -1, -1)], 1)
    with torch.no_grad():
        torch.testing.assert_close(model(x), model(held)[:, :frames])


def test_sequences_of_a_batch_do_not_see_each_other():
    model = network()
    both = run(model, 12)
    x = torch.randn(2, 12, 17, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = torch.cat([model(x[:1]), model(x[1:])])
    torch.testing.assert_close(both, alone)


def test_every_frame_hears_of_every_other():
    model = network()
    x = torch.randn(1, 30, 17, 9, requires_grad=True)
    model(x)[0, 0].sum().backward()
    assert (x.grad[0].abs().amax((1, 2)) > 0).all()


def test_order_matters():
    model = network()
    x = torch.randn(1, 30, 17, 9)
    with torch.no_grad():
        assert (model(x.flip(1)).flip(1) - model(x)).abs().max() > 1e-3


def test_attention_is_the_plain_formula():
    torch.manual_seed(0)
    block, x = FrameBlock(32, 4, 2).double(), torch.randn(2, 7, 32, dtype=torch.float64)
    q, k, v = block.qkv(block.norm1(x)).chunk(3, -1)
    heads = []
    for h in range(4):
        part = slice(8 * h, 8 * h + 8)
        weight = torch.softmax(q[..., part] @ k[..., part].transpose(1, 2) / np.sqrt(8), -1)
        heads.append(weight @ v[..., part])
    y = x + block.proj(torch.cat(heads, -1))
    y = y + block.fc2(F.gelu(block.fc1(block.norm2(y))))
    torch.testing.assert_close(block(x), y)


def test_half_precision_stays_near():
    model = network()
    x = torch.randn(2, 30, 17, 9)
    with torch.no_grad():
        full = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(x)
    assert (half - full).abs().max() < 0.05 * full.abs().max()
