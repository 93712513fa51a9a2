"""A lifter's training on a fixed pool of windows, shared by every variant of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from stride_nb.errors import InputError
from stride_nb.evaluation.lifter_harness import (
    LifterWindows,
    average_windows,
    predict_windows,
    score_windows,
)
from stride_nb.models import losses
from stride_nb.models.lifter import LIFTER_UNIT, mirror_lifter_features
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.models.registry import build_network
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.training.tasks import Lift, RankedTask
from stride_nb.training.trainer import hash_tensors

__all__ = ["Pool", "make_frameformer_config", "make_lifter"]


class Pool(RankedTask):
    """A lifter's task on a fixed pool of windows, drawn once.

    Args:
        clips: motions to draw from, world space; resampled to 50 frames a second.
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
        held_out: LifterWindows | None = None,
    ):
        if frames < 1:
            raise InputError("Pool", "frames", "at least 1", frames)
        if not 1 <= batch <= windows:
            raise InputError("Pool", "batch", f"from 1 to the pool's {windows} windows", batch)
        source = Lift([c.resample(PRIOR_FPS).joints for c in clips], [], windows, seed)
        source.frames = (frames,)
        self.features, self.truth = source.make_batch(0)
        self.size, self.seed, self.held_out = batch, seed, held_out
        self.weights = losses.make_loss_weights(rank)

    @property
    def identity(self) -> dict:
        """What a run depends on: the windows, to the bit, their batches and the weights of the
        losses."""
        windows, frames = self.truth.shape[:2]
        return {
            "task": "Pool",
            "windows": windows,
            "frames": frames,
            "batch": self.size,
            "seed": self.seed,
            "weights": self.weights,
            "content": hash_tensors(self.features, self.truth),
        }

    def make_batch(self, step: int) -> tuple[Float[Tensor, "B T 17 C"], Float[Tensor, "B T 17 3"]]:
        """Features and truth of the batch of that step: every epoch in another order."""
        epoch, at = divmod(step, len(self.features) // self.size)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.features))
        chosen = order[at * self.size : (at + 1) * self.size]
        features, truth = self.features[chosen], self.truth[chosen]
        draw = np.random.default_rng([self.seed, epoch, at]).random(self.size)
        flipped = torch.from_numpy(draw < 0.5)[:, None, None, None]
        features = torch.where(flipped, mirror_lifter_features(features), features)
        return features, torch.where(flipped, mirror_joints(truth), truth)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Means of ``lifter_harness.METRICS`` over the held-out windows."""
        if self.held_out is None:
            return {}
        joints = predict_windows(model, self.held_out.features)
        (means,) = average_windows(score_windows(self.held_out, joints))
        return means


def make_frameformer_config(dim: int, depth: int) -> dict:
    """Arguments of the experiment's FrameFormer."""
    return {"dim": dim, "depth": depth, "heads": 4, "mlp_ratio": 4, "patch": 3}


def make_lifter(
    backbone: str, config: dict, truth: Float[Tensor, "*batch 17 3"], seed: int = 0
) -> nn.Module:
    """A lifter with fresh weights; a FrameFormer's first prediction is the mean of ``truth``.

    N-MPJPE forgives a negative scale, and a prediction near 0 of the wrong sign has a barrier
    before it: from there, training without ranking losses can settle in the mirror image of the
    truth.
    """
    torch.manual_seed(seed)
    model = build_network("lifter", backbone, config)
    if backbone == "frameformer":
        with torch.no_grad():
            mean = truth.flatten(0, -3).mean(0).flatten()
            model.get_parameter("backbone.head.bias").copy_(mean / LIFTER_UNIT)
    return model
