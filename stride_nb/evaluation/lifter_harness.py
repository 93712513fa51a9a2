"""How well a lifter does: windows of 2D detections, its answers, and their errors and order in
depth.

``detect`` makes the windows, ``answers`` lifts them, ``score`` gives a row a window and ``means``
sums rows up.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stride_nb.datasets.simulation import estimator_noise
from stride_nb.errors import InputError
from stride_nb.evaluation import metrics
from stride_nb.evaluation.harness import cases
from stride_nb.models.lifter import condition_2d, mirrored_answers
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.poses.sequence import PoseSequence

__all__ = ["METRICS", "Detected", "answers", "detect", "means", "score"]

METRICS = {
    "mpjpe": "mm",
    "mpjpe_hidden": "mm",
    "mpjpe_visible": "mm",
    "spatial": "%",
    "spatial_hidden": "%",
    "spatial_visible": "%",
    "temporal": "%",
    "temporal_hidden": "%",
    "temporal_visible": "%",
}
"""Columns of ``score`` and their units. ``spatial`` and ``temporal`` are accuracies of the order in
depth."""


@dataclass(frozen=True, eq=False)
class Detected:
    """N windows of T frames as a lifter is told of them, and the truth."""

    features: np.ndarray
    """(N, T, 17, 10) float32, see ``models.lifter.condition_2d``."""
    truth: np.ndarray
    """(N, T, 17, 3) metres, camera axes, root-relative."""
    visible: np.ndarray
    """(N, T, 17) bool: the regime's mask."""
    pixels: np.ndarray
    """(N, T, 17, 2) what the detector answered, NaN in lost frames."""
    clips: list[str]
    regimes: list[str]

    def __len__(self) -> int:
        return len(self.features)


def detect(
    motions: Sequence[PoseSequence],
    regimes: Sequence[str],
    frames: int,
    seed: int = 0,
    each: int | None = None,
) -> Detected:
    """Windows of ``frames`` frames of every clip under every regime: camera, occlusion, detector.

    Args:
        motions: world space, each with a name of its own; taken at 50 frames a second, whatever
            their own rate.
        regimes: keys of ``occlusion.REGIMES``.
        each: from the middle of every clip, at most so many windows in a row; ``None``: all.

    Raises:
        InputError: windows without frames, no clip as long as one, or what ``cases`` raises.
    """
    if frames < 1:
        raise InputError("detect", "frames", "at least 1", frames)
    motions = [m.resample(PRIOR_FPS) for m in motions]
    if each:
        motions = [
            m[(start := max(0, len(m) - each * frames) // 2) : start + each * frames]
            for m in motions
        ]
    made = [
        case
        for case in cases(motions, regimes, frames=frames, seed=seed)
        if len(case.truth) == frames
    ]
    if not made:
        raise InputError(
            "detect",
            "motions",
            f"a clip of {frames} frames or more, and a regime that has room in them",
            f"at most {max(map(len, motions), default=0)} frames; {', '.join(regimes)}",
        )
    columns = []
    for case in made:
        rng = np.random.default_rng([seed, zlib.crc32(case.name.encode())])
        fps = case.sequence.fps
        pixels, confidence = estimator_noise.detect(
            case.camera.project(case.truth), case.visible, fps, rng
        )
        told = condition_2d(pixels, confidence, fps, case.camera.size)
        columns.append((told, case.truth - case.truth[:, :1], case.visible, pixels))
    return Detected(*map(np.stack, zip(*columns)), [c.clip for c in made], [c.regime for c in made])


def answers(model, features: np.ndarray, size: int = 64) -> np.ndarray:
    """The lifter's answers (N, T, 17, 3), metres: the mean of the plain and the mirrored pass,
    ``size`` at once."""
    import torch

    device = next(model.parameters()).device
    parts = (
        torch.from_numpy(features[i : i + size]).to(device) for i in range(0, len(features), size)
    )
    with torch.no_grad():
        return np.concatenate(
            [mirrored_answers(model.eval(), part).double().cpu().numpy() for part in parts]
        )


def score(detected: Detected, joints: np.ndarray) -> list[dict]:
    """A row a window: clip, regime and ``METRICS``; what a window has nothing of (no hidden joint)
    is absent."""
    error = metrics.joint_errors_mm(joints, detected.truth)
    return [
        {"clip": clip, "regime": regime}
        | _errors(e, seen)
        | _orders(x[..., 2], truth[..., 2], seen)
        for clip, regime, e, x, truth, seen in zip(
            detected.clips, detected.regimes, error, joints, detected.truth, detected.visible
        )
    ]


def _errors(error: np.ndarray, visible: np.ndarray) -> dict[str, float]:
    parts = {"mpjpe": np.ones_like(visible), "mpjpe_hidden": ~visible, "mpjpe_visible": visible}
    return {name: float(error[part].mean()) for name, part in parts.items() if part.any()}


def _orders(depth: np.ndarray, truth: np.ndarray, visible: np.ndarray) -> dict[str, float]:
    found = {
        "spatial": metrics.depth_order_accuracy_spatial(depth, truth, visible),
        "temporal": metrics.depth_order_accuracy_temporal(depth, truth, visible),
    }
    return {
        name if part == "all" else f"{name}_{part}": 100 * share
        for name, shares in found.items()
        for part, share in shares.items()
    }


def means(rows: Sequence[Mapping], by: str | None = None) -> list[dict]:
    """The mean of every metric over the windows of each value of the column ``by``, in order of
    appearance."""
    groups: dict[str, list[Mapping]] = {}
    for row in rows:
        groups.setdefault(row[by] if by else "", []).append(row)
    return [
        ({by: name} if by else {})
        | {m: float(np.mean(v)) for m in METRICS if (v := [r[m] for r in members if m in r])}
        for name, members in groups.items()
    ]
