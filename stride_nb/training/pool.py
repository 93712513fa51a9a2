"""TODO docstring."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from stride_nb.errors import InputError
from stride_nb.evaluation.lifter_harness import Detected, answers, means, score
from stride_nb.models import losses
from stride_nb.models.lifter import UNIT, mirrored_2d
from stride_nb.models.losses import flip
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.models.registry import build
from stride_nb.poses.sequence import PoseSequence
from stride_nb.training.tasks import Lift
from stride_nb.training.trainer import digest

__all__ = ["Pool", "config", "lifter"]


class Pool:
    """A lifter's task on a fixed pool of windows, drawn once: every variant learns from the same
    ones.

    The loss is MotionBERT's supervised objective and, by their weights, RePOSE's ranking losses.

    Args:
        clips: motions to draw from, world space; taken at 50 frames a second, whatever their own
            rate.
        windows, frames: how many windows, how long.
        batch: windows a step, each mirrored with probability ½.
        rank: weights of the spatial and the temporal ranking loss.
        held_out: what ``validate`` scores on; ``None``: nothing.

    Raises:
        InputError: no frames, or fewer windows than a step takes.
    """

    def __init__(
        self,
        clips: Sequence[PoseSequence],
        windows: int,
        frames: int,
        batch: int = 16,
        seed: int = 0,
        rank: tuple[float, float] = (0.0, 0.0),
        held_out: Detected | None = None,
    ):
        if frames < 1:
            raise InputError("Pool", "frames", "at least 1", frames)
        if not 1 <= batch <= windows:
            raise InputError("Pool", "batch", f"from 1 to the pool's {windows} windows", batch)
        source = Lift([c.resample(PRIOR_FPS).joints for c in clips], [], windows, seed)
        source.frames = (frames,)
        self.features, self.truth = source.batch(0)
        self.size, self.seed, self.held_out = batch, seed, held_out
        self.weights = losses.with_ranking(rank)

    @property
    def identity(self) -> dict:
        """What a run on the pool is known by: its windows, to the bit, their batches and the
        weights of the losses."""
        windows, frames = self.truth.shape[:2]
        return {
            "task": "Pool",
            "windows": windows,
            "frames": frames,
            "batch": self.size,
            "seed": self.seed,
            "weights": self.weights,
            "content": digest(self.features, self.truth),
        }

    def with_rank(self, rank: tuple[float, float]) -> Pool:
        """The same windows under other weights of the ranking losses."""
        other = copy.copy(self)
        other.weights = losses.with_ranking(rank)
        return other

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Features and truth of the batch of that step: every epoch in another order."""
        epoch, at = divmod(step, len(self.features) // self.size)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.features))
        chosen = order[at * self.size : (at + 1) * self.size]
        x, y = self.features[chosen], self.truth[chosen]
        turned = np.random.default_rng([self.seed, epoch, at]).random(self.size) < 0.5
        turned = torch.from_numpy(turned)[:, None, None, None]
        return torch.where(turned, mirrored_2d(x), x), torch.where(turned, flip(y), y)

    def loss(
        self, model: nn.Module, batch: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum of the losses, and the terms by name."""
        return losses.combine(self.weights, model(batch[0]), batch[1])

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Means of ``lift_cases.METRICS`` over the held-out windows."""
        if self.held_out is None:
            return {}
        (found,) = means(score(self.held_out, answers(model, self.held_out.features)))
        return found


def config(dim: int, depth: int) -> dict:
    """The FrameFormer of the experiment."""
    return {"dim": dim, "depth": depth, "heads": 4, "mlp_ratio": 4, "patch": 3}


def lifter(backbone: str, config: dict, truth: Tensor, seed: int = 0) -> nn.Module:
    """A lifter with fresh weights; a FrameFormer begins at the mean of ``truth`` (…, 17, 3).

    N-MPJPE forgives a negative scale, and an answer near 0 of the wrong sign has a barrier before
    it: from there, training without ranking losses was seen to settle in the mirror image of the
    truth. Beginning at the mean pose spares all variants that accident.
    """
    torch.manual_seed(seed)
    model = build("lifter", backbone, config)
    if backbone == "frameformer":
        with torch.no_grad():
            model.backbone.head.bias.copy_(truth.flatten(0, -3).mean(0).flatten() / UNIT)
    return model
