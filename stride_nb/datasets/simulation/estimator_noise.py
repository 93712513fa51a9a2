"""What a 3D estimator, or a 2D detector, makes of a person: correlated errors, lost frames,
confidence.

A noise model is one function ``(rng, relative, visible, fps) -> error`` under
``@register_noise_model("name")``, which says of what shapes. ``SEEN`` models train the prior;
``UNSEEN`` ones are met first in the test; on ``TUNING`` ones test-time training is tuned, with
people of ``val``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Float
from numpy.random import Generator

from stride_nb.datasets.simulation.sampling import draw_smooth_noise, make_symmetric, time_warp
from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17, HALVES

__all__ = [
    "NOISE_MODELS",
    "SEEN",
    "TUNING",
    "UNSEEN",
    "delay_confidence",
    "draw_estimator_error",
    "quantize_confidence",
    "register_noise_model",
    "simulate_confidence",
    "simulate_detections",
    "simulate_estimates",
    "simulate_varied_confidence",
    "swap_left_right",
]

Points = Float[np.ndarray, "T 17 3"]
Seen = Bool[np.ndarray, "T 17"]
Confidence = Float[np.ndarray, "T 17"]

NOISE_MODELS: dict[str, Callable] = {}
_CONFIDENCE_MODELS: dict[str, Callable] = {}
SEEN = ("estimator", "keyframe", "outlier", "repeat", "varied", "articulated")
TUNING = ("crossed", "swapped")
UNSEEN = ("drift", "lag", "tracked", "tokens")

# Estimators err more towards the ends of the limbs; 1 is the trunk.
_REACH = np.ones(17)
_REACH[H36M17.index("rknee", "lknee", "relbow", "lelbow", "neck", "head")] = 1.3
_REACH[H36M17.index("rankle", "lankle", "rwrist", "lwrist")] = 1.7
_REACH[0] = 0.0
_NOT_ROOT = (_REACH > 0)[:, None]
_DEPTH = np.array([1.0, 1.0, 2.2])  # monocular: the error along the viewing ray is the larger one
_LIMB_ROOTS = H36M17.index("rhip", "lhip", "rshoulder", "lshoulder")
_MIRROR = np.array(H36M17.mirror)


def register_noise_model(name: str, confidence: Callable | None = None):
    """Register a noise model under its name: a function ``(rng, relative, visible, fps) -> error``.

    The function gets ``relative`` (T, 17, 3), the true joints relative to the root, metres, camera
    axes, which are ``visible`` (T, 17) bool, and ``fps``. It draws the ``error`` (T, 17, 3),
    metres, to be added, NaN where there is no estimate; that of joint 0 is the pelvis's against the
    rest, 0 in most models. ``confidence``: ``(rng, visible, fps) -> confidence (T, 17)``, by
    default ``simulate_confidence``.
    """

    def add_model(function: Callable) -> Callable:
        NOISE_MODELS[name] = function
        if confidence:
            _CONFIDENCE_MODELS[name] = confidence
        return function

    return add_model


def _draw_slow_error(rng, visible, fps, seconds, seen, hidden):
    """Error (T, 17, 3) of ``seen``/``hidden`` metres that changes within ``seconds``."""
    level = np.where(visible, seen, hidden)[..., None]
    return draw_smooth_noise(rng, (*visible.shape, 3), seconds, fps) * level


def _draw_correlated_error(rng, visible, fps, seen, hidden, seconds, jitter):
    """Slow error of ``seen``/``hidden`` metres plus white ``jitter``, shaped by joint and axis."""
    slow = _draw_slow_error(rng, visible, fps, seconds, seen, hidden)
    return (slow + jitter * rng.standard_normal(slow.shape)) * _REACH[:, None] * _DEPTH


def _keep_hidden(visible, error):
    """The error of hidden joints, 0 elsewhere."""
    return np.where(visible[..., None], 0.0, error)


def _pull_to_mean(rng, relative, visible):
    """Error of hidden joints that lean to their mean over the clip, some of the way."""
    return _keep_hidden(visible, rng.uniform(0.3, 0.9) * (relative.mean(0) - relative))


@register_noise_model("estimator")
def draw_estimator_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """Correlated over 0.25 s, twice as large in depth; hidden joints err by much and lean to a mean
    pose."""
    level = rng.lognormal(0, 0.25)
    seen, hidden, jitter = 0.017 * level, 0.060 * level, 0.004 * level
    error = _draw_correlated_error(rng, visible, fps, seen, hidden, 0.25, jitter)
    # this person, this camera
    offset = rng.standard_normal((1, 17, 3)) * 0.009 * level * _REACH[:, None] * _DEPTH
    bias = rng.standard_normal((1, 17, 3)) * 0.04 * level * _REACH[:, None] * _DEPTH
    return error + offset + _pull_to_mean(rng, relative, visible) + _keep_hidden(visible, bias)


@register_noise_model("keyframe")
def draw_keyframe_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """MotionBERT's: errors at 27 key frames, interpolated over the clip, plus jitter; more where
    hidden."""
    frames = len(visible)
    keys = rng.standard_normal((27, 17, 3)) * rng.uniform(0.008, 0.025)
    error = time_warp(keys, np.linspace(0, 26, frames))
    error = error + rng.standard_normal((frames, 17, 3)) * 0.003
    return error * np.where(visible, 1.0, rng.uniform(2, 6))[..., None] * _REACH[:, None] * _DEPTH


@register_noise_model("outlier")
def draw_outlier_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """Mild correlated error; now and then a joint jumps away for up to 0.2 s."""
    hidden, seconds = rng.uniform(0.04, 0.08), rng.uniform(0.1, 0.5)
    error = _draw_correlated_error(rng, visible, fps, 0.010, hidden, seconds, 0.003)
    starts = rng.random(visible.shape) < np.where(visible, 0.1, 0.5) / fps
    spell = np.ones(max(1, round(rng.uniform(0.02, 0.2) * fps)))
    jumps = rng.standard_normal((*visible.shape, 3)) * 0.12 * _DEPTH * starts[..., None]
    if starts.any():
        jumps = np.apply_along_axis(lambda x: np.convolve(x, spell)[: len(x)], 0, jumps)
    return error + jumps * _NOT_ROOT + _pull_to_mean(rng, relative, visible)


@register_noise_model("repeat")
def draw_repeat_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """A video of 15 to 30 frames a second brought to ``fps``: each estimate of the model
    ``estimator`` stays till the next."""
    rate = min(rng.uniform(15, 30), fps)
    now = np.arange(len(visible))
    shown = now if rate == fps else np.ceil(np.floor(now * rate / fps) * fps / rate).astype(int)
    estimates = relative + draw_estimator_error(rng, relative, visible, fps)
    return estimates[np.minimum(shown, now)] - relative  # rounding looks no frame ahead


def simulate_varied_confidence(rng: Generator, visible: Seen, fps: float) -> Confidence:
    """In (0, 1]: how high where visible, how low where hidden, how steady and how often wrong, all
    drawn.

    In one clip of ten it does not depend on visibility: hidden joints are as confident as visible
    ones.
    """
    high, low = rng.uniform(0.6, 0.95), rng.uniform(0.05, 0.45)
    overconfident = 1.0 if rng.random() < 0.1 else rng.uniform(0, 0.4)
    underconfident = rng.uniform(0, 0.1)
    wander = draw_smooth_noise(rng, visible.shape, rng.uniform(0.1, 0.6), fps)
    wander = wander * rng.uniform(0.03, 0.15)
    noise = draw_smooth_noise(rng, visible.shape, rng.uniform(0.2, 0.8), fps)
    chance = np.argsort(np.argsort(noise, None)).reshape(visible.shape) / visible.size
    wrong = chance < np.where(visible, underconfident, overconfident)
    return np.clip(np.where(visible ^ wrong, high, low) + wander, 0.02, 1.0)


@register_noise_model("varied", simulate_varied_confidence)
def draw_varied_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """An estimator whose behaviour is drawn too: how far, how slowly and with what tails it errs,
    how much of that its pelvis shares, and whether hidden joints lean to their mean, are where they
    are at some other time, err just more, or are missing."""
    level, shape = rng.lognormal(0, 0.35), (*visible.shape, 3)
    reach = _REACH * rng.lognormal(0, 0.2, 17)
    reach[0] = rng.uniform(0, 1)
    slow = _draw_slow_error(rng, visible, fps, rng.uniform(0.1, 1.0), 0.014, 0.05)
    jitter = rng.uniform(0, 0.006) * rng.standard_t(rng.uniform(3, 30), shape)
    error = level * (slow + jitter + 0.01 * rng.standard_normal((1, 17, 3)))
    error = error * reach[:, None] * (1, 1, rng.uniform(1.5, 3))
    share = rng.uniform(0.3, 1.0)
    other = np.roll(relative, rng.integers(len(relative)), 0)
    extrapolations = (
        share * (relative.mean(0) - relative),
        share * (other - relative),
        0.0,
        np.where(_NOT_ROOT, np.nan, 0.0),
    )
    # where no joint is visible, no joint is missing or extrapolated from others
    hidden = ~visible & visible.any(1, keepdims=True)
    return error + np.where(hidden[..., None], extrapolations[rng.integers(4)], 0.0)


@register_noise_model("articulated", simulate_varied_confidence)
def draw_articulated_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """An estimator of joint angles, whose poses are always a body's: bones turned by slow errors,
    on a body of its own.

    What a hidden limb is estimated to do is drawn: what it does, with more error; what it does at
    another time, or on average; what the other side does; or some of the way there.
    """
    level = rng.lognormal(0, 0.35)
    deep = (1, 1, rng.uniform(1, 3))
    slow = _draw_slow_error(rng, visible, fps, rng.uniform(0.1, 1.0), 0.055, 0.25)
    constant = 0.045 * rng.standard_normal((1, 17, 3))
    wander = slow + constant + rng.uniform(0, 0.02) * rng.standard_normal(slow.shape)
    wander = level * wander * deep
    other = np.roll(relative, rng.integers(len(relative)), 0)
    sources = relative, other, relative.mean(0, keepdims=True), relative[:, _MIRROR]
    source = sources[rng.integers(4)]
    share = 1.0 if rng.random() < 0.5 else rng.uniform(0.3, 1.0)
    size = make_symmetric(rng.lognormal(0, rng.uniform(0, 0.08), 17))
    out = relative.copy()
    for j, p in H36M17.bones:
        bone, extrapolation = relative[:, j] - relative[:, p], source[:, j] - source[:, p]
        length = np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-6)
        occluded = bone + share * (extrapolation - bone)
        direction = np.where(visible[:, j, None], bone, occluded) / length + wander[:, j]
        norm = np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-6)
        out[:, j] = out[:, p] + size[j] * length * direction / norm
    return out - relative


@register_noise_model("crossed")
def draw_crossed_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """Not trained on (`TUNING`): bones too short, slow errors, and hidden limbs drawn towards the
    other side's."""
    seen = 0.012 * rng.lognormal(0, 0.3)
    slow = _draw_correlated_error(rng, visible, fps, seen, 0.05, 0.6, 0.002)
    other = rng.uniform(0.2, 0.7) * (relative[:, _MIRROR] - relative)
    return slow - rng.uniform(0, 0.08) * relative + _keep_hidden(visible, other) * _NOT_ROOT


def _draw_swap_spans(
    rng: Generator, frames: int, fps: float, rate: float, seconds: tuple[float, float]
) -> Iterator[slice]:
    """Spans in which an estimator swaps left and right: ``rate`` begin a second, each lasts from so
    many to so many seconds."""
    for start in np.flatnonzero(rng.random(frames) < rate / fps):
        yield slice(start, start + round(rng.uniform(*seconds) * fps))


@register_noise_model("swapped")
def draw_swapped_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """Not trained on (`TUNING`): ``crossed``, and for 0.1 to 1 s legs, arms or both are swapped
    with the other side's."""
    (apart,) = rng.spawn(1)  # all else is as under ``crossed``
    estimates = relative + draw_crossed_error(rng, relative, visible, fps)
    return swap_left_right(apart, estimates, fps) - relative


def swap_left_right(
    rng: Generator, points: Float[np.ndarray, "T 17 C"], fps: float
) -> Float[np.ndarray, "T 17 C"]:
    """Points whose legs, arms or both, now and then without hips and shoulders, are for 0.1 to 1 s
    those of the other side."""
    points, joints = points.copy(), np.arange(17)
    legs, roots = np.isin(joints, HALVES["both legs"]), np.isin(joints, _LIMB_ROOTS)
    for span in _draw_swap_spans(rng, len(points), fps, 0.2, (0.1, 1.0)):
        part = (legs, ~legs, np.ones(17, bool))[rng.integers(3)]
        part = part & (~roots | (rng.random() < 2 / 3))
        points[span] = points[span][:, np.where(part, _MIRROR, joints)]
    return points


@register_noise_model("drift")
def draw_drift_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """Unseen in training: the whole body turned, tilted and flattened in depth, slowly changing;
    hidden limbs hang."""
    frames = len(visible)
    angle = draw_smooth_noise(rng, (frames, 3), 1.5, fps) * np.array([0.06, 0.14, 0.05])
    flat = 1 - 0.12 * np.abs(draw_smooth_noise(rng, (frames, 1), 1.0, fps))
    rotated = relative + np.cross(angle[:, None], relative)  # small angles
    rotated[..., 2] *= flat
    hanging = relative.mean(0) + np.array([0, 0.05, 0])
    hang = _keep_hidden(visible, 0.6 * (hanging - relative))
    slow = _draw_correlated_error(rng, visible, fps, 0.006, 0.045, 0.8, 0.002)
    return rotated - relative + hang * _NOT_ROOT + slow


@register_noise_model("lag")
def draw_lag_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """Unseen in training: an estimator at 8–12 Hz whose estimates are held, late, and on a coarse
    grid; now and then, for 0.1 to 0.4 s, it swaps left and right."""
    frames = len(visible)
    step = max(1, round(fps / rng.uniform(8, 12)))
    late = np.maximum((np.arange(frames) // step) * step - rng.integers(0, step + 1), 0)
    noisy = relative + _draw_correlated_error(rng, visible, fps, 0.014, 0.055, 0.08, 0.0)
    grid = np.array([0.02, 0.02, 0.05])
    held = np.round(noisy[late] / grid) * grid
    for span in _draw_swap_spans(rng, frames, fps, 0.15, (0.1, 0.4)):
        held[span] = held[span][:, _MIRROR]
    return (held - relative) * _NOT_ROOT + _pull_to_mean(rng, relative, visible)


def simulate_confidence(rng: Generator, visible: Seen, fps: float) -> Confidence:
    """In (0, 1]: high where visible, low where hidden, and wrong for one span in twenty."""
    wander = draw_smooth_noise(rng, visible.shape, 0.3, fps) * 0.1
    wrong = draw_smooth_noise(rng, visible.shape, 0.4, fps) > 1.65
    mean = np.where(visible ^ wrong, 0.85, 0.3)
    return np.clip(mean + wander, 0.02, 1.0)


def delay_confidence(rng: Generator, visible: Seen, fps: float) -> Confidence:
    """In (0, 1]: of a tracker, which notices late that it has lost sight of a joint, and reports a
    third of its extrapolations as seen."""
    prompt = np.where(visible, 0.8, 0.4) + 0.15 * draw_smooth_noise(rng, visible.shape, 0.25, fps)
    return np.clip(_smooth_causally(prompt, 0.15 * fps), 0.02, 1.0)


@register_noise_model("tracked", delay_confidence)
def draw_tracked_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """Unseen in training: a tracker that smooths its estimates, with depths out of scale, its
    pelvis wrong like any joint.

    Before it smooths, detections jump now and then (heavy tails), legs or arms are swapped with the
    other side's where they meet in the image, and what is hidden stays where it was last seen
    relative to the pelvis, to sink towards its mean from there. Its confidence comes about in
    another way than that of the other models. It was written and committed before any result under
    it was looked at, after every method that adapts or corrects was final.
    """
    deep = relative * (1, 1, rng.lognormal(0, 0.1))
    reach = np.maximum(_REACH, 1)[:, None] * _DEPTH
    slow = _draw_slow_error(rng, visible, fps, 0.5, 0.01, 0.035)
    # times a Gaussian: Student's t with three degrees of freedom
    tails = np.sqrt(3 / rng.chisquare(3, (*visible.shape, 1)))
    jumpy = (slow + 0.01 * tails * rng.standard_normal(slow.shape)) * reach
    detections = _hold_last_seen(deep, visible, np.exp(-1 / (0.7 * fps))) + jumpy
    detections = _swap_where_limbs_meet(rng, detections, relative, fps)
    return _smooth_causally(detections, rng.uniform(0.05, 0.12) * fps) - relative


def quantize_confidence(rng: Generator, visible: Seen, fps: float) -> Confidence:
    """In tenths: of a classifier, by how much its first choice is ahead. It reflects ambiguity, not
    visibility: one in four is too high where hidden, one in forty too low where visible, and that
    changes from one moment to the next."""
    wander = 0.15 * draw_smooth_noise(rng, visible.shape, 0.15, fps)
    return np.clip((np.where(visible, 0.75, 0.35) + wander).round(1), 0.1, 1.0)


@register_noise_model("tokens", quantize_confidence)
def draw_tokens_error(rng: Generator, relative: Points, visible: Seen, fps: float) -> Points:
    """Unseen in training: an estimator that classifies (Geng et al., 2023; Dwivedi et al., 2024),
    on a body of its own.

    A bone has one of two hundred directions, whichever is nearest to what was measured; it stays
    there, then jumps. What is hidden is measured somewhere around its mean. Lengths are right on
    average over people, wrong for this one. It was written and committed before any result under it
    was looked at, after all that is trained, adapts or corrects was final.
    """
    known, mean = _draw_bone_directions(rng, 200), relative.mean(0)
    wander = _draw_slow_error(rng, visible, fps, 0.4, 0.05, 0.3) * _DEPTH
    size, out = make_symmetric(rng.lognormal(0, 0.04, 17)), relative.copy()
    for j, p in H36M17.bones:
        bone = relative[:, j] - relative[:, p]
        length = np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-6)
        measured = np.where(visible[:, j, None], bone, mean[j] - mean[p]) / length + wander[:, j]
        out[:, j] = out[:, p] + size[j] * length * known[(measured @ known.T).argmax(1)]
    return out - relative + 0.002 * rng.standard_normal(out.shape) * _NOT_ROOT


def _draw_bone_directions(rng, count):
    """(count, 3) unit vectors, evenly spread (a Fibonacci lattice), turned at random."""
    k = np.arange(count) + 0.5
    up, around = 1 - 2 * k / count, np.pi * (1 + np.sqrt(5)) * k
    flat = np.sqrt(1 - up**2)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return np.stack([flat * np.cos(around), flat * np.sin(around), up], -1) @ rotation


def _hold_last_seen(points, visible, keep):
    """Points (T, 17, 3), hidden ones where they were last seen; a frame on ``keep`` is left of
    their way from the mean over the clip."""
    points, mean = points.copy(), points.mean(0)
    before = mean
    for t, here in enumerate(visible):
        before = points[t] = np.where(here[:, None], points[t], mean + keep * (before - mean))
    return points


def _swap_where_limbs_meet(rng, points, relative, fps):
    """Points (T, 17, 3), legs or arms at one in twenty of the moments at which they meet swapped
    until the next, for a second at most."""
    points = points.copy()
    for limbs in (HALVES["both legs"], HALVES["both arms"]):
        between = relative[:, limbs, :2] - relative[:, _MIRROR[limbs], :2]
        apart = np.linalg.norm(between, axis=-1).mean(1)
        meet = 1 + np.flatnonzero((apart[1:-1] < apart[:-2]) & (apart[1:-1] <= apart[2:]))
        for start in meet[rng.random(len(meet)) < 1 / 20]:
            stop = min([*meet[meet > start + 0.1 * fps][:1], start + round(fps)])
            points[start:stop, limbs] = points[start:stop, _MIRROR[limbs]]
    return points


def _smooth_causally(x, frames):
    """(T, …) smoothed over the frames so far, whose weight falls by e every ``frames``."""
    x, keep = x.copy(), np.exp(-1 / frames)
    for t in range(1, len(x)):
        x[t] += keep * (x[t - 1] - x[t])
    return x


def _draw_lost_frames(rng, visible):
    """(T,) bool: nobody detected; certain where nothing shows, likely where little does, now and
    then anywhere, but never in a whole clip."""
    seen = visible.mean(1)
    chance = np.select([seen == 0, seen < 0.25, seen < 0.5], [1.0, 0.5, 0.05], 0.005)
    lost = rng.random(len(visible)) < chance
    if lost.all():
        lost[rng.integers(len(lost))] = False
    return lost


def simulate_estimates(
    joints: Points, visible: Seen, fps: float, rng: Generator, noise: str = "estimator"
) -> tuple[Points, Confidence]:
    """What a 3D pose estimator predicts: poses with errors, lost frames, and confidence.

    Args:
        joints: true joints, metres, camera space.
        noise: a key of ``NOISE_MODELS``.

    Returns:
        joints, NaN in lost frames and where the noise model has no estimate; confidence in [0, 1],
        0 there.
    """
    if noise not in NOISE_MODELS:
        raise InputError("simulation", "noise", f"one of {', '.join(NOISE_MODELS)}", repr(noise))
    sway = draw_smooth_noise(rng, (len(joints), 1, 3), 0.5, fps) * np.array([0.01, 0.01, 0.06])
    root = joints[:, :1] + sway
    relative = joints - joints[:, :1]
    noisy = root + relative + NOISE_MODELS[noise](rng, relative, visible, fps)
    confidence = _CONFIDENCE_MODELS.get(noise, simulate_confidence)(rng, visible, fps)
    noisy[_draw_lost_frames(rng, visible)] = np.nan
    return noisy, np.where(np.isnan(noisy).any(-1), 0.0, confidence)


def simulate_detections(
    pixels: Float[np.ndarray, "T 17 2"], visible: Seen, fps: float, rng: Generator
) -> tuple[Float[np.ndarray, "T 17 2"], Confidence]:
    """What a 2D detector finds: errors in proportion to the person's height in the image.

    Args:
        pixels: true image positions, px; NaN where there is none.

    Returns:
        pixels, NaN in lost frames; confidence, 0 in lost frames and where there is no position.
    """
    rows = pixels[np.isfinite(pixels[..., 1]).any(1), :, 1]
    height = (np.nanmax(rows, 1) - np.nanmin(rows, 1)).mean()
    level = np.where(visible, 0.008, 0.06)[..., None] * height
    error = draw_smooth_noise(rng, pixels.shape, 0.2, fps) * level
    error = error + rng.standard_normal(pixels.shape) * 0.003 * height
    confidence = simulate_confidence(rng, visible, fps)
    noisy = pixels + error * np.maximum(_REACH, 1)[:, None]
    lost = _draw_lost_frames(rng, visible)[:, None] | np.isnan(noisy).any(-1)
    noisy[lost], confidence[lost] = np.nan, 0.0
    return noisy, confidence
