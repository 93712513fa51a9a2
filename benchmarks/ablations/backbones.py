"""Training throughput of the two backbones: FrameFormer as shipped, DSTformer ``tiny``.

    python -m benchmarks.ablations.backbones [--batch 4] [--runs 5] [--threads 1]

One training step (forward, loss, backward) of the prior on the same batch, warm, interleaved;
medians in frames a second, and their ratio. The gap is why the shipped prior is a FrameFormer.
"""

from __future__ import annotations

import statistics
import time

import torch

from benchmarks.study import make_parser, parse_arguments
from stride_nb.models.motion_prior import PRIOR_CHANNELS
from stride_nb.models.registry import build_network
from stride_nb.training.recipes import RECIPES


def time_step(network: torch.nn.Module, features: torch.Tensor) -> float:
    """Seconds of one forward and backward pass in bfloat16 products, as in training."""
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        output = network(features)
    output.joints.norm(dim=-1).mean().backward()
    return time.perf_counter() - began


def main() -> None:
    """Both backbones, in turn."""
    args = parse_arguments(make_parser(__doc__, batch=4, runs=5, threads=torch.get_num_threads()))
    features = torch.randn(args.batch, 243, 17, PRIOR_CHANNELS)
    recipes = {name: r for name, r in RECIPES.items() if r.head == "prior"}
    networks = {n: build_network(r.head, r.backbone, r.config) for n, r in recipes.items()}
    times: dict[str, list[float]] = {name: [] for name in networks}
    for run in range(args.runs + 1):
        for name, network in networks.items():
            seconds = time_step(network, features)
            times[name] += [seconds] if run else []  # the first is a warm-up
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        size = sum(p.numel() for p in networks[name].parameters())
        print(f"{name}: {size} parameters, {args.batch * 243 / seconds:.0f} frames/s")
    print(f"ratio prior_dstformer/prior: {medians['prior_dstformer'] / medians['prior']:.1f}")


if __name__ == "__main__":
    main()
