"""What methods make of a real estimator's poses, as tables and figures of the records
``real_estimators`` and ``kinect``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.frames import Frame, pd
from benchmarks.real_estimators import compare_with_classical
from stride_nb.errors import require

__all__ = [
    "NAMES",
    "find_gains",
    "plot_hidden_by_occluder",
    "plot_ratios",
    "tabulate_errors",
    "tabulate_kinect",
]

NAMES = {
    "input": "estimate, held",
    "linear": "linear",
    "gaussian": "linear + Gaussian",
    "savgol": "Savitzky-Golay",
    "smoothnet": "SmoothNet",
    "prior": "prior",
    "stride_published": "published TTT",
    "stride_ours": "ours",
    "prior_real": "prior, real estimates",
    "stride_ours_real": "ours, real estimates",
}
"""Methods in the order of tables, and what tables call them."""
_SETS = {"rendered": "rendered people", "video": "real video"}
_LEARNT = ("prior", "stride_published", "stride_ours", "prior_real", "stride_ours_real")


def _name_setting(which: str, estimator: str) -> str:
    return f"{_SETS[which]}, {estimator.removeprefix('mediapipe_')}"


def tabulate_errors(rows: Sequence[Mapping]) -> list[dict]:
    """A row a method: hidden / visible error, mm, of occluded takes in every setting."""
    frame = compare_with_classical(rows)
    frame["setting"] = [_name_setting(*key) for key in zip(frame["set"], frame["estimator"])]
    frame["error"] = [f"{h:.0f} / {v:.0f}" for h, v in zip(frame["hidden_mm"], frame["visible_mm"])]
    table = frame.pivot(index="method", columns="setting", values="error")
    table = table.reindex([name for name in NAMES if name in table.index]).rename(index=NAMES)
    return table.reset_index(names="method").to_dict("records")


def find_gains(rows: Sequence[Mapping], method: str = "stride_ours_real") -> list[dict]:
    """A row a setting: hidden error over that of the best classical filter, visible error over the
    input's, each with its 95 % interval over clips."""
    frame = compare_with_classical(rows)
    frame = frame[frame["method"] == method]
    return [
        {
            "setting": _name_setting(row["set"], row["estimator"]),
            "best classical": NAMES.get(row["best_classical"], row["best_classical"]),
            "hidden ÷ best classical": _show_interval(row, "hidden"),
            "visible ÷ input": _show_interval(row, "visible"),
        }
        for row in frame.to_dict("records")
    ]


def _show_interval(row: Mapping, name: str) -> str:
    return f"{row[f'{name}_ratio']:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"


def plot_ratios(rows: Sequence[Mapping]):
    """Hidden error over the best classical filter's, a panel a setting, 95 % over clips."""
    plt = require("matplotlib.pyplot", "viz")
    frame = compare_with_classical(rows)
    frame = frame[frame["method"].isin(_LEARNT)]
    groups = list(frame.groupby(["set", "estimator"]))
    fig, axes = plt.subplots(1, len(groups), figsize=(9, 2.6), sharex=True, sharey=True)
    for ax, (key, part) in zip(axes, groups):
        part = part.set_index("method").reindex(_LEARNT).dropna(subset="hidden_ratio")
        spans = [
            part["hidden_ratio"] - part["hidden_low"],
            part["hidden_high"] - part["hidden_ratio"],
        ]
        labels = [NAMES[name] for name in part.index]
        ax.errorbar(part["hidden_ratio"], labels, xerr=spans, fmt="o", color="#1b6ca8", capsize=2)
        ax.axvline(1.0, color="0.4", lw=1, ls="--")
        ax.set_title(_name_setting(*key), fontsize=9)
    axes[0].invert_yaxis()
    fig.supxlabel("hidden error ÷ that of the best classical filter", fontsize=9)
    return fig


def plot_hidden_by_occluder(rows: Sequence[Mapping], methods: Sequence[str]):
    """Hidden error by what hides the person, a panel a set; bars are 95 % over clips."""
    seaborn, plt = require("seaborn", "viz"), require("matplotlib.pyplot", "viz")
    frame = pd.DataFrame(rows)
    frame = frame[(frame["occluder"] != "none") & frame["method"].isin(methods)]
    frame = frame.assign(method=frame["method"].map(NAMES))
    sets = [name for name in _SETS if name in set(frame["set"])]
    fig, axes = plt.subplots(1, len(sets), figsize=(9, 3.0), sharey=True, squeeze=False)
    for ax, name in zip(axes[0], sets):
        part = frame[frame["set"] == name]
        seaborn.pointplot(
            part, x="occluder", y="mpjpe_hidden_mm", hue="method", ax=ax, dodge=0.3,
            hue_order=[NAMES[m] for m in methods], order=sorted(part["occluder"].unique()),
            linestyle="none", markersize=5, seed=0,
        )  # fmt: skip
        ax.set(title=_SETS[name], xlabel="", ylabel="hidden error (mm)")
        handles, labels = ax.get_legend_handles_labels()
        ax.get_legend().remove()
    axes[0, 0].set_ylim(bottom=0)
    fig.legend(handles, labels, loc="outside upper left", ncols=len(methods), fontsize=8)
    return fig


def tabulate_kinect(rows: Sequence[Mapping]) -> list[dict]:
    """A row a method: error of all joints, and of joints that the sensor reads to 20 mm."""
    frame: Frame = pd.DataFrame(rows)
    frame = frame[frame["metric"] == "mpjpe_visible"]
    table = frame.pivot_table(index="method", columns="joints", values="value", sort=False)
    table = table.reindex([name for name in NAMES if name in table.index]).rename(index=NAMES)
    return table.reset_index(names="method").to_dict("records")
