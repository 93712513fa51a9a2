"""``python -m benchmarks tune_filters``: parameters of the baselines, found on the validation
people."""

from __future__ import annotations

import argparse
import inspect
import time
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import records
from stride_nb import datasets
from stride_nb.errors import InputError, natural
from stride_nb.evaluation import metrics
from stride_nb.evaluation.harness import FRAMES, INPUTS, cases, evenly
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement.filters import BASELINES, TUNED
from stride_nb.training.tasks import VALIDATION

__all__ = ["add_arguments", "run", "tune"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks tune_filters``."""
    parser.add_argument("--methods", nargs="+", choices=BASELINES, default=list(BASELINES))
    parser.add_argument("--source", default="cmu", help="motions; its val split (default: cmu)")
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    parser.add_argument(
        "--clips", type=int, default=10, help="clips of the val split, evenly spread (default: 10)"
    )
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, default=Path("data/results/baselines.json"))


def run(args: argparse.Namespace) -> int:
    """Search every grid, write the record, and say where a default in the code differs from what
    was found."""
    if args.clips < 1:
        raise InputError("tune", "--clips", "a positive number", args.clips)
    began, rows = time.perf_counter(), []
    clips = [clip[:FRAMES] for clip in datasets.load(args.source, "val") if len(clip) >= FRAMES]
    for kind in args.inputs:
        made = evenly(cases(clips, VALIDATION, seed=args.seed, input=kind), args.clips)
        for method in args.methods:
            best, table = tune(
                method,
                [c.sequence for c in made],
                [c.truth for c in made],
                [c.visible for c in made],
            )
            found = next(row for row in table if best.items() <= row.items())
            rows.append(
                {
                    "input": kind,
                    "method": method,
                    "parameters": ", ".join(f"{k} {v:g}" for k, v in best.items()),
                    "mpjpe_hidden": found["mpjpe_hidden"],
                    "mpjpe_visible": found["mpjpe_visible"],
                }
            )
            now = _in_use(kind, method)
            print(f"{kind}, {method}: {best}" + ("" if best == now else f"  (in the code: {now})"))
    records.save(
        records.record(
            "baselines",
            rows,
            parameters={"source": args.source, "regimes": list(VALIDATION), "clips": args.clips},
            seed=args.seed,
            seconds=time.perf_counter() - began,
            units={"mpjpe_hidden": "mm", "mpjpe_visible": "mm"},
            protocol=f"grid search on {args.source} val, least mean hidden plus mean visible MPJPE",
        ),
        args.out,
    )
    return 0


def _in_use(kind: str, method: str) -> dict:
    """The parameters that a method has here for that input."""
    of = inspect.signature(BASELINES[method]).parameters
    return {name: of[name].default for name in BASELINES[method].grid} | TUNED[kind].get(method, {})


def tune(
    method: str, sequences: list[PoseSequence], truths: list[np.ndarray], visibles: list[np.ndarray]
) -> tuple[dict, list[dict]]:
    """The parameters of a baseline's grid with the least mean hidden plus mean visible MPJPE.

    Args:
        method: a name in ``BASELINES``.
        sequences: what the method gets; use ``val``, never ``test``.
        truths, visibles: for each, (T, J, 3) metres in the same axes, and (T, J) bool.

    Returns:
        The best parameters, and a row for every try: its parameters, ``mpjpe_hidden`` and
        ``mpjpe_visible`` in mm (means over the sequences that have such joints).

    Raises:
        InputError: an unknown method, or nothing hidden or nothing visible in all of the sequences.
    """
    if method not in BASELINES:
        raise InputError("tune", "method", f"one of {', '.join(BASELINES)}", repr(method))
    if not any(v.any() for v in visibles) or all(v.all() for v in visibles):
        raise InputError("tune", "visibles", "hidden and visible joints", "only one of the two")
    function, table = BASELINES[method], []
    for values in product(*function.grid.values()):
        row = dict(zip(function.grid, values))
        errors = [
            metrics.joint_errors_mm(function(s, **row).joints, truth)
            for s, truth in zip(sequences, truths)
        ]
        for name, wanted in (("mpjpe_hidden", False), ("mpjpe_visible", True)):
            row[name] = float(
                np.mean(
                    [e[v == wanted].mean() for e, v in zip(errors, visibles) if (v == wanted).any()]
                )
            )
        table.append(row)
    best = min(table, key=lambda row: row["mpjpe_hidden"] + row["mpjpe_visible"])
    return {name: best[name] for name in function.grid}, table
