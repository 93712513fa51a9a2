"""One item of a batch, as a worker runs it: its output is written aside and renamed, and whatever
it ends with is a line of the manifest."""

from __future__ import annotations

import importlib
import io
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from uuid import uuid4

from stride_nb import __version__
from stride_nb.batch.facts import collect_facts
from stride_nb.batch.manifest import hash_input
from stride_nb.batch.mapping import name_worker
from stride_nb.cli.batch_items import (
    BatchItem,
    is_notebook,
    make_notebook_parameters,
    parse_command,
)
from stride_nb.cli.batch_thumbnail import make_thumbnail
from stride_nb.errors import UNREADABLE, InputError, require

__all__ = ["ASIDE", "describe_item", "run_item"]

ASIDE = ".partial"
"""Folder, in that of the batch, of what is not done yet."""
THUMBNAIL = "thumbnail"
_LONGEST_TEXT = 400


def describe_item(item: BatchItem) -> dict[str, Any]:
    """What an item is, as its line of the manifest begins."""
    fields = {"item": item.name, "what": item.what, "input": item.input}
    return fields | {"parameters": dict(item.parameters), "version": __version__}


def run_item(item: BatchItem, out: Path) -> dict[str, Any]:
    """Run an item; the line of what became of it. Its folder in ``out`` is there whole, or as it
    was."""
    began, row = time.perf_counter(), describe_item(item)
    said = io.StringIO()
    with collect_facts() as facts:
        try:
            row |= hash_input(item.list_files())
            with _write_aside(out, item.name) as folder, redirect_stderr(said):
                _work(item, folder)
                _add_thumbnail(folder)
                files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))
            row |= {"status": "done", "files": files, "message": _read_notes(said, item)}
        except Exception as error:
            text = _describe_error(error)
            row |= {"status": "failed", "message": _name_target(text, out, item.name)}
    seconds = round(time.perf_counter() - began, 3)
    return row | facts | {"seconds": seconds, "worker": name_worker()}


def _name_target(message: str, out: Path, name: str) -> str:
    """The message, with the folder that an output goes to in place of the one where it is
    written."""
    return re.sub(rf"{re.escape(str(out / ASIDE))}/[0-9a-f]{{32}}", str(out / name), message)


def _work(item: BatchItem, folder: Path) -> None:
    if is_notebook(item.what):
        require("papermill", "notebooks").execute_notebook(
            str(item.base / item.what),
            str(folder / Path(item.what).name),
            parameters=make_notebook_parameters(item, folder),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            cwd=str((item.base / item.what).parent),
        )
        return
    module = importlib.import_module(f"stride_nb.cli.{item.what}")
    with redirect_stdout(io.StringIO()):
        module.run(parse_command(item, folder))


@contextmanager
def _write_aside(out: Path, name: str) -> Iterator[Path]:
    """A new folder, renamed to ``out/name`` on success, removed on failure."""
    aside, target = out / ASIDE / uuid4().hex, out / name
    aside.mkdir(parents=True)
    try:
        yield aside
        if target.exists():
            os.rename(target, aside.with_suffix(".before"))
        os.rename(aside, target)
    finally:
        for path in (aside, aside.with_suffix(".before")):
            shutil.rmtree(path, ignore_errors=True)


def _add_thumbnail(folder: Path) -> None:
    """A thumbnail of the first output that has one."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            if picture := make_thumbnail(path):
                (folder / f"{THUMBNAIL}{picture[0]}").write_bytes(picture[1])
                return
        except UNREADABLE:  # no poses, or in no form that is read here
            continue


def _read_notes(said: io.StringIO, item: BatchItem) -> str:
    """What the command had to assume; of which file stands in the line already."""
    return _cut_line(said.getvalue().replace(f"{item.find_input()}: ", ""))


def _describe_error(error: Exception) -> str:
    """One line, as `errors.run_command` says it."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        parts = (error.filename, error.strerror or error)
        return _cut_line(": ".join(str(part) for part in parts if part))
    name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", error)
    return _cut_line(f"{name}: {value}")  # of a notebook its cell's


def _cut_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else line[:_LONGEST_TEXT] + " …"
