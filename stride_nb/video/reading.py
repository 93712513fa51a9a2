"""Poses from a file of poses, or from the pixels of a video: one call for both."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from stride_nb import io
from stride_nb.errors import InputError
from stride_nb.io.overrides import trust_from
from stride_nb.io.pose_files import PoseFile
from stride_nb.video.estimate import DEFAULT_ESTIMATOR, estimate_poses
from stride_nb.video.frames import looks_like_video

__all__ = ["check_example_is_not_written", "read_poses"]


def read_poses(
    path: str | PathLike,
    format: str | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    skeleton: str | None = None,
    people: int | None = None,
    estimator: str | PathLike = DEFAULT_ESTIMATOR,
    partial: Path | None = None,
    joints: str | PathLike | None = None,
    **overrides: Any,
) -> tuple[PoseFile, list]:
    """The people in a file, as of `io.read_tracks`; of a video what an estimator sees there.

    Args:
        path: of a file of poses or a video.
        format, fps, size, skeleton, joints, overrides: as of `io.read_tracks`; a video says them
            itself, but for ``trust``.
        people: keep this many, those seen in most frames; None: all, of a video one.
        estimator, partial: of a video, as of `estimate_poses`.

    Raises:
        InputError: as of either.
    """
    if not looks_like_video(path):
        return io.read_tracks(path, format, fps, size, skeleton, people, joints, **overrides)
    trust = overrides.pop("trust", None)
    given = {"format": format, "size": size, "skeleton": skeleton, "joints": joints} | overrides
    if refused := [name for name, value in given.items() if value is not None]:
        raise InputError(path, "options", "none that a video says itself", ", ".join(refused))
    found = estimate_poses(path, estimator, people, partial)
    io.check_fps_agrees(path, fps, found[0].fps)
    return found, trust_from(found, trust, path)


def check_example_is_not_written(poses: str, out: str) -> None:
    """InputError where a notebook is told where to write, and not what: papermill only warns of a
    misspelt ``poses``, and its example would pass for the user's own.

    Args:
        poses, out: the notebook's parameters, empty where not given.
    """
    if out and not poses:
        raise InputError("parameters", "poses", f"a file, as out is {out!r}", "none")
