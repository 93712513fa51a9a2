"""A batch from its items to its summary: what is done already is left alone, what ends is written
down at once."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stride_nb.batch.engine import Engine
from stride_nb.batch.manifest import Manifest, is_input_unchanged, open_manifest
from stride_nb.batch.mapping import Done, iterate_items
from stride_nb.cli.batch_items import BatchItem
from stride_nb.cli.batch_run import ASIDE, describe_item, run_item
from stride_nb.cli.batch_summary import tabulate_rows, write_csv, write_page

__all__ = ["is_done", "run_batch"]

_SHOWN = 40


def run_batch(items: Sequence[BatchItem], out: Path, engine: Engine) -> list[dict[str, Any]]:
    """Run what is not done yet; the line of every item, in their order.

    ``out`` then holds a folder an item, ``manifest.jsonl``, ``summary.csv`` and ``index.html``.
    """
    out = Path(os.path.abspath(out))
    with open_manifest(out / "manifest.jsonl") as manifest:
        left = [item for item in items if not is_done(item, manifest.rows.get(item.name), out)]
        if len(left) < len(items):
            print(f"{len(items) - len(left)} of {len(items)} were done before", file=sys.stderr)
        try:
            _run_items(left, out, engine, manifest)
        finally:
            shutil.rmtree(out / ASIDE, ignore_errors=True)
        rows = [manifest.rows[item.name] for item in items]
    write_csv(out / "summary.csv", rows)
    write_page(out / "index.html", f"stride-nb batch {items[0].what}", rows)
    print(tabulate_rows(rows[:_SHOWN]))
    if len(rows) > _SHOWN:
        print(f"… {len(rows) - _SHOWN} more in {out / 'summary.csv'}")
    print(out / "index.html")
    return rows


def is_done(item: BatchItem, row: Mapping[str, Any] | None, out: Path) -> bool:
    """Whether the line says that this item was done, by this version from this input, and its files
    are there."""
    if row is None or row["status"] != "done" or {**row, **describe_item(item)} != row:
        return False
    if not all((out / item.name / name).exists() for name in row["files"]):
        return False
    try:
        return is_input_unchanged(row, item.list_files())
    except OSError:  # it is not there now: whoever runs it says so
        return False


def _run_items(items: Sequence[BatchItem], out: Path, engine: Engine, manifest: Manifest) -> None:
    """Every item's line as soon as it ends, with progress."""
    from tqdm import tqdm

    if not items:
        return
    bar = tqdm(total=len(items), unit="item", mininterval=0.5)
    failed = 0
    with bar:
        done = iterate_items(partial(run_item, out=out), items, engine, partial(_greet, bar))
        for each in done:
            row = _make_row(items[each.index], each)
            manifest.add(row)
            failed += row["status"] != "done"
            bar.set_postfix(done=bar.n + 1 - failed, failed=failed, left=bar.total - bar.n - 1)
            bar.update()


def _make_row(item: BatchItem, done: Done) -> dict[str, Any]:
    """The line of an item; of one that was lost with its worker, too."""
    if done.error is None:
        return done.result
    message = " ".join(str(done.error).split())[:400] or type(done.error).__name__
    return describe_item(item) | {"status": "failed", "message": message}


def _greet(bar: Any, client: Any) -> None:
    """Say where the dashboard is, if it is anywhere, and how many workers there are."""
    from importlib.util import find_spec

    workers = client.scheduler_info(n_workers=-1)["workers"]
    bar.write(f"{len(workers)} workers", file=sys.stderr)
    if find_spec("bokeh") and client.dashboard_link:
        bar.write(f"dashboard: {client.dashboard_link}", file=sys.stderr)
    shared = [address for address, worker in workers.items() if worker["nthreads"] > 1]
    if shared:
        text = "one item at a time all the same; start it with --nthreads 1 --nworkers N"
        bar.write(f"{shared[0]} has several threads: {text}", file=sys.stderr)
