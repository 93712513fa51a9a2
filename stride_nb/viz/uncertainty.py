"""Figures of what was hidden and of how sure an answer is: an occluder with its rays, curves with
intervals, bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from jaxtyping import Float

from stride_nb.models.uncertainty import BAND_90
from stride_nb.poses.geometry import Camera, is_behind_box
from stride_nb.viz.figures import PALETTE, add_legend, assign_colors, draw_skeleton, make_axes

__all__ = ["compute_box_corners", "draw_band", "plot_dots", "plot_interval_curves", "plot_occluder"]


def compute_box_corners(
    centre: Float[np.ndarray, " 3"], half_size: Float[np.ndarray, " 3"], yaw: float
) -> Float[np.ndarray, "8 3"]:
    """Corners of the box that ``geometry.is_behind_box`` means, in its axes, metres."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return centre + (np.array(list(product((-1, 1), repeat=3))) * half_size) @ turn.T


def plot_occluder(
    pose: Float[np.ndarray, "17 3"],
    centre: Float[np.ndarray, " 3"],
    half_size: Float[np.ndarray, " 3"],
    yaw: float,
    camera: Camera,
):
    """A box before a person: from above, with a ray from the camera to every joint, and as the
    camera sees it.

    Args:
        pose: metres, camera space.
        centre, half_size, yaw: the box, as in ``geometry.is_behind_box``.
    """
    hidden = is_behind_box(pose, centre, half_size, yaw)
    corners = compute_box_corners(centre, half_size, yaw)
    fig, (above, seen) = make_axes(columns=2, height=2.9, width_ratios=(2.1, 1))
    for joint, blocked in zip(pose, hidden):
        above.plot(
            [0, joint[2]],
            [0, joint[0]],
            ":" if blocked else "-",
            lw=0.7,
            zorder=1,
            color=PALETTE["input"] if blocked else "0.55",
        )
    above.plot(0, 0, marker=">", ms=9, color=PALETTE["truth"])
    above.annotate("camera", (0, 0), (-4, 10), textcoords="offset points")
    above.set(xlabel="depth z (m)", ylabel="x (m)", title="from above: dotted rays meet the box")
    seen.set(xlabel="x (px)", ylabel="y (px)", title="as the camera sees it")
    views = (
        (above, pose[:, ::-2], corners[:, ::-2]),
        (seen, camera.project(pose), camera.project(corners)),
    )
    for ax, points, box in views:
        draw_skeleton(ax, points, hidden)
        ax.fill(*_hull(box).T, color=PALETTE["hidden"], alpha=0.6, lw=0, zorder=2)
        ax.margins(0.08)
        ax.set_aspect("equal", adjustable="datalim")
        ax.invert_yaxis()  # x to the camera's right, y down
    return fig


def _hull(points: np.ndarray) -> np.ndarray:
    from scipy.spatial import ConvexHull

    return points[ConvexHull(points).vertices]


def plot_interval_curves(
    panels: Mapping[str, Mapping[str, tuple]], xlabels: Sequence[str], ylabel: str
):
    """Curves with intervals, a panel a title: title → {name → (x, mean, low, high)}; a common axis
    of y."""
    fig, axes = make_axes(columns=len(panels), height=2.8, sharey=True, squeeze=False)
    palette = assign_colors(
        list(dict.fromkeys(name for group in panels.values() for name in group))
    )
    palette |= {name: PALETTE["refined"] for name in palette if name == "prior"}
    for ax, xlabel, (title, group) in zip(axes[0], xlabels, panels.items()):
        for name, (x, mean, low, high) in group.items():
            ax.plot(x, mean, marker="o" if len(x) < 12 else None, ms=3, color=palette[name])
            ax.fill_between(x, low, high, color=palette[name], alpha=0.15, lw=0)
        ax.set(title=title, xlabel=xlabel, ylim=(0, None))
    axes[0, 0].set_ylabel(ylabel)
    add_legend(fig, palette)
    return fig


def plot_dots(
    groups: Mapping[str, Mapping[str, Sequence[float]]], label: str, reference: float | None = None
):
    """One dot a window: group → {name → values}, a panel a group, a row a name; the bar is their
    mean."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    fig, axes = make_axes(
        columns=len(groups), height=0.9 + 0.27 * len(names), sharex=True, sharey=True, squeeze=False
    )
    for ax, (title, group) in zip(axes[0], groups.items()):
        for row, name in enumerate(names):
            ax.plot(
                group[name],
                np.full(len(group[name]), row),
                "o",
                ms=4,
                color=PALETTE["refined"],
                alpha=0.65,
                mew=0,
            )
            ax.plot(
                [np.mean(group[name])] * 2, [row - 0.3, row + 0.3], color=PALETTE["truth"], lw=1.6
            )
        if reference is not None:
            ax.axvline(reference, color="0.5", ls=":", lw=1)
        ax.set(title=title, xlabel=label)
        ax.grid(axis="y", visible=False)
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].invert_yaxis()
    return fig


def draw_band(
    ax, centre: np.ndarray, scale: np.ndarray, fps: float, color: str = PALETTE["refined"]
) -> None:
    """Shade the middle 90 % of one coordinate (T,) whose error has the scale (T,), both in metres,
    around its answer."""
    t = np.arange(len(centre)) / fps
    ax.fill_between(
        t, centre - BAND_90 * scale, centre + BAND_90 * scale, color=color, alpha=0.18, lw=0
    )
