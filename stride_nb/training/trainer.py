"""One supervised loop for prior, lifter and SmoothNet: seeded, resumable, on CPU or GPU, or on
several (`processes`).

Long runs write ``last.pt``, to resume from, and ``history.json``. The same seed gives the same
curve on the same machine, interrupted or not: a batch is a function of seed and step, and the state
of PyTorch's generator (dropout) is kept with the weights.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from stride_nb._pickles import torch_file
from stride_nb.errors import InputError, atomic_path
from stride_nb.training.processes import Processes, choose_own_device, join_processes

__all__ = [
    "PUBLISHED_SCHEDULES",
    "Settings",
    "Task",
    "hash_tensors",
    "learning_rate_at",
    "make_optimizers",
    "train_network",
]

PUBLISHED_SCHEDULES = {"lite": (60, 5e-4), "base": (60, 2e-4), "scratch": (120, 5e-4)}
"""Epochs and learning rate of the published training on Human3.6M. ``lite`` (MotionBERT-Lite, the
closest to RePOSE; depth not root-relative) and ``base`` (root-relative) begin at weights
pre-trained on other data, ``scratch`` at none (Zhu et al., ICCV 2023, and the configurations
released with it)."""
_MAX_ADAMW_RATE = 1e-3  # beside Muon, whose rates are larger
_LOG_EVERY = 10
# of a checkpoint; younger keys may be absent
_REQUIRED_KEYS = ("settings", "model", "mean", "optimizers", "step", "history", "seconds")
_ADVICE = "name another folder to start anew"


@dataclass(frozen=True)
class Settings:
    """How a network is trained."""

    steps: int = 4000
    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.01
    clip: float = 1.0
    """Largest norm of the gradient; 0: any."""
    ema: float = 0.998
    """Decay of the running mean of the weights, which is what is returned; 0: none."""
    half: bool = True
    """bfloat16 matrix products (mixed precision)."""
    validate_every: int = 500
    save_every: int = 100
    schedule: str = "cosine"
    """Of the learning rate. ``cosine``: linear warm-up over 3 % of the steps (at least 20), then a
    cosine to 1 % of the peak. ``exponential``: from the peak on, times ``decay`` an epoch."""
    decay: float = 0.99
    epoch: int = 1
    """Steps of an epoch."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's decay rates of the gradient's mean and mean square."""
    optimizer: str = "adamw"
    """``muon``: matrices inside the transformer's blocks by Muon (Jordan et al., 2024; steps as
    long as AdamW's, Liu et al., 2025), all else by AdamW at no more than 1e-3
    (``benchmarks/ablations/optimizers.py`` compares the two)."""

    def __post_init__(self):
        known = {"schedule": ("cosine", "exponential"), "optimizer": ("adamw", "muon")}
        for field, values in known.items():
            if (value := getattr(self, field)) not in values:
                raise InputError("training", field, " or ".join(values), repr(value))

    @classmethod
    def from_published(cls, recipe: str, epoch: int, **changed: Any) -> Settings:
        """How MotionBERT and RePOSE were trained: AdamW, ×0.99 an epoch, no warm-up, no clipping,
        no running mean.

        Args:
            recipe: a key of ``PUBLISHED_SCHEDULES``.
            epoch: steps of an epoch, ⌈clips / batch⌉; they take 32 clips at a time.
            changed: fields that are to differ.
        """
        if recipe not in PUBLISHED_SCHEDULES:
            known = ", ".join(PUBLISHED_SCHEDULES)
            raise InputError("training", "recipe", f"one of {known}", repr(recipe))
        epochs, lr = PUBLISHED_SCHEDULES[recipe]
        fields: dict[str, Any] = {"steps": epochs * epoch, "lr": lr, "epoch": epoch}
        fields |= {"validate_every": epoch, "schedule": "exponential", "betas": (0.9, 0.999)}
        fields |= {"clip": 0.0, "ema": 0.0, "half": False}
        return cls(**fields | changed)


class Task(Protocol):
    """What is trained. A task of runs with a folder also has ``identity``, a dict of plain values,
    equal for the tasks that one run may be resumed with."""

    def make_batch(self, step: int) -> tuple[Tensor, ...]:
        """The batch of that step, the same at every call."""
        ...

    def compute_loss(
        self, model: nn.Module, batch: tuple[Tensor, ...]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to minimise, and its unweighted terms by name."""
        ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Errors by name, on people not trained on."""
        ...


def learning_rate_at(step: int, settings: Settings) -> float:
    """The learning rate that the schedule gives a step."""
    if settings.schedule == "exponential":
        return settings.lr * settings.decay ** (step // settings.epoch)
    warm_up = max(20, settings.steps // 33)
    if step < warm_up:
        return settings.lr * (step + 1) / warm_up
    progress = (step - warm_up) / max(settings.steps - warm_up, 1)
    return settings.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


def make_optimizers(model: nn.Module, settings: Settings) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon for matrices inside blocks where asked for; ``share`` of a group: of the rate
    that the schedule gives."""
    by_muon = [
        p
        for name, p in model.named_parameters()
        if p.ndim == 2 and "block" in name and settings.optimizer == "muon"
    ]
    ids = {id(p) for p in by_muon}
    rest = [p for p in model.parameters() if id(p) not in ids]
    share = min(1.0, _MAX_ADAMW_RATE / settings.lr) if by_muon else 1.0
    rate: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    groups = [{"params": rest, "share": share}]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, betas=settings.betas, **rate)
    ]
    if by_muon:
        groups = [{"params": by_muon, "share": 1.0}]
        optimizers.append(torch.optim.Muon(groups, adjust_lr_fn="match_rms_adamw", **rate))
    return optimizers


def hash_tensors(*tensors: Tensor) -> str:
    """SHA-256 of the tensors' bytes, one after the other (shapes do not count)."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def train_network(
    model: nn.Module,
    task: Task,
    settings: Settings,
    folder: Path | None = None,
    device: str | None = None,
    progress: bool = True,
    workers: int = 0,
    init: str | None = None,
) -> tuple[nn.Module, list[dict]]:
    """Train ``model`` on ``task``; resume from ``folder`` if the same run was begun there.

    Args:
        folder: where checkpoints go; ``None``: nowhere.
        progress: a progress bar on standard error, and a line of JSON on standard output at every
            validation.
        workers: processes that make batches ahead; 0: none. Batches are the same; what PyTorch
            computes of them may differ by rounding, as a worker has one thread.
        init: names the trained weights that ``model`` comes with, such as their SHA-256; ``None``:
            they are fresh. A run that began at others is another run.

    Returns:
        The trained model (its running mean where ``settings.ema``) and the history: a dict a logged
        step.

    Raises:
        InputError: ``folder`` holds a damaged run, or one of another task, network, init,
            settings or version of this loop; or ``task`` lacks the ``identity`` it needs.
        FloatingPointError: a gradient that is not finite.
    """
    on = choose_own_device(device)
    with join_processes(on) as processes:
        run = _Run(model.to(on), settings)
        if folder is not None:
            _open_folder(run, task, folder, init)
        processes.check_same(folder, run.step, on)
        _run_steps(run, task, processes, folder, progress, workers)
    return (run.mean if settings.ema else run.model).eval(), run.history


def _run_steps(
    run: _Run, task: Task, processes: Processes, folder: Path | None, progress: bool, workers: int
) -> None:
    """Train to the end; the first process validates, writes and shows progress."""
    on, is_first = next(run.model.parameters()).device, processes.rank == 0
    model, end = processes.wrap(run.model), run.settings.steps
    start = time.perf_counter() - run.seconds
    with closing(_make_bar(end, run.step, progress and is_first)) as bar:
        for total, *batch in _iterate_batches(task, processes, run.step, end, workers):
            share = tuple(torch.from_numpy(x).to(on) for x in batch)
            terms = _take_step(run, model, task, share, total, processes)
            run.step += 1
            run.seconds = time.perf_counter() - start
            bar.update(1)
            _log(run, task, terms, bar, is_first)
            if is_first and folder is not None and run.is_due(run.settings.save_every):
                run.save(folder)


class _Run:
    """Everything that a run is resumed from."""

    def __init__(self, model: nn.Module, settings: Settings):
        self.model, self.settings = model, settings
        self.identity: dict = {}  # of the task and the initial weights
        self.mean = copy.deepcopy(model).requires_grad_(False).eval()
        self.optimizers = make_optimizers(model, settings)
        self.step, self.seconds, self.history = 0, 0.0, []

    def is_due(self, every: int) -> bool:
        """Whether this step is one of ``every`` so many, or the last."""
        return self.step % every == 0 or self.step == self.settings.steps

    def average_weights(self) -> None:
        """Update the running mean."""
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, new in zip(self.mean.state_dict().values(), self.model.state_dict().values()):
                mean.lerp_(new, 1 - decay) if mean.is_floating_point() else mean.copy_(new)

    def save(self, folder: Path) -> None:
        """Write ``last.pt`` and ``history.json``."""
        state = {
            "model": self.model.state_dict(),
            "mean": self.mean.state_dict(),
            "step": self.step,
            "optimizers": [o.state_dict() for o in self.optimizers],
            "history": self.history,
            "seconds": self.seconds,
            "settings": asdict(self.settings),
            "task": self.identity,
            "random": torch.get_rng_state(),
        }
        if torch.cuda.is_available():
            state["random_cuda"] = torch.cuda.get_rng_state()
        torch_file.save_torch(folder / "last.pt", state)
        with atomic_path(folder / "history.json") as path:
            path.write_text(json.dumps(self.history, indent=1))

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint; InputError where it is of another run or damaged."""
        state = _load_checkpoint(path)
        self._check_same_run(path, state)
        self._load_weights(path, state)
        if "random" in state:
            torch.set_rng_state(state["random"])
        if "random_cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random_cuda"])
        self.step, self.history, self.seconds = state["step"], state["history"], state["seconds"]

    def _check_same_run(self, path: Path, state: dict) -> None:
        settings, identity = asdict(self.settings), state.get("task") or {}
        # a field younger than the checkpoint has its default
        if asdict(Settings()) | state["settings"] != settings:
            expected = f"those of the run to resume, {state['settings']}"
            raise InputError(path, "settings", expected, f"{settings}; {_ADVICE}")
        if self.identity | identity != self.identity:  # what is younger, a checkpoint lacks
            expected = f"that of the run to resume, {identity}"
            raise InputError(path, "task", expected, f"{self.identity}; {_ADVICE}")

    def _load_weights(self, path: Path, state: dict) -> None:
        try:
            self.model.load_state_dict(state["model"])
            self.mean.load_state_dict(state["mean"])
        except RuntimeError as error:
            message = " ".join(str(error).split())
            raise InputError(path, "weights", "those of this network", message) from None
        try:
            for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(stored)
        except ValueError as error:
            expected = f"{len(self.optimizers)}, for this network"
            raise InputError(path, "optimizers", expected, f"{error}; {_ADVICE}") from None


def _load_checkpoint(path: Path) -> dict:
    """The content of a checkpoint; InputError where it is damaged or of an older loop."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file can fail in any way
        expected = "one that this loop wrote"
        raise InputError(path, "checkpoint", expected, type(error).__name__) from None
    if not isinstance(state, dict):
        raise InputError(path, "checkpoint", "one that this loop wrote", type(state).__name__)
    for key in _REQUIRED_KEYS:
        if key not in state:
            others = ", ".join(k for k in _REQUIRED_KEYS if k != key)
            present = ", ".join(map(str, state)) or "nothing"
            found = f"{present}, as another version wrote them; {_ADVICE}"
            raise InputError(path, key, f"beside {others}", found)
    return state


def _open_folder(run: _Run, task: Task, folder: Path, init: str | None) -> None:
    """Make the folder, and resume the run that it holds, if any."""
    identity: dict | None = getattr(task, "identity", None)
    if identity is None:
        expected = "one with an identity, by which its run is known again"
        raise InputError(folder, "task", expected, type(task).__name__)
    run.identity = identity | {"init": init}
    folder.mkdir(parents=True, exist_ok=True)
    if (path := folder / "last.pt").is_file():
        run.resume(path)


class _Batches(Dataset):
    """A task's batches by step: how many examples all processes have, and the arrays of this one's.
    Tensors would do, but a worker hands over their memory in a thread that complains when it is
    interrupted."""

    def __init__(self, task: Task, processes: Processes):
        self.task, self.processes = task, processes

    def __getitem__(self, step: int) -> tuple:
        arrays = tuple(x.numpy() for x in self.task.make_batch(step))
        return len(arrays[0]), *self.processes.take_share(arrays)


def _iterate_batches(
    task: Task, processes: Processes, first: int, end: int, workers: int
) -> DataLoader:
    return DataLoader(
        _Batches(task, processes),
        None,
        sampler=range(first, end),
        num_workers=workers,
        collate_fn=tuple,
        generator=torch.Generator(),  # its own, or each start would draw from PyTorch's
    )


def _take_step(
    run: _Run,
    model: nn.Module,
    task: Task,
    batch: tuple[Tensor, ...],
    total: int,
    processes: Processes,
) -> dict[str, float]:
    """One step on this process's share of a batch of ``total``; the terms of the whole batch."""
    run.model.train()
    examples = len(batch[0])
    with torch.autocast(batch[0].device.type, torch.bfloat16, enabled=run.settings.half):
        loss, terms = task.compute_loss(model, batch)
    rate = learning_rate_at(run.step, run.settings)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        optimizer.zero_grad(set_to_none=True)
    processes.weigh(loss, examples, total).backward()
    longest = run.settings.clip or math.inf
    if not torch.isfinite(nn.utils.clip_grad_norm_(run.model.parameters(), longest)):
        raise FloatingPointError(f"the gradient is not finite at step {run.step}")
    for optimizer in run.optimizers:
        optimizer.step()
    run.average_weights()
    return processes.average({"loss": loss, **terms}, examples, total)


def _log(run: _Run, task: Task, terms: dict[str, float], bar, is_first: bool) -> None:
    """Add a row to the history every tenth step, with the validation's errors where it is due, in
    the first process."""
    validates = run.is_due(run.settings.validate_every)
    if not validates and run.step % _LOG_EVERY:
        return
    row = {"step": run.step, "seconds": round(run.seconds, 1), **terms}
    if validates and is_first:
        row |= {f"val_{k}": error for k, error in task.validate(run.model.eval()).items()}
        if run.settings.ema:
            row |= {f"val_ema_{k}": error for k, error in task.validate(run.mean).items()}
        if not bar.disable:
            bar.write(json.dumps(row))
    run.history.append(row)
    bar.set_postfix(loss=f"{terms['loss']:.4f}")


def _make_bar(total: int, initial: int, shown: bool):
    if not shown:
        return _NoBar()
    from tqdm import tqdm

    return tqdm(total=total, initial=initial, mininterval=5)


class _NoBar:
    """A progress bar that shows nothing, and needs nothing installed."""

    disable = True

    def update(self, *_, **__) -> None:
        """Do nothing."""

    close = set_postfix = update
