"""TODO docstring."""

from __future__ import annotations

import copy

from stride_nb.datasets.h36m import H36MClips
from stride_nb.evaluation.h36m_protocol import evaluate, predict

__all__ = ["H36MLift"]


class H36MLift:
    """The lifter's training in the form of ``training.fit``: normalised (B, T, 17, 3) to the same.

    Loss: MotionBERT's supervised objective and, by their weights, RePOSE's ranking losses on z.

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
        from stride_nb.models import losses

        self.train, self.test, self.size, self.seed, self.combine = (
            train,
            test,
            batch,
            seed,
            losses.combine,
        )
        self.weights = losses.with_ranking(rank)

    @property
    def identity(self) -> dict:
        """What a run of the task is known by; of its data the first batch, to the bit, stands for
        all."""
        from stride_nb.training.trainer import digest

        clips, frames = self.train.frames.shape
        return {
            "task": "H36MLift",
            "clips": clips,
            "frames": frames,
            "batch": self.size,
            "seed": self.seed,
            "weights": self.weights,
            "content": digest(*self.batch(0)),
        }

    def with_rank(self, rank: tuple[float, float]) -> H36MLift:
        """The same task under other weights of the ranking losses."""
        from stride_nb.models import losses

        other = copy.copy(self)
        other.weights = losses.with_ranking(rank)
        return other

    def batch(self, step: int) -> tuple:
        """Input and label tensors of that step."""
        import torch

        return tuple(map(torch.from_numpy, self.train.batch(step, self.size, self.seed)))

    def loss(self, model, batch: tuple) -> tuple:
        """Weighted sum of the losses, and the terms by name."""
        x, y = batch
        return self.combine(self.weights, model(x), y)

    def validate(self, model) -> dict[str, float]:
        """The protocol's two errors, mm, from flip-averaged answers."""
        scores = evaluate(self.test, predict(model, self.test, size=self.size))
        return {"mpjpe_mm": scores.mpjpe_mm, "p_mpjpe_mm": scores.p_mpjpe_mm}
