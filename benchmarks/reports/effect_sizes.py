"""Effect sizes: the ratio of an error to a reference on the same windows, with its 95 % interval
and its range over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["COLORS", "Effect", "plot_forest", "read_effect"]

COLORS = {"better": "#2a9d5c", "worse": "#c2185b", "open": "0.45"}
"""How an effect stands → its colour."""
_COLUMNS = ("ratio", "ratio_low", "ratio_high", "ratio_least_seed", "ratio_greatest_seed")


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
        return self._classify(self.low, self.high)

    @property
    def seeds(self) -> str:
        """The same of the range over seeds."""
        return self._classify(self.least, self.greatest)

    @property
    def agreed(self) -> str:
        """``better`` or ``worse`` where interval and seeds agree on it, else ``open``."""
        return self.standing if self.standing == self.seeds else "open"

    def _classify(self, low: float, high: float) -> str:
        if low > 1 or high < 1:
            return "better" if (low > 1) == self.higher else "worse"
        return "open"

    def __str__(self) -> str:
        return f"{self.ratio:.4f} [{self.low:.4f}, {self.high:.4f}]"


def read_effect(row: Mapping) -> Effect:
    """The effect in a record's row: columns ``ratio``, its ``_low`` and ``_high``, ``_least_seed``
    and ``_greatest_seed``, and a ``unit``."""
    numbers = (np.nan if row[column] is None else row[column] for column in _COLUMNS)
    return Effect(*numbers, higher=row["unit"] == "%")


def plot_forest(effects: Mapping[str, Mapping[str, Effect]], label: str):
    """Forest plot: a panel a kind, a row a label; ratio (dot), interval (line) and range over seeds
    (band), coloured by how the effect stands."""
    from stride_nb.viz.figures import add_legend, make_axes

    labels = list(next(iter(effects.values())))
    fig, axes = make_axes(
        columns=len(effects),
        height=1.1 + 0.24 * len(labels),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for ax, (kind, by_label) in zip(axes[0], effects.items()):
        ax.axvline(1, color="0.6", ls=":", lw=1)
        ax.use_sticky_edges = False  # a margin beside bars, too
        for row, e in enumerate(by_label.values()):
            color = COLORS[e.standing]
            ax.barh(row, e.greatest - e.least, 0.6, e.least, color="0.88")
            ax.plot([e.low, e.high], [row, row], color=color, lw=1.6, solid_capstyle="butt")
            ax.plot(e.ratio, row, "o", ms=4, color=color)
        ax.set(title=kind, xlabel=label)
        ax.grid(axis="y", visible=False)
        ax.locator_params(axis="x", nbins=4)
    axes[0, 0].set_yticks(range(len(labels)), labels)
    axes[0, 0].invert_yaxis()
    legend = {f"interval: {word}": color for word, color in COLORS.items()}
    add_legend(fig, legend | {"range over seeds": "0.88"})
    return fig
