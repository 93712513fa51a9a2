"""What single windows of the benchmark show beside means: ratios of two methods on the same
windows, errors by subject, and the calibration of predicted errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmarks.frames import pd
from stride_nb.evaluation.bootstrap import Interval, bootstrap_interval
from stride_nb.evaluation.harness import Case, estimate_interval
from stride_nb.evaluation.metrics import UNITS
from stride_nb.refinement.filters import BASELINES

__all__ = [
    "AVERAGED",
    "RATIO",
    "RIVALS",
    "average_subjects",
    "compare_paired",
    "compare_with_rivals",
    "estimate_ratio",
    "measure_calibration",
    "name_interval",
    "parse_subject",
]

AVERAGED = ("limb", "half", "block", "whole_1s")
"""The regimes that a ratio is taken over."""
RIVALS = {
    "mpjpe_hidden": ("classical", "smoothnet", "prior", "stride_published", "input"),
    "mpjpe_visible": ("prior", "input"),
    "mpjpe": ("prior",),
    "accel_error": ("classical",),
}
"""Metric → the methods that ours is compared with."""
RATIO = ("ratio", "ratio_low", "ratio_high")
"""Columns of a ratio and its interval."""


def name_interval(
    interval: Iterable[float],
    columns: Sequence[str] = ("value", "ci_low", "ci_high"),
    digits: int = 4,
) -> dict[str, float]:
    """A statistic and the ends of its interval as rounded columns of a row."""
    return {column: round(x, digits) for column, x in zip(columns, interval)}


def estimate_ratio(
    values: Sequence[float], reference: Sequence[float], clips: Sequence[str]
) -> Interval:
    """mean(values) / mean(reference) on the same windows, with its 95 % interval by cluster
    bootstrap over clips."""
    rng = np.random.default_rng(0)
    return bootstrap_interval(np.asarray(values), np.asarray(reference), np.asarray(clips), rng)


def compare_with_rivals(rows: Sequence[dict], method: str = "stride_ours") -> list[dict]:
    """A method's error as a multiple of its rivals', with 95 % intervals by cluster bootstrap over
    clips, windows in pairs.

    Args:
        rows: of ``compare_methods``, of one setting. None of them of that method: no ratios.

    Returns:
        A row a metric and rival: over ``AVERAGED`` together, and over every regime alone.
        ``classical`` is the classical baseline with the least error there, chosen in hindsight;
        ``against`` names it.
    """
    regimes = tuple(dict.fromkeys(row["regime"] for row in rows))
    together = tuple(r for r in AVERAGED if r in regimes)
    ratios = []
    for over in dict.fromkeys([together, *((r,) for r in regimes)]):
        here = [row for row in rows if row["regime"] in over]
        if not here:
            continue
        means = pd.DataFrame(here).groupby("method").mean(numeric_only=True)
        for metric, rivals in RIVALS.items():
            if metric not in means or np.isnan(means[metric].get(method, np.nan)):
                continue
            for rival in rivals:
                candidates = BASELINES if rival == "classical" else [rival]
                known = means[metric].reindex(candidates).dropna()
                if len(known):
                    about = {"metric": metric, "method": method, "rival": rival}
                    ratio = _compare_two(here, metric, method, known.idxmin())
                    ratios.append(about | ratio | {"regimes": " ".join(over)})
    return ratios


def _compare_two(rows: Sequence[dict], metric: str, method: str, against: str) -> dict:
    clips = [row["clip"] for row in rows if row["method"] == method and metric in row]
    interval = estimate_interval(rows, metric, method, against)
    return (
        {"against": against} | name_interval(interval) | {"n": len(clips), "clips": len(set(clips))}
    )


def compare_paired(
    cases: Sequence[Case],
    before: Sequence[Mapping],
    after: Sequence[Mapping],
    metrics: Sequence[str],
) -> list[dict]:
    """What a change of a method does to its errors on the same windows.

    Args:
        cases: the windows.
        before, after: the metrics of each (``study.evaluate_case``), without and with the change.

    Returns:
        A row a metric: the mean before, the ratio of the mean after to it with its 95 % interval by
        cluster bootstrap over clips, and the regime in which that ratio is greatest.
    """
    rows = []
    for metric in metrics:
        errors = pd.DataFrame(
            [
                (case.clip, case.regime, a[metric], b[metric])
                for case, a, b in zip(cases, before, after)
                if metric in a
            ],
            columns=["clip", "regime", "before", "after"],
        )
        ratio = estimate_ratio(errors["after"], errors["before"], errors["clip"])
        means = errors.groupby("regime", sort=False)[["before", "after"]].mean()
        by_regime = means["after"] / means["before"]
        rows.append(
            {
                "metric": metric,
                "unit": UNITS[metric],
                "before": round(errors["before"].mean(), 4),
                **name_interval(ratio, RATIO),
                "worst_regime": by_regime.idxmax(),
                "worst": round(by_regime.max(), 4),
                "n": len(errors),
            }
        )
    return rows


def parse_subject(clip: str) -> str:
    """Who moves in a clip, by its name.

    >>> parse_subject("cmu_06_02_a"), parse_subject("hdm05_mm_depositFloorR_019")
    ('06', 'mm')
    """
    match = re.match(r"[A-Za-z0-9]+_([A-Za-z0-9]+)_", clip)
    return match[1] if match else clip


def average_subjects(rows: Sequence[dict], metric: str = "mpjpe_hidden") -> list[dict]:
    """Means over ``AVERAGED`` of every method, subject by subject."""
    errors = pd.DataFrame(
        [
            (parse_subject(row["clip"]), row["method"], row[metric])
            for row in rows
            if row["regime"] in AVERAGED and metric in row
        ],
        columns=["subject", "method", "value"],
    )
    return [
        {
            "subject": subject,
            "method": method,
            "metric": metric,
            "value": round(float(values.mean()), 3),
            "n": len(values),
        }
        for (subject, method), values in errors.groupby(["subject", "method"])["value"]
    ]


def measure_calibration(rows: Sequence[dict]) -> list[dict]:
    """Predicted and empirical coverage over ``AVERAGED`` of every method that predicts its error: a
    row a method, for hidden and for visible joints.

    ``claimed`` is the mean predicted chance that a joint is within 100 mm; ``value`` is the share
    of joints that are, with its 95 % interval by cluster bootstrap over clips.
    """
    here = [row for row in rows if row["regime"] in AVERAGED]
    calibration = []
    for method in dict.fromkeys(row["method"] for row in here):
        for part in ("hidden", "visible"):
            within, claimed = f"within_{part}", f"claimed_{part}"
            windows = [row for row in here if row["method"] == method and within in row]
            if windows:
                calibration.append(
                    {
                        "method": method,
                        "part": part,
                        "claimed": round(estimate_interval(here, claimed, method).value, 4),
                        **name_interval(estimate_interval(here, within, method)),
                        "n": len(windows),
                    }
                )
    return calibration
