"""One function, many independent items: the door through which the package's own work grows, too.

>>> map_items(abs, [-2, 3])
[2, 3]
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from stride_nb import __version__
from stride_nb.batch.engine import Engine, has_dask, limit_threads, open_client
from stride_nb.errors import InputError

__all__ = ["Done", "iterate_items", "map_items", "name_worker", "stream_items"]

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

_ONE_AT_A_TIME = threading.Lock()
_TOGETHER = "10000 days"  # clients of one scheduler take turns, whoever came first


class Done(NamedTuple):
    """What became of an item."""

    index: int
    """Which of the items, from 0."""
    result: Any
    error: BaseException | None
    """What it ended with instead of a result."""


def map_items(
    function: Callable[[Item], Outcome],
    items: Sequence[Item],
    engine: Engine = Engine(),  # noqa: B008  frozen
    title: str | None = None,
) -> list[Outcome]:
    """``[function(item) for item in items]``, wherever the engine runs them: the same results in
    the same order. The first error ends it.

    Args:
        function: of a module, or a ``partial`` of one; workers import it.
        items: plain values, one a call.
        title: of a progress bar on standard error; ``None``: none.
    """
    return list(stream_items(function, items, engine, title))


def stream_items(
    function: Callable[[Item], Outcome],
    items: Sequence[Item],
    engine: Engine = Engine(),  # noqa: B008  frozen
    title: str | None = None,
) -> Iterator[Outcome]:
    """As `map_items`, each result as soon as it and all before it are there."""
    from tqdm import tqdm

    early: dict[int, Outcome] = {}
    following, done = 0, iterate_items(function, items, engine)
    for each in tqdm(done, title, len(items), disable=title is None, mininterval=1):
        if each.error is not None:
            raise each.error
        early[each.index] = each.result
        while following in early:
            yield early.pop(following)
            following += 1


def iterate_items(
    function: Callable[[Item], Outcome],
    items: Sequence[Item],
    engine: Engine = Engine(),  # noqa: B008  frozen
    greet: Callable[[Any], None] = lambda client: None,
) -> Iterator[Done]:
    """What becomes of each item, in the order in which they end; an error does not stop the others.

    Args:
        function, items: as of `map_items`.
        greet: is called once with the Dask client, where there is one, before any work.

    Raises:
        InputError: a scheduler that does not answer or is lost, workers of another version.
    """
    if engine == Engine(threads=engine.threads):
        yield from _iterate_here(function, items)
    elif has_dask() or engine.workers is None:
        yield from _iterate_on_dask(_Call(function, engine.threads), items, engine, greet)
    else:
        yield from _iterate_in_pool(_Call(function, engine.threads), items, engine)


def name_worker() -> str:
    """The worker that this is called in: its address in a cluster, else the number of the
    process."""
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            return get_worker().address
        except ValueError:
            pass
    return f"process {os.getpid()}"


@dataclass(frozen=True)
class _Call:
    """The function as a worker runs it: one item at a time in a process, with so many threads."""

    function: Callable[[Any], Any]
    threads: int
    version: str = __version__

    def __call__(self, item: Any) -> Any:
        _check_version(name_worker(), self.version, __version__)
        with _ONE_AT_A_TIME:
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(self.threads)
            return self.function(item)


def _check_version(worker: str, own: str, found: str) -> None:
    if own != found:
        raise InputError(worker, "version of stride_nb", f"{own}, as of the client", found)


def _iterate_here(function: Callable, items: Sequence) -> Iterator[Done]:
    for index, item in enumerate(items):
        try:
            yield Done(index, function(item), None)
        except Exception as error:
            yield Done(index, None, error)


def _iterate_in_pool(call: _Call, items: Sequence, engine: Engine) -> Iterator[Done]:
    context = get_context("spawn")  # what holds threads does not survive a fork
    with limit_threads(call.threads), ProcessPoolExecutor(engine.workers, context) as pool:
        futures = {pool.submit(call, item): index for index, item in enumerate(items)}
        try:
            for future in as_completed(futures):
                error = future.exception()
                yield Done(futures[future], None if error else future.result(), error)
        finally:
            pool.shutdown(cancel_futures=True)


def _iterate_on_dask(
    call: _Call, items: Sequence, engine: Engine, greet: Callable[[Any], None]
) -> Iterator[Done]:
    import distributed

    with open_client(engine) as client:
        _check_workers(client, call.version)
        greet(client)
        run = uuid4().hex
        keys = {f"item-{run}-{index}": index for index in range(len(items))}
        # the futures are held nowhere else: what a worker had done would be done again when it dies
        futures = distributed.as_completed(
            client.map(call, items, key=list(keys), pure=False, fifo_timeout=_TOGETHER),
            loop=client.loop,
        )
        for future in futures:
            if future.status == "cancelled":
                where = engine.scheduler or client.scheduler.address
                raise InputError(where, "connection", "a scheduler until all is done", "lost it")
            error = _read_error(future)
            yield Done(keys[future.key], None if error else future.result(), error)
            future.release()


def _check_workers(client: Any, own: str) -> None:
    """InputError where a worker that is there lacks this version of the package; one that joins
    later says so item by item."""
    try:
        versions = client.run(_get_version)
    except Exception as error:  # of unpickling, whatever differs there
        found = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        where = client.scheduler.address
        raise InputError(where, "workers", f"stride_nb {own} on every one", found) from None
    for worker, version in versions.items():
        _check_version(worker, own, version)


def _get_version() -> str:
    return __version__


def _read_error(future: Any) -> BaseException | None:
    from distributed.scheduler import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        times = error.allowed_failures + 1
        text = f"its worker ended {times} times: killed, or out of memory"
        return RuntimeError(text)
    return error
