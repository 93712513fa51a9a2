"""Tables and figures from the record of the ranking losses: the sweep of their weights, and their
effects with intervals.

An *effect* is the mean of a metric under a kind of loss as a multiple of that under ``neither``, on
the same windows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from benchmarks import records
from benchmarks.frames import list_rows, pd
from benchmarks.ranking_losses import KINDS
from benchmarks.records import RESULTS
from benchmarks.reports.effect_sizes import COLORS, Effect, plot_forest, read_effect
from stride_nb.errors import InputError
from stride_nb.evaluation.lifter_harness import LIFTER_METRICS
from stride_nb.poses.skeleton import H36M17
from stride_nb.viz.tables import Table, make_table

__all__ = [
    "ERRORS",
    "ORDERS",
    "RECORD",
    "RankingRecord",
    "count_people",
    "count_standings",
    "list_edge_choices",
    "list_effects",
    "list_percent_changes",
    "plot_depth_order",
    "plot_forest",
    "plot_sweep",
    "read",
    "select_effects",
    "select_weights",
    "summarise_intervals",
    "tabulate_effects",
    "tabulate_means",
    "tabulate_setup",
    "tabulate_sweep",
]

Effects = Mapping[str, Mapping[str, Effect]]
RECORD = RESULTS / "ranking.json"
ERRORS = {"mpjpe_hidden": "hidden joints", "mpjpe_visible": "visible joints", "mpjpe": "all joints"}
"""Metrics of position, less is better, and their headings."""
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
_LOSSES = tuple(kind for kind in KINDS if kind != "neither")
_COLORS = {"neither": "#222222", "spatial": "#17a2a2", "temporal": "#7a5195", "both": "#d08a00"}


class RankingRecord(NamedTuple):
    """A record, its rows of the sweep (on ``val``) and of the test apart."""

    run: dict
    sweep: list[dict]
    rows: list[dict]


def read(path: str | os.PathLike = RECORD) -> RankingRecord:
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
        kinds = {str(r.get("method")) for r in rows}
        if kinds != set(KINDS):
            expected = f"rows of {name} for {', '.join(KINDS)}"
            raise InputError(path, "rows", expected, ", ".join(sorted(kinds)) or "none")
    return RankingRecord(run, parts["ranking_sweep"], parts["ranking"])


def tabulate_setup(record: RankingRecord) -> list[dict]:
    """What every variant had in common, a row a thing."""
    from stride_nb.models.dstformer import PRESETS, DSTformer
    from stride_nb.models.registry import build_network
    from stride_nb.training.pool import make_frameformer_config

    run = record.run["parameters"]
    config = make_frameformer_config(run["dim"], run["depth"])
    setup = {
        "motion": run["source"],
        "people who are tested": count_people(run["source"]) or "–",
        "parameters of the network": _count_parameters(
            build_network, "lifter", "frameformer", config
        ),
        "parameters of RePOSE's": _count_parameters(DSTformer, **PRESETS["lite"]),
        "frames of a window": run["frames"],
        "windows to learn from, a seed": run["pool"],
        "steps": run["steps"],
        "windows a step": run["batch"],
        "learning rate": f"{run['lr']:g}",
        "seeds": run["seeds"],
        "seeds of the sweep": min(run["sweep_seeds"], run["seeds"]),
        "windows tested": max(r["n"] for r in record.rows),
        "hours of training": f"{record.run['seconds'] / 3600:.1f}",
        "commit": record.run["commit"],
    }
    return [
        {"": name, "value": f"{value:,}" if isinstance(value, int) else value}
        for name, value in setup.items()
    ]


def _count_parameters(make, *arguments, **options) -> int:
    import torch

    with torch.device("meta"):  # shapes without numbers
        return sum(p.numel() for p in make(*arguments, **options).parameters())


def count_people(source: str, split: str = "test") -> int:
    """How many people a split of CMU's motion has by the registry; 0 for other sources."""
    from stride_nb.datasets.download import read_registry

    if source != "cmu":
        return 0
    return len({e.subject for e in read_registry() if e.split == split and e.trial})


def select_weights(record: RankingRecord) -> dict[str, dict]:
    """Kind → the row of the sweep whose weights were tested."""
    weights = {r["method"]: r["weights"] for r in record.rows}
    return {r["method"]: r for r in record.sweep if r["weights"] == weights[r["method"]]}


def tabulate_sweep(record: RankingRecord) -> Table:
    """A row a pair of weights: its metrics on ``val``; the best of each column bold, the tested
    pairs named."""
    names = {
        "mpjpe_hidden": "hidden (mm)",
        "mpjpe_visible": "visible (mm)",
        "spatial_hidden": "joints, hidden (%)",
        "temporal_hidden": "frames, hidden (%)",
    }
    tested = select_weights(record).values()
    rows = [
        {"kind": r["method"], "weights": "{:g}, {:g}".format(*r["weights"])}
        | {name: r[name] for name in names}
        | {"chosen": "yes" if r in tested else ""}
        for r in record.sweep
    ]
    return make_table(rows, lower=list(names)[:2], higher=list(names)[2:], names=names)


def plot_sweep(record: RankingRecord):
    """Metrics on ``val`` over the weights: a panel a metric, a curve a kind, ``neither`` a level,
    the tested weights ringed."""
    from stride_nb.viz.figures import add_legend, make_axes

    sweep = pd.DataFrame(record.sweep)
    sweep = sweep.assign(weight=sweep["weights"].map(max)).sort_values("weight", kind="stable")
    ticks = sorted(set(sweep["weight"]) - {0.0})
    fig, axes = make_axes(columns=2, height=2.8)
    labels = {"mpjpe_hidden": "hidden MPJPE (mm)", "spatial_hidden": "joints in order, hidden (%)"}
    for ax, (metric, label) in zip(axes, labels.items()):
        for kind, color in _COLORS.items():
            rows, tested = sweep[sweep["method"] == kind], select_weights(record)[kind]
            if kind == "neither":
                ax.axhline(tested[metric], color=color, ls=":")
                continue
            ax.plot(rows["weight"], rows[metric], "o-", ms=3, color=color)
            ax.plot(max(tested["weights"]), tested[metric], "o", ms=9, mfc="none", color=color)
        ax.set(xscale="log", xlabel="weight of the ranking losses", ylabel=label)
        ax.set_xticks(ticks, [f"{w:g}" for w in ticks])
        ax.minorticks_off()
    add_legend(fig, _COLORS)
    return fig


def list_edge_choices(record: RankingRecord) -> list[str]:
    """Kinds whose tested weight is the least or the greatest of the sweep: a wider sweep might
    choose another."""
    tried = {max(r["weights"]) for r in record.sweep} - {0.0}
    ends = min(tried), max(tried)
    return [k for k, row in select_weights(record).items() if max(row["weights"]) in ends]


def tabulate_means(record: RankingRecord, metrics: Mapping[str, str], regime: str = "all") -> Table:
    """Kinds by metrics, means over windows and seeds of the test; the best of each column bold."""
    rows = pd.DataFrame(record.rows)
    values = rows[rows["regime"] == regime].pivot(index="method", columns="metric", values="value")
    return make_table(
        list_rows(values.loc[list(KINDS), list(metrics)], ""),
        2,
        lower=[m for m in metrics if LIFTER_METRICS[m] == "mm"],
        higher=[m for m in metrics if LIFTER_METRICS[m] == "%"],
        names={m: f"{name} ({LIFTER_METRICS[m]})" for m, name in metrics.items()},
    )


def select_effects(
    record: RankingRecord, metrics: Mapping[str, str] | str
) -> dict[str, dict[str, Effect]]:
    """Kind → {label → effect}: of several metrics by their names, or of one metric by regime, all
    of them last."""
    if isinstance(metrics, str):
        rows = {(r["method"], r["regime"]): r for r in record.rows if r["metric"] == metrics}
        regimes = dict.fromkeys(regime for _, regime in rows)
        labels = {regime: regime for regime in sorted(regimes, key=lambda name: name == "all")}
    else:
        rows = {(r["method"], r["metric"]): r for r in record.rows if r["regime"] == "all"}
        labels = metrics
    return {
        kind: {label: read_effect(rows[kind, key]) for key, label in labels.items()}
        for kind in _LOSSES
    }


def tabulate_effects(effects: Effects) -> Table:
    """Effects as text: labels by kinds."""
    labels = next(iter(effects.values()))
    return make_table(
        [
            {"÷ neither": label} | {kind: str(of[label]) for kind, of in effects.items()}
            for label in labels
        ]
    )


def list_effects(effects: Effects) -> list[str]:
    """A line a kind and label: ratio and interval, then the range over seeds, and how each of the
    two stands."""
    return [
        f"{kind}: {label} {e}, {e.standing}; seeds {e.least:.4f} to {e.greatest:.4f}, {e.seeds}"
        for kind, of in effects.items()
        for label, e in of.items()
    ]


def count_standings(effects: Effects) -> list[str]:
    """A line a kind: in how many of its labels (but ``all``) interval and seeds agree that it is
    better, or worse."""
    lines = []
    for kind, of in effects.items():
        agreed = [e.agreed for label, e in of.items() if label != "all"]
        counts = ", ".join(f"{word} in {agreed.count(word)}" for word in COLORS)
        lines.append(f"{kind}: {counts} of {len(agreed)}")
    return lines


def list_percent_changes(effects: Effects, label: str = "all") -> list[str]:
    """A line a kind: by how much the error changed, in percent, by the ends of the interval and of
    the range over seeds."""
    ends = {kind: [100 * (x - 1) for x in of[label][1:5]] for kind, of in effects.items()}
    return [
        "  {}: {:+.2f} to {:+.2f} %; seeds {:+.2f} to {:+.2f} %".format(kind, *end)
        for kind, end in ends.items()
    ]


def summarise_intervals(record: RankingRecord) -> str:
    """How many of all the record's intervals leave out 1, and how many would by chance."""
    standings = [read_effect(r).standing for r in record.rows if r["method"] in _LOSSES]
    count = len(standings)
    return (
        f"of {count} intervals in the record, {count - standings.count('open')} leave out 1: "
        f"{standings.count('better')} better, {standings.count('worse')} worse;\n"
        f"of as many independent ones about {0.05 * count:.0f} would by chance alone"
    )


def plot_depth_order(answer: np.ndarray, truth: np.ndarray, hidden: np.ndarray):
    """Which pairs of joints a prediction has in the right order of depth: the person from the side,
    and a square a pair, joints from the nearest to the farthest; a dot: either joint is hidden.

    Args:
        answer, truth: (17, 3) metres, camera axes, root-relative.
        hidden: (17,) bool.
    """
    from stride_nb.viz.figures import PALETTE, add_legend, make_axes

    fig, (side, pairs) = make_axes(columns=2, height=3.6, width_ratios=(1, 1.25))
    _draw_side(side, answer, truth, hidden)
    _draw_pairs(pairs, answer, truth, hidden)
    poses = {"truth": PALETTE["truth"], "lifted": PALETTE["refined"]}
    add_legend(fig, poses | {"right order": "0.87", "wrong order": COLORS["worse"]})
    return fig


def _draw_side(ax, answer: np.ndarray, truth: np.ndarray, hidden: np.ndarray) -> None:
    from stride_nb.viz.figures import PALETTE, draw_skeleton

    for pose, color in ((truth, "truth"), (answer, "refined")):
        draw_skeleton(ax, pose[:, [2, 1]], hidden, PALETTE[color])
    ax.set(xlabel="depth z (m), the camera is on the left", ylabel="y (m)", title="from the side")
    ax.set_aspect("equal", adjustable="datalim")
    ax.invert_yaxis()  # y down


def _draw_pairs(ax, answer: np.ndarray, truth: np.ndarray, hidden: np.ndarray) -> None:
    from matplotlib.colors import to_rgb

    order = np.argsort(truth[:, 2])
    z, names = answer[order, 2], [H36M17.joints[j] for j in order]
    below = np.tril(np.ones((len(z), len(z)), bool), -1)  # a row is farther than its columns
    shade = np.ones((*below.shape, 3))
    shade[below] = 0.87
    shade[below & ~(z[:, None] > z)] = to_rgb(COLORS["worse"])
    ax.imshow(shade, interpolation="nearest")
    either = below & (hidden[order][:, None] | hidden[order])
    ax.plot(*np.argwhere(either).T[::-1], ".", ms=2.5, color="black")
    ax.set_xticks(range(len(z)), names, rotation=90, fontsize=7)
    ax.set_yticks(range(len(z)), names, fontsize=7)
    ax.grid(False)
    ax.set_title("nearest to farthest; dot: a hidden joint")
