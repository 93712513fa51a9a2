"""AMASS (Mahmood et al., 2019): motion capture as SMPL-H parameters, one npz a clip, Z up. The
user's files.

Both releases are read: SMPL+H (``poses`` (T, 156), ``mocap_framerate``) and SMPL-X (``poses`` (T,
165), ``mocap_frame_rate``). The splits are those that AMASS recommends, by data set.
"""

from __future__ import annotations

import os

import numpy as np

from stride_nb.datasets import smpl_sources
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import at_most
from stride_nb.poses.geometry import Z_UP_TO_Y_UP
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["FOLDER", "load", "read"]

FOLDER = "AMASS_DIR"
"""The environment's name for the folder that holds the data sets' folders (``ACCAD``, ``CMU``,
…)."""

_VAL = {"HumanEva", "MPI_HDM05", "HDM05", "SFU", "MPI_mosh", "MoSh"}
_TEST = {"Transitions_mocap", "Transitions", "SSM_synced", "SSM"}


def load(
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    fps: float = 50,
    clips: int | None = None,
) -> list[PoseSequence]:
    """Clips as 17 joints, in the world (metres, Y up).

    Args:
        split: ``train``, ``val`` or ``test``, by data set, as AMASS recommends.
        folder: of the data sets' folders; default: the environment's ``AMASS_DIR``.
        body: default: the user's SMPL-H or SMPL-X model of each clip's gender (``SMPL_MODEL_DIR``);
            or ``standin``, with which a clip keeps its rotations but not its person.
        fps: frames per second; clips are resampled to it.
        clips: at most so many.

    Raises:
        InputError: a folder or model that is missing, a split without clips, or a file that is not
            AMASS's.
    """
    smpl_sources.one_of("amass", "split", split, ("train", "val", "test"))
    where = smpl_sources.data_folder("amass", folder, FOLDER)
    paths = [
        p
        for p in sorted(where.rglob("*.npz"))
        if _split(p.relative_to(where).parts[0]) == split
        and p.name != "shape.npz"
        and not p.stem.endswith("stagei")
    ]
    paths = smpl_sources.some(
        where, f"split {split}", "<data set>/…/<clip>.npz of its data sets", paths
    )[: at_most(clips)]
    of = {kind: smpl_sources.bodies(body, kind) for kind in ("smpl", "smplh", "smplx")}
    out = []
    for path in paths:
        motion = read(path)
        motion = motion.replace(
            name="_".join(path.relative_to(where).with_suffix("").parts).replace(" ", "_")
        )
        out.append(
            smpl_sources.observed(of[motion.kind](motion.gender), motion, Z_UP_TO_Y_UP).resample(
                fps
            )
        )
    return out


def _split(dataset: str) -> str:
    return "test" if dataset in _TEST else "val" if dataset in _VAL else "train"


def read(path: str | os.PathLike) -> BodyMotion:
    """One clip's parameters as they stand in the file, Z up.

    Raises:
        InputError: not a clip of AMASS.
    """
    data = smpl_sources.npz(path)
    poses, trans = (
        smpl_sources.array(path, data, "poses", (None, None)),
        smpl_sources.array(path, data, "trans", (None, 3)),
    )
    shape = smpl_sources.array(path, data, "betas", (None,)) if "betas" in data else np.zeros(10)
    rate = "mocap_framerate" if "mocap_framerate" in data else "mocap_frame_rate"
    fps = float(smpl_sources.array(path, data, rate, ()))
    try:
        gender = (
            str(np.asarray(data.get("gender", "neutral")).astype(str))
            .removeprefix("b")
            .strip("'\"")
            .lower()
        )
        return BodyMotion(
            poses, shape, trans, fps, gender, os.path.basename(path).removesuffix(".npz")
        )
    except InputError as error:
        raise InputError(path, error.field, error.expected, error.found) from None
    except UnicodeDecodeError:
        raise InputError(path, "gender", "text", "bytes") from None
