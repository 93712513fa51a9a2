"""Fused against plain attention in DSTformer: same outputs, time and peak memory of forward and
backward.

    python -m benchmarks.ablations.attention_kernels --frames 243 [--record]

The plain formula keeps the (T, T) attention weights of every joint and head for the backward pass;
the fused kernel computes them again from the queries and keys. Times are warm, interleaved medians,
by the clock and, less affected by other load, of the processor; the peak is that of a process of
its own, so that neither formula inherits what the other left in the allocator.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from contextlib import nullcontext
from unittest import mock

import torch
from torch.nn import functional as F

from benchmarks.study import Study, make_parser, run_elsewhere
from stride_nb.models.dstformer import PRESETS, DSTformer

OPTIONS = ("preset", "frames", "batch", "runs", "device")


def compute_plain_attention(q, k, v):
    """softmax(q kᵀ / √d) v of (N, heads, L, d), written out."""
    return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1) @ v


FORMULAS = {
    "fused": nullcontext,
    "plain": lambda: mock.patch.object(F, "scaled_dot_product_attention", compute_plain_attention),
}


def run_step(model: DSTformer, x: torch.Tensor, formula: str) -> torch.Tensor:
    """The output of one forward and backward pass with that formula; the model has the
    gradients."""
    model.zero_grad(set_to_none=True)
    with FORMULAS[formula]():
        y = model(x)
    y.square().mean().backward()
    if x.is_cuda:
        torch.cuda.synchronize()
    return y.detach()


def time_steps(model: DSTformer, x: torch.Tensor, runs: int) -> dict[str, list[tuple]]:
    """Warm, interleaved times of forward and backward, by the clock and of the processor; formulas
    take turns to go first."""
    times: dict[str, list[tuple]] = {formula: [] for formula in FORMULAS}
    for formula in FORMULAS:
        run_step(model, x, formula)
    for i in range(runs):
        for formula in list(FORMULAS)[:: 1 if i % 2 else -1]:
            start, cpu = time.perf_counter(), time.process_time()
            run_step(model, x, formula)
            times[formula].append((time.perf_counter() - start, time.process_time() - cpu))
    return times


def measure_difference(model: DSTformer, x: torch.Tensor) -> tuple[float, float]:
    """Greatest difference between the formulas: of the outputs, and of the gradients relative to
    the greatest."""
    results = []
    for formula in FORMULAS:
        y = run_step(model, x, formula)
        results.append(
            (y, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        )
    (y, g), (y2, g2) = results
    return (y - y2).abs().max().item(), ((g - g2).abs().max() / g2.abs().max()).item()


def measure_peak(model: DSTformer, x: torch.Tensor, formula: str) -> float:
    """Peak memory of this process (on a GPU: of its tensors) after one forward and backward pass,
    MB."""
    run_step(model, x, formula)
    if x.is_cuda:
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def make_problem(args: argparse.Namespace) -> tuple[DSTformer, torch.Tensor]:
    """The network and its input, seeded."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        model = DSTformer(**PRESETS[args.preset])
    model = model.to_empty(device="cpu").reset_parameters(generator).to(args.device)
    return model, torch.randn(args.batch, args.frames, 17, 3, generator=generator).to(args.device)


def measure(args: argparse.Namespace, peaks: dict[str, float]) -> list[dict]:
    """A row a formula; times in s, memory in MB."""
    model, x = make_problem(args)
    outputs, gradients = measure_difference(model, x)
    print(f"greatest difference: outputs {outputs:.1e}, gradients {gradients:.1e} of the greatest")
    rows = []
    for formula, times in time_steps(model, x, args.runs).items():
        clock, cpu = zip(*times)
        rows.append(
            {
                "attention": formula,
                "median": statistics.median(clock),
                "fastest": min(clock),
                "cpu": statistics.median(cpu),
                "peak": peaks[formula],
                "output_difference": outputs,
            }
        )
    return rows


def main() -> None:
    """Both formulas."""
    parser = make_parser(__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="base", help="size of the network")
    parser.add_argument("--frames", type=int, default=243)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each formula")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--record", action="store_true", help="write data/results/attention.json")
    parser.add_argument("--peak-of", choices=FORMULAS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_of:
        print(json.dumps(measure_peak(*make_problem(args), args.peak_of)))
        return
    options = {name: getattr(args, name) for name in OPTIONS}
    study = Study("attention", options | {"threads": torch.get_num_threads()}, 0)
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    peaks = {  # first: on Linux a child starts with the peak of its parent
        formula: run_elsewhere(
            "benchmarks.ablations.attention_kernels", *words, "--peak-of", formula
        )
        for formula in FORMULAS
    }
    study.add(measure(args, peaks))
    fused, plain = study.rows
    keys = {"time": "median", "processor": "cpu", "memory": "peak"}
    ratios = ", ".join(f"{name} {fused[key] / plain[key]:.3f}" for name, key in keys.items())
    print(f"fused / plain: {ratios} (medians of {args.runs} runs)")
    if args.record:
        study.save(
            "forward and backward, float32, warm, interleaved; peak of a fresh process",
            {"median": "s", "fastest": "s", "cpu": "s", "peak": "MB"},
        )


if __name__ == "__main__":
    main()
