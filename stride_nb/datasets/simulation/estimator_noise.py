"""What a 3D estimator, or a 2D detector, makes of a person: correlated errors, lost frames,
confidence.

A family is one function ``(rng, relative, visible, fps) -> error`` under ``@family("name")``, which
says of what shapes. ``SEEN`` families train the prior; ``UNSEEN`` ones are
met first in the test; by ``TUNING`` ones what adapts is tuned, on people of ``val``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17, HALVES

__all__ = [
    "NOISE_MODELS",
    "SEEN",
    "TUNING",
    "UNSEEN",
    "draw_smooth_noise",
    "register_noise_model",
    "simulate_confidence",
    "simulate_detections",
    "simulate_estimates",
    "swap_left_right",
]

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
_LEFT, _RIGHT = (H36M17.index(*side) for side in zip(*H36M17.pairs))
_ROOTS = H36M17.index("rhip", "lhip", "rshoulder", "lshoulder")  # of limbs
_DEPTH = np.array([1.0, 1.0, 2.2])  # monocular: the error along the viewing ray is the larger one


def register_noise_model(name: str, sure: Callable | None = None):
    """Register a noise family under its name: a function ``(rng, relative, visible, fps) ->
    error``.

    The function is told ``relative`` (T, 17, 3), the true joints relative to the root, metres,
    camera axes, which are ``visible`` (T, 17) bool, and ``fps``. It draws the ``error`` (T, 17, 3),
    metres, to be added, NaN where there is no answer; that of joint 0 is the pelvis's against the
    rest, 0 in most families. ``sure``: ``(rng, visible, fps) -> confidence (T, 17)``, by default
    ``simulate_confidence``.
    """

    def add(function: Callable) -> Callable:
        NOISE_MODELS[name] = function
        if sure:
            _CONFIDENCE_MODELS[name] = sure
        return function

    return add


def draw_smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], seconds: float, fps: float
) -> np.ndarray:
    """Gaussian noise of unit variance over axis 0, its autocorrelation exp(−(Δt/``seconds``)²).

    White noise shaped in the frequency domain; generated longer than asked, so that the ends of a
    clip do not know of each other.
    """
    frames = shape[0]
    n = frames + int(4 * seconds * fps) + 1
    gain = np.exp(-((np.pi * seconds * np.fft.rfftfreq(n, 1 / fps)) ** 2) / 2)
    power = np.fft.irfft(gain**2, n)[0]
    white = rng.standard_normal((n, *shape[1:]))
    spectrum = np.fft.rfft(white, axis=0) * gain.reshape(-1, *(1,) * (len(shape) - 1))
    return np.fft.irfft(spectrum, n, axis=0)[:frames] / np.sqrt(power)


def _draw_correlated_error(rng, visible, fps, seen, hidden, seconds, jitter):
    """Slow error of ``seen``/``hidden`` metres plus white ``jitter``, shaped by joint and axis."""
    shape = (*visible.shape, 3)
    level = np.where(visible, seen, hidden)[..., None]
    slow = draw_smooth_noise(rng, shape, seconds, fps) * level
    return (slow + jitter * rng.standard_normal(shape)) * _REACH[:, None] * _DEPTH


def _pull_to_mean(rng, relative, visible, share=(0.3, 0.9)):
    """What a hidden joint is pulled towards: a share of the way to its mean over the clip (the
    estimator's guess)."""
    pull = rng.uniform(*share) * (relative.mean(0) - relative)
    return np.where(visible[..., None], 0.0, pull)


@register_noise_model("estimator")
def estimator(rng, relative, visible, fps):
    """Correlated over 0.25 s, twice as large in depth; hidden joints err by much and lean to a mean
    pose."""
    level = rng.lognormal(0, 0.25)
    error = _draw_correlated_error(
        rng, visible, fps, 0.017 * level, 0.060 * level, 0.25, 0.004 * level
    )
    # this person, this camera
    offset = rng.standard_normal((1, 17, 3)) * 0.009 * level * _REACH[:, None] * _DEPTH
    bias = rng.standard_normal((1, 17, 3)) * 0.04 * level * _REACH[:, None] * _DEPTH
    return (
        error
        + offset
        + _pull_to_mean(rng, relative, visible)
        + np.where(visible[..., None], 0.0, bias)
    )


@register_noise_model("keyframe")
def keyframe(rng, relative, visible, fps):
    """MotionBERT's: errors at 27 key frames, interpolated over the clip, plus jitter; more where
    hidden."""
    frames = len(visible)
    keys = rng.standard_normal((27, 17, 3)) * rng.uniform(0.008, 0.025)
    at = np.linspace(0, 26, frames)
    low = np.minimum(at.astype(int), 25)
    part = (at - low)[:, None, None]
    error = (
        keys[low] * (1 - part) + keys[low + 1] * part + rng.standard_normal((frames, 17, 3)) * 0.003
    )
    return error * np.where(visible, 1.0, rng.uniform(2, 6))[..., None] * _REACH[:, None] * _DEPTH


@register_noise_model("outlier")
def outlier(rng, relative, visible, fps):
    """Mild correlated error; now and then a joint jumps away for up to 0.2 s."""
    error = _draw_correlated_error(
        rng, visible, fps, 0.010, rng.uniform(0.04, 0.08), rng.uniform(0.1, 0.5), 0.003
    )
    jumps = rng.random(visible.shape) < np.where(visible, 0.1, 0.5) / fps
    spell = np.ones(max(1, round(rng.uniform(0.02, 0.2) * fps)))
    size = rng.standard_normal((*visible.shape, 3)) * 0.12 * _DEPTH * jumps[..., None]
    held = (
        np.apply_along_axis(lambda x: np.convolve(x, spell)[: len(x)], 0, size)
        if jumps.any()
        else size
    )
    return error + held * (_REACH > 0)[:, None] + _pull_to_mean(rng, relative, visible)


@register_noise_model("repeat")
def repeat(rng, relative, visible, fps):
    """A video of 15 to 30 frames a second brought to ``fps``: each of the ``estimator``'s answers
    stays till the next."""
    rate = min(rng.uniform(15, 30), fps)
    now = np.arange(len(visible))
    shown = now if rate == fps else np.ceil(np.floor(now * rate / fps) * fps / rate).astype(int)
    # rounding looks no frame ahead
    return (relative + estimator(rng, relative, visible, fps))[np.minimum(shown, now)] - relative


def simulate_varied_confidence(
    rng: np.random.Generator, visible: np.ndarray, fps: float
) -> np.ndarray:
    """(T, J) in (0, 1]: how high where visible, how low where hidden, how steady and how often
    wrong, all drawn.

    One in ten knows nothing: what is hidden is told as surely as what is seen.
    """
    high, low = rng.uniform(0.6, 0.95), rng.uniform(0.05, 0.45)
    fooled, doubting = 1.0 if rng.random() < 0.1 else rng.uniform(0, 0.4), rng.uniform(0, 0.1)
    wander = draw_smooth_noise(rng, visible.shape, rng.uniform(0.1, 0.6), fps) * rng.uniform(
        0.03, 0.15
    )
    chance = (
        np.argsort(
            np.argsort(draw_smooth_noise(rng, visible.shape, rng.uniform(0.2, 0.8), fps), None)
        ).reshape(visible.shape)
        / visible.size
    )
    wrong = chance < np.where(visible, doubting, fooled)
    return np.clip(np.where(visible ^ wrong, high, low) + wander, 0.02, 1.0)


@register_noise_model("varied", simulate_varied_confidence)
def varied(rng, relative, visible, fps):
    """An estimator whose manners are drawn too: how far, how slowly and with what tails it errs,
    how much of that its pelvis shares, and whether hidden joints lean to their mean, are where they
    are at some other time, err just more, or are missing."""
    level, shape = rng.lognormal(0, 0.35), (*visible.shape, 3)
    reach = _REACH * rng.lognormal(0, 0.2, 17)
    reach[0] = rng.uniform(0, 1)
    slow = (
        draw_smooth_noise(rng, shape, rng.uniform(0.1, 1.0), fps)
        * np.where(visible, 0.014, 0.05)[..., None]
    )
    jitter = rng.uniform(0, 0.006) * rng.standard_t(rng.uniform(3, 30), shape)
    error = (
        level
        * (slow + jitter + 0.01 * rng.standard_normal((1, 17, 3)))
        * reach[:, None]
        * (1, 1, rng.uniform(1.5, 3))
    )
    share = rng.uniform(0.3, 1.0)
    other = np.roll(relative, rng.integers(len(relative)), 0)
    guess = (
        share * (relative.mean(0) - relative),
        share * (other - relative),
        0.0,
        np.where(_REACH[:, None] > 0, np.nan, 0.0),
    )
    # Where nothing at all is seen, nothing but a guess could be said.
    hidden = ~visible & visible.any(1, keepdims=True)
    return error + np.where(hidden[..., None], guess[rng.integers(len(guess))], 0.0)


@register_noise_model("articulated", simulate_varied_confidence)
def articulated(rng, relative, visible, fps):
    """An estimator of joint angles, whose answers are always somebody: bones turned by slow errors,
    on a body of its own.

    What a hidden limb is said to do is drawn: what it does, with more error; what it does at
    another time, or on average; what the other side does; or some of the way there.
    """
    level, shape, mirror = rng.lognormal(0, 0.35), (*visible.shape, 3), list(H36M17.mirror)
    deep = (1, 1, rng.uniform(1, 3))
    slow = (
        draw_smooth_noise(rng, shape, rng.uniform(0.1, 1.0), fps)
        * np.where(visible, 0.055, 0.25)[..., None]
    )
    wander = (
        level
        * (
            slow
            + 0.045 * rng.standard_normal((1, 17, 3))
            + rng.uniform(0, 0.02) * rng.standard_normal(shape)
        )
        * deep
    )
    other = np.roll(relative, rng.integers(len(relative)), 0)
    guess = (relative, other, relative.mean(0, keepdims=True), relative[:, mirror])[rng.integers(4)]
    share = 1.0 if rng.random() < 0.5 else rng.uniform(0.3, 1.0)
    size, out = rng.lognormal(0, rng.uniform(0, 0.08), 17), relative.copy()
    size[_LEFT] = size[_RIGHT]
    for j, p in H36M17.bones:
        bone, said = relative[:, j] - relative[:, p], guess[:, j] - guess[:, p]
        length = np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-6)
        told = (
            np.where(visible[:, j, None], bone, bone + share * (said - bone)) / length
            + wander[:, j]
        )
        out[:, j] = out[:, p] + size[j] * length * told / np.maximum(
            np.linalg.norm(told, axis=-1, keepdims=True), 1e-6
        )
    return out - relative


@register_noise_model("crossed")
def crossed(rng, relative, visible, fps):
    """Not trained on (`TUNING`): bones too short, slow errors, and hidden limbs drawn towards the
    other side's."""
    slow = _draw_correlated_error(
        rng, visible, fps, 0.012 * rng.lognormal(0, 0.3), 0.05, 0.6, 0.002
    )
    other = rng.uniform(0.2, 0.7) * (relative[:, list(H36M17.mirror)] - relative)
    return (
        slow
        - rng.uniform(0, 0.08) * relative
        + np.where(visible[..., None], 0.0, other) * (_REACH > 0)[:, None]
    )


def _draw_swap_spans(rng, frames, fps, a_second, seconds):
    """Spans, as slices, in which an estimator takes left for right: so many begin a second, each
    lasts from so long to so long."""
    for start in np.flatnonzero(rng.random(frames) < a_second / fps):
        yield slice(start, start + round(rng.uniform(*seconds) * fps))


@register_noise_model("swapped")
def swapped(rng, relative, visible, fps):
    """Not trained on (`TUNING`): ``crossed``, and for 0.1 to 1 s legs, arms or both are taken for
    the other side's."""
    (apart,) = rng.spawn(1)  # all else is as under ``crossed``
    return swap_left_right(apart, relative + crossed(rng, relative, visible, fps), fps) - relative


def swap_left_right(rng: np.random.Generator, points: np.ndarray, fps: float) -> np.ndarray:
    """Points (T, 17, C) whose legs, arms or both, now and then without hips and shoulders, are for
    0.1 to 1 s those of the other side."""
    points, mirror = points.copy(), np.array(H36M17.mirror)
    legs, roots = (np.isin(np.arange(17), joints) for joints in (HALVES["both legs"], _ROOTS))
    for span in _draw_swap_spans(rng, len(points), fps, 0.2, (0.1, 1.0)):
        here = (legs, ~legs, np.ones(17, bool))[rng.integers(3)] & (~roots | (rng.random() < 2 / 3))
        points[span] = points[span][:, np.where(here, mirror, np.arange(17))]
    return points


@register_noise_model("drift")
def drift(rng, relative, visible, fps):
    """Unseen in training: the whole body turned, tilted and flattened in depth, slowly changing;
    hidden limbs hang."""
    frames = len(visible)
    angle = draw_smooth_noise(rng, (frames, 3), 1.5, fps) * np.array([0.06, 0.14, 0.05])
    flat = 1 - 0.12 * np.abs(draw_smooth_noise(rng, (frames, 1), 1.0, fps))
    turned = relative + np.cross(angle[:, None], relative)  # small angles
    turned[..., 2] *= flat
    hang = np.where(visible[..., None], 0.0, 0.6 * (relative.mean(0) + (0, 0.05, 0) - relative))
    slow = _draw_correlated_error(rng, visible, fps, 0.006, 0.045, 0.8, 0.002)
    return turned - relative + hang * (_REACH > 0)[:, None] + slow


@register_noise_model("lag")
def lag(rng, relative, visible, fps):
    """Unseen in training: an estimator at 8–12 Hz whose answers are held, late, and on a coarse
    grid; now and then, for 0.1 to 0.4 s, it takes left for right."""
    frames = len(visible)
    step = max(1, round(fps / rng.uniform(8, 12)))
    late = np.maximum((np.arange(frames) // step) * step - rng.integers(0, step + 1), 0)
    noisy = relative + _draw_correlated_error(rng, visible, fps, 0.014, 0.055, 0.08, 0.0)
    grid = np.array([0.02, 0.02, 0.05])
    held = np.round(noisy[late] / grid) * grid
    mirror = list(H36M17.mirror)
    for span in _draw_swap_spans(rng, frames, fps, 0.15, (0.1, 0.4)):
        held[span] = held[span][:, mirror]
    return (held - relative) * (_REACH > 0)[:, None] + _pull_to_mean(rng, relative, visible)


def simulate_confidence(rng: np.random.Generator, visible: np.ndarray, fps: float) -> np.ndarray:
    """(T, J) in (0, 1]: high where visible, low where hidden, and wrong for one span in twenty."""
    wander = draw_smooth_noise(rng, visible.shape, 0.3, fps) * 0.1
    fooled = draw_smooth_noise(rng, visible.shape, 0.4, fps) > 1.65
    mean = np.where(visible ^ fooled, 0.85, 0.3)
    return np.clip(mean + wander, 0.02, 1.0)


def delay_confidence(rng: np.random.Generator, visible: np.ndarray, fps: float) -> np.ndarray:
    """(T, J) in (0, 1]: of a tracker, which notices late that it has lost sight of a joint, and
    calls a third of its guesses seen."""
    told = np.where(visible, 0.8, 0.4) + 0.15 * draw_smooth_noise(rng, visible.shape, 0.25, fps)
    return np.clip(_smooth_causally(told, 0.15 * fps), 0.02, 1.0)


@register_noise_model("tracked", delay_confidence)
def tracked(rng, relative, visible, fps):
    """Unseen in training: a tracker that smooths what it says, with depths out of scale, its pelvis
    wrong like any joint.

    Before it smooths, readings jump now and then (heavy tails), legs or arms are taken for the
    other side's where they meet in the image, and what is hidden stays where it was last seen
    relative to the pelvis, to sink towards its mean from there. Its confidence comes about in
    another way than that of the other families. It was written and committed before any result
    under it was looked at, after everything that adapts or puts right was as it is.
    """
    deep = relative * (1, 1, rng.lognormal(0, 0.1))
    reach = np.maximum(_REACH, 1)[:, None] * _DEPTH
    slow = (
        draw_smooth_noise(rng, (*visible.shape, 3), 0.5, fps)
        * np.where(visible, 0.01, 0.035)[..., None]
    )
    # times a Gaussian: Student's t with three degrees of freedom
    tails = np.sqrt(3 / rng.chisquare(3, (*visible.shape, 1)))
    told = (
        _hold_last_seen(deep, visible, np.exp(-1 / (0.7 * fps)))
        + (slow + 0.01 * tails * rng.standard_normal(slow.shape)) * reach
    )
    told = _swap_where_limbs_meet(rng, told, relative, fps)
    return _smooth_causally(told, rng.uniform(0.05, 0.12) * fps) - relative


def quantize_confidence(rng: np.random.Generator, visible: np.ndarray, fps: float) -> np.ndarray:
    """(T, J) in tenths: of a classifier, by how much its first choice is ahead. It knows of doubt,
    not of sight: one in four is too sure where hidden, one in forty not sure where visible, and
    that changes from one moment to the next."""
    told = np.where(visible, 0.75, 0.35) + 0.15 * draw_smooth_noise(rng, visible.shape, 0.15, fps)
    return np.clip(told.round(1), 0.1, 1.0)


@register_noise_model("tokens", quantize_confidence)
def tokens(rng, relative, visible, fps):
    """Unseen in training: an estimator that classifies (Geng et al., 2023; Dwivedi et al., 2024),
    on a body of its own.

    A bone has one of two hundred directions, whichever is nearest to what was measured; it stays
    there, then jumps. What is hidden is measured somewhere around its mean. Lengths are right on
    average over people, wrong for this one. It was written and committed before any result under it
    was looked at, after all that is trained, adapts or puts right was as it is.
    """
    known, mean = _draw_bone_directions(rng, 200), relative.mean(0)
    wander = (
        draw_smooth_noise(rng, (*visible.shape, 3), 0.4, fps)
        * np.where(visible, 0.05, 0.3)[..., None]
        * _DEPTH
    )
    size, out = rng.lognormal(0, 0.04, 17), relative.copy()
    size[_LEFT] = size[_RIGHT]
    for j, p in H36M17.bones:
        bone = relative[:, j] - relative[:, p]
        length = np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-6)
        told = np.where(visible[:, j, None], bone, mean[j] - mean[p]) / length + wander[:, j]
        out[:, j] = out[:, p] + size[j] * length * known[(told @ known.T).argmax(1)]
    return out - relative + 0.002 * rng.standard_normal(out.shape) * (_REACH > 0)[:, None]


def _draw_bone_directions(rng, count):
    """(count, 3) unit vectors, evenly spread (a Fibonacci lattice), turned at random."""
    k = np.arange(count) + 0.5
    up, around = 1 - 2 * k / count, np.pi * (1 + np.sqrt(5)) * k
    flat = np.sqrt(1 - up**2)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return np.stack([flat * np.cos(around), flat * np.sin(around), up], -1) @ turn


def _hold_last_seen(points, visible, keep):
    """Points (T, 17, 3), hidden ones where they were last seen; a frame on ``keep`` is left of
    their way from the mean over the clip."""
    points, mean = points.copy(), points.mean(0)
    before = mean
    for t, here in enumerate(visible):
        before = points[t] = np.where(here[:, None], points[t], mean + keep * (before - mean))
    return points


def _swap_where_limbs_meet(rng, points, relative, fps):
    """Points (T, 17, 3), legs or arms at one in twenty of the moments at which they meet changed
    until the next, for a second at most."""
    points, mirror = points.copy(), np.array(H36M17.mirror)
    for limbs in (HALVES["both legs"], HALVES["both arms"]):
        apart = np.linalg.norm(
            relative[:, limbs, :2] - relative[:, mirror[limbs], :2], axis=-1
        ).mean(1)
        meet = 1 + np.flatnonzero((apart[1:-1] < apart[:-2]) & (apart[1:-1] <= apart[2:]))
        for start in meet[rng.random(len(meet)) < 1 / 20]:
            stop = min([*meet[meet > start + 0.1 * fps][:1], start + round(fps)])
            points[start:stop, limbs] = points[start:stop, mirror[limbs]]
    return points


def _smooth_causally(x, frames):
    """(T, …) smoothed over the frames so far, whose weight falls by e every ``frames``."""
    x, keep = x.copy(), np.exp(-1 / frames)
    for t in range(1, len(x)):
        x[t] += keep * (x[t - 1] - x[t])
    return x


def _draw_lost_frames(rng, visible):
    """(T,) bool: nobody detected; certain where nothing shows, likely where little does, now and
    then anywhere."""
    seen = visible.mean(1)
    chance = np.select([seen == 0, seen < 0.25, seen < 0.5], [1.0, 0.5, 0.05], 0.005)
    return rng.random(len(visible)) < chance


def simulate_estimates(
    joints: np.ndarray,
    visible: np.ndarray,
    fps: float,
    rng: np.random.Generator,
    family: str = "estimator",
):
    """What a 3D pose estimator answers: poses with errors, lost frames, and how sure it is.

    Args:
        joints: (T, 17, 3) true joints, metres, camera space.
        visible: (T, 17) bool.
        family: a key of ``NOISE_MODELS``.

    Returns:
        joints (T, 17, 3), NaN in lost frames and where the family has no answer; confidence (T, 17)
        in [0, 1], 0 there.
    """
    if family not in NOISE_MODELS:
        raise InputError("noise", "family", f"one of {', '.join(NOISE_MODELS)}", repr(family))
    root = joints[:, :1] + draw_smooth_noise(rng, (len(joints), 1, 3), 0.5, fps) * np.array(
        [0.01, 0.01, 0.06]
    )
    relative = joints - joints[:, :1]
    noisy = root + relative + NOISE_MODELS[family](rng, relative, visible, fps)
    confidence = _CONFIDENCE_MODELS.get(family, simulate_confidence)(rng, visible, fps)
    lost = _draw_lost_frames(rng, visible)
    if lost.all():
        lost[rng.integers(len(lost))] = False  # a clip without any answer is no clip
    noisy[lost] = np.nan
    return noisy, np.where(np.isnan(noisy).any(-1), 0.0, confidence)


def simulate_detections(
    pixels: np.ndarray, visible: np.ndarray, fps: float, rng: np.random.Generator
):
    """What a 2D detector answers: errors in proportion to the person's height in the image.

    Args:
        pixels: (T, 17, 2) true image positions, px; NaN where there is none.
        visible: (T, 17) bool.

    Returns:
        pixels (T, 17, 2), NaN in lost frames; confidence (T, 17), 0 in lost frames and where there
        is no position.
    """
    rows = pixels[np.isfinite(pixels[..., 1]).any(1), :, 1]
    height = (np.nanmax(rows, 1) - np.nanmin(rows, 1)).mean()
    level = np.where(visible, 0.008, 0.06)[..., None] * height
    error = (
        draw_smooth_noise(rng, pixels.shape, 0.2, fps) * level
        + rng.standard_normal(pixels.shape) * 0.003 * height
    )
    confidence = simulate_confidence(rng, visible, fps)
    lost = _draw_lost_frames(rng, visible)
    if lost.all():
        lost[rng.integers(len(lost))] = False
    noisy = pixels + error * np.maximum(_REACH, 1)[:, None]
    lost = lost[:, None] | np.isnan(noisy).any(-1)
    noisy[lost], confidence[lost] = np.nan, 0.0
    return noisy, confidence
