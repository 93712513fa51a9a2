"""Human3.6M as MotionBERT prepares it: reader, clips and units of
``h36m_sh_conf_cam_source_final.pkl``.

The file is the user's own (Human3.6M needs a registration). It is a pickle, a dict of ``train`` and
``test``, each with 2D detections, image-plane 3D labels and their truth in millimetres (Zhu et al.,
MotionBERT, ICCV 2023). It is read without running anything it names (``stride_nb.unpickle``), and
what is large stays as it came: frames are cast and normalised when they are asked for, a clip at a
time, so no array is ever held twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stride_nb._pickles import numpy_pickle
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import at_most
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17

__all__ = ["FPS", "H36M", "IMAGE_SIZES", "H36MClips", "Names", "cut", "flip", "load", "read"]

FPS = 50
IMAGE_SIZES = {
    "54138969": (1000, 1002),
    "55011271": (1000, 1000),
    "58860488": (1000, 1000),
    "60457274": (1000, 1002),
}
"""Width and height in pixels of the images of Human3.6M's four cameras."""

_ARRAYS = {
    "joint_2d": (17, 2),
    "joint3d_image": (17, 3),
    "joints_2.5d_image": (17, 3),
    "2.5d_factor": (),
}
_NAMES = ("camera_name", "source", "action")


@dataclass(frozen=True, eq=False)
class Names:
    """A name per frame: ``codes`` (N,) index ``names``, each of which stands there once."""

    codes: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: list[str]) -> Names:
        numbers: dict[str, int] = {}
        codes = np.fromiter(
            (numbers.setdefault(v, len(numbers)) for v in values), np.int32, len(values)
        )
        return cls(codes, tuple(numbers))

    def __getitem__(self, frame: int) -> str:
        return self.names[self.codes[frame]]

    def runs(self) -> list[tuple[int, int]]:
        """First frame and end of every stretch of one name."""
        bounds = [0, *(np.flatnonzero(np.diff(self.codes)) + 1).tolist(), len(self.codes)]
        return list(zip(bounds[:-1], bounds[1:]))


@dataclass(frozen=True, eq=False)
class H36M:
    """One split of the file, every array as it was read.

    Args:
        pixels: (N, 17, 2) detected joints, px.
        confidence: (N, 17) of the detections, or ``None``, which means 1.
        image: (N, 17, 3) labels: x, y px and z in the same scale.
        millimetres: (N, 17, 3) the labels' truth, mm.
        factor: (N,) mm per unit of ``image``.
        camera, source, action: a name per frame.
    """

    pixels: np.ndarray
    confidence: np.ndarray | None
    image: np.ndarray
    millimetres: np.ndarray
    factor: np.ndarray
    camera: Names
    source: Names
    action: Names

    def __len__(self) -> int:
        return len(self.pixels)

    def _scale(self, frames) -> tuple[np.ndarray, np.ndarray]:
        """Image width (…, 1, 1) and what x and y are shifted by (…, 1, 2), so that the image's
        middle is 0."""
        sizes = np.array([IMAGE_SIZES[name] for name in self.camera.names], np.float64)
        width, height = np.moveaxis(sizes[self.camera.codes[frames]], -1, 0)
        return width[..., None, None], np.stack([np.ones_like(width), height / width], -1)[
            ..., None, :
        ]

    def inputs(self, frames) -> np.ndarray:
        """What the lifter sees: x/w·2 − 1, y/w·2 − h/w and confidence, (…, 17, 3) float32.

        Args:
            frames: a slice or an integer array of any shape; the result has that shape in front.
        """
        width, shift = self._scale(frames)
        pixels = self.pixels[frames]
        out = np.ones((*pixels.shape[:-1], 3), np.float32)
        out[..., :2] = pixels.astype(np.float32) / width.astype(np.float32) * 2 - shift
        if self.confidence is not None:
            out[..., 2] = self.confidence[frames]
        return out

    def labels(self, frames) -> np.ndarray:
        """What it is to answer: x, y as in ``inputs``, z·2/w; (…, 17, 3) float32, depth as the file
        has it."""
        width, shift = self._scale(frames)
        out = self.image[frames].astype(np.float32) / width.astype(np.float32) * 2
        out[..., :2] = out[..., :2] - shift
        return out

    def to_millimetres(self, values: np.ndarray, frames) -> np.ndarray:
        """Normalised answers (…, 17, 3) back in pixels, times ``factor``, mm, float64."""
        width, shift = self._scale(frames)
        out = np.array(values, np.float64)
        out[..., :2] += shift
        return out * (width / 2) * self.factor[frames][..., None, None]


class H36MClips:
    """Clips of equal length, cut when they are asked for: ``clips[i]`` is a pair (x, y) to train
    the lifter with.

    ``i`` may be an integer, a slice or an array of integers; x and y are (…, length, 17, 3) float32
    in normalised
    units: x is ``H36M.inputs``, y ``H36M.labels`` with the root of the first frame moved to depth
    0, or with every frame relative to its own root. ``len`` and integer indices are all that a
    torch ``DataLoader`` needs.

    Args:
        data: a split.
        length, stride: in frames; as published, stride 81 in training and 243 in testing.
        root_relative: y relative to the root (MotionBERT's fine-tuned model) or not (RePOSE,
            MotionBERT-Lite).
        seed: for sources shorter than a clip, which are resampled at random.
    """

    def __init__(
        self,
        data: H36M,
        length: int = 243,
        stride: int = 81,
        root_relative: bool = False,
        seed: int = 0,
    ):
        self.data, self.root_relative = data, root_relative
        self.frames = cut(data.source, length, stride, np.random.default_rng(seed))
        """(clips, length) int32: the frames of each clip."""
        if not len(self):
            raise InputError(
                "clips", "length", f"at most the {len(data)} frames of the only source", length
            )

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index) -> tuple[np.ndarray, np.ndarray]:
        frames = self.frames[index]
        x, y = self.data.inputs(frames), self.data.labels(frames)
        if self.root_relative:
            y -= y[..., :1, :].copy()
        else:
            y[..., 2] -= y[..., :1, :1, 2].copy()
        return x, y

    def batches(self, size: int = 32) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All clips in order, ``size`` at once, as in testing."""
        for at in range(0, len(self), size):
            yield self[at : at + size]

    def batch(self, step: int, size: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The batch of a training step: every epoch in another order, each clip mirrored with
        probability ½.

        A function of its arguments alone, so that a run can be resumed at any step. The last batch
        of an epoch may be shorter.
        """
        epoch, at = divmod(step, -(-len(self) // size))
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        x, y = self[order[at * size : (at + 1) * size]]
        mirrored = np.random.default_rng([seed, epoch, at]).random(len(x)) < 0.5
        x[mirrored], y[mirrored] = flip(x[mirrored]), flip(y[mirrored])
        return x, y


def cut(source: Names, length: int, stride: int, rng: np.random.Generator) -> np.ndarray:
    """Frames of the clips of every source, (clips, length) int32; a clip never crosses from one
    source to the next.

    A source shorter than ``length`` becomes one clip, in which random frames are repeated, unless
    it is the last source or has come up
    before: then it is dropped. So are the frames that are left at the end of a longer source.
    """
    if length < 1 or stride < 1:
        raise InputError("clips", "length, stride", "at least 1 frame", f"{length}, {stride}")
    clips, used = [], set()
    for first, end in source.runs():
        starts = range(first, end - length + 1, stride)
        clips += [np.arange(a, a + length) for a in starts]
        if not starts and end < len(source.codes) and source[first] not in used:
            clips.append(first + _resample(end - first, length, rng))
        used.add(source[first])
    return np.array(clips, np.int32).reshape(-1, length)


def _resample(frames: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """``length`` indices into fewer frames, in order: evenly spaced, each rounded up or down by a
    coin."""
    even = np.arange(length) * frames / length
    picked = np.where(rng.integers(2, size=length), np.floor(even), np.ceil(even))
    return np.sort(picked).clip(0, frames - 1).astype(int)


def flip(values: np.ndarray) -> np.ndarray:
    """The mirror image of poses (…, 17, C): x negated, left and right joints swapped; what follows
    x, y, z or x, y (a confidence) goes with its joint."""
    out = values[..., list(H36M17.mirror), :]
    out[..., 0] *= -1
    return out


def read(path: str | os.PathLike, split: str) -> H36M:
    """One split of the file; the other one is let go at once.

    Raises:
        InputError: not such a file; a field that is absent, of another shape or length, not finite;
            a camera that is not one of Human3.6M's four.
    """
    content = numpy_pickle.load(path)
    if not isinstance(content, dict) or not isinstance(content.get(split), dict):
        found = (
            ", ".join(map(str, content))[:80]
            if isinstance(content, dict)
            else type(content).__name__
        )
        raise InputError(
            path, "split", f"{split!r}, one of train and test, each a dict of fields", found
        )
    fields = content.pop(split)
    del content
    arrays = {name: _array(path, fields, name, shape) for name, shape in _ARRAYS.items()}
    confidence = fields.pop("confidence", None)
    if confidence is not None:
        confidence = _array(path, {"confidence": confidence}, "confidence", (17,))
    names = {name: _names(path, fields, name) for name in _NAMES}
    data = H36M(
        arrays["joint_2d"],
        confidence,
        arrays["joint3d_image"],
        arrays["joints_2.5d_image"],
        arrays["2.5d_factor"],
        names["camera_name"],
        names["source"],
        names["action"],
    )
    _check(
        path, data, {**arrays, "confidence": confidence, **{k: v.codes for k, v in names.items()}}
    )
    return data


def _array(path, fields: dict, name: str, shape: tuple[int, ...]) -> np.ndarray:
    value = fields.pop(name, None)
    if not isinstance(value, np.ndarray):
        raise InputError(
            path, name, "an array", "nothing" if value is None else type(value).__name__
        )
    if name == "confidence" and value.shape[2:] == (1,):
        value = value[..., 0]
    if value.dtype.kind not in "fiu" or not value.ndim or value.shape[1:] != shape:
        expected = f"numbers of shape ({', '.join(map(str, ('N', *shape)))})"
        raise InputError(path, name, expected, f"{value.dtype} of shape {value.shape}")
    for part in range(0, len(value), 65536):  # piece by piece: the test makes an array of its own
        if not np.isfinite(value[part : part + 65536]).all():
            raise InputError(path, name, "finite numbers", "NaN or infinity")
    return value


def _names(path, fields: dict, name: str) -> Names:
    value = fields.pop(name, None)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not set(map(type, value)) <= {str}:
        raise InputError(path, name, "a list of text, one per frame", type(value).__name__)
    return Names.of(value)


def _check(path, data: H36M, lengths: dict) -> None:
    if not len(data):
        raise InputError(path, "joint_2d", "at least one frame", "none")
    for name, value in lengths.items():
        if value is not None and len(value) != len(data):
            raise InputError(path, name, f"{len(data)} frames, as joint_2d has", len(value))
    for name in data.camera.names:
        if name not in IMAGE_SIZES:
            raise InputError(path, "camera_name", f"one of {', '.join(IMAGE_SIZES)}", repr(name))


def load(
    split: str = "test",
    path: str | os.PathLike | None = None,
    clips: int | None = None,
    fps: float = FPS,
) -> list[PoseSequence]:
    """The true poses, a sequence a source: metres, root-relative, turned upright.

    They come from ``joints_2.5d_image``: camera-like axes in which the image plane, not a
    perspective ray, gives x and y. Half a turn about x makes y point up, as in the package's world;
    the camera's tilt stays in.

    Args:
        split: ``train`` or ``test``.
        path: the user's ``h36m_sh_conf_cam_source_final.pkl``.
        clips: at most so many sources; ``None``: all.
        fps: the file has 50.
    """
    if split not in ("train", "test"):
        raise InputError("motions.h36m", "split", "train or test", repr(split))
    if path is None:
        raise InputError(
            "motions.h36m",
            "path",
            "your copy of MotionBERT's h36m_sh_conf_cam_source_final.pkl",
            "none",
        )
    clips, data = at_most(clips), read(path, split)
    out = []
    for first, end in data.source.runs()[:clips]:
        joints = data.millimetres[first:end].astype(np.float64) / 1000 * np.array([1.0, -1.0, -1.0])
        out.append(
            PoseSequence(joints - joints[:, :1], fps=FPS, name=data.source[first]).resample(fps)
        )
    return out
