"""What single windows of the benchmark tell beside means: ratios of two methods on the same
windows, people apart, and how far what a network says of its own error holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from stride_nb.evaluation.bootstrap import paired_bootstrap
from stride_nb.evaluation.harness import Case, interval
from stride_nb.evaluation.metrics import UNITS
from stride_nb.refinement.filters import BASELINES

__all__ = ["AVERAGED", "RIVALS", "changes", "claims", "ratios", "subject", "subjects"]

AVERAGED = ("limb", "half", "block", "whole_1s")
"""The regimes that a ratio is taken over."""
RIVALS = {
    "mpjpe_hidden": ("classical", "smoothnet", "prior", "stride_published", "input"),
    "mpjpe_visible": ("prior", "input"),
    "mpjpe": ("prior",),
    "accel_error": ("classical",),
}
"""Metric → whom a method is set against in it."""


def ratios(rows: Sequence[dict], method: str = "stride_ours") -> list[dict]:
    """A method's error as a multiple of its rivals', with 95 % intervals from resampling clips,
    windows kept in pairs.

    Args:
        rows: of ``cases.compare``, of one setting. None of them of that method: no ratios.

    Returns:
        A row a metric and rival: over ``AVERAGED`` together, and over every regime alone.
        ``classical`` is the classical baseline with the least error there, chosen in hindsight;
        ``against`` says which.
    """
    there = tuple(dict.fromkeys(row["regime"] for row in rows))
    together = tuple(r for r in AVERAGED if r in there)
    found = []
    for over in dict.fromkeys([together, *((r,) for r in there)]):
        here = [row for row in rows if row["regime"] in over]
        for metric, rivals in RIVALS.items():
            found += [
                _ratio(here, metric, method, rival) | {"regimes": " ".join(over)}
                for rival in rivals
                if _has(here, metric, method) and any(_has(here, metric, m) for m in _of(rival))
            ]
    return found


def _of(rival: str) -> tuple[str, ...]:
    return tuple(BASELINES) if rival == "classical" else (rival,)


def _has(rows: Sequence[dict], metric: str, method: str) -> bool:
    return any(row["method"] == method and metric in row for row in rows)


def _ratio(rows: Sequence[dict], metric: str, method: str, rival: str) -> dict:
    there = [m for m in _of(rival) if _has(rows, metric, m)]
    against = min(there, key=lambda m: np.mean([row[metric] for row in rows if row["method"] == m]))
    value, low, high = interval(rows, metric, method, against)
    mine = [row["clip"] for row in rows if row["method"] == method and metric in row]
    return {
        "metric": metric,
        "method": method,
        "rival": rival,
        "against": against,
        "value": round(value, 4),
        "ci_low": round(low, 4),
        "ci_high": round(high, 4),
        "n": len(mine),
        "clips": len(set(mine)),
    }


def changes(
    made: Sequence[Case],
    before: Sequence[Mapping],
    after: Sequence[Mapping],
    metrics: Sequence[str],
) -> list[dict]:
    """What a change of a method does to its errors on the same windows.

    Args:
        made: the windows.
        before, after: of each its metrics (`metrics.evaluate`), without and with the change.

    Returns:
        A row a metric: the mean before, the ratio of the mean after to it with its 95 % interval
        from drawing clips anew, and the regime in which that ratio is greatest.
    """
    found = []
    for metric in metrics:
        here = [i for i, errors in enumerate(before) if metric in errors]
        plain, changed = (np.array([errors[i][metric] for i in here]) for errors in (before, after))
        ratio = paired_bootstrap(
            changed, plain, [made[i].clip for i in here], np.random.default_rng(0)
        )
        regimes = np.array([made[i].regime for i in here])
        by = {
            r: changed[regimes == r].mean() / plain[regimes == r].mean()
            for r in dict.fromkeys(regimes)
        }
        worst = max(by, key=by.get)
        found.append(
            {
                "metric": metric,
                "unit": UNITS[metric],
                "before": round(plain.mean(), 4),
                "ratio": round(ratio.value, 4),
                "ratio_low": round(ratio.low, 4),
                "ratio_high": round(ratio.high, 4),
                "worst_regime": str(worst),
                "worst": round(by[worst], 4),
                "n": len(here),
            }
        )
    return found


def subject(clip: str) -> str:
    """Who moves in a clip, by its name.

    >>> subject("cmu_06_02_a"), subject("hdm05_mm_depositFloorR_019")
    ('06', 'mm')
    """
    found = re.match(r"[A-Za-z0-9]+_([A-Za-z0-9]+)_", clip)
    return found[1] if found else clip


def subjects(rows: Sequence[dict], metric: str = "mpjpe_hidden") -> list[dict]:
    """Means over ``AVERAGED`` of every method, person by person."""
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["regime"] in AVERAGED and metric in row:
            groups.setdefault((subject(row["clip"]), row["method"]), []).append(row[metric])
    return [
        {
            "subject": who,
            "method": m,
            "metric": metric,
            "value": round(float(np.mean(values)), 3),
            "n": len(values),
        }
        for (who, m), values in sorted(groups.items())
    ]


def claims(rows: Sequence[dict]) -> list[dict]:
    """Over ``AVERAGED``, of every method that tells how sure it is: the mean chance that it gives a
    joint to be within 100 mm, and the share of joints that are, with its 95 % interval from
    resampling clips; a row a method, for hidden and for visible joints."""
    here = [row for row in rows if row["regime"] in AVERAGED]
    found = []
    for method in dict.fromkeys(row["method"] for row in here):
        for part in ("hidden", "visible"):
            if _has(here, f"within_{part}", method):
                claimed, (value, low, high) = (
                    interval(here, f"{what}_{part}", method) for what in ("claimed", "within")
                )
                found.append(
                    {
                        "method": method,
                        "part": part,
                        "claimed": round(claimed.value, 4),
                        "value": round(value, 4),
                        "ci_low": round(low, 4),
                        "ci_high": round(high, 4),
                        "n": sum(
                            row["method"] == method and f"within_{part}" in row for row in here
                        ),
                    }
                )
    return found
