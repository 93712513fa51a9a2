"""What the records of ``benchmarks/`` say of the method taken apart: rows for tables, curves for
figures, sentences computed.

And failures: the cases in which an answer is far off, and whether it knew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import records
from benchmarks.records import RESULTS
from benchmarks.reports.effect_sizes import Effect, effect
from stride_nb.evaluation.harness import Case
from stride_nb.evaluation.metrics import TITLES, joint_errors_mm
from stride_nb.poses.skeleton import H36M17
from stride_nb.refinement.refine import Refined
from stride_nb.viz.figures import PALETTE, _axes
from stride_nb.viz.uncertainty import curves

__all__ = [
    "Failure",
    "LIMITS",
    "ahead",
    "at_step",
    "conclusions",
    "degradation",
    "doubts",
    "effects",
    "findings",
    "guesses",
    "ingredients",
    "limits",
    "margins",
    "one_length",
    "over_harm",
    "over_steps",
    "read",
    "second_look",
    "sides_found",
    "sides_gained",
    "slopes",
    "validation",
    "weights",
]

FOLDER = RESULTS
NAMES = (
    "ingredients",
    "weights",
    "curves",
    "degradation",
    "guesses",
    "adaptation",
    "sides",
    "second_look",
    "bones",
    "limits",
)
_KINDS = ("doubt", "share", "what", "method")
LIMITS = {"": "first / second", "error": "first (mm)", "against": "second (mm)"}
"""Headings of the tables of ``limits``."""
_NINE_IN_TEN = 5.322
"""Scales s within which nine of ten errors of density ∝ exp(−r/s) lie: 1 − exp(−x)(1 + x + x²/2) =
0.9."""


def read(folder: Path = FOLDER) -> tuple[dict, ...]:
    """The records of ``NAMES``."""
    return tuple(records.load(folder / f"{name}.json") for name in NAMES)


def _interval(row: Mapping, name: str = "ratio", digits: int = 2) -> str:
    # None: of one clip
    value, low, high = (
        math.nan if row[name + end] is None else row[name + end] for end in ("", "_low", "_high")
    )
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def ingredients(rows: Sequence[Mapping]) -> list[dict]:
    """A row a variant: means, the hidden error's ratio to that of ``all``, its range over seeds,
    and steps."""
    found = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        mine = {row["metric"]: row for row in rows if row["variant"] == variant}
        hidden = mine["mpjpe_hidden"]
        full = variant == "all"
        found.append(
            {"variant": variant}
            | {TITLES[metric]: row["value"] for metric, row in mine.items()}
            | {
                "ratio": "" if full else _interval(hidden),
                "seeds": ""
                if full
                else f"{hidden['ratio_least_seed']:.2f} to {hidden['ratio_greatest_seed']:.2f}",
                "steps": hidden["steps"],
            }
        )
    return found


def effects(rows: Sequence[Mapping]) -> dict[str, dict[str, Effect]]:
    """Hidden and visible errors as multiples of those of ``all``: error → variant → effect."""
    return {
        TITLES[metric]: {
            row["variant"]: effect(row)
            for row in rows
            if row["metric"] == metric and row["variant"] != "all"
        }
        for metric in ("mpjpe_hidden", "mpjpe_visible")
    }


def findings(rows: Sequence[Mapping]) -> list[str]:
    """Which variants err more, less, or cannot be told from ``all`` on hidden joints: by the
    interval and by every seed."""
    stand = {
        variant: e.standing if e.standing == e.seeds else "open"
        for variant, e in effects(rows)["hidden"].items()
    }
    words = {"worse": "more hidden error than `all`", "better": "less", "open": "not told apart"}
    return [
        f"{said}: {', '.join(v for v, how in stand.items() if how == word) or 'none'}"
        for word, said in words.items()
    ]


def _curves(
    rows: Sequence[Mapping], panel: str, name: str, keys: Sequence[str]
) -> dict[str, dict[str, tuple]]:
    """For ``evidence.curves``: panel → name → (x, mean, low, high), told by columns of the rows."""
    panels: dict[str, dict[str, list]] = {}
    for row in rows:
        panels.setdefault(row[panel], {}).setdefault(row[name], []).append(
            [row[key] for key in keys]
        )
    return {
        title: {label: tuple(np.transpose(points)) for label, points in group.items()}
        for title, group in panels.items()
    }


def degradation(
    rows: Sequence[Mapping], metric: str, kind: str = ""
) -> dict[str, dict[str, tuple]]:
    """Curves for ``evidence.curves``: part, of those whose name begins with ``kind`` → method → (x,
    mean, low, high)."""
    found = [row for row in rows if row["metric"] == metric and row["part"].startswith(kind)]
    return _curves(found, "part", "method", ("x", "value", "ci_low", "ci_high"))


def over_harm(rows: Sequence[Mapping], error: str, kind: str, xlabel: str):
    """``degradation`` drawn, of the ``hidden`` or ``visible`` error: a panel a part."""
    panels = degradation(rows, f"mpjpe_{error}", kind)
    return curves(panels, [xlabel] * len(panels), f"{error} MPJPE (mm)")


def slopes(
    rows: Sequence[Mapping],
    method: str = "prior",
    against: Sequence[str] = ("gaussian", "smoothnet"),
) -> list[dict]:
    """A row a curve and rival: errors of a method as multiples of the rival's, at the least and at
    the greatest x."""
    errors = {error: degradation(rows, f"mpjpe_{error}") for error in ("hidden", "visible")}
    clips = {row["part"]: row["clips"] for row in rows}
    return [
        {"curve": part, "clips": clips[part], "ratio": f"{method} / {other}"}
        | {error: _ends(parts[part], method, other) for error, parts in errors.items()}
        for part in errors["hidden"]
        for other in against
    ]


def _ends(curves: Mapping[str, tuple], method: str, other: str) -> str:
    x, (mine, theirs) = curves[method][0], (curves[name][1] for name in (method, other))
    return ", ".join(f"{mine[i] / theirs[i]:.2f} at {x[i]:g}" for i in (0, -1))


def guesses(rows: Sequence[Mapping], metric: str) -> list[dict]:
    """A row a family of noise: the prior over a Gaussian told the same, with all guesses at hidden
    joints and with none; and what the prior loses or gains by leaving out those that are not
    trusted, or all."""
    told = {
        "÷ Gaussian": ("all", "gaussian all"),
        "÷ Gaussian, no guesses": ("none", "gaussian none"),
        "trusted ÷ all": ("trusted", "prior all"),
        "none ÷ all": ("none", "prior all"),
    }
    found = {
        (row["noise"], row["kept"], row["against"]): _interval(row)
        for row in rows
        if row["metric"] == metric
    }
    families = dict.fromkeys(row["noise"] for row in rows)
    return [
        {"noise": family} | {name: found[family, *of] for name, of in told.items()}
        for family in families
    ]


def _named(row: Mapping) -> str:
    return f"{row['source']} {row['split']}, {row['noise']}"


def _objectives(rows: Sequence[Mapping]) -> list[dict]:
    """The rows of objectives on test people, their setting named."""
    return [
        row | {"setting": _named(row)}
        for row in rows
        if row["part"] == "objective" and row["split"] == "test"
    ]


def over_steps(rows: Sequence[Mapping], error: str):
    """The ``hidden`` or ``visible`` error of every objective as a multiple of the frozen prior's,
    step by step, a panel a setting."""
    panels = _curves(
        _objectives(rows), "setting", "variant", ("step", error, f"{error}_low", f"{error}_high")
    )
    figure = curves(panels, ["step"] * len(panels), f"{error} error / frozen prior's")
    for ax in figure.axes:
        ax.set_ylim(0.6, 1.25)
        ax.axhline(1, color="0.5", ls=":", lw=1)
    return figure


def at_step(rows: Sequence[Mapping], step: int) -> list[dict]:
    """A row a setting and variant after so many steps."""
    return [
        {
            "setting": row["setting"],
            "variant": row["variant"],
            "clips": row["clips"],
            "cases": row["n"],
            "hidden": _interval(row, "hidden"),
            "visible": _interval(row, "visible"),
            "held out": row["held_out"],
        }
        for row in _objectives(rows)
        if row["step"] == step
    ]


def margins(rows: Sequence[Mapping]) -> list[dict]:
    """A row a variant, setting and margin of the gate, ours first."""
    ordered = sorted(
        (row for row in rows if row["part"] == "margin"), key=lambda row: row["variant"] != "ours"
    )
    return [
        {
            "variant": row["variant"],
            "setting": _named(row),
            "margin": row["margin"],
            "hidden": row["hidden"],
            "worst": row["worst"],
            "in regime": row["worst_regime"],
            "kept": row["kept"],
        }
        for row in ordered
    ]


def _ratios(rows: Sequence[Mapping], digits: int = 2) -> dict[tuple, dict]:
    """What a row is of → its names and, error by error, the ratio with its interval."""
    found: dict[tuple, dict] = {}
    for row in rows:
        which = {name: row[name] for name in _KINDS if name in row}
        here = found.setdefault(_key(row), which | {"setting": f"{row['source']}, {row['noise']}"})
        if row["metric"] in TITLES:
            here[TITLES[row["metric"]]] = _interval(row, digits=digits)
    return found


def _key(row: Mapping) -> tuple:
    return tuple(row.get(name) for name in (*_KINDS, "source", "noise"))


def _worst(rows: Sequence[Mapping], metric: str, digits: int = 2) -> list[dict]:
    """``_ratios``, and beside them that of a metric in the regime in which it is greatest."""
    found = _ratios(rows, digits)
    for row in rows:
        if row["metric"] == metric:
            found[_key(row)][f"worst {TITLES[metric]}"] = (
                f"{row['worst']:.2f}, {row['worst_regime']}"
            )
    return list(found.values())


def weights(rows: Sequence[Mapping], metric: str) -> list[dict]:
    """A row a kind of noise: an error of every set of weights, as a multiple of that of the weights
    that all are set against."""
    found: dict[str, dict] = {}
    for row in rows:
        if row["metric"] == metric:
            short = _interval(row).replace(", ", "–")  # many columns, one page
            found.setdefault(row["noise"], {"noise": row["noise"]})[row["weights"]] = short
    return list(found.values())


def validation(rows: Sequence[Mapping]) -> dict[str, dict[str, tuple]]:
    """Curves for ``plots.loss_curve``, hidden and visible error: of training runs on validation
    people, step by step."""
    names = dict.fromkeys(row["run"] for row in rows)
    return {
        error: {
            name: tuple(
                zip(*[(row["step"], row[f"{error}_mm"]) for row in rows if row["run"] == name])
            )
            for name in names
        }
        for error in ("hidden", "visible")
    }


def ahead(rows: Sequence[Mapping], run: str, other: str) -> list[str]:
    """At how many of the steps at which both were validated one run errs less than another, and by
    how much in the mean."""
    lines = []
    for error, curves in validation(rows).items():
        one, two = (dict(zip(*curves[name])) for name in (run, other))
        ratios = np.array([one[step] / two[step] for step in one.keys() & two.keys()])
        lines.append(
            f"{error}: {run} below {other} at {(ratios < 1).sum()} of {len(ratios)} steps, {ratios.mean():.3f} of its error on average"
        )
    return lines


def one_length(rows: Sequence[Mapping]) -> list[dict]:
    """A row a setting: what cutting every bone to one length does to each error, as a multiple, and
    at worst in a regime."""
    return _worst(rows, "accel_error")


def second_look(rows: Sequence[Mapping], split: str) -> list[dict]:
    """A row a doubt, share and setting of a split: what a second look does to each error, as a
    multiple, and at worst in a regime."""
    ordered = sorted(rows, key=lambda row: (row["share"], row["doubt"]))
    return _worst([row for row in ordered if row["split"] == split], "mpjpe_hidden", digits=3)


def sides_found(rows: Sequence[Mapping]) -> list[dict]:
    """A row a kind of noise and frame rate: how many pairs of joints in all frames, what share of
    them is exchanged, and for every number of metres tried what share of the exchanged is changed
    back, and how many of the others are changed."""
    made: dict[tuple, dict] = {}
    for row in (row for row in rows if row["what"] == "found"):
        here = made.setdefault(
            (row["noise"], row["fps"]),
            {
                "noise": row["noise"],
                "fps": row["fps"],
                "in all": row["frames"],
                "exchanged (%)": 100 * row["exchanged"] / row["frames"],
            },
        )
        back = f"{100 * row['put_right'] / row['exchanged']:.0f} %" if row["exchanged"] else "–"
        here[f"{row['switch']:g} m"] = f"{back}, {row['changed_wrongly']}"
    return list(made.values())


def sides_gained(rows: Sequence[Mapping], split: str) -> list[dict]:
    """A row a method and setting of a split: what putting sides right does to each error, as a
    multiple, and at worst in a regime."""
    gained = [row for row in rows if row["what"] != "found" and row["split"] == split]
    return _worst(
        [row | {"noise": f"{row['noise']}, {row['fps']:g} fps"} for row in gained], "mpjpe_hidden"
    )


def limits(rows: Sequence[Mapping], part: str) -> list[dict]:
    """A row a setting: two errors, mm, and the first as a multiple of the second; with whose body
    and which weights, where a row says."""
    return [
        {"setting": _named(row), "": row["what"]}
        | {name: row[name] for name in ("body", "weights") if name in row}
        | {
            "cases": row["n"],
            "error": row["value"],
            "against": row["against"],
            "ratio": _interval(row),
        }
        for row in sorted(rows, key=lambda row: (row["what"], row.get("weights", "")))
        if row["part"] == part
    ]


def conclusions(
    prior: Sequence[Mapping], adaptation: Sequence[Mapping], step: int = 30
) -> list[str]:
    """Sentences that the records carry."""
    told = [
        row for row in at_step(adaptation, step) if row["variant"] in ("ours", "truth as target")
    ]
    return findings(prior) + [
        f"{row['setting']}, {row['variant']}, {step} steps: hidden error {row['hidden']} of the frozen prior's"
        for row in told
    ]


@dataclass(frozen=True, eq=False)
class Failure:
    """A case and what was answered, relative to the pelvis."""

    case: Case
    refined: Refined

    @property
    def truth(self) -> np.ndarray:
        return self.case.truth - self.case.truth[:, :1]

    @property
    def answer(self) -> np.ndarray:
        return self.refined.sequence.root_relative().joints

    @property
    def errors_mm(self) -> np.ndarray:
        """(T, 17) distance to the truth."""
        return joint_errors_mm(self.refined.sequence.joints, self.case.truth)

    @property
    def hidden_mm(self) -> float:
        """Mean error of hidden joints."""
        return float(self.errors_mm[~self.case.visible].mean())

    @property
    def expected_mm(self) -> float:
        """Mean error of hidden joints that the network expects: 3 s where the density is ∝
        exp(−r/s) in space."""
        return float(3000 * self.refined.scale[~self.case.visible].mean())

    def story(self) -> str:
        """Which hidden joint is furthest off, by how much, and whether that was expected."""
        error = np.where(self.case.visible, 0.0, self.errors_mm)
        frame, joint = np.unravel_index(error.argmax(), error.shape)
        radius = 1000 * _NINE_IN_TEN * self.refined.scale[frame, joint]
        knew = "expected" if error[frame, joint] <= radius else "not expected"
        return (
            f"{self.case.name}: hidden error {self.hidden_mm:.0f} mm, expected {self.expected_mm:.0f} mm; at worst "
            f"{H36M17.joints[joint]},\n{error[frame, joint]:.1f} mm off after {frame / self.case.sequence.fps:.1f} s, "
            f"which was {knew} (nine in ten within {radius:.1f} mm)"
        )


def doubts(failures: Sequence[Failure]):
    """A dot a case: the hidden error that the network expects, and the true one; on the dotted line
    it is as unsure as it should be."""
    fig, ax = _axes(width=4.2)
    ax.plot(
        [f.expected_mm for f in failures],
        [f.hidden_mm for f in failures],
        "o",
        ms=4,
        color=PALETTE["refined"],
        alpha=0.6,
        mew=0,
    )
    ax.axline((50, 50), slope=1, color="0.5", ls=":", lw=1)
    ax.set(xlabel="expected hidden error (mm)", ylabel="true hidden error (mm)")
    return fig
