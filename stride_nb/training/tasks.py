"""What networks are trained to do: examples made on the fly from motions, and the loss on them.

The batch of a step is the same for the same seed and step, so that a run can be resumed or repeated
to the digit.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from stride_nb.datasets.rendered import Take, load_takes
from stride_nb.datasets.simulation import estimator_noise, occlusion
from stride_nb.datasets.simulation.augmentation import augment_motion, find_distinct_bodies
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.evaluation.take_protocol import SCORED_JOINTS, align_to_truth, score_take
from stride_nb.models import losses
from stride_nb.models.lifter import make_lifter_features
from stride_nb.models.motion_prior import PRIOR_FPS, make_input_features
from stride_nb.models.registry import load_model
from stride_nb.models.smoothnet import SmoothNet
from stride_nb.models.uncertainty import laplace_nll
from stride_nb.poses.gap_filling import fill_gaps
from stride_nb.poses.geometry import Camera, random_camera, rotation_about
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.refinement.filters import TUNED, linear
from stride_nb.refinement.image_evidence import use_image_evidence
from stride_nb.refinement.lifting import lift
from stride_nb.refinement.refine import refine
from stride_nb.training.estimate_augmentation import worsen_estimate
from stride_nb.training.trainer import hash_tensors

__all__ = [
    "TRAINING_NOISE",
    "TRAINING_REGIMES",
    "VALIDATION_FRAMES",
    "VALIDATION_REGIMES",
    "Denoise",
    "DenoiseReal",
    "Lift",
    "MotionTask",
    "RankedTask",
    "Smooth",
    "align_take",
    "make_validation_examples",
]

TRAINING_REGIMES = {
    "none": 0.06,
    "flicker": 0.12,
    "limb": 0.2,
    "half": 0.22,
    "block": 0.18,
    "whole_0.5s": 0.08,
    "whole_1s": 0.09,
    "whole_2s": 0.05,
}
"""Occlusion regime → its share of the training windows."""
TRAINING_NOISE = {
    "estimator": 0.3,
    "keyframe": 0.1,
    "outlier": 0.1,
    "repeat": 0.1,
    "varied": 0.2,
    "articulated": 0.2,
}
"""Noise model → its share of the training windows."""
_WITH_LIFTER = {name: 0.8 * share for name, share in TRAINING_NOISE.items()} | {"lifted": 0.2}
VALIDATION_REGIMES = ("limb", "half", "block", "whole_1s")
VALIDATION_FRAMES = 243
"""Frames of a validation case, and what a clip of validation people has to have."""
_MIN_CLIP_FRAMES = 60  # of a training clip
_MOST_OFF = 0.25  # metres: of joints in view, on average; an estimate that is worse teaches nothing

Generator = np.random.Generator
Clips = Sequence[np.ndarray]
World = Float[np.ndarray, "T 17 3"]  # joints in world axes, metres
Features = Float[Tensor, "1 ..."]
ClipJoints = Float[Tensor, "1 T 17 3"]
Example = tuple[np.ndarray, ...]
Batch = tuple[Tensor, ...]
Loss = tuple[Tensor, dict[str, Tensor]]


def make_validation_examples(
    clips: Clips, frames: int, regimes: Sequence[str], seed: int
) -> Iterator[tuple[np.ndarray, Camera, np.ndarray, Generator]]:
    """Fixed validation cases: the middle of every clip that is long enough, under every regime.

    Args:
        clips: (T, 17, 3), world axes, metres, 50 frames a second.

    Yields:
        Joints in camera space, the camera, which joints are visible, and the case's own generator.
    """
    for i, joints in enumerate(c for c in clips if len(c) >= frames):
        for k, regime in enumerate(regimes):
            rng = np.random.default_rng([seed, i, k])
            start = (len(joints) - frames) // 2
            world = joints[start : start + frames]
            camera = random_camera(rng, world)
            joints_cam = camera.to_camera(world)
            yield joints_cam, camera, occlusion.occlude(regime, joints_cam, PRIOR_FPS, rng), rng


class MotionTask:
    """A task on motions at 50 fps, drawn by the root of their length, so that long clips do not
    outnumber short ones. A task of its own gives `make_example`, `make_case_input`, `predict`
    and `compute_loss`, and extends ``identity`` where it has options of its own.

    Args:
        train, val: clips, each (T, 17, 3), world axes, metres; of ``train`` those of 60 frames or
            more count.
        batch: windows a step, where they are the longest.
        seed: of everything drawn.
    """

    frames: tuple[int, ...] = (243, 243, 120)
    """Of the windows of a step, in turn."""
    validation_frames, validation_seed = VALIDATION_FRAMES, 1

    def __init__(self, train: Clips, val: Clips, batch: int = 32, seed: int = 0):
        self.train = [c for c in train if len(c) >= _MIN_CLIP_FRAMES]
        if not self.train:
            expected, found = "a clip of 60 frames or more", f"{len(train)} that are shorter"
            raise InputError(type(self).__name__, "train", expected, found)
        self.val, self.size, self.seed = val, batch, seed
        weights = np.sqrt([len(c) for c in self.train])
        self.chances = weights / weights.sum()
        self.bodies = find_distinct_bodies(self.train)

    @property
    def identity(self) -> dict:
        """All that the batches depend on, beside the step; plain numbers, text and dicts of
        them."""
        return {
            "task": type(self).__name__,
            "batch": self.size,
            "seed": self.seed,
            "clips": len(self.train),
            "frames": sum(map(len, self.train)),
            "people": len(self.bodies),
        }

    def describe_data(self) -> dict:
        """What a card says of data other than the motions."""
        return {}

    def make_example(self, world: World, rng: Generator) -> Example:
        """Of joints, world axes, metres: the network's input and its target, float32 arrays whose
        shapes depend on T alone."""
        raise NotImplementedError

    def make_case_input(
        self, joints_cam: np.ndarray, camera: Camera, visible: np.ndarray, rng: Generator
    ) -> np.ndarray:
        """The network's input (T, …) in a validation case."""
        raise NotImplementedError

    def predict(self, model: nn.Module, features: Features) -> ClipJoints:
        """The model's prediction, metres, for the input of one such case."""
        raise NotImplementedError

    def compute_loss(self, model: nn.Module, batch: Batch) -> Loss:
        """Of stacked examples: the scalar to minimise, and its unweighted terms by name."""
        raise NotImplementedError

    def make_batch(self, step: int) -> Batch:
        """The batch of that step; of windows half as long there are twice as many."""
        rng = np.random.default_rng([self.seed, step])
        frames = self.frames[step % len(self.frames)]
        count = self.size * round(max(self.frames) / frames)
        examples = [self.make_example(self.draw_motion(frames, rng), rng) for _ in range(count)]
        return tuple(torch.from_numpy(np.stack(column)) for column in zip(*examples))

    def draw_motion(self, frames: int, rng: Generator) -> Float[np.ndarray, "T 17 3"]:
        """An augmented motion of so many frames, world axes, metres."""
        one, other = (self.train[i] for i in rng.choice(len(self.train), 2, p=self.chances))
        return augment_motion(one, frames, rng, self.bodies, other)

    def make_cases(self) -> Iterator[Example]:
        """Validation cases, always the same: the network's input, the truth (T, 17, 3), camera
        axes, metres, root-relative, and which joints are visible, (T, 17) bool."""
        frames, seed = self.validation_frames, self.validation_seed
        views = make_validation_examples(self.val, frames, VALIDATION_REGIMES, seed)
        for joints_cam, camera, visible, rng in views:
            features = self.make_case_input(joints_cam, camera, visible, rng)
            yield features, joints_cam - joints_cam[:, :1], visible

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Mean hidden and visible error on the validation people, mm."""
        device = next(model.parameters()).device
        errors = {"hidden_mm": [], "visible_mm": []}
        for features, truth, visible in self.make_cases():
            with torch.no_grad():
                joints = self.predict(model, torch.from_numpy(features[None]).to(device))[0]
            error_mm = joint_errors_mm(joints.float().cpu().numpy(), truth)
            for name, where in zip(errors, (~visible, visible)):
                errors[name].extend([error_mm[where].mean()] if where.any() else [])
        return {name: float(np.mean(values)) for name, values in errors.items()}


class _EstimatorTask(MotionTask):
    """A task on simulated estimators' poses. With a ``lifter`` one in five is a real network's: its
    own, from simulated detections."""

    def __init__(
        self, train: Clips, val: Clips, batch=32, seed=0, lifter: str | nn.Module | None = None
    ):
        super().__init__(train, val, batch, seed)
        self.lifter = load_model(lifter) if isinstance(lifter, str) else lifter
        self.noise_shares = _WITH_LIFTER if lifter else TRAINING_NOISE

    @property
    def identity(self) -> dict:
        lifter = None if self.lifter is None else hash_tensors(*self.lifter.state_dict().values())
        return super().identity | {"families": self.noise_shares, "lifter": lifter}

    def _simulate(self, world: np.ndarray, rng: Generator):
        """The motion in camera space, its estimate (joints, confidence), and the noise model."""
        camera = random_camera(rng, world)
        joints_cam = camera.to_camera(world)
        visible = _draw_occlusion(joints_cam, rng)
        if rng.random() < 0.15:
            visible &= _draw_occlusion(joints_cam, rng)
        noise = _draw_name(self.noise_shares, rng)
        if noise == "lifted":
            return joints_cam, self._lift(joints_cam, camera, visible, rng), noise
        estimate = estimator_noise.simulate_estimates(joints_cam, visible, PRIOR_FPS, rng, noise)
        return joints_cam, estimate, noise

    def _lift(self, joints_cam: np.ndarray, camera: Camera, visible: np.ndarray, rng):
        detections = estimator_noise.simulate_detections(
            camera.project(joints_cam), visible, PRIOR_FPS, rng
        )
        assert self.lifter is not None
        track = Keypoints2D(*detections, PRIOR_FPS, camera.size)
        # half precision, as the prior itself is trained; on the CPU, as a worker has no GPU
        with torch.autocast("cpu", torch.bfloat16):
            lifted = lift(track, self.lifter, device="cpu")
        return lifted.joints, lifted.confidence


class Denoise(_EstimatorTask):
    """The prior's task: from an estimator's noisy, occluded poses to the true root-relative joints.

    Loss: mean distance + 10·velocity + 0.5·bone length + 0.01·negative log-likelihood of the error
    under the network's own scale (`laplace_nll`, without the pelvis), which does not pull on the
    joints themselves.
    """

    weights = {"loss_mpjpe": 1.0, "loss_velocity": 10.0, "loss_limb_gt": 0.5}

    def make_example(self, world: World, rng: Generator) -> Example:
        joints_cam, (joints, confidence), _ = self._simulate(world, rng)
        return make_input_features(joints, confidence, PRIOR_FPS), _make_target(joints_cam)

    def make_case_input(self, joints_cam, camera, visible, rng) -> np.ndarray:
        estimate = estimator_noise.simulate_estimates(joints_cam, visible, PRIOR_FPS, rng)
        return make_input_features(*estimate, PRIOR_FPS)

    def predict(self, model: nn.Module, features: Features) -> ClipJoints:
        return model(features).joints

    def compute_loss(self, model: nn.Module, batch: Batch) -> Loss:
        features, truth = batch
        output = model(features)
        total, terms = losses.combine_losses(self.weights, output.joints, truth)
        error = (output.joints - truth).norm(dim=-1).detach()[..., 1:]
        terms["likelihood"] = laplace_nll(error, output.scale[..., 1:])
        return total + 0.01 * terms["likelihood"], terms


class DenoiseReal(Denoise):
    """The prior's task, in part on a real estimator's poses of rendered people.

    Their truth is moved onto the estimate by one similarity a clip, fitted on joints in view: size
    and heading are the estimator's own and stay so. Clips are mirrored, turned a little, resized
    and played faster or slower.

    Args:
        share: of the windows that are a real estimator's.
        worse: share of those that are made worse (`worsen_estimate`).
    """

    def __init__(
        self, train: Clips, val: Clips, batch=32, seed=0, lifter=None, share=0.6, worse=0.5
    ):
        super().__init__(train, val, batch, seed, lifter)
        self.share, self.worse = share, worse
        self.pairs = [pair for take in load_takes("train", None) for pair in align_take(take)]
        self.held_out = load_takes("val", None)
        if not self.pairs:
            raise InputError("DenoiseReal", "estimates", "takes that can be aligned", "none")

    @property
    def identity(self) -> dict:
        return super().identity | self.describe_data()

    def describe_data(self) -> dict:
        """The shares; how many sequences real windows are cut from (three a take, by the evidence
        used), and their frames at 50 a second."""
        frames = sum(len(estimate) for estimate, _ in self.pairs)
        shares = {"share": self.share, "worse": self.worse}
        return shares | {"takes": len(self.pairs), "take_frames": frames}

    def make_batch(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        frames = self.frames[step % len(self.frames)]
        count = self.size * round(max(self.frames) / frames)
        fit = [pair for pair in self.pairs if len(pair[0]) >= frames]
        real = round(self.share * count) if fit else 0
        examples = [self._make_real(fit[rng.integers(len(fit))], frames, rng) for _ in range(real)]
        for _ in range(count - real):
            examples.append(self.make_example(self.draw_motion(frames, rng), rng))
        return tuple(torch.from_numpy(np.stack(column)) for column in zip(*examples))

    def _make_real(self, pair: tuple, frames: int, rng: Generator) -> Example:
        """A window of an estimate and its truth, augmented."""
        estimate, truth = pair
        pace = rng.uniform(0.8, 1.2)
        pace = min(pace, (len(estimate) - 1) / max(frames - 1, 1))
        first = rng.uniform(0, len(estimate) - 1 - pace * (frames - 1) + 1e-9)
        times = first + pace * np.arange(frames)
        estimate, truth = (track.sample_at(times, PRIOR_FPS) for track in (estimate, truth))
        if rng.random() < self.worse:
            estimate = worsen_estimate(estimate, truth, rng)
        if rng.random() < 0.5:
            estimate, truth = estimate.mirror(), truth.mirror()
        angles = rng.normal(0, 0.1, 3)
        turn = np.linalg.multi_dot([rotation_about(a, v) for a, v in zip(np.eye(3), angles)])
        turn = turn * rng.uniform(0.85, 1.15)
        features = make_input_features(estimate.joints @ turn, estimate.confidence, PRIOR_FPS)
        return features, _make_target(truth.joints @ turn)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Also the errors on rendered people of val, mm (`take_protocol`)."""
        scores = super().validate(model)
        rows = [score_take(take, _predict_take(model, take)) for take in self.held_out]
        for part in ("hidden", "visible"):
            values = [r[f"mpjpe_{part}_mm"] for r in rows if f"mpjpe_{part}_mm" in r]
            scores[f"real_{part}_mm"] = float(np.mean(values)) if values else float("nan")
        return scores


def align_take(take: Take) -> list[tuple[PoseSequence, PoseSequence]]:
    """A take's estimate and its truth in the estimate's frame, at the prior's frame rate: as it
    comes, and by image evidence under the true and a guessed camera.

    Empty where too little was in view, or the estimate is off throughout.
    """
    used = ~take.hidden & take.found[:, None]
    if used[:, list(SCORED_JOINTS)].sum() < _MIN_CLIP_FRAMES:
        return []
    filled = fill_gaps(take.estimate, how="hold").joints
    # the similarity that takes the truth to the estimate
    truth = align_to_truth(take.footage.joints_cam, filled, used)
    off = np.linalg.norm(truth - (filled - filled[:, :1]), axis=-1)[used].mean()
    if off > _MOST_OFF:
        return []
    target = PoseSequence(truth, fps=take.footage.fps).resample(PRIOR_FPS)
    views = [use_image_evidence(take.estimate, camera)[0] for camera in (take.make_camera(), None)]
    estimates = [view.replace(keypoints=None) for view in (take.estimate, *views)]
    return [(estimate.resample(PRIOR_FPS), target) for estimate in estimates]


def _predict_take(model: nn.Module, take: Take) -> Float[np.ndarray, "T 17 3"]:
    refined = refine(take.estimate, "prior", model)
    return refined.sequence[:].joints


class RankedTask:
    """A lifter's loss: MotionBERT's supervised objective and, by their weights, RePOSE's ranking
    losses."""

    weights: dict[str, float]

    def with_rank(self, rank: tuple[float, float]) -> Self:
        """The same task under other weights of the spatial and the temporal ranking loss."""
        other = copy.copy(self)
        other.weights = losses.make_loss_weights(rank)
        return other

    def compute_loss(self, model: nn.Module, batch: Batch) -> Loss:
        """Weighted sum of the losses, and the terms by name."""
        features, truth = batch
        return losses.combine_losses(self.weights, model(features), truth)


class Lift(RankedTask, MotionTask):
    """RePOSE's task: from noisy, occluded 2D keypoints to root-relative 3D joints.

    Args:
        rank: weights of RePOSE's spatial and temporal ranking losses, added to MotionBERT's
            objective.
    """

    # the temporal ranking loss costs the square of it; `lift` cuts windows as long
    frames: tuple[int, ...] = (120, 120, 81)
    validation_frames, validation_seed = 120, 2

    def __init__(self, train: Clips, val: Clips, batch=32, seed=0, rank=(0.0, 0.0)):
        super().__init__(train, val, batch, seed)
        self.weights = losses.make_loss_weights(rank)

    @property
    def identity(self) -> dict:
        return super().identity | {"weights": self.weights}

    def make_example(self, world: World, rng: Generator) -> Example:
        camera = random_camera(rng, world)
        joints_cam = camera.to_camera(world)
        visible = _draw_occlusion(joints_cam, rng)
        features = self.make_case_input(joints_cam, camera, visible, rng)
        return features, _make_target(joints_cam)

    def make_case_input(self, joints_cam, camera, visible, rng) -> np.ndarray:
        pixels, confidence = estimator_noise.simulate_detections(
            camera.project(joints_cam), visible, PRIOR_FPS, rng
        )
        return make_lifter_features(pixels, confidence, PRIOR_FPS, camera.size)

    def predict(self, model: nn.Module, features: Features) -> ClipJoints:
        return model(features)


class Smooth(_EstimatorTask):
    """SmoothNet's task: windows of linearly filled root-relative joints to the true ones.

    Zeng et al., ECCV 2022: L1 of the positions and 0.1 · L1 of the accelerations. The same motions,
    occlusions and noise as the prior gets.
    """

    def __init__(self, train: Clips, val: Clips, batch=32, seed=0, lifter=None, window: int = 32):
        super().__init__(train, val, batch, seed, lifter)
        self.window = window

    @property
    def identity(self) -> dict:
        return super().identity | {"window": self.window}

    def make_example(self, world: World, rng: Generator) -> Example:
        joints_cam, estimate, noise = self._simulate(world, rng)
        filled = _fill_relative(*estimate, "lifted" if noise == "lifted" else "estimator")
        start = int(rng.integers(len(world) % self.window + 1))
        cut = slice(start, start + len(world) // self.window * self.window)
        shape = -1, self.window, 17, 3
        return filled[cut].reshape(shape), _make_target(joints_cam)[cut].reshape(shape)

    def make_case_input(self, joints_cam, camera, visible, rng) -> np.ndarray:
        estimate = estimator_noise.simulate_estimates(joints_cam, visible, PRIOR_FPS, rng)
        return _fill_relative(*estimate, "estimator")

    def predict(self, model: SmoothNet, features: Features) -> ClipJoints:
        return model.smooth(features[0])[None]

    def compute_loss(self, model: nn.Module, batch: Batch) -> Loss:
        filled, truth = (x.flatten(0, 1) for x in batch)
        error = model(filled).float() - truth
        terms = {
            "position": error.abs().mean(),
            "acceleration": error.diff(n=2, dim=1).abs().mean(),
        }
        return terms["position"] + 0.1 * terms["acceleration"], terms


def _draw_name(shares: dict[str, float], rng: Generator) -> str:
    chances = np.array(list(shares.values())) / sum(shares.values())
    return list(shares)[rng.choice(len(shares), p=chances)]


def _draw_occlusion(joints_cam: np.ndarray, rng: Generator) -> Bool[np.ndarray, "T 17"]:
    """Which joints a regime of the training leaves visible."""
    return occlusion.occlude(_draw_name(TRAINING_REGIMES, rng), joints_cam, PRIOR_FPS, rng)


def _make_target(joints_cam: np.ndarray) -> Float[np.ndarray, "T 17 3"]:
    return (joints_cam - joints_cam[:, :1]).astype(np.float32)


def _fill_relative(joints: np.ndarray, confidence: np.ndarray, kind: str) -> np.ndarray:
    """Linearly filled root-relative joints, as SmoothNet gets them for this kind of input."""
    options = TUNED[kind].get("smoothnet", {})
    filled = linear(PoseSequence(joints, confidence), **options)
    return filled.root_relative().joints.astype(np.float32)
