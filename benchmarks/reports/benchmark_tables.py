"""Tables and figures of the benchmark's record, by setting.

A *setting* is an experiment with one noise model, one source and one kind of input. The record
holds means with their intervals, not single windows, so a ratio here is a ratio of means, without
an interval of its own; ratios with intervals come from the record of ratios beside it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import records
from benchmarks.frames import Frame, list_rows, pd
from benchmarks.occlusion_benchmark import EXPERIMENTS, METHODS
from benchmarks.paired_statistics import AVERAGED, RIVALS
from benchmarks.records import RESULTS
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.errors import InputError
from stride_nb.evaluation.harness import INPUTS
from stride_nb.evaluation.metrics import TITLES
from stride_nb.refinement.filters import BASELINES
from stride_nb.viz.tables import Table, make_table

__all__ = [
    "CLASSICAL",
    "HIDDEN",
    "OURS",
    "RECORD",
    "SUMMARY",
    "Ratio",
    "Setting",
    "average_regimes",
    "compute_ratio",
    "find_worst_ratio",
    "list_absent",
    "list_losses",
    "pivot",
    "plot_bars",
    "rank_methods",
    "read",
    "select_panels",
    "tabulate_calibration",
    "tabulate_paired_ratios",
    "tabulate_regimes",
    "tabulate_runs",
    "tabulate_runtime",
    "tabulate_settings",
    "tabulate_subjects",
]

Rows = Frame | Sequence[Mapping[str, Any]]
RECORD = RESULTS / "benchmark.json"
OURS = "stride_ours"
CLASSICAL = tuple(BASELINES)
_OTHERS = [m for m in METHODS if not m.startswith("stride")]
_ORDERS = {
    "regime": list(REGIMES),
    "method": [*_OTHERS, "prior_base", *(m for m in METHODS if m not in _OTHERS)],
}
_VALUES = ("value", "ci_low", "ci_high", "n")


class Setting(NamedTuple):
    """Where methods were compared."""

    experiment: str
    noise: str
    source: str
    input: str

    @property
    def name(self) -> str:
        """``unseen noise: drift``, or ``seen noise: lifted``, since detections have one noise
        model."""
        noise = "lifted" if self.input == "lifted" else self.noise
        return f"{self.experiment.replace('_', ' ')}: {noise}"


class Ratio(NamedTuple):
    """One method's mean as a multiple of another's."""

    value: float
    against: str
    over: tuple[str, ...]
    """Regimes."""


def read(path: str | os.PathLike = RECORD) -> dict[Setting, Frame]:
    """The rows of the record by setting, experiments in their order and estimates before lifted
    input.

    Raises:
        InputError: a row lacks a key, or a setting has two rows for one regime, method and metric.
    """
    rows = records.load_rows(path)
    identity = [*Setting._fields, "regime", "method", "metric"]
    for key in (*identity, *_VALUES):
        if not all(key in row for row in rows):
            expected = f"the key {key} in every row"
            raise InputError(path, "rows", expected, "a row without it")
    frame = _load_frame(path)
    twice = frame[frame.duplicated(identity)]
    if len(twice):
        expected = "one row a regime, method and metric"
        raise InputError(path, "rows", expected, f"several of {twice['setting'].iloc[0]}")
    return _group_settings(frame)


def _load_frame(path: str | os.PathLike) -> Frame:
    """The rows and the name of their ``setting``. Of a single clip there is no interval: NaN."""
    frame = pd.DataFrame(records.load_rows(path))
    names = [Setting(*key).name for key in frame[list(Setting._fields)].itertuples(index=False)]
    ends = [column for column in ("ci_low", "ci_high") if column in frame]
    return frame.assign(setting=names).astype(dict.fromkeys(ends, float))


def _group_settings(frame: Frame) -> dict[Setting, Frame]:
    """Estimates before lifted input, experiments in their order."""
    groups = {Setting(*k): g for k, g in frame.groupby(list(Setting._fields), sort=False)}
    experiments = list(EXPERIMENTS)
    order = sorted(groups, key=lambda s: (INPUTS.index(s.input), experiments.index(s.experiment)))
    return {setting: groups[setting] for setting in order}


def _order_names(rows: Rows, key: str) -> list[str]:
    """The regimes or methods of the rows, in the order of the book, others after them."""
    there = list(dict.fromkeys(pd.DataFrame(rows)[key]))
    known = [name for name in _ORDERS[key] if name in there]
    return known + [name for name in there if name not in known]


def pivot(rows: Rows, metric: str, column: str = "value") -> Frame:
    """Regimes by methods, both in the order of the book; regimes without the metric are left out,
    NaN where a method lacks a regime."""
    frame = pd.DataFrame(rows)
    chosen = frame[frame["metric"] == metric]
    values = chosen.pivot(index="regime", columns="method", values=column)
    return values.reindex(
        index=_order_names(chosen, "regime"), columns=_order_names(frame, "method")
    )


def compute_ratio(
    rows: Rows,
    metric: str,
    against: Sequence[str],
    method: str = OURS,
    regimes: Sequence[str] = AVERAGED,
) -> Ratio | None:
    """The mean over regimes of a method, over that of the best of others (in hindsight, one for all
    these regimes).

    Args:
        rows: of one setting.
        against: methods; those that lack a regime are left out.
        regimes: those that the method has no value for are left out.

    Returns:
        None where there is nothing to compare.
    """
    values = pivot(rows, metric)
    if method not in values:
        return None
    values = values[values.index.isin(regimes) & values[method].notna()].dropna(axis="columns")
    rivals = [m for m in against if m in values]
    if values.empty or not rivals:
        return None
    mean = values.mean()
    best = mean[rivals].idxmin()
    return Ratio(float(mean[method] / mean[best]), best, tuple(values.index))


def average_regimes(rows: Rows, metric: str, regimes: Sequence[str] = AVERAGED) -> dict[str, float]:
    """The mean over those regimes that there are, of every method that has all of them."""
    values = pivot(rows, metric)
    values = values[values.index.isin(regimes)].dropna(axis="columns")
    return values.mean().to_dict() if len(values) else {}


def find_worst_ratio(
    rows: Rows, metric: str, against: Sequence[str], otherwise: str | None = None
) -> Ratio | None:
    """The greatest of our ratios to the best of others, regime by regime.

    Args:
        otherwise: the metric of regimes that lack this one.
    """
    ratios = []
    for regime in _order_names(rows, "regime"):
        ratio = compute_ratio(rows, metric, against, regimes=[regime])
        if ratio is None and otherwise:
            ratio = compute_ratio(rows, otherwise, against, regimes=[regime])
        ratios += [ratio] if ratio else []
    return max(ratios, default=None)


def tabulate_regimes(rows: Rows, metric: str, digits: int = 1) -> Table | None:
    """Methods by regimes for one metric of one setting, the least of each regime bold; None without
    such rows."""
    values = pivot(rows, metric)
    if values.empty:
        return None
    return make_table(list_rows(values.T, "method"), digits=digits, lower=list(values.index))


def tabulate_settings(by_setting: Mapping[Setting, Frame], metric: str, digits: int = 1) -> Table:
    """Methods by settings: ``average_regimes`` of one metric, the least of each setting bold."""
    means = pd.DataFrame(
        {s.name: pd.Series(average_regimes(r, metric)) for s, r in by_setting.items()}
    )
    means = means.reindex(_order_names(pd.concat(by_setting.values()), "method"))
    return make_table(list_rows(means, "method"), digits=digits, lower=list(means))


def rank_methods(by_setting: Mapping[Setting, Frame]) -> list[dict]:
    """A row a setting: which methods have the least hidden error in how many regimes, and ours
    beside its rivals."""
    return [_rank_setting(setting, rows, "mpjpe_hidden") for setting, rows in by_setting.items()]


def _rank_setting(setting: Setting, rows: Frame, metric: str) -> dict:
    ratios = {
        name: compute_ratio(rows, metric, against)
        for name, against in (
            ("ours ÷ it", CLASSICAL),
            ("÷ prior", ["prior"]),
            ("÷ published", ["stride_published"]),
        )
    }
    best = ratios["ours ÷ it"]
    first = Counter(pivot(rows, metric).idxmin(axis="columns")).most_common()
    return (
        {"setting": setting.name, "best classical": best and best.against}
        | {name: ratio and ratio.value for name, ratio in ratios.items()}
        | {
            "apart": _count_apart(rows, metric),
            "first in": ", ".join(f"{method} {count}" for method, count in first),
        }
    )


def _count_apart(rows: Frame, metric: str) -> str | None:
    """In how many regimes our whole interval lies below the best classical baseline's."""
    value, low, high = (pivot(rows, metric, column) for column in ("value", "ci_low", "ci_high"))
    if OURS not in value:
        return None
    classical = value.reindex(columns=CLASSICAL)[value[OURS].notna()].dropna(how="all")
    best = classical.idxmin(axis="columns") if len(classical) else {}
    apart = [high.loc[regime, OURS] < low.loc[regime, m] for regime, m in best.items()]
    return f"{sum(apart)} of {len(apart)}" if apart else None


HIDDEN = {
    f"÷ {rival.removeprefix('stride_')}": ("mpjpe_hidden", rival)
    for rival in RIVALS["mpjpe_hidden"]
}
SUMMARY = {
    "hidden ÷ best filter": ("mpjpe_hidden", "classical"),
    "hidden ÷ frozen prior": ("mpjpe_hidden", "prior"),
    "visible ÷ input": ("mpjpe_visible", "input"),
    "acceleration ÷ best filter": ("accel_error", "classical"),
}
"""Columns of ``tabulate_paired_ratios``: an error of ours, and by whose it is divided."""


def tabulate_paired_ratios(
    path: str | os.PathLike = RECORD, columns: Mapping[str, tuple[str, str]] = HIDDEN
) -> list[dict]:
    """Errors of ours as multiples of its rivals' on the same windows, with intervals; a row a
    setting, how many clips it has."""
    frame = _load_beside(path, "_ratios")
    shown = []
    for setting, rows in _group_settings(frame[frame["regimes"] == " ".join(AVERAGED)]).items():
        ratios = {(row.metric, row.rival): _format(row) for row in rows.itertuples()}
        about = {"setting": setting.name, "clips": rows["clips"].iloc[0]}
        shown.append(about | {name: ratios.get(pair) for name, pair in columns.items()})
    return shown


def list_losses(path: str | os.PathLike = RECORD) -> list[dict]:
    """Where ours errs more than a rival: a row a setting, error and rival, with the regimes in
    which the whole interval of paired ratios is above 1, and the greatest of these ratios."""
    frame = _load_beside(path, "_ratios")
    frame = frame[(frame["regimes"].str.split().str.len() == 1) & (frame["ci_low"] > 1)]
    losses = []
    for metric, error in TITLES.items():
        by_rival = frame[frame["metric"] == metric].groupby(["setting", "against"], sort=False)
        for (setting, rival), rows in by_rival:
            regimes = ", ".join(rows["regimes"]) if len(rows) < len(REGIMES) else "all"
            worst = next(rows.loc[[rows["value"].idxmax()]].itertuples())
            losses.append(
                {"error": error, "setting": setting, "rival": rival, "regimes": regimes}
                | {"ratio, at its greatest": _format(worst, 3)}
            )
    return losses


def _load_beside(path: str | os.PathLike, suffix: str) -> Frame:
    return _load_frame(Path(path).with_stem(Path(path).stem + suffix))


def _format(row, digits: int = 2) -> str:
    return f"{row.value:.{digits}f} [{row.ci_low:.{digits}f}–{row.ci_high:.{digits}f}]"


def tabulate_subjects(
    path: str | os.PathLike = RECORD,
    methods: Sequence[str] = ("input", "gaussian", "smoothnet", "prior", OURS),
) -> list[dict]:
    """Hidden error subject by subject: a row a setting and subject."""
    frame = _load_beside(path, "_subjects")
    frame = frame[frame["method"].isin(methods)]
    return [
        {"setting": setting, "person": subject, "cases": rows["n"].iloc[0]}
        | rows.set_index("method")["value"].reindex(methods).to_dict()
        for (setting, subject), rows in frame.groupby(["setting", "subject"], sort=False)
    ]


def tabulate_calibration(path: str | os.PathLike = RECORD, method: str = OURS) -> list[dict]:
    """Predicted and empirical coverage of a method: a row a setting, of hidden and of visible
    joints the mean chance that it gives them to be within 100 mm, and the share of them that are,
    with its interval."""
    frame = _load_beside(path, "_claims")
    shown = []
    for setting, rows in _group_settings(frame[frame["method"] == method]).items():
        line = {"setting": setting.name, "cases": rows["n"].iloc[0]}
        for row in rows.itertuples():
            line |= {f"{row.part}: claimed": row.claimed, f"{row.part}: found": _format(row)}
        shown.append(line)
    return shown


def tabulate_runs(by_setting: Mapping[Setting, Frame]) -> list[dict]:
    """A row a setting: what was run, on how many windows, by which code."""
    return [
        {
            "setting": setting.name,
            "motion": f"{setting.source}, {rows['split'].iloc[0]}",
            "regimes": rows["regime"].nunique(),
            "methods": rows["method"].nunique(),
            "windows a regime": _format_range(rows["n"]),
            "seeds": _format_range(rows["seeds"]),
            "commit": _abbreviate(rows["commit"]),
        }
        for setting, rows in by_setting.items()
    ]


def _abbreviate(commits: Iterable[str]) -> str:
    short = [c[:7] + "+" * c.endswith("+") for several in commits for c in several.split()]
    return ", ".join(dict.fromkeys(short))


def _format_range(numbers: Any) -> str:
    low, high = numbers.min(), numbers.max()
    return f"{low}" if low == high else f"{low}–{high}"


def list_absent(by_setting: Mapping[Setting, Frame]) -> list[str]:
    """What the protocol names and the record lacks, a line each."""
    there = {setting.name for setting in by_setting}
    expected = [
        Setting(experiment, noise, source, "estimator").name
        for experiment, (source, noise_models) in EXPERIMENTS.items()
        for noise in noise_models
    ]
    expected += [Setting(e, "", "", "lifted").name for e in EXPERIMENTS if e != "unseen_noise"]
    absent = [f"setting {name}: absent" for name in expected if name not in there]
    for key, known in _ORDERS.items():
        for name in known:
            lacking = [s.name for s, rows in by_setting.items() if name not in set(rows[key])]
            if lacking:
                where = " in " + ", ".join(lacking) if len(lacking) < len(by_setting) else ""
                absent.append(f"{key} {name}: absent{where}")
    return absent


def tabulate_runtime(by_setting: Mapping[Setting, Frame]) -> list[dict]:
    """A row a method: mean wall time of a window in seconds, a column a computer."""
    frame = pd.concat(by_setting.values())
    computers = [x.get("gpu") or f"{x['cores']} cores, {x['cpu']}" for x in frame["hardware"]]
    means = frame.assign(computer=computers).pivot_table(
        "wall_s", index="method", columns="computer", sort=False
    )
    return list_rows(means.reindex(_order_names(frame, "method")), "method")


def select_panels(rows: Rows, metric: str) -> dict[str, dict[str, tuple]]:
    """Panels of ``plot_bars`` for one setting: a panel a regime, with its number of windows, and a
    bar a method."""
    columns = {column: pivot(rows, metric, column) for column in _VALUES}
    panels = {}
    for regime, values in columns["value"].iterrows():
        n = columns["n"].loc[regime].dropna().astype(int)
        panels[f"{regime}, n = {_format_range(n)}"] = {
            method: tuple(columns[c].loc[regime, method] for c in ("value", "ci_low", "ci_high"))
            for method in values.dropna().index
        }
    return panels


def plot_bars(groups: Mapping[str, Mapping], label: str) -> list:
    """Bars with intervals on one common axis, in as few figures of at most four panels as it takes;
    ours in colour."""
    from stride_nb.viz.figures import plot_bars

    names = list(groups)
    top = max(np.nanmax(value) for group in groups.values() for value in group.values())
    count = -(-len(names) // 4)
    figures = [
        plot_bars({name: groups[name] for name in part}, label, highlight=[OURS])
        for part in np.array_split(names, count)
    ]
    for ax in (ax for figure in figures for ax in figure.axes):
        ax.set_xlim(0, 1.03 * top)
        ax.title.set_fontsize(8)
    return figures
