"""``python -m benchmarks tune_filters``: a grid search for the baselines' parameters on the
validation people."""

from __future__ import annotations

import argparse
import inspect
import time
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import records
from stride_nb import datasets
from stride_nb.errors import InputError, parse_natural
from stride_nb.evaluation import metrics
from stride_nb.evaluation.harness import make_cases, select_evenly
from stride_nb.poses.sequence import WINDOW_FRAMES, PoseSequence
from stride_nb.refinement.filters import BASELINES, TUNED
from stride_nb.training.tasks import VALIDATION_REGIMES

__all__ = ["add_arguments", "get_current_parameters", "run", "tune"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks tune_filters``."""
    parser.add_argument("--methods", nargs="+", choices=BASELINES, default=list(BASELINES))
    parser.add_argument("--source", default="cmu", help="motions; its val split (default: cmu)")
    inputs = ("estimator", "lifted")
    parser.add_argument("--inputs", nargs="+", choices=inputs, default=list(inputs))
    parser.add_argument(
        "--clips", type=int, default=10, help="clips of the val split, evenly spread (default: 10)"
    )
    parser.add_argument("--seed", type=parse_natural, default=0)
    parser.add_argument("--out", type=Path, default=Path("data/results/baselines.json"))


def run(args: argparse.Namespace) -> int:
    """Search every grid, write the record, and say where a default in the code differs from the
    best parameters."""
    if args.clips < 1:
        raise InputError("tune", "--clips", "a positive number", args.clips)
    began, rows = time.perf_counter(), []
    clips = datasets.load(args.source, "val")
    clips = [clip[:WINDOW_FRAMES] for clip in clips if len(clip) >= WINDOW_FRAMES]
    for kind in args.inputs:
        cases = make_cases(clips, VALIDATION_REGIMES, seed=args.seed, input=kind)
        cases = select_evenly(cases, args.clips)
        inputs = zip(*((case.sequence, case.truth, case.visible) for case in cases))
        sequences, truths, visibles = map(list, inputs)
        for method in args.methods:
            best, table = tune(method, sequences, truths, visibles)
            errors = next(row for row in table if best.items() <= row.items())
            rows.append(
                {
                    "input": kind,
                    "method": method,
                    "parameters": ", ".join(f"{k} {v:g}" for k, v in best.items()),
                    "mpjpe_hidden": errors["mpjpe_hidden"],
                    "mpjpe_visible": errors["mpjpe_visible"],
                }
            )
            now = get_current_parameters(kind, method)
            print(f"{kind}, {method}: {best}" + ("" if best == now else f"  (in the code: {now})"))
    regimes = list(VALIDATION_REGIMES)
    record = records.make_record(
        "baselines",
        rows,
        parameters={"source": args.source, "regimes": regimes, "clips": args.clips},
        seed=args.seed,
        seconds=time.perf_counter() - began,
        units={"mpjpe_hidden": "mm", "mpjpe_visible": "mm"},
        protocol=f"grid search on {args.source} val, least mean hidden plus mean visible MPJPE",
    )
    records.save(record, args.out)
    return 0


def get_current_parameters(kind: str, method: str) -> dict:
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
        for name, scored in (("mpjpe_hidden", [~v for v in visibles]), ("mpjpe_visible", visibles)):
            row[name] = float(np.mean([e[v].mean() for e, v in zip(errors, scored) if v.any()]))
        table.append(row)
    best = min(table, key=lambda row: row["mpjpe_hidden"] + row["mpjpe_visible"])
    return {name: best[name] for name in function.grid}, table
