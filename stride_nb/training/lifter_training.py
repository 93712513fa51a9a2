"""A lifter's training from a few parameters: the task, the network and the schedule that a source
calls for.

On motion (``synthetic``, ``cmu``, …) a small network learns from simulated detections; on ``h36m``
the published network learns from MotionBERT's file by the published schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stride_nb import datasets
from stride_nb.datasets.h36m import H36MClips, read_h36m
from stride_nb.errors import InputError
from stride_nb.evaluation.h36m_protocol import evaluate_h36m, predict_clips
from stride_nb.evaluation.lifter_harness import make_lifter_windows
from stride_nb.models.checkpoints import hash_weights, load_dstformer
from stride_nb.models.dstformer import PRESETS, DSTformer
from stride_nb.training.h36m_task import H36MLift
from stride_nb.training.pool import Pool, make_frameformer_config, make_lifter
from stride_nb.training.trainer import Settings, train_network

__all__ = ["DEFAULTS", "NETWORKS", "PEOPLE", "Plan", "plan_training", "tabulate_by_action"]

DEFAULTS = {
    "motion": {"size": "small", "frames": 27, "batch": 16, "lr": 2e-3},
    "h36m": {"size": "lite", "frames": 243, "batch": 32, "lr": 0.0},
}
"""What is taken where nothing is given: quick on two cores, or as published (``lr`` 0: the size's
own)."""
NETWORKS = {"small": ("frameformer", make_frameformer_config(128, 3))}
NETWORKS |= {name: ("dstformer", preset) for name, preset in PRESETS.items()}
"""Size → backbone and its arguments: a quick one, and DSTformer's presets."""
PEOPLE = {"synthetic": {"train": 240, "test": 20}}
"""Clips of a split, for sources that make as many as they are asked for."""
_POOL_WINDOWS = 2048
_H36M_STRIDE = 81
_TEST_REGIMES = ("limb", "half", "block")
_SMOOTHED_ROWS = 5  # of a history: a batch is a small sample


@dataclass(frozen=True)
class Plan:
    """What to train, how, and from which weights."""

    task: Pool | H36MLift
    settings: Settings
    make_network: Callable[[], nn.Module]
    """A network that has learnt nothing of the task, the same at every call."""
    unit: tuple[float, str]
    """What the task's unit of length is, and of what."""
    init: str | None = None
    """SHA-256 of the trained weights that the network begins at; ``None``: at none."""

    def train(
        self, rank: tuple[float, float] = (0.0, 0.0), folder: str = "", progress: bool = False
    ) -> tuple[nn.Module, list[dict]]:
        """Train with these weights of the spatial and the temporal ranking loss.

        Args:
            folder: where checkpoints go and a run is resumed from; empty: nowhere.

        Returns:
            The network and its history, a row a logged step.

        Raises:
            InputError: the folder holds another run (see `train_network`).
        """
        return train_network(
            self.make_network(),
            self.task.with_rank(rank),
            self.settings,
            Path(folder) / f"rank-{rank[0]:g}-{rank[1]:g}" if folder else None,
            progress=progress,
            init=self.init,
        )

    def to_row(self) -> dict:
        """The plan as a row of a table."""
        clips = self.task.make_batch(0)[0]
        return {
            "parameters": sum(p.numel() for p in self.make_network().parameters()),
            "clips a step": len(clips),
            "frames a clip": clips.shape[1],
            "steps": self.settings.steps,
            "learning rate": f"{self.settings.lr:g}",
            "schedule": self.settings.schedule,
        }

    def make_curves(self, histories: Mapping[str, Sequence[Mapping]]) -> dict[str, dict]:
        """Panels for ``figures.plot_lines``: the position error over steps, on the batches and,
        where known, held out.

        Args:
            histories: name → what ``train`` returned.
        """
        scale, _ = self.unit
        batches = {
            name: _average_points([(row["step"], row["loss_mpjpe"] * scale) for row in rows])
            for name, rows in histories.items()
        }
        held_out = {
            name: tuple(zip(*((r["step"], r["val_mpjpe"]) for r in rows if "val_mpjpe" in r)))
            for name, rows in histories.items()
        }
        panels = {"training": batches}
        return panels | ({"held-out people": held_out} if all(held_out.values()) else {})


def _average_points(points: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Running means of points (x, y)."""
    x, y = np.array(points).T
    count = min(_SMOOTHED_ROWS, len(x))
    weights = np.ones(count) / count
    return np.convolve(x, weights, "valid"), np.convolve(y, weights, "valid")


def plan_training(
    source: str,
    h36m_file: str = "",
    seed: int = 0,
    steps: int = 600,
    epochs: int = 60,
    size: str = "",
    frames: int = 0,
    batch: int = 0,
    lr: float = 0.0,
    init: str = "",
) -> Plan:
    """The training that these parameters ask for; what is empty or 0 is the source's own of
    ``DEFAULTS``.

    Args:
        source: of motion, or ``h36m``: detections and labels of ``h36m_file``, in its own units.
        steps, epochs: how long; ``h36m`` counts epochs, every other source steps.
        size: a key of ``NETWORKS``; ``h36m`` takes a DSTformer.
        frames, batch: of a clip; clips a step.
        init: for ``h36m``: published weights (``.bin``) to begin from.

    Raises:
        InputError: an unknown size, more frames than any test clip has, or what reading a source
            may raise.
    """
    is_h36m = source == "h36m"
    given = {"size": size, "frames": frames, "batch": batch, "lr": lr}
    options = DEFAULTS["h36m" if is_h36m else "motion"] | {k: v for k, v in given.items() if v}
    known = PRESETS if is_h36m else NETWORKS
    if options["size"] not in known:
        raise InputError("training", "size", f"one of {', '.join(known)}", repr(options["size"]))
    if is_h36m:
        return _plan_h36m(h36m_file, seed, epochs, init, **options)
    return _plan_motion(source, seed, steps, **options)


def _plan_motion(
    source: str, seed: int, steps: int, size: str, frames: int, batch: int, lr: float
) -> Plan:
    counts = PEOPLE.get(source)
    train, test = (
        datasets.load(source, split, **({"clips": counts[split], "seed": seed} if counts else {}))
        for split in ("train", "test")
    )
    held_out = make_lifter_windows(test, _TEST_REGIMES, frames, seed, each=4)
    task = Pool(train, _POOL_WINDOWS, frames, batch, seed, held_out=held_out)
    settings = Settings(steps, lr, ema=0.0, half=False, validate_every=max(1, steps // 6))

    def make_network() -> nn.Module:
        return make_lifter(*NETWORKS[size], task.truth, seed)

    return Plan(task, settings, make_network, (1000, "mm"))


def _plan_h36m(
    path: str, seed: int, epochs: int, init: str, size: str, frames: int, batch: int, lr: float
) -> Plan:
    if not path:
        expected = "your copy of MotionBERT's h36m_sh_conf_cam_source_final.pkl"
        raise InputError("training", "h36m_file", expected, "none")
    # as published: MotionBERT at full size, not RePOSE and MotionBERT-Lite
    relative = size == "base"
    train = H36MClips(read_h36m(path, "train"), frames, min(_H36M_STRIDE, frames), relative, seed)
    test = H36MClips(read_h36m(path, "test"), frames, frames, relative, seed)
    epoch = -(-len(train) // batch)
    changed = {"steps": epochs * epoch, "validate_every": 10 * epoch} | ({"lr": lr} if lr else {})
    settings = Settings.from_published("base" if relative else "lite", epoch, **changed)

    def make_network() -> nn.Module:
        torch.manual_seed(seed)
        return load_dstformer(init)[0] if init else DSTformer(**PRESETS[size])

    task, unit = H36MLift(train, test, batch, seed), (1, "half image widths")
    return Plan(task, settings, make_network, unit, hash_weights(init) if init else None)


def tabulate_by_action(task: H36MLift, networks: Mapping[str, nn.Module]):
    """The protocol's table on Human3.6M: errors by action and their mean, mm, of every network by
    name."""
    from stride_nb.viz.tables import make_table

    scores = {
        name: evaluate_h36m(task.test, predict_clips(network, task.test, size=task.size))
        for name, network in networks.items()
    }
    actions = next(iter(scores.values())).by_action
    rows = [{"action": action, "frames": frames} for action, (_, _, frames) in actions.items()]
    rows.append({"action": "mean"})
    for name, score in scores.items():
        errors_mm = [errors[:2] for errors in score.by_action.values()]
        errors_mm.append((score.mpjpe_mm, score.p_mpjpe_mm))
        for row, pair in zip(rows, errors_mm):
            row |= dict(zip((f"MPJPE, {name} (mm)", f"P-MPJPE, {name} (mm)"), pair))
    return make_table(rows)
