"""How many frames a second the two backbones learn from: FrameFormer as shipped, DSTformer
``tiny``.

    python -m benchmarks.ablations.backbones [--batch 4] [--runs 5]

One training step (forward, loss, backward) of the prior on the same batch, warm, interleaved;
medians and their ratio. The gap is why the shipped prior is a FrameFormer.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from stride_nb.models.motion_prior import CHANNELS
from stride_nb.models.registry import build
from stride_nb.training.recipes import RECIPES


def step(network: torch.nn.Module, features: torch.Tensor) -> float:
    """Seconds of one forward and backward pass in bfloat16 products, as in training."""
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        answer = network(features)
    answer.joints.norm(dim=-1).mean().backward()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    features = torch.randn(args.batch, 243, 17, CHANNELS)
    networks = {
        name: build(r.head, r.backbone, r.config)
        for name, r in RECIPES.items()
        if r.head == "prior"
    }
    times: dict[str, list[float]] = {name: [] for name in networks}
    for run in range(args.runs + 1):
        for name, network in networks.items():
            seconds = step(network, features)
            times[name] += [seconds] if run else []  # the first is a warm-up
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        size = sum(p.numel() for p in networks[name].parameters())
        print(f"{name}: {size} parameters, {args.batch * 243 / seconds:.0f} frames/s")
    print(f"ratio prior_dstformer/prior: {medians['prior_dstformer'] / medians['prior']:.1f}")


if __name__ == "__main__":
    main()
