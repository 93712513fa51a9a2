"""What the records of ``benchmarks/`` say of the method taken apart: rows for tables, curves for figures, sentences computed.

And failures: the cases in which an answer is far off, and whether it knew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import records
from .cases import Case
from .metrics import joint_errors_mm
from .plots import PALETTE, _axes
from .refine import Refined
from .skeleton import H36M17

__all__ = ["Failure", "at_step", "conclusions", "degradation", "findings", "forest", "ingredients", "margins", "objectives",
           "one_length", "read",
           "slopes"]

FOLDER = Path(__file__).parent.parent / "data" / "results"
NAMES = ("ingredients", "degradation", "adaptation", "bones")
_UNITS = {"mpjpe_hidden": "hidden", "mpjpe_visible": "visible", "accel_error": "acceleration"}
_NINE_IN_TEN = 5.322
"""Scales s within which nine of ten errors of density ∝ exp(−r/s) lie: 1 − exp(−x)(1 + x + x²/2) = 0.9."""


def read(folder: Path = FOLDER) -> tuple[dict, ...]:
    """The records of ``NAMES``."""
    return tuple(records.load(folder / f"{name}.json") for name in NAMES)


def _interval(row: Mapping, name: str = "ratio") -> str:
    return f"{row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"


def ingredients(rows: Sequence[Mapping]) -> list[dict]:
    """A row a variant: means, the hidden error's ratio to that of ``all``, its range over seeds, and steps."""
    found = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        mine = {row["metric"]: row for row in rows if row["variant"] == variant}
        hidden = mine["mpjpe_hidden"]
        full = variant == "all"
        found.append({"variant": variant} | {_UNITS[metric]: row["value"] for metric, row in mine.items()}
                     | {"ratio": "" if full else _interval(hidden),
                        "seeds": "" if full else f"{hidden['ratio_least_seed']:.2f} to {hidden['ratio_greatest_seed']:.2f}",
                        "steps": hidden["steps"]})
    return found


def forest(rows: Sequence[Mapping]):
    """Ratios to ``all`` with their intervals, a row a variant, a panel a metric; a variant far off is cut at the edge."""
    variants = [v for v in dict.fromkeys(row["variant"] for row in rows) if v != "all"]
    fig, axes = _axes(columns=len(_UNITS), height=0.8 + 0.27 * len(variants), sharey=True)
    for ax, (metric, title) in zip(axes, _UNITS.items()):
        here = {row["variant"]: row for row in rows if row["metric"] == metric}
        edge = 1.6
        for i, variant in enumerate(variants):
            row = here[variant]
            value, low, high = (min(row[name], edge) for name in ("ratio", "ratio_low", "ratio_high"))
            ax.plot([low, high], [i, i], color=PALETTE["truth"], lw=1.2)
            ax.plot(value, i, ">" if row["ratio"] > edge else "o", ms=5, color=PALETTE["refined"], clip_on=False)
        ax.axvline(1, color="0.5", ls=":", lw=1)
        ax.set(title=title, xlabel="multiple of all", xlim=(0.7, edge))
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(variants)), variants)
    axes[0].invert_yaxis()
    return fig


def findings(rows: Sequence[Mapping]) -> list[str]:
    """Which variants err more, less, or cannot be told from ``all``, by the interval of the hidden error and by all seeds."""
    hidden = [row for row in rows if row["metric"] == "mpjpe_hidden" and row["variant"] != "all"]
    more = [r["variant"] for r in hidden if r["ratio_low"] > 1 and r["ratio_least_seed"] > 1]
    less = [r["variant"] for r in hidden if r["ratio_high"] < 1 and r["ratio_greatest_seed"] < 1]
    rest = [r["variant"] for r in hidden if r["variant"] not in more + less]
    told = (("more hidden error than `all`", more), ("less", less), ("not told apart", rest))
    return [f"{what}: {', '.join(names) or 'none'}" for what, names in told]


def degradation(rows: Sequence[Mapping], metric: str) -> dict[str, dict[str, tuple]]:
    """Curves for ``evidence.curves``: part → method → (x, mean, low, high)."""
    panels: dict[str, dict[str, tuple]] = {}
    for part in dict.fromkeys(row["part"] for row in rows):
        here = [row for row in rows if row["part"] == part and row["metric"] == metric]
        panels[part] = {method: tuple(np.array([[row[key] for row in here if row["method"] == method]
                                                for key in ("x", "value", "ci_low", "ci_high")]))
                        for method in dict.fromkeys(row["method"] for row in here)}
    return panels


def slopes(rows: Sequence[Mapping], method: str = "prior", against: Sequence[str] = ("gaussian", "smoothnet")) -> list[str]:
    """A line a part: hidden error of a method as a multiple of others', at the least and at the greatest x."""
    lines = []
    for part, curves in degradation(rows, "mpjpe_hidden").items():
        for other in against:
            x, (mine, theirs) = curves[method][0], (curves[name][1] for name in (method, other))
            lines.append(f"{part}: {method} / {other} {mine[0] / theirs[0]:.2f} at {x[0]:g}, {mine[-1] / theirs[-1]:.2f} at {x[-1]:g}")
    return lines


def _named(row: Mapping) -> str:
    return f"{row['source']} {row['split']}, {row['noise']}"


def objectives(rows: Sequence[Mapping]) -> dict[str, dict[str, dict[str, tuple]]]:
    """Curves over steps on test people: error → setting → variant → (step, ratio, low, high)."""
    here = [row for row in rows if row["part"] == "objective" and row["split"] == "test"]
    return {error: {setting: {variant: tuple(np.array([[row[key] for row in here if (_named(row), row["variant"]) == (setting, variant)]
                                                       for key in ("step", error, f"{error}_low", f"{error}_high")]))
                              for variant in dict.fromkeys(row["variant"] for row in here)}
                    for setting in dict.fromkeys(map(_named, here))} for error in ("hidden", "visible", "held_out")}


def at_step(rows: Sequence[Mapping], step: int) -> list[dict]:
    """A row a setting and variant after so many steps."""
    return [{"setting": _named(row), "variant": row["variant"], "windows": row["n"], "hidden": _interval(row, "hidden"),
             "visible": _interval(row, "visible"), "held out": row["held_out"]}
            for row in rows if row["part"] == "objective" and row["split"] == "test" and row["step"] == step]


def margins(rows: Sequence[Mapping]) -> list[dict]:
    """A row a setting and margin of the gate."""
    return [{"setting": _named(row), "margin": row["margin"], "hidden": row["hidden"], "worst": row["worst"],
             "in regime": row["worst_regime"], "kept": row["kept"]} for row in rows if row["part"] == "margin"]


def one_length(rows: Sequence[Mapping]) -> list[dict]:
    """A row a setting: what cutting every bone to one length does to each error, as a multiple, and at worst in a regime."""
    titles = {"mpjpe_hidden": "hidden", "mpjpe_visible": "visible", "pa_mpjpe": "PA", "accel_error": "acceleration"}
    found: dict[tuple, dict] = {}
    for row in rows:
        here = found.setdefault((row["source"], row["noise"]), {"setting": f"{row['source']}, {row['noise']}"})
        if row["metric"] in titles:
            here[titles[row["metric"]]] = _interval(row)
        if row["metric"] == "accel_error":
            here |= {"worst acceleration": row["worst"], "in regime": row["worst_regime"]}
    return list(found.values())


def conclusions(prior: Sequence[Mapping], adaptation: Sequence[Mapping], step: int = 30) -> list[str]:
    """Sentences that the records carry."""
    lines = findings(prior)
    for row in adaptation:
        if row["part"] == "objective" and row["split"] == "test" and row["step"] == step \
                and row["variant"] in ("ours", "truth as target"):
            lines.append(f"{_named(row)}, {row['variant']}, {step} steps: hidden error {_interval(row, 'hidden')} of the frozen prior's")
    return lines


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
        """Mean error of hidden joints that the network expects: 3 s where the density is ∝ exp(−r/s) in space."""
        return float(3000 * self.refined.scale[~self.case.visible].mean())

    def story(self) -> str:
        """Which hidden joint is furthest off, by how much, and whether that was expected."""
        error = np.where(self.case.visible, 0.0, self.errors_mm)
        frame, joint = np.unravel_index(error.argmax(), error.shape)
        radius = 1000 * _NINE_IN_TEN * self.refined.scale[frame, joint]
        knew = "expected" if error[frame, joint] <= radius else "not expected"
        return (f"{self.case.name}: hidden error {self.hidden_mm:.0f} mm, expected {self.expected_mm:.0f} mm; at worst "
                f"{H36M17.joints[joint]},\n{error[frame, joint]:.0f} mm off after {frame / self.case.sequence.fps:.1f} s, "
                f"which was {knew} (nine in ten within {radius:.0f} mm)")
