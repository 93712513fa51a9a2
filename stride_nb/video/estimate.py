"""A video in, one sequence a person out: 3D where the estimator gives it, beside the keypoints of
the same frames."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from stride_nb.errors import InputError
from stride_nb.io.detections import Detections, assemble_sequences, clean_detections
from stride_nb.io.mediapipe import NO_PATH_NOTE
from stride_nb.io.pose_files import PoseFile
from stride_nb.io.tracking import check_max_people, link_detections
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import Skeleton
from stride_nb.video.detection_log import DetectionLog
from stride_nb.video.estimators import Estimator, load_estimator
from stride_nb.video.frames import VideoDescription, describe_clock, iterate_frames, probe_video

__all__ = ["DEFAULT_ESTIMATOR", "assemble_people", "estimate_poses", "run_estimator"]

WARM_UP_SECONDS = 2.0
"""Video seen again before an interrupted run goes on: an estimator that follows a person needs to
have found the person."""
DEFAULT_ESTIMATOR = "mediapipe_full"


def estimate_poses(
    path: str | PathLike,
    estimator: str | PathLike | Estimator = DEFAULT_ESTIMATOR,
    people: int | None = None,
    partial: Path | None = None,
) -> PoseFile:
    """The people in a video.

    Args:
        path: of the video.
        estimator: a name, the path of a ``.task`` file (`load_estimator`), or an estimator, which
            stays open.
        people: how many to follow at once, and to keep, those seen in most frames; None: one.
        partial: file that holds the estimates so far, should the run be interrupted; a later one
            goes on from there. It stays until the caller removes it.

    Returns:
        ``PoseSequence`` (metres about the hips, camera axes) with ``keypoints``, or
        ``Keypoints2D`` of a 2D estimator; in the estimator's own joints, from the first frame to
        the last, at a constant frame rate; and notes on what was assumed.

    Raises:
        InputError: a file that is no video, nobody in it, an unknown estimator, a package or model
            that is missing.
    """
    check_max_people(path, people)
    path = Path(path)
    video = probe_video(path)
    if isinstance(estimator, (str, PathLike)):
        with closing(load_estimator(estimator, people or 1)) as loaded:
            return _estimate_with(path, video, loaded, people, partial)
    return _estimate_with(path, video, estimator, people, partial)


def _estimate_with(
    path: Path,
    video: VideoDescription,
    estimator: Estimator,
    people: int | None,
    partial: Path | None,
) -> PoseFile:
    file = path.stat()
    key = [path.name, file.st_size, file.st_mtime_ns, estimator.name, people or 1]
    log = DetectionLog(len(estimator.skeleton), partial, json.dumps(key))
    run_estimator(path, video, estimator, log)
    sequences, notes = assemble_people(log, estimator.skeleton, video, path, people)
    return PoseFile(sequences, estimator.name, notes, up="-y")


def run_estimator(
    path: Path, video: VideoDescription, estimator: Estimator, log: DetectionLog
) -> None:
    """Run an estimator over the frames that the log lacks, with a progress bar on a terminal.

    It begins ``WARM_UP_SECONDS`` before the first of them. What is found there is not kept: the
    log's frames stay as they are. Those that follow differ from an uninterrupted run's as any two
    runs of a tracker with different beginnings do: MediaPipe's by less than a pixel (median), by
    much where it wavers between left and right.
    """
    from tqdm import tqdm

    estimator.reset()
    done = len(log)
    first = int(np.searchsorted(log.seconds, log.seconds[-1] - WARM_UP_SECONDS)) if done else 0
    frames = iterate_frames(path, first)
    total = max(video.frames, done) or None
    try:
        for frame in tqdm(frames, path.name, total, initial=first, unit="frame", disable=None):
            people = estimator.detect(frame.image, frame.seconds * 1000)
            if frame.number >= done:
                log.add(frame.seconds, people)
    finally:
        log.save()


def assemble_people(
    log: DetectionLog,
    skeleton: Skeleton,
    video: VideoDescription,
    path: Path,
    people: int | None = None,
) -> tuple[list[PoseSequence | Keypoints2D], list[str]]:
    """One sequence a person, at a constant frame rate, and notes.

    Who is who is decided in the image: of 3D about each person's own hips nobody could tell.

    Raises:
        InputError: nobody in any frame.
    """
    if not len(log.numbers):
        expected = f"somebody in one of {len(log)} frames"
        raise InputError(path, "people", expected, "nobody")
    fps, clock = describe_clock(log.seconds, video.fps)
    ids = link_detections(log.numbers, log.pixels, fps)
    kept, notes = _choose_people(ids, people)
    detections = _select_detections(log, skeleton, ids, kept)
    sequences, _ = assemble_sequences(
        clean_detections(detections, path), path, fps, video.size, None
    )
    if np.isfinite(log.joints_cam).any():
        bodies = replace(detections, points=log.joints_cam[np.isin(ids, kept)])
        bodies, _ = assemble_sequences(clean_detections(bodies, path), path, fps, None, None)
        sequences = [body.replace(keypoints=seen) for body, seen in zip(bodies, sequences)]
        notes.append(NO_PATH_NOTE)
    if len(log) < 0.98 * video.frames - 2:
        notes.append(f"cut short or damaged: {len(log)} of {video.frames} frames could be decoded")
    if clock is not None:
        notes.append(f"variable frame rate: poses are resampled to {fps:g} frames per second")
        _check_length(path, clock)
        times = np.arange(int(np.floor(clock[-1] + 1e-6)) + 1, dtype=float)
        sequences = [sequence.sample_at(times, fps, clock) for sequence in sequences]
    return sequences, notes


def _choose_people(
    ids: Int[np.ndarray, " N"], people: int | None
) -> tuple[Int[np.ndarray, " K"], list[str]]:
    """Ids of those seen in most frames, in order of appearance, and a note where others are left
    out."""
    counts = np.bincount(ids)
    kept = np.sort(np.argsort(-counts, kind="stable")[: people or 1])
    if len(kept) == len(counts):
        return kept, []
    most = "the one" if len(kept) == 1 else f"the {len(kept)}"
    return kept, [f"{len(counts)} people were seen, {most} in most frames kept (people=…)"]


def _select_detections(
    log: DetectionLog, skeleton: Skeleton, ids: Int[np.ndarray, " N"], kept: Int[np.ndarray, " K"]
) -> Detections:
    """Detections in the image of those kept, numbered from 1."""
    rows = np.isin(ids, kept)
    return Detections(
        log.numbers[rows],
        [str(i + 1) for i in np.searchsorted(kept, ids[rows])],
        log.pixels[rows],
        log.confidence[rows],
        skeleton.name,
        frame_span=(0, len(log) - 1),
    )


def _check_length(path: Path, clock: Float[np.ndarray, " T"]) -> None:
    if clock[-1] > 1000 + 10 * len(clock):
        expected = "presentation times of one video, nine in ten frames lost at most"
        found = f"{len(clock)} frames over {clock[-1]:.0f} periods"
        raise InputError(path, "times", expected, found)
