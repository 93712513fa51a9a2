"""What was asked of ours before the first run, against what the benchmark's record has."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks import records
from benchmarks.reports.benchmark_tables import (
    CLASSICAL,
    OURS,
    RECORD,
    Ratio,
    Setting,
    ratio,
    worst,
)
from stride_nb.viz.tables import Table, table

__all__ = ["BARS", "Bar", "board", "speed", "verdicts"]

SPEED = RECORD.with_name("adaptation_speed.json")
_MOST_SECONDS, _LEAST_SHARE = 10.0, 18


class Bar(NamedTuple):
    """What was asked of ours before the run."""

    what: str
    at_most: float
    asked_of: Callable[[Setting], bool]
    measure: Callable[[Sequence[Mapping]], Ratio | None]


def _estimated(setting: Setting) -> bool:
    return setting.input == "estimator"


BARS = {
    "A": Bar(
        "hidden joints: ours ÷ best classical baseline",
        0.45,
        _estimated,
        lambda rows: ratio(rows, "mpjpe_hidden", CLASSICAL),
    ),
    "B": Bar(
        "hidden joints: ours ÷ SmoothNet",
        0.85,
        _estimated,
        lambda rows: ratio(rows, "mpjpe_hidden", ["smoothnet"]),
    ),
    "C": Bar(
        "visible joints: ours ÷ input",
        0.50,
        _estimated,
        lambda rows: ratio(rows, "mpjpe_visible", ["input"]),
    ),
    "D": Bar(
        "acceleration, worst regime: ours ÷ best baseline",
        1.00,
        _estimated,
        lambda rows: worst(rows, "accel_error", (*CLASSICAL, "smoothnet")),
    ),
    "E": Bar(
        "hidden joints, unseen: ours ÷ frozen prior",
        0.90,
        lambda s: _estimated(s) and s.experiment != "seen_noise",
        lambda rows: ratio(rows, "mpjpe_hidden", ["prior"]),
    ),
    "F": Bar(
        "hidden joints, worst regime: ours ÷ frozen prior",
        1.01,
        lambda s: True,
        lambda rows: worst(rows, "mpjpe_hidden", ["prior"], otherwise="mpjpe"),
    ),
    "G": Bar(
        "hidden joints, lifted: ours ÷ the lifter's output",
        0.80,
        lambda s: s.input == "lifted",
        lambda rows: ratio(rows, "mpjpe_hidden", ["input"]),
    ),
}


def verdicts(found: Mapping[Setting, Sequence[Mapping]]) -> list[dict]:
    """A row a bar: what was asked, the worst that was measured and where, and in how many settings
    it is met."""
    made = []
    for letter, bar in BARS.items():
        asked = {s: r for s, rows in found.items() if bar.asked_of(s) and (r := bar.measure(rows))}
        row = {"": letter, "bar": bar.what, "asked": f"≤ {bar.at_most:.2f}"}
        if asked:
            setting, highest = max(asked.items(), key=lambda pair: pair[1].value)
            met = sum(r.value <= bar.at_most for r in asked.values())
            alone = f", {highest.over[0]}" if len(highest.over) == 1 else ""
            row |= {
                "measured": highest.value,
                "met": _share(met, len(asked)),
                "at its worst in": setting.name + alone,
            }
        else:
            row |= {"measured": None, "met": None, "at its worst in": "not in the record"}
        made.append(row)
    return made


def _share(met: int, asked: int) -> str:
    return "yes" if met == asked else "no" if not met else f"in {met} of {asked}"


def board(found: Mapping[Setting, Sequence[Mapping]]) -> Table:
    """Every bar's ratio in every setting that it is asked of, met ones marked."""
    rows, marked = [], set()
    for r, (setting, measured) in enumerate(found.items()):
        ratios = {
            letter: bar.measure(measured) if bar.asked_of(setting) else None
            for letter, bar in BARS.items()
        }
        marked |= {
            (r, 1 + i)
            for i, (letter, x) in enumerate(ratios.items())
            if x and x.value <= BARS[letter].at_most
        }
        rows.append(
            {"setting": setting.name} | {letter: x and x.value for letter, x in ratios.items()}
        )
    shown = table(rows, digits=3)
    shown.best = marked
    return shown


def speed(path: str | os.PathLike = SPEED) -> list[str]:
    """What was asked of the time of adaptation and what was measured, a line each
    (``benchmarks/ablations/ttt_runtime.py``)."""
    took = {row["method"]: row["seconds"] for row in records.load(path)["rows"]}
    ours, share = took[OURS], took["stride_published"] / took[OURS]
    asked = (
        (
            f"a window adapted and answered by ours: asked ≤ {_MOST_SECONDS:g} s, measured {ours:.1f} s",
            ours <= _MOST_SECONDS,
        ),
        (
            f"that as a share of the published procedure's time with its own network ({took['stride_published']:.0f} s): "
            f"asked ≤ 1/{_LEAST_SHARE}, measured 1/{share:.0f}",
            share >= _LEAST_SHARE,
        ),
    )
    return [f"{what}, met: {'yes' if met else 'no'}" for what, met in asked]
