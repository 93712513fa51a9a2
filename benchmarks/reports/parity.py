"""How close every component is to the published code: the record of measured differences, read and
drawn.

``STRIDE_NB_RECORD=1 pytest -k reference tests`` writes the record, ``data/results/parity.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import records
from benchmarks.records import RESULTS
from stride_nb.viz import figures

__all__ = ["PARTS", "RECORD", "closeness", "folded", "groups"]

RECORD = RESULTS / "parity.json"
PARTS = {
    "network and its files": ("models.dstformer", "models.checkpoints"),
    "losses": ("models.losses",),
    "metrics": ("evaluation.metrics",),
    "test-time training": ("refinement",),
    "Human3.6M": ("datasets.h36m", "evaluation.h36m_protocol"),
}
"""Part of the published systems → the rooms of this package where it lives."""
_FLOOR = 1e-12  # where identical components are drawn: far below what rounding leaves


def groups() -> dict[str, list[dict]]:
    """Rows of the record by part; a row is a component with its ``room``, how many ``numbers`` were
    compared, the ``greatest`` of them, the greatest absolute ``difference`` and what was
    ``allowed``."""
    rows = records.rows(RECORD)
    return {part: [r for r in rows if r["room"].startswith(rooms)] for part, rooms in PARTS.items()}


def folded(rows: Sequence[Mapping]) -> list[dict]:
    """The rows as a table shows them: the coordinates of an array, and a loss and its gradient,
    together.

    >>> row = {"component": "n_mpjpe", "room": "losses.n_mpjpe", "numbers": 1, "greatest": 0.4,
    "difference": 0.0, "unit": None}
    >>> folded([row, row | {"component": "n_mpjpe, gradient", "numbers": 9, "difference":
    6e-11}])[0]["difference"] '6e-11'
    """
    together: dict[tuple, list[Mapping]] = {}
    for row in rows:
        name = re.sub(
            r"^(Human3.6M|test-time training), |, (x|y|z|confidence|gradient)$",
            "",
            row["component"],
        )
        together.setdefault(
            (name + f" ({row['unit']})" * bool(row["unit"]), row["room"]), []
        ).append(row)
    return [
        {
            "published": name,
            "here: stride_nb.": room,
            "numbers": sum(r["numbers"] for r in same),
            "difference": f"{max(r['difference'] for r in same):.0e}".replace("0e+00", "0"),
            "of up to": f"{max(r['greatest'] for r in same):.2g}",
        }
        for (name, room), same in together.items()
    ]


def closeness(parts: Mapping[str, Sequence[Mapping]]):
    """A dot a component: its difference relative to the greatest number compared, identical ones at
    the left border."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.2, 0.6 + 0.34 * len(parts)))
    spread = np.random.default_rng(0)
    for row, found in enumerate(parts.values()):
        relative = [max(r["difference"] / r["greatest"], _FLOOR) for r in found]
        ax.plot(
            relative,
            row + spread.uniform(-0.2, 0.2, len(found)),
            "o",
            ms=4,
            alpha=0.6,
            mew=0,
            color=figures.PALETTE["refined"],
        )
    ax.axvline(2.0**-23, color=figures.PALETTE["truth"], ls=":", lw=1)
    ax.set(
        xscale="log",
        xlim=(_FLOOR / 2, 1e-4),
        xlabel="difference / greatest number",
        yticks=range(len(parts)),
    )
    ax.set_yticklabels(parts)
    ax.set_xticks(
        [_FLOOR, 1e-10, 1e-8, 1e-6], ["identical", "$10^{-10}$", "$10^{-8}$", "$10^{-6}$"]
    )
    ax.minorticks_off()
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    return fig
