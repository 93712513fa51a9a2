"""BEDLAM (Black et al., 2023), the source ``bedlam``: synthetic people, SMPL-X (or SMPL) labels.
The user's files.

``all_npz_12_training/*.npz`` and ``all_npz_12_validation/*.npz``, one a scene, a row a person and
image: ``imgname``, ``sub``, ``pose_cam``, ``trans_cam``, ``cam_ext``, ``pose_world``,
``trans_world``, ``shape``. The labels are for the neutral model. The test labels are not published.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict

import numpy as np

from stride_nb.datasets import smpl_sources
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import at_most
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["FOLDER", "load"]

FOLDER = "BEDLAM_DIR"
"""The environment's name for the folder that holds ``all_npz_12_training`` and
``all_npz_12_validation``."""

_SPLITS = {"train": "training", "val": "validation"}
_RATE = 30.0  # the images are numbered at 30 fps, also where every fifth is kept


def load(
    split: str = "val",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    space: str = "world",
    regressor: str | os.PathLike | np.ndarray | None = None,
    scenes: int | None = None,
) -> list[PoseSequence]:
    """Every person of every sequence as 17 joints; images without the person are missing.

    Args:
        split: ``train`` or ``val``, the data set's own.
        folder: that holds the labels' folders; default: the environment's ``BEDLAM_DIR``.
        body: default: the user's neutral SMPL-X model, or SMPL for SMPL labels
            (``SMPL_MODEL_DIR``); or ``standin``.
        space: ``camera``: x right, y down, z forward. ``world``: Y up, turned with the camera's
            heading, and each person at a place of their own, which is how the labels have it.
        regressor: (17, V) Human3.6M's joints from vertices, array or file; default: conversion by
            name.
        scenes: at most so many files.

    Raises:
        InputError: a folder, its files or a model that are missing, or a file that is not BEDLAM's.
    """
    smpl_sources.one_of("bedlam", "split", split, _SPLITS)
    smpl_sources.one_of("bedlam", "space", space, ("world", "camera"))
    where = smpl_sources.data_folder("bedlam", folder, FOLDER)
    folders = f"all_npz_12*_{_SPLITS[split]}"
    found = [p for name in sorted(where.glob(folders)) for p in sorted(name.glob("*.npz"))]
    found = smpl_sources.some(where, "folder", f"{folders}/*.npz", found)[
        : at_most(scenes, "scenes")
    ]
    of = {kind: smpl_sources.bodies(body, kind, regressor) for kind in ("smpl", "smplx")}
    return [sequence for path in found for sequence in _scene(path, of, space)]


def _scene(path, of: dict, space: str) -> list[PoseSequence]:
    data = smpl_sources.npz(path)
    suffix = "cam" if space == "camera" else "world"
    pose = smpl_sources.array(path, data, f"pose_{suffix}", (None, None))
    rows = len(pose)
    if pose.shape[1] not in (72, 165) or not rows:
        raise InputError(path, f"pose_{suffix}", "shape (rows, 72) or (rows, 165)", pose.shape)
    trans, camera = (
        smpl_sources.array(path, data, key, shape)
        for key, shape in ((f"trans_{suffix}", (rows, 3)), ("cam_ext", (rows, 4, 4)))
    )
    shape = smpl_sources.array(path, data, "shape", (rows, None))
    shift = camera[:, :3, 3] if space == "camera" else np.zeros((rows, 3))
    body = of["smplx" if pose.shape[1] == 165 else "smpl"]("neutral")
    out, scene = [], os.path.basename(path).removesuffix(".npz")
    people, numbers = _rows(path, data, rows)
    step = min(
        (smpl_sources.slots(path, numbers[i])[2] for i in people.values() if len(i) > 1), default=1
    )
    for name, index in people.items():
        places, length = _even(path, numbers[index], step)
        motion = BodyMotion(
            pose[index], shape[index].mean(0), trans[index], _RATE / step, name=f"{scene}_{name}"
        )
        turn = np.eye(3) if space == "camera" else smpl_sources.UPRIGHT
        out.append(smpl_sources.observed(body, motion, turn, shift[index], places, length))
    return out


def _even(path, numbers: np.ndarray, step: int) -> tuple[np.ndarray, int]:
    """Places of one person's images in a row with one place every ``step`` numbers, and the row's
    length."""
    if ((numbers - numbers.min()) % step).any():
        raise InputError(path, "imgname", f"every {step}th image", "images in between")
    places = (numbers - numbers.min()) // step
    return places, int(places.max()) + 1


def _rows(path, data: dict, rows: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Sequence and person → their rows; and every row's image number.

    A person may stand in one image twice, moving differently: the second time is another person.
    """
    names, subjects = (
        np.atleast_1d(data.get(key, np.zeros(0))).astype(str) for key in ("imgname", "sub")
    )
    if len(names) != rows or len(subjects) != rows:
        raise InputError(
            path, "imgname, sub", f"{rows} texts each", f"{len(names)} and {len(subjects)}"
        )
    parts = [
        re.fullmatch(r"(?:.*[/\\])?([^/\\]+)[/\\]\1_(\d{1,9})\.\w+", name)
        for name in names.tolist()
    ]
    if not all(parts):
        found = smpl_sources.brief(str(names[parts.index(None)]))
        raise InputError(path, "imgname", "<sequence>/<sequence>_<number>.png", found)
    people, times = defaultdict(list), defaultdict(int)
    for i, (part, subject) in enumerate(zip(parts, subjects)):
        key = part[1], subject, part[2]
        times[key] += 1
        people[f"{part[1]}_{subject}" + (f"_{times[key]}" if times[key] > 1 else "")].append(i)
    return {name: np.array(i) for name, i in people.items()}, np.array([int(p[2]) for p in parts])
