"""One supervised loop for prior, lifter and SmoothNet: seeded, resumable, on CPU or GPU.

Long runs write to ``runs/<name>/``: ``last.pt`` to resume from and ``history.json``. The same seed
gives the same curve on the same machine, interrupted or not, because a batch is a function of seed
and step and the state of PyTorch's generator (dropout) is kept with the weights.
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

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from stride_nb._pickles import torch_file
from stride_nb.errors import InputError, atomic_path
from stride_nb.models.registry import choose_device

__all__ = ["PUBLISHED", "Settings", "digest", "fit"]


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
    """Decay of the running mean of the weights, which is what is kept; 0: none."""
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
        for field, known in (
            ("schedule", ("cosine", "exponential")),
            ("optimizer", ("adamw", "muon")),
        ):
            if (value := getattr(self, field)) not in known:
                raise InputError("training", field, " or ".join(known), repr(value))

    @classmethod
    def published(cls, recipe: str, epoch: int, **changed) -> Settings:
        """How MotionBERT and RePOSE were trained: AdamW, ×0.99 an epoch, no warm-up, no clipping,
        no running mean.

        Args:
            recipe: a key of ``PUBLISHED``.
            epoch: steps of an epoch, ⌈clips / batch⌉; they take 32 clips at a time.
            changed: fields that are to differ.
        """
        if recipe not in PUBLISHED:
            raise InputError("training", "recipe", f"one of {', '.join(PUBLISHED)}", repr(recipe))
        epochs, lr = PUBLISHED[recipe]
        return cls(
            **dict(
                steps=epochs * epoch,
                lr=lr,
                clip=0.0,
                ema=0.0,
                half=False,
                schedule="exponential",
                epoch=epoch,
                betas=(0.9, 0.999),
                validate_every=epoch,
            )
            | changed
        )


_ADAMW_MOST = 1e-3  # beside Muon, whose rates are larger

PUBLISHED = {"lite": (60, 5e-4), "base": (60, 2e-4), "scratch": (120, 5e-4)}
"""Epochs and learning rate of the published training on Human3.6M. ``lite`` (MotionBERT-Lite, the
closest to RePOSE; depth not root-relative) and ``base`` (root-relative) begin at weights
pre-trained on other data, ``scratch`` at none (Zhu et al., ICCV 2023, and the configurations
released with it)."""


def _rate(step: int, settings: Settings) -> float:
    if settings.schedule == "exponential":
        return settings.lr * settings.decay ** (step // settings.epoch)
    warm = max(20, settings.steps // 33)
    if step < warm:
        return settings.lr * (step + 1) / warm
    part = (step - warm) / max(settings.steps - warm, 1)
    return settings.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(part, 1.0))))


def _optimizers(model: nn.Module, settings: Settings) -> list[torch.optim.Optimizer]:
    """One for matrices inside blocks, one for the rest; ``share`` of a group: of the rate that the
    schedule gives."""
    inner = [
        p
        for name, p in model.named_parameters()
        if p.ndim == 2 and "block" in name and settings.optimizer == "muon"
    ]
    kept = {id(p) for p in inner}
    rest = [p for p in model.parameters() if id(p) not in kept]
    most = min(1.0, _ADAMW_MOST / settings.lr) if inner else 1.0
    found = [
        torch.optim.AdamW(
            [{"params": rest, "share": most}],
            lr=settings.lr,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
        )
    ]
    if inner:
        found.append(
            torch.optim.Muon(
                [{"params": inner, "share": 1.0}],
                lr=settings.lr,
                adjust_lr_fn="match_rms_adamw",
                weight_decay=settings.weight_decay,
            )
        )
    return found


def digest(*tensors: Tensor) -> str:
    """SHA-256 of what the tensors hold, one after the other: equal where data or weights are, to
    the bit (shapes do not count)."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(np.ascontiguousarray(tensor.detach().cpu().numpy()))
    return found.hexdigest()


# younger ones may be absent
_KEYS = ("settings", "model", "mean", "optimizers", "step", "history", "seconds")
_ANEW = "name another folder to start anew"


def _kept(path: Path) -> dict:
    """The content of a checkpoint, whole; InputError where it is damaged or an older loop's."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file can fail in any way
        raise InputError(
            path, "checkpoint", "one that this loop wrote", type(error).__name__
        ) from None
    if not isinstance(state, dict):
        raise InputError(path, "checkpoint", "one that this loop wrote", type(state).__name__)
    for key in _KEYS:
        if key not in state:
            raise InputError(
                path,
                key,
                f"beside {', '.join(k for k in _KEYS if k != key)}",
                f"{', '.join(map(str, state)) or 'nothing'}, as another version wrote them; {_ANEW}",
            )
    return state


class _State:
    """Everything that a run is resumed from."""

    def __init__(self, model: nn.Module, settings: Settings):
        self.model, self.settings = model, settings
        self.task: dict = {}
        """What else than settings and network a run is known by."""
        self.mean = copy.deepcopy(model).requires_grad_(False).eval()
        self.optimizers = _optimizers(model, settings)
        self.step, self.seconds, self.history = 0, 0.0, []

    def average(self) -> None:
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, new in zip(self.mean.state_dict().values(), self.model.state_dict().values()):
                kept.lerp_(new, 1 - decay) if kept.is_floating_point() else kept.copy_(new)

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
            "task": self.task,
            "random": torch.get_rng_state(),
        }
        if torch.cuda.is_available():
            state["random_cuda"] = torch.cuda.get_rng_state()
        torch_file.save(folder / "last.pt", state)
        with atomic_path(folder / "history.json") as path:
            path.write_text(json.dumps(self.history, indent=1))

    def resume(self, folder: Path) -> None:
        """Go on from the folder's ``last.pt``, where there is one; InputError where it is of
        another run or damaged."""
        path = folder / "last.pt"
        if not path.is_file():
            return
        state = _kept(path)
        # a field younger than the run has its default
        if asdict(Settings()) | state["settings"] != asdict(self.settings):
            raise InputError(
                path,
                "settings",
                f"those of the run to resume, {state['settings']}",
                f"{asdict(self.settings)}; {_ANEW}",
            )
        kept = state.get("task") or {}
        if self.task | kept != self.task:  # what is younger than the run, it does not have
            raise InputError(
                path, "task", f"that of the run to resume, {kept}", f"{self.task}; {_ANEW}"
            )
        try:
            self.model.load_state_dict(state["model"])
            self.mean.load_state_dict(state["mean"])
        except RuntimeError as error:
            raise InputError(
                path, "weights", "those of this network", " ".join(str(error).split())
            ) from None
        try:
            for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
        except ValueError as error:
            raise InputError(
                path, "optimizers", f"{len(self.optimizers)}, for this network", f"{error}; {_ANEW}"
            ) from None
        if "random" in state:
            torch.set_rng_state(state["random"])
        if "random_cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random_cuda"])
        self.step, self.history, self.seconds = state["step"], state["history"], state["seconds"]


def fit(
    model: nn.Module,
    task,
    settings: Settings,
    folder: Path | None = None,
    device: str | None = None,
    progress: bool = True,
    workers: int = 0,
    init: str | None = None,
) -> tuple[nn.Module, list[dict]]:
    """Train ``model`` on ``task``; resume from ``folder`` if the same run was begun there.

    Args:
        task: ``batch(step) -> tensors``, ``loss(model, tensors) -> (scalar, terms)``,
            ``validate(model) -> dict``; with a ``folder`` also ``identity``, a dict of plain
            values, equal for the tasks that one run may be resumed with.
        folder: where checkpoints go; ``None``: nowhere.
        progress: a progress bar on standard error, and a line of JSON on standard output whenever
            it validates.
        workers: processes that make the batches to come; 0: each is made when it is its turn.
            Batches are those of ``task.batch`` all the same; what PyTorch computes of them may
            differ by rounding, as a worker has one thread.
        init: names the trained weights that ``model`` comes with, such as their SHA-256; ``None``:
            they are fresh. A run that began at others is another run.

    Returns:
        The trained model (its running mean where ``settings.ema``) and the history: a dict a logged
        step.

    Raises:
        InputError: ``folder`` holds a run of other settings, another task, another network, other
            weights to begin at or another version of this loop, or a damaged one; or a ``folder``
            for a task without ``identity``.
        FloatingPointError: a gradient that is not finite.
    """
    device = choose_device(device)
    state = _State(model.to(device), settings)
    if folder is not None:
        if not hasattr(task, "identity"):
            raise InputError(
                folder,
                "task",
                "one with an identity, by which its run is known again",
                type(task).__name__,
            )
        state.task = task.identity | {"init": init}
        folder.mkdir(parents=True, exist_ok=True)
        state.resume(folder)
    began = time.perf_counter() - state.seconds
    with closing(_bar(settings.steps, state.step, progress)) as bar:
        for batch in DataLoader(
            _Batches(task),
            None,
            sampler=range(state.step, settings.steps),
            num_workers=workers,
            # its own, or each start would draw from PyTorch's
            collate_fn=tuple,
            generator=torch.Generator(),
        ):
            terms = _learn(
                state, task, tuple(torch.from_numpy(x).to(device) for x in batch), device
            )
            state.step += 1
            state.seconds = time.perf_counter() - began
            bar.update(1)
            _log(state, task, terms, bar)
            if folder is not None and (
                state.step % settings.save_every == 0 or state.step == settings.steps
            ):
                state.save(folder)
    return (state.mean if settings.ema else state.model).eval(), state.history


class _Batches(Dataset):
    """A task's batches by step, as arrays: a worker hands over a tensor's memory in a thread that
    complains when it is interrupted."""

    def __init__(self, task):
        self.task = task

    def __getitem__(self, step: int) -> tuple[np.ndarray, ...]:
        return tuple(x.numpy() for x in self.task.batch(step))


def _learn(state: _State, task, batch, device) -> dict[str, float]:
    state.model.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=state.settings.half):
        loss, terms = task.loss(state.model, batch)
    rate = _rate(state.step, state.settings)
    for optimizer in state.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if not torch.isfinite(
        nn.utils.clip_grad_norm_(state.model.parameters(), state.settings.clip or math.inf)
    ):
        raise FloatingPointError(f"the gradient is not finite at step {state.step}")
    for optimizer in state.optimizers:
        optimizer.step()
    state.average()
    return {
        "loss": float(loss.detach()),
        **{name: float(term.detach()) for name, term in terms.items()},
    }


def _log(state: _State, task, terms: dict[str, float], bar) -> None:
    due = state.step % state.settings.validate_every == 0 or state.step == state.settings.steps
    if not due and state.step % 10:
        return
    row = {"step": state.step, "seconds": round(state.seconds, 1), **terms}
    if due:
        state.model.eval()
        row |= {f"val_{name}": value for name, value in task.validate(state.model).items()}
        if state.settings.ema:
            row |= {f"val_ema_{name}": value for name, value in task.validate(state.mean).items()}
        if not bar.disable:
            bar.write(json.dumps(row))
    state.history.append(row)
    bar.set_postfix(loss=f"{terms['loss']:.4f}")


def _bar(total: int, initial: int, shown: bool):
    if not shown:
        return _Silence()
    from tqdm import tqdm

    return tqdm(total=total, initial=initial, mininterval=5)


class _Silence:
    """A progress bar that shows nothing, and needs nothing installed."""

    disable = True

    def update(self, *_, **__) -> None:
        pass

    close = set_postfix = update
