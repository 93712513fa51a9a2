"""SmoothNet: the same filter for every coordinate, and a window that slides over any length."""

from __future__ import annotations

import pytest
import torch

from stride_nb.errors import InputError
from stride_nb.models.smoothnet import SmoothNet


@pytest.fixture
def net():
    return (
        SmoothNet(window=8, hidden=16, inner=4)
        .double()
        .reset_parameters(torch.Generator().manual_seed(0))
        .eval()
    )


def poses(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_published_layout():
    net = SmoothNet()
    names = set(net.state_dict())
    assert {
        "encoder.0.weight",
        "res_blocks.2.linear1.weight",
        "res_blocks.0.linear2.bias",
        "decoder.bias",
    } <= names
    linear = [32 * 512 + 512, *3 * [512 * 16 + 16 + 16 * 512 + 512], 512 * 32 + 32]
    assert sum(p.numel() for p in net.parameters()) == sum(linear)


def test_formula_written_out(net):
    x = poses(8)
    w = net.state_dict()
    leaky = torch.nn.functional.leaky_relu
    h = leaky(w["encoder.0.weight"] @ x + w["encoder.0.bias"], 0.1)
    for i in range(3):
        inner = leaky(
            w[f"res_blocks.{i}.linear1.weight"] @ h + w[f"res_blocks.{i}.linear1.bias"], 0.2
        )
        h = h + leaky(
            w[f"res_blocks.{i}.linear2.weight"] @ inner + w[f"res_blocks.{i}.linear2.bias"], 0.2
        )
    expected = w["decoder.weight"] @ h + w["decoder.bias"]
    found = net(x[None, :, None, None].expand(1, 8, 17, 3))
    torch.testing.assert_close(
        found, expected[None, :, None, None].expand(1, 8, 17, 3), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("length", [1, 5, 8, 9, 40])
@pytest.mark.parametrize("batch", [3, 256])
def test_sliding_mean_is_that_of_all_windows(net, length, batch):
    x = poses(length, 17, 3)
    held = torch.cat((x, x[-1:].expand(max(0, 8 - length), -1, -1)))
    total, count = torch.zeros_like(held), torch.zeros(len(held), 1, 1)
    for start in range(len(held) - 7):
        total[start : start + 8] += net(held[None, start : start + 8])[0].detach()
        count[start : start + 8] += 1
    torch.testing.assert_close(net.smooth(x, batch), (total / count)[:length], rtol=0, atol=1e-12)


def test_learns_to_smooth():
    generator = torch.Generator().manual_seed(0)
    net = SmoothNet(window=16, hidden=32, inner=8, dropout=0.0).reset_parameters(generator)
    time = torch.linspace(0, 1, 16)[None, :, None, None]
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)

    def batch():
        phase, speed = (torch.rand(32, 1, 4, 3, generator=generator) * s for s in (6.28, 6))
        clean = torch.sin(speed * time + phase)
        return clean, clean + 0.3 * torch.randn(clean.shape, generator=generator)

    for _ in range(150):
        clean, noisy = batch()
        loss = (net(noisy) - clean).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    clean, noisy = batch()
    assert (net(noisy) - clean).abs().mean() < 0.75 * (noisy - clean).abs().mean()


def test_dropout_is_off_when_smoothing(net):
    x = poses(20, 17, 3)
    net.train()
    assert torch.equal(net.smooth(x), net.smooth(x))


@pytest.mark.parametrize("shape", [(1, 7, 17, 3), (8, 17, 3)])
def test_refuses_other_windows(net, shape):
    with pytest.raises(InputError, match=r"\(B, 8, J, C\)"):
        net(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(0, 17, 3), (2, 8, 17, 3)])
def test_refuses_what_is_no_sequence(net, shape):
    with pytest.raises(InputError, match="T ≥ 1"):
        net.smooth(torch.zeros(shape, dtype=torch.float64))
