"""A sequence longer than memory: it lies on disk, and only the slice that is asked for is read.

>>> import tempfile
>>> path = tempfile.mkdtemp() + "/long.npz"
>>> PoseSequence(np.zeros((3000, 17, 3)), fps=25, name="walk").save(path)
>>> with opened(path) as walk:
...     len(walk), len(walk[100:350]), len(walk.resample(50))
(3000, 250, 5999)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.poses import skeleton as sk
from stride_nb.poses.sequence import PoseSequence, frames_at, rate, reading

__all__ = ["Stored", "opened"]

_AROUND = 250  # frames to either side that a resampled frame may depend on
_ARRAYS = ("joints", "confidence")


@dataclass(frozen=True, eq=False)
class Stored:
    """What a ``PoseSequence`` is to one who cuts, maps, resamples and saves it; ``refine`` takes
    either.

    Args:
        frames: how many.
        fps, skeleton, name: as of ``PoseSequence``.
        read: frames a to b, as a ``PoseSequence``.
        folder: where what is made of it may be put; both last as long as it is ``opened``.
    """

    frames: int
    fps: float
    skeleton: sk.Skeleton
    name: str
    read: Callable[[int, int], PoseSequence]
    folder: Path

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, frames: slice) -> PoseSequence:
        """The frames of a slice, in memory; where it has a step, all from its first to its last are
        read."""
        if not isinstance(frames, slice):
            raise TypeError("a Stored is cut by slices: track[a:b]")
        asked = range(self.frames)[frames]
        if not asked:
            raise InputError(
                self.name or "Stored", "frames", f"a slice of one or more of {self.frames}", frames
            )
        part = self.read(min(asked[0], asked[-1]), max(asked[0], asked[-1]) + 1)
        return part if asked.step == 1 else part[:: asked.step]

    def parts(self, frames: int = 1000) -> Iterator[PoseSequence]:
        """The whole, that many frames at a time."""
        return (self[a : a + frames] for a in range(0, self.frames, frames))

    def map(self, function: Callable[[PoseSequence], PoseSequence], around: int = 0) -> Stored:
        """``function`` of every part that is read: one by which a frame depends on so many around
        it, and as many are returned."""
        first = function(self[:1])

        def read(a: int, b: int) -> PoseSequence:
            low = max(a - around, 0)
            return function(self[low : b + around])[a - low : b - low]

        return replace(self, fps=first.fps, skeleton=first.skeleton, name=first.name, read=read)

    def to(self, skeleton: str | sk.Skeleton) -> Stored:
        """The same poses on another joint set."""
        return self.map(lambda part: part.to(skeleton))

    def held(self, frames: int) -> Stored:
        """That many frames: the last one stands as long as it takes."""
        return replace(
            self, frames=frames, read=lambda a, b: self[min(a, self.frames - 1) : b].held(b - a)
        )

    def resample(self, fps: float) -> Stored:
        """As ``PoseSequence.resample``, by splines through the frames that are there within 250
        around."""
        fps = rate(self.name or "Stored", fps)
        if fps == self.fps or self.frames == 1:
            return self.map(lambda part: part.replace(fps=fps))
        frames = frames_at(self.frames, self.fps, fps)

        def read(a: int, b: int) -> PoseSequence:
            # one more: a last one takes all after it
            times = np.arange(a, min(b + 1, frames)) * (self.fps / fps)
            low = max(int(times[0]) - _AROUND, 0)
            return self[low : int(times[-1]) + _AROUND].at(times - low, fps)[: b - a]

        return replace(self, frames=frames, fps=fps, read=read)

    def kept(self, parts: Iterable[PoseSequence]) -> Stored:
        """What was made of it, part by part and as many frames, put in the folder."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        with (
            open(folder / "joints.npy", "wb") as joints,
            open(folder / "confidence.npy", "wb") as confidence,
        ):
            self._head(joints, 3)
            self._head(confidence)
            for part in parts:
                joints.write(part.joints.tobytes())
                confidence.write(part.confidence.tobytes())
        return _files(folder, self.folder, self.name, self._fields())

    def save(self, path: str | os.PathLike) -> None:
        """Write the npz file that ``PoseSequence.save`` would, whole or not at all."""
        with atomic_path(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as archive:
            for name, dims in zip(_ARRAYS, ((3,), ())):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    self._head(file, *dims)
                    for part in self.parts():
                        file.write(getattr(part, name).tobytes())
            for name, value in self._fields().items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, value)

    def _fields(self) -> dict[str, np.ndarray]:
        return {
            "fps": np.array(self.fps),
            "skeleton": np.array(self.skeleton.name),
            "name": np.array(self.name),
        }

    def _head(self, file, *dims: int) -> None:
        shape = (self.frames, len(self.skeleton), *dims)
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": shape}
        )


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[Stored]:
    """The sequence in an npz file of ``PoseSequence.save``, a slice at a time.

    Meanwhile it stands uncompressed (0.7 kB a frame) in the system's folder for temporary files, as
    does what is made of it; the environment variable ``TMPDIR`` names another one, where that
    folder is itself in memory.

    Raises:
        InputError: as ``PoseSequence.load`` does; a value that cannot be, when it is read.
        OSError: no room for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            with reading(path) as file:
                found = {
                    name: file[name] for name in ("fps", "skeleton", "name") if name in file.files
                }
                for name in _ARRAYS:
                    if name in file.files:
                        file.zip.extract(f"{name}.npy", folder)
        except OSError as error:
            error.filename = error.filename or (folder if error.errno else None)
            raise
        yield _files(Path(folder), Path(folder), path, found)


def _files(source: Path, folder: Path, where, found: dict) -> Stored:
    """The arrays in ``source``, mapped anew for every slice: no page that was read stays in the
    process."""
    paths = {name: source / f"{name}.npy" for name in _ARRAYS if (source / f"{name}.npy").exists()}

    def arrays(a: int | None, b: int | None) -> dict[str, np.ndarray]:
        return {
            name: np.load(path, mmap_mode="r", allow_pickle=False)[a:b]
            for name, path in paths.items()
        }

    def read(a: int, b: int) -> PoseSequence:
        return PoseSequence.of(where, found | arrays(a, b))

    try:
        shapes = {name: array.shape for name, array in arrays(None, None).items()}
        frames, first = shapes["joints"][0], read(0, 1)
        if shapes.get("confidence", shapes["joints"])[0] != frames:
            raise ValueError(shapes)
    except (ValueError, LookupError):
        PoseSequence.load(where)  # says what is wrong
        raise
    return Stored(frames, first.fps, first.skeleton, first.name, read, folder)
