"""Poses over time, 3D and 2D: joints with their confidence and their frame rate.

A missing joint has confidence 0 and NaN coordinates, and one never comes without the other: the
constructors see to it.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.errors import DISK_FULL, UNREADABLE, InputError, atomic_path, check_path
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, resample_confidence
from stride_nb.poses.joint_names import make_named_skeleton
from stride_nb.poses.skeleton import H36M17, Skeleton, convert_joints, get_skeleton, mirror_joints

__all__ = [
    "FPS_LIMITS",
    "WINDOW_FRAMES",
    "Keypoints2D",
    "PoseSequence",
    "TrackT",
    "blend_weights",
    "check_fps",
    "count_resampled",
    "floor_confidence",
    "open_npz",
    "resample_like",
    "stitch",
    "window_starts",
]

_KEYPOINT_FIELDS = ("pixels", "confidence", "size", "skeleton", "joint_names")
"""What a file holds of a sequence's keypoints, each behind ``keypoints_``."""
WINDOW_FRAMES = 243
"""Frames of a window, as in both papers; at 50 a second, 4.9 s."""


FPS_LIMITS = (0.1, 10_000.0)
"""Frames a second: what any camera or sensor has; beyond, a sequence at the networks' rate would
fill the memory."""


def check_fps(where: str, fps: Any) -> float:
    """Frames per second as a float, also of a fraction (PyAV's) or a decimal; InputError where they
    are no number within `FPS_LIMITS`."""
    low, high = FPS_LIMITS
    try:
        fps = float(fps) if isinstance(fps, (Fraction, Decimal)) else fps
        value = np.asarray(fps)
        if value.ndim == 0 and value.dtype.kind in "biuf" and low <= value <= high:
            return float(value)
    except (ValueError, OverflowError):  # rows of different lengths; more than a float holds
        pass
    expected = f"a positive number from {low:g} to {high:g}"
    raise InputError(where, "fps", expected, repr(fps) if isinstance(fps, str) else fps)


def _check_start(where: str, start: Any) -> int:
    """Number of the first frame; InputError where it is no whole number."""
    try:
        return operator.index(start)
    except TypeError:
        raise InputError(where, "start", "a whole number of frames", repr(start)) from None


def _copy_numbers(where: str, field: str, values: Any) -> np.ndarray:
    """A copy in float64, NaN where an array is masked; InputError where that cannot be."""
    try:
        if np.ma.isMaskedArray(values):
            values = np.ma.filled(values.astype(np.float64), np.nan)
        return np.array(values, np.float64)
    except (ValueError, TypeError, RuntimeError) as error:  # the last: of tensors with a gradient
        raise InputError(where, field, "numbers, in rows of one length", error) from None


def _copy_points(where: str, field: str, values: Any, joints: int, dims: int) -> np.ndarray:
    points = _copy_numbers(where, field, values)
    if points.ndim != 3 or points.shape[1:] != (joints, dims) or not len(points):
        raise InputError(where, field, f"shape (T ≥ 1, {joints}, {dims})", points.shape)
    if np.isinf(points).any():
        raise InputError(where, field, "finite coordinates, or NaN where missing", "infinity")
    return points


def _copy_confidence(where: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    if np.ma.isMaskedArray(values):
        values = np.ma.filled(values, 0)
    confidence = np.ones(shape) if values is None else _copy_numbers(where, "confidence", values)
    if confidence.shape != shape:
        raise InputError(where, "confidence", f"shape {shape}", confidence.shape)
    low, high = confidence.min(), confidence.max()
    if not (low >= 0 and high <= 1):  # neither is true of NaN
        raise InputError(where, "confidence", "values in [0, 1]", f"[{low}, {high}]")
    return confidence


class _Track:
    """What 3D sequences and 2D keypoints share: checks, length, clock, cutting, saving."""

    _field: ClassVar[str]
    """Name of the field that holds the coordinates."""
    _dims: ClassVar[int]
    confidence: np.ndarray
    fps: float
    skeleton: Skeleton
    name: str
    start: int

    def __post_init__(self):
        where, skeleton = self.name or type(self).__name__, get_skeleton(self.skeleton)
        points = _copy_points(where, self._field, self._points, len(skeleton), self._dims)
        confidence = _copy_confidence(where, self.confidence, points.shape[:2])
        fps = check_fps(where, self.fps)
        missing = np.isnan(points).any(-1) | (confidence == 0)
        points[missing], confidence[missing] = np.nan, 0.0
        start = _check_start(where, self.start)
        self._set(
            confidence=confidence, fps=fps, skeleton=skeleton, start=start, **{self._field: points}
        )

    def _set(self, **fields: Any) -> None:
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    @property
    def _points(self) -> np.ndarray:
        return getattr(self, self._field)

    def __len__(self) -> int:
        return len(self.confidence)

    def __getitem__(self, frames: slice) -> Self:
        """The frames of a slice."""
        if not isinstance(frames, slice):
            raise TypeError(f"a {type(self).__name__} is cut by slices: track[a:b]")
        return self._take(frames)

    def _take(self, frames: slice | np.ndarray) -> Self:
        picked = range(len(self))[frames] if isinstance(frames, slice) else frames
        return self.replace(
            confidence=self.confidence[frames],
            start=self.start + int(picked[0]) if len(picked) else self.start,
            **{self._field: self._points[frames]},
            **self._change_keypoints(lambda k: k._take(frames)),
        )

    def _change_keypoints(self, change: Callable[[Any], Any]) -> dict[str, Any]:
        """What ``change`` makes of the keypoints that go with the track, as a field, if any do."""
        return {}

    @property
    def missing(self) -> Bool[np.ndarray, "T J"]:
        """Where a joint has no coordinates."""
        return self.confidence == 0

    @property
    def seconds(self) -> Float[np.ndarray, " T"]:
        """Time of every frame, s."""
        return np.arange(len(self)) / self.fps

    def replace(self, **fields: Any) -> Self:
        """A copy with some fields changed."""
        return replace(self, **fields)  # type: ignore[type-var]  # its subclasses are dataclasses

    def to(self, skeleton: str | Skeleton) -> Self:
        """The same poses on another joint set (``skeleton.convert_joints``)."""
        target = get_skeleton(skeleton)
        points, confidence = convert_joints(self._points, self.confidence, self.skeleton, target)
        rest = self._change_keypoints(lambda k: k.to(target))
        return self.replace(confidence=confidence, skeleton=target, **{self._field: points}, **rest)

    def resample(self, fps: float) -> Self:
        """The same motion at another frame rate, by cubic splines through the frames that are
        there.

        A new frame has a joint where a frame within half a period of the slower rate has it, with
        the nearest one's confidence: nothing that was seen is lost, and gaps keep their length but
        for half a frame. There and back, motion below an eighth of the lower rate returns within
        1 % of its amplitude away from the ends.
        """
        fps = check_fps(self.name or type(self).__name__, fps)
        if fps == self.fps or len(self) == 1:
            return self.replace(fps=fps, **self._change_keypoints(lambda k: k.replace(fps=fps)))
        frames = count_resampled(len(self), self.fps, fps)
        return self.sample_at(np.arange(frames) * (self.fps / fps), fps)

    def sample_at(
        self,
        times: Float[np.ndarray, " N"],
        fps: float,
        clock: Float[np.ndarray, " T"] | None = None,
    ) -> Self:
        """As ``resample``, at any growing ``times``, counted in frames of this sequence; the
        result's rate is ``fps``.

        The last of them counts as seeing what is seen in any later frame. ``clock`` says where the
        frames lie if not at 0, 1, 2 …: a joint is then seen up to a whole frame away.
        """
        from scipy.interpolate import CubicSpline

        known, half = self._points, max(1.0, self.fps / fps) / 2 if clock is None else 1.0
        places = np.arange(len(self)) if clock is None else clock
        confidence = np.zeros((len(times), known.shape[1]))
        points = np.full((len(times), *known.shape[1:]), np.nan)
        for j in range(known.shape[1]):
            seen = np.flatnonzero(self.confidence[:, j])
            at, values = places[seen], known[seen, j]
            confidence[:, j] = resample_confidence(self.confidence[seen, j], at, times, half)
            if len(seen) > 1:  # beyond the outer ones a cubic runs away
                points[:, j] = CubicSpline(at, values)(np.clip(times, at[0], at[-1]))
            elif len(seen) == 1:
                points[:, j] = values[0]
        start = round((self.start + float(times[0])) * fps / self.fps) if len(times) else 0
        fields = {self._field: points} | self._change_keypoints(
            lambda k: k.sample_at(times, fps, clock)
        )
        return self.replace(confidence=confidence, fps=fps, start=start, **fields)

    def pad_with_last(self, frames: int) -> Self:
        """The first ``frames`` frames; where there are fewer, the last one is repeated."""
        return self._take(np.minimum(np.arange(frames), len(self) - 1))

    def iter_parts(self, frames: int = 1000) -> Iterator[Self]:
        """The whole, that many frames at a time."""
        return (self[a : a + frames] for a in range(0, len(self), frames))

    def map(self, function: Callable[[Self], Self], around: int = 0) -> Self:
        """``function`` of the whole; ``around`` is for ``StreamedSequence.map``, which calls it
        part by part."""
        return function(self)

    def save(self, path: str | os.PathLike) -> None:
        """Write an npz file (plain arrays, no pickle), whole or not at all."""
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **self._stored_fields())  # type: ignore[arg-type]  # no switch

    def _stored_fields(self) -> dict[str, Any]:
        return {
            "confidence": self.confidence,
            "fps": self.fps,
            "skeleton": self.skeleton.name,
            "name": self.name,
            self._field: self._points,
            **({"joint_names": list(self.skeleton.joints)} if self.skeleton.own_rows else {}),
            **({"start": self.start} if self.start else {}),
        }

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read what ``save`` wrote; ``confidence``, ``fps``, ``skeleton``, ``name`` and ``start``
        may be absent.

        Raises:
            InputError: not an npz of plain arrays, or a field that does not fit.
        """
        with open_npz(path) as file:
            arrays = {key: file[key] for key in file.files}
        return cls.from_arrays(path, arrays)

    @classmethod
    def from_arrays(cls, path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> Self:
        """A sequence from the arrays of a file. Raises InputError as ``load`` does."""
        fields = cls._parse_fields(path, arrays)
        try:
            return cls(**fields)
        except InputError as error:
            raise InputError(path, error.field, error.expected, error.found) from None

    @classmethod
    def _parse_fields(cls, path: Any, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {
            cls._field: _get_array(path, arrays, cls._field),
            "confidence": arrays.get("confidence"),
            "fps": _get_scalar(path, arrays, "fps", float, 50.0),
            "skeleton": _get_skeleton(path, arrays),
            "name": _get_scalar(path, arrays, "name", str, ""),
            "start": _get_scalar(path, arrays, "start", int, 0),
        }


@contextmanager
def open_npz(path: str | os.PathLike) -> Iterator[np.lib.npyio.NpzFile]:
    """An npz file, open, never unpickling; what goes wrong with it is one clear error."""
    path = check_path("load", path)
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except FileNotFoundError:
        raise InputError(path, "file", "an npz file", "nothing there") from None
    except UNREADABLE as error:
        if getattr(error, "errno", None) in DISK_FULL:  # the disk, of which a copy was being made
            raise
        reason = str(error) or type(error).__name__
        raise InputError(path, "file", "an npz file of plain arrays", reason) from error


def _get_array(path: Any, arrays: Mapping[str, np.ndarray], field: str) -> np.ndarray:
    if field not in arrays:
        expected = f"an array of that name beside {', '.join(sorted(arrays))}"
        raise InputError(path, field, expected, "none")
    return arrays[field]


def _get_skeleton(path: Any, arrays: Mapping[str, np.ndarray]) -> str | Skeleton:
    if "joint_names" in arrays:
        return make_named_skeleton([str(name) for name in arrays["joint_names"].ravel()], path)
    return _get_scalar(path, arrays, "skeleton", str, "h36m17")


def _get_scalar(path: Any, arrays: Mapping, field: str, kind: type, default: Any) -> Any:
    value = arrays.get(field, np.array(default))
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
        start: number of the first frame in the file or video that it comes from.
        keypoints: what the estimator saw of the same person in the image, frame by frame, where
            that is known. They are cut, resampled, mirrored and saved with the poses.

    Raises:
        InputError: a shape, a confidence or a rate that cannot be.

    >>> walk = PoseSequence(np.zeros((50, 17, 3)), fps=25)
    >>> len(walk), float(walk.seconds[-1]), walk.resample(50).joints.shape
    (50, 1.96, (99, 17, 3))
    """

    joints: np.ndarray
    confidence: np.ndarray = None  # type: ignore[assignment]  # never None once constructed
    fps: float = 50.0
    skeleton: Skeleton = H36M17
    name: str = ""
    start: int = 0
    keypoints: Keypoints2D | None = None
    _field: ClassVar[str] = "joints"
    _dims: ClassVar[int] = 3

    def __post_init__(self):
        super().__post_init__()
        if self.keypoints is not None and len(self.keypoints) != len(self):
            where, expected = self.name or "PoseSequence", f"as many frames as joints ({len(self)})"
            raise InputError(where, "keypoints", expected, len(self.keypoints))

    def _change_keypoints(self, change: Callable[[Any], Any]) -> dict[str, Any]:
        return {} if self.keypoints is None else {"keypoints": change(self.keypoints)}

    def root_relative(self) -> PoseSequence:
        """Every joint relative to its own frame's first joint (the pelvis; the nose in sets without
        one); missing where that is."""
        return self.replace(joints=self.joints - self.joints[:, :1])

    def mirror(self) -> PoseSequence:
        """The person seen in a mirror: x negated, left and right joints swapped. Its own
        inverse."""
        return self.replace(
            joints=mirror_joints(self.joints, self.skeleton),
            confidence=self.confidence[:, list(self.skeleton.mirror)],
            **self._change_keypoints(Keypoints2D.mirror),
        )

    def _stored_fields(self) -> dict[str, Any]:
        fields = super()._stored_fields()
        if self.keypoints is not None:
            stored = self.keypoints._stored_fields()
            fields |= {f"keypoints_{n}": stored[n] for n in _KEYPOINT_FIELDS if n in stored}
        return fields

    @classmethod
    def _parse_fields(cls, path: Any, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        fields = super()._parse_fields(path, arrays)
        if "keypoints_pixels" in arrays:
            stored = {
                n: arrays[f"keypoints_{n}"] for n in _KEYPOINT_FIELDS if f"keypoints_{n}" in arrays
            }
            shared = {n: arrays[n] for n in ("fps", "name", "start") if n in arrays}
            fields["keypoints"] = Keypoints2D.from_arrays(path, shared | stored)
        return fields

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
        fps, skeleton, name, start: as for ``PoseSequence``.
    """

    pixels: np.ndarray
    confidence: np.ndarray = None  # type: ignore[assignment]  # never None once constructed
    fps: float = 50.0
    size: tuple[int, int] = (1000, 1000)
    skeleton: Skeleton = H36M17
    name: str = ""
    start: int = 0
    _field: ClassVar[str] = "pixels"
    _dims: ClassVar[int] = 2

    def __post_init__(self):
        super().__post_init__()
        where = self.name or "Keypoints2D"
        size = _copy_numbers(where, "size", self.size)
        if size.shape != (2,) or not (np.isfinite(size) & (size >= 1)).all():
            raise InputError(where, "size", "width and height in pixels, both positive", self.size)
        self._set(size=tuple(int(n) for n in size))

    def mirror(self) -> Keypoints2D:
        """The image mirrored: x counted from its right edge, left and right joints swapped. Its own
        inverse."""
        order = list(self.skeleton.mirror)
        pixels = np.array([self.size[0], 0]) + np.array([-1, 1]) * self.pixels[:, order]
        return self.replace(pixels=pixels, confidence=self.confidence[:, order])

    def _stored_fields(self) -> dict[str, Any]:
        return super()._stored_fields() | {"size": np.array(self.size)}

    @classmethod
    def _parse_fields(cls, path: Any, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return super()._parse_fields(path, arrays) | {"size": _get_array(path, arrays, "size")}


TrackT = TypeVar("TrackT", PoseSequence, Keypoints2D)


def count_resampled(frames: int, fps: float, new_fps: float) -> int:
    """How many frames a sequence of that many at ``fps`` has at ``new_fps``."""
    return int(np.floor((frames - 1) * new_fps / fps + 1e-9)) + 1


def window_starts(frames: int, length: int, stride: int) -> list[int]:
    """First frames of windows that cover all frames; the last one is moved back to end with the
    sequence.

    >>> window_starts(10, 4, 3), window_starts(11, 4, 3), window_starts(3, 4, 3)
    ([0, 3, 6], [0, 3, 6, 7], [0])
    """
    if not 0 < stride <= length:
        expected = f"1 to the window's length {length}, so that no frame is left out"
        raise InputError("window", "stride", expected, stride)
    if frames <= length:
        return [0]
    starts = list(range(0, frames - length + 1, stride))
    return starts if starts[-1] + length == frames else [*starts, frames - length]


def blend_weights(length: int) -> Float[np.ndarray, " length"]:
    """Weights of a window's frames where windows overlap: a raised cosine, nowhere zero."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2


def stitch(windows: list[PoseSequence], starts: list[int]) -> PoseSequence:
    """One sequence out of windows: where they overlap, their mean weighted by ``blend_weights``.

    A joint that one window lacks comes from the others. Keypoints are left out.

    >>> x = PoseSequence(np.random.default_rng(0).normal(size=(30, 17, 3)))
    >>> y = stitch(x.window(12, 5), window_starts(30, 12, 5))
    >>> bool(np.allclose(y.joints, x.joints))
    True
    """
    if len(windows) != len(starts) or not windows:
        expected = f"one per window ({len(windows)}), at least one"
        raise InputError("stitch", "starts", expected, len(starts))
    length = max(a + len(w) for a, w in zip(starts, windows))
    total = np.zeros((length, *windows[0].joints.shape[1:]))
    weight = np.zeros(total.shape[:2])
    confidence = np.zeros_like(weight)
    for a, w in zip(starts, windows):
        share = blend_weights(len(w))[:, None] * ~w.missing
        total[a : a + len(w)] += share[..., None] * np.nan_to_num(w.joints)
        confidence[a : a + len(w)] += share * w.confidence
        weight[a : a + len(w)] += share
    with np.errstate(invalid="ignore"):
        joints, confidence = total / weight[..., None], np.clip(confidence / weight, 0, 1)
    confidence = np.nan_to_num(confidence)
    return windows[0].replace(joints=joints, confidence=confidence, keypoints=None)


def floor_confidence(track: TrackT) -> TrackT:
    """The track with every observation trusted: for a scale of confidence of which none reaches
    ``CONFIDENCE_THRESHOLD``."""
    confidence = np.maximum(track.confidence, CONFIDENCE_THRESHOLD)
    return track.replace(confidence=np.where(track.missing, 0.0, confidence))


class _Resamplable(Protocol):
    def resample(self, fps: float) -> Self: ...
    def pad_with_last(self, frames: int) -> Self: ...
    def replace(self, **fields: Any) -> Self: ...


ResamplableT = TypeVar("ResamplableT", bound=_Resamplable)


def resample_like(track, result: ResamplableT) -> ResamplableT:
    """``result`` at the frame rate, length and first frame's number of ``track``; its last frame is
    repeated where it ends a little earlier.

    >>> walk = PoseSequence(np.zeros((10, 17, 3)), fps=30)
    >>> len(walk.resample(50)), len(resample_like(walk, walk.resample(50)))
    (16, 10)
    """
    back = result.resample(track.fps).pad_with_last(len(track))
    return back.replace(start=track.start)
