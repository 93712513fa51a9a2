"""OcMotion (Huang et al., 2022), the source ``ocmotion``: people behind objects, static cameras.
The user's files.

``annot/{train,test}.pkl``: a list of sequences, each a list of cameras, each a list of frames; a
frame holds ``img_path``, ``h_w`` and, under a number for each person, SMPL's ``pose``, ``betas``
and ``trans`` in the world and the camera's ``intri`` (3, 3) and ``extri`` (4, 4).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from stride_nb._pickles import python2_pickle
from stride_nb.datasets import smpl_sources as source
from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["load"]


def load(
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    space: str = "world",
    regressor: str | os.PathLike | Float[np.ndarray, "17 V"] | None = None,
    fps: float = 10,
) -> list[PoseSequence]:
    """Every person before every camera as 17 joints; frames without the person are missing.

    Args:
        split: ``train`` or ``test``, the data set's own.
        folder: that holds ``annot``; default: the environment's ``OCMOTION_DIR``.
        body: default: the user's neutral SMPL model (``SMPL_MODEL_DIR``); or ``standin``.
        space: ``world``: fixed axes, Y up as far as the camera is level. ``camera``: x right, y
            down, z forward.
        regressor: (17, V) Human3.6M's joints from vertices, array or file; default: conversion by
            name.
        fps: of the video; it does not stand in the files.

    Raises:
        InputError: a folder or model that is missing, or a file that is not OcMotion's or has
            nobody in it.
    """
    source.check_choice("ocmotion", "split", split, ("train", "test"))
    source.check_choice("ocmotion", "space", space, ("world", "camera"))
    path = source.find_data_folder("ocmotion", folder, "OCMOTION_DIR") / "annot" / f"{split}.pkl"
    load_body = source.make_body_loader(None if body == "smpl" else body, "smpl", regressor)
    pairs = [(video, person) for video in _read_videos(path) for person in video.list_people()]
    source.check_not_empty(path, "frames", "people in them", pairs)
    return [_load_person(path, load_body, *pair, space, fps) for pair in pairs]


@dataclass(frozen=True, eq=False)
class _Video:
    """One camera's frames of one sequence, and their numbers."""

    name: str
    numbers: np.ndarray
    frames: list[dict]

    def list_people(self) -> list:
        people = {key for frame in self.frames for key in frame} - {"img_path", "h_w"}
        return sorted(people, key=str)


def _read_videos(path) -> list[_Video]:
    data = python2_pickle.load_python2_pickle(path)
    if not isinstance(data, list) or not all(
        isinstance(s, list) and all(isinstance(c, list) for c in s) for s in data
    ):
        expected = "a list of sequences, each a list of cameras, each a list of frames"
        raise InputError(path, "file", expected, type(data).__name__)
    return [_make_video(path, frames) for cameras in data for frames in cameras if frames]


def _make_video(path, frames: list) -> _Video:
    """Named after the folder of its images, ``images/0013/Camera02/000125.jpg`` →
    ``0013_Camera02``."""
    pattern = re.compile(r"(?:.*[/\\])?([^/\\]+)[/\\]([^/\\]+)[/\\]\D*(\d{1,12})\.\w+")
    names, numbers = set(), []
    for frame in frames:
        image = str(frame.get("img_path")) if isinstance(frame, dict) else ""
        match = pattern.fullmatch(image)
        if match is None:
            expected = "<sequence>/<camera>/<frame number>.<ending>"
            raise InputError(path, "img_path", expected, source.shorten(frame))
        names.add(f"{match[1]}_{match[2]}")
        numbers.append(int(match[3]))
    if len(names) > 1:
        some = ", ".join(sorted(names)[:3])
        raise InputError(path, "img_path", "one sequence and camera a list", some)
    return _Video(names.pop(), np.array(numbers), frames)


def _load_person(
    path, load_body: Callable[[str], Body], video: _Video, person: str, space: str, fps: float
) -> PoseSequence:
    where = f"{path}: {video.name}: person {person}"
    places, length, _ = source.place_frames(where, video.numbers)
    present = [i for i, frame in enumerate(video.frames) if person in frame]
    entries = [video.frames[i][person] for i in present]
    entries = [entry if isinstance(entry, dict) else {} for entry in entries]
    table = {
        key: [np.asarray(entry.get(key), object).ravel() for entry in entries]
        for key in ("pose", "betas", "trans", "extri")
    }
    pose = source.take_array(where, table, "pose", (None, 72))
    translation = source.take_array(where, table, "trans", (None, 3))
    shape = source.take_array(where, table, "betas", (None, 10))
    cameras = source.take_array(where, table, "extri", (None, 16)).reshape(-1, 4, 4)
    rotation, shift = source.make_view(cameras, space)
    motion = BodyMotion(pose, shape.mean(0), translation, fps, name=f"{video.name}_{person}")
    places = places[present]
    return source.compute_joints(load_body("neutral"), motion, rotation, shift, places, length)
