"""Human3.6M as MotionBERT prepares it: reader, clips and units of
``h36m_sh_conf_cam_source_final.pkl``.

The file is the user's own (Human3.6M needs a registration). It is a pickle, a dict of ``train`` and
``test``, each with 2D detections, image-plane 3D labels and their truth in millimetres (Zhu et al.,
MotionBERT, ICCV 2023). It is read without running anything it names, and what is large stays as it
came: frames are cast and normalised when they are asked for, a clip at a time, so no array is ever
held twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32, Int, Int32, Num

from stride_nb._pickles import numpy_pickle
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import check_max_clips
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import mirror_joints

__all__ = [
    "H36M",
    "H36M_FPS",
    "IMAGE_SIZES",
    "FrameNames",
    "H36MClips",
    "cut_clips",
    "load",
    "read_h36m",
]

H36M_FPS = 50
"""Frames per second of the file."""
Frames = slice | Int[np.ndarray, " ..."]
IMAGE_SIZES = {
    "54138969": (1000, 1002),
    "55011271": (1000, 1000),
    "58860488": (1000, 1000),
    "60457274": (1000, 1002),
}
"""Width and height in pixels of the images of Human3.6M's four cameras."""

_FIELD_SHAPES = {
    "joint_2d": (17, 2),
    "joint3d_image": (17, 3),
    "joints_2.5d_image": (17, 3),
    "2.5d_factor": (),
    "confidence": (17,),
}
_NAMES = ("camera_name", "source", "action")


@dataclass(frozen=True, eq=False)
class FrameNames:
    """A name per frame: ``codes`` index ``names``, each of which stands there once."""

    codes: Int[np.ndarray, " N"]
    names: tuple[str, ...]

    @classmethod
    def from_list(cls, values: Sequence[str]) -> FrameNames:
        """From the name of every frame."""
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(value, len(numbers)) for value in values]
        return cls(np.array(codes, np.int32), tuple(numbers))

    def __getitem__(self, frame: int) -> str:
        return self.names[self.codes[frame]]

    def runs(self) -> list[tuple[int, int]]:
        """First frame and end of every stretch of one name."""
        bounds = [0, *(np.flatnonzero(np.diff(self.codes)) + 1).tolist(), len(self.codes)]
        return list(pairwise(bounds))


@dataclass(frozen=True, eq=False)
class H36M:
    """One split of the file, every array as it was read."""

    pixels: Num[np.ndarray, "N 17 2"]
    """Detected joints, px."""
    confidence: Num[np.ndarray, "N 17"] | None
    """Of the detections; ``None`` means 1."""
    image: Num[np.ndarray, "N 17 3"]
    """Labels: x, y px and z in the same scale."""
    millimetres: Num[np.ndarray, "N 17 3"]
    """The labels' truth, mm."""
    factor: Num[np.ndarray, " N"]
    """mm per unit of ``image``."""
    camera: FrameNames
    source: FrameNames
    action: FrameNames

    def __len__(self) -> int:
        return len(self.pixels)

    def _get_image_scale(self, frames) -> tuple[np.ndarray, np.ndarray]:
        """Image width (…, 1, 1) and what x and y are shifted by (…, 1, 2), so that the image's
        middle is 0."""
        sizes = np.array([IMAGE_SIZES[name] for name in self.camera.names], np.float64)
        width, height = np.moveaxis(sizes[self.camera.codes[frames]], -1, 0)
        shift = np.stack([np.ones_like(width), height / width], -1)
        return width[..., None, None], shift[..., None, :]

    def inputs(self, frames: Frames) -> Float32[np.ndarray, "*frames 17 3"]:
        """What the lifter sees: x/w·2 − 1, y/w·2 − h/w and confidence.

        Args:
            frames: a slice or an integer array of any shape; the result has that shape in front.
        """
        width, shift = self._get_image_scale(frames)
        pixels = self.pixels[frames]
        out = np.ones((*pixels.shape[:-1], 3), np.float32)
        out[..., :2] = pixels.astype(np.float32) / width.astype(np.float32) * 2 - shift
        if self.confidence is not None:
            out[..., 2] = self.confidence[frames]
        return out

    def labels(self, frames: Frames) -> Float32[np.ndarray, "*frames 17 3"]:
        """What the lifter is to predict: x, y as in ``inputs``, z·2/w, depth as the file has it."""
        width, shift = self._get_image_scale(frames)
        out = self.image[frames].astype(np.float32) / width.astype(np.float32) * 2
        out[..., :2] = out[..., :2] - shift
        return out

    def to_millimetres(
        self, values: Float[np.ndarray, "*frames 17 3"], frames: Frames
    ) -> Float[np.ndarray, "*frames 17 3"]:
        """Normalised predictions back in pixels, times ``factor``: mm, float64."""
        width, shift = self._get_image_scale(frames)
        out = np.array(values, np.float64)
        out[..., :2] += shift
        return out * (width / 2) * self.factor[frames][..., None, None]


class H36MClips:
    """Clips of equal length, cut when they are asked for: ``clips[i]`` is a pair (x, y) to train
    the lifter with.

    ``i`` may be an integer, a slice or an array of integers; x and y are (…, length, 17, 3) float32
    in normalised units: x is ``H36M.inputs``, y ``H36M.labels`` with the root of the first frame
    moved to depth 0, or with every frame relative to its own root. ``len`` and integer indices are
    all that a torch ``DataLoader`` needs.

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
        self.frames = cut_clips(data.source, length, stride, np.random.default_rng(seed))
        """(clips, length) int32: the frames of each clip."""
        if not len(self):
            expected = f"at most the {len(data)} frames of the only source"
            raise InputError("clips", "length", expected, length)

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
        x[mirrored], y[mirrored] = mirror_joints(x[mirrored]), mirror_joints(y[mirrored])
        return x, y


def cut_clips(
    source: FrameNames, length: int, stride: int, rng: np.random.Generator
) -> Int32[np.ndarray, "N length"]:
    """Frames of the clips of every source; a clip never crosses from one source to the next.

    A source shorter than ``length`` becomes one clip, in which random frames are repeated, unless
    it is the last source or has come up before: then it is dropped. So are the frames that are left
    at the end of a longer source.
    """
    if length < 1 or stride < 1:
        raise InputError("clips", "length, stride", "at least 1 frame", f"{length}, {stride}")
    clips, used = [], set()
    for first, end in source.runs():
        starts = range(first, end - length + 1, stride)
        clips += [np.arange(a, a + length) for a in starts]
        if not starts and end < len(source.codes) and source[first] not in used:
            clips.append(first + _draw_stretched_indices(end - first, length, rng))
        used.add(source[first])
    return np.array(clips, np.int32).reshape(-1, length)


def _draw_stretched_indices(frames: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """``length`` indices into fewer frames, in order: evenly spaced, each rounded up or down by a
    coin."""
    even = np.arange(length) * frames / length
    indices = np.where(rng.integers(2, size=length), np.floor(even), np.ceil(even))
    return np.sort(indices).clip(0, frames - 1).astype(int)


def read_h36m(path: str | os.PathLike, split: str) -> H36M:
    """One split of the file; the other one is let go at once.

    Raises:
        InputError: not such a file; a field that is absent, of another shape or length, not finite;
            a camera that is not one of Human3.6M's four.
    """
    content = numpy_pickle.load_pickle(path)
    if not isinstance(content, dict) or not isinstance(content.get(split), dict):
        keys = ", ".join(map(str, content))[:80] if isinstance(content, dict) else None
        expected = f"{split!r}, one of train and test, each a dict of fields"
        raise InputError(path, "split", expected, keys or type(content).__name__)
    fields = content.pop(split)
    del content
    given = [name for name in _FIELD_SHAPES if name != "confidence" or fields.get(name) is not None]
    arrays = {name: _take_frames(path, fields, name) for name in given}
    names = {name: _take_names(path, fields, name) for name in _NAMES}
    _check_h36m(path, arrays | {name: value.codes for name, value in names.items()})
    for camera in names["camera_name"].names:
        if camera not in IMAGE_SIZES:
            raise InputError(path, "camera_name", f"one of {', '.join(IMAGE_SIZES)}", repr(camera))
    return H36M(
        pixels=arrays["joint_2d"],
        confidence=arrays.get("confidence"),
        image=arrays["joint3d_image"],
        millimetres=arrays["joints_2.5d_image"],
        factor=arrays["2.5d_factor"],
        camera=names["camera_name"],
        source=names["source"],
        action=names["action"],
    )


def _take_frames(path, fields: dict, name: str) -> np.ndarray:
    value, shape = fields.pop(name, None), _FIELD_SHAPES[name]
    if not isinstance(value, np.ndarray):
        kind = "nothing" if value is None else type(value).__name__
        raise InputError(path, name, "an array", kind)
    if name == "confidence" and value.shape[2:] == (1,):
        value = value[..., 0]
    if value.dtype.kind not in "fiu" or not value.ndim or value.shape[1:] != shape:
        expected = f"numbers of shape ({', '.join(map(str, ('N', *shape)))})"
        raise InputError(path, name, expected, f"{value.dtype} of shape {value.shape}")
    for part in range(0, len(value), 65536):  # piece by piece: the test makes an array of its own
        if not np.isfinite(value[part : part + 65536]).all():
            raise InputError(path, name, "finite numbers", "NaN or infinity")
    return value


def _take_names(path, fields: dict, name: str) -> FrameNames:
    value = fields.pop(name, None)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not set(map(type, value)) <= {str}:
        raise InputError(path, name, "a list of text, one per frame", type(value).__name__)
    return FrameNames.from_list(value)


def _check_h36m(path, columns: dict[str, np.ndarray]) -> None:
    frames = len(columns["joint_2d"])
    if not frames:
        raise InputError(path, "joint_2d", "at least one frame", "none")
    for name, value in columns.items():
        if len(value) != frames:
            raise InputError(path, name, f"{frames} frames, as joint_2d has", len(value))


def load(
    split: str = "test",
    path: str | os.PathLike | None = None,
    clips: int | None = None,
    fps: float = H36M_FPS,
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
        raise InputError("datasets.h36m", "split", "train or test", repr(split))
    if path is None:
        expected = "your copy of MotionBERT's h36m_sh_conf_cam_source_final.pkl"
        raise InputError("datasets.h36m", "path", expected, "none")
    clips, data = check_max_clips(clips), read_h36m(path, split)
    sequences = []
    for first, end in data.source.runs()[:clips]:
        joints = data.millimetres[first:end].astype(np.float64) / 1000 * np.array([1.0, -1.0, -1.0])
        relative = joints - joints[:, :1]
        sequence = PoseSequence(relative, fps=H36M_FPS, name=data.source[first])
        sequences.append(sequence.resample(fps))
    return sequences
