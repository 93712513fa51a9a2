"""AMASS (Mahmood et al., 2019): motion capture as SMPL-H parameters, one npz a clip, Z up. The user's files.

Both releases are read: SMPL+H (``poses`` (T, 156), ``mocap_framerate``) and SMPL-X (``poses`` (T, 165),
``mocap_frame_rate``). The splits are those that AMASS recommends, by data set.
"""

from __future__ import annotations

import os

import numpy as np

from ..bodies import sources
from ..bodies.model import Body
from ..bodies.motion import BodyMotion
from ..errors import InputError, atomic_path
from ..sequence import PoseSequence
from .clips import at_most

__all__ = ["FOLDER", "load", "read", "write"]

FOLDER = "AMASS_DIR"
"""The environment's name for the folder that holds the data sets' folders (``ACCAD``, ``CMU``, …)."""

_VAL = {"HumanEva", "MPI_HDM05", "HDM05", "SFU", "MPI_mosh", "MoSh"}
_TEST = {"Transitions_mocap", "Transitions", "SSM_synced", "SSM"}
_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) with z up → (x, z, −y)


def load(split: str = "test", folder: str | os.PathLike | None = None, body: Body | str | None = None,
         fps: float = 50, clips: int | None = None) -> list[PoseSequence]:
    """Clips as 17 joints, in the world (metres, Y up).

    Args:
        split: ``train``, ``val`` or ``test``, by data set, as AMASS recommends.
        folder: of the data sets' folders; default: the environment's ``AMASS_DIR``.
        body: default: the user's SMPL-H or SMPL-X model of each clip's gender (``SMPL_MODEL_DIR``); or ``standin``,
            with which a clip keeps its rotations but not its person.
        fps: frames per second; clips are resampled to it.
        clips: at most so many.

    Raises:
        InputError: a folder or model that is missing, a split without clips, or a file that is not AMASS's.
    """
    sources.one_of("amass", "split", split, ("train", "val", "test"))
    where = sources.data_folder("amass", folder, FOLDER)
    paths = [p for p in sorted(where.rglob("*.npz")) if _split(p.relative_to(where).parts[0]) == split
             and p.name != "shape.npz" and not p.stem.endswith("stagei")]
    paths = sources.some(where, f"split {split}", "<data set>/…/<clip>.npz of its data sets", paths)[: at_most(clips)]
    of = {kind: sources.bodies(body, kind) for kind in ("smpl", "smplh", "smplx")}
    out = []
    for path in paths:
        motion = read(path)
        motion = motion.replace(name="_".join(path.relative_to(where).with_suffix("").parts).replace(" ", "_"))
        out.append(sources.observed(of[motion.kind](motion.gender), motion, _Y_UP).resample(fps))
    return out


def _split(dataset: str) -> str:
    return "test" if dataset in _TEST else "val" if dataset in _VAL else "train"


def read(path: str | os.PathLike) -> BodyMotion:
    """One clip's parameters as they stand in the file, Z up.

    Raises:
        InputError: not a clip of AMASS.
    """
    data = sources.npz(path)
    poses, trans = sources.array(path, data, "poses", (None, None)), sources.array(path, data, "trans", (None, 3))
    shape = sources.array(path, data, "betas", (None,)) if "betas" in data else np.zeros(10)
    rate = "mocap_framerate" if "mocap_framerate" in data else "mocap_frame_rate"
    fps = float(sources.array(path, data, rate, ()))
    try:
        gender = str(np.asarray(data.get("gender", "neutral")).astype(str)).removeprefix("b").strip("'\"").lower()
        return BodyMotion(poses, shape, trans, fps, gender, os.path.basename(path).removesuffix(".npz"))
    except InputError as error:
        raise InputError(path, error.field, error.expected, error.found) from None
    except UnicodeDecodeError:
        raise InputError(path, "gender", "text", "bytes") from None


def write(path: str | os.PathLike, motion: BodyMotion, body: Body) -> None:
    """Write an npz as AMASS has it: Z up, ``poses`` of SMPL-H (T, 156), or of SMPL-X (T, 165) for its motions.

    Args:
        motion: in the package's world, Y up.
        body: whose shape space ``motion.shape`` is (the pelvis at rest, about which it turns, depends on it).
    """
    motion = motion if motion.kind == "smplx" else motion.to("smplh")
    turned = motion.turned(_Y_UP.T, body.rest(motion.shape)[0])
    betas = np.zeros(16)
    betas[: len(motion.shape)] = motion.shape[:16]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, poses=turned.pose.reshape(len(motion), -1), trans=turned.translation,
                            betas=betas, gender=motion.gender, mocap_framerate=motion.fps,
                            mocap_frame_rate=motion.fps, surface_model_type=motion.kind)
