"""Training by two processes against training by one: the losses of every step, and seconds a step.

    python -m benchmarks.ablations.data_parallel [--steps 50] [--batch 9]

The shipped prior's network on synthetic walks, in full precision, on CPUs, by AdamW and by the
recipe's Muon, which rounds to bfloat16 inside. *two* are joined by ``torchrun``; *killed* begins
with two, of which one is killed (−9) after two fifths of the steps, goes on with one until after
seven tenths, and ends with two; *threads* is one process of two threads, for what rounding alone
does. The seed is the same; the greatest difference of a step's loss from that of *one* is recorded.
An odd batch makes the shares unequal. Writes ``data/results/data_parallel.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.study import Study, make_parser, take_precedence
from stride_nb import datasets
from stride_nb.data_files import CHECKOUT
from stride_nb.models.registry import build_network
from stride_nb.training.recipes import RECIPES
from stride_nb.training.tasks import Denoise
from stride_nb.training.trainer import train_network

_FRAMES = 81
_MODULE = "benchmarks.ablations.data_parallel"


class Plan(NamedTuple):
    """How a training is started."""

    processes: int = 1
    kill_at: int | None = None
    threads: int = 1
    optimizer: str = "adamw"


class Walks(Denoise):
    """The prior's task on short windows of walks, without validation; before a step the last
    process may be killed."""

    frames = (_FRAMES,)

    def __init__(self, batch: int, kill_at: int | None):
        clips = [c.joints for c in datasets.load("synthetic", "train", clips=8, seconds=5.0)]
        super().__init__(clips, clips[:1], batch)
        self.kill_at, self.began = kill_at, []

    def make_batch(self, step: int):
        """As of the task."""
        last = os.environ.get("RANK", "0") == str(int(os.environ.get("WORLD_SIZE", 1)) - 1)
        if step == self.kill_at and last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.began.append(time.perf_counter())
        return super().make_batch(step)

    def validate(self, model) -> dict[str, float]:
        """Nothing."""
        return {}


def train(folder: Path, args: argparse.Namespace) -> None:
    """Train in this process, one of several perhaps; write seconds of a step beside the run."""
    take_precedence(args.nice)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    recipe = RECIPES["prior"]
    settings = replace(
        recipe.settings, steps=args.steps, half=False, validate_every=1, save_every=5
    )
    if args.optimizer == "adamw":
        settings = replace(settings, optimizer="adamw", lr=1e-3)
    network = build_network(recipe.head, recipe.backbone, recipe.config)
    task = Walks(args.batch, args.kill)
    train_network(network, task, settings, folder, "cpu", progress=False)
    seconds = [b - a for a, b in zip(task.began, task.began[1:])]
    (folder / "seconds.json").write_text(json.dumps(statistics.median(seconds)))


def start(folder: Path, args: argparse.Namespace, plan: Plan) -> int:
    """The exit status of a training."""
    command = [sys.executable, "-m"]
    if plan.processes > 1:
        command += ["torch.distributed.run", "--standalone", "--nproc-per-node"]
        command += [str(plan.processes), "-m"]
    words = ["--folder", folder, "--steps", args.steps, "--batch", args.batch, "--nice", args.nice]
    words += ["--optimizer", plan.optimizer, "--threads", plan.threads]
    words += [] if plan.kill_at is None else ["--kill", plan.kill_at]
    quiet = None if plan.kill_at is None else subprocess.DEVNULL
    settings = os.environ | {"OMP_NUM_THREADS": str(plan.threads)}
    command += [_MODULE, *map(str, words)]
    return subprocess.call(command, cwd=CHECKOUT, env=settings, stderr=quiet)


def read_losses(folder: Path) -> list[float]:
    """The loss of every step."""
    rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return [row["loss"] for row in rows]


def measure(args: argparse.Namespace, folder: Path) -> list[dict]:
    """Every training from its first start to its end."""
    plans = {
        "adamw one": [Plan()],
        "adamw two": [Plan(2)],
        "adamw killed": [Plan(2, 2 * args.steps // 5), Plan(1, 7 * args.steps // 10), Plan(2)],
        "muon one": [Plan(optimizer="muon")],
        "muon two": [Plan(2, optimizer="muon")],
        "muon threads": [Plan(threads=2, optimizer="muon")],
    }
    losses, seconds = {}, {}
    for name, plan in plans.items():
        statuses = [start(folder / name, args, each) for each in plan]
        assert statuses[-1] == 0 and all(statuses[:-1])
        losses[name] = np.array(read_losses(folder / name))
        seconds[name] = json.loads((folder / name / "seconds.json").read_text())
        print(name, losses[name][-1], seconds[name], flush=True)
    differences = {
        name: float(np.abs(losses[name] - losses[f"{name.split()[0]} one"]).max()) for name in plans
    }
    rows = [
        ("AdamW: loss of the first step", losses["adamw one"][0], "", ""),
        ("loss of the last step", losses["adamw one"][-1], "", ""),
        ("greatest difference, two processes", differences["adamw two"], "", "≤ 1e-05"),
        ("greatest difference, killed and resumed", differences["adamw killed"], "", "≤ 1e-05"),
        ("Muon: greatest difference, two processes", differences["muon two"], "", ""),
        ("greatest difference, one process, two threads", differences["muon threads"], "", ""),
        ("a step, one process", seconds["adamw one"], "s", ""),
        ("a step, two processes", seconds["adamw two"], "s", ""),
    ]
    names = ("measured", "value", "unit", "bar")
    return [{"part": "training"} | dict(zip(names, row)) for row in rows]


def main() -> None:
    """Measure and record; with ``--folder`` one training, here."""
    parser = make_parser(__doc__, steps=50, batch=9, threads=1, nice=0)
    for name, kind in (("--folder", Path), ("--kill", int), ("--optimizer", str)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder:
        train(args.folder, args)
        return
    stated = {name: getattr(args, name) for name in ("steps", "batch", "nice")}
    study = Study("data_parallel", stated, 0)
    with tempfile.TemporaryDirectory() as folder:
        study.add(measure(args, Path(folder)))
    study.save(
        f"the prior's network on synthetic walks, windows of {_FRAMES} frames, full "
        "precision, a thread a process, gloo; seconds: median of the steps",
    )


if __name__ == "__main__":
    main()
