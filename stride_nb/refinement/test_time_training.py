"""Test-time training: a prior fine-tuned on the one sequence at hand.

``published`` is STRIDE's objective (Lal et al., WACV 2025), exactly. Its input is its target, so
copying the input is its optimum but for the bone term; what denoises there is the prior and the
early end. ``blind_spot`` hides joints that were seen, in spans like the real gaps, and teaches the
network to answer there as the frozen one does where it sees them. It is kept only where joints held
out all along come nearer to that answer.

The frozen answer, not the observation, is the target because an estimator's error is correlated
over time: a network that is taught observations learns the error with the motion, foretells
held-out observations ever better, and really hidden joints worse. What is hidden from the network
is given as missing. Guesses in its place, wrong as a simulated estimator's, gain about as much
where the sequence's own guesses are of that kind, and do harm where they are not, as a lifter's
(``benchmarks/ablations/ttt_objectives.py``). Means over views (mirrored, turned, reversed, scaled)
were tried, too: a prior trained on all of these agrees with itself.
"""

from __future__ import annotations

import copy
import numbers
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from stride_nb.errors import InputError
from stride_nb.models import losses
from stride_nb.models.motion_prior import Prior, mirrored
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.skeleton import HALVES, LIMBS
from stride_nb.refinement.sliding_window import Windows, both_ways

__all__ = ["BlindSpot", "Published", "blind_spot", "published", "settings"]


@dataclass(frozen=True)
class Published:
    """STRIDE's test-time training as published."""

    epochs: int = 30
    lr: float = 2e-4
    mirror: float = 0.5
    """Share of the steps that see the mirrored window."""
    window: int = 243
    """Frames of a window; fewer where the network takes fewer."""


@dataclass(frozen=True)
class BlindSpot:
    """Our objective."""

    steps: int = 30
    lr: float = 2e-5
    batch: int = 2
    """Windows, or ways to hide joints of one window, a step."""
    anchor: float = 1.0
    """Weight of the joints that are shown."""
    held_out: float = 0.1
    """Length of the spans that are held out all along, to judge by, as a share of the window; in
    each, one limb, two, or everything is hidden."""
    judge_every: int = 10
    margin: float = 0.05
    """Share by which the held-out error has to fall for the adapted network to be kept. On people
    of ``val`` the best of those tried under two kinds of noise and on lifted poses, no regime
    losing 1 % (``benchmarks/ablations/ttt_objectives.py``)."""


_LESSONS = 16  # windows of a sequence that is learnt from
# no step at all is the frozen network; no window, or none judged, is nothing
_MAY_BE_NONE = ("epochs", "steps")
_SHARES = ("mirror", "held_out", "margin")


def settings(kind: type, options: dict):
    """``kind(**options)``, an unknown, ill-typed or impossible option being one clear error."""
    known = {f.name: type(f.default) for f in fields(kind)}
    for name, value in options.items():
        if name not in known:
            raise InputError(kind.__name__, "option", f"one of {', '.join(known)}", name)
        least = 0 if known[name] is float or name in _MAY_BE_NONE else 1
        most = 1 if name in _SHARES else np.finfo(float).max
        of = numbers.Real if known[name] is float else numbers.Integral
        if isinstance(value, bool) or not isinstance(value, of) or not least <= value <= most:
            expected = (
                f"{known[name].__name__} in [0, 1]"
                if name in _SHARES
                else f"finite {known[name].__name__} ≥ {least}"
            )
            raise InputError(kind.__name__, name, expected, repr(value))
    return kind(**options)


def published(
    network: nn.Module, windows: Windows, seed: int, how: Published
) -> tuple[nn.Module, list[dict]]:
    """STRIDE's published test-time training of a copy of ``network``; one network and optimiser for
    all windows.

    Every epoch takes the windows in order, one a step: loss = MPJPE + 0.5 N-MPJPE + 20 velocity +
    200 variance of bone lengths, between the answer and the input minus its pelvis. AdamW, learning
    rate × 0.99 an epoch.

    Returns:
        The trained copy, and of every step its epoch, window, loss and unweighted terms.
    """
    network = copy.deepcopy(network).train()
    rng = np.random.default_rng(seed)
    optimizer = _optimizer(network, how.lr, 0.01)
    decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    steps = []
    for epoch in range(how.epochs):
        for i in range(len(windows)):
            features = windows.features(i)
            target = torch.from_numpy(windows.relative(i)).to(features)[None]
            if rng.random() < how.mirror:
                features, target = mirrored(features), losses.flip(target)
            loss, terms = losses.combine(losses.STRIDE, _joints(network, features), target)
            _descend(optimizer, loss)
            steps.append(
                {"epoch": epoch, "window": i, "loss": float(loss.detach())}
                | {name: float(term.detach()) for name, term in terms.items()}
            )
        decay.step()
    return network.eval(), steps


def blind_spot(
    network: nn.Module, windows: Windows, seed: int, how: BlindSpot
) -> tuple[nn.Module, list[dict], str]:
    """Fine-tune a copy of ``network`` on joints hidden from it; keep it only where held-out joints
    gain by a margin.

    Returns:
        The network to use (the frozen one if it gained less than ``margin``), a row a step, and a
        note.
    """
    frozen, network = network, copy.deepcopy(network).eval()
    rng = np.random.default_rng(seed)
    lessons = _lessons(windows, frozen, rng, how.held_out)
    first = _held_out_error(frozen, lessons)
    best, best_error, steps = frozen, first, [{"step": 0, "held_out_mm": first}]
    optimizer = _optimizer(network, how.lr, 0.0)
    for step in range(1, how.steps + 1):
        row = {"step": step} | _blind_step(network, lessons, optimizer, rng, how)
        if step % how.judge_every == 0 or step == how.steps:
            row["held_out_mm"] = error = _held_out_error(network, lessons)
            if error < min(best_error, (1 - how.margin) * first):
                best, best_error = copy.deepcopy(network), error
        steps.append(row)
    last = min(row["held_out_mm"] for row in steps if "held_out_mm" in row)
    kept = "kept" if best is not frozen else "taken back, as held-out joints gained too little"
    return best, steps, f"adaptation {kept} (held-out error {first:.1f} → {last:.1f} mm)"


def _spread(windows: int) -> list[int]:
    """Windows to learn from and to judge by: all, or as many of a long sequence, evenly, as a few
    steps can visit."""
    count = min(windows, _LESSONS)
    return [i * windows // count for i in range(count)]


def _lessons(
    windows: Windows, frozen: nn.Module, rng: np.random.Generator, share: float
) -> list[_Lesson]:
    """Windows to learn from. What one holds out all do that have those frames, or it would be
    taught by its neighbour."""
    lessons = [_Lesson(windows, i, frozen, rng, share) for i in _spread(len(windows))]
    held = np.zeros((len(windows.sequence), lessons[0].held.shape[1]), bool)
    for lesson in lessons:
        held[lesson.frames] |= lesson.held
    for lesson in lessons:
        lesson.held = held[lesson.frames]
        lesson.shown = lesson.told(lesson.held, rng)
    return lessons


class _Lesson:
    """A window: what the frozen network makes of it, and what is held out all along."""

    def __init__(
        self, windows: Windows, i: int, frozen: nn.Module, rng: np.random.Generator, share: float
    ):
        self.windows, self.i = windows, i
        self.gaps, self.trusted = _gaps(windows, i), windows.confidence(i) >= CONFIDENCE_THRESHOLD
        self.target = (
            torch.from_numpy(both_ways(frozen, windows.features(i))[0][0])
            .float()
            .to(windows.device)
        )
        self.held = _hide(self.trusted.shape, self.gaps, rng, share)
        self.shown = self.told(self.held, rng)
        self.frames = slice(windows.starts[i], windows.starts[i] + len(self.held))

    def told(self, hidden: np.ndarray, rng: np.random.Generator) -> Tensor:
        """(1, T, J, C) what the network gets where joints (T, J) are hidden from it: they are
        missing."""
        return self.windows.features(self.i, hidden)

    def hide(self, rng: np.random.Generator):
        """More of it hidden: features, what to answer, and where: hidden just now, still shown."""
        more = _hide(self.trusted.shape, self.gaps, rng, 0.3) & ~self.held
        blind, seen = more & self.trusted, ~more & ~self.held & self.trusted
        told = self.told(more | self.held, rng)
        return (
            told[0],
            self.target,
            *(torch.from_numpy(where).to(self.target) for where in (blind, seen)),
        )


def _blind_step(
    network, lessons: list[_Lesson], optimizer, rng, how: BlindSpot
) -> dict[str, float]:
    drawn = [lessons[rng.integers(len(lessons))].hide(rng) for _ in range(how.batch)]
    told, target, blind, seen = (torch.stack(column) for column in zip(*drawn))
    error = (_joints(network, told) - target).norm(dim=-1)
    terms = {"blind": _mean(error, blind), "anchor": _mean(error, seen)}
    _descend(optimizer, terms["blind"] + how.anchor * terms["anchor"])
    return {name: float(term.detach()) for name, term in terms.items()}


def _optimizer(network: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW in one pass over the weights, which is quicker on a CPU."""
    return torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=weight_decay, fused=True)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def _joints(network: nn.Module, features: Tensor) -> Tensor:
    answer = network(features)
    return answer.joints if isinstance(network, Prior) else answer


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)


def _gaps(windows: Windows, i: int) -> np.ndarray:
    """Lengths, in frames, of the spans of a window in which a joint is not trusted (or some, where
    there are none)."""
    hidden = np.pad(windows.confidence(i) < CONFIDENCE_THRESHOLD, ((1, 1), (0, 0)))
    edges = np.diff(hidden.astype(int), axis=0)
    lengths = np.concatenate(
        [
            np.flatnonzero(edges[:, j] < 0) - np.flatnonzero(edges[:, j] > 0)
            for j in range(hidden.shape[1])
        ]
    )
    lengths = lengths[lengths >= 5]
    return np.minimum(lengths, len(hidden) // 3) if len(lengths) else np.array([25, 50])


def _hide(
    shape: tuple[int, int], lengths: np.ndarray, rng: np.random.Generator, share: float
) -> np.ndarray:
    """(T, J) bool: spans of limbs or halves, as long as the real gaps, that cover about ``share``
    of the frames."""
    frames = shape[0]
    hidden = np.zeros(shape, bool)
    groups = [*LIMBS.values(), *LIMBS.values(), *HALVES.values(), list(range(shape[1]))]
    covered = 0
    while covered < share * frames:
        length = max(1, int(min(rng.choice(lengths), frames)))
        start = int(rng.integers(0, frames - length + 1))
        hidden[start : start + length, groups[rng.integers(len(groups))]] = True
        covered += length
    return hidden


@torch.no_grad()
def _held_out_error(network: nn.Module, lessons: list[_Lesson]) -> float:
    """Mean distance, mm, between what is answered without and with the held-out joints, the latter
    by the frozen network."""
    total, count = 0.0, 0
    for lesson in lessons:
        where = torch.from_numpy(lesson.held & lesson.trusted)
        error = (_joints(network, lesson.shown)[0] - lesson.target).norm(dim=-1).cpu()
        total, count = total + float(error[where].sum()), count + int(where.sum())
    return 1000 * total / max(count, 1)
