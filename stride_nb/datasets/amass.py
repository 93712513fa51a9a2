"""AMASS (Mahmood et al., 2019): motion capture as SMPL-H parameters, one npz a clip, Z up. The
user's files.

Both releases are read: SMPL+H (``poses`` (T, 156), ``mocap_framerate``) and SMPL-X (``poses`` (T,
165), ``mocap_frame_rate``). The splits are those that AMASS recommends, by data set.
"""

from __future__ import annotations

import os

import numpy as np

from stride_nb.datasets import smpl_sources as source
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import check_max_clips
from stride_nb.poses.geometry import UP_AXES
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.model_files import read_npz_arrays
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["load", "read_amass_clip"]

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
        folder: of the data sets' folders (``ACCAD``, ``CMU``, …); default: the environment's
            ``AMASS_DIR``.
        body: default: the user's SMPL-H or SMPL-X model of each clip's gender (``SMPL_MODEL_DIR``);
            or ``standin``, with which a clip keeps its rotations but not its person.
        fps: frames per second; clips are resampled to it.
        clips: at most so many.

    Raises:
        InputError: a folder or model that is missing, a split without clips, or a file that is not
            AMASS's.
    """
    source.check_choice("amass", "split", split, ("train", "val", "test"))
    root = source.find_data_folder("amass", folder, "AMASS_DIR")
    paths = [
        path
        for path in sorted(root.rglob("*.npz"))
        if _find_split(path.relative_to(root).parts[0]) == split
        and path.name != "shape.npz"
        and not path.stem.endswith("stagei")
    ]
    expected = "<data set>/…/<clip>.npz of its data sets"
    source.check_not_empty(root, f"split {split}", expected, paths)
    loaders = {kind: source.make_body_loader(body, kind) for kind in ("smpl", "smplh", "smplx")}
    sequences = []
    for path in paths[: check_max_clips(clips)]:
        name = "_".join(path.relative_to(root).with_suffix("").parts).replace(" ", "_")
        motion = read_amass_clip(path).replace(name=name)
        model = loaders[motion.kind](motion.gender)
        sequences.append(source.compute_joints(model, motion, UP_AXES["z"]).resample(fps))
    return sequences


def _find_split(dataset: str) -> str:
    return "test" if dataset in _TEST else "val" if dataset in _VAL else "train"


def read_amass_clip(path: str | os.PathLike) -> BodyMotion:
    """One clip's parameters as they stand in the file, Z up.

    Raises:
        InputError: not a clip of AMASS.
    """
    data = read_npz_arrays(path)
    pose = source.take_array(path, data, "poses", (None, None))
    translation = source.take_array(path, data, "trans", (None, 3))
    shape = source.take_array(path, data, "betas", (None,)) if "betas" in data else np.zeros(10)
    rate = "mocap_framerate" if "mocap_framerate" in data else "mocap_frame_rate"
    fps = float(source.take_array(path, data, rate, ()))
    name = os.path.basename(path).removesuffix(".npz")
    try:
        gender = str(np.asarray(data.get("gender", "neutral")).astype(str))
        gender = gender.removeprefix("b").strip("'\"").lower()
        return BodyMotion(pose, shape, translation, fps, gender, name)
    except InputError as error:
        raise InputError(path, error.field, error.expected, error.found) from None
    except UnicodeDecodeError:
        raise InputError(path, "gender", "text", "bytes") from None
