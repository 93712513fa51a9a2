"""RePOSE's claim, tested: what its ranking losses buy a lifter on people whom it never saw.

``python -m benchmarks ranking_losses`` trains one lifter with neither, the spatial, the temporal
and both ranking losses: from the same weights, on the same batches, for the same number of steps,
under several seeds. The losses' weights are chosen on ``val``; what the record reports is measured
on ``test``. A run that was killed goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks import records
from stride_nb import datasets
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.errors import InputError, atomic_path
from stride_nb.evaluation.bootstrap import paired_bootstrap
from stride_nb.evaluation.lifter_harness import METRICS, Detected, answers, detect, means, score
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.poses.sequence import frames_at
from stride_nb.training.pool import Pool, config, lifter
from stride_nb.training.trainer import Settings, fit

__all__ = ["KINDS", "Variant", "add_arguments", "run", "summary"]

RESULT = Path("data/results/ranking.json")
SKIPPED = ("whole_2s",)
"""Regimes that windows of 81 frames have no room for."""


class Variant(NamedTuple):
    """Weights of the spatial and the temporal ranking loss."""

    spatial: float = 0.0
    temporal: float = 0.0

    @property
    def kind(self) -> str:
        """Its key in ``KINDS``."""
        return next(
            kind
            for kind, pattern in KINDS.items()
            if pattern == (self.spatial > 0, self.temporal > 0)
        )


KINDS = {
    "neither": (False, False),
    "spatial": (True, False),
    "temporal": (False, True),
    "both": (True, True),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks ranking_losses``."""
    parser.add_argument(
        "--source", default="cmu", help="motions; their train, val and test splits (default: cmu)"
    )
    parser.add_argument(
        "--seeds", type=int, default=3, help="how many, of weights, pool and batches (default: 3)"
    )
    parser.add_argument(
        "--sweep-seeds",
        type=int,
        default=1,
        help="how many the sweep of the weights takes (default: 1)",
    )
    parser.add_argument(
        "--weights",
        type=float,
        nargs="+",
        default=[0.3, 1.0, 3.0, 10.0],
        help="of the ranking losses, to choose from on val (default: 0.3 1 3 10)",
    )
    parser.add_argument("--steps", type=int, default=2000, help="(default: 2000)")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=81, help="of a window (default: 81)")
    parser.add_argument(
        "--pool", type=int, default=8192, help="training windows, drawn once a seed (default: 8192)"
    )
    parser.add_argument("--dim", type=int, default=128, help="width of the network (default: 128)")
    parser.add_argument("--depth", type=int, default=3, help="blocks of the network (default: 3)")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--device", help="default: a GPU where there is one")
    parser.add_argument(
        "--threads",
        type=int,
        default=torch.get_num_threads(),
        help="of the CPU (default: OMP_NUM_THREADS, else PyTorch's choice)",
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/ranking"), help="where finished parts are kept"
    )
    parser.add_argument("--out", type=Path, default=RESULT, help=f"the record (default: {RESULT})")


def run(args: argparse.Namespace) -> int:
    """Sweep the weights on ``val``, train what is not trained yet, write the record of ``test``."""
    for name in (
        "seeds",
        "sweep_seeds",
        "weights",
        "steps",
        "batch",
        "frames",
        "pool",
        "dim",
        "depth",
        "lr",
        "threads",
    ):
        if not np.min(value := getattr(args, name)) > 0:
            raise InputError("ranking", f"--{name.replace('_', '-')}", "more than 0", value)
    if args.dim % (heads := config(args.dim, args.depth)["heads"]):
        raise InputError("ranking", "--dim", f"a multiple of the {heads} heads", args.dim)
    if args.pool < args.batch:
        raise InputError(
            "ranking", "--pool", f"windows for a step, {args.batch} or more", args.pool
        )
    for split in ("val", "test"):
        _fits(args.source, split, args.frames)
    torch.set_num_threads(args.threads)
    bench = _Bench(args)
    swept = {
        v: [bench.rows(v, seed, "val") for seed in range(min(args.sweep_seeds, args.seeds))]
        for kind in KINDS
        for v in _candidates(kind, args.weights)
    }
    chosen = choose(swept)
    # a pool a seed
    by_seed = [[bench.rows(v, seed, "test") for v in chosen] for seed in range(args.seeds)]
    tested = dict(zip(KINDS, zip(*by_seed)))
    sweep = [
        {
            "experiment": "ranking_sweep",
            "split": "val",
            "method": v.kind,
            "weights": list(v),
            "seeds": len(runs),
        }
        # `spatial` is an accuracy here
        | _rounded(**means(sum(runs, []))[0])
        for v, runs in swept.items()
    ]
    rows = [
        row | {"source": args.source, "weights": list(v)}
        for v in chosen
        for row in summary(tested, v.kind)
    ]
    found = records.record(
        "ranking",
        sweep + rows,
        parameters={k: v for k, v in vars(args).items() if k not in ("run", "runs", "out")},
        seed=list(range(args.seeds)),
        seconds=sum(bench.seconds.values()),
        units=METRICS,
        protocol=f"FrameFormer lifter, windows of {args.frames} frames at 50 fps, all windows of {args.source}'s test clips; "
        "weights chosen on val by the least hidden MPJPE; means over windows and seeds, intervals by paired "
        "bootstrap over clips; ratio: over `neither` on the same windows",
    )
    records.save(found, args.out)
    print(
        f"{args.out}: {len(rows)} rows; chosen on val: {', '.join(f'{v.kind} {tuple(v)}' for v in chosen)}"
    )
    return 0


def _fits(source: str, split: str, frames: int) -> None:
    """InputError where a split has no clip as long as a window."""
    longest = max(
        (frames_at(len(clip), clip.fps, PRIOR_FPS) for clip in datasets.load(source, split)),
        default=0,
    )
    if longest < frames:
        raise InputError(
            "ranking",
            "--frames",
            f"at most {longest}, as long as the longest of {source}'s {split} clips",
            frames,
        )


def _candidates(kind: str, weights: Sequence[float]) -> list[Variant]:
    spatial, temporal = KINDS[kind]
    return (
        [Variant()] if kind == "neither" else [Variant(spatial * w, temporal * w) for w in weights]
    )


def choose(swept: Mapping[Variant, Sequence[Sequence[Mapping]]]) -> list[Variant]:
    """Of every kind the variant of least hidden MPJPE; ``swept``: variant → rows of ``score`` a
    seed."""
    hidden = {v: means(sum(map(list, runs), []))[0]["mpjpe_hidden"] for v, runs in swept.items()}
    return [min((v for v in hidden if v.kind == kind), key=hidden.get) for kind in KINDS]


class _Bench:
    """Trains and scores, once: what is done is read from the folder of runs."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.seconds: dict[str, float] = {}
        """Of training, by folder."""
        self.config = config(args.dim, args.depth)
        self._pools: dict[int, Pool] = {}
        self._tests: dict[str, Detected] = {}

    def rows(self, variant: Variant, seed: int, split: str) -> list[dict]:
        """Rows of ``score`` of that variant and seed on a split."""
        args = self.args
        asked = [args.source, args.steps, args.batch, args.frames, args.pool, self.config, args.lr]
        folder = args.runs / f"{variant.spatial:g}-{variant.temporal:g}-{seed}"
        path = folder / f"{split}.json"
        if path.is_file():
            done = json.loads(path.read_text(encoding="utf-8"))
            if done["asked"] != asked:
                raise InputError(
                    path,
                    "settings",
                    f"those of this run, {asked}",
                    f"{done['asked']}; name another --runs",
                )
        else:
            model, seconds = self._trained(variant, seed, folder)
            tests = self._detected(split)
            done = {
                "asked": asked,
                "seconds": seconds,
                "rows": score(tests, answers(model, tests.features)),
            }
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(done), encoding="utf-8")
            print(f"{folder.name} {split}: {json.dumps(means(done['rows'])[0])}", flush=True)
        self.seconds[folder.name] = done["seconds"]
        return done["rows"]

    def _trained(self, variant: Variant, seed: int, folder: Path) -> tuple[nn.Module, float]:
        args = self.args
        if seed not in self._pools:
            clips = datasets.load(args.source, "train")
            self._pools = {seed: Pool(clips, args.pool, args.frames, args.batch, seed)}
        pool = self._pools[seed].with_rank(variant)
        settings = Settings(args.steps, args.lr, validate_every=args.steps, save_every=1000)
        model, history = fit(
            lifter("frameformer", self.config, pool.truth, seed),
            pool,
            settings,
            folder,
            args.device,
        )
        return model, history[-1]["seconds"]

    def _detected(self, split: str) -> Detected:
        if split not in self._tests:
            regimes = [name for name in REGIMES if name not in SKIPPED]
            self._tests[split] = detect(
                datasets.load(self.args.source, split), regimes, self.args.frames
            )
        return self._tests[split]


def summary(tested: Mapping[str, Sequence[Sequence[Mapping]]], kind: str) -> list[dict]:
    """Rows of the record for one kind: a regime (or ``all``) and metric, with its ratio to
    ``neither``.

    Args:
        tested: kind → rows of ``score`` a seed, the same windows in the same order.
    """
    rows = []
    for regime in ("all", *dict.fromkeys(row["regime"] for row in tested[kind][0])):
        for metric, unit in METRICS.items():
            ours, plain = (_table(tested[k], regime, metric) for k in (kind, "neither"))
            if not len(ours):
                continue
            clips = [
                r["clip"] for r in tested[kind][0] if metric in r and regime in ("all", r["regime"])
            ]
            value = paired_bootstrap(ours.mean(1), None, clips, np.random.default_rng(0))
            ratio = paired_bootstrap(ours.mean(1), plain.mean(1), clips, np.random.default_rng(0))
            by_seed = ours.mean(0) / plain.mean(0)
            rows.append(
                {
                    "experiment": "ranking",
                    "split": "test",
                    "noise": "detector",
                    "input": "2d",
                    "regime": regime,
                    "method": kind,
                    "metric": metric,
                    "unit": unit,
                    "n": len(ours),
                    "seeds": ours.shape[1],
                }
                | _rounded(
                    value=value.value,
                    ci_low=value.low,
                    ci_high=value.high,
                    ratio=ratio.value,
                    ratio_low=ratio.low,
                    ratio_high=ratio.high,
                    ratio_least_seed=by_seed.min(),
                    ratio_greatest_seed=by_seed.max(),
                )
            )
    return rows


def _table(runs: Sequence[Sequence[Mapping]], regime: str, metric: str) -> np.ndarray:
    """(windows, seeds) of a metric."""
    return np.array(
        [
            [r[metric] for r in rows if metric in r and regime in ("all", r["regime"])]
            for rows in runs
        ]
    ).T


def _rounded(**numbers: float) -> dict[str, float]:
    return {name: round(float(number), 4) for name, number in numbers.items()}
