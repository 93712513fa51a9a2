"""OpenPose's ``--write_json``, in and out: a folder of one file a frame, or the file of one frame.

A frame is ``{"people": [{"pose_keypoints_2d": [x, y, confidence, …], "person_id": [n], …}]}``: 25
joints (BODY_25, the default), 18 (COCO) or 15 (MPI); of BODY_25B (25 too, in another order), and of
RTMPose's sets, which Pose2Sim and Sports2D write in this form (HALPE_26, COCO_17, COCO_133), as
many as those have (CMU-Perceptual-Computing-Lab/openpose, ``doc/02_output.md``;
perfanalytics/pose2sim,
``Pose2Sim/poseEstimation.py``). ``person_id`` is −1 unless tracking was on. With ``--3d``,
``pose_keypoints_3d`` holds x, y, z, confidence.

AlphaPose's ``cmu`` form calls the people ``bodies`` and the numbers ``joints``; one file that maps
frame names to such frames is read by `alphapose`. CMU Panoptic Studio's bodies have ``joints19``:
x, y, z, confidence, in centimetres, y down (CMU-Perceptual-Computing-Lab/panoptic-toolbox, README).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import (
    check_frame_numbers_differ,
    identify_joint_set,
    make_other_files_note,
    make_skipped_note,
    parse_frame_number,
    parse_matrix,
    parse_track_id,
)
from stride_nb.poses.sequence import Keypoints2D

__all__ = [
    "KEEPS",
    "LOOKS",
    "NAME",
    "ONLY_2D",
    "SAME_JOINTS",
    "SEVERAL",
    "SUFFIX",
    "TOOLS",
    "collect_people",
    "is_frame",
    "parse",
    "recognises",
    "write",
]

NAME = "openpose"
TOOLS = "OpenPose, Pose2Sim, Sports2D, RTMPose, Panoptic Studio"
LOOKS = "a folder with one JSON a frame, each {people: [{pose_keypoints_2d}]}"
KEEPS = "2D (in: 3D too), confidence, ids, frame numbers, missing"
SUFFIX, SEVERAL, ONLY_2D, SAME_JOINTS = "", True, True, True
KEYS_2D = ("pose_keypoints_2d", "pose_keypoints", "joints")
KEYS_3D = ("pose_keypoints_3d", "joints19")
PANOPTIC_KEY = "joints19"


def is_frame(content: object) -> bool:
    """Whether parsed JSON is what OpenPose writes for one frame."""
    if not isinstance(content, dict):
        return False
    key = next((key for key in ("people", "bodies") if key in content), None)
    return key is not None and isinstance(content[key] or [], list)


def recognises(document: Document) -> bool:
    """Whether it is a folder of frames, or one frame."""
    if document.kind == "folder":
        return any(is_frame(content) for _, content in document.content)
    return document.kind == "json" and is_frame(document.content)


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """Everyone in a folder or file that ``recognises``; px, or metres in 3D. Raises InputError
    where it is malformed."""
    frames = document.content if document.kind == "folder" else [("0", document.content)]
    return collect_people(document, frames, skeleton)


def collect_people(
    document: Document, frames: Iterable[tuple[str, Any]], skeleton: str | None
) -> Detections:
    """Everyone in the frames, given as (name, content)."""
    people, names, numbers, empty, others = [], [], [], [], []
    for name, frame in frames:
        if not is_frame(frame) and not re.search(r"\d", name):  # settings, calibration, …
            others.append(name)
            continue
        if not is_frame(frame):
            raise document.error(f"frame {name}", "people, each with pose_keypoints_2d", frame)
        names.append(name)
        numbers.append(parse_frame_number(document, "frame's name", name))
        for person in frame.get("people", frame.get("bodies")) or ():
            if person is not None and not isinstance(person, dict):
                raise document.error(f"frame {name}", " or ".join(KEYS_2D + KEYS_3D), person)
            if person is None or not any(person.get(key) for key in KEYS_2D + KEYS_3D):
                empty.append(person)
            else:
                people.append((numbers[-1], person))
    check_frame_numbers_differ(document, names, numbers)
    if not people:
        expected = f"at least one in one frame, with {' or '.join(KEYS_2D + KEYS_3D)}"
        raise document.error("people", expected, next(filter(None, empty), "none"))
    keys = [k for k in KEYS_3D if any(person.get(k) for _, person in people)] or KEYS_2D
    rows = [next((p[key] for key in keys if p.get(key)), None) for _, p in people]
    width = 3 if keys is KEYS_2D else 4
    values = parse_matrix(document, "pose_keypoints", [row for row in rows if row])
    if values.shape[1] % width:
        expected = f"{width} numbers a joint"
        raise document.error("pose_keypoints of entry 0", expected, f"{values.shape[1]} numbers")
    joints = values.reshape(len(values), -1, width)
    known = [person for person, row in zip(people, rows) if row]
    panoptic = PANOPTIC_KEY in keys
    return Detections(
        np.array([number for number, _ in known]),
        [parse_track_id(person.get("person_id", person.get("id"))) for _, person in known],
        joints[..., :-1],
        joints[..., -1],
        identify_joint_set(document, joints[..., :-1], skeleton),
        frame_span=(min(numbers), max(numbers)),
        notes=make_skipped_note(len(empty)) + make_other_files_note(others),
        up="-y" if panoptic else None,
        unit=0.01 if panoptic else None,
    )


def write(path: str | PathLike, sequences: Sequence[Keypoints2D]) -> None:
    """A folder of one file a frame, as OpenPose names them; ``person_id`` from 1, missing joints as
    zeros, whoever has no joint in a frame left out.

    Raises:
        InputError: 3D, or a folder that holds other frames.
    """
    folder = Path(path)
    for sequence in sequences:
        if not isinstance(sequence, Keypoints2D):
            expected = "2D keypoints (3D: npz, csv, bvh, trc)"
            raise InputError(path, "sequences", expected, type(sequence).__name__)
    starts, ends = zip(*((s.start, s.start + len(s)) for s in sequences))
    frames = {
        f"{folder.name}_{frame:012d}_keypoints.json": _make_frame(sequences, frame)
        for frame in range(min(starts), max(ends))
    }
    if others := {file.name for file in folder.glob("*.json")} - frames.keys():
        expected = "no JSON files of other frames, with which these would be mixed up"
        raise InputError(path, "folder", expected, f"{len(others)}, such as {min(others)}")
    for name, content in frames.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(json.dumps(content))


def _make_frame(sequences: Sequence[Keypoints2D], frame: int) -> dict[str, Any]:
    people = [
        _make_person(person, sequence, frame - sequence.start)
        for person, sequence in enumerate(sequences, 1)
        if 0 <= frame - sequence.start < len(sequence)
    ]
    return {"version": 1.3, "people": [person for person in people if person]}


def _make_person(person: int, sequence: Keypoints2D, t: int) -> dict[str, Any] | None:
    if sequence.missing[t].all():
        return None
    values = np.c_[np.nan_to_num(sequence.pixels[t]), sequence.confidence[t]].round(3)
    empty = ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d")
    return {
        "person_id": [person],
        "pose_keypoints_2d": values.ravel().tolist(),
        **{key: [] for key in empty},
    }
