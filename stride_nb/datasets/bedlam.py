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
from jaxtyping import Float

from stride_nb.datasets import smpl_sources as source
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import check_max_clips
from stride_nb.poses.geometry import UP_AXES
from stride_nb.poses.sequence import PoseSequence
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.model_files import read_npz_arrays
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["load"]

_LABEL_FOLDERS = {"train": "all_npz_12*_training", "val": "all_npz_12*_validation"}
_IMAGE_RATE = 30.0  # Hz: the images are numbered so, also where every fifth is kept


def load(
    split: str = "val",
    folder: str | os.PathLike | None = None,
    body: Body | str | None = None,
    space: str = "world",
    regressor: str | os.PathLike | Float[np.ndarray, "17 V"] | None = None,
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
    source.check_choice("bedlam", "split", split, _LABEL_FOLDERS)
    source.check_choice("bedlam", "space", space, ("world", "camera"))
    root = source.find_data_folder("bedlam", folder, "BEDLAM_DIR")
    paths = [
        p for name in sorted(root.glob(_LABEL_FOLDERS[split])) for p in sorted(name.glob("*.npz"))
    ]
    source.check_not_empty(root, "folder", f"{_LABEL_FOLDERS[split]}/*.npz", paths)
    loaders = {kind: source.make_body_loader(body, kind, regressor) for kind in ("smpl", "smplx")}
    paths = paths[: check_max_clips(scenes, "scenes")]
    return [sequence for path in paths for sequence in _load_scene(path, loaders, space)]


def _load_scene(path, loaders: dict, space: str) -> list[PoseSequence]:
    data = read_npz_arrays(path)
    suffix = "cam" if space == "camera" else "world"
    pose = source.take_array(path, data, f"pose_{suffix}", (None, None))
    rows = len(pose)
    if pose.shape[1] not in (72, 165) or not rows:
        raise InputError(path, f"pose_{suffix}", "shape (rows, 72) or (rows, 165)", pose.shape)
    translation = source.take_array(path, data, f"trans_{suffix}", (rows, 3))
    camera = source.take_array(path, data, "cam_ext", (rows, 4, 4))
    shape = source.take_array(path, data, "shape", (rows, None))
    shift = camera[:, :3, 3] if space == "camera" else np.zeros((rows, 3))
    rotation = np.eye(3) if space == "camera" else UP_AXES["-y"]
    body = loaders["smplx" if pose.shape[1] == 165 else "smpl"]("neutral")
    scene = os.path.basename(path).removesuffix(".npz")
    people, numbers = _group_rows_by_person(path, data, rows)
    steps = [source.place_frames(path, numbers[own])[2] for own in people.values() if len(own) > 1]
    step = min(steps, default=1)
    sequences = []
    for person, own in people.items():
        places, length, _ = source.place_frames(path, numbers[own], step)
        fps, name = _IMAGE_RATE / step, f"{scene}_{person}"
        motion = BodyMotion(pose[own], shape[own].mean(0), translation[own], fps, name=name)
        sequences.append(source.compute_joints(body, motion, rotation, shift[own], places, length))
    return sequences


def _group_rows_by_person(path, data: dict, rows: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Sequence and person → their rows; and every row's image number.

    A person may stand in one image twice, moving differently: the second time is another person.
    """
    images, subjects = (
        np.atleast_1d(data.get(key, np.zeros(0))).astype(str) for key in ("imgname", "sub")
    )
    if len(images) != rows or len(subjects) != rows:
        counts = f"{len(images)} and {len(subjects)}"
        raise InputError(path, "imgname, sub", f"{rows} texts each", counts)
    pattern = re.compile(r"(?:.*[/\\])?([^/\\]+)[/\\]\1_(\d{1,9})\.\w+")
    matches = [pattern.fullmatch(image) for image in images.tolist()]
    people, times = defaultdict(list), defaultdict(int)
    for row, (match, subject) in enumerate(zip(matches, subjects)):
        if match is None:
            bad = source.shorten(str(images[row]))
            raise InputError(path, "imgname", "<sequence>/<sequence>_<number>.png", bad)
        key = match[1], subject, match[2]
        times[key] += 1
        again = f"_{times[key]}" if times[key] > 1 else ""
        people[f"{match[1]}_{subject}{again}"].append(row)
    numbers = np.array([int(match[2]) for match in matches if match])
    return {name: np.array(own) for name, own in people.items()}, numbers
