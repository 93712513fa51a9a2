"""STRIDE: from noisy, occluded poses to continuous, plausible ones. One call for every method.

``refine(sequence, method)`` takes any baseline by name, ``prior`` (the frozen network),
``stride_published`` (test-time training with the published objective) or ``stride_ours``: limbs
taken for the other side's are changed back (`sides`); the network is adapted to the sequence, and
that is taken back if held-out joints gain too little (`adapt`); then it answers once more, with
readings that its first answer does not believe marked as guesses (`doubt`), and the mean of both
answers is the result. All return the refined sequence and a trace of how it came about.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from stride_nb.errors import InputError
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.motion_prior import PRIOR_FPS, Prior
from stride_nb.models.registry import choose_device, load_model
from stride_nb.models.smoothnet import SmoothNet
from stride_nb.poses.gap_filling import FILLED
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear
from stride_nb.poses.sequence import PoseSequence, on_clock_of, taken_as_seen
from stride_nb.poses.skeleton import H36M17
from stride_nb.poses.streaming import Stored
from stride_nb.refinement import left_right_swap, test_time_training
from stride_nb.refinement.filters import BASELINES, gaussian, linear
from stride_nb.refinement.sliding_window import Windows

__all__ = ["METHODS", "Refined", "Trace", "chance_within", "refine"]

METHODS = ("smoothnet", "prior", "stride_published", "stride_ours")
"""What ``refine`` knows beside the baselines."""


@dataclass(frozen=True)
class Trace:
    """How a refinement went."""

    method: str
    seconds: float
    steps: list[dict] = field(default_factory=list)
    """A row a step of test-time training. ``stride_published``: epoch, window, loss and its terms.
    ``stride_ours``: step, blind and anchor (mean distances, metres), and held_out_mm where it was
    judged; the first row is the frozen network's held_out_mm alone."""
    note: str = ""
    """What the reader should know: where sides were changed back, whether an adaptation was taken
    back."""


@dataclass(frozen=True, eq=False)
class Refined:
    """What ``refine`` returns."""

    sequence: PoseSequence | Stored
    trace: Trace
    scale: np.ndarray | None = None
    """(T, J) metres: the scale s of each joint's error, whose density is ∝ exp(−r/s) in space, so
    that 3 s is expected; 0 at the pelvis. ``None`` for methods that do not estimate it, and for a
    sequence that is `Stored`."""


def refine(
    sequence: PoseSequence | Stored,
    method: str = "stride_ours",
    model: nn.Module | str = "prior",
    seed: int = 0,
    device: str | None = None,
    **options,
) -> Refined:
    """Refine one person's sequence.

    Args:
        sequence: camera space (x right, y down, z forward), metres; any length from 1 frame on, any
            frame rate. Missing joints are NaN with confidence 0. A `Prior` takes readings below 0.5
            (`gaps.TRUST`) for guesses; where none reaches that, it trusts all. One that is
            `stored.opened` is never in memory whole with a `Prior`, nor is its result, which is
            `Stored`, too.
        method: a key of ``BASELINES`` or one of ``METHODS``.
        model: a network (`load_model`), the name of shipped weights, or a path; baselines do
            without.
        seed: of everything that is drawn.
        device: for networks; a GPU where there is one unless given.
        options: of the method: parameters of a baseline (SmoothNet's are those of ``linear``),
            fields of ``adapt.Published`` or ``adapt.BlindSpot``.

    Returns:
        The sequence with finite coordinates in every frame, the trace, and the scale of the error.
        Confidence: of a `Prior`, the chance that a joint, relative to the pelvis, is within 100 mm
        (so 1 for the pelvis itself, of whose path nothing is said); else the input's, and
        ``FILLED`` where a joint was filled in.

    Raises:
        InputError: what is no sequence of 3D poses, an unknown method or option, a sequence in
            which nothing was seen or of another joint set than the networks', a network for
            something else.
    """
    began = time.perf_counter()
    if not isinstance(sequence, (PoseSequence, Stored)):
        raise InputError(
            "refine",
            "sequence",
            "3D poses (of 2D keypoints lift.lift makes them)",
            type(sequence).__name__,
        )
    if method not in BASELINES and method not in METHODS:
        raise InputError(
            "refine", "method", f"one of {', '.join([*BASELINES, *METHODS])}", repr(method)
        )
    if all(part.missing.all() for part in sequence.parts()):
        raise InputError(
            sequence.name or "sequence", "joints", "at least one that was seen", "none"
        )
    network = None if method in BASELINES else _network(sequence, method, model, device)
    if isinstance(sequence, Stored) and not isinstance(network, Prior):
        sequence = sequence[:]  # what the others answer depends on all of it
    if network is None:
        result, scale, steps, note = BASELINES[method](sequence, **options), None, [], ""
    else:
        result, scale, steps, note = _learned(sequence, method, network, seed, options)
    return Refined(result, Trace(method, time.perf_counter() - began, steps, note), scale)


def _network(
    sequence: PoseSequence | Stored, method: str, model: nn.Module | str, device: str | None
) -> nn.Module:
    if sequence.skeleton != H36M17:
        raise InputError(
            sequence.name or "sequence",
            "skeleton",
            'h36m17 (sequence.to("h36m17") converts)',
            sequence.skeleton.name,
        )
    named = "smoothnet" if (method, model) == ("smoothnet", "prior") else model
    network = named if isinstance(named, nn.Module) else load_model(named)
    return network.to(choose_device(device)).eval()


def _fits(method: str, network: nn.Module) -> None:
    kinds = (SmoothNet,) if method == "smoothnet" else (Prior, DSTformer)
    if not isinstance(network, kinds):
        raise InputError(
            method, "model", " or ".join(kind.__name__ for kind in kinds), type(network).__name__
        )


def _smoothed(sequence: PoseSequence, network: SmoothNet, options: dict) -> PoseSequence:
    """SmoothNet on the joints, filled by ``linear`` with its options, relative to the pelvis, whose
    own path a Gaussian smooths."""
    source = linear(sequence.resample(PRIOR_FPS), **options)
    relative = (
        torch.from_numpy(source.root_relative().joints)
        .float()
        .to(next(network.parameters()).device)
    )
    root = gaussian(source).joints[:, :1]
    joints = network.smooth(relative).double().cpu().numpy()
    result = source.replace(joints=joints - joints[:, :1] + root)
    return on_clock_of(sequence, result) if source.fps != sequence.fps else result


def _learned(sequence: PoseSequence, method: str, network: nn.Module, seed: int, options: dict):
    _fits(method, network)
    if method == "smoothnet":
        return _smoothed(sequence, network, options), None, [], ""
    if options and method == "prior":
        raise InputError(method, "option", "none", ", ".join(options))
    ours, steps, note, sided, raised = isinstance(network, Prior), [], "", "", ""
    if ours:
        sequence, raised = _heard(sequence)
    if method == "stride_ours":
        sequence, sided = _righted(sequence)
    source = (
        sequence.resample(PRIOR_FPS)
        if ours
        else sequence
        if method == "stride_ours"
        else _filled(sequence)
    )
    if method == "stride_published":
        how = test_time_training.settings(test_time_training.Published, options)
        windows = Windows(source, network, how.window, how.window, partial=True)
        network, steps = test_time_training.published(network, windows, seed, how)
    elif method == "stride_ours":
        windows = Windows(source, network)
        network, steps, note = test_time_training.blind_spot(
            network,
            windows,
            seed,
            test_time_training.settings(test_time_training.BlindSpot, options),
        )
    else:
        windows = Windows(source, network)
    result, scale = _whole(
        source, _parts(sequence, source, windows, network, twice=method == "stride_ours")
    )
    if source.fps != sequence.fps:
        result, scale = (
            on_clock_of(sequence, result),
            None if scale is None else _at_frames(scale, source, sequence),
        )
    return result, scale, steps, raised + sided + note


def _heard(sequence: PoseSequence | Stored) -> tuple[PoseSequence | Stored, str]:
    """Where no reading at all is as sure as what a prior trusts, all are trusted: its scale of
    confidence is another's, not its doubt.

    A joint of which that is so, among others that are sure, is a guess throughout, and the note
    says so: that an estimator is never sure of it, and that it is hidden all along, look alike.
    """
    best = np.max([part.confidence.max(0) for part in sequence.parts()], 0)
    if best.max() < CONFIDENCE_THRESHOLD:
        return sequence.map(
            taken_as_seen, 0
        ), f"no confidence reaches {CONFIDENCE_THRESHOLD:g}: all that was seen is trusted; "
    guessed = [joint for joint, most in zip(sequence.skeleton.joints, best) if 0 < most < CONFIDENCE_THRESHOLD]
    return (
        sequence,
        f"guesses in every frame, as no confidence reaches {CONFIDENCE_THRESHOLD:g}: {', '.join(guessed)}; "
        if guessed
        else "",
    )


def _righted(sequence: PoseSequence | Stored) -> tuple[PoseSequence | Stored, str]:
    """With no limb taken for the other side's, before anything blends frames; and a note on where
    that was so."""
    righted = sequence.map(left_right_swap.put_right, round(left_right_swap.AROUND * sequence.fps))
    if isinstance(righted, Stored):
        righted = sequence.kept(righted.parts())  # once, not anew for every slice
    frames = sum(
        int(left_right_swap.moved(*both).any((1, 2)).sum())
        for both in zip(sequence.parts(), righted.parts())
    )
    return (
        righted,
        f"left and right changed back in {frames} frame{'s' * (frames > 1)}; " if frames else "",
    )


def _parts(
    sequence, source, windows: Windows, network: nn.Module, twice: bool
) -> Iterator[tuple[PoseSequence, np.ndarray | None]]:
    """The refined sequence, span by span, and the scale of its error."""
    walks = _walks(sequence)
    for span, joints, root, scale in windows.predict(network, twice):
        part = source[span]
        confidence = (
            np.maximum(part.confidence, FILLED) if scale is None else chance_within(0.1, scale)
        )
        yield part.replace(joints=joints + root * walks, confidence=confidence), scale


def _walks(sequence: PoseSequence | Stored) -> bool:
    """Whether the pelvis has a path, if only by the joints around it; else the poses are
    root-relative, as the lifter's."""
    seen = False
    for part in sequence.parts():
        pelvis = part.joints[:, 0][~part.missing[:, 0]]
        if pelvis.any():
            return True
        seen |= len(pelvis) > 0
    return not seen


def _whole(
    source: PoseSequence | Stored, parts: Iterator
) -> tuple[PoseSequence | Stored, np.ndarray | None]:
    if isinstance(source, Stored):
        return source.kept(part for part, _ in parts), None
    joints, confidence, scale, done = (
        *map(np.empty_like, (source.joints, source.confidence, source.confidence)),
        0,
    )
    for part, doubt in parts:
        span, done = slice(done, done + len(part)), done + len(part)
        joints[span], confidence[span], scale[span] = (
            part.joints,
            part.confidence,
            np.nan if doubt is None else doubt,
        )
    return source.replace(joints=joints, confidence=confidence), None if doubt is None else scale


def _filled(sequence: PoseSequence) -> PoseSequence:
    """What the published networks are fed: gaps held at both ends and linear inside, however long,
    joint by joint."""
    joints = fill_linear(sequence.joints, ~sequence.missing)
    return sequence.replace(joints=joints, confidence=np.maximum(sequence.confidence, FILLED))


def chance_within(radius: float, scale: np.ndarray) -> np.ndarray:
    """P(error < ``radius``) where the error is 3D Laplace of that scale (density ∝ exp(−r/s));
    metres.

    >>> chance_within(0.1, np.array([0.01, 0.1])).round(2)
    array([1.  , 0.08])
    """
    x = radius / np.maximum(scale, 1e-6)
    return np.clip(1 - np.exp(-x) * (1 + x + x**2 / 2), FILLED, 1.0)


def _at_frames(scale, source: PoseSequence, sequence: PoseSequence):
    # of two as near the later, as `gaps.carried`
    nearest = np.floor(sequence.seconds * source.fps + 0.5 + 1e-9).astype(int)
    return scale[np.minimum(nearest, len(source) - 1)]
