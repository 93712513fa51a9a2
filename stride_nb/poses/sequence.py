"""Poses over time: what travels between the rooms of the package, with its confidence and its
clock.

A missing joint has confidence 0 and NaN coordinates, and one never comes without the other: the
constructors see to it at the door, so that no fake zero lives inside.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from stride_nb.errors import FULL, UNREADABLE, InputError, atomic_path
from stride_nb.poses import skeleton as sk
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, carried

__all__ = [
    "Keypoints2D",
    "PoseSequence",
    "blend_weights",
    "frames_at",
    "on_clock_of",
    "rate",
    "stitch",
    "taken_as_seen",
    "window_starts",
]


def rate(where: str, fps) -> float:
    """Frames per second as a float; InputError where they are no positive number."""
    try:
        value = np.asarray(fps)
        if value.ndim == 0 and value.dtype.kind in "biuf" and 0 < value < np.inf:
            return float(value)
    except ValueError:  # rows of different lengths
        pass
    raise InputError(where, "fps", "a positive number", repr(fps) if isinstance(fps, str) else fps)


def _numbers(where: str, field: str, values) -> np.ndarray:
    """A copy in float64; InputError where that cannot be."""
    try:
        return np.array(values, np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(where, field, "numbers, in rows of one length", error) from None


def _checked(where: str, field: str, joints, confidence, fps, skeleton, dims: int):
    """Validated (joints float64, confidence float64, fps, Skeleton), missing joints marked both
    ways."""
    skeleton = sk.get(skeleton)
    joints = _numbers(where, field, joints)
    shape = (len(joints) if joints.ndim else 0, len(skeleton), dims)
    if joints.ndim != 3 or joints.shape != shape or not len(joints):
        raise InputError(where, field, f"shape (T ≥ 1, {len(skeleton)}, {dims})", joints.shape)
    if np.isinf(joints).any():
        raise InputError(where, field, "finite coordinates, or NaN where missing", "infinity")
    seen = ~np.isnan(joints).any(-1)
    confidence = (
        np.ones(shape[:2]) if confidence is None else _numbers(where, "confidence", confidence)
    )
    if confidence.shape != shape[:2]:
        raise InputError(where, "confidence", f"shape {shape[:2]}", confidence.shape)
    if np.isnan(confidence).any() or confidence.min() < 0 or confidence.max() > 1:
        raise InputError(
            where, "confidence", "values in [0, 1]", f"[{confidence.min()}, {confidence.max()}]"
        )
    fps = rate(where, fps)
    seen &= confidence > 0
    joints[~seen], confidence[~seen] = np.nan, 0.0
    return joints, confidence, fps, skeleton


class _Track:
    """What 3D sequences and 2D keypoints share: length, what is missing, the clock, cutting,
    saving."""

    _points: ClassVar[str]
    """Name of the field that holds the coordinates."""

    def __len__(self) -> int:
        return len(self.confidence)

    @property
    def missing(self) -> np.ndarray:
        """(T, J) bool: no coordinates there."""
        return self.confidence == 0

    @property
    def seconds(self) -> np.ndarray:
        """(T,) time of every frame, s."""
        return np.arange(len(self)) / self.fps

    def replace(self, **fields):
        """A copy with some fields changed."""
        return replace(self, **fields)

    def resample(self, fps: float) -> Self:
        """The same motion at another frame rate, by cubic splines through the frames that are
        there.

        A new frame has a joint where a frame within half a period of the slower rate has it, with
        the nearest one's
        confidence: nothing that was seen is lost, and gaps keep their length but for half a frame.
        There and back, motion below an eighth of the lower rate returns within 1 % of its amplitude
        away from the ends (tested).
        """
        fps = rate(self.name or type(self).__name__, fps)
        if fps == self.fps or len(self) == 1:
            return self.replace(fps=fps)
        return self.at(np.arange(frames_at(len(self), self.fps, fps)) * (self.fps / fps), fps)

    def at(self, times: np.ndarray, fps: float) -> Self:
        """As ``resample``, at any growing ``times``, counted in frames of this sequence; the
        result's rate is ``fps``.

        The last of them counts as seeing what is seen in any later frame.
        """
        from scipy.interpolate import CubicSpline

        confidence = np.zeros((len(times), self.confidence.shape[1]))
        known = getattr(self, self._points)
        points = np.full((len(times), *known.shape[1:]), np.nan)
        for j in range(points.shape[1]):
            here = np.flatnonzero(self.confidence[:, j])
            confidence[:, j] = carried(
                self.confidence[here, j], here, times, max(1.0, self.fps / fps) / 2
            )
            if len(here) > 1:
                # beyond them a cubic runs away
                points[:, j] = CubicSpline(here, known[here, j])(np.clip(times, here[0], here[-1]))
            elif len(here) == 1:
                points[:, j] = known[here[0], j]
        return self.replace(confidence=confidence, fps=fps, **{self._points: points})

    def held(self, frames: int) -> Self:
        """The first ``frames`` frames; where there are fewer, the last one is repeated."""
        at = np.minimum(np.arange(frames), len(self) - 1)
        return self.replace(
            confidence=self.confidence[at], **{self._points: getattr(self, self._points)[at]}
        )

    def parts(self, frames: int = 1000) -> Iterator[Self]:
        """The whole, that many frames at a time."""
        return (self[a : a + frames] for a in range(0, len(self), frames))

    def map(self, function: Callable[[Self], Self], around: int = 0) -> Self:
        """``function`` of the whole. (`stored.Stored.map` calls it part by part, with ``around``
        more frames on either side.)"""
        return function(self)

    def __getitem__(self, frames: slice) -> Self:
        """The frames of a slice."""
        if not isinstance(frames, slice):
            raise TypeError(f"a {type(self).__name__} is cut by slices: track[a:b]")
        return self.replace(
            confidence=self.confidence[frames],
            **{self._points: getattr(self, self._points)[frames]},
        )

    def _save(self, path: str | os.PathLike, **arrays: np.ndarray) -> None:
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file,
                confidence=self.confidence,
                fps=self.fps,
                skeleton=self.skeleton.name,
                name=self.name,
                **arrays,
            )


@contextmanager
def reading(path: str | os.PathLike) -> Iterator[np.lib.npyio.NpzFile]:
    """An npz file, open, never unpickling; what goes wrong with it is one clear error."""
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except FileNotFoundError:
        raise InputError(path, "file", "an npz file", "nothing there") from None
    except UNREADABLE as error:
        if getattr(error, "errno", None) in FULL:  # the disk, of which a copy was being made
            raise
        raise InputError(
            path, "file", "an npz file of plain arrays", str(error) or type(error).__name__
        ) from error


def _read(path: str | os.PathLike, *fields: str) -> dict[str, np.ndarray]:
    """The named arrays of an npz file."""
    with reading(path) as file:
        found = {key: file[key] for key in file.files}
    for field in fields:
        if field not in found:
            raise InputError(
                path, field, f"an array of that name beside {', '.join(sorted(found))}", "none"
            )
    return found


def _scalar(path, found: dict, field: str, kind: type, default):
    value = found.get(field, np.array(default))
    try:
        return kind(value.item())
    except (ValueError, TypeError):
        raise InputError(path, field, f"one {kind.__name__}", repr(value)[:80]) from None


@dataclass(frozen=True, eq=False)
class PoseSequence(_Track):
    """One person's joints over time.

    Args:
        joints: (T, J, 3) metres; NaN where missing. World: Y up. Camera: x right, y down, z
            forward.
        confidence: (T, J) in [0, 1], 0 where missing; ``None``: 1 wherever there are coordinates.
        fps: frames per second.
        skeleton: the joint set, or its name.
        name: what the figures call it.

    Raises:
        InputError: a shape, a confidence or a rate that cannot be.

    >>> walk = PoseSequence(np.zeros((50, 17, 3)), fps=25)
    >>> len(walk), float(walk.seconds[-1]), walk.resample(50).joints.shape
    (50, 1.96, (99, 17, 3))
    """

    joints: np.ndarray
    confidence: np.ndarray | None = None
    fps: float = 50.0
    skeleton: sk.Skeleton = sk.H36M17
    name: str = ""
    _points: ClassVar[str] = "joints"

    def __post_init__(self):
        checked = _checked(
            self.name or "PoseSequence",
            "joints",
            self.joints,
            self.confidence,
            self.fps,
            self.skeleton,
            3,
        )
        for field, value in zip(("joints", "confidence", "fps", "skeleton"), checked):
            object.__setattr__(self, field, value)

    def save(self, path: str | os.PathLike) -> None:
        """Write an npz file (plain arrays, no pickle), whole or not at all."""
        self._save(path, joints=self.joints)

    @classmethod
    def load(cls, path: str | os.PathLike) -> PoseSequence:
        """Read what ``save`` wrote; ``confidence``, ``fps``, ``skeleton`` and ``name`` may be
        absent.

        Raises:
            InputError: not an npz of plain arrays, or a field that does not fit.
        """
        return cls.of(path, _read(path, "joints"))

    @classmethod
    def of(cls, path: str | os.PathLike, found: Mapping[str, np.ndarray]) -> PoseSequence:
        """The arrays found in a file. Raises InputError as ``load`` does."""
        try:
            return cls(
                found["joints"],
                found.get("confidence"),
                _scalar(path, found, "fps", float, 50.0),
                _scalar(path, found, "skeleton", str, "h36m17"),
                _scalar(path, found, "name", str, ""),
            )
        except InputError as error:
            raise InputError(path, error.field, error.expected, error.found) from None

    def root_relative(self) -> PoseSequence:
        """Every joint relative to its own frame's first joint (the pelvis; the nose in sets without
        one); missing where that is."""
        return self.replace(joints=self.joints - self.joints[:, :1])

    def mirror(self) -> PoseSequence:
        """The person seen in a mirror: x negated, left and right joints swapped. Its own inverse.

        >>> x = PoseSequence(np.random.default_rng(0).normal(size=(4, 17, 3)))
        >>> bool((x.mirror().mirror().joints == x.joints).all())
        True
        """
        order = list(self.skeleton.mirror)
        return self.replace(
            joints=self.joints[:, order] * np.array([-1.0, 1.0, 1.0]),
            confidence=self.confidence[:, order],
        )

    def to(self, skeleton: str | sk.Skeleton) -> PoseSequence:
        """The same poses on another joint set (``skeleton.convert``)."""
        joints, confidence = sk.convert(self.joints, self.confidence, self.skeleton, skeleton)
        return self.replace(joints=joints, confidence=confidence, skeleton=sk.get(skeleton))

    def window(self, length: int, stride: int) -> list[PoseSequence]:
        """Windows that begin at ``window_starts(len(self), length, stride)``; one, shorter, if
        there is no more."""
        return [self[a : a + length] for a in window_starts(len(self), length, stride)]


@dataclass(frozen=True, eq=False)
class Keypoints2D(_Track):
    """One person's joints in an image over time.

    Args:
        pixels: (T, J, 2) px, x right and y down; NaN where missing.
        confidence: (T, J) in [0, 1], 0 where missing; ``None``: 1 wherever there are coordinates.
        size: width and height of the image, px.
        fps, skeleton, name: as for ``PoseSequence``.
    """

    pixels: np.ndarray
    confidence: np.ndarray | None = None
    fps: float = 50.0
    size: tuple[int, int] = (1000, 1000)
    skeleton: sk.Skeleton = sk.H36M17
    name: str = ""
    _points: ClassVar[str] = "pixels"

    def __post_init__(self):
        where = self.name or "Keypoints2D"
        checked = _checked(
            where, "pixels", self.pixels, self.confidence, self.fps, self.skeleton, 2
        )
        for field, value in zip(("pixels", "confidence", "fps", "skeleton"), checked):
            object.__setattr__(self, field, value)
        size = _numbers(where, "size", self.size)
        if size.shape != (2,) or not (np.isfinite(size) & (size >= 1)).all():
            raise InputError(where, "size", "width and height in pixels, both positive", self.size)
        object.__setattr__(self, "size", tuple(int(n) for n in size))

    def save(self, path: str | os.PathLike) -> None:
        """Write an npz file (plain arrays, no pickle), whole or not at all."""
        self._save(path, pixels=self.pixels, size=np.array(self.size))

    @classmethod
    def load(cls, path: str | os.PathLike) -> Keypoints2D:
        """Read what ``save`` wrote. Raises InputError as ``PoseSequence.load`` does."""
        found = _read(path, "pixels", "size")
        try:
            return cls(
                found["pixels"],
                found.get("confidence"),
                _scalar(path, found, "fps", float, 50.0),
                found["size"],
                _scalar(path, found, "skeleton", str, "h36m17"),
                _scalar(path, found, "name", str, ""),
            )
        except InputError as error:
            raise InputError(path, error.field, error.expected, error.found) from None

    def to(self, skeleton: str | sk.Skeleton) -> Keypoints2D:
        """The same keypoints on another joint set (``skeleton.convert``)."""
        pixels, confidence = sk.convert(self.pixels, self.confidence, self.skeleton, skeleton)
        return self.replace(pixels=pixels, confidence=confidence, skeleton=sk.get(skeleton))


def frames_at(frames: int, fps: float, new: float) -> int:
    """How many frames a sequence of that many at ``fps`` has at the ``new`` rate."""
    return int(np.floor((frames - 1) * new / fps + 1e-9)) + 1


def window_starts(frames: int, length: int, stride: int) -> list[int]:
    """First frames of windows that cover all frames; the last one is moved back to end with the
    sequence.

    >>> window_starts(10, 4, 3), window_starts(11, 4, 3), window_starts(3, 4, 3)
    ([0, 3, 6], [0, 3, 6, 7], [0])
    """
    if not 0 < stride <= length:
        raise InputError(
            "window",
            "stride",
            f"1 to the window's length {length}, so that no frame is left out",
            stride,
        )
    if frames <= length:
        return [0]
    starts = list(range(0, frames - length + 1, stride))
    return starts if starts[-1] + length == frames else [*starts, frames - length]


def blend_weights(length: int) -> np.ndarray:
    """(length,) weights of a window's frames where windows overlap: a raised cosine, nowhere
    zero."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2


def stitch(windows: list[PoseSequence], starts: list[int]) -> PoseSequence:
    """One sequence out of windows: where they overlap, their mean weighted by ``blend_weights``.

    A joint that one window lacks comes from the others.

    >>> x = PoseSequence(np.random.default_rng(0).normal(size=(30, 17, 3)))
    >>> y = stitch(x.window(12, 5), window_starts(30, 12, 5))
    >>> bool(np.allclose(y.joints, x.joints))
    True
    """
    if len(windows) != len(starts) or not windows:
        raise InputError(
            "stitch", "starts", f"one per window ({len(windows)}), at least one", len(starts)
        )
    length = max(a + len(w) for a, w in zip(starts, windows))
    total, weight = (
        np.zeros((length, *windows[0].joints.shape[1:])),
        np.zeros((length, len(windows[0].skeleton))),
    )
    confidence = np.zeros_like(weight)
    for a, w in zip(starts, windows):
        share = blend_weights(len(w))[:, None] * ~w.missing
        total[a : a + len(w)] += share[..., None] * np.nan_to_num(w.joints)
        confidence[a : a + len(w)] += share * w.confidence
        weight[a : a + len(w)] += share
    with np.errstate(invalid="ignore"):
        return windows[0].replace(
            joints=total / weight[..., None],
            confidence=np.nan_to_num(np.clip(confidence / weight, 0, 1)),
        )


def taken_as_seen(track: _Track) -> _Track:
    """The track with every reading trusted: for a scale of confidence of which none reaches
    ``CONFIDENCE_THRESHOLD``."""
    return track.replace(
        confidence=np.where(track.missing, 0.0, np.maximum(track.confidence, CONFIDENCE_THRESHOLD))
    )


def on_clock_of(track: _Track, result: _Track) -> _Track:
    """``result`` at the frame rate and length of ``track``; its last frame is repeated where it
    ends a little earlier.

    >>> walk = PoseSequence(np.zeros((10, 17, 3)), fps=30)
    >>> len(walk.resample(50)), len(on_clock_of(walk, walk.resample(50)))
    (16, 10)
    """
    return result.resample(track.fps).held(len(track))
