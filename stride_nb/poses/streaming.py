"""A sequence longer than memory: it stays on disk, and only the slice in use is read.

>>> import tempfile
>>> path = tempfile.mkdtemp() + "/long.npz"
>>> PoseSequence(np.zeros((3000, 17, 3)), fps=25, name="walk").save(path)
>>> with open_streamed(path) as walk:
...     len(walk), len(walk[100:350]), len(walk.resample(50))
(3000, 250, 5999)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.poses.sequence import PoseSequence, check_fps, count_resampled, open_npz
from stride_nb.poses.skeleton import Skeleton

__all__ = ["StreamedSequence", "Track3D", "open_streamed"]

_CONTEXT = 250
"""Frames to either side that a resampled frame may depend on."""
_ARRAYS = {"joints": (3,), "confidence": ()}
"""Arrays on disk, (T, J, …) each."""


@dataclass(frozen=True, eq=False)
class StreamedSequence:
    """A ``PoseSequence`` on disk that can be cut, mapped, resampled and saved; ``refine`` takes
    either.

    Args:
        frames: how many.
        fps, skeleton, name, start: as of ``PoseSequence``.
        read: frames a to b, as a ``PoseSequence``.
        folder: where results may be stored; both last as long as ``open_streamed`` does.
    """

    frames: int
    fps: float
    skeleton: Skeleton
    name: str
    read: Callable[[int, int], PoseSequence]
    folder: Path
    start: int = 0

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, frames: slice) -> PoseSequence:
        """The frames of a slice, in memory; where it has a step, all from its first to its last are
        read."""
        if not isinstance(frames, slice):
            raise TypeError("a StreamedSequence is cut by slices: track[a:b]")
        picked = range(self.frames)[frames]
        if not picked:
            where = self.name or "StreamedSequence"
            raise InputError(where, "frames", f"a slice of one or more of {self.frames}", frames)
        part = self.read(min(picked[0], picked[-1]), max(picked[0], picked[-1]) + 1)
        return part if picked.step == 1 else part[:: picked.step]

    def iter_parts(self, frames: int = 1000) -> Iterator[PoseSequence]:
        """The whole, that many frames at a time."""
        return (self[a : a + frames] for a in range(0, self.frames, frames))

    def map(
        self, function: Callable[[PoseSequence], PoseSequence], around: int = 0
    ) -> StreamedSequence:
        """``function`` of every part that is read: one that returns as many frames as it gets, each
        a function of at most ``around`` frames to either side."""
        first = function(self[:1])

        def read(a: int, b: int) -> PoseSequence:
            low = max(a - around, 0)
            return function(self[low : b + around])[a - low : b - low]

        return _describe(first, self.frames, read, self.folder)

    def to(self, skeleton: str | Skeleton) -> StreamedSequence:
        """The same poses on another joint set."""
        return self.map(lambda part: part.to(skeleton))

    def pad_with_last(self, frames: int) -> StreamedSequence:
        """The first ``frames`` frames; where there are fewer, the last one is repeated."""

        def read(a: int, b: int) -> PoseSequence:
            return self[min(a, self.frames - 1) : b].pad_with_last(b - a)

        return replace(self, frames=frames, read=read)

    def resample(self, fps: float) -> StreamedSequence:
        """As ``PoseSequence.resample``, by splines through the frames that are there within 250
        around."""
        fps = check_fps(self.name or "StreamedSequence", fps)
        if fps == self.fps or self.frames == 1:
            return self.map(lambda part: part.replace(fps=fps))
        frames = count_resampled(self.frames, self.fps, fps)

        def read(a: int, b: int) -> PoseSequence:
            # one more: a last one takes all after it
            times = np.arange(a, min(b + 1, frames)) * (self.fps / fps)
            low = max(int(times[0]) - _CONTEXT, 0)
            part = self[low : int(times[-1]) + _CONTEXT]
            return part.sample_at(times - low, fps)[: b - a]

        start = round(self.start * fps / self.fps)
        return replace(self, frames=frames, fps=fps, read=read, start=start)

    def store(self, parts: Iterable[PoseSequence]) -> StreamedSequence:
        """A result of as many frames, computed part by part, on disk in the folder."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        with ExitStack() as stack:
            files = {n: stack.enter_context(open(folder / f"{n}.npy", "wb")) for n in _ARRAYS}
            for name, file in files.items():
                self._write_header(file, name)
            for part in parts:
                for name, file in files.items():
                    file.write(getattr(part, name).tobytes())
        return _map_files(folder, self.folder, self.name, self._scalar_fields())

    def save(self, path: str | os.PathLike) -> None:
        """Write the npz file that ``PoseSequence.save`` would, whole or not at all."""
        with atomic_path(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as archive:
            for name in _ARRAYS:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    self._write_header(file, name)
                    for part in self.iter_parts():
                        file.write(getattr(part, name).tobytes())
            for name, value in self._scalar_fields().items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, value)

    def replace(self, **fields: Any) -> StreamedSequence:
        """The same frames, the first of which has the number ``start``; nothing else is changed."""
        shift = fields["start"] - self.start
        return self.map(lambda part: part.replace(start=part.start + shift)) if shift else self

    def _scalar_fields(self) -> dict[str, np.ndarray]:
        fields: dict[str, Any] = {"fps": self.fps, "skeleton": self.skeleton.name}
        fields["name"] = self.name
        fields |= {"start": self.start} if self.start else {}
        fields |= {"joint_names": self.skeleton.joints} if self.skeleton.own_rows else {}
        return {name: np.array(value) for name, value in fields.items()}

    def _write_header(self, file: IO[bytes], name: str) -> None:
        shape = (self.frames, len(self.skeleton), *_ARRAYS[name])
        header = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)


Track3D = PoseSequence | StreamedSequence


@contextmanager
def open_streamed(path: str | os.PathLike) -> Iterator[StreamedSequence]:
    """The sequence in an npz file of ``PoseSequence.save``, a slice at a time.

    Meanwhile it stands uncompressed (0.7 kB a frame) in the system's folder for temporary files, as
    do results stored from it; the environment variable ``TMPDIR`` names another one, where that
    folder is itself in memory.

    Raises:
        InputError: as ``PoseSequence.load`` does; a value that cannot be, when it is read.
        OSError: no room for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            with open_npz(path) as file:
                scalars = {
                    n: file[n]
                    for n in ("fps", "skeleton", "joint_names", "name", "start")
                    if n in file.files
                }
                for name in _ARRAYS:
                    if name in file.files and file.zip:
                        file.zip.extract(f"{name}.npy", folder)
        except OSError as error:
            error.filename = error.filename or (folder if error.errno else None)
            raise
        yield _map_files(Path(folder), Path(folder), path, scalars)


def _map_files(source: Path, folder: Path, where, scalars: dict) -> StreamedSequence:
    """The arrays in ``source``, mapped anew for every slice: no page that was read stays in the
    process."""
    paths = {name: source / f"{name}.npy" for name in _ARRAYS if (source / f"{name}.npy").exists()}

    def map_arrays(a: int | None, b: int | None) -> dict[str, np.ndarray]:
        return {
            name: np.load(path, mmap_mode="r", allow_pickle=False)[a:b]
            for name, path in paths.items()
        }

    def read(a: int, b: int) -> PoseSequence:
        part = PoseSequence.from_arrays(where, scalars | map_arrays(a, b))
        return part.replace(start=part.start + a)

    try:
        shapes = {name: array.shape for name, array in map_arrays(None, None).items()}
        frames, first = shapes["joints"][0], read(0, 1)
        if shapes.get("confidence", shapes["joints"])[0] != frames:
            raise ValueError(shapes)
    except (ValueError, LookupError):
        PoseSequence.load(where)  # says what is wrong
        raise
    return _describe(first, frames, read, folder)


def _describe(
    first: PoseSequence, frames: int, read: Callable[[int, int], PoseSequence], folder: Path
) -> StreamedSequence:
    """A streamed sequence of which ``first`` is the beginning."""
    return StreamedSequence(
        frames, first.fps, first.skeleton, first.name, read, folder, first.start
    )
