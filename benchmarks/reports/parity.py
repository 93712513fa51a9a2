"""How close every component is to the published code: the record of measured differences as tables
and a figure.

``STRIDE_NB_RECORD=1 pytest tests/parity`` writes the record, ``data/results/parity.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import records
from benchmarks.frames import pd
from benchmarks.records import RESULTS
from stride_nb.viz.figures import PALETTE

__all__ = ["PARTS", "RECORD", "group_components", "merge_components", "plot_differences"]

RECORD = RESULTS / "parity.json"
PARTS = {
    "network and its files": ("models.dstformer", "models.checkpoints"),
    "losses": ("models.losses", "poses.skeleton"),
    "metrics": ("evaluation.metrics",),
    "test-time training": ("refinement",),
    "Human3.6M": ("datasets.h36m", "evaluation.h36m_protocol"),
}
"""Part of the published systems → the rooms of this package where it lives."""
_FLOOR = 1e-12  # where identical components are drawn: far below what rounding leaves
_DETAIL = re.compile(r"^(Human3.6M|test-time training), |, (x|y|z|confidence|gradient)$")


def group_components() -> dict[str, list[dict]]:
    """Rows of the record by part; a row is a component with its ``room``, how many ``numbers`` were
    compared, the ``greatest`` of them, the greatest absolute ``difference`` and what was
    ``allowed``."""
    rows = records.load_rows(RECORD)
    return {part: [r for r in rows if r["room"].startswith(rooms)] for part, rooms in PARTS.items()}


def merge_components(rows: Sequence[Mapping]) -> list[dict]:
    """The rows of a table: the coordinates of an array, and a loss and its gradient, in one row.

    >>> row = {"component": "n_mpjpe", "room": "losses.n_mpjpe", "numbers": 1, "greatest": 0.4,
    ...        "difference": 0.0, "unit": None}
    >>> gradient = row | {"component": "n_mpjpe, gradient", "numbers": 9, "difference": 6e-11}
    >>> merge_components([row, gradient])[0]["difference"]
    '6e-11'
    """
    units = [f" ({row['unit']})" if row["unit"] else "" for row in rows]
    frame = pd.DataFrame(rows).assign(
        name=[_DETAIL.sub("", row["component"]) + unit for row, unit in zip(rows, units)]
    )
    columns = {"numbers": "sum", "difference": "max", "greatest": "max"}
    merged = frame.groupby(["name", "room"], sort=False).agg(columns)
    return [
        {
            "published": name,
            "here: stride_nb.": room,
            "numbers": row["numbers"],
            "difference": f"{row['difference']:.0e}".replace("0e+00", "0"),
            "of up to": f"{row['greatest']:.2g}",
        }
        for (name, room), row in merged.to_dict("index").items()
    ]


def plot_differences(parts: Mapping[str, Sequence[Mapping]]):
    """A dot a component: its difference relative to the greatest number compared, identical ones at
    the left border."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7.2, 0.6 + 0.34 * len(parts)))
    jitter, look = np.random.default_rng(0), {"ms": 4, "alpha": 0.6, "mew": 0}
    for row, components in enumerate(parts.values()):
        relative = [max(c["difference"] / c["greatest"], _FLOOR) for c in components]
        height = row + jitter.uniform(-0.2, 0.2, len(components))
        ax.plot(relative, height, "o", color=PALETTE["refined"], **look)
    ax.axvline(2.0**-23, color=PALETTE["truth"], ls=":", lw=1)
    ax.set(xscale="log", xlim=(_FLOOR / 2, 1e-4), xlabel="difference / greatest number")
    ax.set_yticks(range(len(parts)), parts)
    ticks = {_FLOOR: "identical", 1e-10: "$10^{-10}$", 1e-8: "$10^{-8}$", 1e-6: "$10^{-6}$"}
    ax.set_xticks(list(ticks), list(ticks.values()))
    ax.minorticks_off()
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    return fig
