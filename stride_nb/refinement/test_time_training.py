"""Test-time training (TTT): a prior fine-tuned on the one sequence at hand.

`run_published_objective` is STRIDE's objective (Lal et al., WACV 2025), exactly. Its input is its
target, so copying the input is its optimum but for the bone term; what denoises is the prior and
the early stop.

`run_masked_self_distillation` masks joints that were observed, in spans like the real gaps, and
teaches the network (the student) to predict there what the frozen network (the teacher) predicts
from the whole input. The result is kept only where joints held out from the student come nearer to
the teacher's prediction.

The target is the teacher's prediction, not the observation, because an estimator's error is
correlated over time: a network that is taught observations learns the error with the motion, so it
predicts held-out observations better and really hidden joints worse. Masked joints are missing from
the input. Low-confidence detections in their place gain about as much where the sequence's own are
of that kind, and do harm where they are not (``benchmarks/ablations/ttt_objectives.py``).
"""

from __future__ import annotations

import copy
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from stride_nb.errors import InputError
from stride_nb.models import losses
from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.models.motion_prior import Prior, mirror_features
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, find_runs
from stride_nb.poses.skeleton import HALVES, LIMBS, mirror_joints
from stride_nb.refinement.sliding_window import Windows

__all__ = [
    "PublishedTTT",
    "SelfDistillationTTT",
    "TTTSample",
    "adapt_network",
    "distill_step",
    "make_adamw",
    "make_samples",
    "make_settings",
    "measure_held_out_error",
    "run_masked_self_distillation",
    "run_published_objective",
]

_MAX_WINDOWS = 16  # of a sequence that are learnt from
_MIN_GAP_FRAMES = 5
_DEFAULT_GAP_FRAMES = (25, 50)  # where the sequence has none
_MASKED_SHARE = 0.3  # of a window's frames, a step


@dataclass(frozen=True)
class PublishedTTT:
    """STRIDE's test-time training as published."""

    epochs: int = 30
    lr: float = 2e-4
    mirror: float = 0.5
    """Share of the steps that see the mirrored window."""
    window: int = 243
    """Frames of a window; fewer where the network takes fewer."""


@dataclass(frozen=True)
class SelfDistillationTTT:
    """Masked self-distillation."""

    steps: int = 30
    lr: float = 2e-5
    batch: int = 2
    """Masked windows a step."""
    anchor: float = 1.0
    """Weight of the joints that are not masked."""
    held_out: float = 0.1
    """Length of the spans that are held out from all steps, for validation, as a share of the
    window; in each, one limb, two, or everything is masked."""
    judge_every: int = 10
    margin: float = 0.05
    """Share by which the held-out error has to fall for the adapted network to be kept. On people
    of ``val`` the best of those tried under two noise models and on lifted poses, no regime losing
    1 % (``benchmarks/ablations/ttt_objectives.py``)."""


TTTSettings = PublishedTTT | SelfDistillationTTT
_ZERO_ALLOWED = ("epochs", "steps")  # no step at all is the frozen network
_SHARES = ("mirror", "held_out", "margin")


def make_settings(kind: type[TTTSettings], options: dict[str, Any]) -> TTTSettings:
    """``kind(**options)``.

    Raises:
        InputError: an unknown, ill-typed or impossible option.
    """
    types = {f.name: type(f.default) for f in fields(kind)}
    for name, value in options.items():
        if name not in types:
            raise InputError(kind.__name__, "option", f"one of {', '.join(types)}", name)
        is_float = types[name] is float
        least = 0 if is_float or name in _ZERO_ALLOWED else 1
        most = 1 if name in _SHARES else np.finfo(float).max
        number: Any = numbers.Real if is_float else numbers.Integral
        if isinstance(value, bool) or not isinstance(value, number) or not least <= value <= most:
            word = types[name].__name__
            expected = f"{word} in [0, 1]" if name in _SHARES else f"finite {word} ≥ {least}"
            raise InputError(kind.__name__, name, expected, repr(value))
    return kind(**options)


def adapt_network(
    network: nn.Module, windows: Windows, seed: int, settings: TTTSettings | None
) -> tuple[nn.Module, list[dict], str]:
    """Test-time training by the objective that ``settings`` are of; without any, the frozen
    network.

    Returns:
        The network to predict with, a row a step, and a note.
    """
    if isinstance(settings, PublishedTTT):
        return *run_published_objective(network, windows, seed, settings), ""
    if isinstance(settings, SelfDistillationTTT):
        return run_masked_self_distillation(network, windows, seed, settings)
    return network, [], ""


def run_published_objective(
    network: nn.Module, windows: Windows, seed: int, settings: PublishedTTT
) -> tuple[nn.Module, list[dict]]:
    """STRIDE's published test-time training of a copy of ``network``; one network and optimiser for
    all windows.

    Every epoch takes the windows in order, one a step: loss = MPJPE + 0.5 N-MPJPE + 20 velocity +
    200 variance of bone lengths, between the prediction and the input minus its pelvis. AdamW,
    learning rate × 0.99 an epoch.

    Returns:
        The trained copy, and of every step its epoch, window, loss and unweighted terms.
    """
    network = copy.deepcopy(network).train()
    rng = np.random.default_rng(seed)
    optimizer = make_adamw(network, settings.lr, 0.01)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    steps = []
    for epoch in range(settings.epochs):
        for i in range(len(windows)):
            features = windows.make_features(i)
            target = torch.from_numpy(windows.fill_relative(i)).to(features)[None]
            if rng.random() < settings.mirror:
                features, target = mirror_features(features), mirror_joints(target)
            loss, terms = losses.combine_losses(
                losses.STRIDE_WEIGHTS, _predict_joints(network, features), target
            )
            _descend(optimizer, loss)
            row = {"epoch": epoch, "window": i, "loss": float(loss.detach())}
            steps.append(row | {name: float(term.detach()) for name, term in terms.items()})
        decay.step()
    return network.eval(), steps


def run_masked_self_distillation(
    network: nn.Module, windows: Windows, seed: int, settings: SelfDistillationTTT
) -> tuple[nn.Module, list[dict], str]:
    """Fine-tune a copy of ``network`` on masked joints; keep it only where held-out joints gain by
    a margin.

    Returns:
        The network to use (the frozen one if it gained less than ``margin``), a row a step, and a
        note.
    """
    frozen, network = network, copy.deepcopy(network).eval()
    rng = np.random.default_rng(seed)
    samples = make_samples(windows, frozen, rng, settings.held_out)
    frozen_mm = measure_held_out_error(frozen, samples)
    best, best_mm, steps = frozen, frozen_mm, [{"step": 0, "held_out_mm": frozen_mm}]
    optimizer = make_adamw(network, settings.lr, 0.0)
    for step in range(1, settings.steps + 1):
        row = {"step": step} | distill_step(network, samples, optimizer, rng, settings)
        if step % settings.judge_every == 0 or step == settings.steps:
            row["held_out_mm"] = error_mm = measure_held_out_error(network, samples)
            if error_mm < min(best_mm, (1 - settings.margin) * frozen_mm):
                best, best_mm = copy.deepcopy(network), error_mm
        steps.append(row)
    least_mm = min(row["held_out_mm"] for row in steps if "held_out_mm" in row)
    verdict = "rejected, as held-out joints gained too little" if best is frozen else "kept"
    note = f"adaptation {verdict} (held-out error {frozen_mm:.1f} → {least_mm:.1f} mm)"
    return best, steps, note


class TTTSample:
    """One window of masked self-distillation: the teacher's prediction, and the joints that are
    held out from the student.

    Args:
        windows, i: which window.
        frozen: the teacher.
        share: of the window's frames, to hold out.
    """

    def __init__(
        self, windows: Windows, i: int, frozen: nn.Module, rng: np.random.Generator, share: float
    ):
        self.windows, self.i = windows, i
        self.gap_lengths = measure_gap_lengths(windows, i)
        self.trusted = windows.get_confidence(i) >= CONFIDENCE_THRESHOLD
        joints, _ = predict_with_flip(frozen, windows.make_features(i))[0]
        self.target = torch.from_numpy(joints).float().to(windows.device)
        self.hold_out(draw_masked_joints(self.trusted.shape, self.gap_lengths, rng, share), rng)
        self.frames = slice(windows.starts[i], windows.starts[i] + len(self.trusted))

    def hold_out(self, joints: Bool[np.ndarray, "T J"], rng: np.random.Generator) -> None:
        """Hold these joints out, and make the input of the validation."""
        self.held_out, self.held_out_inputs = joints, self.make_inputs(joints, rng)

    def make_inputs(
        self, masked: Bool[np.ndarray, "T J"], rng: np.random.Generator
    ) -> Float[Tensor, "1 T J C"]:
        """The student's input, where ``masked`` joints are missing."""
        return self.windows.make_features(self.i, masked)

    def mask_joints(
        self, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Float[Tensor, "T J"], Float[Tensor, "T J"]]:
        """The input with more joints masked (T, J, C), the target (T, J, 3), and which trusted
        joints are masked and which are not."""
        drawn = draw_masked_joints(self.trusted.shape, self.gap_lengths, rng, _MASKED_SHARE)
        masked = drawn & ~self.held_out
        shown = ~masked & ~self.held_out & self.trusted
        inputs = self.make_inputs(masked | self.held_out, rng)
        scored, anchors = (
            torch.from_numpy(where).to(self.target) for where in (masked & self.trusted, shown)
        )
        return inputs[0], self.target, scored, anchors


def make_samples(
    windows: Windows, frozen: nn.Module, rng: np.random.Generator, share: float
) -> list[TTTSample]:
    """Windows to learn from. What one holds out, all hold out that have those frames: a neighbour
    would teach it."""
    samples = [TTTSample(windows, i, frozen, rng, share) for i in select_windows(len(windows))]
    held_out = np.zeros((len(windows.sequence), samples[0].held_out.shape[1]), bool)
    for sample in samples:
        held_out[sample.frames] |= sample.held_out
    for sample in samples:
        sample.hold_out(held_out[sample.frames], rng)
    return samples


def select_windows(windows: int) -> list[int]:
    """All windows, or of a long sequence as many, evenly spread, as a few steps can visit."""
    count = min(windows, _MAX_WINDOWS)
    return [i * windows // count for i in range(count)]


def distill_step(
    network: nn.Module,
    samples: Sequence[TTTSample],
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    settings: SelfDistillationTTT,
) -> dict[str, float]:
    """One step on a batch of masked windows; the mean errors, metres, of masked joints (``blind``)
    and of the others (``anchor``)."""
    batch = [
        samples[int(rng.integers(len(samples)))].mask_joints(rng) for _ in range(settings.batch)
    ]
    inputs, target, masked, shown = (torch.stack(column) for column in zip(*batch))
    error = (_predict_joints(network, inputs) - target).norm(dim=-1)
    terms = {"blind": _average_where(error, masked), "anchor": _average_where(error, shown)}
    _descend(optimizer, terms["blind"] + settings.anchor * terms["anchor"])
    return {name: float(term.detach()) for name, term in terms.items()}


@torch.no_grad()
def measure_held_out_error(network: nn.Module, samples: Sequence[TTTSample]) -> float:
    """Mean distance, mm, from the network's prediction without the held-out joints to the teacher's
    with them."""
    total, count = 0.0, 0
    for sample in samples:
        where = torch.from_numpy(sample.held_out & sample.trusted)
        joints = _predict_joints(network, sample.held_out_inputs)[0]
        error = (joints - sample.target).norm(dim=-1).cpu()
        total, count = total + float(error[where].sum()), count + int(where.sum())
    return 1000 * total / max(count, 1)


def make_adamw(network: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW, fused, which is quicker on a CPU."""
    return torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=weight_decay, fused=True)


def measure_gap_lengths(windows: Windows, i: int) -> Int[np.ndarray, " N"]:
    """Lengths, in frames, of the spans of a window in which a joint is not trusted (25 and 50 where
    there are none)."""
    occluded = windows.get_confidence(i) < CONFIDENCE_THRESHOLD
    lengths = np.concatenate([find_runs(joint)[:, 1] for joint in occluded.T])
    lengths = lengths[lengths >= _MIN_GAP_FRAMES]
    longest = (len(occluded) + 2) // 3
    return np.minimum(lengths, longest) if len(lengths) else np.array(_DEFAULT_GAP_FRAMES)


def draw_masked_joints(
    shape: tuple[int, int],
    lengths: Int[np.ndarray, " N"],
    rng: np.random.Generator,
    share: float,
) -> Bool[np.ndarray, "T J"]:
    """Spans of limbs or halves, as long as the real gaps, that cover about ``share`` of the
    frames."""
    frames, joints = shape
    masked = np.zeros(shape, bool)
    groups = [*LIMBS.values(), *LIMBS.values(), *HALVES.values(), list(range(joints))]
    covered = 0
    while covered < share * frames:
        length = max(1, int(min(rng.choice(lengths), frames)))
        start = int(rng.integers(0, frames - length + 1))
        masked[start : start + length, groups[rng.integers(len(groups))]] = True
        covered += length
    return masked


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def _predict_joints(network: nn.Module, features: Tensor) -> Tensor:
    output = network(features)
    return output.joints if isinstance(network, Prior) else output


def _average_where(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
