"""The lifter's training on Human3.6M: MotionBERT's clips as a task, validated by the protocol."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stride_nb.datasets.h36m import H36MClips
from stride_nb.evaluation.h36m_protocol import evaluate_h36m, predict_clips
from stride_nb.models import losses
from stride_nb.training.tasks import RankedTask
from stride_nb.training.trainer import hash_tensors

__all__ = ["H36MLift"]


class H36MLift(RankedTask):
    """Normalised (B, T, 17, 3) detections to labels of the same shape.

    Args:
        train, test: clips; published: length 243, stride 81 and 243.
        batch: clips a step.
        rank: weights of the spatial and the temporal ranking loss (0: without).
    """

    def __init__(
        self,
        train: H36MClips,
        test: H36MClips,
        batch: int = 32,
        seed: int = 0,
        rank: tuple[float, float] = (0.0, 0.0),
    ):
        self.train, self.test, self.size, self.seed = train, test, batch, seed
        self.weights = losses.make_loss_weights(rank)

    @property
    def identity(self) -> dict:
        """What the batches depend on; of the data the first batch, to the bit, stands for all."""
        clips, frames = self.train.frames.shape
        return {
            "task": "H36MLift",
            "clips": clips,
            "frames": frames,
            "batch": self.size,
            "seed": self.seed,
            "weights": self.weights,
            "content": hash_tensors(*self.make_batch(0)),
        }

    def make_batch(self, step: int) -> tuple[Tensor, ...]:
        """Input and label tensors of that step."""
        return tuple(map(torch.from_numpy, self.train.batch(step, self.size, self.seed)))

    def validate(self, model: nn.Module) -> dict[str, float]:
        """The protocol's two errors, mm, flip-averaged."""
        scores = evaluate_h36m(self.test, predict_clips(model, self.test, size=self.size))
        return {"mpjpe_mm": scores.mpjpe_mm, "p_mpjpe_mm": scores.p_mpjpe_mm}
