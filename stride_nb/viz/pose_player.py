"""A 3D player for notebooks and pages: one canvas and its script, self-contained, no network, about
0.1 MB for three sequences of 243 frames (positions as int16 in base64). Drag turns the view, the
bar scrubs and shades hidden spans.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17, Skeleton
from stride_nb.viz.figures import assign_colors, get_joints, rotate_upright

__all__ = ["BUTTON_STYLE", "MISSING", "Player", "pack_array", "play_poses"]

MISSING = -32768
"""What stands for a missing coordinate among packed ones."""
BUTTON_STYLE = (
    "font:inherit;color:inherit;background:none;border:1px solid currentColor;"
    "border-radius:4px;padding:0 .6em;line-height:1.5;opacity:.75"
)


class Player:
    """What a cell shows: the same input gives the same HTML, byte for byte."""

    def __init__(self, markup: str, summary: str):
        self.markup, self.summary = markup, summary

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        return self.summary


def play_poses(
    sequences: Mapping[str, np.ndarray],
    fps: float,
    hidden: Bool[np.ndarray, "T J"] | None = None,
    up: str = "y",
    skeleton: Skeleton = H36M17,
    height: int = 320,
) -> Player:
    """Play pose sequences side by side or over one another.

    Args:
        sequences: name → joints (T, J, 3) in metres, NaN where missing (then not drawn); all of one
            shape.
        fps: frames a second; it plays in real time.
        hidden: (T, J) True where a joint could not be seen: hollow, dotted, shaded in the bar.
        up: ``y`` for a world, ``-y`` for a camera, ``z`` for data whose z is up.
        height: of the canvas, in CSS pixels.
    """
    arrays = {n: rotate_upright(get_joints(s).astype(float), up) for n, s in sequences.items()}
    _check_player_arrays(arrays, hidden, skeleton)
    stacked = np.stack(list(arrays.values()))
    first = stacked[0] if np.isfinite(stacked[0]).any() else np.nan_to_num(stacked[0])
    stacked = stacked - np.nanmean(first, (0, 1)) * [1, 0, 1]
    step = float(f"{max(np.abs(np.nan_to_num(stacked)).max(), 1e-3) / 32000:.3g}")
    steps = np.where(np.isfinite(stacked), np.nan_to_num(stacked) / step, MISSING)
    low, high = np.nanpercentile(first[..., 1], [1, 99])
    frames, joints = first.shape[:2]
    data = {
        "frames": frames,
        "joints": joints,
        "fps": float(fps),
        "step": step,
        "height": height,
        "azimuth": 0.6,
        "floor": round(low, 3),
        "middle": round((low + high) / 2, 3),
        "extent": round(max(high - low, 0.5) / 2 + 0.05, 3),
        "bones": skeleton.bones,
        "colors": list(assign_colors(list(arrays)).values()),
        "poses": [pack_array(positions, "<i2") for positions in steps],
        "hidden": None if hidden is None else pack_array(np.packbits(hidden), "u1"),
    }
    summary = f"<player: {', '.join(arrays)}; {frames} frames at {fps:g} fps>"
    return Player(_make_pose_markup(list(arrays), data), summary)


def pack_array(values: Shaped[np.ndarray, "..."], dtype: str) -> str:
    """Numbers, rounded to an integer type, as base64."""
    return base64.b64encode(np.rint(values).astype(dtype).tobytes()).decode()


def _check_player_arrays(
    arrays: Mapping[str, np.ndarray], hidden: np.ndarray | None, skeleton: Skeleton
) -> None:
    if not arrays:
        raise InputError("player", "sequences", "at least one", "none")
    shape = next(iter(arrays.values())).shape
    if len(shape) != 3 or shape[1:] != (len(skeleton), 3) or not shape[0]:
        raise InputError("player", "sequences", f"shape (T ≥ 1, {len(skeleton)}, 3)", shape)
    for name, joints in arrays.items():
        if joints.shape != shape:
            raise InputError("player", name, f"shape {shape} like the first", joints.shape)
    if hidden is not None and np.shape(hidden) != shape[:2]:
        raise InputError("player", "hidden", f"shape {shape[:2]}", np.shape(hidden))


def _make_pose_markup(names: list[str], data: dict) -> str:
    config = json.dumps(data, separators=(",", ":"))
    identity = "player-" + hashlib.sha256((config + "|".join(names)).encode()).hexdigest()[:12]
    legend = "".join(
        f'<span style="white-space:nowrap"><span data-ink="{color}" style="display:inline-block;width:.8em;height:.8em;'
        f'border-radius:50%;margin:0 .35em 0 .9em;background:{color}"></span>{html.escape(name)}</span>'
        for name, color in zip(names, data["colors"])
    )
    hollow = (
        '<span style="margin-left:.9em;opacity:.7">hollow, dotted: hidden</span>'
        if data["hidden"]
        else ""
    )
    mode = (
        f'<button class="mode" type="button" style="{BUTTON_STYLE}"></button>'
        if len(names) > 1
        else '<button class="mode" hidden></button>'
    )
    script = Path(__file__).with_name("pose_player.js").read_text(encoding="utf-8").strip()
    return f"""<div class="stride-player" id="{identity}" style="max-width:900px;margin:.6em 0 1.2em;font-size:.85em">
<div>{legend}{hollow}</div>
<canvas class="view" style="width:100%;height:{data["height"]}px;cursor:grab;touch-action:none;display:block"></canvas>
<div style="display:flex;gap:.6em;align-items:center">
<button class="play" type="button" aria-label="play or pause" style="{BUTTON_STYLE};min-width:4.5em"></button>
<canvas class="bar" role="slider" tabindex="0" aria-label="time" aria-valuemin="0" aria-valuemax="{data["frames"] - 1}" style="flex:1;min-width:0;height:14px;cursor:pointer;touch-action:none"></canvas>
<span class="time" style="font-variant-numeric:tabular-nums;min-width:4.2em;text-align:right"></span>
{mode}
</div>
<script>({script})(document.currentScript.parentElement, {config})</script>
</div>"""
