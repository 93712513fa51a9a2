"""What a change does to an error: the ratio to a reference on the same windows, its 95 % interval,
its range over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["LOOK", "Effect", "drawn", "effect"]

LOOK = {"better": "#2a9d5c", "worse": "#c2185b", "open": "0.45"}
"""How an effect stands → its colour."""


class Effect(NamedTuple):
    """A ratio to the reference with its interval and its range over seeds."""

    ratio: float
    low: float
    high: float
    least: float
    greatest: float
    higher: bool
    """More is better."""

    @property
    def standing(self) -> str:
        """``better`` or ``worse`` where the interval leaves out 1, else ``open``."""
        return self._side(self.low, self.high)

    @property
    def seeds(self) -> str:
        """The same of the range over seeds."""
        return self._side(self.least, self.greatest)

    def _side(self, low: float, high: float) -> str:
        if low > 1 or high < 1:
            return "better" if (low > 1) == self.higher else "worse"
        return "open"

    def __str__(self) -> str:
        return f"{self.ratio:.4f} [{self.low:.4f}, {self.high:.4f}]"


def effect(row: Mapping) -> Effect:
    """Of a record's row with ``ratio``, its ``_low`` and ``_high``, ``_least_seed`` and
    ``_greatest_seed``, and a ``unit``."""
    numbers = (
        row[key]
        for key in ("ratio", "ratio_low", "ratio_high", "ratio_least_seed", "ratio_greatest_seed")
    )
    return Effect(*(np.nan if x is None else x for x in numbers), higher=row["unit"] == "%")


def drawn(effects: Mapping[str, Mapping[str, Effect]], label: str):
    """A panel a kind, a row a label: ratio, interval (line) and range over seeds (band), coloured
    by how it stands."""
    from stride_nb.viz.figures import _axes, _legend

    labels = list(next(iter(effects.values())))
    fig, axes = _axes(
        columns=len(effects),
        height=1.1 + 0.24 * len(labels),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for ax, (kind, mine) in zip(axes[0], effects.items()):
        ax.axvline(1, color="0.6", ls=":", lw=1)
        ax.use_sticky_edges = False  # a margin beside bars, too
        for row, found in enumerate(mine.values()):
            color = LOOK[found.standing]
            ax.barh(row, found.greatest - found.least, 0.6, found.least, color="0.88")
            ax.plot([found.low, found.high], [row, row], color=color, lw=1.6, solid_capstyle="butt")
            ax.plot(found.ratio, row, "o", ms=4, color=color)
        ax.set(title=kind, xlabel=label)
        ax.grid(axis="y", visible=False)
        ax.locator_params(axis="x", nbins=4)
    axes[0, 0].set_yticks(range(len(labels)), labels)
    axes[0, 0].invert_yaxis()
    _legend(
        fig,
        {f"interval: {word}": color for word, color in LOOK.items()} | {"range over seeds": "0.88"},
    )
    return fig
