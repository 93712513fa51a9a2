"""What became of a batch: a table in the terminal, a CSV, and a page with a thumbnail an item."""

from __future__ import annotations

import csv
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stride_nb.errors import atomic_path
from stride_nb.viz.tables import Table, make_table

__all__ = ["tabulate_rows", "write_csv", "write_page"]

_SUMMARY_COLUMNS = ("item", "status", "frames", "occluded", "seconds", "worker", "message")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em}"
    "table{border-collapse:collapse}th,td{padding:.2em .7em;border-bottom:1px solid #ccc}"
    "figure{display:inline-block;margin:.7em;vertical-align:top;max-width:30em}"
    "img{max-width:100%}figcaption{font-size:.8em;overflow-wrap:anywhere}"
)


def tabulate_rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row an item: frames, share of joints occluded, seconds, notes or error, and where its
    output is."""
    shown = [
        {column: row.get(column) for column in _SUMMARY_COLUMNS}
        | {"output": f"{row['item']}/" if row["status"] == "done" else None}
        for row in rows
    ]
    digits = {"occluded": 2, "seconds": 1}
    return make_table(shown, digits, names={"seconds": "seconds", "message": "notes"})


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """All items with their parameters, a column each."""
    names = list(dict.fromkeys(name for row in rows for name in row["parameters"]))
    columns = ["item", "input", *names, *_SUMMARY_COLUMNS[1:], "files"]
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            files = " ".join(f"{row['item']}/{name}" for name in row.get("files", ()))
            writer.writerow({**row, **row["parameters"], "files": files})


def write_page(path: Path, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """The table and the thumbnails, as a page that needs no network."""
    done = sum(row["status"] == "done" for row in rows)
    figures = [figure for row in rows for figure in _make_figures(row)]
    text = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title>\n<style>{_STYLE}</style>\n<h1>{html.escape(title)}</h1>\n"
        f"<p>{done} of {len(rows)} items done.</p>\n{tabulate_rows(rows)._repr_html_()}\n"
        + "\n".join(figures)
        + "\n</html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _make_figures(row: Mapping[str, Any]) -> list[str]:
    """The figure of an item that has a thumbnail."""
    name = html.escape(row["item"])
    return [
        f'<figure><a href="{quote(row["item"])}/"><img loading="lazy" alt="{name}" '
        f'src="{quote(row["item"])}/{quote(file)}"></a><figcaption>{name}</figcaption></figure>'
        for file in row.get("files", ())
        if file.startswith("thumbnail.")
    ]
