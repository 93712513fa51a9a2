"""STRIDE: from noisy, occluded poses to continuous, plausible ones. One call for every method.

``refine(sequence, method)`` takes any baseline by name, ``smoothnet``, ``prior`` (the frozen
network), ``stride_published`` (test-time training with the published objective) or ``stride_ours``
(masked self-distillation). The steps of the last three are those of `refine_with_network`:

0. drop what stands for no coordinate, and gross outliers, which no body can have made (every
   method); note what is no body;
1. check confidence: where none is high enough to be trusted, all observations are;
2. fix left/right swaps (``stride_ours``);
3. move joints onto the rays of their keypoints in the image, where there are any (``prior`` and
   ``stride_ours``);
4. resample to the network's frame rate;
5. adapt the network to the sequence (test-time training), kept only where held-out joints gain;
6. predict window by window; ``stride_ours`` predicts again without the outliers and averages both;
7. keep detections that are better than the answer (``stride_ours``, where there are no keypoints);
8. resample back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import nn

from stride_nb.errors import InputError, check_path
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.motion_prior import PRIOR_FPS, Prior
from stride_nb.models.registry import choose_device, load_shared_model
from stride_nb.models.smoothnet import SmoothNet
from stride_nb.models.uncertainty import chance_within
from stride_nb.poses.body_check import check_extent, describe_faults
from stride_nb.poses.gap_filling import FILLED_CONFIDENCE
from stride_nb.poses.geometry import Camera
from stride_nb.poses.gross_outliers import OUTLIER_CONTEXT_SECONDS, find_gross_outliers
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear
from stride_nb.poses.repeated_values import find_repeated_values
from stride_nb.poses.sequence import Keypoints2D, PoseSequence, floor_confidence, resample_like
from stride_nb.poses.skeleton import H36M17
from stride_nb.poses.streaming import StreamedSequence, Track3D
from stride_nb.refinement.filters import BASELINES, gaussian, linear
from stride_nb.refinement.fusion import fuse_with_detections
from stride_nb.refinement.image_evidence import attach_keypoints, use_image_evidence
from stride_nb.refinement.left_right_swap import CONTEXT_SECONDS, find_changed_pairs, fix_swaps
from stride_nb.refinement.orientation import (
    find_upright_rotation,
    lower_confidence_if_far,
    turn,
)
from stride_nb.refinement.sliding_window import Windows
from stride_nb.refinement.swap_judgement import judge_swaps, settle_swaps_by_length
from stride_nb.refinement.test_time_training import (
    PublishedTTT,
    SelfDistillationTTT,
    TTTSettings,
    adapt_network,
    make_settings,
)

__all__ = ["METHODS", "USE_IMAGE", "Refinement", "Trace", "choose_weights", "refine"]

METHODS = ("smoothnet", "prior", "stride_published", "stride_ours")
"""What ``refine`` knows beside the baselines."""
USE_IMAGE = ("prior", "stride_ours")
"""Methods that use keypoints, where a sequence has them and the network is a `Prior`."""
_TTT = {"stride_published": PublishedTTT, "stride_ours": SelfDistillationTTT}
_PART = 1000  # frames in which gross outliers are looked for at a time
_CLOSE = 0.1  # metres: the confidence of a prior is the chance that a joint is as near

Refined = TypeVar("Refined", bound=Track3D)


@dataclass(frozen=True)
class Trace:
    """How a refinement went."""

    method: str
    seconds: float
    steps: list[dict] = field(default_factory=list)
    """A row a step of test-time training. ``stride_published``: epoch, window, loss and its terms.
    ``stride_ours``: step, blind and anchor (mean errors of masked and of other joints, metres), and
    held_out_mm where it was measured; the first row is the frozen network's held_out_mm alone."""
    note: str = ""
    """Which observations were trusted, how many frames had left/right swaps, whether the adaptation
    was kept."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """What ``refine`` returns."""

    sequence: PoseSequence | StreamedSequence
    trace: Trace
    scale: np.ndarray | None = None
    """(T, J) metres: the scale s of each joint's error (`uncertainty`: 3 s is expected); 0 at the
    pelvis. ``None`` for methods that do not estimate it, and for a `StreamedSequence`."""


def refine(
    sequence: PoseSequence | StreamedSequence,
    method: str = "stride_ours",
    model: nn.Module | str | None = None,
    seed: int = 0,
    device: str | None = None,
    keypoints: Keypoints2D | None = None,
    camera: Camera | None = None,
    **options,
) -> Refinement:
    """Refine one person's sequence.

    Args:
        sequence: camera space (x right, y down, z forward), metres; any length, any frame rate.
            Missing joints are NaN with confidence 0. A `Prior` takes detections below
            `CONFIDENCE_THRESHOLD` as low-confidence ones (all are trusted where none reaches it),
            and holds a `StreamedSequence`, and its result, never whole.
        method: a key of ``BASELINES`` or one of ``METHODS``.
        model: a network, the name of shipped weights, or a path; default: `choose_weights`.
        seed, device: of all that is drawn; of networks, by default a GPU where there is one.
        keypoints: what was seen of the person in the image, in the same frames; default: the
            sequence's own. For methods that ``USE_IMAGE``.
        camera: that saw them (its intrinsics); default: a guessed field of view.
        options: parameters of a baseline (SmoothNet's are ``linear``'s), fields of `PublishedTTT`
            or `SelfDistillationTTT`.

    Returns:
        The sequence with finite coordinates in every frame, the trace, and the scale of the error.
        Confidence: of a `Prior`, the chance that a joint is within 100 mm (relative to the pelvis);
        else the input's, and `FILLED_CONFIDENCE` where filled in.

    Raises:
        InputError: no sequence of 3D poses, an unknown method or option, a sequence in which no
            joint was seen or of another joint set than the networks', an unsuitable network.
    """
    start = time.perf_counter()
    check_request(sequence, method, seed)
    if keypoints is not None or camera is not None:
        sequence = attach_evidence(sequence, method, keypoints, camera)
    network = None if method in BASELINES else load_network(sequence, method, model, device)
    sequence, clean_note = drop_what_is_no_body(sequence)
    result, scale, steps, note = _refine_by_method(sequence, method, network, seed, options, camera)
    note = clean_note + note if note else clean_note.removesuffix("; ")
    return Refinement(result, Trace(method, time.perf_counter() - start, steps, note), scale)


def _refine_by_method(
    sequence: Track3D,
    method: str,
    network: nn.Module | None,
    seed: int,
    options: dict,
    camera: Camera | None,
) -> tuple[Track3D, np.ndarray | None, list[dict], str]:
    """A baseline, or a network, whole sequences for those that cannot do with parts: what
    `refine_with_network` gives."""
    if isinstance(sequence, StreamedSequence) and not isinstance(network, Prior):
        sequence = sequence[:]
    if network is None:
        return BASELINES[method](sequence, **options), None, [], ""
    return refine_with_network(sequence, method, network, seed, options, camera)


def refine_with_network(
    sequence: Track3D,
    method: str,
    network: nn.Module,
    seed: int,
    options: dict,
    camera: Camera | None = None,
) -> tuple[Track3D, np.ndarray | None, list[dict], str]:
    """The steps of a refinement: the result, the scale of its error, the rows of the training, and
    a note."""
    check_model_type(method, network)
    if isinstance(network, SmoothNet):
        return smooth_with_smoothnet(sequence[:], network, options), None, [], ""
    settings, is_ours = make_method_settings(method, options), method == "stride_ours"
    trust_note = swap_note = image_note = turn_note = ""
    seen = sequence.keypoints if isinstance(sequence, PoseSequence) else None
    if isinstance(network, Prior):
        sequence, trust_note = trust_all_if_uncalibrated(sequence)
    if is_ours:
        sequence, swap_note = fix_left_right_swaps(sequence, network)
    if method in USE_IMAGE and isinstance(network, Prior) and isinstance(sequence, PoseSequence):
        sequence, camera, image_note = use_image_evidence(sequence, camera)
    rotation = None
    if isinstance(network, Prior):
        rotation, turn_note = find_upright_rotation(sequence, network)
    given, sequence = sequence, sequence if rotation is None else turn(sequence, rotation)
    source = resample_for_network(sequence, method, network)
    windows = cut_windows(source, network, settings)
    network, steps, ttt_note = adapt_network(network, windows, seed, settings)
    result, scale = merge_windows(
        source, predict_spans(source, windows, network, is_ours, has_global_trajectory(sequence))
    )
    fusion_note = ""
    if is_ours and isinstance(network, Prior) and not image_note:
        result, fusion_note = fuse_with_detections(source, result)
    result, scale = resample_back(sequence, result, scale)
    if rotation is not None:
        result = turn(result, rotation.T)
    if isinstance(network, Prior):
        result, scale, far_note = lower_confidence_if_far(given, result, scale)
        turn_note += far_note
    if seen is not None:  # as they came
        result = result[:].replace(keypoints=seen)
    notes = trust_note, swap_note, image_note, turn_note, fusion_note, ttt_note
    return result, scale, steps, "".join(notes)


def check_request(sequence: Track3D, method: str, seed: int) -> None:
    """InputError where there is nothing to refine, or no such method or seed."""
    if not isinstance(sequence, (PoseSequence, StreamedSequence)):
        expected = "3D poses (of 2D keypoints lift.lift makes them)"
        raise InputError("refine", "sequence", expected, type(sequence).__name__)
    if not isinstance(method, str) or method not in (*BASELINES, *METHODS):
        known = ", ".join([*BASELINES, *METHODS])
        raise InputError("refine", "method", f"one of {known}", repr(method))
    if all(part.missing.all() for part in sequence.iter_parts()):
        where = sequence.name or "sequence"
        raise InputError(where, "joints", "at least one that was seen", "none")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError("refine", "seed", "a whole number from 0 on", repr(seed))


def drop_repeated_values(sequence: Track3D) -> tuple[Track3D, str]:
    """The sequence with joints missing that stand at one number in all coordinates, as programs
    write of what they did not see; itself where there are none; and a note of how many there
    were."""
    masks = []
    for a in range(0, len(sequence), _PART):
        part = sequence[a : a + _PART]
        joints = np.where(part.missing[..., None], np.nan, part.joints)
        found = find_repeated_values(joints).values()
        masks.append(np.any(list(found), axis=0) if found else np.zeros(part.missing.shape, bool))
    lost = np.concatenate(masks)
    if not lost.any() or all(part.missing.all() for part in _mask(sequence, lost).iter_parts()):
        return sequence, ""
    return _mask(
        sequence, lost
    ), f"{lost.sum()} joints at 0 or such in all coordinates are missing; "


def _mask(sequence: Track3D, lost: Bool[np.ndarray, "T J"]) -> Track3D:
    """The sequence with those joints missing."""

    def drop(part: PoseSequence) -> PoseSequence:
        own = lost[part.start - sequence.start :][: len(part)]
        return part.replace(confidence=np.where(own, 0.0, part.confidence))

    return sequence.map(drop)


def drop_what_is_no_body(sequence: Track3D) -> tuple[Track3D, str]:
    """The sequence without values that stand for no coordinate and without gross outliers, and a
    note on these and on what is no person's.

    Raises:
        InputError: not in metres.
    """
    sequence, value_note = drop_repeated_values(sequence)
    check_extent(sequence)
    sequence, outlier_note = drop_outliers(sequence)
    faults = "".join(f"{fault}; " for fault in describe_faults(sequence))
    return sequence, value_note + faults + outlier_note


def drop_outliers(sequence: Track3D) -> tuple[Track3D, str]:
    """The sequence with gross outliers missing, itself where there are none; and a note of how many
    there were."""
    context = round(OUTLIER_CONTEXT_SECONDS * sequence.fps)
    masks = [
        find_gross_outliers(sequence[max(a - context, 0) : a + _PART + context])[min(a, context) :][
            :_PART
        ]
        for a in range(0, len(sequence), _PART)
    ]
    outliers = np.concatenate(masks)
    if not outliers.any():
        return sequence, ""
    names = ", ".join(np.array(sequence.skeleton.joints)[outliers.any(0)])
    return _mask(sequence, outliers), f"{outliers.sum()} gross outliers are missing ({names}); "


def attach_evidence(
    sequence: Track3D, method: str, keypoints: Keypoints2D | None, camera: Camera | None
) -> PoseSequence:
    """The sequence with the keypoints given; InputError where they or a camera are of no use."""
    if method not in USE_IMAGE:
        expected = f"none (methods that use it: {', '.join(USE_IMAGE)})"
        raise InputError(method, "keypoints, camera", expected, "image evidence")
    whole = sequence[:]
    whole = whole if keypoints is None else attach_keypoints(whole, keypoints)
    if camera is not None and whole.keypoints is None:
        expected = "keypoints of the same frames, which the camera saw"
        raise InputError(whole.name or "sequence", "keypoints", expected, "none")
    return whole


def load_network(
    sequence: Track3D, method: str, model: nn.Module | str | None, device: str | None
) -> nn.Module:
    """The network of a method on its device; InputError where it has another joint set."""
    if sequence.skeleton != H36M17:
        expected = 'h36m17 (sequence.to("h36m17") converts)'
        raise InputError(sequence.name or "sequence", "skeleton", expected, sequence.skeleton.name)
    model = choose_weights(sequence, method) if model is None else model
    model = model if isinstance(model, nn.Module) else str(check_path("refine", model))
    network = model if isinstance(model, nn.Module) else load_shared_model(model)
    return network.to(choose_device(device)).eval()


def choose_weights(sequence: Track3D, method: str) -> str:
    """Name of the shipped weights for a sequence: those that have met a real estimator
    (``prior_real``) where it was estimated in a video, that is, where it has keypoints of its own,
    and the method uses them."""
    if method == "smoothnet":
        return "smoothnet"
    seen = isinstance(sequence, PoseSequence) and sequence.keypoints is not None
    return "prior_real" if seen and method in USE_IMAGE else "prior"


def check_model_type(method: str, network: nn.Module) -> None:
    """InputError where the network is for something else than the method."""
    kinds = (SmoothNet,) if method == "smoothnet" else (Prior, DSTformer)
    if not isinstance(network, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(method, "model", names, type(network).__name__)


def make_method_settings(method: str, options: dict) -> TTTSettings | None:
    """Settings of the method's test-time training; ``None`` for the frozen prior."""
    if method in _TTT:
        return make_settings(_TTT[method], options)
    if options:
        raise InputError(method, "option", "none", ", ".join(options))
    return None


def smooth_with_smoothnet(
    sequence: PoseSequence, network: SmoothNet, options: dict
) -> PoseSequence:
    """SmoothNet on the joints relative to the pelvis, filled by ``linear`` with these options; a
    Gaussian smooths the pelvis's own path."""
    source = linear(sequence.resample(PRIOR_FPS), **options)
    relative = torch.from_numpy(source.root_relative().joints).float()
    device = next(network.parameters()).device
    joints = network.smooth(relative.to(device)).double().cpu().numpy()
    root = gaussian(source).joints[:, :1]
    result = source.replace(joints=joints - joints[:, :1] + root)
    return resample_back(sequence, result, None)[0]


def trust_all_if_uncalibrated(sequence: Track3D) -> tuple[Track3D, str]:
    """Trust all observations where no confidence reaches the prior's threshold: it is then on
    another scale.

    A joint of which that is so, among others that do reach it, is low-confidence throughout. The
    note names it: an uncalibrated confidence and a joint that is always occluded look alike.
    """
    highest = np.max([part.confidence.max(0) for part in sequence.iter_parts()], 0)
    if highest.max() < CONFIDENCE_THRESHOLD:
        note = f"no confidence reaches {CONFIDENCE_THRESHOLD:g}: all observations are trusted; "
        return sequence.map(floor_confidence, 0), note
    low = [
        joint
        for joint, confidence in zip(sequence.skeleton.joints, highest)
        if 0 < confidence < CONFIDENCE_THRESHOLD
    ]
    note = f"low-confidence (below {CONFIDENCE_THRESHOLD:g}) in every frame: {', '.join(low)}; "
    return sequence, note if low else ""


def fix_left_right_swaps(sequence: Track3D, network: nn.Module) -> tuple[Track3D, str]:
    """The sequence with left/right swaps corrected, before anything blends frames, those that only
    one side speaks for as a `Prior` judges them; and a note of how many frames had one."""

    def fix(part: PoseSequence) -> PoseSequence:
        if isinstance(network, Prior):
            return judge_swaps(part, fix_swaps(part), network)
        return settle_swaps_by_length(part, fix_swaps(part))

    fixed = sequence.map(fix, round(CONTEXT_SECONDS * sequence.fps))
    if isinstance(fixed, PoseSequence) and fixed.keypoints is not None:
        seen = settle_swaps_by_length(fixed.keypoints, fix_swaps(fixed.keypoints))
        fixed = fixed.replace(keypoints=seen)
    if isinstance(fixed, StreamedSequence):
        fixed = fixed.store(fixed.iter_parts())  # computed once, not for every slice
    frames = sum(
        int(find_changed_pairs(before, after).any((1, 2)).sum())
        for before, after in zip(sequence.iter_parts(), fixed.iter_parts())
    )
    note = f"left/right swaps corrected in {frames} frame{'s' * (frames > 1)}; "
    return fixed, note if frames else ""


def resample_for_network(sequence: Track3D, method: str, network: nn.Module) -> Track3D:
    """At the prior's frame rate. A published network takes frames as they come, and as published
    with gaps filled linearly, however long, joint by joint."""
    if isinstance(network, Prior):
        return sequence.resample(PRIOR_FPS)
    if method == "stride_ours":
        return sequence
    whole = sequence[:]
    joints = fill_linear(whole.joints, ~whole.missing)
    return whole.replace(joints=joints, confidence=np.maximum(whole.confidence, FILLED_CONFIDENCE))


def cut_windows(source: Track3D, network: nn.Module, settings: TTTSettings | None) -> Windows:
    """Overlapping windows; the published method's do not overlap."""
    if isinstance(settings, PublishedTTT):
        return Windows(source, network, settings.window, settings.window, partial=True)
    return Windows(source, network)


def has_global_trajectory(sequence: Track3D) -> bool:
    """Whether the pelvis has a path, if only by the joints around it; else the poses are
    root-relative, as the lifter's."""
    seen = False
    for part in sequence.iter_parts():
        pelvis = part.joints[:, 0][~part.missing[:, 0]]
        if pelvis.any():
            return True
        seen |= len(pelvis) > 0
    return not seen


def predict_spans(
    source: Track3D, windows: Windows, network: nn.Module, second_pass: bool, with_path: bool
) -> Iterator[tuple[slice, PoseSequence, np.ndarray | None]]:
    """The refined sequence span by span, on the pelvis's path or root-relative, and the scale of
    its error."""
    for span, joints, root, scale in windows.predict(network, second_pass):
        part = source[span]
        filled = np.maximum(part.confidence, FILLED_CONFIDENCE)
        confidence = filled if scale is None else chance_within(_CLOSE, scale)
        yield span, part.replace(joints=joints + root * with_path, confidence=confidence), scale


def merge_windows(
    source: Track3D, spans: Iterator[tuple[slice, PoseSequence, np.ndarray | None]]
) -> tuple[Track3D, np.ndarray | None]:
    """One sequence of all spans, and the scale of its error where there is one in memory."""
    if isinstance(source, StreamedSequence):
        return source.store(part for _, part, _ in spans), None
    joints, confidence = np.empty_like(source.joints), np.empty_like(source.confidence)
    scale = None
    for span, part, part_scale in spans:
        joints[span], confidence[span] = part.joints, part.confidence
        if part_scale is not None:
            scale = np.empty_like(confidence) if scale is None else scale
            scale[span] = part_scale
    return source.replace(joints=joints, confidence=confidence), scale


def resample_back(
    sequence: Track3D, result: Refined, scale: Float[np.ndarray, "S J"] | None
) -> tuple[Refined, np.ndarray | None]:
    """The result, and the scale of the nearest frame, at the frames of ``sequence``."""
    if result.fps == sequence.fps:
        return result, scale
    if scale is not None and isinstance(sequence, PoseSequence):
        # of two as near the later, as `resample_confidence`
        nearest = np.floor(sequence.seconds * result.fps + 0.5 + 1e-9).astype(int)
        scale = scale[np.minimum(nearest, len(result) - 1)]
    return resample_like(sequence, result), scale
