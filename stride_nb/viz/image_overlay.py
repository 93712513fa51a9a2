"""Poses drawn over frames of a video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from stride_nb.errors import require
from stride_nb.poses.skeleton import H36M17, Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SIDE_COLORS", "draw_sides", "plot_overlays"]

SIDE_COLORS = {"left": "#1b7fb8", "right": "#d95f02", "middle": "#f0f0f0"}
"""Of the person's own left and right, as in overlay videos."""
_BORDER = 0.08  # of the person, around what is shown
_DPI = 80  # photographs make large PNG files


def draw_sides(
    ax: Axes,
    points: Float[np.ndarray, "J 2"],
    hidden: Bool[np.ndarray, " J"],
    skeleton: Skeleton = H36M17,
) -> None:
    """One pose in the image, sides in their colours: hidden joints hollow, bones to them thin."""
    colors = [SIDE_COLORS[side] for side in _list_sides(skeleton)]
    for child, parent in skeleton.bones:
        x, y = points[[child, parent]].T
        width = 0.8 if hidden[child] or hidden[parent] else 2.0
        ax.plot(x, y, color="black", lw=width + 1.4, solid_capstyle="round")
        ax.plot(x, y, color=colors[child], lw=width, solid_capstyle="round")
    faces = ["none" if h else c for h, c in zip(hidden, colors)]
    ax.scatter(*points.T, s=14, facecolor=faces, edgecolor=colors, linewidth=1.0, zorder=3)


def plot_overlays(
    images: Mapping[int, UInt8[np.ndarray, "H W 3"]],
    views: Mapping[str, tuple[Float[np.ndarray, "T J 2"], Bool[np.ndarray, "T J"]]],
    fps: float,
    skeleton: Skeleton = H36M17,
) -> Figure:
    """A row a view, a column an image, cut to the person.

    Args:
        images: by frame number.
        views: name → joints (px) and which of them the estimator did not see.
        fps: frames a second, for the time over each column.
    """
    plt = require("matplotlib.pyplot", "viz")
    left, top, right, bottom = _find_extent(images, views)
    tall = 7.2 / len(images) * (bottom - top) / (right - left)
    figure, axes = plt.subplots(
        len(views), len(images), figsize=(7.2, tall * len(views) + 0.3), dpi=_DPI, squeeze=False
    )
    for i, (row, (name, (pixels, hidden))) in enumerate(zip(axes, views.items())):
        for ax, (number, image) in zip(row, images.items()):
            ax.imshow(image)
            draw_sides(ax, pixels[number], hidden[number], skeleton)
            ax.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
            ax.grid(False)
            if i == 0:
                ax.set_title(f"{number / fps:.1f} s")
        row[0].set_ylabel(name)
    return figure


def _list_sides(skeleton: Skeleton) -> list[str]:
    sides: dict[Any, str] = {}
    for left, right in skeleton.pairs:
        sides |= {left: "left", right: "right"}
    return [sides.get(name, "middle") for name in skeleton.joints]


def _find_extent(images: Mapping, views: Mapping) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of all that is drawn, with a margin, within the image."""
    points = np.concatenate([pixels[list(images)].reshape(-1, 2) for pixels, _ in views.values()])
    low, high = np.nanmin(points, 0), np.nanmax(points, 0)
    margin = _BORDER * (high - low).max()
    height, width = next(iter(images.values())).shape[:2]
    left, top = np.clip(low - margin, 0, (width, height))
    right, bottom = np.clip(high + margin, 0, (width, height))
    return float(left), float(top), float(right), float(bottom)
