"""Every figure of the book: functions from arrays to a labelled ``Figure``, one look, fixed
colours.

Truth, input and refined keep their colour on every page, hidden joints are hollow and occluded
spans shaded; units stand on the axes and a legend stands above the data. A name without a fixed
colour takes the next one of the style's cycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.interpolation import runs
from stride_nb.poses.skeleton import H36M17, Skeleton
from stride_nb.viz.tables import table

__all__ = [
    "PALETTE",
    "bars_with_intervals",
    "colors",
    "detections",
    "distribution",
    "draw_skeleton",
    "lines",
    "loss_curve",
    "reliability",
    "skeleton_map",
    "strip",
    "table",
    "timeline",
    "turn",
    "upright",
    "use_style",
    "visibility",
]

PALETTE = {"truth": "#222222", "input": "#d95f02", "refined": "#1b7fb8", "hidden": "#bbbbbb"}
_CYCLE = ("#2a9d5c", "#7a5195", "#c2185b", "#8c6d31", "#17a2a2", "#5b6c8f")
_UP = {
    "y": np.diag([1.0, 1, 1]),
    "-y": np.diag([1.0, -1, -1]),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}


def use_style() -> None:
    """Take the book's figure style for every later figure of this process."""
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("matplotlibrc"))


def colors(names: Sequence[str]) -> dict[str, str]:
    """One colour a name: the fixed one where there is one, else the next free one of the cycle.

    >>> colors(["truth", "linear", "refined"])
    {'truth': '#222222', 'linear': '#2a9d5c', 'refined': '#1b7fb8'}
    """
    free = iter(_CYCLE * (1 + len(names) // len(_CYCLE)))
    return {name: PALETTE.get(name) or next(free) for name in names}


def upright(joints: np.ndarray, up: str = "y") -> np.ndarray:
    """Coordinates with y up (a proper rotation), from joints (..., 3) whose up is ``y`` (world),
    ``-y`` (camera) or ``z``."""
    if up not in _UP:
        raise InputError("plots", "up", f"one of {', '.join(_UP)}", repr(up))
    return joints @ _UP[up].T


def turn(joints: np.ndarray, azimuth: float = 30.0, elevation: float = 10.0) -> np.ndarray:
    """Orthographic view of y-up joints (..., 3) as (..., 2), in the joints' unit; angles in
    degrees."""
    a, e = np.radians([azimuth, elevation])
    x, y, z = np.moveaxis(joints, -1, 0)
    depth = z * np.cos(a) - x * np.sin(a)
    return np.stack([x * np.cos(a) + z * np.sin(a), y * np.cos(e) - depth * np.sin(e)], -1)


def draw_skeleton(
    ax,
    points: np.ndarray,
    hidden: np.ndarray | None = None,
    color: str = PALETTE["truth"],
    skeleton: Skeleton = H36M17,
    **line,
) -> None:
    """Draw one pose of points (J, 2): bones as lines, hidden joints (J,) as hollow dots, missing
    (NaN) joints not at all."""
    hidden = np.zeros(len(points), bool) if hidden is None else hidden
    for child, parent in skeleton.bones:
        style = ":" if hidden[child] or hidden[parent] else "-"
        ax.plot(*points[[child, parent]].T, style, color=color, **({"lw": 1.2} | line))
    for dots, face in ((points[~hidden], color), (points[hidden], "white")):
        ax.scatter(*dots.T, s=5, facecolor=face, edgecolor=color, linewidth=0.6, zorder=3)


def strip(
    sequences: Mapping[str, np.ndarray],
    fps: float,
    frames: int = 8,
    hidden: np.ndarray | None = None,
    up: str = "y",
    skeleton: Skeleton = H36M17,
    azimuth: float = 30.0,
    apart: bool = False,
):
    """Stick figures at evenly spaced times, the sequences drawn over one another in a three-quarter
    view.

    Args:
        sequences: name → joints (T, J, 3) in metres; the first one's pelvis is what the view
            follows.
        fps: frames a second, for the time under each figure.
        frames: number of times shown.
        hidden: (T, J) True where a joint could not be seen, drawn hollow.
        apart: draw every later sequence in a row of its own, over the first.
    """
    arrays = {name: upright(_joints(s), up) for name, s in sequences.items()}
    first, *later = arrays
    times = np.unique(np.linspace(0, len(arrays[first]) - 1, frames).round().astype(int))
    roots = _filled(arrays[first][:, 0]) * [1, 0, 1]
    palette = colors(list(arrays))
    views = turn(np.stack([a[times] for a in arrays.values()]) - roots[times, None], azimuth)
    width = 1.1 * _widest(views[..., 0])
    views[..., 0] += np.arange(len(times))[:, None] * width
    # who leans or sits leaves his own place
    reach = np.nanmax(views, (0, 1, 2)) - np.nanmin(views, (0, 1, 2)) + 0.2
    rows = [(first, name) for name in later] if apart and later else [tuple(arrays)]
    fig, axes = _axes(
        len(rows),
        height=6.6 * reach[1] / reach[0] * len(rows) + 0.5,
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for ax, names in zip(axes[:, 0], rows):
        for name in names:
            for t, points in zip(times, views[list(arrays).index(name)]):
                draw_skeleton(
                    ax, points, None if hidden is None else hidden[t], palette[name], skeleton
                )
        ax.set(ylabel="height (m)", aspect="equal")
        ax.grid(False)
    ax.set(
        xticks=np.arange(len(times)) * width,
        xticklabels=[f"{t / fps:.2f} s" for t in times],
        xlim=np.array([-0.1, 0.1]) + [np.nanmin(views[..., 0]), np.nanmax(views[..., 0])],
    )
    _legend(fig, palette)
    return fig


def timeline(
    sequences: Mapping[str, np.ndarray],
    fps: float,
    joint: str | Sequence[str] = "rwrist",
    axis: str = "x",
    visible: np.ndarray | None = None,
    skeleton: Skeleton = H36M17,
):
    """One coordinate of one or more joints over time, a row a joint, spans where the joint is
    hidden shaded.

    Args:
        sequences: name → joints (T, J, 3) in metres.
        axis: ``x``, ``y`` or ``z``.
        visible: (T, J) True where a joint was seen.
    """
    joints = [joint] if isinstance(joint, str) else list(joint)
    fig, axes = _axes(rows=len(joints), height=1.0 + 1.4 * len(joints), sharex=True, squeeze=False)
    palette = colors(list(sequences))
    for ax, name in zip(axes[:, 0], joints):
        j = skeleton.index(name)
        for label, s in sequences.items():
            values = _joints(s)[:, j, "xyz".index(axis)]
            ax.plot(np.arange(len(values)) / fps, values, color=palette[label])
        if visible is not None:
            _shade(ax, ~visible[:, j], fps)
        ax.set_ylabel(f"{name} {axis} (m)")
    axes[-1, 0].set_xlabel("time (s)")
    _legend(fig, palette, shaded=visible is not None)
    return fig


def visibility(
    visible: np.ndarray | Mapping[str, np.ndarray], fps: float, skeleton: Skeleton = H36M17
):
    """Joints × time raster of what is hidden; several masks (T, J) by name stand side by side."""
    masks = visible if isinstance(visible, Mapping) else {"": visible}
    fig, axes = _axes(columns=len(masks), height=2.8, sharey=True, squeeze=False)
    for ax, (name, mask) in zip(axes[0], masks.items()):
        shade = np.where(mask.T[..., None], 1.0, _rgb("hidden"))
        ax.imshow(
            shade,
            aspect="auto",
            interpolation="nearest",
            extent=(0, len(mask) / fps, len(skeleton) - 0.5, -0.5),
        )
        ax.set(title=name, xlabel="time (s)")
        ax.set_yticks(range(len(skeleton)), skeleton.joints, fontsize=7)
        ax.grid(False)
    fig.suptitle("grey: hidden", fontsize=9, x=0.99, ha="right", color="0.4")
    return fig


def detections(
    keypoints: Mapping[str, np.ndarray],
    size: tuple[int, int],
    hidden: np.ndarray | None = None,
    skeleton: Skeleton = H36M17,
):
    """2D poses (J, 2) in pixels, by name, in the image that they were seen in: y points down."""
    fig, ax = _axes(width=3.6, height=3.6 * size[1] / size[0] + 0.5)
    palette = colors(list(keypoints))
    for name, points in keypoints.items():
        draw_skeleton(ax, points, hidden, palette[name], skeleton)
    ax.set(xlim=(0, size[0]), ylim=(size[1], 0), aspect="equal", xlabel="x (px)", ylabel="y (px)")
    _legend(fig, palette)
    return fig


def distribution(samples: Mapping, label: str, upper: float = 99.5):
    """Densities of samples of different size over one axis, so that their shapes can be compared.

    Args:
        samples: name → values, or title → {name → values} for a panel a title.
        label: what is on the axis, with its unit.
        upper: percentile at which the axis ends.
    """
    panels = samples if isinstance(next(iter(samples.values())), Mapping) else {"": samples}
    fig, axes = _axes(columns=len(panels), height=2.6, sharey=True, squeeze=False)
    palette = colors(list(dict.fromkeys(name for group in panels.values() for name in group)))
    for ax, (title, group) in zip(axes[0], panels.items()):
        values = {name: np.ravel(v)[np.isfinite(np.ravel(v))] for name, v in group.items()}
        low = min(np.percentile(v, 100 - upper) for v in values.values())
        high = max(np.percentile(v, upper) for v in values.values())
        edges = np.linspace(low, high, 60)
        for name, v in values.items():
            density = np.histogram(v, edges)[0] / (len(v) * np.diff(edges))
            ax.stairs(density, edges, color=palette[name], fill=True, alpha=0.12)
            ax.stairs(density, edges, color=palette[name], lw=1.3)
        ax.set(title=title, xlabel=label, yticks=[])
    axes[0, 0].set_ylabel("density")
    _legend(fig, palette)
    return fig


def lines(
    panels: Mapping[str, Mapping[str, tuple]],
    xlabel: str,
    ylabel: str,
    log: bool = False,
    dots: Mapping | None = None,
):
    """Curves (x, y) by name, a panel a title, on common axes of y.

    Args:
        panels: title → {name → (x, y)}.
        log: logarithmic x.
        dots: like ``panels``: points marked in the colour of the curve of that name.
    """
    fig, axes = _axes(columns=len(panels), height=2.6, sharey=True, squeeze=False)
    palette = colors(list(dict.fromkeys(name for curves in panels.values() for name in curves)))
    for ax, (title, curves) in zip(axes[0], panels.items()):
        for name, (x, y) in curves.items():
            ax.plot(x, y, color=palette[name])
        for name, (x, y) in (dots or {}).get(title, {}).items():
            ax.plot(x, y, "o", ms=3, color=palette[name])
        ax.set(title=title, xlabel=xlabel, xscale="log" if log else "linear")
    axes[0, 0].set_ylabel(ylabel)
    _legend(fig, palette)
    return fig


def loss_curve(curves: Mapping[str, Sequence], ylabel: str, xlabel: str = "step", log: bool = True):
    """Values over steps by name: each curve is its values, or a pair (steps, values)."""
    fig, ax = _axes(height=2.6)
    palette = colors(list(curves))
    for name, curve in curves.items():
        pair = isinstance(curve, tuple) and len(curve) == 2
        ax.plot(
            *((curve[0], curve[1]) if pair else (np.arange(1, len(curve) + 1), curve)),
            color=palette[name],
        )
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    _legend(fig, palette)
    return fig


def bars_with_intervals(values: Mapping, label: str, highlight: Sequence[str] = ()):
    """One number a method with its interval, sorted as given, a panel a group.

    Args:
        values: method → (mean, low, high) or mean, or group → {method → …} for a panel a group.
        label: what is measured, with its unit.
        highlight: methods drawn in the colour of ``refined``; the others are grey.
    """
    groups = values if isinstance(next(iter(values.values())), Mapping) else {"": values}
    methods = list(dict.fromkeys(m for group in groups.values() for m in group))
    fig, axes = _axes(
        columns=len(groups), height=0.9 + 0.24 * len(methods), sharey=True, squeeze=False
    )
    for ax, (title, group) in zip(axes[0], groups.items()):
        for method, value in group.items():
            mean, low, high = value if np.ndim(value) else (value,) * 3
            row, color = methods.index(method), PALETTE["refined"] if method in highlight else "0.6"
            ax.barh(row, mean, color=color, height=0.66)
            ax.plot([low, high], [row, row], color=PALETTE["truth"], lw=1.2, solid_capstyle="butt")
        ax.set(title=title, xlabel=label)
        ax.grid(axis="y", visible=False)
    axes[0, 0].set_yticks(range(len(methods)), methods)
    axes[0, 0].invert_yaxis()
    return fig


def reliability(
    predicted: np.ndarray,
    observed: np.ndarray,
    bins: int = 10,
    xlabel: str = "stated confidence",
    ylabel: str = "observed share",
):
    """Does a confidence mean what it says? Share observed in each bin of the share predicted, and
    how full the bins are.

    Args:
        predicted: probabilities in [0, 1], any shape.
        observed: what happened (0 or 1), the same shape.
    """
    fig, (ax, counts) = _axes(rows=2, width=3.6, height=3.9, sharex=True, height_ratios=(4, 1))
    predicted, observed = np.ravel(predicted), np.ravel(observed).astype(float)
    bin_of = np.clip((predicted * bins).astype(int), 0, bins - 1)
    n = np.bincount(bin_of, minlength=bins)
    full = n > 0
    mean = [np.bincount(bin_of, v, bins)[full] / n[full] for v in (predicted, observed)]
    ax.plot([0, 1], [0, 1], ":", color=PALETTE["truth"])
    ax.plot(*mean, "o-", ms=4, color=PALETTE["refined"])
    ax.set(ylabel=ylabel, xlim=(0, 1), ylim=(0, 1))
    counts.bar((np.arange(bins) + 0.5) / bins, n / n.sum(), 0.9 / bins, color=PALETTE["hidden"])
    counts.set(xlabel=xlabel, ylabel="share")
    return fig


def skeleton_map(joints: np.ndarray, skeleton: Skeleton = H36M17, up: str = "y"):
    """One pose (J, 3) seen from the front, each joint with its index and name."""
    fig, ax = _axes(width=4.2, height=4.6)
    points = turn(upright(joints, up), 0, 0)
    draw_skeleton(ax, points, skeleton=skeleton)
    for j, (name, (x, y)) in enumerate(zip(skeleton.joints, points)):
        if skeleton.mirror[j] == j:  # on the midline: beside the bone, the pelvis between the hips
            dx, dy = (5, 3 if j > skeleton.index("thorax") else -10) if j else (0, -10)
        else:
            dx, dy = 5 * np.sign(x - points[skeleton.mirror[j], 0]), 3
        ax.annotate(
            f"{j} {name}",
            (x, y),
            (dx, dy),
            textcoords="offset points",
            fontsize=7,
            ha={-1: "right", 0: "center", 1: "left"}[np.sign(dx)],
        )
    ax.set(
        aspect="equal",
        xlabel="x (m)",
        ylabel="y (m)",
        xlim=(np.nanmin(points[:, 0]) - 0.3, np.nanmax(points[:, 0]) + 0.3),
    )
    return fig


def _axes(rows: int = 1, columns: int = 1, width: float = 7.2, height: float = 3.0, **grid):
    import matplotlib.pyplot as plt

    use_style()
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **grid)


def _widest(x: np.ndarray) -> float:
    """Greatest extent of a figure in x (sequences, T, J): of the complete ones, or of what is seen
    where none is complete."""
    seen = x[np.isfinite(x).any(-1)]
    if not len(seen):
        raise InputError("strip", "sequences", "a joint that was seen", "none")
    complete = seen[np.isfinite(seen).all(-1)]
    return (
        np.ptp(complete, axis=-1).max()
        if len(complete)
        else (np.nanmax(seen, -1) - np.nanmin(seen, -1)).max()
    )


def _joints(sequence) -> np.ndarray:
    return np.asarray(getattr(sequence, "joints", sequence))


def _filled(points: np.ndarray) -> np.ndarray:
    """Points (T, 3) with gaps bridged linearly, held at the ends; zeros where nothing is known."""
    known = np.isfinite(points).all(-1)
    if not known.any():
        return np.zeros_like(points)
    t = np.arange(len(points))
    return np.stack([np.interp(t, t[known], c[known]) for c in points.T], -1)


def _shade(ax, hidden: np.ndarray, fps: float) -> None:
    for start, length in runs(hidden):
        ax.axvspan(
            (start - 0.5) / fps,
            (start + length - 0.5) / fps,
            color=PALETTE["hidden"],
            alpha=0.45,
            lw=0,
            zorder=0,
        )


def _rgb(name: str) -> np.ndarray:
    return np.array([int(PALETTE[name][i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _legend(fig, palette: Mapping[str, str], shaded: bool = False) -> None:
    """Above the axes, where no data is."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=color, label=name, lw=2) for name, color in palette.items() if name
    ]
    handles += [Patch(color=PALETTE["hidden"], alpha=0.45, label="hidden")] * shaded
    if len(handles) > 1:
        fig.legend(
            handles=handles, loc="outside upper left", ncols=6, handlelength=1.2, columnspacing=1.2
        )
