"""A player of a moving body and its skeleton: self-contained, no network, about 0.15 MB for 243
frames.

What travels is the pose, not the vertices: the page skins a coarser mesh itself, frame by frame.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.gltf import keep_four_bones
from stride_nb.smpl.parameters import BodyMotion
from stride_nb.viz.figures import rotate_upright
from stride_nb.viz.pose_player import BUTTON_STYLE, MISSING, Player, pack_array

__all__ = ["play_body"]

_COARSE = 0.04  # metres: side of the cubes in which vertices become one


def play_body(
    body: Body,
    motion: BodyMotion,
    sequence: PoseSequence | None = None,
    up: str = "y",
    height: int = 360,
) -> Player:
    """Play a body beside a skeleton.

    Args:
        sequence: the skeleton's joints; missing ones are not drawn. Default: the body's own 17
            joints.
        up: ``y`` for a world, ``-y`` for a camera.
        height: of the canvas, in CSS pixels.
    """
    from scipy.spatial.transform import Rotation

    sequence = body.compute_sequence(motion) if sequence is None else sequence
    if len(sequence) != len(motion):
        raise InputError("mesh_player", "sequence", f"{len(motion)} frames", len(sequence))
    rest = body.compute_rest_joints(motion.shape)
    turned = motion.to(body.kind).rotate(rotate_upright(np.eye(3), up).T, rest[0])
    joints = rotate_upright(sequence.joints, up)
    places = np.concatenate([joints.reshape(-1, 3), turned.translation + rest[0]])
    center = np.nanmean(places, 0) * [1, 0, 1]
    joints, move = joints - center, turned.translation - center
    vertices, faces, weights = _simplify_mesh(body, motion.shape)
    sizes = _choose_sizes(joints, move, vertices)
    data = _describe_scene(body, motion, sequence, sizes) | {"height": height}
    data["rest"] = np.round(rest, 4).tolist()
    given = np.where(np.isfinite(joints), joints / sizes["step"], MISSING)
    # rotations of at most π, so that they fit
    pose = Rotation.from_rotvec(turned.pose.reshape(-1, 3)).as_rotvec()
    data |= _pack_arrays(vertices / sizes["scale"], faces, weights) | {
        "pose": pack_array(pose / sizes["angle"], "<i2"),
        "move": pack_array(move / sizes["step"], "<i2"),
        "given": pack_array(given, "<i2"),
    }
    return Player(_make_markup(data), f"<mesh player: {len(motion)} frames at {motion.fps:g} fps>")


def _describe_scene(
    body: Body, motion: BodyMotion, sequence: PoseSequence, sizes: dict[str, float]
) -> dict:
    """What the page needs beside the packed arrays; ``height`` and ``rest`` are still empty."""
    return {
        "frames": len(motion),
        "fps": motion.fps,
        "height": 0,
        "azimuth": 0.5,
        "middle": sizes["middle"],
        "extent": sizes["extent"],
        "parents": body.parents.tolist(),
        "rest": [],
        "bones": sequence.skeleton.bones,
        "joints": len(sequence.skeleton),
        "step": sizes["step"],
        "scale": sizes["scale"],
        "angle": sizes["angle"],
    }


def _choose_sizes(joints: np.ndarray, move: np.ndarray, vertices: np.ndarray) -> dict[str, float]:
    """Middle and extent of the view (metres), and what one step of each packed number is worth."""
    low, high = np.nanpercentile(joints[..., 1], [1, 99])
    step, scale = (
        max(np.nanmax(np.abs(x)), 1e-3) / 32000
        for x in (np.r_[joints.ravel(), move.ravel()], vertices)
    )
    return {
        "middle": round((low + high) / 2, 3),
        "extent": round(max(high - low, 0.5) / 2 + 0.12, 3),
        "step": float(f"{step:.4g}"),
        "scale": float(f"{scale:.4g}"),
        "angle": 1e-4,
    }


def _pack_arrays(vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray) -> dict[str, str]:
    """The mesh, and of every vertex its four bones and their shares, which add up to 255."""
    bone, share = keep_four_bones(weights)
    share = np.floor(share * 255)
    share[:, 0] += 255 - share.sum(1)
    return {
        "vertices": pack_array(vertices, "<i2"),
        "faces": pack_array(faces, "<u2"),
        "bone": pack_array(bone, "u1"),
        "share": pack_array(share, "u1"),
    }


def _simplify_mesh(body: Body, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces and weights of a coarser mesh: vertices of one cube that face the same way
    become one."""
    vertices, faces = body.compute_rest_vertices(shape), body.faces
    normal = np.cross(
        vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    )
    normal = np.stack(
        [np.bincount(faces.ravel(), np.repeat(normal[:, k], 3), len(vertices)) for k in range(3)],
        -1,
    )
    axis = np.abs(normal).argmax(1)
    way = 2 * axis + (np.take_along_axis(normal, axis[:, None], 1)[:, 0] > 0)
    cubes = np.concatenate([np.floor(vertices / _COARSE).astype(int), way[:, None]], 1)
    number = np.unique(cubes, axis=0, return_inverse=True)[1].ravel()
    both = np.concatenate([vertices, body.arrays["weights"]], 1)
    merged = (
        np.stack([np.bincount(number, column) for column in both.T], -1)
        / np.bincount(number)[:, None]
    )
    faces = number[faces]
    faces = faces[(faces != np.roll(faces, 1, 1)).all(1)]
    return merged[:, :3], faces, merged[:, 3:]


def _make_markup(data: dict) -> str:
    config = json.dumps(data, separators=(",", ":"))
    identity = "player-" + hashlib.sha256(config.encode()).hexdigest()[:12]
    script = Path(__file__).with_name("mesh_player.js").read_text(encoding="utf-8").strip()
    return f"""<div class="stride-mesh-player" id="{identity}" style="max-width:900px;font-size:.85em">
<canvas class="view" style="width:100%;height:{data["height"]}px;cursor:grab;touch-action:none;display:block"></canvas>
<div style="display:flex;gap:.6em;align-items:center">
<button class="play" type="button" aria-label="play or pause" style="{BUTTON_STYLE};min-width:4.5em"></button>
<input class="bar" type="range" min="0" max="{data["frames"] - 1}" value="0" aria-label="time" style="flex:1">
<span class="time" style="font-variant-numeric:tabular-nums;min-width:4.2em;text-align:right"></span>
</div>
<script>({script})(document.currentScript.parentElement, {config})</script>
</div>"""
