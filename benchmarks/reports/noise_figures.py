"""What errors look like, as tables and figures of the record ``noise_statistics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.frames import Frame, pd
from stride_nb.errors import require

__all__ = ["SHAPES", "plot_joint_errors", "plot_noise_shapes", "tabulate_noise"]

SHAPES = {
    "visible error, mm": "visible, mm",
    "hidden error, mm": "hidden, mm",
    "hidden joints of confidence ≥ 0.5, %": "hidden joints reported as visible, %",
    "constant share of squared error": "constant share",
    "correlation time, s": "correlation, s",
    "depth : lateral": "depth : lateral",
    "jumps over 150 mm, %": "jumps, %",
    "legs swapped, %": "legs swapped, %",
    "facing flips, %": "facing flips, %",
}
"""Quantities of the record, and what figures call them."""
_COLOURS = {"simulated": "0.6", "rendered": "#1b6ca8", "video": "#c2185b", "kinect": "#2a9d5c"}


def _frame(rows: Sequence[Mapping]) -> Frame:
    frame = pd.DataFrame(rows)
    frame["kind"] = frame["source"].str.split(",").str[0]
    frame["name"] = frame["source"].str.split(", ").str[-1].str.replace("mediapipe_", "MediaPipe ")
    frame["label"] = frame["name"].where(
        frame["kind"].isin(["simulated", "kinect"]), frame["name"] + " (" + frame["kind"] + ")"
    )
    return frame


def tabulate_noise(rows: Sequence[Mapping]) -> list[dict]:
    """A row a source, real ones first: the quantities of `SHAPES`."""
    frame = _frame(rows)
    frame = frame[frame["quantity"].isin(SHAPES)]
    order = frame.drop_duplicates("label").sort_values("kind", key=_rank)["label"]
    table = frame.pivot(index="label", columns="quantity", values="value")
    table = table.loc[list(order), list(SHAPES)].rename(columns=SHAPES).round(2)
    return table.reset_index(names="source").to_dict("records")


def _rank(kinds):
    return kinds.map({"video": 0, "rendered": 1, "kinect": 2, "simulated": 3})


def plot_noise_shapes(rows: Sequence[Mapping]):
    """One panel a quantity, one dot a source: where simulated errors differ from real ones."""
    seaborn, plt = require("seaborn", "viz"), require("matplotlib.pyplot", "viz")
    frame = _frame(rows)
    frame = frame[frame["quantity"].isin(SHAPES)].sort_values("kind", key=_rank)
    fig, axes = plt.subplots(3, 3, figsize=(9, 7.5), layout="constrained")
    for ax, (quantity, label) in zip(axes.flat, SHAPES.items()):
        part = frame[frame["quantity"] == quantity].dropna(subset="value")
        seaborn.stripplot(
            part, x="value", y="kind", hue="kind", palette=_COLOURS, order=list(_COLOURS), ax=ax,
            jitter=0.15, size=6, legend=False,
        )  # fmt: skip
        ax.set(xlabel=label, ylabel="", xlim=(0, None))
    return fig


def plot_joint_errors(rows: Sequence[Mapping]):
    """Error by joint, visible and hidden: real estimators against the range of simulated ones."""
    seaborn, plt = require("seaborn", "viz"), require("matplotlib.pyplot", "viz")
    frame = _frame(rows)
    parts = frame["quantity"].str.extract(r"^(visible|hidden) error of [lr](\w+), mm$")
    frame = frame.assign(part=parts[0], joint=parts[1]).dropna(subset=["part", "value"])
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    order = ["hip", "knee", "ankle", "shoulder", "elbow", "wrist"]
    for ax, part in zip(axes, ("visible", "hidden")):
        seaborn.pointplot(
            frame[frame["part"] == part], x="joint", y="value", hue="kind", palette=_COLOURS,
            hue_order=list(_COLOURS), order=order, errorbar=("pi", 100), dodge=0.4, ax=ax,
            linestyle="none", markersize=5, legend=part == "visible",
        )  # fmt: skip
        ax.set(title=f"{part} joints", xlabel="", ylabel="error (mm)", ylim=(0, None))
    axes[0].get_legend().set_title("")
    return fig
