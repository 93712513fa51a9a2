"""The data set of rendered people: what is rendered and estimated, clip by clip, and collected.

A clip is one piece of CMU's motion on a body of its own, filmed once, in a clean version and some
occluded ones. Each clip is a file of its own in the working folder, so that a run that was stopped
goes on where it ended, and clips can be made side by side.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from stride_nb.batch.engine import Engine
from stride_nb.batch.mapping import map_items
from stride_nb.datasets import cmu
from stride_nb.datasets.rendered import Footage, Take, read_takes, write_takes
from stride_nb.errors import InputError, atomic_path
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17, convert_joints
from stride_nb.training.provenance import describe_hardware, get_commit, get_versions
from stride_nb.video.estimators import Estimator, load_estimator
from stride_nb.video.rendering.clip import SIZE, RenderedClip, Version, draw_clip
from stride_nb.video.rendering.occluders import OCCLUDERS

__all__ = [
    "FPS",
    "RenderJob",
    "collect_takes",
    "describe_clip",
    "estimate_images",
    "find_motion",
    "make_data_set",
    "plan_jobs",
    "run_job",
    "unpack_clips",
]

FPS = 25.0
_PACKAGES = ("anny", "pyvista", "vtk", "mediapipe")
"""Whose versions the card states, beside those that every record does."""
_LONGEST, _SHORTEST = 10.0, 2.4  # seconds of a clip
_OCCLUDED = 3  # versions of a clip beside the clean one
_SPLIT_SEEDS = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True)
class RenderJob:
    """One clip to be made."""

    split: str
    index: int
    motion: str
    """Name of CMU's clip."""
    first: int
    """Its frame, at `FPS`, that the clip begins with."""
    frames: int
    occluders: tuple[str, ...]
    estimators: tuple[str, ...]

    @property
    def seed(self) -> list[int]:
        """Of everything that is drawn."""
        return [22, _SPLIT_SEEDS[self.split], self.index]


def plan_jobs(split: str, minutes: float, estimators: Sequence[str]) -> list[RenderJob]:
    """Clips of a split whose versions together last ``minutes``; more minutes begin with the same
    clips.

    Subjects take turns, whatever the length of their motion; so do the occluders. A subject whose
    motion is used up begins again, with another body, room and camera. Of ``train``, each clip goes
    to one of the estimators in turn, of other splits to all.
    """
    pieces, kinds = _cut_pieces(split), [kind for kind in OCCLUDERS if kind != "none"]
    jobs, made, turn = [], 0, 0
    while made < minutes * 60 * FPS:
        subject = sorted(pieces)[len(jobs) % len(pieces)]
        pool = pieces[subject]
        motion, first, frames = pool[(len(jobs) // len(pieces)) % len(pool)]
        drawn = ("none", *(kinds[(turn + i) % len(kinds)] for i in range(_OCCLUDED)))
        turn += _OCCLUDED
        seen_by = (estimators[len(jobs) % len(estimators)],) if split == "train" else estimators
        jobs.append(RenderJob(split, len(jobs), motion, first, frames, drawn, tuple(seen_by)))
        made += frames * len(drawn)
    return jobs


def _cut_pieces(split: str) -> dict[str, list[tuple[str, int, int]]]:
    """Pieces (clip, first frame, frames) of every subject, in a random order that is the same at
    every call."""
    pieces: dict[str, list] = {}
    for clip in cmu.load(split, fps=FPS):
        count = max(1, int(np.ceil(len(clip) / (_LONGEST * FPS))))
        for part in np.array_split(np.arange(len(clip)), count):
            if len(part) >= _SHORTEST * FPS:
                subject = _find_subject(clip.name)
                pieces.setdefault(subject, []).append((clip.name, int(part[0]), len(part)))
    rng = np.random.default_rng([22, _SPLIT_SEEDS[split]])
    return {
        subject: [pool[i] for i in rng.permutation(len(pool))] for subject, pool in pieces.items()
    }


def _find_subject(clip: str) -> str:
    """``cmu_06_02_a`` → ``cmu_06``; trials of unknown people (``cmu_gs_…``) count as one."""
    return "_".join(clip.split("_")[:2])


def run_job(job: RenderJob, folder: Path) -> Path:
    """Render a clip, run its estimators on every version, write the result; nothing where that was
    done before.

    Raises:
        InputError: an unknown estimator, or an extra that is missing.
    """
    path, start = _find_job_file(folder, job), time.process_time()
    if path.is_file() and {take.estimator for take in read_takes(path)} >= set(job.estimators):
        return path
    networks = [load_estimator(name) for name in job.estimators]
    clip = draw_clip(job.seed, find_motion(job).joints, FPS)
    footage = describe_clip(job, clip)
    takes = [
        _estimate(footage, version, network)
        for version in map(clip.render, job.occluders)
        for network in networks
    ]
    write_takes(path, takes)
    clip.close()
    for network in networks:
        network.close()
    path.with_suffix(".seconds").write_text(f"{time.process_time() - start:.1f}\n")
    return path


def find_motion(job: RenderJob) -> PoseSequence:
    """The piece of CMU's motion that a clip shows."""
    clip = next(c for c in cmu.load(job.split, fps=FPS) if c.name == job.motion)
    return clip[job.first : job.first + job.frames]


def describe_clip(job: RenderJob, clip: RenderedClip) -> Footage:
    """What is true of a clip, whoever looks at it."""
    camera = clip.cameras[0]
    return Footage(
        f"{job.motion}_{job.first}_r{job.index}",
        _find_subject(job.motion),
        FPS,
        SIZE,
        float(camera.focal[0]),
        (float(camera.center[0]), float(camera.center[1])),
        clip.hand_held,
        {"stature": clip.body.measure_stature(), **clip.body.phenotype},
        job.seed,
        clip.joints_cam,
        clip.self_occluded,
        np.stack([c.R for c in clip.cameras]),
        np.stack([c.t for c in clip.cameras]),
    )


def _estimate(footage: Footage, version: Version, estimator: Estimator) -> Take:
    joints, pixels, confidence = estimate_images(estimator, version.images, FPS)
    return Take(
        footage,
        version.occluder,
        version.crop,
        version.hidden,
        estimator.name,
        joints,
        pixels,
        confidence,
    )


def estimate_images(
    estimator: Estimator, images: Sequence[UInt8[np.ndarray, "H W 3"]], fps: float
) -> tuple[Float[np.ndarray, "T 17 3"], Float[np.ndarray, "T 17 2"], Float[np.ndarray, "T 17"]]:
    """The first person that an estimator finds in pictures, taken as a video: joints of
    Human3.6M's set (metres, camera axes), pixels, confidence."""
    frames, joints = len(images), len(estimator.skeleton)
    world, pixels = np.full((frames, joints, 3), np.nan), np.full((frames, joints, 2), np.nan)
    confidence = np.zeros((frames, joints))
    estimator.reset()
    for frame, image in enumerate(images):
        for person in estimator.detect(image, 1000 * frame / fps)[:1]:
            world[frame], pixels[frame] = person.joints_cam, person.pixels
            confidence[frame] = person.confidence
    joints_cam, trust = convert_joints(world, confidence, estimator.skeleton, H36M17)
    return joints_cam, convert_joints(pixels, confidence, estimator.skeleton, H36M17)[0], trust


def collect_takes(folder: Path, split: str) -> Iterator[Take]:
    """All takes of a split that were made, in the order of their clips."""
    for path in sorted((folder / split).glob("[0-9]*.npz")):
        yield from read_takes(path)


def make_data_set(
    split: str,
    minutes: float,
    estimators: Sequence[str],
    work: Path,
    out: Path,
    engine: Engine = Engine(),  # noqa: B008  frozen
) -> tuple[Path, Path]:
    """Make the clips that neither ``work`` nor the file in ``out`` holds, then one file of all, and
    its card.

    Args:
        minutes: of video, all versions together; their processor time is some two seconds a second
            and estimator.
        work: a file a clip; on a cluster a folder that its machines share.
        engine: where clips are made, a thread each.

    Raises:
        InputError: minutes that are no positive number, an unknown estimator, no motion at hand, or
            an extra that is missing.
    """
    if not 0 < minutes < np.inf:
        raise InputError("render", "minutes", "a positive number", minutes)
    jobs = plan_jobs(split, minutes, estimators)
    path, card = out / f"rendered_{split}.npz", out / f"rendered_{split}.json"
    unpack_clips(path, work, split)
    map_items(partial(run_job, folder=work.absolute()), jobs, engine, f"rendering {split}")
    takes = [take for job in jobs for take in read_takes(_find_job_file(work, job))]
    write_takes(path, takes)
    rate = _measure_rate(work, jobs)
    command = f"stride-nb render --split {split} --minutes {minutes:g}"
    with atomic_path(card) as temporary:
        text = json.dumps(_describe_data_set(command, takes, rate), indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return path, card


def unpack_clips(path: Path, work: Path, split: str) -> None:
    """The clips in a file of takes as files of their own, where the working folder has none: more
    minutes go on from what is published."""
    clips: dict[int, list[Take]] = {}
    for take in read_takes(path) if path.is_file() else ():
        clips.setdefault(int(take.footage.name.rpartition("_r")[2]), []).append(take)
    for index, takes in clips.items():
        target = work / split / f"{index:04d}.npz"
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_takes(target, takes)


def _describe_data_set(command: str, takes: Sequence[Take], rate: float) -> dict[str, Any]:
    """What a file holds, how it was made, and what that cost: at the processor's rate in the clips
    whose time was kept."""
    footages = {take.footage.name: take.footage for take in takes}.values()
    versions = {(take.footage.name, take.occluder): take for take in takes}.values()
    length = sum(len(v.hidden) for v in versions) / FPS
    return {
        "command": command,
        "source": "CMU Graphics Lab Motion Capture Database, on Anny's bodies (MakeHuman, CC0)",
        "terms": cmu.TERMS,
        "clips": len(footages),
        "subjects": dict(Counter(f.subject for f in footages)),
        "minutes": round(length / 60, 2),
        "fps": FPS,
        "occluders": dict(Counter(v.occluder for v in versions)),
        "estimators": dict(Counter(take.estimator for take in takes)),
        "hidden_share": round(float(np.concatenate([v.hidden for v in versions]).mean()), 3),
        "cpu_seconds_per_video_second": round(rate, 2),
        "cpu_hours": round(rate * length / 3600, 2),
        "models_sha256": {name: _hash_model(name) for name in sorted({t.estimator for t in takes})},
        "commit": get_commit(),
        "versions": get_versions() | {name: version(name) for name in _PACKAGES},
        "hardware": describe_hardware(),
    }


def _hash_model(estimator: str) -> str:
    """sha256 of an estimator's ``.task`` file; empty for others."""
    from stride_nb.video.mediapipe_models import VARIANTS, fetch_task_file

    variant = estimator.removeprefix("mediapipe_")
    if variant not in VARIANTS:
        return ""
    with open(fetch_task_file(variant), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find_job_file(work: Path, job: RenderJob) -> Path:
    return work / job.split / f"{job.index:04d}.npz"


def _measure_rate(work: Path, jobs: Sequence[RenderJob]) -> float:
    """Seconds of the processor a second of video; NaN where no job's time was kept."""
    spent = length = 0.0
    for job in jobs:
        path = _find_job_file(work, job).with_suffix(".seconds")
        if path.is_file():
            spent += float(path.read_text())
            length += job.frames * len(job.occluders) / FPS
    return spent / length if length else float("nan")
