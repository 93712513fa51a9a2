"""The lifter's harness: windows of 2D detections, predictions, errors and order in depth.

``make_lifter_windows`` simulates the windows, ``predict_windows`` lifts them, ``score_windows``
gives a row a window and ``average_windows`` summarises rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import nn

from stride_nb.datasets.simulation import estimator_noise
from stride_nb.errors import InputError
from stride_nb.evaluation import metrics
from stride_nb.evaluation.harness import Case, make_cases
from stride_nb.models.flip_averaging import average_with_flip
from stride_nb.models.lifter import make_lifter_features
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.poses.sequence import PoseSequence

__all__ = [
    "LIFTER_METRICS",
    "LifterWindows",
    "average_windows",
    "make_lifter_windows",
    "predict_windows",
    "score_windows",
]

LIFTER_METRICS = {
    name + part: unit
    for name, unit in {"mpjpe": "mm", "spatial": "%", "temporal": "%"}.items()
    for part in ("", "_hidden", "_visible")
}
"""Columns of `score_windows` and their units. ``spatial`` and ``temporal`` are accuracies of the
order in depth."""


@dataclass(frozen=True, eq=False)
class LifterWindows:
    """N windows of T frames: a lifter's input, and the truth."""

    features: Float32[np.ndarray, "N T 17 10"]
    """Of `make_lifter_features`."""
    truth: Float[np.ndarray, "N T 17 3"]
    """Metres, camera axes, root-relative."""
    visible: Bool[np.ndarray, "N T 17"]
    """The regime's mask."""
    pixels: Float[np.ndarray, "N T 17 2"]
    """The detections, NaN in lost frames."""
    clips: list[str]
    regimes: list[str]

    def __len__(self) -> int:
        return len(self.features)


def make_lifter_windows(
    motions: Sequence[PoseSequence],
    regimes: Sequence[str],
    frames: int,
    seed: int = 0,
    each: int | None = None,
) -> LifterWindows:
    """Windows of ``frames`` frames of every clip under every regime: camera, occlusion, detector.

    Args:
        motions: world space, each with a name of its own; taken at 50 frames a second, whatever
            their own rate.
        regimes: keys of ``occlusion.REGIMES``.
        each: from the middle of every clip, at most so many windows in a row; ``None``: all.

    Raises:
        InputError: windows without frames, no clip as long as one, or what ``make_cases`` raises.
    """
    if frames < 1:
        raise InputError("lifter windows", "frames", "at least 1", frames)
    motions = [m.resample(PRIOR_FPS) for m in motions]
    if each:
        starts = [max(0, len(m) - each * frames) // 2 for m in motions]
        motions = [m[start : start + each * frames] for m, start in zip(motions, starts)]
    cases = make_cases(motions, regimes, frames=frames, seed=seed)
    cases = [case for case in cases if len(case.truth) == frames]
    if not cases:
        expected = f"a clip of {frames} frames or more, and a regime that has room in them"
        longest = max(map(len, motions), default=0)
        found = f"at most {longest} frames; {', '.join(regimes)}"
        raise InputError("lifter windows", "motions", expected, found)
    pixels, features = map(np.stack, zip(*(_detect_in_image(case, seed) for case in cases)))
    truth = np.stack([case.truth - case.truth[:, :1] for case in cases])
    visible = np.stack([case.visible for case in cases])
    clips, names = [case.clip for case in cases], [case.regime for case in cases]
    return LifterWindows(features, truth, visible, pixels, clips, names)


def _detect_in_image(case: Case, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulated detections of a case in pixels, and the lifter's features of them."""
    rng = np.random.default_rng([seed, zlib.crc32(case.name.encode())])
    fps, camera = case.sequence.fps, case.camera
    pixels, confidence = estimator_noise.simulate_detections(
        camera.project(case.truth), case.visible, fps, rng
    )
    return pixels, make_lifter_features(pixels, confidence, fps, camera.size)


@torch.no_grad()
def predict_windows(
    model: nn.Module, features: Float32[np.ndarray, "N T 17 10"], size: int = 64
) -> Float[np.ndarray, "N T 17 3"]:
    """The lifter's flip-averaged predictions in metres, ``size`` windows at once."""
    device = next(model.eval().parameters()).device
    batches = (
        torch.from_numpy(features[i : i + size]).to(device) for i in range(0, len(features), size)
    )
    joints = [average_with_flip(model, batch).joints.double().cpu().numpy() for batch in batches]
    return np.concatenate(joints)


def score_windows(windows: LifterWindows, joints: Float[np.ndarray, "N T 17 3"]) -> list[dict]:
    """A row a window: clip, regime and ``LIFTER_METRICS``; without those that the window has
    nothing for (no hidden joint)."""
    errors_mm = metrics.joint_errors_mm(joints, windows.truth)
    return [
        {"clip": windows.clips[i], "regime": windows.regimes[i]}
        | _average_errors(errors_mm[i], visible)
        | _score_depth_order(joints[i, ..., 2], windows.truth[i, ..., 2], visible)
        for i, visible in enumerate(windows.visible)
    ]


def _average_errors(errors_mm: np.ndarray, visible: np.ndarray) -> dict[str, float]:
    parts = {"mpjpe": np.ones_like(visible), "mpjpe_hidden": ~visible, "mpjpe_visible": visible}
    return {name: float(errors_mm[part].mean()) for name, part in parts.items() if part.any()}


def _score_depth_order(
    depth: np.ndarray, truth: np.ndarray, visible: np.ndarray
) -> dict[str, float]:
    accuracies = {
        "spatial": metrics.depth_order_accuracy_spatial(depth, truth, visible),
        "temporal": metrics.depth_order_accuracy_temporal(depth, truth, visible),
    }
    return {
        name if part == "all" else f"{name}_{part}": 100 * share
        for name, shares in accuracies.items()
        for part, share in shares.items()
    }


def average_windows(rows: Sequence[Mapping], by: str | None = None) -> list[dict]:
    """The mean of every metric over the windows of each value of the column ``by``, in order of
    appearance."""
    groups: dict[str, list[Mapping]] = {}
    for row in rows:
        groups.setdefault(row[by] if by else "", []).append(row)
    return [
        ({by: name} if by else {})
        | {m: float(np.mean(v)) for m in LIFTER_METRICS if (v := [r[m] for r in members if m in r])}
        for name, members in groups.items()
    ]
