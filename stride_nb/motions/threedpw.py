"""3DPW (von Marcard et al., 2018), the source ``3dpw``: people in the wild, a moving camera. The user's files.

``sequenceFiles/{train,validation,test}/*.pkl``, Python 2 pickles of SMPL parameters in the world at 30 fps, one
list entry a person, with the camera of every frame.
"""

from __future__ import annotations

import os

import numpy as np

from .. import protocols
from ..bodies import legacy, sources
from ..bodies.model import Body
from ..bodies.motion import BodyMotion
from ..errors import InputError
from ..sequence import PoseSequence
from ..skeleton import SMPL24

__all__ = ["FOLDER", "evaluate", "load", "read"]

FOLDER = "THREEDPW_DIR"
"""The environment's name for the folder that holds ``sequenceFiles``."""

_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_GENDERS = {"m": "male", "f": "female"}


def load(split: str = "test", folder: str | os.PathLike | None = None, body: Body | str | None = None,
         space: str = "world", regressor: str | os.PathLike | np.ndarray | None = None) -> list[PoseSequence]:
    """Every person of every sequence as 17 joints, at 30 fps.

    Args:
        split: ``train``, ``val`` or ``test``, the data set's own.
        folder: that holds ``sequenceFiles``; default: the environment's ``THREEDPW_DIR``.
        body: default: no model is needed, SMPL's joints stand in the files and are converted. ``smpl``: the user's
            model of each person's gender (``SMPL_MODEL_DIR``); ``standin``: our body moves as they do.
        space: ``world``: fixed axes, Y up as far as the first camera is level. ``camera``: x right, y down,
            z forward, each frame's own; a frame whose camera the authors could not align is missing.
        regressor: with a body: (17, V) Human3.6M's joints from vertices, array or file.

    Raises:
        InputError: a folder, its files or a model that are missing, or a file that is not 3DPW's.
    """
    sources.one_of("3dpw", "split", split, _SPLITS)
    sources.one_of("3dpw", "space", space, ("world", "camera"))
    where = sources.data_folder("3dpw", folder, FOLDER) / "sequenceFiles" / _SPLITS[split]
    of = sources.bodies(None if body == "smpl" else body, "smpl", regressor)
    return [_place(person, None if body is None and regressor is None else of(person.motion.gender), space)
            for path in sources.some(where, "folder", "*.pkl", sorted(where.glob("*.pkl"))) for person in read(path)]


def evaluate(predictions: dict[str, PoseSequence | np.ndarray], split: str = "test",
             folder: str | os.PathLike | None = None, body: Body | str | None = None,
             regressor: str | os.PathLike | np.ndarray | None = None) -> dict[str, float]:
    """The published protocol: 14 joints regressed from the ground-truth mesh, frames with an aligned camera.

    Args:
        predictions: name of a sequence as `load` gives it (``<sequence>_<person>``) → 17 joints (T, 17, 3) in camera
            axes, metres, one a frame of the video. Every person of the split must be there.
        body, regressor: as for `load`; without a body of their own, the user's SMPL models and H36M regressor.

    Returns:
        as `protocols.evaluate`: ``mpjpe`` and ``pa_mpjpe`` in mm, ``accel_error`` in mm/frame², ``frames``.
    """
    protocols.need_regressor("3dpw", body, regressor)
    return protocols.evaluate(predictions, load(split, folder, body or "smpl", "camera", regressor))


class _Person:
    """One person of a sequence: parameters, the files' own joints, the camera of every frame."""

    def __init__(self, motion: BodyMotion, joints: np.ndarray | None, camera: np.ndarray, valid: np.ndarray):
        self.motion, self.joints, self.camera, self.valid = motion, joints, camera, valid


def read(path: str | os.PathLike) -> list[_Person]:
    """The people of one file, each with ``motion`` (world), ``joints`` (T, 24, 3) or ``None``, ``camera`` (T, 4, 4)
    world to camera, and ``valid`` (T,): whether the camera was aligned.

    Raises:
        InputError: not a sequence of 3DPW.
    """
    data = legacy.load(path)
    poses = data.get("poses") if isinstance(data, dict) else None
    if not isinstance(poses, (list, np.ndarray)) or not len(poses):
        raise InputError(path, "poses", "a list, one array a person", type(poses).__name__)
    camera = sources.array(path, data, "cam_poses", (None, 4, 4))
    name = data.get("sequence")
    if not (isinstance(name, str) and name.isprintable()):
        name = os.path.basename(path).removesuffix(".pkl")
    return [_person(path, data, i, camera, f"{name}_{i}") for i in range(len(poses))]


def _person(path, data: dict, i: int, camera: np.ndarray, name: str) -> _Person:
    frames = len(camera)
    fields = {key: _entry(path, data, key, i) for key in ("poses", "betas", "trans", "campose_valid", "genders")}
    fields["betas"] = np.asarray(fields["betas"], object).ravel()  # (10,) or (10, 1)
    pose, trans = sources.array(path, fields, "poses", (frames, 72)), sources.array(path, fields, "trans", (frames, 3))
    shape = sources.array(path, fields, "betas", (None,))[:10]
    valid = sources.array(path, fields, "campose_valid", (frames,)) > 0
    gender = fields["genders"]
    if not isinstance(gender, str) or gender not in _GENDERS:
        raise InputError(path, "genders", "m or f", sources.brief(gender))
    joints = None
    if "jointPositions" in data:
        fields["jointPositions"] = _entry(path, data, "jointPositions", i)
        joints = sources.array(path, fields, "jointPositions", (frames, 72)).reshape(frames, 24, 3)
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
        found = PoseSequence(person.joints, fps=30, skeleton=SMPL24, name=person.motion.name).to("h36m17")
    else:
        raise InputError(person.motion.name, "jointPositions", "SMPL's joints in the file, or a body", "neither")
    rotation, shift = person.camera[:, :3, :3], person.camera[:, :3, 3]
    if space == "world":  # the first aligned camera's axes, turned upright, for all frames
        first = int(np.argmax(person.valid))
        rotation, shift = sources.UPRIGHT @ rotation[first], sources.UPRIGHT @ shift[first]
        return found.replace(joints=found.joints @ rotation.T + shift)
    joints = np.einsum("tij,tkj->tki", rotation, found.joints) + shift[:, None]
    return found.replace(joints=joints, confidence=found.confidence * person.valid[:, None])
