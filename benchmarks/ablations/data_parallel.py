"""Training by two processes against training by one: the losses of every step, and seconds a step.

    python -m benchmarks.ablations.data_parallel [--steps 50] [--batch 5]

The shipped prior's network and optimiser on synthetic walks, in full precision, on CPUs. *two* are
joined by ``torchrun``; *killed* begins with two, of which one is killed (−9) after two fifths of
the steps, goes on with one until after seven tenths, and ends with two. Each run has the same seed;
the greatest difference of a step's loss from that of *one* is recorded. An odd batch makes the
shares unequal. Writes ``data/results/data_parallel.json``.
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

import torch

from benchmarks.study import Study, make_parser
from stride_nb import datasets
from stride_nb.data_files import CHECKOUT
from stride_nb.models.registry import build_network
from stride_nb.training.recipes import RECIPES
from stride_nb.training.tasks import Denoise
from stride_nb.training.trainer import train_network

_FRAMES = 81
_MODULE = "benchmarks.ablations.data_parallel"


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


def train(folder: Path, steps: int, batch: int, kill_at: int | None) -> None:
    """Train in this process, one of several perhaps; write seconds of a step beside the run."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipe = RECIPES["prior"]
    settings = replace(recipe.settings, steps=steps, half=False, validate_every=1, save_every=5)
    network = build_network(recipe.head, recipe.backbone, recipe.config)
    task = Walks(batch, kill_at)
    train_network(network, task, settings, folder, "cpu", progress=False)
    seconds = [b - a for a, b in zip(task.began, task.began[1:])]
    (folder / "seconds.json").write_text(json.dumps(statistics.median(seconds)))


def start(
    processes: int, folder: Path, args: argparse.Namespace, kill_at: int | None = None
) -> int:
    """The exit status of a training by so many processes."""
    command = [sys.executable, "-m"]
    if processes > 1:
        command += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command += ["-m"]
    words = [_MODULE, "--folder", folder, "--steps", args.steps, "--batch", args.batch]
    words += [] if kill_at is None else ["--kill", kill_at]
    quiet = None if kill_at is None else subprocess.DEVNULL
    settings = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.call([*command, *map(str, words)], cwd=CHECKOUT, env=settings, stderr=quiet)


def read_losses(folder: Path) -> list[float]:
    """The loss of every step."""
    rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return [row["loss"] for row in rows]


def measure(args: argparse.Namespace, folder: Path) -> list[dict]:
    """The three trainings."""
    plans = {
        "one": [(1, None)],
        "two": [(2, None)],
        "killed": [(2, 2 * args.steps // 5), (1, 7 * args.steps // 10), (2, None)],
    }
    losses, seconds = {}, {}
    for name, plan in plans.items():
        statuses = [start(count, folder / name, args, kill_at) for count, kill_at in plan]
        assert statuses[-1] == 0 and all(statuses[:-1])
        losses[name] = read_losses(folder / name)
        seconds[name] = json.loads((folder / name / "seconds.json").read_text())
    rows = [
        ("loss of the first step", losses["one"][0], "", ""),
        ("loss of the last step", losses["one"][-1], "", ""),
        ("greatest difference of a loss, two from one", _differ(losses, "two"), "", "≤ 1e-05"),
        ("the same, killed and resumed", _differ(losses, "killed"), "", "≤ 1e-05"),
        ("a step, one process", seconds["one"], "s", ""),
        ("a step, two processes", seconds["two"], "s", ""),
    ]
    names = ("measured", "value", "unit", "bar")
    return [{"part": "training"} | dict(zip(names, row)) for row in rows]


def _differ(losses: dict[str, list[float]], name: str) -> float:
    return max(abs(a - b) for a, b in zip(losses[name], losses["one"], strict=True))


def main() -> None:
    """Measure and record; with ``--folder`` one training, here."""
    parser = make_parser(__doc__, steps=50, batch=5)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kill", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder:
        train(args.folder, args.steps, args.batch, args.kill)
        return
    study = Study("data_parallel", {"steps": args.steps, "batch": args.batch}, 0)
    with tempfile.TemporaryDirectory() as folder:
        study.add(measure(args, Path(folder)))
    study.save(
        f"the prior's network and optimiser on synthetic walks, windows of {_FRAMES} frames, full "
        "precision, a thread a process, gloo; seconds: median of the steps",
    )


if __name__ == "__main__":
    main()
