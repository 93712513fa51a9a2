"""OpenPose's ``--write_json``: a folder with one file a frame, or the file of a single frame.

A frame is ``{"people": [{"pose_keypoints_2d": [x, y, confidence, …], "person_id": [n], …}]}``: 25
joints (BODY_25, the default) or 18 (COCO); ``person_id`` is −1 unless tracking was on. With
``--3d``, ``pose_keypoints_3d`` holds x, y, z, confidence. AlphaPose's ``cmu`` form calls the people
``bodies`` and the numbers ``joints``; one file that maps frame names to such frames is read by
`alphapose`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import (
    check_frame_numbers_differ,
    identify_joint_set,
    parse_frame_number,
    parse_matrix,
    parse_track_id,
)

__all__ = ["LOOKS", "NAME", "collect_people", "is_frame", "parse", "recognises"]

NAME = "openpose"
LOOKS = "a folder with one JSON a frame, each {people: [{pose_keypoints_2d}]}"
POSE_KEYS = ("pose_keypoints_2d", "pose_keypoints", "joints")
VALUES_2D, VALUES_3D = (54, 75), (72, 100)
"""Numbers of a pose: 18 or 25 joints, each coordinates and confidence."""


def is_frame(content: object) -> bool:
    """Whether parsed JSON is what OpenPose writes for one frame."""
    if not isinstance(content, dict):
        return False
    return isinstance(content.get("people", content.get("bodies")), list)


def recognises(document: Document) -> bool:
    """Whether it is a folder of frames, or one frame."""
    if document.kind == "folder":
        return is_frame(document.content[0][1])
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
    rows, numbers, track_ids, names, all_numbers = [], [], [], [], []
    for name, frame in frames:
        if not is_frame(frame):
            raise document.error(f"frame {name}", "people, each with pose_keypoints_2d", frame)
        number = parse_frame_number(document, "frame's name", name)
        names.append(name)
        all_numbers.append(number)
        for person in frame.get("people", frame.get("bodies")):
            if not isinstance(person, dict) or not any(key in person for key in POSE_KEYS):
                raise document.error(f"frame {name}", " or ".join(POSE_KEYS), person)
            flat = next(person[key] for key in POSE_KEYS if key in person)
            rows.append(person.get("pose_keypoints_3d") or flat)
            numbers.append(number)
            track_ids.append(parse_track_id(person.get("person_id")))
    check_frame_numbers_differ(document, names, all_numbers)
    if not rows:
        raise document.error("people", "at least one in one frame", "none")
    values = parse_matrix(document, "pose_keypoints", rows, sorted(VALUES_2D + VALUES_3D))
    joints = values.reshape(len(values), -1, 3 if values.shape[1] in VALUES_2D else 4)
    return Detections(
        np.array(numbers),
        track_ids,
        joints[..., :-1],
        joints[..., -1],
        identify_joint_set(document, joints[..., :-1], skeleton),
        frame_span=(min(all_numbers), max(all_numbers)),
    )
