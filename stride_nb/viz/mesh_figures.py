"""A body as a picture: shaded triangles drawn back to front, in the same view as the book's stick
figures."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import Skeleton
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion
from stride_nb.viz import figures

__all__ = ["draw_mesh", "plot_body_strip", "plot_shape_gallery"]

SKIN = "#9db7cc"
"""The colour of a lit surface."""
_LIGHT = np.array([0.35, 0.55, 0.76])  # from the viewer's upper right


def draw_mesh(
    ax,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    at: float = 0.0,
    azimuth: float = 30.0,
    elevation: float = 10.0,
    color: str = SKIN,
) -> None:
    """Draw vertices, y up, metres, in orthographic projection, moved by ``at`` to the right.

    Only triangles that face the viewer are drawn, the farthest first, each in one shade (mean of
    its corners' smooth shades), which is exact enough for a closed surface in place of a depth
    buffer.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    a, e = np.radians([azimuth, elevation])
    seen = figures.project_view(vertices, azimuth, elevation)
    level = vertices[:, 2] * np.cos(a) - vertices[:, 0] * np.sin(a)
    view = np.stack([*seen.T, level * np.cos(e) + vertices[:, 1] * np.sin(e)], -1)
    normal = np.cross(view[faces[:, 1]] - view[faces[:, 0]], view[faces[:, 2]] - view[faces[:, 0]])
    smooth = np.stack(
        [np.bincount(faces.ravel(), np.repeat(normal[:, k], 3), len(vertices)) for k in range(3)],
        -1,
    )
    smooth /= np.maximum(np.linalg.norm(smooth, axis=-1, keepdims=True), 1e-12)
    # few shades: small files
    shade = 0.35 + 0.65 * np.round(8 * np.clip(smooth @ _LIGHT, 0, 1)[faces].mean(1)) / 8
    front = np.flatnonzero(normal[:, 2] > 0)
    front = front[np.argsort(view[faces[front], 2].mean(1), kind="stable")]
    corners = view[faces[front], :2] + [at, 0]
    colors = np.clip(shade[front, None] * to_rgb(color), 0, 1)
    ax.add_collection(
        PolyCollection(
            list(corners),
            facecolors=colors,
            edgecolors=colors,
            linewidths=0.15,
            antialiased=False,
            rasterized=True,
        )
    )


def plot_body_strip(
    body: Body,
    motion: BodyMotion,
    sequence: PoseSequence | None = None,
    frames: int = 6,
    up: str = "y",
):
    """The body at evenly spaced times, the skeleton below it.

    Args:
        sequence: whose joints to draw below, but for missing ones; default: the body's own 17
            joints.
        frames: number of times shown.
        up: ``y`` for a world, ``-y`` for a camera.

    Returns:
        a matplotlib ``Figure``.
    """
    sequence = body.compute_sequence(motion) if sequence is None else sequence
    times = np.unique(np.linspace(0, len(motion) - 1, frames).round().astype(int))
    shown = motion.replace(pose=motion.pose[times], translation=motion.translation[times])
    mesh = figures.rotate_upright(body.compute_vertices(shown).astype(np.float64), up)
    joints = figures.rotate_upright(sequence.joints[times], up)
    middle = (mesh.min(1, keepdims=True) + mesh.max(1, keepdims=True)) / 2 * [1, 0, 1]
    flat = figures.project_view(mesh - middle)
    width = 1.08 * np.ptp(flat[..., 0], axis=1).max()
    return _rows(
        mesh - middle,
        joints - middle,
        sequence.confidence[times] == 0,
        sequence.skeleton,
        body.faces,
        width,
        [f"{t / motion.fps:.2f} s" for t in times],
    )


def _rows(mesh, joints, hidden, skeleton: Skeleton, faces, width: float, labels: list[str]):
    """Two rows on one scale: meshes (N, V, 3) above skeletons (N, J, 3), ``width`` metres a
    column."""
    import matplotlib.pyplot as plt

    flat = figures.project_view(mesh)[..., 1]
    low, high = flat.min() - 0.05, flat.max() + 0.05
    columns = np.arange(len(mesh)) * width
    fig, axes = plt.subplots(
        2, 1, sharex=True, figsize=(7.2, 2 * 6.2 * (high - low) / (width * len(mesh)) + 0.5)
    )
    for i, at in enumerate(columns):
        draw_mesh(axes[0], mesh[i], faces, at)
        figures.draw_skeleton(
            axes[1], figures.project_view(joints[i]) + [at, 0], hidden[i], skeleton=skeleton
        )
    for ax in axes:
        ax.set(
            xlim=(-0.5 * width, (len(mesh) - 0.5) * width),
            ylim=(low, high),
            aspect="equal",
            ylabel="height (m)",
        )
        ax.grid(False)
    axes[1].set_xticks(columns, labels)
    axes[0].tick_params(bottom=False)
    return fig


def plot_shape_gallery(body: Body, amount: float = 3.0, names: tuple[str, ...] = ()):
    """The body at rest, −``amount`` and +``amount`` along each of its first ten shape directions.

    Returns:
        a matplotlib ``Figure``.
    """
    import matplotlib.pyplot as plt

    count = min(10, body.arrays["shapedirs"].shape[-1])
    fig, axes = plt.subplots(2, count, sharex=True, sharey=True, figsize=(7.2, 2.9))
    arms_down = BodyMotion(_arms_down(), np.zeros(0), np.zeros((1, 3)))
    for k in range(count):
        for row, sign in enumerate((-1, 1)):
            shape = np.zeros(count)
            shape[k] = sign * amount
            vertices = body.compute_vertices(arms_down.replace(shape=shape))[0].astype(np.float64)
            draw_mesh(
                axes[row, k], vertices - vertices.min(0) * [0, 1, 0], body.faces, azimuth=20.0
            )
        axes[0, k].set_title(
            "\n".join(names[k].rsplit(" ", 1)) if k < len(names) else f"β{k}", fontsize=6.5
        )
    for ax in axes.ravel():
        ax.set(xlim=(-0.45, 0.45), ylim=(-0.12, 2.05), aspect="equal", xticks=[])
        ax.grid(False)
        ax.tick_params(labelsize=7)
    for row, sign in enumerate("−+"):
        axes[row, 0].set_ylabel(f"{sign}{amount:g}\nheight (m)", fontsize=7)
    return fig


def _arms_down() -> np.ndarray:
    """(1, 24, 3) the T pose with lowered arms."""
    from stride_nb.poses.skeleton import SMPL24

    pose = np.zeros((1, 24, 3))
    pose[0, SMPL24.index("lshoulder", "rshoulder"), 2] = -1.2, 1.2
    return pose
