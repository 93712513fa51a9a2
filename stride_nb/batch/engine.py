"""Where items run: in this process, in worker processes of this machine, or on a Dask cluster.

Queue, scheduling and the retries of what a lost worker had in hand are Dask's (extra ``cluster``).
Without it the items of one machine run in a plain pool of processes, which retries nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stride_nb.errors import InputError, parse_positive, require

__all__ = [
    "ENGINE_OPTIONS",
    "JOB_QUEUES",
    "Engine",
    "add_engine_arguments",
    "has_dask",
    "limit_threads",
    "make_engine",
    "open_client",
]

ENGINE_OPTIONS = ("workers", "scheduler", "cluster")
"""Options of the command line that say where items run; results do not depend on them."""
JOB_QUEUES = {
    name.lower(): f"dask_jobqueue.{name}Cluster"
    for name in ("SLURM", "PBS", "SGE", "LSF", "OAR", "Moab", "HTCondor")
}
"""Short names of the classes of dask-jobqueue."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ANSWER_SECONDS = 10
# no item waits at a worker: it would be blamed, too, for what ends that
_SCHEDULING = {"distributed.scheduler.worker-saturation": 1.0}


@dataclass(frozen=True)
class Engine:
    """Where items run; without arguments one after the other in this process."""

    workers: int | None = None
    """Processes of this machine; each gets its share of the memory."""
    scheduler: str | None = None
    """Address of a running Dask scheduler, such as ``tcp://node7:8786``."""
    cluster: Path | None = None
    """A TOML file that names a class of Dask cluster and its arguments (see `open_client`)."""
    threads: int = 1
    """Of an item; in this process as many as it has."""

    def __post_init__(self):
        given = [name for name in ENGINE_OPTIONS if getattr(self, name) is not None]
        if len(given) > 1:
            expected = f"one of --{', --'.join(ENGINE_OPTIONS)}"
            raise InputError("engine", "options", expected, " and ".join(given))


def add_engine_arguments(parser: argparse.ArgumentParser, workers: str = "this process") -> None:
    """``--workers``, ``--scheduler`` and ``--cluster``.

    Args:
        workers: what none of them means, for the help.
    """
    group = parser.add_argument_group("where it runs", "one of these; without: in " + workers)
    add = group.add_mutually_exclusive_group().add_argument
    add("--workers", type=parse_positive, help="processes of this machine")
    add("--scheduler", metavar="ADDRESS", help="of a running Dask scheduler (tcp://HOST:8786)")
    add(
        *("--cluster", "--jobqueue", "--slurm"),
        type=Path,
        metavar="FILE",
        help="a TOML file that names a class of Dask cluster (Slurm, Kubernetes, cloud)",
    )


def make_engine(args: argparse.Namespace, threads: int | None = None) -> Engine:
    """The engine of the arguments that `add_engine_arguments` added."""
    return Engine(*(getattr(args, name) for name in ENGINE_OPTIONS), threads=threads or 1)


def has_dask() -> bool:
    """Whether ``dask[distributed]`` is installed."""
    return importlib.util.find_spec("distributed") is not None


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Processes started meanwhile take so many threads."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def open_client(engine: Engine) -> Iterator[Any]:
    """A Dask client of the engine's workers; those that it started end with it.

    A cluster's file names the class (``class``: a short name of dask-jobqueue's such as ``slurm``,
    or the whole path of any other) with its ``[arguments]``, and how many workers: ``[scale]`` or
    ``[adapt]``, the arguments of the methods of that name.

    Raises:
        InputError: no answer, a file that names no such class, or Dask is not installed.
    """
    distributed = require("distributed", "cluster")
    if engine.scheduler is not None:
        with closing(_connect(distributed, engine.scheduler)) as client:
            yield client
        return
    with (
        require("dask", "cluster").config.set(_SCHEDULING),
        _open_cluster(distributed, engine) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _connect(distributed: Any, address: str) -> Any:
    from distributed.comm.addressing import get_address_host_port

    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what it says of a failure is said in one line here
    try:
        get_address_host_port(address, strict=True)  # a client of no address hangs when it ends
        return distributed.Client(address, timeout=_ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        expected = f"a Dask scheduler that answers within {_ANSWER_SECONDS} s"
        found = " ".join(str(error).split())[:200]
        raise InputError(address, "--scheduler", expected, found or "none") from None
    finally:
        logger.setLevel(level)


def _open_cluster(distributed: Any, engine: Engine) -> Any:
    if engine.cluster is not None:
        return _make_cluster(engine.cluster)
    from distributed.system import MEMORY_LIMIT

    count, threads = engine.workers or os.cpu_count() or 1, str(engine.threads)
    return distributed.LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        memory_limit=MEMORY_LIMIT // count,
        env=dict.fromkeys(_THREADS, threads),
        dashboard_address="127.0.0.1:0" if importlib.util.find_spec("bokeh") else None,
        silence_logs=logging.CRITICAL,
    )


def _make_cluster(path: Path) -> Any:
    text = _read_cluster_file(path)
    name = JOB_QUEUES.get(str(text["class"]).lower(), str(text["class"]))
    module, _, kind = name.rpartition(".")
    if not module:
        raise InputError(path, "class", f"{', '.join(JOB_QUEUES)} or package.Class", repr(name))
    make = getattr(require(module, "cluster"), kind, None)
    if make is None:
        raise InputError(path, "class", f"a class of {module}", kind)
    try:
        cluster = make(**text.get("arguments", {}))
        for method in ("scale", "adapt"):
            if method in text:
                getattr(cluster, method)(**text[method])
    except Exception as error:  # somebody else's class
        found = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(path, "cluster", f"a {name} of these arguments", found) from None
    return cluster


def _read_cluster_file(path: Path) -> dict[str, Any]:
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, "file", "TOML", error) from None
    unknown = text.keys() - {"class", "arguments", "scale", "adapt"}
    if "class" not in text or unknown:
        found = ", ".join(text) or "nothing"
        raise InputError(path, "keys", "class, [arguments], and [scale] or [adapt]", found)
    return text
