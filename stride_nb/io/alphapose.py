"""AlphaPose's results file, in its three forms.

The default is a list with an entry for each person and image: ``image_id`` (the image's name),
``keypoints`` (x, y, confidence of 17, 26, 133 or 136 joints, or of any other set), ``score``,
``box`` and, when tracking, ``idx`` (a number, or nested lists of it). COCO's results files are of
the same form.
``--format open`` and ``--format cmu`` write an object from image name to what OpenPose writes for a
frame, with COCO's joints and a neck.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.openpose import collect_people, is_frame
from stride_nb.io.parsing import (
    identify_joint_set,
    make_skipped_note,
    parse_frame_number,
    parse_matrix,
    parse_track_id,
)
from stride_nb.poses.sequence import Keypoints2D
from stride_nb.poses.skeleton import SKELETONS

__all__ = [
    "JOINT_SETS",
    "KEEPS",
    "LOOKS",
    "NAME",
    "ONLY_2D",
    "SAME_JOINTS",
    "SEVERAL",
    "SUFFIX",
    "TOOLS",
    "parse",
    "recognises",
    "write",
]

NAME = "alphapose"
TOOLS = "AlphaPose, COCO results"
KEEPS = "2D, confidence, ids, frame numbers, missing"
LOOKS = "a JSON list of {image_id, keypoints, score, idx}, or an object from image name to people"
SUFFIX, SEVERAL, ONLY_2D, SAME_JOINTS = ".json", True, True, True
JOINT_COUNTS = tuple(len(s) for s in SKELETONS.values())
JOINT_SETS = ("coco17", "halpe26", "wholebody133", "halpe136")
"""Those written: the number of joints alone identifies them: of 17 joints COCO's, not
Human3.6M's."""


def recognises(document: Document) -> bool:
    """Whether it is a list of entries, or an object of OpenPose's frames."""
    content = document.content
    if document.kind != "json" or not content:
        return False
    if isinstance(content, dict):
        return all(map(is_frame, content.values()))
    first = next((e for e in content if e is not None), None) if isinstance(content, list) else None
    return _is_entry(first)


def _is_entry(content: object) -> bool:
    return isinstance(content, dict) and {"image_id", "keypoints"} <= content.keys()


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The people of an AlphaPose file as detections, px."""
    entries = document.content
    if isinstance(entries, dict):
        return collect_people(document, entries.items(), skeleton)
    for i, entry in enumerate(entries):
        if entry is not None and not _is_entry(entry):
            raise document.error(f"entry {i}", "image_id and keypoints", entry)
    named = [e["image_id"] for e in entries if e is not None]
    numbers = [parse_frame_number(document, "image_id", name) for name in named]
    empty = sum(e is None or not e["keypoints"] for e in entries)
    if empty == len(entries):
        raise document.error("keypoints", "at least one person's", "none")
    entries = [e for e in entries if e is not None and e["keypoints"]]
    widths = [3 * count for count in JOINT_COUNTS]
    values = parse_matrix(document, "keypoints", [e["keypoints"] for e in entries], widths)
    joints = values.reshape(len(values), -1, 3)
    frames = [parse_frame_number(document, "image_id", e["image_id"]) for e in entries]
    return Detections(
        np.array(frames),
        [parse_track_id(e.get("idx", e.get("track_id"))) for e in entries],
        joints[..., :2],
        joints[..., 2],
        identify_joint_set(document, joints[..., :2], skeleton),
        frame_span=(min(numbers), max(numbers)),
        notes=make_skipped_note(empty),
    )


def write(path: str | PathLike, sequences: Sequence[Keypoints2D]) -> None:
    """One list for all people: an entry wherever a person has a joint, and for the first in the
    first and the last frame, so that the file says how long the video is; ``idx`` from 1, missing
    joints as zeros."""
    entries = []
    for person, sequence in enumerate(sequences, 1):
        _check_writable(path, sequence)
        pixels, confidence = np.nan_to_num(sequence.pixels), sequence.confidence[..., None]
        values = np.concatenate([pixels, confidence], -1).round(3)
        written = np.logical_not(sequence.missing.all(1))
        written[[0, -1]] |= person == 1
        entries += [
            (sequence.start + int(frame), person, values[frame])
            for frame in np.flatnonzero(written)
        ]
    entries.sort(key=lambda entry: entry[:2])
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps([_make_entry(*entry) for entry in entries]))


def _check_writable(path: str | PathLike, sequence: object) -> None:
    if not isinstance(sequence, Keypoints2D):
        expected = "2D keypoints (3D: npz, csv, bvh)"
        raise InputError(path, "sequences", expected, type(sequence).__name__)
    if sequence.skeleton.name not in JOINT_SETS:
        expected = f"{' or '.join(JOINT_SETS)} (sequence.to converts)"
        raise InputError(path, "skeleton", expected, sequence.skeleton.name)


def _make_entry(frame: int, person: int, pose: np.ndarray) -> dict:
    return {
        "image_id": f"{frame}.jpg",
        "category_id": 1,
        "keypoints": pose.ravel().tolist(),
        "score": round(float(pose[:, 2].mean()), 3),
        "idx": person,
    }
