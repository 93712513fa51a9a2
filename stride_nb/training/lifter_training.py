"""A lifter's training from a handful of parameters: the task, the network and the schedule that a
source calls for.

On motion (``synthetic``, ``cmu``, …) a small network learns from detections that are simulated
here; on ``h36m`` the published network learns from MotionBERT's file by the published schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stride_nb import datasets
from stride_nb.errors import InputError
from stride_nb.evaluation.lifter_harness import detect
from stride_nb.models.dstformer import PRESETS, DSTformer
from stride_nb.training.pool import Pool, config, lifter
from stride_nb.training.trainer import Settings, fit

__all__ = ["DEFAULTS", "NETWORKS", "PEOPLE", "Plan", "by_action", "plan"]

DEFAULTS = {
    "motion": {"size": "small", "frames": 27, "batch": 16, "lr": 2e-3},
    "h36m": {"size": "lite", "frames": 243, "batch": 32, "lr": 0.0},
}
"""What is taken where nothing is given: quick on two cores, or as published (``lr`` 0: the size's
own)."""
NETWORKS = {"small": ("frameformer", config(128, 3))}
NETWORKS |= {name: ("dstformer", preset) for name, preset in PRESETS.items()}
"""Size → backbone and its arguments: a quick one, and DSTformer's presets."""
PEOPLE = {"synthetic": {"train": 240, "test": 20}}
"""Clips of a split, for sources that make as many as they are asked for."""
_WINDOWS, _STRIDE = 2048, 81
_REGIMES = ("limb", "half", "block")


@dataclass(frozen=True)
class Plan:
    """What to train: ``task`` (see ``training.fit``), how, and from which weights."""

    task: object
    settings: Settings
    fresh: Callable[[], nn.Module]
    """A network that has learnt nothing of the task, the same at every call."""
    unit: tuple[float, str]
    """What the task's unit of length is, and of what."""
    init: str | None = None
    """SHA-256 of the trained weights that ``fresh`` begins at; ``None``: at none."""

    def train(
        self, rank: tuple[float, float] = (0.0, 0.0), folder: str = "", progress: bool = False
    ):
        """Train with these weights of the spatial and the temporal ranking loss.

        Args:
            folder: where checkpoints go and a run is resumed from; empty: nowhere.

        Returns:
            The network and its history, a row a logged step.

        Raises:
            InputError: the folder holds another run (see ``training.fit``).
        """
        where = Path(folder) / f"rank-{rank[0]:g}-{rank[1]:g}" if folder else None
        return fit(
            self.fresh(),
            self.task.with_rank(rank),
            self.settings,
            where,
            progress=progress,
            init=self.init,
        )

    def row(self) -> dict:
        """The plan as a row of a table."""
        x, _ = self.task.batch(0)
        return {
            "parameters": sum(p.numel() for p in self.fresh().parameters()),
            "clips a step": len(x),
            "frames a clip": x.shape[1],
            "steps": self.settings.steps,
            "learning rate": f"{self.settings.lr:g}",
            "schedule": self.settings.schedule,
        }

    def curves(self, histories: Mapping[str, Sequence[Mapping]]) -> dict[str, dict[str, tuple]]:
        """Panels for ``plots.lines``: the position error over steps, on the batches and, where
        known, held out.

        Args:
            histories: name → what ``train`` returned.
        """
        size, _ = self.unit
        seen = {
            k: _smooth([(r["step"], r["loss_mpjpe"] * size) for r in rows])
            for k, rows in histories.items()
        }
        held = {
            k: tuple(zip(*((r["step"], r["val_mpjpe"]) for r in rows if "val_mpjpe" in r)))
            for k, rows in histories.items()
        }
        return {"training": seen} | ({"held-out people": held} if all(held.values()) else {})


def _smooth(points: Sequence[tuple[float, float]], over: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Running means of the points (x, y): a batch is a small sample."""
    x, y = np.array(points).T
    window = np.ones(min(over, len(x))) / min(over, len(x))
    return np.convolve(x, window, "valid"), np.convolve(y, window, "valid")


def plan(
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
        InputError: an unknown size, more frames than any clip to be tested on has, or what reading
            a source may raise.
    """
    given = {"size": size, "frames": frames, "batch": batch, "lr": lr}
    chosen = DEFAULTS["h36m" if source == "h36m" else "motion"] | {
        k: v for k, v in given.items() if v
    }
    known = PRESETS if source == "h36m" else NETWORKS
    if chosen["size"] not in known:
        raise InputError("training", "size", f"one of {', '.join(known)}", repr(chosen["size"]))
    if source == "h36m":
        return _h36m(h36m_file, seed, epochs, init, **chosen)
    return _motion(source, seed, steps, **chosen)


def _motion(
    source: str, seed: int, steps: int, size: str, frames: int, batch: int, lr: float
) -> Plan:
    counts = PEOPLE.get(source)
    train, test = (
        datasets.load(source, split, **({"clips": counts[split], "seed": seed} if counts else {}))
        for split in ("train", "test")
    )
    task = Pool(
        train, _WINDOWS, frames, batch, seed, held_out=detect(test, _REGIMES, frames, seed, each=4)
    )
    settings = Settings(steps, lr, ema=0.0, half=False, validate_every=max(1, steps // 6))
    return Plan(task, settings, lambda: lifter(*NETWORKS[size], task.truth, seed), (1000, "mm"))


def _h36m(
    path: str, seed: int, epochs: int, init: str, size: str, frames: int, batch: int, lr: float
) -> Plan:
    from stride_nb.datasets.h36m import H36MClips, read
    from stride_nb.models.checkpoints import load_dstformer, sha256
    from stride_nb.training.h36m_task import H36MLift

    if not path:
        raise InputError(
            "training",
            "h36m_file",
            "your copy of MotionBERT's h36m_sh_conf_cam_source_final.pkl",
            "none",
        )
    # as published: MotionBERT at full size, not RePOSE and MotionBERT-Lite
    relative = size == "base"
    train = H36MClips(read(path, "train"), frames, min(_STRIDE, frames), relative, seed)
    task = H36MLift(
        train, H36MClips(read(path, "test"), frames, frames, relative, seed), batch, seed
    )
    epoch = -(-len(train) // batch)
    changed = {"steps": epochs * epoch, "validate_every": 10 * epoch} | ({"lr": lr} if lr else {})
    settings = Settings.published("base" if relative else "lite", epoch, **changed)

    def fresh() -> nn.Module:
        torch.manual_seed(seed)
        return load_dstformer(init)[0] if init else DSTformer(**PRESETS[size])

    return Plan(task, settings, fresh, (1, "half image widths"), sha256(init) if init else None)


def by_action(task, networks: Mapping[str, nn.Module]):
    """The protocol's table on Human3.6M: errors by action and their mean, mm, for every network by
    name.

    Args:
        task: an ``h36m_protocol.H36MLift``.
    """
    from stride_nb.evaluation.h36m_protocol import evaluate, predict
    from stride_nb.viz.tables import table

    scores = {
        name: evaluate(task.test, predict(network, task.test, size=task.size))
        for name, network in networks.items()
    }
    actions = next(iter(scores.values())).by_action
    rows = [{"action": action, "frames": frames} for action, (_, _, frames) in actions.items()] + [
        {"action": "mean"}
    ]
    for name, found in scores.items():
        errors = [
            *(row[:2] for row in found.by_action.values()),
            (found.mpjpe_mm, found.p_mpjpe_mm),
        ]
        for row, pair in zip(rows, errors):
            row |= dict(zip((f"MPJPE, {name} (mm)", f"P-MPJPE, {name} (mm)"), pair))
    return table(rows)
