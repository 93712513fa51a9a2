"""3DPW (von Marcard et al., 2018), the source ``3dpw``: people in the wild, a moving camera. The
user's files.

``sequenceFiles/{train,validation,test}/*.pkl``, Python 2 pickles of SMPL parameters in the world at
30 fps, one list entry a person, with the camera of every frame.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from stride_nb._pickles import python2_pickle
from stride_nb.datasets import smpl_sources as source
from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import SMPL24
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["PersonIn3DPW", "load", "read_people"]

_SPLIT_FOLDERS = {"train": "train", "val": "validation", "test": "test"}
_GENDERS = {"m": "male", "f": "female"}


def load(
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    space: str = "world",
    regressor: str | os.PathLike | Float[np.ndarray, "17 V"] | None = None,
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
    source.check_choice("3dpw", "split", split, _SPLIT_FOLDERS)
    source.check_choice("3dpw", "space", space, ("world", "camera"))
    root = source.find_data_folder("3dpw", folder, "THREEDPW_DIR")
    root = root / "sequenceFiles" / _SPLIT_FOLDERS[split]
    paths = source.check_not_empty(root, "folder", "*.pkl", sorted(root.glob("*.pkl")))
    load_body = source.make_body_loader(None if body == "smpl" else body, "smpl", regressor)
    own_joints = body is None and regressor is None
    return [
        _express_in_space(person, None if own_joints else load_body(person.motion.gender), space)
        for path in paths
        for person in read_people(path)
    ]


@dataclass(frozen=True, eq=False)
class PersonIn3DPW:
    """One person of a sequence."""

    motion: BodyMotion
    """In the world."""
    joints: Float[np.ndarray, "T 24 3"] | None
    """SMPL's joints in the world, metres, where the file has them."""
    camera: Float[np.ndarray, "T 4 4"]
    """World to camera."""
    valid: Bool[np.ndarray, " T"]
    """Whether the camera was aligned."""


def read_people(path: str | os.PathLike) -> list[PersonIn3DPW]:
    """The people of one file.

    Raises:
        InputError: not a sequence of 3DPW.
    """
    data = python2_pickle.load_python2_pickle(path)
    poses = data.get("poses") if isinstance(data, dict) else None
    if not isinstance(poses, (list, np.ndarray)) or not len(poses):
        raise InputError(path, "poses", "a list, one array a person", type(poses).__name__)
    camera = source.take_array(path, data, "cam_poses", (None, 4, 4))
    name = data.get("sequence")
    if not (isinstance(name, str) and name.isprintable()):
        name = os.path.basename(path).removesuffix(".pkl")
    return [_read_person(path, data, i, camera, f"{name}_{i}") for i in range(len(poses))]


def _read_person(path, data: dict, i: int, camera: np.ndarray, name: str) -> PersonIn3DPW:
    frames = len(camera)
    keys = ["poses", "betas", "trans", "campose_valid", "genders"]
    has_joints = "jointPositions" in data
    fields = {
        key: _get_person_entry(path, data, key, i) for key in keys + ["jointPositions"] * has_joints
    }
    fields["betas"] = np.asarray(fields["betas"], object).ravel()  # (10,) or (10, 1)
    pose = source.take_array(path, fields, "poses", (frames, 72))
    translation = source.take_array(path, fields, "trans", (frames, 3))
    shape = source.take_array(path, fields, "betas", (None,))[:10]
    valid = source.take_array(path, fields, "campose_valid", (frames,)) > 0
    gender = fields["genders"]
    if not isinstance(gender, str) or gender not in _GENDERS:
        raise InputError(path, "genders", "m or f", source.shorten(gender))
    joints = None
    if has_joints:
        joints = source.take_array(path, fields, "jointPositions", (frames, 72))
        joints = joints.reshape(frames, 24, 3)
    try:
        motion = BodyMotion(pose, shape, translation, 30, _GENDERS[gender], name)
    except InputError as error:
        raise InputError(path, error.field, error.expected, error.found) from None
    return PersonIn3DPW(motion, joints, camera, valid)


def _get_person_entry(path, data: dict, field: str, i: int):
    entries = data.get(field)
    if not isinstance(entries, (list, tuple, np.ndarray)) or len(entries) <= i:
        raise InputError(path, field, "a list, one entry a person", type(entries).__name__)
    return entries[i]


def _express_in_space(person: PersonIn3DPW, body: Body | None, space: str) -> PoseSequence:
    motion = person.motion
    if body is not None:
        sequence = body.compute_sequence(motion)
    elif person.joints is not None:
        smpl = PoseSequence(person.joints, fps=30, skeleton=SMPL24, name=motion.name)
        sequence = smpl.to("h36m17")
    else:
        expected = "SMPL's joints in the file, or a body"
        raise InputError(motion.name, "jointPositions", expected, "neither")
    rotation, shift = source.make_view(person.camera, space, first=int(np.argmax(person.valid)))
    if space == "world":
        return sequence.replace(joints=sequence.joints @ rotation.T + shift)
    joints = np.einsum("tij,tkj->tki", rotation, sequence.joints) + shift[:, None]
    return sequence.replace(joints=joints, confidence=sequence.confidence * person.valid[:, None])
