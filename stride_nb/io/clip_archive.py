"""The file format of prepared motion: many clips of 17 joints in one npz, without pickle.

Positions are held as int16 steps of ``scale`` metres relative to the pelvis (0.05 mm, so a joint
may be 1.6 m away) and the pelvis as float32 metres. Y is up. Arrays of all clips are laid end to
end; ``offsets`` says where each begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from os import PathLike

import numpy as np

from stride_nb.errors import UNREADABLE, InputError, atomic_path
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17

__all__ = ["JOINTS", "SCALE", "Label", "at_most", "read_clips", "read_labels", "write_clips"]

SCALE = 5e-5  # metres a step
JOINTS = tuple(
    {"neck": "neck_nose", "head": "head_top"}.get(n, f"{n[0]}_{n[1:]}" if n[0] in "rl" else n)
    for n in H36M17.joints
)  # the format's own spelling: r_hip, neck_nose, …


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


def at_most(count: int | None, field: str = "clips") -> int | None:
    """How many of what there is: a number from 1 on, or ``None`` for all; anything less is an
    InputError."""
    if count is not None and count < 1:
        raise InputError("motions", field, "at least 1, or none given for all", count)
    return count


def read_clips(path: str | PathLike) -> list[PoseSequence]:
    """All clips of a file, in its order: joints (T, 17, 3) in metres, Y up; ``name`` is the clip's
    id.

    Raises:
        InputError: the file cannot be read, lacks a key, or holds a wrong shape or joint order.
    """
    data = _read(path)
    joints = data["rel"] * float(data["scale"]) + data["root"][:, None].astype(np.float64)
    return [
        PoseSequence(joints[a:b], fps=float(data["fps"]), name=str(name))
        for name, a, b in zip(data["clip_id"], data["offsets"][:-1], data["offsets"][1:])
    ]


def read_labels(path: str | PathLike) -> list[Label]:
    """The labels of all clips of a file, parallel to `read_clips`."""
    data = _read(path)
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
        raise InputError(
            path,
            "clips",
            "at least one clip and a label for each",
            f"{len(clips)} and {len(labels)}",
        )
    if len(rates := {clip.fps for clip in clips}) > 1:
        raise InputError(path, "fps", "one frame rate", sorted(rates))
    root = [clip.joints[:, 0].astype(np.float32) for clip in clips]
    rel = [_steps(path, clip, pelvis) for clip, pelvis in zip(clips, root)]
    columns = zip(*(astuple(label) for label in labels))
    table = {f.name: np.array(column) for f, column in zip(fields(Label), columns)}
    table["fps_src"] = table["fps_src"].astype(np.float32)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            rel=np.concatenate(rel),
            root=np.concatenate(root),
            offsets=np.cumsum([0, *map(len, root)], dtype=np.int64),
            clip_id=np.array([clip.name for clip in clips]),
            fps=np.float32(clips[0].fps),
            scale=np.float32(SCALE),
            joints=np.array(JOINTS),
            parents=np.array(H36M17.parents),
            up_axis=np.array("y"),
            note=np.array(note),
            **table,
        )


def _steps(path, clip: PoseSequence, pelvis: np.ndarray) -> np.ndarray:
    """Joints relative to the pelvis (T, 17, 3) in int16 steps; the pelvis is the one that was
    rounded to float32."""
    steps = np.round((clip.joints - pelvis[:, None].astype(np.float64)) / float(np.float32(SCALE)))
    if not np.isfinite(steps).all():
        raise InputError(
            path, f"clip {clip.name}", "joints that are all present", "missing or non-finite joints"
        )
    if np.abs(steps).max(initial=0) > np.iinfo(np.int16).max:
        raise InputError(
            path,
            f"clip {clip.name}",
            f"joints within {32767 * SCALE:.2f} m of the pelvis",
            f"{np.abs(steps).max() * SCALE:.2f} m",
        )
    return steps.astype(np.int16)


def _read(path) -> dict[str, np.ndarray]:
    """Every array of the format, each read once and checked."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise InputError(path, "file", "prepared clips (.npz)", "no such file") from None
    except UNREADABLE as error:
        raise InputError(path, "file", "prepared clips (.npz)", f"unreadable ({error})") from None
    _check(path, data)
    return data


def _check(path, data: dict[str, np.ndarray]) -> None:
    text = {"clip_id", "subject", "action", "source", "kind"}
    for key in ["rel", "root", "offsets", "fps", "scale", "joints", "fps_src", *sorted(text)]:
        if key not in data:
            raise InputError(path, "keys", key, ", ".join(sorted(data)) or "none")
    if tuple(data["joints"].tolist()) != JOINTS:
        raise InputError(path, "joints", " ".join(JOINTS), str(data["joints"].tolist()))
    frames, clips = len(np.atleast_1d(data["rel"])), data["offsets"].size - 1
    shapes = {
        "rel": (frames, len(H36M17), 3),
        "root": (frames, 3),
        "offsets": (clips + 1,),
        "fps": (),
        "scale": (),
        "fps_src": (clips,),
    } | dict.fromkeys(sorted(text), (clips,))
    for key, shape in shapes.items():
        array = data[key]
        if array.shape != shape:
            raise InputError(path, key, f"shape {shape}", array.shape)
        if array.dtype.kind not in ("U" if key in text else "iuf") or (
            key == "offsets" and array.dtype.kind == "f"
        ):
            raise InputError(path, key, "text" if key in text else "numbers", array.dtype)
        if key not in text and not np.isfinite(array).all():
            raise InputError(path, key, "finite numbers", "NaN or infinity")
    ends = data["offsets"]
    if clips < 1 or ends[0] != 0 or ends[-1] != frames or (np.diff(ends) < 1).any():
        raise InputError(path, "offsets", f"increasing, from 0 to {frames}", ends.tolist()[:5])
    if not (data["fps"] > 0 and data["scale"] > 0):
        raise InputError(path, "fps, scale", "positive", (float(data["fps"]), float(data["scale"])))
