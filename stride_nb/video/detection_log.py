"""What an estimator found, frame by frame; on disk while it grows, so that an interrupted run goes
on where it was.

The file is a chain of arrays as `numpy.save` writes them, plain numbers, never unpickled: a key
that says which video and estimator they are of, then parts of three arrays: times of frames, frames
of detections, detections. A last part that was cut short is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from stride_nb.errors import UNREADABLE
from stride_nb.video.estimators.registry import DetectedPerson

__all__ = ["DetectionLog"]

_SAVE_SECONDS = 5.0
"""Wall time after which what is new is written."""
_COLUMNS = 6
"""x, y (px), confidence, X, Y, Z (metres) of a joint."""


class DetectionLog:
    """Detections of a video, in order of its frames.

    Args:
        joints: of the estimator.
        path: of the file; one with another ``key`` is begun anew. None: kept in memory only.
        key: what the detections are of.
    """

    def __init__(self, joints: int, path: Path | None = None, key: str = ""):
        self._joints, self._path = joints, path
        self._seconds: list[float] = []
        self._rows: list[np.ndarray] = []
        self._numbers: list[int] = []
        self._saved_frames = self._saved_rows = 0
        self._saved_at = time.monotonic()
        if path is not None and not self._restore(path, key):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                np.save(file, np.array(key))

    def __len__(self) -> int:
        return len(self._seconds)

    @property
    def seconds(self) -> Float[np.ndarray, " T"]:
        """Presentation times of the frames."""
        return np.array(self._seconds)

    @property
    def numbers(self) -> Int[np.ndarray, " N"]:
        """The frame of each detection."""
        return np.array(self._numbers, int)

    @property
    def pixels(self) -> Float[np.ndarray, "N J 2"]:
        """px, NaN where missing."""
        return self._stack()[..., :2]

    @property
    def confidence(self) -> Float[np.ndarray, "N J"]:
        """As the estimator has it."""
        return self._stack()[..., 2]

    @property
    def joints_cam(self) -> Float[np.ndarray, "N J 3"]:
        """Metres about the hips, camera axes; NaN of a 2D estimator."""
        return self._stack()[..., 3:]

    def add(self, seconds: float, people: Sequence[DetectedPerson]) -> None:
        """The next frame's time and people; who has not one joint is left out."""
        for person in people:
            if not (np.isfinite(person.pixels).all(-1) & (person.confidence > 0)).any():
                continue
            row = np.full((self._joints, _COLUMNS), np.nan, np.float32)
            row[:, :2], row[:, 2] = person.pixels, person.confidence
            if person.joints_cam is not None:
                row[:, 3:] = person.joints_cam
            self._rows.append(row)
            self._numbers.append(len(self._seconds))
        self._seconds.append(seconds)
        if time.monotonic() - self._saved_at > _SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Append to the file what is new."""
        self._saved_at = time.monotonic()
        if self._path is None or self._saved_frames == len(self):
            return
        with self._path.open("ab") as file:
            np.save(file, np.array(self._seconds[self._saved_frames :]))
            np.save(file, np.array(self._numbers[self._saved_rows :], int))
            np.save(file, np.array(self._rows[self._saved_rows :], np.float32))
        self._saved_frames, self._saved_rows = len(self), len(self._rows)

    def _stack(self) -> np.ndarray:
        return np.array(self._rows, float).reshape(-1, self._joints, _COLUMNS)

    def _restore(self, path: Path, key: str) -> bool:
        """Whether the file is there and of the same video and estimator; its content is taken."""
        try:
            with path.open("r+b") as file:
                if str(np.load(file, allow_pickle=False)) != key:
                    return False
                whole = file.tell()
                while self._restore_part(file):
                    whole = file.tell()
                file.truncate(whole)
        except UNREADABLE:
            return False
        self._saved_frames, self._saved_rows = len(self), len(self._rows)
        return True

    def _restore_part(self, file) -> bool:
        try:
            seconds, numbers, rows = (np.load(file, allow_pickle=False) for _ in range(3))
            values = rows.astype(np.float32).reshape(len(numbers), self._joints, _COLUMNS)
        except UNREADABLE:
            return False
        self._seconds += seconds.tolist()
        self._numbers += numbers.tolist()
        self._rows += list(values)
        return True
