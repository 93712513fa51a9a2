"""Tables of what many items on several workers cost (records ``scaling`` and ``data_parallel``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import records
from stride_nb.errors import InputError
from stride_nb.viz.tables import Table, make_table

__all__ = ["read_value", "tabulate_part"]


def tabulate_part(path: Path, part: str) -> Table:
    """What was measured in a part of the record, and the criterion that was set before.

    Raises:
        InputError: the record lacks that part.
    """
    rows = [row for row in records.load_rows(path) if row["part"] == part]
    if not rows:
        raise InputError(path, "rows", f"some of {part}", "none")
    shown = [
        {
            "measured": row["measured"],
            "value": _format_value(row),
            "unit": row["unit"] or None,
            "criterion": row["bar"] or None,
        }
        for row in rows
    ]
    if not any(row["unit"] for row in shown):
        shown = [{k: v for k, v in row.items() if k != "unit"} for row in shown]
    return make_table(shown)


def read_value(path: Path, part: str, measured: str) -> float:
    """One number of the record.

    Raises:
        InputError: the record lacks it.
    """
    for row in records.load_rows(path):
        if (row["part"], row["measured"]) == (part, measured):
            return row["value"]
    raise InputError(path, "rows", f"{measured} of {part}", "none")


def _format_value(row: Mapping[str, Any]) -> str:
    """The value, with the range of several rounds."""
    value = _format_number(row["value"])
    least, greatest = row.get("least"), row.get("greatest")
    if least is None or greatest is None or least == greatest:
        return value
    return f"{value} ({_format_number(least)} to {_format_number(greatest)})"


def _format_number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
