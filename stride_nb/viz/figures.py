"""Every figure of the book: functions from arrays to a labelled ``Figure``, one look, fixed
colours.

Truth, input and refined keep their colour on every page, hidden joints are hollow and occluded
spans shaded; units stand on the axes and a legend stands above the data. A name without a fixed
colour takes the next one of the style's cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from stride_nb.errors import InputError, require
from stride_nb.poses.geometry import UP_AXES
from stride_nb.poses.interpolation import fill_linear, find_runs
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17, Skeleton
from stride_nb.viz.tables import make_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # matplotlib is an extra
    Axes = Figure = Any

__all__ = [
    "PALETTE",
    "Axes",
    "Figure",
    "add_legend",
    "assign_colors",
    "draw_skeleton",
    "get_joints",
    "label_rows",
    "list_names",
    "make_axes",
    "make_table",
    "plot_bars",
    "plot_detections",
    "plot_distribution",
    "plot_lines",
    "plot_loss_curve",
    "plot_pose_strip",
    "plot_reliability",
    "plot_skeleton_map",
    "plot_timeline",
    "plot_visibility",
    "project_view",
    "rotate_upright",
    "select_evenly_spaced",
    "use_style",
]

Poses = Mapping[str, PoseSequence | np.ndarray]
"""Name → a sequence, or its joints (T, J, 3) in metres."""

PALETTE = {"truth": "#222222", "input": "#d95f02", "refined": "#1b7fb8", "hidden": "#bbbbbb"}
_CYCLE = ("#2a9d5c", "#7a5195", "#c2185b", "#8c6d31", "#17a2a2", "#5b6c8f")


def use_style() -> None:
    """Take the book's figure style for every later figure of this process."""
    require("matplotlib.pyplot", "viz").style.use(Path(__file__).with_name("matplotlibrc"))


def assign_colors(names: Sequence[str]) -> dict[str, str]:
    """One colour a name: the fixed one where there is one, else the next free one of the cycle.

    >>> assign_colors(["truth", "linear", "refined"])
    {'truth': '#222222', 'linear': '#2a9d5c', 'refined': '#1b7fb8'}
    """
    free = iter(_CYCLE * (1 + len(names) // len(_CYCLE)))
    return {name: PALETTE.get(name) or next(free) for name in names}


def list_names(panels: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names in all panels, in the order in which they first come."""
    return list(dict.fromkeys(name for panel in panels.values() for name in panel))


def get_joints(sequence: PoseSequence | np.ndarray) -> Float[np.ndarray, "..."]:
    """The joints of a sequence; an array passes through."""
    return np.asarray(getattr(sequence, "joints", sequence), float)


def rotate_upright(
    joints: Float[np.ndarray, "*batch 3"], up: str = "y"
) -> Float[np.ndarray, "*batch 3"]:
    """Coordinates with y up (a proper rotation), from joints whose up is ``y`` (world), ``-y``
    (camera) or ``z``."""
    if up not in UP_AXES:
        raise InputError("figures", "up", f"one of {', '.join(UP_AXES)}", repr(up))
    return joints @ UP_AXES[up].T


def project_view(
    joints: Float[np.ndarray, "*batch 3"], azimuth: float = 30.0, elevation: float = 10.0
) -> Float[np.ndarray, "*batch 2"]:
    """Orthographic view of y-up joints, in their unit; angles in degrees."""
    a, e = np.radians([azimuth, elevation])
    x, y, z = np.moveaxis(joints, -1, 0)
    depth = z * np.cos(a) - x * np.sin(a)
    return np.stack([x * np.cos(a) + z * np.sin(a), y * np.cos(e) - depth * np.sin(e)], -1)


def select_evenly_spaced(frames: int, count: int) -> Int[np.ndarray, " N"]:
    """At most ``count`` frames, from the first to the last."""
    return np.unique(np.linspace(0, frames - 1, count).round().astype(int))


def make_axes(
    rows: int = 1, columns: int = 1, width: float = 7.2, height: float = 3.0, **grid: Any
) -> tuple[Figure, Any]:
    """A figure in the book's style, of ``width`` by ``height`` inches, and its axes."""
    use_style()
    subplots = require("matplotlib.pyplot", "viz").subplots
    return subplots(rows, columns, figsize=(width, height), layout="constrained", **grid)


def add_legend(figure: Figure, palette: Mapping[str, str], shaded: bool = False) -> None:
    """A legend above the axes, where no data is; none for a single name."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list = [
        Line2D([], [], color=c, label=name, lw=2) for name, c in palette.items() if name
    ]
    handles += [Patch(color=PALETTE["hidden"], alpha=0.45, label="hidden")] * shaded
    if len(handles) > 1:
        where = "outside upper left"
        figure.legend(handles=handles, loc=where, ncols=6, handlelength=1.2, columnspacing=1.2)


def draw_skeleton(
    ax: Axes,
    points: Float[np.ndarray, "J 2"],
    hidden: Bool[np.ndarray, " J"] | None = None,
    color: str = PALETTE["truth"],
    skeleton: Skeleton = H36M17,
    **line: Any,
) -> None:
    """Draw one pose: bones as lines, hidden joints as hollow dots, missing (NaN) joints not at
    all."""
    hidden = np.zeros(len(points), bool) if hidden is None else hidden
    for child, parent in skeleton.bones:
        style = ":" if hidden[child] or hidden[parent] else "-"
        x, y = points[[child, parent]].T
        ax.plot(x, y, style, **({"color": color, "lw": 1.2} | line))
    for dots, face in ((points[~hidden], color), (points[hidden], "white")):
        ax.scatter(*dots.T, s=5, facecolor=face, edgecolor=color, linewidth=0.6, zorder=3)


def plot_pose_strip(
    sequences: Poses,
    fps: float,
    frames: int = 8,
    hidden: Bool[np.ndarray, "T J"] | None = None,
    up: str = "y",
    skeleton: Skeleton = H36M17,
    azimuth: float = 30.0,
    apart: bool = False,
) -> Figure:
    """Stick figures at evenly spaced times, the sequences drawn over one another in a three-quarter
    view.

    Args:
        sequences: the view follows the first one's pelvis.
        fps: frames a second, for the time under each figure.
        frames: number of times shown.
        hidden: True where a joint could not be seen, drawn hollow.
        apart: draw every later sequence in a row of its own, over the first.
    """
    arrays = {name: rotate_upright(get_joints(s), up) for name, s in sequences.items()}
    first, *later = arrays
    times = select_evenly_spaced(len(arrays[first]), frames)
    views, width = _lay_side_by_side(list(arrays.values()), times, azimuth)
    # who leans or sits leaves his own place
    reach = np.nanmax(views, (0, 1, 2)) - np.nanmin(views, (0, 1, 2)) + 0.2
    rows = [(first, name) for name in later] if apart and later else [tuple(arrays)]
    height = 6.6 * reach[1] / reach[0] * len(rows) + 0.5
    figure, axes = make_axes(len(rows), height=height, sharex=True, sharey=True, squeeze=False)
    palette, by_name = assign_colors(list(arrays)), dict(zip(arrays, views))
    for ax, names in zip(axes[:, 0], rows):
        for name in names:
            for t, points in zip(times, by_name[name]):
                dots = None if hidden is None else hidden[t]
                draw_skeleton(ax, points, dots, palette[name], skeleton)
        ax.set(ylabel="height (m)", aspect="equal")
        ax.grid(False)
    x = views[..., 0]
    axes[-1, 0].set_xticks(np.arange(len(times)) * width, [f"{t / fps:.2f} s" for t in times])
    axes[-1, 0].set_xlim(np.array([-0.1, 0.1]) + [np.nanmin(x), np.nanmax(x)])
    add_legend(figure, palette)
    return figure


def _lay_side_by_side(
    arrays: list[np.ndarray], times: np.ndarray, azimuth: float
) -> tuple[np.ndarray, float]:
    """Views (sequences, times, J, 2) of sequences (T, J, 3), a column a time, and a column's
    width in metres."""
    pelvis = arrays[0][:, :1]
    known = np.asarray(np.isfinite(pelvis).all(-1))
    roots = fill_linear(pelvis, known) * [1, 0, 1]
    views = project_view(np.stack([a[times] for a in arrays]) - roots[times], azimuth)
    width = 1.1 * _measure_width(views[..., 0])
    views[..., 0] += np.arange(len(times))[:, None] * width
    return views, width


def _measure_width(x: np.ndarray) -> float:
    """Greatest extent of a figure in x (sequences, T, J): of the complete ones, or of what is seen
    where none is complete."""
    seen = x[np.isfinite(x).any(-1)]
    if not len(seen):
        raise InputError("plot_pose_strip", "sequences", "a joint that was seen", "none")
    complete = seen[np.isfinite(seen).all(-1)]
    figures = complete if len(complete) else seen
    return (np.nanmax(figures, -1) - np.nanmin(figures, -1)).max()


def plot_timeline(
    sequences: Poses,
    fps: float,
    joint: str | Sequence[str] = "rwrist",
    axis: str = "x",
    visible: Bool[np.ndarray, "T J"] | None = None,
    skeleton: Skeleton = H36M17,
) -> Figure:
    """One coordinate of one or more joints over time, a row a joint, spans where the joint is
    hidden shaded.

    Args:
        axis: ``x``, ``y`` or ``z``.
        visible: True where a joint was seen.
    """
    joints = [joint] if isinstance(joint, str) else list(joint)
    height = 1.0 + 1.4 * len(joints)
    figure, axes = make_axes(rows=len(joints), height=height, sharex=True, squeeze=False)
    palette = assign_colors(list(sequences))
    for ax, name in zip(axes[:, 0], joints):
        j = skeleton.index(name)
        for label, sequence in sequences.items():
            values = get_joints(sequence)[:, j, "xyz".index(axis)]
            ax.plot(np.arange(len(values)) / fps, values, color=palette[label])
        if visible is not None:
            _shade_hidden_spans(ax, ~visible[:, j], fps)
        ax.set_ylabel(f"{name} {axis} (m)")
    axes[-1, 0].set_xlabel("time (s)")
    add_legend(figure, palette, shaded=visible is not None)
    return figure


def _shade_hidden_spans(ax: Axes, hidden: np.ndarray, fps: float) -> None:
    for start, length in find_runs(hidden):
        span = (start - 0.5) / fps, (start + length - 0.5) / fps
        ax.axvspan(*span, color=PALETTE["hidden"], alpha=0.45, lw=0, zorder=0)


def plot_visibility(
    visible: Bool[np.ndarray, "T J"] | Mapping[str, np.ndarray],
    fps: float,
    skeleton: Skeleton = H36M17,
) -> Figure:
    """Joints × time raster of what is hidden; several masks (T, J) by name stand side by side."""
    from matplotlib.colors import to_rgb

    masks = visible if isinstance(visible, Mapping) else {"": visible}
    figure, axes = make_axes(columns=len(masks), height=2.8, sharey=True, squeeze=False)
    for ax, (name, mask) in zip(axes[0], masks.items()):
        shade = np.where(mask.T[..., None], 1.0, to_rgb(PALETTE["hidden"]))
        extent = (0, len(mask) / fps, len(skeleton) - 0.5, -0.5)
        ax.imshow(shade, aspect="auto", interpolation="nearest", extent=extent)
        ax.set(title=name, xlabel="time (s)")
        ax.set_yticks(range(len(skeleton)), skeleton.joints, fontsize=7)
        ax.grid(False)
    figure.suptitle("grey: hidden", fontsize=9, x=0.99, ha="right", color="0.4")
    return figure


def plot_detections(
    keypoints: Mapping[str, np.ndarray],
    size: tuple[int, int],
    hidden: Bool[np.ndarray, " J"] | None = None,
    skeleton: Skeleton = H36M17,
) -> Figure:
    """2D poses (J, 2) in pixels, by name, in their image: y points down."""
    figure, ax = make_axes(width=3.6, height=3.6 * size[1] / size[0] + 0.5)
    palette = assign_colors(list(keypoints))
    for name, points in keypoints.items():
        draw_skeleton(ax, points, hidden, palette[name], skeleton)
    ax.set(xlim=(0, size[0]), ylim=(size[1], 0), aspect="equal", xlabel="x (px)", ylabel="y (px)")
    add_legend(figure, palette)
    return figure


def plot_distribution(samples: Mapping[str, Any], label: str, upper: float = 99.5) -> Figure:
    """Densities of samples of different size over one axis, so that their shapes can be compared.

    Args:
        samples: name → values, or title → {name → values} for a panel a title.
        label: what is on the axis, with its unit.
        upper: percentile at which the axis ends.
    """
    panels = _as_panels(samples)
    figure, axes = make_axes(columns=len(panels), height=2.6, sharey=True, squeeze=False)
    palette = assign_colors(list_names(panels))
    for ax, (title, panel) in zip(axes[0], panels.items()):
        values = {name: np.ravel(v)[np.isfinite(np.ravel(v))] for name, v in panel.items()}
        low = min(np.percentile(v, 100 - upper) for v in values.values())
        high = max(np.percentile(v, upper) for v in values.values())
        edges = np.linspace(low, high, 60)
        for name, v in values.items():
            density = np.histogram(v, edges)[0] / (len(v) * np.diff(edges))
            ax.stairs(density, edges, color=palette[name], fill=True, alpha=0.12)
            ax.stairs(density, edges, color=palette[name], lw=1.3)
        ax.set(title=title, xlabel=label, yticks=[])
    axes[0, 0].set_ylabel("density")
    add_legend(figure, palette)
    return figure


def _as_panels(values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Values by name as one panel without a title; panels pass through."""
    return values if isinstance(next(iter(values.values())), Mapping) else {"": values}


def plot_lines(
    panels: Mapping[str, Mapping[str, tuple]],
    xlabel: str,
    ylabel: str,
    log: bool = False,
    dots: Mapping[str, Mapping[str, tuple]] | None = None,
) -> Figure:
    """Curves (x, y) by name, a panel a title, on common axes of y.

    Args:
        panels: title → {name → (x, y)}.
        log: logarithmic x.
        dots: like ``panels``: points marked in the colour of the curve of that name.
    """
    figure, axes = make_axes(columns=len(panels), height=2.6, sharey=True, squeeze=False)
    palette = assign_colors(list_names(panels))
    for ax, (title, curves) in zip(axes[0], panels.items()):
        for name, (x, y) in curves.items():
            ax.plot(x, y, color=palette[name])
        for name, (x, y) in (dots or {}).get(title, {}).items():
            ax.plot(x, y, "o", ms=3, color=palette[name])
        ax.set(title=title, xlabel=xlabel, xscale="log" if log else "linear")
    axes[0, 0].set_ylabel(ylabel)
    add_legend(figure, palette)
    return figure


def plot_loss_curve(
    curves: Mapping[str, Sequence], ylabel: str, xlabel: str = "step", log: bool = True
) -> Figure:
    """Values over steps by name: each curve is its values, or a pair (steps, values)."""
    pairs = {
        name: curve
        if isinstance(curve, tuple) and len(curve) == 2
        else (np.arange(1, len(curve) + 1), curve)
        for name, curve in curves.items()
    }
    figure = plot_lines({"": pairs}, xlabel, ylabel)
    figure.axes[0].set_yscale("log" if log else "linear")
    return figure


def plot_bars(values: Mapping[str, Any], label: str, highlight: Iterable[str] = ()) -> Figure:
    """One number a method with its interval, sorted as given, a panel a group.

    Args:
        values: method → (mean, low, high) or mean, or group → {method → …} for a panel a group.
        label: what is measured, with its unit.
        highlight: methods drawn in the colour of ``refined``; the others are grey.
    """
    panels = _as_panels(values)
    methods = list_names(panels)
    height = 0.9 + 0.24 * len(methods)
    figure, axes = make_axes(columns=len(panels), height=height, sharey=True, squeeze=False)
    for ax, panel in zip(axes[0], panels.values()):
        for method, value in panel.items():
            mean, low, high = value if np.ndim(value) else (value,) * 3
            row, color = methods.index(method), PALETTE["refined"] if method in highlight else "0.6"
            ax.barh(row, mean, color=color, height=0.66)
            ax.plot([low, high], [row, row], color=PALETTE["truth"], lw=1.2, solid_capstyle="butt")
    label_rows(axes[0], panels, methods, label)
    return figure


def label_rows(
    axes: Iterable[Axes], titles: Iterable[str], names: Sequence[str], label: str
) -> None:
    """Titles and labels of panels whose rows are ``names``, the first on top."""
    first, *_ = axes
    for ax, title in zip(axes, titles):
        ax.set(title=title, xlabel=label)
        ax.grid(axis="y", visible=False)
    first.set_yticks(range(len(names)), names)
    first.invert_yaxis()


def plot_reliability(
    predicted: Float[np.ndarray, "..."],
    observed: Bool[np.ndarray, "..."],
    bins: int = 10,
    xlabel: str = "stated confidence",
    ylabel: str = "observed share",
) -> Figure:
    """Calibration: the share observed in each bin of the share predicted, and how full the bins
    are.

    Args:
        predicted: probabilities in [0, 1].
        observed: whether it happened, in the same shape.
    """
    figure, (ax, counts) = make_axes(2, width=3.6, height=3.9, sharex=True, height_ratios=(4, 1))
    predicted, happened = np.ravel(predicted), np.ravel(observed).astype(float)
    bin_of = np.clip((predicted * bins).astype(int), 0, bins - 1)
    n = np.bincount(bin_of, minlength=bins)
    full = n > 0
    means = [np.bincount(bin_of, v, bins)[full] / n[full] for v in (predicted, happened)]
    ax.plot([0, 1], [0, 1], ":", color=PALETTE["truth"])
    ax.plot(*means, "o-", ms=4, color=PALETTE["refined"])
    ax.set(ylabel=ylabel, xlim=(0, 1), ylim=(0, 1))
    counts.bar((np.arange(bins) + 0.5) / bins, n / n.sum(), 0.9 / bins, color=PALETTE["hidden"])
    counts.set(xlabel=xlabel, ylabel="share")
    return figure


def plot_skeleton_map(
    joints: Float[np.ndarray, "J 3"], skeleton: Skeleton = H36M17, up: str = "y"
) -> Figure:
    """One pose seen from the front, each joint with its index and name."""
    figure, ax = make_axes(width=4.2, height=4.6)
    points = project_view(rotate_upright(joints, up), 0, 0)
    draw_skeleton(ax, points, skeleton=skeleton)
    for j, (name, (x, y)) in enumerate(zip(skeleton.joints, points)):
        if skeleton.mirror[j] == j:  # on the midline: beside the bone, the pelvis between the hips
            dx, dy = (5, 3 if j > skeleton.index("thorax") else -10) if j else (0, -10)
        else:
            dx, dy = 5 * np.sign(x - points[skeleton.mirror[j], 0]), 3
        side = {-1: "right", 0: "center", 1: "left"}[np.sign(dx)]
        offset = {"xytext": (dx, dy), "textcoords": "offset points"}
        ax.annotate(f"{j} {name}", (x, y), fontsize=7, ha=side, **offset)
    xlim = np.nanmin(points[:, 0]) - 0.3, np.nanmax(points[:, 0]) + 0.3
    ax.set(aspect="equal", xlabel="x (m)", ylabel="y (m)", xlim=xlim)
    return figure
