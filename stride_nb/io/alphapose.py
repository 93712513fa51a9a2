"""AlphaPose's results file, in its three forms.

The default is a list with an entry for each person and image: ``image_id`` (the image's name),
``keypoints`` (x, y, confidence of 17, 26, 133 or 136 joints), ``score``, ``box`` and, when
tracking, ``idx`` (a number, or nested lists of it). COCO's results files are of the same form.
``--format open`` and ``--format cmu`` write an object from image name to what OpenPose writes for a
frame, with COCO's joints and a neck.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from stride_nb.errors import InputError, atomic_path
from stride_nb.io.openpose import is_frame, people_of
from stride_nb.io.parsing import Document, frame_number, joint_set, matrix, track_id
from stride_nb.io.tracking import Detections
from stride_nb.poses.sequence import Keypoints2D

__all__ = ["FLAT", "LOOKS", "SEVERAL", "SUFFIX", "parse", "recognises", "write"]

NAME = "alphapose"
LOOKS = "a JSON list of {image_id, keypoints, score, idx}, or an object from image name to people"
SUFFIX, SEVERAL, FLAT = ".json", True, True
JOINTS = (17, 26, 133, 136)
_WRITTEN = ("coco17", "halpe26", "wholebody133")


def recognises(document: Document) -> bool:
    content = document.content
    if document.kind != "json" or not content:
        return False
    if isinstance(content, dict):
        return all(map(is_frame, content.values()))
    return (
        isinstance(content, list)
        and isinstance(content[0], dict)
        and {"image_id", "keypoints"} <= content[0].keys()
    )


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The people of an AlphaPose file as detections, 2D in pixels."""
    if isinstance(document.content, dict):
        return people_of(document, document.content.items(), skeleton)
    entries = document.content
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or not {"image_id", "keypoints"} <= entry.keys():
            raise document.error(f"entry {i}", "image_id and keypoints", entry)
    rows = matrix(document, "keypoints", [e["keypoints"] for e in entries], [3 * n for n in JOINTS])
    joints = rows.reshape(len(rows), -1, 3)
    if joints.shape[1] == 136:  # Halpe's: the body is the first 26
        joints = joints[:, :26]
    frames = np.array([frame_number(document, "image_id", e["image_id"]) for e in entries])
    people = [track_id(e.get("idx", e.get("track_id"))) for e in entries]
    return Detections(
        frames,
        people,
        joints[..., :2],
        joints[..., 2],
        joint_set(document, joints[..., :2], skeleton),
        clock=(int(frames.min()), int(frames.max())),
    )


def write(path, sequences: Sequence[Keypoints2D]) -> None:
    """One list for all people: an entry wherever a person has a joint, and for the first in the
    first and the last frame, so that the file says how long the video is; ``idx`` from 1, missing
    joints as zeros."""
    entries = []
    for person, sequence in enumerate(sequences, 1):
        if not isinstance(sequence, Keypoints2D):
            raise InputError(
                path, "sequences", "2D keypoints (3D: npz, csv, bvh)", type(sequence).__name__
            )
        # by their number alone Human3.6M's 17 joints would be taken for COCO's
        if sequence.skeleton.name not in _WRITTEN:
            raise InputError(
                path,
                "skeleton",
                f"{' or '.join(_WRITTEN)} (sequence.to converts)",
                sequence.skeleton.name,
            )
        values = np.concatenate(
            [np.nan_to_num(sequence.pixels), sequence.confidence[..., None]], -1
        ).round(3)
        told = ~sequence.missing.all(1)
        told[[0, -1]] |= person == 1
        entries += [(frame, person, values[frame]) for frame in np.flatnonzero(told)]
    entries.sort(key=lambda e: e[:2])
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps(
                [
                    {
                        "image_id": f"{frame}.jpg",
                        "category_id": 1,
                        "keypoints": pose.ravel().tolist(),
                        "score": round(float(pose[:, 2].mean()), 3),
                        "idx": person,
                    }
                    for frame, person, pose in entries
                ]
            )
        )
