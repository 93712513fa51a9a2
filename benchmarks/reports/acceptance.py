"""Acceptance criteria, set before the first run, and what the benchmark's record says of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from benchmarks import records
from benchmarks.frames import Frame
from benchmarks.reports.benchmark_tables import (
    CLASSICAL,
    OURS,
    RECORD,
    Ratio,
    Setting,
    compute_ratio,
    find_worst_ratio,
)
from stride_nb.viz.tables import Table, make_table

__all__ = [
    "CRITERIA",
    "AcceptanceCriterion",
    "list_runtime_verdicts",
    "list_verdicts",
    "tabulate_verdicts",
]

SPEED = RECORD.with_name("adaptation_speed.json")
_MOST_SECONDS, _LEAST_SHARE = 10.0, 18


class AcceptanceCriterion(NamedTuple):
    """A bound on a ratio of ours, set before the run."""

    what: str
    at_most: float
    applies_to: Callable[[Setting], bool]
    measure: Callable[[Frame], Ratio | None]

    def is_met(self, ratio: Ratio) -> bool:
        """Whether the ratio is at the bound or below."""
        return ratio.value <= self.at_most


def _is_estimated(setting: Setting) -> bool:
    return setting.input == "estimator"


CRITERIA = {
    "A": AcceptanceCriterion(
        "hidden joints: ours ÷ best classical baseline",
        0.45,
        _is_estimated,
        lambda rows: compute_ratio(rows, "mpjpe_hidden", CLASSICAL),
    ),
    "B": AcceptanceCriterion(
        "hidden joints: ours ÷ SmoothNet",
        0.85,
        _is_estimated,
        lambda rows: compute_ratio(rows, "mpjpe_hidden", ["smoothnet"]),
    ),
    "C": AcceptanceCriterion(
        "visible joints: ours ÷ input",
        0.50,
        _is_estimated,
        lambda rows: compute_ratio(rows, "mpjpe_visible", ["input"]),
    ),
    "D": AcceptanceCriterion(
        "acceleration, worst regime: ours ÷ best baseline",
        1.00,
        _is_estimated,
        lambda rows: find_worst_ratio(rows, "accel_error", (*CLASSICAL, "smoothnet")),
    ),
    "E": AcceptanceCriterion(
        "hidden joints, unseen: ours ÷ frozen prior",
        0.90,
        lambda s: _is_estimated(s) and s.experiment != "seen_noise",
        lambda rows: compute_ratio(rows, "mpjpe_hidden", ["prior"]),
    ),
    "F": AcceptanceCriterion(
        "hidden joints, worst regime: ours ÷ frozen prior",
        1.01,
        lambda s: True,
        lambda rows: find_worst_ratio(rows, "mpjpe_hidden", ["prior"], otherwise="mpjpe"),
    ),
    "G": AcceptanceCriterion(
        "hidden joints, lifted: ours ÷ the lifter's output",
        0.80,
        lambda s: s.input == "lifted",
        lambda rows: compute_ratio(rows, "mpjpe_hidden", ["input"]),
    ),
}


def _measure(
    criterion: AcceptanceCriterion, by_setting: Mapping[Setting, Frame]
) -> dict[Setting, Ratio]:
    """The ratio in every setting that the criterion applies to and that has what it compares."""
    ratios = {s: criterion.measure(r) for s, r in by_setting.items() if criterion.applies_to(s)}
    return {setting: ratio for setting, ratio in ratios.items() if ratio}


def list_verdicts(by_setting: Mapping[Setting, Frame]) -> list[dict]:
    """A row a criterion: its bound, the worst ratio and where it was measured, and in how many
    settings the criterion is met."""
    verdicts = []
    for letter, criterion in CRITERIA.items():
        row = {"": letter, "bar": criterion.what, "asked": f"≤ {criterion.at_most:.2f}"}
        if ratios := _measure(criterion, by_setting):
            setting, worst = max(ratios.items(), key=lambda pair: pair[1].value)
            met = sum(criterion.is_met(ratio) for ratio in ratios.values())
            regime = f", {worst.over[0]}" if len(worst.over) == 1 else ""
            share = _format_share(met, len(ratios))
            where = setting.name + regime
            row |= {"measured": worst.value, "met": share, "at its worst in": where}
        else:
            row |= {"measured": None, "met": None, "at its worst in": "not in the record"}
        verdicts.append(row)
    return verdicts


def _format_share(met: int, settings: int) -> str:
    return "yes" if met == settings else "no" if not met else f"in {met} of {settings}"


def tabulate_verdicts(by_setting: Mapping[Setting, Frame]) -> Table:
    """The ratio of every criterion in every setting that it applies to, met ones marked."""
    ratios = {letter: _measure(criterion, by_setting) for letter, criterion in CRITERIA.items()}
    rows = [
        {"setting": setting.name}
        | {letter: of[setting].value if setting in of else None for letter, of in ratios.items()}
        for setting in by_setting
    ]
    shown = make_table(rows, digits=3)
    shown.best = {
        (r, 1 + i)
        for r, setting in enumerate(by_setting)
        for i, (letter, of) in enumerate(ratios.items())
        if setting in of and CRITERIA[letter].is_met(of[setting])
    }
    return shown


def list_runtime_verdicts(path: str | os.PathLike = SPEED) -> list[str]:
    """The criteria on the time of test-time training and what was measured, a line each
    (``benchmarks/ablations/ttt_runtime.py``)."""
    seconds = {row["method"]: row["seconds"] for row in records.load_rows(path)}
    ours, published = seconds[OURS], seconds["stride_published"]
    share = published / ours
    verdicts = {
        f"a window adapted and answered by ours: asked ≤ {_MOST_SECONDS:g} s, "
        f"measured {ours:.1f} s": ours <= _MOST_SECONDS,
        "that as a share of the published procedure's time with its own network "
        f"({published:.0f} s): asked ≤ 1/{_LEAST_SHARE}, measured 1/{share:.0f}": share
        >= _LEAST_SHARE,
    }
    return [f"{what}, met: {'yes' if met else 'no'}" for what, met in verdicts.items()]
