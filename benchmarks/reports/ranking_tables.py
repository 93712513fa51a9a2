"""The record of the ranking losses, read: the sweep of their weights, and what they changed with
what certainty.

An *effect* is the mean of a metric under a kind of loss as a multiple of that under ``neither``, on
the same windows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from benchmarks import records
from benchmarks.ranking_losses import KINDS
from benchmarks.records import RESULTS
from benchmarks.reports.effect_sizes import LOOK, Effect, drawn, effect
from stride_nb.errors import InputError
from stride_nb.evaluation.lifter_harness import METRICS
from stride_nb.poses.skeleton import H36M17
from stride_nb.viz.tables import Table, table

__all__ = [
    "ERRORS",
    "ORDERS",
    "Found",
    "at_an_end",
    "chosen",
    "count",
    "drawn",
    "effects",
    "levels",
    "ordered",
    "outside",
    "people",
    "percent",
    "read",
    "said",
    "setup",
    "sweep_table",
    "swept",
    "tally",
]

RECORD = RESULTS / "ranking.json"
ERRORS = {"mpjpe_hidden": "hidden joints", "mpjpe_visible": "visible joints", "mpjpe": "all joints"}
"""Metrics of position, less is better, and what to call them."""
ORDERS = {
    "spatial_hidden": "joints, hidden",
    "spatial_visible": "joints, visible",
    "spatial": "joints, all",
    "temporal_hidden": "frames, hidden",
    "temporal_visible": "frames, visible",
    "temporal": "frames, all",
}
"""Metrics of order in depth, more is better; *joints*: pairs within a frame, *frames*: pairs of a
joint."""
_WITH = tuple(kind for kind in KINDS if kind != "neither")
_COLORS = {"neither": "#222222", "spatial": "#17a2a2", "temporal": "#7a5195", "both": "#d08a00"}


class Found(NamedTuple):
    """A record, its rows apart."""

    run: dict
    sweep: list[dict]
    rows: list[dict]


def read(path: str | os.PathLike = RECORD) -> Found:
    """The record of ``python -m benchmarks ranking_losses``.

    Raises:
        InputError: a field is missing, or a kind has no row of the sweep or of the test.
    """
    run = records.load(path)
    parts = {
        name: [r for r in run["rows"] if r.get("experiment") == name]
        for name in ("ranking_sweep", "ranking")
    }
    for name, rows in parts.items():
        if {r.get("method") for r in rows} != set(KINDS):
            raise InputError(
                path,
                "rows",
                f"rows of {name} for {', '.join(KINDS)}",
                ", ".join(sorted({str(r.get("method")) for r in rows})) or "none",
            )
    return Found(run, parts["ranking_sweep"], parts["ranking"])


def setup(found: Found) -> list[dict]:
    """What every variant had in common, a row a thing."""
    import torch

    from stride_nb.models.dstformer import PRESETS, DSTformer

    asked = found.run["parameters"]
    with torch.device("meta"):  # a shape, without numbers
        published = sum(p.numel() for p in DSTformer(**PRESETS["lite"]).parameters())
    said = {
        "motion": asked["source"],
        "people who are tested": people(asked["source"]) or "–",
        "parameters of the network": _parameters(asked),
        "parameters of RePOSE's": published,
        "frames of a window": asked["frames"],
        "windows to learn from, a seed": asked["pool"],
        "steps": asked["steps"],
        "windows a step": asked["batch"],
        "learning rate": f"{asked['lr']:g}",
        "seeds": asked["seeds"],
        "seeds of the sweep": min(asked["sweep_seeds"], asked["seeds"]),
        "windows tested": max(r["n"] for r in found.rows),
        "hours of training": f"{found.run['seconds'] / 3600:.1f}",
        "commit": found.run["commit"],
    }
    return [
        {"": name, "value": f"{value:,}" if isinstance(value, int) else value}
        for name, value in said.items()
    ]


def _parameters(asked: Mapping) -> int:
    import torch

    from stride_nb.models.registry import build
    from stride_nb.training.pool import config

    with torch.device("meta"):
        return sum(
            p.numel()
            for p in build(
                "lifter", "frameformer", config(asked["dim"], asked["depth"])
            ).parameters()
        )


def people(source: str, split: str = "test") -> int:
    """How many people a split of CMU's motion has by the registry; 0 for other sources."""
    from stride_nb.datasets.download import registry

    return (
        len({e.subject for e in registry() if e.split == split and e.trial})
        if source == "cmu"
        else 0
    )


def chosen(found: Found) -> dict[str, dict]:
    """Kind → the row of the sweep whose weights were tested."""
    weights = {r["method"]: r["weights"] for r in found.rows}
    return {r["method"]: r for r in found.sweep if r["weights"] == weights[r["method"]]}


def sweep_table(found: Found) -> Table:
    """A row a pair of weights: what it reached on ``val``; the best of each column bold, the chosen
    ones named."""
    names = {
        "mpjpe_hidden": "hidden (mm)",
        "mpjpe_visible": "visible (mm)",
        "spatial_hidden": "joints, hidden (%)",
        "temporal_hidden": "frames, hidden (%)",
    }
    taken = chosen(found).values()
    rows = [
        {"kind": r["method"], "weights": _pair(r)}
        | {name: r[name] for name in names}
        | {"chosen": "yes" if r in taken else ""}
        for r in found.sweep
    ]
    return table(rows, lower=list(names)[:2], higher=list(names)[2:], names=names)


def swept(found: Found):
    """What the weights do on ``val``: a panel a metric, a curve a kind, ``neither`` a level, the
    chosen weights ringed."""
    from stride_nb.viz.figures import _axes, _legend

    fig, axes = _axes(columns=2, height=2.8)
    shown = {"mpjpe_hidden": "hidden MPJPE (mm)", "spatial_hidden": "joints in order, hidden (%)"}
    for ax, (metric, label) in zip(axes, shown.items()):
        for kind in KINDS:
            rows = sorted((r for r in found.sweep if r["method"] == kind), key=_weight)
            if kind == "neither":
                ax.axhline(rows[0][metric], color=_COLORS[kind], ls=":")
                continue
            ax.plot(
                [_weight(r) for r in rows],
                [r[metric] for r in rows],
                "o-",
                ms=3,
                color=_COLORS[kind],
            )
            best = chosen(found)[kind]
            ax.plot(_weight(best), best[metric], "o", ms=9, mfc="none", color=_COLORS[kind])
        ax.set(xscale="log", xlabel="weight of the ranking losses", ylabel=label)
        ax.set_xticks(
            weights := sorted({_weight(r) for r in found.sweep} - {0.0}),
            [f"{w:g}" for w in weights],
        )
        ax.minorticks_off()
    _legend(fig, _COLORS)
    return fig


def at_an_end(found: Found) -> list[str]:
    """Kinds whose chosen weight is the least or the greatest that was tried: a wider sweep might
    choose another."""
    tried = {_weight(r) for r in found.sweep} - {0.0}
    return [kind for kind, row in chosen(found).items() if _weight(row) in (min(tried), max(tried))]


def _weight(row: Mapping) -> float:
    return max(row["weights"])


def _pair(row: Mapping) -> str:
    return "{:g}, {:g}".format(*row["weights"])


def levels(found: Found, metrics: Mapping[str, str], regime: str = "all") -> Table:
    """Kinds by metrics, means over windows and seeds of the test; the best of each column bold."""
    value = {(r["method"], r["metric"]): r["value"] for r in found.rows if r["regime"] == regime}
    rows = [{"": kind} | {m: value[kind, m] for m in metrics} for kind in KINDS]
    return table(
        rows,
        2,
        lower=[m for m in metrics if METRICS[m] == "mm"],
        higher=[m for m in metrics if METRICS[m] == "%"],
        names={m: f"{name} ({METRICS[m]})" for m, name in metrics.items()},
    )


def effects(found: Found, metrics: Mapping[str, str] | str) -> dict[str, dict[str, Effect]]:
    """Kind → {label → effect}: of several metrics by their names, or of one metric by regime, all
    of them last."""
    if isinstance(metrics, str):
        at = {(r["method"], r["regime"]): r for r in found.rows if r["metric"] == metrics}
        order = sorted(
            dict.fromkeys(regime for _, regime in at), key=lambda regime: regime == "all"
        )
        return {kind: {regime: effect(at[kind, regime]) for regime in order} for kind in _WITH}
    at = {(r["method"], r["metric"]): r for r in found.rows if r["regime"] == "all"}
    return {kind: {label: effect(at[kind, m]) for m, label in metrics.items()} for kind in _WITH}


def said(effects: Mapping[str, Mapping[str, Effect]]) -> Table:
    """The same as text: labels by kinds."""
    labels = next(iter(effects.values()))
    return table(
        [
            {"÷ neither": label} | {kind: str(mine[label]) for kind, mine in effects.items()}
            for label in labels
        ]
    )


def tally(effects: Mapping[str, Mapping[str, Effect]]) -> list[str]:
    """A line a kind and label: ratio and interval, then the seeds' range, and what each of the two
    says."""
    return [
        f"{kind}: {label} {e}, {e.standing}; seeds {e.least:.4f} to {e.greatest:.4f}, {e.seeds}"
        for kind, mine in effects.items()
        for label, e in mine.items()
    ]


def count(effects: Mapping[str, Mapping[str, Effect]]) -> list[str]:
    """A line a kind: in how many of its labels (but ``all``) interval and seeds agree that it is
    better, or worse."""
    said = []
    for kind, mine in effects.items():
        stand = [
            e.standing if e.standing == e.seeds else "open"
            for label, e in mine.items()
            if label != "all"
        ]
        said.append(
            f"{kind}: "
            + ", ".join(f"{word} in {stand.count(word)}" for word in LOOK)
            + f" of {len(stand)}"
        )
    return said


def percent(effects: Mapping[str, Mapping[str, Effect]], label: str = "all") -> list[str]:
    """A line a kind: by how much the error changed, in percent, by the ends of the interval and of
    the range over seeds."""
    ends = {kind: [100 * (x - 1) for x in mine[label][1:5]] for kind, mine in effects.items()}
    return [
        "  {}: {:+.2f} to {:+.2f} %; seeds {:+.2f} to {:+.2f} %".format(kind, *end)
        for kind, end in ends.items()
    ]


def outside(found: Found) -> str:
    """How many of all the record's intervals leave out 1, and how many would by chance."""
    stand = [effect(r).standing for r in found.rows if r["method"] in _WITH]
    return (
        f"of {len(stand)} intervals in the record, {len(stand) - stand.count('open')} leave out 1: "
        f"{stand.count('better')} better, {stand.count('worse')} worse;\n"
        f"of as many independent ones about {0.05 * len(stand):.0f} would by chance alone"
    )


def ordered(answer: np.ndarray, truth: np.ndarray, hidden: np.ndarray):
    """Which pairs of joints an answer has in the right order of depth.

    The person from the side, and a square a pair, joints from the nearest to the farthest; a dot:
    either joint is hidden.

    Args:
        answer, truth: (17, 3) metres, camera axes, root-relative.
        hidden: (17,) bool.
    """
    from stride_nb.viz.figures import PALETTE, _axes, _legend, draw_skeleton

    order = np.argsort(truth[:, 2])
    z, names = answer[order, 2], [H36M17.joints[j] for j in order]
    below = np.tril(np.ones((len(z), len(z)), bool), -1)  # a row is farther than its columns
    wrong = below & ~(z[:, None] > z)
    fig, (side, pairs) = _axes(columns=2, height=3.6, width_ratios=(1, 1.25))
    for pose, color in ((truth, "truth"), (answer, "refined")):
        draw_skeleton(side, pose[:, [2, 1]], hidden, PALETTE[color])
    side.set(xlabel="depth z (m), the camera is on the left", ylabel="y (m)", title="from the side")
    side.set_aspect("equal", adjustable="datalim")
    side.invert_yaxis()  # y down
    shade = np.ones((*below.shape, 3))
    shade[below], shade[wrong] = 0.87, [int(LOOK["worse"][i : i + 2], 16) / 255 for i in (1, 3, 5)]
    pairs.imshow(shade, interpolation="nearest")
    either = below & (hidden[order][:, None] | hidden[order])
    pairs.plot(*np.argwhere(either).T[::-1], ".", ms=2.5, color="black")
    pairs.set_xticks(range(len(z)), names, rotation=90, fontsize=7)
    pairs.set_yticks(range(len(z)), names, fontsize=7)
    pairs.grid(False)
    pairs.set_title("nearest to farthest; dot: a hidden joint")
    _legend(
        fig,
        {
            "truth": PALETTE["truth"],
            "lifted": PALETTE["refined"],
            "right order": "0.87",
            "wrong order": LOOK["worse"],
        },
    )
    return fig
