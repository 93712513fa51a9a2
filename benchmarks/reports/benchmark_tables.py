"""The benchmark's record, read: tables and figures by setting.

A *setting* is an experiment with one family of noise, one source and one kind of input. The record
holds means with their intervals, not single windows, so a ratio here is a ratio of means, without
an interval of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import records
from benchmarks.occlusion_benchmark import EXPERIMENTS, METHODS
from benchmarks.paired_statistics import AVERAGED, RIVALS
from benchmarks.records import RESULTS
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.errors import InputError
from stride_nb.evaluation.harness import INPUTS
from stride_nb.evaluation.metrics import TITLES
from stride_nb.refinement.filters import BASELINES
from stride_nb.viz.tables import Table, table

__all__ = [
    "CLASSICAL",
    "HIDDEN",
    "OURS",
    "RECORD",
    "Ratio",
    "SUMMARY",
    "Setting",
    "absent",
    "by_regime",
    "by_setting",
    "claims",
    "drawn",
    "losses",
    "means",
    "overview",
    "paired",
    "panels",
    "people",
    "pivot",
    "ratio",
    "read",
    "seconds",
    "standings",
    "worst",
]

RECORD = RESULTS / "benchmark.json"
OURS = "stride_ours"
CLASSICAL = tuple(BASELINES)
_ORDER = tuple(
    dict.fromkeys(
        [
            *(m for m in METHODS if not m.startswith("stride")),
            "prior_base",
            *(m for m in METHODS if m.startswith("stride")),
        ]
    )
)


class Setting(NamedTuple):
    """Where methods were compared."""

    experiment: str
    noise: str
    source: str
    input: str

    @property
    def name(self) -> str:
        """``unseen noise: drift``, or ``seen noise: lifted``, since detections have one family of
        errors."""
        return f"{self.experiment.replace('_', ' ')}: {'lifted' if self.input == 'lifted' else self.noise}"


def _setting(row: Mapping) -> Setting:
    return Setting(*(row[key] for key in Setting._fields))


class Ratio(NamedTuple):
    """One method's mean as a multiple of another's."""

    value: float
    against: str
    over: tuple[str, ...]
    """Regimes."""


def read(path: str | os.PathLike = RECORD) -> dict[Setting, list[dict]]:
    """The rows of the record by setting, experiments in their order and estimates before lifted
    input.

    Raises:
        InputError: a row lacks a key, or a setting has two rows for one regime, method and metric.
    """
    found: dict[Setting, list[dict]] = {}
    for row in _rows(path):
        for key in (
            *Setting._fields,
            "regime",
            "method",
            "metric",
            "value",
            "ci_low",
            "ci_high",
            "n",
        ):
            if key not in row:
                raise InputError(path, "rows", f"the key {key} in every row", "a row without it")
        found.setdefault(_setting(row), []).append(row)
    for setting, mine in found.items():
        if len({(row["regime"], row["method"], row["metric"]) for row in mine}) < len(mine):
            raise InputError(
                path, "rows", "one row a regime, method and metric", f"several of {setting.name}"
            )
    return _ordered(found)


def _ordered(found: Mapping[Setting, object]) -> dict:
    """Estimates before lifted input, experiments in their order."""
    return {
        s: found[s]
        for s in sorted(
            found, key=lambda s: (INPUTS.index(s.input), list(EXPERIMENTS).index(s.experiment))
        )
    }


def _rows(path: str | os.PathLike) -> list[dict]:
    """Of a single clip nothing can be drawn anew: its rows have no interval, NaN here."""
    return [
        row | {key: np.nan for key in ("ci_low", "ci_high") if row.get(key, 0.0) is None}
        for row in records.rows(path)
    ]


def pivot(rows: Sequence[Mapping], metric: str) -> dict[str, dict[str, Mapping]]:
    """Regime → method → row, both in the order of the book; regimes without the metric are left
    out."""
    values = {(row["regime"], row["method"]): row for row in rows if row["metric"] == metric}
    methods = _known(rows, "method")
    whole = {
        regime: {m: values[regime, m] for m in methods if (regime, m) in values}
        for regime in _known(rows, "regime")
    }
    return {regime: found for regime, found in whole.items() if found}


def _known(rows: Sequence[Mapping], key: str) -> list[str]:
    """The regimes or methods of the rows, in the order of the book, others after them."""
    order, there = (
        {"regime": REGIMES, "method": _ORDER}[key],
        dict.fromkeys(row[key] for row in rows),
    )
    return [name for name in order if name in there] + [name for name in there if name not in order]


def ratio(
    rows: Sequence[Mapping],
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
    over = tuple(
        regime for regime, row in pivot(rows, metric).items() if regime in regimes and method in row
    )
    mean = means(rows, metric, over)
    others = [m for m in against if m in mean]
    if not others:
        return None
    best = min(others, key=mean.get)
    return Ratio(mean[method] / mean[best], best, over)


def means(
    rows: Sequence[Mapping], metric: str, regimes: Sequence[str] = AVERAGED
) -> dict[str, float]:
    """The mean over those regimes that there are, of every method that has all of them."""
    found = [row for regime, row in pivot(rows, metric).items() if regime in regimes]
    whole = [m for m in (found[0] if found else ()) if all(m in row for row in found)]
    return {m: float(np.mean([row[m]["value"] for row in found])) for m in whole}


def worst(
    rows: Sequence[Mapping], metric: str, against: Sequence[str], otherwise: str | None = None
) -> Ratio | None:
    """The greatest of our ratios to the best of others, regime by regime; ``otherwise``: the metric
    where one lacks this."""
    alone = [
        ratio(rows, metric, against, regimes=[regime])
        or (otherwise and ratio(rows, otherwise, against, regimes=[regime]))
        for regime in dict.fromkeys(row["regime"] for row in rows)
    ]
    return max(filter(None, alone), default=None)


def by_regime(rows: Sequence[Mapping], metric: str, digits: int = 1) -> Table | None:
    """Methods by regimes for one metric of one setting, the least of each regime bold; None without
    such rows."""
    found = pivot(rows, metric)
    made = [
        {"method": m} | {regime: row.get(m, {}).get("value") for regime, row in found.items()}
        for m in _known(rows, "method")
    ]
    return table(made, digits=digits, lower=list(found)) if found else None


def by_setting(found: Mapping[Setting, Sequence[Mapping]], metric: str, digits: int = 1) -> Table:
    """Methods by settings: ``means`` of one metric, the least of each setting bold."""
    mean = {setting.name: means(rows, metric) for setting, rows in found.items()}
    order = _known([row for rows in found.values() for row in rows], "method")
    made = [{"method": m} | {name: values.get(m) for name, values in mean.items()} for m in order]
    return table(made, digits=digits, lower=list(mean))


def standings(found: Mapping[Setting, Sequence[Mapping]]) -> list[dict]:
    """A row a setting: which methods have the least hidden error in how many regimes, and ours
    beside its rivals."""
    made, metric = [], "mpjpe_hidden"
    for setting, rows in found.items():
        regimes = pivot(rows, metric)
        first = [min(row, key=lambda m: row[m]["value"]) for row in regimes.values()]
        counts = {
            m: first.count(m) for m in sorted(dict.fromkeys(first), key=first.count, reverse=True)
        }
        filters = ratio(rows, metric, CLASSICAL)
        made.append(
            {
                "setting": setting.name,
                "best classical": filters and filters.against,
                "ours ÷ it": filters and filters.value,
                "÷ prior": _value(ratio(rows, metric, ["prior"])),
                "÷ published": _value(ratio(rows, metric, ["stride_published"])),
                "apart": _apart(regimes),
                "first in": ", ".join(f"{m} {k}" for m, k in counts.items()),
            }
        )
    return made


def _value(found: Ratio | None) -> float | None:
    return found and found.value


def _apart(regimes: Mapping[str, Mapping[str, Mapping]]) -> str | None:
    """In how many regimes our whole interval lies below the best classical baseline's."""
    ends = [
        (
            row[OURS]["ci_high"],
            min((row[m] for m in CLASSICAL if m in row), key=lambda x: x["value"])["ci_low"],
        )
        for row in regimes.values()
        if OURS in row and any(m in row for m in CLASSICAL)
    ]
    return f"{sum(high < low for high, low in ends)} of {len(ends)}" if ends else None


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
"""Columns of ``paired``: an error of ours, and by whose it is divided."""


def paired(
    path: str | os.PathLike = RECORD, columns: Mapping[str, tuple[str, str]] = HIDDEN
) -> list[dict]:
    """Errors of ours as multiples of its rivals' on the same windows, with intervals; a row a
    setting, how many clips it has."""
    made: dict[Setting, dict] = {}
    for row in _ratios(path):
        if row["regimes"].split() == list(AVERAGED):
            mine = made.setdefault(_setting(row), {"clips": row["clips"]})
            mine[row["metric"], row["rival"]] = _with_interval(row)
    return [
        {"setting": setting.name, "clips": mine["clips"]}
        | {name: mine.get(where) for name, where in columns.items()}
        for setting, mine in _ordered(made).items()
    ]


def losses(path: str | os.PathLike = RECORD) -> list[dict]:
    """Where ours errs more than a rival: a row a setting, error and rival, with the regimes in
    which the whole interval of paired ratios is above 1, and the greatest of these ratios."""
    rows, found = _ratios(path), {}
    for metric, error in TITLES.items():
        for row in rows:
            if row["metric"] == metric and len(row["regimes"].split()) == 1 and row["ci_low"] > 1:
                found.setdefault((error, _setting(row).name, row["against"]), []).append(row)
    return [
        {
            "error": error,
            "setting": setting,
            "rival": rival,
            "regimes": ", ".join(row["regimes"] for row in worse)
            if len(worse) < len(REGIMES)
            else "all",
            "ratio, at its greatest": _with_interval(max(worse, key=lambda row: row["value"]), 3),
        }
        for (error, setting, rival), worse in found.items()
    ]


def _ratios(path: str | os.PathLike) -> list[dict]:
    return _rows(Path(path).with_stem(Path(path).stem + "_ratios"))


def _with_interval(row: Mapping, digits: int = 2) -> str:
    return "{value:.{0}f} [{ci_low:.{0}f}–{ci_high:.{0}f}]".format(digits, **row)


def people(
    path: str | os.PathLike = RECORD,
    methods: Sequence[str] = ("input", "gaussian", "smoothnet", "prior", OURS),
):
    """Hidden error person by person: a row a setting and person."""
    rows = records.rows(Path(path).with_stem(Path(path).stem + "_subjects"))
    made: dict[tuple, dict] = {}
    for row in (r for r in rows if r["method"] in methods):
        setting = _setting(row)
        made.setdefault((setting.name, row["subject"]), {"cases": row["n"]})[row["method"]] = row[
            "value"
        ]
    return [
        {"setting": s, "person": who} | {"cases": x["cases"]} | {m: x.get(m) for m in methods}
        for (s, who), x in made.items()
    ]


def claims(path: str | os.PathLike = RECORD, method: str = OURS) -> list[dict]:
    """How sure a method was of its answers and how right: a row a setting, of hidden and of visible
    joints the mean chance that it gives them to be within 100 mm, and the share of them that are,
    with its interval."""
    made: dict[Setting, dict] = {}
    for row in _rows(Path(path).with_stem(Path(path).stem + "_claims")):
        if row["method"] == method:
            mine = made.setdefault(_setting(row), {"cases": row["n"]})
            mine |= {
                f"{row['part']}: claimed": row["claimed"],
                f"{row['part']}: found": _with_interval(row),
            }
    return [{"setting": setting.name} | mine for setting, mine in _ordered(made).items()]


def overview(found: Mapping[Setting, Sequence[Mapping]]) -> list[dict]:
    """A row a setting: what was run, on how many windows, by which code."""
    return [
        {
            "setting": setting.name,
            "motion": f"{setting.source}, {rows[0]['split']}",
            "regimes": len({row["regime"] for row in rows}),
            "methods": len({row["method"] for row in rows}),
            "windows a regime": _span([row["n"] for row in rows]),
            "seeds": _span([row["seeds"] for row in rows]),
            "commit": ", ".join(
                dict.fromkeys(
                    c[:7] + "+" * c.endswith("+") for row in rows for c in row["commit"].split()
                )
            ),
        }
        for setting, rows in found.items()
    ]


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low}–{high}"


def absent(found: Mapping[Setting, Sequence[Mapping]]) -> list[str]:
    """What the protocol names and the record lacks, a line each."""
    there = {setting.name for setting in found}
    wanted = [
        Setting(e, family, source, "estimator")
        for e, (source, families) in EXPERIMENTS.items()
        for family in families
    ]
    wanted += [
        Setting(e, "", source, "lifted")
        for e, (source, _) in EXPERIMENTS.items()
        if e != "unseen_noise"
    ]
    said = [f"setting {setting.name}: absent" for setting in wanted if setting.name not in there]
    for key, known in (("regime", REGIMES), ("method", _ORDER)):
        for name in known:
            lacking = [
                setting.name for setting, rows in found.items() if name not in _known(rows, key)
            ]
            if lacking:
                said.append(
                    f"{key} {name}: absent"
                    + (" in " + ", ".join(lacking)) * (len(lacking) < len(found))
                )
    return said


def seconds(found: Mapping[Setting, Sequence[Mapping]]) -> list[dict]:
    """A row a method: mean wall time of a window in seconds, a column a computer."""
    made: dict[str, dict[str, list[float]]] = {}
    for rows in found.values():
        for row in rows:
            computer = row["hardware"]
            name = computer.get("gpu") or f"{computer['cores']} cores, {computer['cpu']}"
            made.setdefault(row["method"], {}).setdefault(name, []).append(row["wall_s"])
    order = _known([row for rows in found.values() for row in rows], "method")
    return [
        {"method": m} | {name: float(np.mean(times)) for name, times in made[m].items()}
        for m in order
    ]


def panels(rows: Sequence[Mapping], metric: str) -> dict[str, dict[str, tuple]]:
    """What ``drawn`` takes, of one setting: a panel a regime, with its number of windows, and a bar
    a method."""
    return {
        f"{regime}, n = {_span([r['n'] for r in row.values()])}": {
            m: (r["value"], r["ci_low"], r["ci_high"]) for m, r in row.items()
        }
        for regime, row in pivot(rows, metric).items()
    }


def drawn(groups: Mapping[str, Mapping], label: str) -> list:
    """Bars with intervals on one common axis, in as few figures of at most four panels as it takes;
    ours in colour."""
    from stride_nb.viz.figures import bars_with_intervals

    names, top = (
        list(groups),
        max(np.nanmax(value) for group in groups.values() for value in group.values()),
    )
    count = -(-len(names) // 4)
    figures = [
        bars_with_intervals({name: groups[name] for name in part}, label, highlight=[OURS])
        for part in np.array_split(names, count)
    ]
    for ax in (ax for figure in figures for ax in figure.axes):
        ax.set_xlim(0, 1.03 * top)
        ax.title.set_fontsize(8)
    return figures
