"""The file format of prepared motion: many clips of 17 joints in one npz, without pickle.

Positions are held as int16 steps of ``scale`` metres relative to the pelvis (0.05 mm, so a joint
may be 1.6 m away) and the pelvis as float32 metres. Y is up. Arrays of all clips are laid end to
end; ``offsets`` says where each begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from stride_nb.errors import InputError, atomic_path
from stride_nb.poses.sequence import PoseSequence, open_npz
from stride_nb.poses.skeleton import H36M17

__all__ = [
    "ARCHIVE_JOINTS",
    "METRES_PER_STEP",
    "Label",
    "check_max_clips",
    "read_clips",
    "read_labels",
    "write_clips",
]

METRES_PER_STEP = 5e-5
ARCHIVE_JOINTS = tuple(
    {"neck": "neck_nose", "head": "head_top"}.get(n, f"{n[0]}_{n[1:]}" if n[0] in "rl" else n)
    for n in H36M17.joints
)
"""The format's own spelling: r_hip, neck_nose, …"""


@dataclass(frozen=True)
class Label:
    """What is known of a clip besides its motion."""

    subject: str
    action: str = ""
    source: str = ""
    """Repository that the raw file came from."""
    fps_src: float = 120.0
    """Frames per second of the raw file."""
    kind: str = "amc"
    """How the 17 joints were taken from the raw skeleton: ``amc``, ``mb2`` or ``daz``."""


def check_max_clips(count: int | None, field: str = "clips") -> int | None:
    """The number of clips wanted: from 1 on, or None for all; anything less is an InputError."""
    if count is not None and count < 1:
        raise InputError("motions", field, "at least 1, or none given for all", count)
    return count


def read_clips(path: str | PathLike) -> list[PoseSequence]:
    """All clips of a file, in its order: joints (T, 17, 3) in metres, Y up; ``name`` is the clip's
    id.

    Raises:
        InputError: the file cannot be read, lacks a key, or holds a wrong shape or joint order.
    """
    data = _read_archive(path)
    joints = data["rel"] * float(data["scale"]) + data["root"][:, None].astype(np.float64)
    return [
        PoseSequence(joints[a:b], fps=float(data["fps"]), name=str(name))
        for name, a, b in zip(data["clip_id"], data["offsets"][:-1], data["offsets"][1:])
    ]


def read_labels(path: str | PathLike) -> list[Label]:
    """The labels of all clips of a file, parallel to `read_clips`."""
    data = _read_archive(path)
    columns = [data[f.name].tolist() for f in fields(Label)]
    return [Label(*row) for row in zip(*columns)]


def write_clips(
    path: str | PathLike, clips: Sequence[PoseSequence], labels: Sequence[Label], note: str = ""
) -> None:
    """Write clips of one frame rate and their labels; ``path`` appears complete or not at all.

    Raises:
        InputError: no clip, differing frame rates, a missing joint, or a joint farther from the
            pelvis than the format can hold.
    """
    if not clips or len(clips) != len(labels):
        given = f"{len(clips)} and {len(labels)}"
        raise InputError(path, "clips", "at least one clip and a label for each", given)
    if len(rates := {clip.fps for clip in clips}) > 1:
        raise InputError(path, "fps", "one frame rate", sorted(rates))
    roots = [clip.joints[:, 0].astype(np.float32) for clip in clips]
    steps = [_encode_joints(path, clip, root) for clip, root in zip(clips, roots)]
    arrays: dict[str, Any] = {
        "rel": np.concatenate(steps),
        "root": np.concatenate(roots),
        "offsets": np.cumsum([0, *map(len, roots)], dtype=np.int64),
        "clip_id": np.array([clip.name for clip in clips]),
        "fps": np.float32(clips[0].fps),
        "scale": np.float32(METRES_PER_STEP),
        "joints": np.array(ARCHIVE_JOINTS),
        "parents": np.array(H36M17.parents),
        "up_axis": np.array("y"),
        "note": np.array(note),
    }
    for name in (f.name for f in fields(Label)):
        values = np.array([getattr(label, name) for label in labels])
        arrays[name] = values.astype(np.float32) if name == "fps_src" else values
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def _encode_joints(
    path: str | PathLike, clip: PoseSequence, pelvis: Float[np.ndarray, "T 3"]
) -> Int[np.ndarray, "T 17 3"]:
    """Joints relative to the pelvis in int16 steps; the pelvis is the one that was rounded to
    float32."""
    where, relative = f"clip {clip.name}", clip.joints - pelvis[:, None].astype(np.float64)
    steps = np.round(relative / float(np.float32(METRES_PER_STEP)))
    if not np.isfinite(steps).all():
        expected = "joints that are all present"
        raise InputError(path, where, expected, "missing or non-finite joints")
    if (largest := np.abs(steps).max(initial=0)) > np.iinfo(np.int16).max:
        expected = f"joints within {32767 * METRES_PER_STEP:.2f} m of the pelvis"
        raise InputError(path, where, expected, f"{largest * METRES_PER_STEP:.2f} m")
    return steps.astype(np.int16)


def _read_archive(path: str | PathLike) -> dict[str, np.ndarray]:
    """Every array of the format, each read once and checked."""
    with open_npz(path) as archive:
        data = {key: archive[key] for key in archive.files}
    text = ("action", "clip_id", "kind", "source", "subject")
    for key in ("rel", "root", "offsets", "fps", "scale", "joints", "fps_src", *text):
        if key not in data:
            raise InputError(path, "keys", key, ", ".join(sorted(data)) or "none")
    if tuple(data["joints"].tolist()) != ARCHIVE_JOINTS:
        raise InputError(path, "joints", " ".join(ARCHIVE_JOINTS), str(data["joints"].tolist()))
    frames, clips = len(np.atleast_1d(data["rel"])), data["offsets"].size - 1
    _check_array(path, data, "rel", (frames, len(H36M17), 3), "iuf")
    _check_array(path, data, "root", (frames, 3), "iuf")
    _check_array(path, data, "offsets", (clips + 1,), "iu")
    _check_array(path, data, "fps", (), "iuf")
    _check_array(path, data, "scale", (), "iuf")
    _check_array(path, data, "fps_src", (clips,), "iuf")
    for key in text:
        _check_array(path, data, key, (clips,), "U")
    ends = data["offsets"]
    if clips < 1 or ends[0] != 0 or ends[-1] != frames or (np.diff(ends) < 1).any():
        raise InputError(path, "offsets", f"increasing, from 0 to {frames}", ends.tolist()[:5])
    if not (data["fps"] > 0 and data["scale"] > 0):
        raise InputError(path, "fps, scale", "positive", (float(data["fps"]), float(data["scale"])))
    return data


def _check_array(
    path: str | PathLike, data: Mapping[str, np.ndarray], key: str, shape: tuple, kinds: str
) -> None:
    array = data[key]
    if array.shape != shape:
        raise InputError(path, key, f"shape {shape}", array.shape)
    if array.dtype.kind not in kinds:
        raise InputError(path, key, "text" if kinds == "U" else "numbers", array.dtype)
    if kinds != "U" and not np.isfinite(array).all():
        raise InputError(path, key, "finite numbers", "NaN or infinity")
