"""Tables from rows: one rounding, one look, for notebooks (HTML), the README (Markdown) and a
terminal (text)."""

from __future__ import annotations

import html
import math
import numbers
from collections.abc import Mapping, Sequence

__all__ = ["Table", "make_table"]


class Table:
    """Rounded cells with the best of each column marked: HTML in a notebook, Markdown in the
    README, text when printed."""

    def __init__(
        self,
        header: Sequence[str],
        cells: Sequence[Sequence[str]],
        best: set[tuple[int, int]],
        numeric: set[int],
        volatile: set[int],
    ):
        self.header, self.cells, self.best = list(header), [list(c) for c in cells], best
        self.numeric, self.volatile = numeric, volatile

    def markdown(self) -> str:
        """GitHub's table syntax, best values bold."""
        rule = ["--:" if i in self.numeric else ":--" for i in range(len(self.header))]
        rows = [
            [f"**{c}**" if (r, i) in self.best else c for i, c in enumerate(row)]
            for r, row in enumerate(self.cells)
        ]
        return "\n".join(
            "| " + " | ".join(c.replace("|", r"\|") for c in row) + " |"
            for row in [self.header, rule, *rows]
        )

    def _repr_html_(self) -> str:
        def cell(tag: str, i: int, text: str, bold: bool = False) -> str:
            align, kind = (
                "right" if i in self.numeric else "left",
                ' class="volatile"' * (i in self.volatile and tag == "td"),
            )
            text = html.escape(text)
            return f'<{tag}{kind} style="text-align:{align}">{f"<b>{text}</b>" if bold else text}</{tag}>'

        head = "".join(cell("th", i, h) for i, h in enumerate(self.header))
        rows = (
            "".join(cell("td", i, c, (r, i) in self.best) for i, c in enumerate(row))
            for r, row in enumerate(self.cells)
        )
        body = "\n".join(f"<tr>{row}</tr>" for row in rows)
        return f'<table class="table">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'

    def __repr__(self) -> str:
        return f"<table: {len(self.cells)} rows, {', '.join(self.header)}>"

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.header, *self.cells)]
        return "\n".join(
            "  ".join(
                c.rjust(w) if i in self.numeric else c.ljust(w)
                for i, (c, w) in enumerate(zip(row, widths))
            ).rstrip()
            for row in [self.header, *self.cells]
        )


def make_table(
    rows: Sequence[Mapping],
    digits: int | Mapping[str, int] = 1,
    lower: Sequence[str] = (),
    higher: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    volatile: Sequence[str] = ("seconds",),
) -> Table:
    """Rows as a table; its columns are the keys of all rows, in the order in which they first come.

    Args:
        rows: one mapping a row; a missing key, None or NaN shows as a dash.
        digits: decimals of the floats, for all columns or by column.
        lower, higher: columns whose least / greatest value is marked as the best (all that round to
            it).
        names: column → the heading to show, with its unit.
        volatile: columns that differ from run to run (timings): marked, so that comparing notebooks
            skips them.

    >>> rows = [{"method": "linear", "mpjpe": 41.26}, {"method": "prior", "mpjpe": 30.0}]
    >>> print(make_table(rows, names={"mpjpe": "MPJPE (mm)"}))
    method  MPJPE (mm)
    linear        41.3
    prior         30.0
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    places = digits if isinstance(digits, Mapping) else dict.fromkeys(columns, digits)
    cells = [[_text(row.get(c), places.get(c, 1)) for c in columns] for row in rows]
    numeric = {i for i, c in enumerate(columns) if any(_is_number(row.get(c)) for row in rows)}
    best = set()
    for i, column in enumerate(columns):
        known = [row[column] for row in rows if _is_number(row.get(column))]
        if known and column in (*lower, *higher):
            target = _text((min if column in lower else max)(known), places.get(column, 1))
            best |= {(r, i) for r, row in enumerate(cells) if row[i] == target}
    indices = {i for i, c in enumerate(columns) if c in volatile}
    return Table([str((names or {}).get(c, c)) for c in columns], cells, best, numeric, indices)


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _text(value, digits: int) -> str:
    if value is None or (isinstance(value, numbers.Real) and not math.isfinite(value)):
        return "–"
    if _is_number(value) and not isinstance(value, numbers.Integral):
        return f"{round(float(value), digits) + 0.0:.{digits}f}"  # + 0.0: no "-0.0"
    return str(value)
