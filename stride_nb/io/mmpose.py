"""MMPose's predictions, as its inferencers and demos save them.

A list of frames ``{frame_id, instances: [{keypoints: [[x, y], …], keypoint_scores, …}]}``, or an
object with that list under ``instance_info`` and the joints' names in ``meta_info``; for single
images a folder of files with a list of instances each. There are no track ids unless an instance
has ``track_id``.

Keypoints of three numbers come from MMPose's 3D lifters, whose programs turn the camera's (x, y, z)
into (−x, z, −y) and
put the lowest joint of every frame at height 0: read back into the camera's axes, x right, y down,
z forward.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from stride_nb.io.parsing import Document, apart, frame_number, joint_set, matrix, track_id
from stride_nb.io.tracking import Detections

__all__ = ["LOOKS", "parse", "recognises"]

NAME = "mmpose"
LOOKS = (
    "JSON frames {frame_id, instances: [{keypoints, keypoint_scores}]}, also under instance_info"
)


def recognises(document: Document) -> bool:
    """Whether it is a folder of predictions, one file a frame, or one file of all of them."""
    content = document.content
    if document.kind == "folder":
        content = content[0][1]
        return isinstance(content, list) and all(_is_instance(i) for i in content)
    if document.kind == "json" and isinstance(content, dict):
        content = content.get("instance_info")
    return (
        document.kind == "json"
        and isinstance(content, list)
        and bool(content)
        and isinstance(content[0], dict)
        and (isinstance(content[0].get("instances"), list) or _is_instance(content[0]))
    )


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The people of MMPose's predictions as detections."""
    rows, scores, frames, ids, clock = [], [], [], [], []
    for number, instances in _frames(document):
        clock.append(number)
        for instance in instances:
            if not _is_instance(instance):
                raise document.error(f"frame {number}", "instances with keypoints", instance)
            rows.append(_flat(document, instance["keypoints"]))
            scores.append(instance.get("keypoint_scores") or [1.0] * len(instance["keypoints"]))
            frames.append(number)
            ids.append(track_id(instance.get("track_id")))
    if not rows:
        raise document.error("instances", "at least one in one frame", "none")
    dims = len(rows[0]) // max(len(scores[0]) if isinstance(scores[0], list) else 0, 1)
    if dims not in (2, 3):
        raise document.error(
            "keypoints", "2 or 3 numbers a joint, and a score", f"{len(rows[0])} for {scores[0]}"
        )
    confidence = matrix(document, "keypoint_scores", scores)
    points = matrix(document, "keypoints", rows, [dims * confidence.shape[1]]).reshape(
        len(rows), -1, dims
    )
    name = joint_set(
        document, points, skeleton or ("h36m17" if dims == 3 and points.shape[1] == 17 else None)
    )
    notes = ()
    if dims == 3:
        points = points[..., [0, 2, 1]] * (-1, -1, 1)
        notes = ("MMPose's 3D has no root height: every frame's lowest joint stands at 0",)
    return Detections(
        np.array(frames), ids, points, confidence, name, clock=(min(clock), max(clock)), notes=notes
    )


def _is_instance(content) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("keypoints"), list)
        and "image_id" not in content
    )


def _frames(document: Document):
    """(number, instances) of every frame."""
    content = document.content
    if document.kind == "folder":
        items = [{"frame_id": name, "instances": found} for name, found in content]
        names = [name for name, _ in content]
        apart(document, names, [frame_number(document, "frame_id", name) for name in names])
    else:
        items = content["instance_info"] if isinstance(content, dict) else content
        if items and isinstance(items[0], dict) and "instances" not in items[0]:
            items = [{"frame_id": 0, "instances": items}]
    for i, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("instances"), list):
            raise document.error(f"frame {i}", "frame_id and instances", item)
        yield frame_number(document, "frame_id", item.get("frame_id", i)), item["instances"]


def _flat(document: Document, keypoints: list) -> list:
    try:
        return list(chain.from_iterable(keypoints))
    except TypeError:
        raise document.error("keypoints", "a list of [x, y] or [x, y, z]", keypoints) from None
