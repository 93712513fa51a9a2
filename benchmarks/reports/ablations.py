"""Tables, figures and sentences from the records of ``benchmarks/ablations``; and failure cases:
windows with a large error, and whether the network expected it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import records
from benchmarks.frames import Frame, list_rows, pd
from benchmarks.records import RESULTS
from benchmarks.reports.effect_sizes import Effect, read_effect
from stride_nb.evaluation.harness import Case
from stride_nb.evaluation.metrics import TITLES, joint_errors_mm
from stride_nb.models.uncertainty import MEAN_ERROR, RADIUS_90
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17
from stride_nb.refinement.refine import Refinement
from stride_nb.viz.figures import PALETTE, make_axes
from stride_nb.viz.uncertainty import plot_interval_curves

__all__ = [
    "BOUNDS_HEADINGS",
    "Failure",
    "compare_runs",
    "list_conclusions",
    "list_findings",
    "load_records",
    "plot_expected_errors",
    "plot_objectives",
    "plot_robustness",
    "select_effects",
    "select_robustness",
    "select_validation",
    "tabulate_bone_lengths",
    "tabulate_bounds",
    "tabulate_checkpoints",
    "tabulate_components",
    "tabulate_low_confidence",
    "tabulate_margins",
    "tabulate_objectives",
    "tabulate_robustness",
    "tabulate_second_pass",
    "tabulate_swap_correction",
    "tabulate_swap_detection",
]

Rows = Sequence[Mapping[str, Any]]
Curves = dict[str, dict[str, tuple]]
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
BOUNDS_HEADINGS = {"": "first / second", "error": "first (mm)", "against": "second (mm)"}
"""Headings of the tables of ``tabulate_bounds``."""
_LOW_CONFIDENCE = {
    ("all", "gaussian all"): "÷ Gaussian",
    ("none", "gaussian none"): "÷ Gaussian, no guesses",
    ("trusted", "prior all"): "trusted ÷ all",
    ("none", "prior all"): "none ÷ all",
}
_KINDS = ("doubt", "share", "what", "method")


def load_records(folder: Path = RESULTS) -> tuple[dict, ...]:
    """The records of ``NAMES``."""
    return tuple(records.load(folder / f"{name}.json") for name in NAMES)


def _format(row: Mapping, name: str = "ratio", digits: int = 2) -> str:
    """``value [low, high]`` of a column; of one clip there is no interval: nan."""
    ends = (row[name + end] for end in ("", "_low", "_high"))
    value, low, high = (np.nan if x is None else x for x in ends)
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _make_frame(rows: Rows, digits: int = 2) -> Frame:
    """The rows, and their ratio with its interval as text in the column ``shown``."""
    return pd.DataFrame(rows).assign(shown=[_format(row, digits=digits) for row in rows])


def tabulate_components(rows: Rows) -> list[dict]:
    """A row a variant: means, the hidden error's ratio to that of ``all``, its range over seeds,
    and steps."""
    shown = []
    for variant, group in pd.DataFrame(rows).groupby("variant", sort=False):
        by_metric = group.set_index("metric")
        hidden, full = by_metric.loc["mpjpe_hidden"], variant == "all"
        seeds = f"{hidden['ratio_least_seed']:.2f} to {hidden['ratio_greatest_seed']:.2f}"
        shown.append(
            {"variant": variant}
            | {TITLES[metric]: value for metric, value in by_metric["value"].items()}
            | {"ratio": "" if full else _format(hidden), "seeds": "" if full else seeds}
            | {"steps": hidden["steps"]}
        )
    return shown


def select_effects(rows: Rows) -> dict[str, dict[str, Effect]]:
    """Hidden and visible errors as multiples of those of ``all``: error → variant → effect."""
    return {
        TITLES[metric]: {
            row["variant"]: read_effect(row)
            for row in rows
            if row["metric"] == metric and row["variant"] != "all"
        }
        for metric in ("mpjpe_hidden", "mpjpe_visible")
    }


def list_findings(rows: Rows) -> list[str]:
    """Which variants err more or less than ``all`` on hidden joints, by the interval and by every
    seed, and which cannot be told apart from it."""
    effects = select_effects(rows)["hidden"]
    words = {"worse": "more hidden error than `all`", "better": "less", "open": "not told apart"}
    return [
        f"{text}: {', '.join(v for v, e in effects.items() if e.agreed == standing) or 'none'}"
        for standing, text in words.items()
    ]


def _select_curves(rows: Frame, panel: str, name: str, columns: Sequence[str]) -> Curves:
    """For ``uncertainty.plot_interval_curves``: panel → name → (x, mean, low, high)."""
    panels: Curves = {}
    for (title, label), group in rows.groupby([panel, name], sort=False):
        points = group[list(columns)].to_numpy(float)
        panels.setdefault(title, {})[label] = tuple(points.T)
    return panels


def select_robustness(rows: Rows, metric: str, kind: str = "") -> Curves:
    """Curves for ``uncertainty.plot_interval_curves``: part, of those whose name begins with
    ``kind`` → method → (x, mean, low, high)."""
    frame = pd.DataFrame(rows)
    frame = frame[(frame["metric"] == metric) & frame["part"].str.startswith(kind)]
    return _select_curves(frame, "part", "method", ("x", "value", "ci_low", "ci_high"))


def plot_robustness(rows: Rows, error: str, kind: str, xlabel: str):
    """``select_robustness`` of the ``hidden`` or ``visible`` error as a figure: a panel a part."""
    panels = select_robustness(rows, f"mpjpe_{error}", kind)
    return plot_interval_curves(panels, [xlabel] * len(panels), f"{error} MPJPE (mm)")


def tabulate_robustness(
    rows: Rows, method: str = "prior", against: Sequence[str] = ("gaussian", "smoothnet")
) -> list[dict]:
    """A row a curve and rival: errors of a method as multiples of the rival's, at the least and at
    the greatest x."""
    errors = {error: select_robustness(rows, f"mpjpe_{error}") for error in ("hidden", "visible")}
    clips = {row["part"]: row["clips"] for row in rows}
    return [
        {"curve": part, "clips": clips[part], "ratio": f"{method} / {rival}"}
        | {error: _format_ends(parts[part], method, rival) for error, parts in errors.items()}
        for part in errors["hidden"]
        for rival in against
    ]


def _format_ends(by_method: Mapping[str, tuple], method: str, rival: str) -> str:
    x, ratios = by_method[method][0], by_method[method][1] / by_method[rival][1]
    return ", ".join(f"{ratios[i]:.2f} at {x[i]:g}" for i in (0, -1))


def tabulate_low_confidence(rows: Rows, metric: str) -> list[dict]:
    """A row a noise model: the prior over a Gaussian with the same input, with all low-confidence
    detections of hidden joints and with none; and what the prior loses or gains by leaving out
    those below the threshold, or all."""
    frame = _make_frame(rows)
    frame = frame[frame["metric"] == metric]
    columns = [_LOW_CONFIDENCE.get(pair) for pair in zip(frame["kept"], frame["against"])]
    frame = frame.assign(column=columns).dropna(subset="column")
    shown = frame.pivot(index="noise", columns="column", values="shown")
    return list_rows(shown.loc[frame["noise"].unique(), list(_LOW_CONFIDENCE.values())], "noise")


def _name_setting(row: Mapping) -> str:
    return f"{row['source']} {row['split']}, {row['noise']}"


def _select_objectives(rows: Rows) -> list[dict]:
    """The rows of objectives on test people, with their setting's name."""
    return [
        {**row, "setting": _name_setting(row)}
        for row in rows
        if row["part"] == "objective" and row["split"] == "test"
    ]


def plot_objectives(rows: Rows, error: str):
    """The ``hidden`` or ``visible`` error of every objective as a multiple of the frozen prior's,
    step by step, a panel a setting."""
    columns = ("step", error, f"{error}_low", f"{error}_high")
    objectives = pd.DataFrame(_select_objectives(rows))
    panels = _select_curves(objectives, "setting", "variant", columns)
    figure = plot_interval_curves(panels, ["step"] * len(panels), f"{error} error / frozen prior's")
    for ax in figure.axes:
        ax.set_ylim(0.6, 1.25)
        ax.axhline(1, color="0.5", ls=":", lw=1)
    return figure


def tabulate_objectives(rows: Rows, step: int) -> list[dict]:
    """A row a setting and variant after so many steps."""
    return [
        {
            "setting": row["setting"],
            "variant": row["variant"],
            "clips": row["clips"],
            "cases": row["n"],
            "hidden": _format(row, "hidden"),
            "visible": _format(row, "visible"),
            "held out": row["held_out"],
        }
        for row in _select_objectives(rows)
        if row["step"] == step
    ]


def tabulate_margins(rows: Rows) -> list[dict]:
    """A row a variant, setting and margin of the acceptance gate, ours first."""
    margins = [row for row in rows if row["part"] == "margin"]
    return [
        {
            "variant": row["variant"],
            "setting": _name_setting(row),
            "margin": row["margin"],
            "hidden": row["hidden"],
            "worst": row["worst"],
            "in regime": row["worst_regime"],
            "kept": row["kept"],
        }
        for row in sorted(margins, key=lambda row: row["variant"] != "ours")
    ]


def _tabulate_ratios(rows: Rows, worst: str, digits: int = 2) -> list[dict]:
    """A row a kind and setting: error by error the ratio with its interval, and of the metric
    ``worst`` that in the regime in which it is greatest."""
    if not rows:
        return []
    frame = _make_frame(rows, digits)
    kinds = [kind for kind in _KINDS if kind in frame]
    shown = []
    for key, group in frame.groupby([*kinds, "source", "noise"], sort=False):
        *about, source, noise = key
        by_metric = group.set_index("metric")
        line = dict(zip(kinds, about)) | {"setting": f"{source}, {noise}"}
        line |= {TITLES[m]: text for m, text in by_metric["shown"].items() if m in TITLES}
        last = by_metric.loc[worst]
        line[f"worst {TITLES[worst]}"] = f"{last['worst']:.2f}, {last['worst_regime']}"
        shown.append(line)
    return shown


def tabulate_checkpoints(rows: Rows, metric: str) -> list[dict]:
    """A row a noise model: an error of every checkpoint as a multiple of the reference
    checkpoint's."""
    frame = _make_frame(rows)
    frame = frame[frame["metric"] == metric]
    frame["shown"] = frame["shown"].str.replace(", ", "–")  # many columns, one page
    shown = frame.pivot(index="noise", columns="weights", values="shown")
    return list_rows(shown.loc[frame["noise"].unique(), frame["weights"].unique()], "noise")


def select_validation(rows: Rows) -> Curves:
    """Curves for ``figures.plot_loss_curve``, hidden and visible error: of training runs on
    validation people, step by step."""
    runs = pd.DataFrame(rows).groupby("run", sort=False)
    return {
        error: {name: (tuple(r["step"]), tuple(r[f"{error}_mm"])) for name, r in runs}
        for error in ("hidden", "visible")
    }


def compare_runs(rows: Rows, run: str, other: str) -> list[str]:
    """At how many of the steps at which both were validated one run errs less than another, and by
    how much on average."""
    lines = []
    for error, by_run in select_validation(rows).items():
        one, two = (pd.Series(by_run[name][1], index=by_run[name][0]) for name in (run, other))
        ratios = (one / two).dropna()
        lines.append(
            f"{error}: {run} below {other} at {(ratios < 1).sum()} of {len(ratios)} steps, "
            f"{ratios.mean():.3f} of its error on average"
        )
    return lines


def tabulate_bone_lengths(rows: Rows) -> list[dict]:
    """A row a setting: what setting every bone to one length does to each error, as a multiple, and
    at worst in a regime."""
    return _tabulate_ratios(rows, "accel_error")


def tabulate_second_pass(rows: Rows, split: str) -> list[dict]:
    """A row a rejection threshold, share and setting of a split: what the second pass does to each
    error, as a multiple, and at worst in a regime."""
    chosen = [row for row in rows if row["split"] == split]
    ordered = sorted(chosen, key=lambda row: (row["share"], row["doubt"]))
    return _tabulate_ratios(ordered, "mpjpe_hidden", digits=3)


def tabulate_swap_detection(rows: Rows) -> list[dict]:
    """A row a noise model and frame rate: how many pairs of joints in all frames, what share of
    them is swapped, and for every threshold tried, in metres, what share of the swapped is
    corrected, and how many of the others are changed."""
    shown = []
    detected = pd.DataFrame([row for row in rows if row["what"] == "found"])
    for (noise, fps), group in detected.groupby(["noise", "fps"], sort=False):
        first = group.iloc[0]
        share = 100 * first["exchanged"] / first["frames"]
        line = {"noise": noise, "fps": fps, "in all": first["frames"], "exchanged (%)": share}
        for row in group.itertuples():
            back = f"{100 * row.put_right / row.exchanged:.0f} %" if row.exchanged else "–"
            line[f"{row.switch:g} m"] = f"{back}, {row.changed_wrongly}"
        shown.append(line)
    return shown


def tabulate_swap_correction(rows: Rows, split: str) -> list[dict]:
    """A row a method and setting of a split: what left/right swap correction does to each error, as
    a multiple, and at worst in a regime."""
    chosen = [row for row in rows if row["what"] != "found" and row["split"] == split]
    named = [{**row, "noise": f"{row['noise']}, {row['fps']:g} fps"} for row in chosen]
    return _tabulate_ratios(named, "mpjpe_hidden")


def tabulate_bounds(rows: Rows, part: str) -> list[dict]:
    """A row a setting: two errors, mm, and the first as a multiple of the second; with whose body
    and which weights, where a row has them."""
    chosen = [row for row in rows if row["part"] == part]
    return [
        {"setting": _name_setting(row), "": row["what"]}
        | {name: row[name] for name in ("body", "weights") if name in row}
        | {"cases": row["n"], "error": row["value"], "against": row["against"]}
        | {"ratio": _format(row)}
        for row in sorted(chosen, key=lambda row: (row["what"], row.get("weights", "")))
    ]


def list_conclusions(prior: Rows, adaptation: Rows, step: int = 30) -> list[str]:
    """The findings on the prior's components and on objectives of test-time training, as
    sentences."""
    return list_findings(prior) + [
        f"{row['setting']}, {row['variant']}, {step} steps: "
        f"hidden error {row['hidden']} of the frozen prior's"
        for row in tabulate_objectives(adaptation, step)
        if row["variant"] in ("ours", "truth as target")
    ]


@dataclass(frozen=True, eq=False)
class Failure:
    """A case and its refined sequence."""

    case: Case
    refined: Refinement

    @property
    def sequence(self) -> PoseSequence:
        """The refined sequence."""
        assert isinstance(self.refined.sequence, PoseSequence)
        return self.refined.sequence

    @property
    def scale(self) -> np.ndarray:
        """(T, 17) scale of the error that the network expects, metres."""
        assert self.refined.scale is not None
        return self.refined.scale

    @property
    def truth(self) -> np.ndarray:
        """(T, 17, 3) metres, relative to the pelvis."""
        return self.case.truth - self.case.truth[:, :1]

    @property
    def answer(self) -> np.ndarray:
        """The prediction (T, 17, 3), metres, relative to the pelvis."""
        return self.sequence.root_relative().joints

    @property
    def errors_mm(self) -> np.ndarray:
        """(T, 17) distance to the truth."""
        return joint_errors_mm(self.sequence.joints, self.case.truth)

    @property
    def hidden_mm(self) -> float:
        """Mean error of hidden joints."""
        return float(self.errors_mm[~self.case.visible].mean())

    @property
    def expected_mm(self) -> float:
        """Mean error of hidden joints that the network expects."""
        return float(1000 * MEAN_ERROR * self.scale[~self.case.visible].mean())

    def describe(self) -> str:
        """Which hidden joint is furthest off, by how much, and whether that was expected."""
        error = np.where(self.case.visible, 0.0, self.errors_mm)
        frame, joint = np.unravel_index(error.argmax(), error.shape)
        radius = 1000 * RADIUS_90 * self.scale[frame, joint]
        verdict = "expected" if error[frame, joint] <= radius else "not expected"
        return (
            f"{self.case.name}: hidden error {self.hidden_mm:.0f} mm, "
            f"expected {self.expected_mm:.0f} mm; at worst {H36M17.joints[joint]},\n"
            f"{error[frame, joint]:.1f} mm off after {frame / self.case.sequence.fps:.1f} s, "
            f"which was {verdict} (nine in ten within {radius:.1f} mm)"
        )


def plot_expected_errors(failures: Sequence[Failure]):
    """A dot a case: the hidden error that the network expects, and the true one; on the dotted line
    the network is as uncertain as it should be."""
    ax: Any
    fig, ax = make_axes(width=4.2)
    expected, true = zip(*((f.expected_mm, f.hidden_mm) for f in failures))
    ax.plot(expected, true, "o", ms=4, color=PALETTE["refined"], alpha=0.6, mew=0)
    ax.axline((50, 50), slope=1, color="0.5", ls=":", lw=1)
    ax.set(xlabel="expected hidden error (mm)", ylabel="true hidden error (mm)")
    return fig
