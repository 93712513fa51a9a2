"""``python -m benchmarks scaling``: what many items on several workers cost, and what is lost.

Times are of warm workers, a thread each, the ways in turn, ``--rounds`` times; a ratio is that of
the same round. The items are synthetic walks refined by ``stride_ours``, some five seconds each on
a free core. ``--parts`` runs some parts; the record keeps the others' rows. Other work on the
machine stands in the record; ``--nice`` asks for precedence over it.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import records
from benchmarks.lost_workers import measure_clients, measure_losses, measure_memory
from benchmarks.study import take_precedence
from stride_nb import datasets
from stride_nb.batch.engine import Engine, limit_threads
from stride_nb.data_files import DATA
from stride_nb.errors import parse_positive, require
from stride_nb.poses.sequence import PoseSequence

__all__ = ["add_arguments", "measure_rates", "measure_times", "run", "write_clips"]

RESULT = Path("data/results/scaling.json")
_PROTOCOL = (
    "synthetic walks with gaps, refined file to file; times: walks of 40 s by stride_ours, warm "
    "workers of a thread, bare pool, two workers and one in turn, ratios within a round; median, "
    "least and greatest of the rounds; memory: most resident memory of the process; rates: a walk "
    "of a minute; others: share of all cores that other processes took in the 5 s before the part"
)
_ITEM_SECONDS = 40  # of motion
_FILES = (("short", 2000), ("long", 100_000))
"""Name and frames of files whose memory is measured."""
_RATES = (("gaussian", 60), ("prior", 60), ("stride_ours", 10), ("stride_ours", 60))
"""Method, and seconds of the walk."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks scaling``."""
    add = parser.add_argument
    first = [part for part in PARTS if part != "pixels"]
    text = "default: all but pixels, which needs the extra video"
    add("--parts", nargs="+", choices=PARTS, default=first, help=text)
    add("--rounds", type=parse_positive, default=3, help="of timed runs (default: 3)")
    add("--items", type=parse_positive, default=8, help="of a timed run (default: 8)")
    add("--clips", type=parse_positive, default=200, help="whose workers are lost (default: 200)")
    add("--seed", type=int, default=0)
    add("--nice", type=int, default=0, help="added to the niceness; less than 0 takes rights")
    add("--out", type=Path, default=RESULT, help=f"the record (default: {RESULT})")


def run(args: argparse.Namespace) -> int:
    """Measure the parts, merge them into the record."""
    take_precedence(args.nice)
    began, new = time.perf_counter(), []
    for part in args.parts:
        others = require("psutil", "cluster").cpu_percent(5) / 100
        with tempfile.TemporaryDirectory() as folder:
            rows = PARTS[part](args, Path(folder))
        rows = [{"part": part, "others": round(others, 2), "nice": args.nice} | r for r in rows]
        print(*rows, sep="\n", flush=True)
        new += rows
    stored = records.load(args.out) if args.out.is_file() else {"rows": [], "seconds": 0}
    kept = [row for row in stored["rows"] if row["part"] not in args.parts]
    order = list(PARTS)
    record = records.make_record(
        "scaling",
        sorted(kept + new, key=lambda row: order.index(row["part"])),
        parameters={name: getattr(args, name) for name in ("rounds", "items", "clips")},
        seed=args.seed,
        seconds=stored["seconds"] + time.perf_counter() - began,
        protocol=_PROTOCOL,
    )
    records.save(record, args.out)
    print(args.out)
    return 0


def write_clips(folder: Path, count: int, seconds: float) -> list[Path]:
    """Walks with a gap, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, walk in enumerate(datasets.load("synthetic", "test", clips=count, seconds=seconds)):
        joints = walk.joints.copy()
        joints[10:20, 14:17] = np.nan
        paths.append(folder / f"walk{i:03d}.npz")
        PoseSequence(joints, fps=walk.fps).save(paths[-1])
    return paths


def measure_times(args: argparse.Namespace, folder: Path) -> list[dict]:
    """Seconds of the same items in a bare pool of two processes, by ``stride-nb batch`` on two
    workers and on one."""
    inputs = write_clips(folder / "clips", args.items, _ITEM_SECONDS)
    warm = write_clips(folder / "warm", 4, 1)
    seconds: dict[str, list[float]] = {}
    with ExitStack() as stack:
        ways = {
            "bare pool of 2": stack.enter_context(_open_pool(folder)),
            "batch, 2 workers": stack.enter_context(_open_batch(folder, 2)),
            "batch, 1 worker": stack.enter_context(_open_batch(folder, 1)),
        }
        for way in ways.values():
            way(warm, "warm")
        for number in range(args.rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                way(inputs, f"{number}")
                seconds.setdefault(name, []).append(time.perf_counter() - start)
                print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    pool, two, one = map(np.array, seconds.values())
    items = len(inputs)
    return [
        _describe("seconds an item, bare pool of 2", pool * 2 / items, "s"),
        _describe("items a minute, batch with 1 worker", 60 * items / one),
        _describe("items a minute, batch with 2 workers", 60 * items / two),
        _describe("2 workers over 1 worker", one / two, bar="≥ 1.8"),
        _describe("bare pool of 2 over 1 worker", one / pool),
        _describe("batch over bare pool", two / pool, bar="≤ 1.05"),
    ]


def _describe(
    measured: str, values: Sequence[float] | np.ndarray, unit: str = "", bar: str = ""
) -> dict:
    """A row: the median of the rounds, and their range."""
    digits = {"value": np.median(values), "least": np.min(values), "greatest": np.max(values)}
    numbers = {name: round(float(value), 3) for name, value in digits.items()}
    return {"measured": measured, **numbers, "unit": unit, "bar": bar}


def _ignore(text: str) -> None:
    """A command's line that nobody reads."""


def _refine_alone(path: Path, out: Path) -> None:
    """What a loop of one's own would do with an item."""
    from stride_nb.cli.refine_file import refine_file

    refine_file(path, out / path.name, report=_ignore, warn=_ignore)


@contextmanager
def _open_pool(folder: Path) -> Iterator[Callable]:
    with limit_threads(1), ProcessPoolExecutor(2, get_context("spawn")) as pool:

        def refine(paths: Sequence[Path], name: str) -> None:
            out = folder / f"pool-{name}"
            out.mkdir()
            list(pool.map(partial(_refine_alone, out=out), paths))

        yield refine


@contextmanager
def _open_batch(folder: Path, workers: int) -> Iterator[Callable]:
    """``stride-nb batch`` on a scheduler that is running."""
    distributed = require("distributed", "cluster")
    from stride_nb.cli.batch_items import plan_items
    from stride_nb.cli.batch_report import run_batch

    with (
        limit_threads(1),
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
    ):

        def refine(paths: Sequence[Path], name: str) -> None:
            words = [str(path) for path in paths]
            engine = Engine(scheduler=cluster.scheduler_address)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                items = plan_items("refine", words, None, [], ".npz", "poses", ["refine"])
                rows = run_batch(items, folder / f"batch-{workers}-{name}", engine)
            assert {row["status"] for row in rows} == {"done"}

        yield refine


def measure_rates(args: argparse.Namespace, folder: Path) -> list[dict]:
    """Processor time and output of a frame, by method: what an extrapolation starts from."""
    rows, out = [], folder / "out.npz"
    for method, seconds in _RATES:
        (path,) = write_clips(folder, 1, seconds)
        milliseconds = [_time_frame(path, out, method, seconds * 50) for _ in range(3)][1:]
        name = f"processor time a frame, {method}" + f", walk of {seconds} s" * (seconds < 60)
        rows.append(_describe(name, milliseconds, "ms"))
    size = out.stat().st_size / (_RATES[-1][1] * 50)
    return [*rows, _describe("output a frame, one person", [size], "bytes")]


def _time_frame(path: Path, out: Path, method: str, frames: int) -> float:
    """Milliseconds of the processor."""
    from stride_nb.cli.refine_file import refine_file

    start = time.process_time()
    refine_file(path, out, method, report=_ignore, warn=_ignore)
    return 1000 * (time.process_time() - start) / frames


def measure_pixels(args: argparse.Namespace, folder: Path) -> list[dict]:
    """Processor time of estimating a frame of the sample video."""
    from stride_nb.video.estimate import DEFAULT_ESTIMATOR, estimate_poses

    rows, path = [], DATA / "samples" / "behind_a_table.mp4"
    for estimator in (DEFAULT_ESTIMATOR, "mediapipe_heavy"):
        start = time.process_time()
        frames = len(estimate_poses(path, estimator)[0])
        milliseconds = 1000 * (time.process_time() - start) / frames
        rows.append(_describe(f"processor time a frame, {estimator}", [milliseconds], "ms"))
    return rows


def _measure_files(args: argparse.Namespace, folder: Path) -> list[dict]:
    short, long = (
        write_clips(folder / name, 1, frames / 50)[0].rename(folder / f"{name}.npz")
        for name, frames in _FILES
    )
    return measure_memory(short, long, folder)


PARTS: dict[str, Callable[[argparse.Namespace, Path], list[dict[str, Any]]]] = {
    "times": measure_times,
    "losses": lambda args, folder: measure_losses(
        write_clips(folder / "clips", args.clips, 1), folder, args.seed
    ),
    "clients": lambda args, folder: measure_clients(write_clips(folder / "clips", 60, 1), folder),
    "memory": _measure_files,
    "rates": measure_rates,
    "pixels": measure_pixels,
}
"""What is measured, each in a folder of its own."""
