"""Fused against plain attention in DSTformer: same outputs, time and peak memory of forward and
backward.

    python -m benchmarks.ablations.attention_kernels --frames 243 [--record]

The plain formula keeps the (T, T) attention weights of every joint and head for the backward pass;
the fused kernel computes them again from the queries and keys. Times are warm, interleaved medians,
by the clock and, less moved by what else the machine does, of the processor; the peak is that of a
process of its own, so that neither formula inherits what the other left in the allocator.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import torch
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks import records
from stride_nb.models.dstformer import PRESETS, DSTformer

__all__ = ["plain_attention"]


def plain_attention(q, k, v):
    """softmax(q kᵀ / √d) v of (N, heads, L, d), written out."""
    return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1) @ v


FORMULAS = {
    "fused": nullcontext,
    "plain": lambda: mock.patch.object(F, "scaled_dot_product_attention", plain_attention),
}


def step(model: DSTformer, x: torch.Tensor, formula: str) -> torch.Tensor:
    """Output and gradients of one forward and backward pass with that formula; returns the
    output."""
    model.zero_grad(set_to_none=True)
    with FORMULAS[formula]():
        y = model(x)
    y.square().mean().backward()
    if x.is_cuda:
        torch.cuda.synchronize()
    return y.detach()


def seconds(model: DSTformer, x: torch.Tensor, runs: int) -> dict[str, list[tuple[float, float]]]:
    """Warm, interleaved times of forward and backward, by the clock and of the processor; formulas
    take turns to go first."""
    taken = {formula: [] for formula in FORMULAS}
    for formula in FORMULAS:
        step(model, x, formula)
    for i in range(runs):
        for formula in list(FORMULAS)[:: 1 if i % 2 else -1]:
            start, used = time.perf_counter(), time.process_time()
            step(model, x, formula)
            taken[formula].append((time.perf_counter() - start, time.process_time() - used))
    return taken


def difference(model: DSTformer, x: torch.Tensor) -> tuple[float, float]:
    """Greatest difference between the formulas: of the outputs, and of the gradients relative to
    the greatest."""
    found = []
    for formula in FORMULAS:
        y = step(model, x, formula)
        found.append((y, torch.cat([p.grad.flatten() for p in model.parameters()])))
    (y, g), (y2, g2) = found
    return (y - y2).abs().max().item(), ((g - g2).abs().max() / g2.abs().max()).item()


def peak(model: DSTformer, x: torch.Tensor, formula: str) -> float:
    """Peak memory of this process (on a GPU: of its tensors) after one forward and backward pass,
    MB."""
    step(model, x, formula)
    if x.is_cuda:
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def peak_elsewhere(arguments: list[str], formula: str) -> float:
    """`peak` in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--peak-of", formula]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--preset", choices=PRESETS, default="base", help="size of the network (default: STRIDE's)"
    )
    parser.add_argument("--frames", type=int, default=243)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each formula")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--record", action="store_true", help="write data/results/attention.json")
    parser.add_argument("--peak-of", choices=FORMULAS, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.peak_of:
        print(json.dumps(peak(*problem(args), args.peak_of)))
    else:  # peaks first: on Linux a child starts with the peak of its parent
        report(
            args,
            {formula: peak_elsewhere(arguments, formula) for formula in FORMULAS},
            *problem(args),
        )
    return 0


def problem(args: argparse.Namespace) -> tuple[DSTformer, torch.Tensor]:
    """The network and its input, seeded."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        model = DSTformer(**PRESETS[args.preset])
    model = model.to_empty(device="cpu").reset_parameters(generator).to(args.device)
    return model, torch.randn(args.batch, args.frames, 17, 3, generator=generator).to(args.device)


def report(
    args: argparse.Namespace, peaks: dict[str, float], model: DSTformer, x: torch.Tensor
) -> None:
    """Print both figures of both formulas, and their ratios; write them down if asked to."""
    start = time.perf_counter()
    where = torch.cuda.get_device_name() if x.is_cuda else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"DSTformer {args.preset}, input {tuple(x.shape)}, float32, torch {torch.__version__}, {where}"
    )
    outputs, gradients = difference(model, x)
    print(f"greatest difference: outputs {outputs:.1e}, gradients {gradients:.1e} of the greatest")
    rows = [
        row(formula, times, peaks[formula], outputs)
        for formula, times in seconds(model, x, args.runs).items()
    ]
    for r in rows:
        print(
            "{attention}: {median:7.3f} s by the clock, {cpu:7.3f} s of the processor, peak {peak:7.0f} MB".format(
                **r
            )
        )
    fused, plain = rows
    ratios = ", ".join(
        f"{name} {fused[key] / plain[key]:.3f}"
        for name, key in (("time", "median"), ("processor", "cpu"), ("memory", "peak"))
    )
    print(f"fused / plain: {ratios} (medians of {args.runs} runs)")
    if args.record:
        parameters = {
            name: getattr(args, name) for name in ("preset", "frames", "batch", "runs", "device")
        }
        records.save(
            records.record(
                "attention",
                rows,
                seed=0,
                seconds=time.perf_counter() - start,
                parameters=parameters | {"threads": torch.get_num_threads()},
                units={"median": "s", "fastest": "s", "cpu": "s", "peak": "MB"},
                protocol="forward and backward, float32, warm, interleaved; peak of a fresh process",
            ),
            ROOT / "data" / "results" / "attention.json",
        )


def row(formula: str, times: list[tuple[float, float]], peak: float, difference: float) -> dict:
    """A formula's line of the record; times in s, memory in MB."""
    clock, cpu = zip(*times)
    return {
        "attention": formula,
        "median": statistics.median(clock),
        "fastest": min(clock),
        "cpu": statistics.median(cpu),
        "peak": peak,
        "output_difference": difference,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
