"""DSTformer: published sizes, order of the streams, gradients, and what it refuses."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch.nn import functional as F

from stride_nb.errors import InputError
from stride_nb.models.dstformer import PRESETS, DSTformer

SMALL = {"dim": 16, "rep": 12, "depth": 2, "heads": 2, "mlp_ratio": 2, "maxlen": 20}


@pytest.fixture
def model():
    return DSTformer(**SMALL).double().reset_parameters(torch.Generator().manual_seed(0)).eval()


def clip(frames=9, batch=2, features=3, seed=0):
    return torch.randn(
        batch,
        frames,
        17,
        features,
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float64,
    )


def plain_attention(q, k, v):
    """softmax(q kᵀ / √d) v, written out."""
    return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1) @ v


@pytest.mark.parametrize(("preset", "parameters"), [("base", 42_466_317), ("lite", 16_001_549)])
def test_published_sizes(preset, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in DSTformer(**PRESETS[preset]).parameters()) == parameters


def test_fused_attention_is_the_plain_formula(model):
    x = clip().requires_grad_()
    fused = model(x)
    with mock.patch.object(F, "scaled_dot_product_attention", plain_attention):
        plain = model(x)
    torch.testing.assert_close(fused, plain, rtol=0, atol=1e-12)
    weight = clip(seed=1)
    for a, b in zip(
        *(
            torch.autograd.grad((y * weight).sum(), [x, *model.parameters()])
            for y in (fused, plain)
        ),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_fused_attention_keeps_no_table_of_weights():
    def largest_kept(x):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: kept.append(t.numel()) or t, lambda t: t
        ):
            model(x)
        return max(kept)

    model, x = DSTformer(**SMALL | {"maxlen": 200}).double(), clip(200, batch=1)
    table = 17 * SMALL["heads"] * 200 * 200
    assert largest_kept(x) < table / 4
    with mock.patch.object(F, "scaled_dot_product_attention", plain_attention):
        assert largest_kept(x) >= table


def test_start_weighs_both_streams_alike_and_repeats_with_the_generator():
    a, b, c = (
        DSTformer(**SMALL).reset_parameters(torch.Generator().manual_seed(s)).state_dict()
        for s in (5, 5, 6)
    )
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["head.weight"], c["head.weight"])
    assert (a["ts_attn.0.weight"] == 0).all() and (a["ts_attn.0.bias"] == 0.5).all()
    assert (
        (a["head.bias"] == 0).all()
        and 0.01 < a["pos_embed"].std() < 0.03
        and 0.01 < a["temp_embed"].std() < 0.03
    )


def test_clips_do_not_see_each_other_and_spatial_attention_stays_in_its_frame(model):
    x = clip(batch=3)
    torch.testing.assert_close(model(x)[1:2], model(x[1:2]), rtol=0, atol=1e-12)
    block = model.blocks_st[0]
    tokens = torch.randn(1, 9, 17, 16, dtype=torch.float64)
    other = tokens.clone()
    other[:, 4] += 1
    changed = (
        (block.attn_s(tokens, over_time=False) != block.attn_s(other, over_time=False))
        .flatten(2)
        .any(-1)[0]
    )
    assert changed.tolist() == [t == 4 for t in range(9)]
    other = tokens.clone()
    other[:, :, 3] += 1
    changed = (
        (block.attn_t(tokens, over_time=True) != block.attn_t(other, over_time=True))
        .any(-1)
        .any(1)[0]
    )
    assert changed.tolist() == [j == 3 for j in range(17)]


def test_streams_differ_in_their_order_only(model):
    for st, ts in zip(model.blocks_st, model.blocks_ts, strict=True):
        ts.load_state_dict(st.state_dict())
        assert (st.order, ts.order) == ("st", "ts")
    tokens = torch.randn(1, 9, 17, 16, dtype=torch.float64)
    st, ts = model.blocks_st[0], model.blocks_ts[0]
    assert not torch.allclose(st(tokens), ts(tokens))
    st.order = "ts"
    torch.testing.assert_close(st(tokens), ts(tokens), rtol=0, atol=0)


@pytest.mark.parametrize("frames", [1, 2, 20])
def test_any_length_up_to_maxlen(model, frames):
    y = model(clip(frames))
    assert y.shape == (2, frames, 17, 3) and y.isfinite().all()
    rep = model.get_representation(clip(frames))
    assert rep.shape == (2, frames, 17, 12) and (rep.abs() < 1).all()
    torch.testing.assert_close(model.head(rep), y, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 21, 17, 3), "1 to 20"),
        ((1, 0, 17, 3), "1 to 20"),
        ((1, 5, 16, 3), r"\(B, T, 17, 3\)"),
        ((1, 5, 17, 4), r"\(B, T, 17, 3\)"),
        ((5, 17, 3), r"\(B, T, 17, 3\)"),
    ],
)
def test_refuses_what_it_cannot_take(model, shape, said):
    with pytest.raises(InputError, match=said):
        model(torch.zeros(shape, dtype=torch.float64))


def test_refuses_heads_that_do_not_divide_its_width():
    with pytest.raises(InputError, match="heads"):
        DSTformer(**SMALL | {"heads": 3})


def test_more_features_in_and_out():
    model = DSTformer(5, 2, **SMALL)
    assert model(clip(features=5).float()).shape == (2, 9, 17, 2)
    assert DSTformer(**model.config).config == model.config


def test_every_parameter_gets_a_gradient(model):
    model(clip(20)).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    moved = {n for n, p in model.named_parameters() if p.grad.abs().max() > 0}
    # a bias of the keys shifts all scores of a query alike, so only whole qkv biases can be asked
    # about
    assert {n for n, _ in model.named_parameters()} - moved == set()
