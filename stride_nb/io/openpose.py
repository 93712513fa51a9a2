"""OpenPose's ``--write_json``: a folder with one file a frame, or the file of a single frame.

A frame is ``{"people": [{"pose_keypoints_2d": [x, y, confidence, …], "person_id": [n], …}]}``: 25
joints (BODY_25, the default) or 18 (COCO); ``person_id`` is −1 unless tracking was on. With
``--3d``, ``pose_keypoints_3d`` holds x, y, z, confidence. AlphaPose's ``cmu`` form calls the people
``bodies`` and the numbers ``joints``; one file that maps frame names to such frames is read by
`alphapose`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stride_nb.io.parsing import Document, apart, frame_number, joint_set, matrix, track_id
from stride_nb.io.tracking import Detections

__all__ = ["LOOKS", "is_frame", "parse", "people_of", "recognises"]

NAME = "openpose"
LOOKS = "a folder with one JSON a frame, each {people: [{pose_keypoints_2d}]}"
KEYS = ("pose_keypoints_2d", "pose_keypoints", "joints")


def is_frame(content) -> bool:
    """Whether parsed JSON is what OpenPose writes for one frame."""
    return isinstance(content, dict) and isinstance(
        content.get("people", content.get("bodies")), list
    )


def recognises(document: Document) -> bool:
    if document.kind == "folder":
        return is_frame(document.content[0][1])
    return document.kind == "json" and is_frame(document.content)


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """Everyone in a folder or file that ``recognises``; px, or metres in 3D. Raises InputError
    where it is malformed."""
    files = document.content if document.kind == "folder" else [("0", document.content)]
    return people_of(document, files, skeleton)


def people_of(
    document: Document, frames: Iterable[tuple[str, dict]], skeleton: str | None
) -> Detections:
    """Everyone in the frames, given as (name, content)."""
    rows, numbers, ids, names, clock = [], [], [], [], []
    for name, frame in frames:
        names.append(name)
        if not is_frame(frame):
            raise document.error(f"frame {name}", "people, each with pose_keypoints_2d", frame)
        clock.append(frame_number(document, "frame's name", name))
        for person in frame.get("people", frame.get("bodies")):
            if not isinstance(person, dict) or not any(key in person for key in KEYS):
                raise document.error(f"frame {name}", " or ".join(KEYS), person)
            rows.append(
                person.get("pose_keypoints_3d")
                or next(person[key] for key in KEYS if key in person)
            )
            numbers.append(clock[-1])
            ids.append(track_id(person.get("person_id")))
    apart(document, names, clock)
    if not rows:
        raise document.error("people", "at least one in one frame", "none")
    joints = _joints(matrix(document, "pose_keypoints", rows, (54, 72, 75, 100)))
    name = joint_set(document, joints[..., :-1], skeleton)
    return Detections(
        np.array(numbers),
        ids,
        joints[..., :-1],
        joints[..., -1],
        name,
        clock=(min(clock), max(clock)),
    )


def _joints(rows: np.ndarray) -> np.ndarray:
    """(N, J, 3) for 18 or 25 joints in 2D, (N, J, 4) in 3D."""
    return rows.reshape(len(rows), -1, 3 if rows.shape[1] in (54, 75) else 4)
