"""RePOSE's claim, tested: what its ranking losses gain a lifter on people whom it never saw.

``python -m benchmarks ranking_losses`` trains one lifter with neither, the spatial, the temporal
and both ranking losses: from the same weights, on the same batches, for the same number of steps,
under several seeds. The losses' weights are chosen on ``val``; what the record reports is measured
on ``test``. A run that was killed goes on where it stopped. Trainings run side by side where
``--workers``, ``--scheduler`` or ``--cluster`` says so.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks import records
from benchmarks.paired_statistics import RATIO, estimate_ratio, name_interval
from stride_nb import datasets
from stride_nb.batch.engine import ENGINE_OPTIONS, add_engine_arguments, make_engine
from stride_nb.batch.mapping import map_items
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.errors import InputError, atomic_path
from stride_nb.evaluation.bootstrap import bootstrap_interval
from stride_nb.evaluation.lifter_harness import (
    LIFTER_METRICS,
    LifterWindows,
    average_windows,
    make_lifter_windows,
    predict_windows,
    score_windows,
)
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.poses.sequence import count_resampled
from stride_nb.training.pool import Pool, make_frameformer_config, make_lifter
from stride_nb.training.trainer import Settings, train_network

__all__ = ["KINDS", "Variant", "add_arguments", "choose_weights", "run", "summarise"]

RESULT = Path("data/results/ranking.json")
SKIPPED = ("whole_2s",)
"""Regimes that windows of 81 frames have no room for."""


_NOT_RECORDED = ("run", "runs", "out", *ENGINE_OPTIONS)
_POSITIVE = (
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
)


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

    def add(name, default, text="", **options):
        options = {"type": type(default), "default": default} | options
        parser.add_argument(name, help=f"{text} (default: {default})".strip(), **options)

    add("--source", "cmu", "motions; their train, val and test splits")
    add("--seeds", 3, "how many, of weights, pool and batches")
    add("--sweep-seeds", 1, "how many the sweep of the weights takes")
    weights = {"type": float, "nargs": "+"}
    add(
        "--weights",
        [0.3, 1.0, 3.0, 10.0],
        "of the ranking losses, to choose from on val",
        **weights,
    )
    add("--steps", 2000)
    add("--batch", 16)
    add("--frames", 81, "of a window")
    add("--pool", 8192, "training windows, drawn once a seed")
    add("--dim", 128, "width of the network")
    add("--depth", 3, "blocks of the network")
    add("--lr", 1e-3)
    parser.add_argument("--device", help="default: a GPU where there is one")
    add("--threads", torch.get_num_threads(), "of the CPU")
    add("--runs", Path("runs/ranking"), "folder of finished parts", type=Path)
    add("--out", RESULT, "the record", type=Path)
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Sweep the weights on ``val``, train what is not trained yet, write the record of ``test``."""
    _check_arguments(args)
    torch.set_num_threads(args.threads)
    candidates = [v for kind in KINDS for v in _list_candidates(kind, args.weights)]
    sweep, sweep_seconds = _run_all(candidates, min(args.sweep_seeds, args.seeds), "val", args)
    chosen = choose_weights(sweep)
    by_variant, test_seconds = _run_all(chosen, args.seeds, "test", args)
    tested = {v.kind: rows for v, rows in by_variant.items()}
    rows = [
        row | {"source": args.source, "weights": list(v)}
        for v in chosen
        for row in summarise(tested, v.kind)
    ]
    record = records.make_record(
        "ranking",
        _summarise_sweep(sweep) + rows,
        parameters={k: v for k, v in vars(args).items() if k not in _NOT_RECORDED},
        seed=list(range(args.seeds)),
        seconds=sum((sweep_seconds | test_seconds).values()),
        units=LIFTER_METRICS,
        protocol=f"FrameFormer lifter, windows of {args.frames} frames at 50 fps, all windows of "
        f"{args.source}'s test clips; weights chosen on val by the least hidden MPJPE; means over "
        "windows and seeds, intervals by paired bootstrap over clips; ratio: over `neither` on the "
        "same windows",
    )
    records.save(record, args.out)
    pairs = ", ".join(f"{v.kind} {tuple(v)}" for v in chosen)
    print(f"{args.out}: {len(rows)} rows; chosen on val: {pairs}")
    return 0


def _check_arguments(args: argparse.Namespace) -> None:
    for name in _POSITIVE:
        if not np.min(value := getattr(args, name)) > 0:
            raise InputError("ranking", f"--{name.replace('_', '-')}", "more than 0", value)
    if args.dim % (heads := make_frameformer_config(args.dim, args.depth)["heads"]):
        raise InputError("ranking", "--dim", f"a multiple of the {heads} heads", args.dim)
    if args.pool < args.batch:
        expected = f"windows for a step, {args.batch} or more"
        raise InputError("ranking", "--pool", expected, args.pool)
    for split in ("val", "test"):
        _check_clip_length(args.source, split, args.frames)


def _check_clip_length(source: str, split: str, frames: int) -> None:
    """InputError where a split has no clip as long as a window."""
    lengths = [
        count_resampled(len(clip), clip.fps, PRIOR_FPS) for clip in datasets.load(source, split)
    ]
    longest = max(lengths, default=0)
    if longest < frames:
        expected = f"at most {longest}, as long as the longest of {source}'s {split} clips"
        raise InputError("ranking", "--frames", expected, frames)


def _list_candidates(kind: str, weights: Sequence[float]) -> list[Variant]:
    if kind == "neither":
        return [Variant()]
    spatial, temporal = KINDS[kind]
    return [Variant(spatial * w, temporal * w) for w in weights]


def choose_weights(sweep: Mapping[Variant, Sequence[Sequence[Mapping]]]) -> list[Variant]:
    """The variant of least hidden MPJPE of every kind.

    Args:
        sweep: variant → rows of ``score_windows`` a seed.
    """
    hidden = {v: _average(runs)["mpjpe_hidden"] for v, runs in sweep.items()}
    return [min((v for v in hidden if v.kind == kind), key=hidden.__getitem__) for kind in KINDS]


def _average(runs: Sequence[Sequence[Mapping]]) -> dict:
    """Means over the windows of all seeds."""
    return average_windows(list(chain(*runs)))[0]


def _summarise_sweep(sweep: Mapping[Variant, Sequence[Sequence[Mapping]]]) -> list[dict]:
    about = {"experiment": "ranking_sweep", "split": "val"}
    return [
        about
        | {"method": v.kind, "weights": list(v), "seeds": len(runs)}
        | {name: round(float(mean), 4) for name, mean in _average(runs).items()}
        for v, runs in sweep.items()  # `spatial` is an accuracy here
    ]


class Job(NamedTuple):
    """One training and the split that it is scored on."""

    variant: Variant
    seed: int
    split: str

    @property
    def folder(self) -> str:
        """Name of its folder, of every split."""
        return f"{self.variant.spatial:g}-{self.variant.temporal:g}-{self.seed}"


def _run_all(
    variants: Sequence[Variant], seeds: int, split: str, args: argparse.Namespace
) -> tuple[dict[Variant, list[list[dict]]], dict[str, float]]:
    """Variant → rows of ``score_windows`` a seed; and seconds of training by folder."""
    # seed by seed: a process keeps one pool
    jobs = [Job(variant, seed, split) for seed in range(seeds) for variant in variants]
    done = map_items(partial(_run_job, args=args), jobs, make_engine(args, args.threads))
    rows: dict[Variant, list[list[dict]]] = {variant: [] for variant in variants}
    for job, (scores, _) in zip(jobs, done):
        rows[job.variant].append(scores)
    return rows, {job.folder: seconds for job, (_, seconds) in zip(jobs, done)}


def _run_job(job: Job, args: argparse.Namespace) -> tuple[list[dict], float]:
    """Rows of ``score_windows`` and seconds of training; what is done is read from the folder of
    runs."""
    config = make_frameformer_config(args.dim, args.depth)
    settings = [args.source, args.steps, args.batch, args.frames, args.pool, config, args.lr]
    folder = args.runs / job.folder
    path = folder / f"{job.split}.json"
    if path.is_file():
        done = json.loads(path.read_text(encoding="utf-8"))
        if done["asked"] != settings:
            found = f"{done['asked']}; name another --runs"
            raise InputError(path, "settings", f"those of this run, {settings}", found)
        return done["rows"], done["seconds"]
    model, seconds = _train(job, folder, args)
    tests = _make_tests(args.source, job.split, args.frames)
    rows = score_windows(tests, predict_windows(model, tests.features))
    with atomic_path(path) as temporary:
        text = json.dumps({"asked": settings, "seconds": seconds, "rows": rows})
        temporary.write_text(text, encoding="utf-8")
    print(f"{folder.name} {job.split}: {json.dumps(_average([rows]))}", flush=True)
    return rows, seconds


def _train(job: Job, folder: Path, args: argparse.Namespace) -> tuple[nn.Module, float]:
    pool = _make_pool(args.source, args.pool, args.frames, args.batch, job.seed)
    settings = Settings(args.steps, args.lr, validate_every=args.steps, save_every=1000)
    config = make_frameformer_config(args.dim, args.depth)
    model = make_lifter("frameformer", config, pool.truth, job.seed)
    task = pool.with_rank(job.variant)
    model, history = train_network(model, task, settings, folder, args.device)
    return model, history[-1]["seconds"]


@lru_cache(maxsize=1)
def _make_pool(source: str, windows: int, frames: int, batch: int, seed: int) -> Pool:
    return Pool(datasets.load(source, "train"), windows, frames, batch, seed)


@lru_cache(maxsize=2)
def _make_tests(source: str, split: str, frames: int) -> LifterWindows:
    regimes = [name for name in REGIMES if name not in SKIPPED]
    return make_lifter_windows(datasets.load(source, split), regimes, frames)


def summarise(tested: Mapping[str, Sequence[Sequence[Mapping]]], kind: str) -> list[dict]:
    """Rows of the record for one kind: a regime (or ``all``) and metric, with its ratio to
    ``neither``.

    Args:
        tested: kind → rows of ``score_windows`` a seed, the same windows in the same order.
    """
    about = {"experiment": "ranking", "split": "test", "noise": "detector", "input": "2d"}
    regimes = dict.fromkeys(row["regime"] for row in tested[kind][0])
    return [
        about | {"regime": regime, "method": kind, "metric": metric, "unit": unit} | statistics
        for regime in ("all", *regimes)
        for metric, unit in LIFTER_METRICS.items()
        if (statistics := _compare_with_neither(tested, kind, regime, metric))
    ]


def _compare_with_neither(
    tested: Mapping[str, Sequence[Sequence[Mapping]]], kind: str, regime: str, metric: str
) -> dict:
    """Mean, interval, ratio and its range over seeds; empty where no window has the metric."""

    def select(rows: Sequence[Mapping]) -> list[Mapping]:
        return [r for r in rows if metric in r and regime in ("all", r["regime"])]

    # (windows, seeds)
    values, reference = (
        np.array([[r[metric] for r in select(rows)] for rows in tested[k]]).T
        for k in (kind, "neither")
    )
    if not len(values):
        return {}
    clips = [r["clip"] for r in select(tested[kind][0])]
    mean = bootstrap_interval(values.mean(1), None, clips, np.random.default_rng(0))
    ratio = estimate_ratio(values.mean(1), reference.mean(1), clips)
    by_seed = values.mean(0) / reference.mean(0)
    return (
        {"n": len(values), "seeds": values.shape[1]}
        | name_interval(mean)
        | name_interval(ratio, RATIO)
        | name_interval(
            (float(by_seed.min()), float(by_seed.max())),
            ("ratio_least_seed", "ratio_greatest_seed"),
        )
    )
