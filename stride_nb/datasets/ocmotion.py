"""OcMotion (Huang et al., 2022), the source ``ocmotion``: people behind objects, static cameras.
The user's files.

``annot/{train,test}.pkl``: a list of sequences, each a list of cameras, each a list of frames; a
frame holds ``img_path``, ``h_w`` and, under a number for each person, SMPL's ``pose``, ``betas``
and ``trans`` in the world and the camera's ``intri`` (3, 3) and ``extri`` (4, 4).
"""

from __future__ import annotations

import os
import re

import numpy as np

from stride_nb._pickles import python2_pickle
from stride_nb.datasets import smpl_sources
from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["FOLDER", "load"]

FOLDER = "OCMOTION_DIR"
"""The environment's name for the folder that holds ``annot``."""


def load(
    split: str = "test",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    space: str = "world",
    regressor: str | os.PathLike | np.ndarray | None = None,
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
    smpl_sources.one_of("ocmotion", "split", split, ("train", "test"))
    smpl_sources.one_of("ocmotion", "space", space, ("world", "camera"))
    path = smpl_sources.data_folder("ocmotion", folder, FOLDER) / "annot" / f"{split}.pkl"
    of = smpl_sources.bodies(None if body == "smpl" else body, "smpl", regressor)
    everyone = [(video, person) for video in _videos(path) for person in _people(video)]
    smpl_sources.some(path, "frames", "people in them", everyone)
    return [_sequence(path, of, video, person, space, fps) for video, person in everyone]


def _videos(path) -> list[tuple[str, np.ndarray, list[dict]]]:
    """(name, frame numbers, frames) of every sequence and camera."""
    data = python2_pickle.load(path)
    if not isinstance(data, list) or not all(
        isinstance(s, list) and all(isinstance(c, list) for c in s) for s in data
    ):
        expected = "a list of sequences, each a list of cameras, each a list of frames"
        raise InputError(path, "file", expected, type(data).__name__)
    return [_video(path, frames) for cameras in data for frames in cameras if frames]


def _video(path, frames: list) -> tuple[str, np.ndarray, list[dict]]:
    """Named after the folder of its images, ``images/0013/Camera02/000125.jpg`` →
    ``0013_Camera02``."""
    named = [
        re.fullmatch(
            r"(?:.*[/\\])?([^/\\]+)[/\\]([^/\\]+)[/\\]\D*(\d{1,12})\.\w+", str(f.get("img_path"))
        )
        if isinstance(f, dict)
        else None
        for f in frames
    ]
    if not all(named):
        found = smpl_sources.brief(frames[named.index(None)])
        raise InputError(path, "img_path", "<sequence>/<camera>/<frame number>.<ending>", found)
    if len(names := {f"{m[1]}_{m[2]}" for m in named}) > 1:
        raise InputError(
            path, "img_path", "one sequence and camera a list", ", ".join(sorted(names)[:3])
        )
    return names.pop(), np.array([int(m[3]) for m in named]), frames


def _people(video) -> list[str]:
    return sorted(
        {key for frame in video[2] for key in frame if key not in ("img_path", "h_w")}, key=str
    )


def _sequence(path, of, video, person: str, space: str, fps: float) -> PoseSequence:
    name, numbers, frames = video
    where = f"{path}: {name}: person {person}"
    places, length, _ = smpl_sources.slots(where, numbers)
    here = [i for i, frame in enumerate(frames) if person in frame]
    table = {
        key: [
            frames[i][person].get(key) if isinstance(frames[i][person], dict) else None
            for i in here
        ]
        for key in ("pose", "betas", "trans", "extri")
    }
    table = {key: [np.asarray(v, object).ravel() for v in values] for key, values in table.items()}
    pose, trans = (
        smpl_sources.array(where, table, "pose", (None, 72)),
        smpl_sources.array(where, table, "trans", (None, 3)),
    )
    shape, camera = (
        smpl_sources.array(where, table, "betas", (None, 10)),
        smpl_sources.array(where, table, "extri", (None, 16)),
    )
    camera = camera.reshape(-1, 4, 4)
    if space == "world":
        rotation, shift = (
            smpl_sources.UPRIGHT @ camera[0, :3, :3],
            smpl_sources.UPRIGHT @ camera[0, :3, 3],
        )
    else:
        rotation, shift = camera[:, :3, :3], camera[:, :3, 3]
    motion = BodyMotion(pose, shape.mean(0), trans, fps, name=f"{name}_{person}")
    return smpl_sources.observed(of("neutral"), motion, rotation, shift, places[here], length)
