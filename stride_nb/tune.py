"""``python -m stride_nb tune``: parameters of the baselines, found on the validation people."""

from __future__ import annotations

import argparse
import inspect
import time
from pathlib import Path

from . import motions, records
from .baselines import BASELINES, TUNED, tune
from .cases import FRAMES, INPUTS, cases, evenly
from .errors import InputError, natural
from .tasks import VALIDATION

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m stride_nb tune``."""
    parser.add_argument("--methods", nargs="+", choices=BASELINES, default=list(BASELINES))
    parser.add_argument("--source", default="cmu", help="motions; its val split (default: cmu)")
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    parser.add_argument("--clips", type=int, default=10, help="clips of the val split, evenly spread (default: 10)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, default=Path("data/results/baselines.json"))


def run(args: argparse.Namespace) -> int:
    """Search every grid, write the record, and say where a default in the code differs from what was found."""
    if args.clips < 1:
        raise InputError("tune", "--clips", "a positive number", args.clips)
    began, rows = time.perf_counter(), []
    clips = [clip[:FRAMES] for clip in motions.load(args.source, "val") if len(clip) >= FRAMES]
    for kind in args.inputs:
        made = evenly(cases(clips, VALIDATION, seed=args.seed, input=kind), args.clips)
        for method in args.methods:
            best, table = tune(method, [c.sequence for c in made], [c.truth for c in made], [c.visible for c in made])
            found = next(row for row in table if best.items() <= row.items())
            rows.append({"input": kind, "method": method, "parameters": ", ".join(f"{k} {v:g}" for k, v in best.items()),
                         "mpjpe_hidden": found["mpjpe_hidden"], "mpjpe_visible": found["mpjpe_visible"]})
            now = _in_use(kind, method)
            print(f"{kind}, {method}: {best}" + ("" if best == now else f"  (in the code: {now})"))
    records.save(records.record(
        "baselines", rows, parameters={"source": args.source, "regimes": list(VALIDATION), "clips": args.clips},
        seed=args.seed, seconds=time.perf_counter() - began, units={"mpjpe_hidden": "mm", "mpjpe_visible": "mm"},
        protocol=f"grid search on {args.source} val, least mean hidden plus mean visible MPJPE"), args.out)
    return 0


def _in_use(kind: str, method: str) -> dict:
    """The parameters that a method has here for that input."""
    of = inspect.signature(BASELINES[method]).parameters
    return {name: of[name].default for name in BASELINES[method].grid} | TUNED[kind].get(method, {})
