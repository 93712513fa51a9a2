"""What networks here are trained to do: examples made on the fly from motions, and the loss on
them.

A task gives ``batch(step)``, the same for the same seed and step, so that a training run can be
resumed or repeated to the digit; ``loss(model, batch)``; and ``validate(model)``, on people not
trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from stride_nb.datasets.simulation import estimator_noise, occlusion
from stride_nb.datasets.simulation.augmentation import distinct_bodies, vary
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.models import losses
from stride_nb.models.lifter import condition_2d
from stride_nb.models.motion_prior import condition
from stride_nb.models.registry import load_model
from stride_nb.poses.geometry import random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.refinement.filters import TUNED, linear
from stride_nb.refinement.lifting import lift
from stride_nb.training.trainer import digest

__all__ = ["FRAMES", "Denoise", "Lift", "Smooth", "VALIDATION", "examples"]

_REGIMES = {
    "none": 0.06,
    "flicker": 0.12,
    "limb": 0.2,
    "half": 0.22,
    "block": 0.18,
    "whole_0.5s": 0.08,
    "whole_1s": 0.09,
    "whole_2s": 0.05,
}
_FAMILIES = {
    "estimator": 0.3,
    "keyframe": 0.1,
    "outlier": 0.1,
    "repeat": 0.1,
    "varied": 0.2,
    "articulated": 0.2,
}
_WITH_LIFTER = {name: 0.8 * share for name, share in _FAMILIES.items()} | {"lifted": 0.2}
VALIDATION = ("limb", "half", "block", "whole_1s")
FRAMES = 243
"""Frames of a validation case, and what a clip of validation people has to have."""


def examples(clips: Sequence[np.ndarray], frames: int, regimes: Sequence[str], seed: int):
    """Fixed cases for validation: the middle of every clip (world, (T, 17, 3), 50 fps) that is long
    enough, once under every regime.

    Yields (camera-space joints, camera, visible, rng of the case).
    """
    for i, joints in enumerate(c for c in clips if len(c) >= frames):
        for k, name in enumerate(regimes):
            rng = np.random.default_rng([seed, i, k])
            start = (len(joints) - frames) // 2
            camera = random_camera(rng, joints[start : start + frames])
            seen = camera.to_camera(joints[start : start + frames])
            yield seen, camera, occlusion.occlude(name, seen, 50, rng), rng


class _Task:
    """Motions at 50 fps, drawn by the root of their length, so that long clips do not drown short
    ones.

    A task of its own gives:

    - ``example(world, rng)``: from joints (T, 17, 3), world axes, metres, what the network gets and
      what it is to answer, float32 arrays whose shapes depend on T alone; ``batch`` stacks them.
    - ``loss(model, batch)``: of such a batch, tensors (B, …), the scalar to minimise and its terms
      by name, unweighted.
    - ``cases()``: for validation, always the same: what the network gets (T, …), the truth (T, 17,
      3), camera axes, metres, root-relative, and which joints the regime leaves visible, (T, 17)
      bool.
    - ``predict(model, features)``: the model's answer (1, T, 17, 3), metres, to what it gets of one
      such case, (1, T, …).
    - ``identity``, where it has options of its own: these too. Plain numbers, text and dicts of
      them, as it is kept with the run.

    Args:
        train, val: clips, each (T, 17, 3), world axes, metres; of ``train`` those of 60 frames or
            more count.
        batch: windows a step, where they are the longest.
        seed: of everything drawn.
    """

    frames = (243, 243, 120)

    def __init__(
        self, train: Sequence[np.ndarray], val: Sequence[np.ndarray], batch: int = 32, seed: int = 0
    ):
        self.train = [c for c in train if len(c) >= 60]
        if not self.train:
            raise InputError(
                type(self).__name__,
                "train",
                "a clip of 60 frames or more",
                f"{len(train)} that are shorter",
            )
        self.val, self.size, self.seed = val, batch, seed
        weight = np.sqrt([len(c) for c in self.train])
        self.chance = weight / weight.sum()
        self.people = distinct_bodies(self.train)

    @property
    def identity(self) -> dict:
        """What a run of the task is known by: all that its batches depend on, beside the step."""
        return {
            "task": type(self).__name__,
            "batch": self.size,
            "seed": self.seed,
            "clips": len(self.train),
            "frames": sum(map(len, self.train)),
            "people": len(self.people),
        }

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The batch of that step, as tensors; of windows half as long there are twice as many."""
        rng = np.random.default_rng([self.seed, step])
        frames = self.frames[step % len(self.frames)]
        count = self.size * round(max(self.frames) / frames)
        made = [self.example(self._motion(frames, rng), rng) for _ in range(count)]
        return tuple(torch.from_numpy(np.stack(column)) for column in zip(*made))

    def _motion(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        one, other = (self.train[i] for i in rng.choice(len(self.train), 2, p=self.chance))
        return vary(one, frames, rng, self.people, other)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Mean hidden and visible error on the validation people, mm."""
        device = next(model.parameters()).device
        errors = {"hidden_mm": [], "visible_mm": []}
        for features, truth, seen in self.cases():
            with torch.no_grad():
                answer = (
                    self.predict(model, torch.from_numpy(features[None]).to(device))[0]
                    .float()
                    .cpu()
                    .numpy()
                )
            error = joint_errors_mm(answer, truth)
            for name, where in zip(errors, (~seen, seen)):
                errors[name].extend([error[where].mean()] if where.any() else [])
        return {name: float(np.mean(values)) for name, values in errors.items()}


def _draw(table: dict[str, float], rng: np.random.Generator) -> str:
    return list(table)[
        rng.choice(len(table), p=np.array(list(table.values())) / sum(table.values()))
    ]


class _Estimated(_Task):
    """A task of what estimators answer. With a ``lifter`` one answer in five is a real network's:
    its own, from simulated detections."""

    def __init__(
        self, train, val, batch: int = 32, seed: int = 0, lifter: str | nn.Module | None = None
    ):
        super().__init__(train, val, batch, seed)
        self.lifter = load_model(lifter) if isinstance(lifter, str) else lifter
        self.families = _WITH_LIFTER if lifter else _FAMILIES

    @property
    def identity(self) -> dict:
        lifter = None if self.lifter is None else digest(*self.lifter.state_dict().values())
        return super().identity | {"families": self.families, "lifter": lifter}

    def _seen(self, world: np.ndarray, rng: np.random.Generator):
        """The motion in camera space, what is made of it (joints, confidence), and whose answer
        that is."""
        camera = random_camera(rng, world)
        seen = camera.to_camera(world)
        visible = occlusion.occlude(_draw(_REGIMES, rng), seen, 50, rng)
        if rng.random() < 0.15:
            visible &= occlusion.occlude(_draw(_REGIMES, rng), seen, 50, rng)
        family = _draw(self.families, rng)
        return seen, self._estimate(seen, camera, visible, rng, family), family

    def _estimate(self, seen, camera, visible, rng, family: str):
        if family != "lifted":
            return estimator_noise.estimate(seen, visible, 50, rng, family)
        pixels, confidence = estimator_noise.detect(camera.project(seen), visible, 50, rng)
        # as the prior itself is trained; single precision takes longer
        with torch.autocast("cpu", torch.bfloat16):
            # In a worker process a GPU cannot be had.
            lifted = lift(
                Keypoints2D(pixels, confidence, 50, camera.size), self.lifter, device="cpu"
            )
        return lifted.joints, lifted.confidence


class Denoise(_Estimated):
    """The prior's task: from an estimator's noisy, occluded answer to the true root-relative
    joints.

    Loss: mean distance + 10·velocity + 0.5·bone length + 0.01·negative log-likelihood of the error
    r under the network's own scale s (3D Laplace: r/s + 3 log s, without the pelvis), which does
    not pull on the joints themselves.
    """

    weights = {"loss_mpjpe": 1.0, "loss_velocity": 10.0, "loss_limb_gt": 0.5}

    def example(self, world: np.ndarray, rng: np.random.Generator):
        seen, (joints, confidence), _ = self._seen(world, rng)
        return condition(joints, confidence, 50), (seen - seen[:, :1]).astype(np.float32)

    def cases(self):
        for seen, _, visible, rng in examples(self.val, FRAMES, VALIDATION, 1):
            joints, confidence = estimator_noise.estimate(seen, visible, 50, rng, "estimator")
            yield condition(joints, confidence, 50), seen - seen[:, :1], visible

    def predict(self, model: nn.Module, features: Tensor) -> Tensor:
        return model(features).joints

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        features, truth = batch
        answer = model(features)
        total, terms = losses.combine(self.weights, answer.joints, truth)
        error = (answer.joints - truth).norm(dim=-1).detach()[..., 1:]
        scale = answer.scale[..., 1:]
        terms["likelihood"] = (error / scale + 3 * scale.log()).mean()
        return total + 0.01 * terms["likelihood"], terms


class Lift(_Task):
    """RePOSE's task: from noisy, occluded 2D keypoints to root-relative 3D joints.

    Args:
        rank: weights of RePOSE's spatial and temporal ranking losses, added to MotionBERT's
            objective.
    """

    # the temporal ranking loss costs the square of it; `lift` cuts windows as long
    frames = (120, 120, 81)

    def __init__(
        self, train, val, batch: int = 32, seed: int = 0, rank: tuple[float, float] = (0.0, 0.0)
    ):
        super().__init__(train, val, batch, seed)
        self.weights = losses.with_ranking(rank)

    @property
    def identity(self) -> dict:
        return super().identity | {"weights": self.weights}

    def example(self, world: np.ndarray, rng: np.random.Generator):
        camera = random_camera(rng, world)
        seen = camera.to_camera(world)
        visible = occlusion.occlude(_draw(_REGIMES, rng), seen, 50, rng)
        return self._detected(seen, camera, visible, rng), (seen - seen[:, :1]).astype(np.float32)

    @staticmethod
    def _detected(seen, camera, visible, rng):
        pixels, confidence = estimator_noise.detect(camera.project(seen), visible, 50, rng)
        return condition_2d(pixels, confidence, 50, camera.size)

    def cases(self):
        for seen, camera, visible, rng in examples(self.val, self.frames[0], VALIDATION, 2):
            yield self._detected(seen, camera, visible, rng), seen - seen[:, :1], visible

    def predict(self, model: nn.Module, features: Tensor) -> Tensor:
        return model(features)

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        features, truth = batch
        return losses.combine(self.weights, model(features), truth)


class Smooth(_Estimated):
    """SmoothNet's task: windows of linearly filled root-relative joints to the true ones.

    Zeng et al., ECCV 2022: L1 of the positions and 0.1 · L1 of the accelerations. The same motions,
    occlusions and noise as the prior gets.
    """

    def __init__(
        self,
        train,
        val,
        batch: int = 32,
        seed: int = 0,
        lifter: str | nn.Module | None = None,
        window: int = 32,
    ):
        super().__init__(train, val, batch, seed, lifter)
        self.window = window

    @property
    def identity(self) -> dict:
        return super().identity | {"window": self.window}

    def example(self, world: np.ndarray, rng: np.random.Generator):
        seen, estimate, family = self._seen(world, rng)
        filled = self._filled(*estimate, "lifted" if family == "lifted" else "estimator")
        truth = (seen - seen[:, :1]).astype(np.float32)
        start = int(rng.integers(len(world) % self.window + 1))
        cut = slice(start, start + len(world) // self.window * self.window)
        return tuple(x[cut].reshape(-1, self.window, 17, 3) for x in (filled, truth))

    @staticmethod
    def _filled(joints: np.ndarray, confidence: np.ndarray, kind: str) -> np.ndarray:
        return (
            linear(PoseSequence(joints, confidence), **TUNED[kind].get("smoothnet", {}))
            .root_relative()
            .joints.astype(np.float32)
        )

    def cases(self):
        for seen, _, visible, rng in examples(self.val, FRAMES, VALIDATION, 1):
            yield (
                self._filled(
                    *estimator_noise.estimate(seen, visible, 50, rng, "estimator"), "estimator"
                ),
                seen - seen[:, :1],
                visible,
            )

    def predict(self, model: nn.Module, features: Tensor) -> Tensor:
        return model.smooth(features[0])[None]

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        filled, truth = (x.flatten(0, 1) for x in batch)
        error = model(filled).float() - truth
        terms = {
            "position": error.abs().mean(),
            "acceleration": error.diff(n=2, dim=1).abs().mean(),
        }
        return terms["position"] + 0.1 * terms["acceleration"], terms
