"""3DPW (von Marcard et al., 2018), the source ``3dpw``: people in the wild, a moving camera. The
user's files.

``sequenceFiles/{train,validation,test}/*.pkl``, Python 2 pickles of SMPL parameters in the world at
30 fps, one list entry a person, with the camera of every frame.
"""

from __future__ import annotations

import os

import numpy as np

from stride_nb._pickles import python2_pickle
from stride_nb.datasets import smpl_sources
from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import SMPL24
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["FOLDER", "load", "read"]

FOLDER = "THREEDPW_DIR"
"""The environment's name for the folder that holds ``sequenceFiles``."""

_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_GENDERS = {"m": "male", "f": "female"}


def load(
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    space: str = "world",
    regressor: str | os.PathLike | np.ndarray | None = None,
) -> list[PoseSequence]:
    """Every person of every sequence as 17 joints, at 30 fps.

    Args:
        split: ``train``, ``val`` or ``test``, the data set's own.
        folder: that holds ``sequenceFiles``; default: the environment's ``THREEDPW_DIR``.
        body: default: no model is needed, SMPL's joints stand in the files and are converted.
            ``smpl``: the user's model of each person's gender (``SMPL_MODEL_DIR``); ``standin``:
            our body moves as they do.
        space: ``world``: fixed axes, Y up as far as the first camera is level. ``camera``: x right,
            y down, z forward, each frame's own; a frame whose camera the authors could not align is
            missing.
        regressor: with a body: (17, V) Human3.6M's joints from vertices, array or file.

    Raises:
        InputError: a folder, its files or a model that are missing, or a file that is not 3DPW's.
    """
    smpl_sources.one_of("3dpw", "split", split, _SPLITS)
    smpl_sources.one_of("3dpw", "space", space, ("world", "camera"))
    where = smpl_sources.data_folder("3dpw", folder, FOLDER) / "sequenceFiles" / _SPLITS[split]
    of = smpl_sources.bodies(None if body == "smpl" else body, "smpl", regressor)
    return [
        _place(
            person, None if body is None and regressor is None else of(person.motion.gender), space
        )
        for path in smpl_sources.some(where, "folder", "*.pkl", sorted(where.glob("*.pkl")))
        for person in read(path)
    ]


class _Person:
    """One person of a sequence: parameters, the files' own joints, the camera of every frame."""

    def __init__(
        self, motion: BodyMotion, joints: np.ndarray | None, camera: np.ndarray, valid: np.ndarray
    ):
        self.motion, self.joints, self.camera, self.valid = motion, joints, camera, valid


def read(path: str | os.PathLike) -> list[_Person]:
    """The people of one file, each with ``motion`` (world), ``joints`` (T, 24, 3) or ``None``,
    ``camera`` (T, 4, 4) world to camera, and ``valid`` (T,): whether the camera was aligned.

    Raises:
        InputError: not a sequence of 3DPW.
    """
    data = python2_pickle.load(path)
    poses = data.get("poses") if isinstance(data, dict) else None
    if not isinstance(poses, (list, np.ndarray)) or not len(poses):
        raise InputError(path, "poses", "a list, one array a person", type(poses).__name__)
    camera = smpl_sources.array(path, data, "cam_poses", (None, 4, 4))
    name = data.get("sequence")
    if not (isinstance(name, str) and name.isprintable()):
        name = os.path.basename(path).removesuffix(".pkl")
    return [_person(path, data, i, camera, f"{name}_{i}") for i in range(len(poses))]


def _person(path, data: dict, i: int, camera: np.ndarray, name: str) -> _Person:
    frames = len(camera)
    fields = {
        key: _entry(path, data, key, i)
        for key in ("poses", "betas", "trans", "campose_valid", "genders")
    }
    fields["betas"] = np.asarray(fields["betas"], object).ravel()  # (10,) or (10, 1)
    pose, trans = (
        smpl_sources.array(path, fields, "poses", (frames, 72)),
        smpl_sources.array(path, fields, "trans", (frames, 3)),
    )
    shape = smpl_sources.array(path, fields, "betas", (None,))[:10]
    valid = smpl_sources.array(path, fields, "campose_valid", (frames,)) > 0
    gender = fields["genders"]
    if not isinstance(gender, str) or gender not in _GENDERS:
        raise InputError(path, "genders", "m or f", smpl_sources.brief(gender))
    joints = None
    if "jointPositions" in data:
        fields["jointPositions"] = _entry(path, data, "jointPositions", i)
        joints = smpl_sources.array(path, fields, "jointPositions", (frames, 72)).reshape(
            frames, 24, 3
        )
    try:
        motion = BodyMotion(pose, shape, trans, 30, _GENDERS[gender], name)
    except InputError as error:
        raise InputError(path, error.field, error.expected, error.found) from None
    return _Person(motion, joints, camera, valid)


def _entry(path, data: dict, field: str, i: int):
    entries = data.get(field)
    if not isinstance(entries, (list, tuple, np.ndarray)) or len(entries) <= i:
        raise InputError(path, field, "a list, one entry a person", type(entries).__name__)
    return entries[i]


def _place(person: _Person, body: Body | None, space: str) -> PoseSequence:
    if body is not None:
        found = body.sequence(person.motion)
    elif person.joints is not None:
        found = PoseSequence(person.joints, fps=30, skeleton=SMPL24, name=person.motion.name).to(
            "h36m17"
        )
    else:
        raise InputError(
            person.motion.name, "jointPositions", "SMPL's joints in the file, or a body", "neither"
        )
    rotation, shift = person.camera[:, :3, :3], person.camera[:, :3, 3]
    if space == "world":  # the first aligned camera's axes, turned upright, for all frames
        first = int(np.argmax(person.valid))
        rotation, shift = (
            smpl_sources.UPRIGHT @ rotation[first],
            smpl_sources.UPRIGHT @ shift[first],
        )
        return found.replace(joints=found.joints @ rotation.T + shift)
    joints = np.einsum("tij,tkj->tki", rotation, found.joints) + shift[:, None]
    return found.replace(joints=joints, confidence=found.confidence * person.valid[:, None])
