"""Batches whose workers and clients are killed, clusters that are started by hand, the memory of a
worker: parts of ``benchmarks.scaling``, on processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from stride_nb.batch.manifest import is_input_unchanged
from stride_nb.data_files import CHECKOUT
from stride_nb.errors import require

__all__ = ["measure_clients", "measure_losses", "measure_memory"]

_GRID = ("-p", "method", "gaussian", "prior")
_KILLS = 5
_PAUSE = 0.02  # s between looks
_PATIENCE = 600  # s


def measure_losses(clips: Sequence[Path], folder: Path, seed: int) -> list[dict]:
    """Clips × two methods on two workers; then again, with a worker killed at five random moments
    and the client at one."""
    items, rng = 2 * len(clips), np.random.default_rng(seed)
    with _start_batch(clips, folder / "whole", "--workers", 2) as batch:
        batch.wait()
    moments = np.sort(rng.choice(np.arange(1, items - 10), _KILLS + 1, replace=False))
    client = int(rng.integers(1, _KILLS))
    with ExitStack() as stack:
        batch = stack.enter_context(_start_batch(clips, folder / "killed", "--workers", 2))
        for turn, moment in enumerate(moments):
            _wait_until(lambda count=moment: len(_read_lines(folder / "killed")) >= count)
            if turn != client:
                os.kill(int(rng.choice(_wait_for_workers(batch.pid))), signal.SIGKILL)
                continue
            batch.kill()
            batch.wait()
            batch = stack.enter_context(_start_batch(clips, folder / "killed", "--workers", 2))
        batch.wait()
    rows = [json.loads(line) for line in _read_lines(folder / "killed")]
    return [
        _count("items", items),
        _count("workers killed (−9)", _KILLS),
        _count("clients killed (−9) and run again", 1),
        *_compare_outputs(folder / "whole", folder / "killed"),
        _count("items done", sum(row["status"] == "done" for row in rows), items),
        _count("lines of the manifest", len(rows), items),
        _count("lines that are true", sum(_is_true(r, folder / "killed") for r in rows), items),
    ]


def _compare_outputs(one: Path, other: Path) -> list[dict]:
    whole, killed = _hash_outputs(one), _hash_outputs(other)
    same = sum(killed.get(path) == digest for path, digest in whole.items())
    return [
        _count("output files of the undisturbed run", len(whole)),
        _count("of them the same to the byte", same, len(whole)),
        _count("output files beside them", len(killed.keys() - whole.keys()), 0),
    ]


def _count(measured: str, value: float, bar: object = "", unit: str = "") -> dict:
    return {"measured": measured, "value": value, "unit": unit, "bar": str(bar)}


def _is_true(row: Mapping[str, Any], out: Path) -> bool:
    """Whether the input is the one that a line names, and the files are there."""
    there = all((out / row["item"] / name).is_file() for name in row["files"])
    return there and is_input_unchanged(row, [Path(row["input"])])


def _start(*words: object) -> subprocess.Popen:
    command = [sys.executable, "-m", *map(str, words)]
    quiet = subprocess.DEVNULL
    settings = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=CHECKOUT, env=settings, stdout=quiet, stderr=quiet)


@contextmanager
def _running(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """The process, which ends with the block at the latest."""
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def _start_batch(clips: Sequence[Path], out: Path, *where: object) -> Iterator[subprocess.Popen]:
    words = ("stride_nb", "batch", "refine", *clips, "--out", out, *_GRID, *where)
    with _running(_start(*words)) as process:
        yield process


def _read_lines(out: Path) -> list[str]:
    path = out / "manifest.jsonl"
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _wait_until(condition) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("a batch makes no progress")
        time.sleep(_PAUSE)


def _list_workers(client: int) -> list[int]:
    """Processes of a client's workers."""
    psutil = require("psutil", "cluster")
    found = []
    for child in psutil.Process(client).children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child.pid)
        except psutil.Error:  # it has just ended
            continue
    return found


def _wait_for_workers(client: int) -> list[int]:
    _wait_until(lambda: _list_workers(client))
    return _list_workers(client)


def _hash_outputs(out: Path) -> dict[str, str]:
    """Output → SHA-256, of all items."""
    files = (path for path in out.glob("*/**/*") if path.is_file())
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def measure_clients(clips: Sequence[Path], folder: Path) -> list[dict]:
    """Two clients at once on a scheduler and a worker that were started by hand, over TCP; a second
    worker joins when a sixth is done."""
    about, outs = folder / "scheduler.json", (folder / "one", folder / "other")
    with ExitStack() as stack:

        def start(module: str, *words: object) -> subprocess.Popen:
            quiet = ("--scheduler-file", about, "--no-dashboard", *words)
            return stack.enter_context(_running(_start(f"distributed.cli.{module}", *quiet)))

        worker = ("--nthreads", 1, "--local-directory", folder)
        start("dask_scheduler", "--host", "127.0.0.1", "--port", 0)
        _wait_until(lambda: about.is_file() and about.read_text().strip().endswith("}"))
        address = json.loads(about.read_text())["address"]
        start("dask_worker", *worker)
        batches = [
            stack.enter_context(_start_batch(clips, out, "--scheduler", address)) for out in outs
        ]
        _wait_until(lambda: len(_read_lines(outs[0])) >= len(clips) // 3)
        other = len(_read_lines(outs[1]))
        start("dask_worker", *worker)
        for batch in batches:
            batch.wait()
    rows = [json.loads(line) for out in outs for line in _read_lines(out)]
    workers = [row["worker"] for row in rows]
    late = next((name for name in workers if name != workers[0]), None)
    return [
        _count("items of two clients", 4 * len(clips)),
        _count("items done", sum(row["status"] == "done" for row in rows), 4 * len(clips)),
        _count("done of the second client's when a sixth of the first's was", other, "> 0"),
        _count("items done by the worker that joined late", workers.count(late), "> 0"),
    ]


def measure_memory(short: Path, long: Path, folder: Path) -> list[dict]:
    """Most memory of a worker that refines a long file, and of the single command; and what either
    takes for a short one."""
    few, many = (_compare_memory(path, folder / path.stem) for path in (short, long))
    return [
        _count("single command, a file of 2,000 frames", round(few["single"], 1), unit="MB"),
        _count("worker of the batch, 2,000 frames", round(few["worker"], 1), unit="MB"),
        _count("single command, 100,000 frames", round(many["single"], 1), unit="MB"),
        _count("worker of the batch, 100,000 frames", round(many["worker"], 1), unit="MB"),
        _count("worker over single command", round(many["worker"] / many["single"], 3), "≤ 1.05"),
        _count("outputs the same to the byte", int(many["same"]), 1),
    ]


def _compare_memory(path: Path, folder: Path) -> dict[str, float]:
    """Peaks, MB, of both side by side; and whether their outputs are the same."""
    method = ("--method", "prior")
    words = ("refine", path, "--out", folder / "out", "-p", "method", "prior", "--workers", 1)
    peaks: dict[str, float] = {"single": 0.0, "worker": 0.0}
    with (
        _running(_start("stride_nb", "refine", path, folder / "single.npz", *method)) as single,
        _running(_start("stride_nb", "batch", *words)) as batch,
    ):
        while single.poll() is None or batch.poll() is None:
            if single.poll() is None:
                peaks["single"] = max(peaks["single"], _read_peak(single.pid))
            if batch.poll() is None:
                found = [_read_peak(worker) for worker in _list_workers(batch.pid)]
                peaks["worker"] = max(peaks["worker"], *found, 0.0)
            time.sleep(0.1)
    (row,) = [json.loads(line) for line in _read_lines(folder / "out")]
    outputs = (folder / "single.npz", folder / "out" / row["item"] / path.name)
    return peaks | {"same": len({output.read_bytes() for output in outputs}) == 1}


def _read_peak(process: int) -> float:
    """Most resident memory of a process so far, MB (Linux); 0 of one that has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in text.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / 1000 if lines else 0.0
