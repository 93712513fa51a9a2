"""Rendered people seen by a real estimator: its estimates, and the exact truth beside them.

CMU's motions on bodies of many shapes (Anny), filmed by virtual cameras in several versions that
differ by what hides the person, each given to an estimator frame by frame as a video.
``stride-nb render`` makes the files; they are shipped in ``data/estimates``, with a card.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.data_files import DATA
from stride_nb.datasets.cmu import TERMS
from stride_nb.errors import InputError, atomic_path
from stride_nb.poses.geometry import Camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence, open_npz

__all__ = [
    "ESTIMATES",
    "TERMS",
    "Footage",
    "Take",
    "load",
    "load_takes",
    "read_takes",
    "write_takes",
]

ESTIMATES = DATA / "estimates"
"""Where the files lie, in a checkout."""
_TRUTH_STEP, _ESTIMATE_STEP, _PIXEL_STEP = 1e-4, 5e-4, 1 / 16
"""Metres, metres and pixels of a whole number in a file."""
_INFO = ("name", "subject", "fps", "size", "focal", "centre", "hand_held", "body", "seed")


@dataclass(frozen=True, eq=False)
class Footage:
    """What is the same in all versions of a clip."""

    name: str
    subject: str
    fps: float
    size: tuple[int, int]
    """Of the whole picture, px; a version may be cropped."""
    focal: float
    """px."""
    centre: tuple[float, float]
    """Principal point, px."""
    hand_held: bool
    body: dict
    """Stature (metres) and phenotype."""
    seed: list[int]
    joints_cam: Float[np.ndarray, "T 17 3"]
    """The truth: metres, camera axes (x right, y down, z forward)."""
    self_occluded: Bool[np.ndarray, "T 17"]
    """Where another part of the own body stands before a joint."""
    rotation: Float[np.ndarray, "T 3 3"]
    """World (Y up) to camera."""
    translation: Float[np.ndarray, "T 3"]

    def make_camera(self, frame: int) -> Camera:
        """The camera of a frame."""
        focal = np.full(2, self.focal)
        R, t = self.rotation[frame], self.translation[frame]
        return Camera(R, t, focal, np.asarray(self.centre), self.size)


@dataclass(frozen=True, eq=False)
class Take:
    """One version of a clip as one estimator saw it."""

    footage: Footage
    occluder: str
    crop: tuple[int, int, int, int]
    """Left, top, right and bottom within the whole picture, px."""
    hidden: Bool[np.ndarray, "T 17"]
    """Where something other than the own body blocks the line of sight to a joint, the image ends
    or is lost."""
    estimator: str
    joints: Float[np.ndarray, "T 17 3"]
    """The estimate: metres about mid-hips, camera axes; NaN where nobody was found."""
    pixels: Float[np.ndarray, "T 17 2"]
    """px in the cropped picture."""
    confidence: Float[np.ndarray, "T 17"]

    @property
    def name(self) -> str:
        """Of the clip, the version and the estimator."""
        return f"{self.footage.name}_{self.occluder}_{self.estimator}"

    @property
    def found(self) -> Bool[np.ndarray, " T"]:
        """Frames in which the estimator found somebody."""
        return np.asarray(np.isfinite(self.joints).all((1, 2)))

    @property
    def estimate(self) -> PoseSequence:
        """The estimator's poses, with what it saw in the image."""
        size = (self.crop[2] - self.crop[0], self.crop[3] - self.crop[1])
        fps, name = self.footage.fps, self.name
        keypoints = Keypoints2D(self.pixels, self.confidence, fps, size, name=name)
        return PoseSequence(self.joints, self.confidence, fps, name=name, keypoints=keypoints)

    @property
    def truth(self) -> PoseSequence:
        """The exact joints, camera axes."""
        return PoseSequence(self.footage.joints_cam, fps=self.footage.fps, name=self.footage.name)

    def make_camera(self, frame: int = 0) -> Camera:
        """The camera of the cropped picture: its principal point is counted from the crop."""
        whole = self.footage.make_camera(frame)
        left, top, right, bottom = self.crop
        centre = whole.center - (left, top)
        return Camera(whole.R, whole.t, whole.focal, centre, (right - left, bottom - top))


def load(split: str = "test", fps: float = 50) -> list[PoseSequence]:
    """The true motions of the rendered people, in the world (metres, Y up), a clip each."""
    takes = load_takes(split, estimator=None)
    footage = {take.footage.name: take.footage for take in takes}
    return [_move_to_world(clip).resample(fps) for clip in footage.values()]


def load_takes(
    split: str = "test",
    estimator: str | None = "mediapipe_full",
    occluders: Sequence[str] | None = None,
) -> list[Take]:
    """Estimates of a split (``train``, ``val``, ``test``: CMU's subjects, as in `datasets.cmu`).

    Args:
        estimator: ``None``: all of them.
        occluders: kinds to keep (``none``: nothing hides the person); ``None``: all.

    Raises:
        InputError: no file of that split.
    """
    paths = sorted(ESTIMATES.glob(f"rendered_{split}*.npz"))
    if not paths:
        expected = "a checkout's data/estimates, or `stride-nb render` run"
        raise InputError(f"rendered_{split}", "estimates", expected, f"none in {ESTIMATES}")
    takes = [take for path in paths for take in read_takes(path)]
    return [
        take
        for take in takes
        if estimator in (None, take.estimator) and (not occluders or take.occluder in occluders)
    ]


def write_takes(path: str | PathLike, takes: Iterable[Take]) -> None:
    """Write takes into one npz, whole or not at all; footage and masks that takes share are written
    once.

    Coordinates are whole numbers (0.1 mm of truth, 0.5 mm of estimates, 1/16 px), differences over
    time, which pack well.
    """
    takes = list(takes)
    footages = list({id(take.footage): take.footage for take in takes}.values())
    versions = list({(id(take.footage), take.occluder): take for take in takes}.values())
    place = {id(footage): i for i, footage in enumerate(footages)}
    rank = {(id(v.footage), v.occluder): i for i, v in enumerate(versions)}
    arrays = {
        "info": np.array(json.dumps([_describe_footage(footage) for footage in footages])),
        "versions": np.array(
            json.dumps([[place[id(v.footage)], v.occluder, list(v.crop)] for v in versions])
        ),
        "takes": np.array(
            json.dumps([[rank[id(t.footage), t.occluder], t.estimator] for t in takes])
        ),
        "lengths": np.array([len(footage.joints_cam) for footage in footages]),
        **_pack_footage(footages),
        "hidden": np.packbits(np.concatenate([v.hidden for v in versions]), axis=1),
        "joints": _pack_steps([t.joints for t in takes], _ESTIMATE_STEP),
        "pixels": _pack_steps([t.pixels for t in takes], _PIXEL_STEP),
        "confidence": np.concatenate([np.round(255 * t.confidence) for t in takes]).astype("u1"),
        "found": np.packbits(np.concatenate([t.found for t in takes])),
    }
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # no switch


def read_takes(path: str | PathLike) -> list[Take]:
    """What `write_takes` wrote.

    Raises:
        InputError: another file, or a damaged one.
    """
    with open_npz(path) as file:
        arrays = {key: file[key] for key in file.files}
    try:
        return _unpack_takes(arrays)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(path, "file", "an npz of `stride-nb render`", error) from error


def _describe_footage(footage: Footage) -> dict[str, Any]:
    return {key: getattr(footage, key) for key in _INFO}


def _pack_footage(footages: Sequence[Footage]) -> dict[str, np.ndarray]:
    relative = [f.joints_cam - f.joints_cam[:, :1] for f in footages]
    return {
        "truth": _pack_steps(relative, _TRUTH_STEP),
        "root": np.concatenate([f.joints_cam[:, 0] for f in footages]).astype(np.float32),
        "self_occluded": np.packbits(np.concatenate([f.self_occluded for f in footages]), axis=1),
        "rotation": np.concatenate([f.rotation for f in footages]).astype(np.float32),
        "translation": np.concatenate([f.translation for f in footages]).astype(np.float32),
    }


def _pack_steps(parts: Sequence[np.ndarray], step: float) -> np.ndarray:
    """(…, N) differences over time, int16; NaN as 0. What is beyond 16 bits is cut off."""
    values = np.concatenate([np.nan_to_num(part) for part in parts]) / step
    whole = np.clip(np.round(values), -32768, 32767).astype(np.int16)
    return np.moveaxis(np.diff(whole, axis=0, prepend=np.zeros_like(whole[:1])), 0, -1).copy()


def _unpack_steps(values: np.ndarray, step: float) -> np.ndarray:
    return np.cumsum(np.moveaxis(values, -1, 0), 0, dtype=np.int16) * step


def _unpack_takes(arrays: dict[str, np.ndarray]) -> list[Take]:
    lengths = arrays["lengths"]
    footages = _unpack_footage(arrays, lengths)
    versions = json.loads(arrays["versions"].item())
    takes = json.loads(arrays["takes"].item())
    hidden = np.unpackbits(arrays["hidden"], axis=1, count=17).astype(bool)
    masks = _cut(hidden, [lengths[place] for place, _, _ in versions])
    counts = [lengths[versions[version][0]] for version, _ in takes]
    found = np.unpackbits(arrays["found"], count=sum(counts)).astype(bool)
    joints = np.where(found[:, None, None], _unpack_steps(arrays["joints"], _ESTIMATE_STEP), np.nan)
    pixels = np.where(found[:, None, None], _unpack_steps(arrays["pixels"], _PIXEL_STEP), np.nan)
    confidence = np.where(found[:, None], arrays["confidence"] / 255.0, 0.0)
    parts = zip(takes, *(_cut(whole, counts) for whole in (joints, pixels, confidence)))
    return [
        Take(
            footages[versions[version][0]],
            versions[version][1],
            tuple(versions[version][2]),
            masks[version],
            estimator,
            *part,
        )
        for (version, estimator), *part in parts
    ]


def _unpack_footage(arrays: dict[str, np.ndarray], lengths: np.ndarray) -> list[Footage]:
    joints = _unpack_steps(arrays["truth"], _TRUTH_STEP) + arrays["root"][:, None].astype(float)
    occluded = np.unpackbits(arrays["self_occluded"], axis=1, count=17).astype(bool)
    wholes = (joints, occluded, arrays["rotation"].astype(float), arrays["translation"])
    parts = zip(json.loads(arrays["info"].item()), *(_cut(whole, lengths) for whole in wholes))
    return [
        Footage(
            **(info | {"size": tuple(info["size"]), "centre": tuple(info["centre"])}),
            joints_cam=x,
            self_occluded=o,
            rotation=_orthogonalise(R),
            translation=t,
        )
        for info, x, o, R, t in parts
    ]


def _orthogonalise(rotations: np.ndarray) -> np.ndarray:
    """What single precision took of a rotation's orthogonality."""
    u, _, vt = np.linalg.svd(rotations)
    return u @ vt


def _cut(whole: np.ndarray, lengths: Iterable[Any]) -> list[np.ndarray]:
    return np.split(whole, np.cumsum(list(lengths))[:-1])


def _move_to_world(footage: Footage) -> PoseSequence:
    shifted = footage.joints_cam - footage.translation[:, None]
    joints = np.einsum("tji,tki->tjk", shifted, np.swapaxes(footage.rotation, 1, 2))
    return PoseSequence(joints, fps=footage.fps, name=footage.name)
