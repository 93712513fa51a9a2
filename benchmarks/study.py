"""What every study repeats: its arguments, its windows, its record.

A study is a module ``benchmarks/ablations/NAME.py``, called as ``python -m
benchmarks.ablations.NAME``: it parses its arguments, measures rows, and records them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import nn

from benchmarks import records
from stride_nb.batch.engine import ENGINE_OPTIONS, Engine, add_engine_arguments
from stride_nb.batch.mapping import stream_items
from stride_nb.data_files import CHECKOUT
from stride_nb.evaluation.harness import Case, Place, make_cases
from stride_nb.evaluation.metrics import evaluate_poses
from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement.refine import refine
from stride_nb.refinement.sliding_window import Windows

__all__ = [
    "Study",
    "choose_cases",
    "choose_windows",
    "evaluate_case",
    "make_parser",
    "parse_arguments",
    "predict_window",
    "refine_case",
    "run_elsewhere",
    "sample_cases",
    "take_precedence",
]

T = TypeVar("T", Case, Place)
_HELP = {
    "windows": "windows of a regime and seed",
    "seeds": "how many seeds",
    "seed": "the seed",
    "steps": "training steps",
    "batch": "windows a step",
    "runs": "timed runs",
    "threads": "threads of the CPU",
    "nice": "added to the niceness; less than 0 takes rights",
}


def make_parser(
    description: str | None, side_by_side: bool = False, **defaults: int
) -> argparse.ArgumentParser:
    """A parser with an integer option for each name and default, explained by the module's
    docstring; and with those of the engine, where the parts of the study may run side by side."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in defaults.items():
        text = f"{_HELP[name]} (default: {default})"
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    if side_by_side:
        add_engine_arguments(parser)
    return parser


def parse_arguments(
    parser: argparse.ArgumentParser, words: Sequence[str] | None = None
) -> argparse.Namespace:
    """The arguments of a study; PyTorch takes as many ``threads`` as they say."""
    import torch

    args = parser.parse_args(words)
    torch.set_num_threads(args.threads)
    return args


class Study:
    """One run of a study: its rows, and since when it has been running.

    Args:
        experiment: its name, also the name of the file in ``data/results``.
        arguments: everything that it was called with.
        seed: the seed, or the seeds.
        weights: label → name or file of the trained weights that it measures.

    Raises:
        InputError: an argument that no record may hold, or no such weights.
    """

    def __init__(
        self, experiment: str, arguments: Mapping, seed: int | Sequence[int] | None, **weights
    ):
        self.experiment, self.seed = experiment, seed
        where = {name: arguments.get(name) for name in ENGINE_OPTIONS}
        self.engine = Engine(**where, threads=arguments.get("threads", 1))
        stated = {k: v for k, v in arguments.items() if k not in ENGINE_OPTIONS}
        self.parameters = records.check_parameters(stated, **weights)
        self.rows: list[dict] = []
        self.began = time.perf_counter()

    def add(self, rows: Iterable[Mapping]) -> None:
        """Take rows into the record, and print them."""
        added = [dict(row) for row in rows]
        print(*added, sep="\n", flush=True)
        self.rows += added

    def measure(self, function: Callable[[Any], Iterable[Mapping]], items: Sequence) -> None:
        """Take the rows of every item, in their order, wherever the engine runs them."""
        for rows in stream_items(function, items, self.engine):
            self.add(rows)

    def save(self, protocol: str, units: Mapping[str, str] | None = None) -> None:
        """Write the record: ``protocol`` says in a sentence what was measured on what data."""
        run = records.make_record(
            self.experiment,
            self.rows,
            parameters=self.parameters,
            seed=self.seed,
            seconds=time.perf_counter() - self.began,
            units=units,
            protocol=protocol,
        )
        records.save(run, records.RESULTS / f"{self.experiment}.json")


def take_precedence(nice: int) -> None:
    """Change the niceness of this process; on Linux of its session, too, whose processes share what
    a session gets."""
    os.nice(nice)
    if nice and (group := Path("/proc/self/autogroup")).exists():
        group.write_text(f"{nice}\n")


def run_elsewhere(module: str, *words: object) -> Any:
    """What ``python -m MODULE WORDS`` prints as JSON, run in a process of its own."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    return json.loads(done.stdout)


def choose_windows(candidates: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """``count`` windows of each regime, the same ones for all regimes that have them, spread over
    the clips."""
    names = sorted({(case.clip, case.window) for case in candidates})
    order = [names[i] for i in rng.permutation(len(names))]
    earlier: Counter[str] = Counter()  # windows of a clip
    rank = {}
    for clip, window in order:
        rank[clip, window] = earlier[clip]
        earlier[clip] += 1
    chosen, in_turn = [], sorted(order, key=lambda name: rank[name])
    for regime in dict.fromkeys(case.regime for case in candidates):
        by_name = {(c.clip, c.window): c for c in candidates if c.regime == regime}
        chosen += [by_name[name] for name in in_turn if name in by_name][:count]
    return chosen


def choose_cases(
    clips: Sequence[PoseSequence],
    regimes: Sequence[str],
    noise: str,
    count: int,
    seed: int,
    **options,
) -> list[Case]:
    """The cases that ``choose_windows`` takes of all, by the seed that they are made with; no
    others are made.

    Args:
        options: further arguments of ``make_cases``.
    """
    rng = np.random.default_rng(seed)

    def choose(places: list[Place]) -> list[Place]:
        return choose_windows(places, count, rng)

    return make_cases(clips, regimes, noise, seed=seed, choose=choose, **options)


def sample_cases(
    clips: Sequence[PoseSequence],
    regimes: Sequence[str],
    noise: str,
    count: int,
    seeds: int,
    **options,
) -> list[Case]:
    """``choose_cases`` of every seed below ``seeds``."""
    return [
        case
        for seed in range(seeds)
        for case in choose_cases(clips, regimes, noise, count, seed, **options)
    ]


def refine_case(case: Case, method: str, network: nn.Module) -> np.ndarray:
    """The joints (T, 17, 3), metres, of a case refined by a method."""
    refined = refine(case.sequence, method, network).sequence
    assert isinstance(refined, PoseSequence)
    return refined.joints


def predict_window(sequence: PoseSequence, network: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """The network's flip-averaged answer to a sequence of one window: root-relative joints (T, J,
    3) and scale (T, J), metres."""
    return predict_with_flip(network, Windows(sequence, network).make_features(0))[0]


def evaluate_case(case: Case, joints: np.ndarray) -> dict[str, float]:
    """The metrics of a prediction (T, 17, 3), metres, to a case."""
    return evaluate_poses(joints, case.truth, case.visible, case.sequence.fps)
