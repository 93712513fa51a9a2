"""MMPose's predictions, as its inferencers and demos save them.

A list of frames ``{frame_id, instances: [{keypoints: [[x, y], …], keypoint_scores, …}]}``, or an
object with that list under ``instance_info`` and the joints' names in ``meta_info``; for single
images a folder of files with a list of instances each. There are no track ids unless an instance
has ``track_id``.

Keypoints of three numbers come from MMPose's 3D lifters. Their programs turn the camera's (x, y, z)
into (−x, z, −y) and put the lowest joint of every frame at height 0. They are read back into the
camera's axes, x right, y down, z forward.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from stride_nb.io.array_axes import split_confidence
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import (
    check_frame_numbers_differ,
    identify_joint_set,
    is_empty_person,
    make_skipped_note,
    parse_frame_number,
    parse_matrix,
    parse_track_id,
)

__all__ = ["KEEPS", "LOOKS", "NAME", "TOOLS", "parse", "recognises"]

NAME = "mmpose"
TOOLS = "MMPose"
KEEPS = "2D or 3D, confidence, ids, frame numbers, up axis, missing"
LOOKS = (
    "JSON frames {frame_id, instances: [{keypoints, keypoint_scores}]}, also under instance_info"
)
SCORE_KEYS = ("keypoint_scores", "scores", "confidence", "keypoints_scores")
FRAME_KEYS = ("frame_id", "frame", "frame_idx", "frame_index", "frame_number", "image_name")
NO_HEIGHT_NOTE = "MMPose's 3D has no root height: every frame's lowest joint stands at 0"


def recognises(document: Document) -> bool:
    """Whether it is a folder of predictions, one file a frame, or one file of all of them."""
    content = document.content
    if document.kind == "folder":
        instances = content[0][1]
        return isinstance(instances, list) and all(map(_is_instance, instances))
    if document.kind != "json":
        return False
    if isinstance(content, dict):
        content = content.get("instance_info")
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return False
    return isinstance(content[0].get("instances"), list) or _is_instance(content[0])


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The people of MMPose's predictions as detections."""
    rows, scores, numbers, track_ids, all_numbers, empty = [], [], [], [], [], 0
    for number, instances in _iterate_frames(document):
        all_numbers.append(number)
        for instance in instances:
            if is_empty_person(instance):
                empty += 1
                continue
            if not _is_instance(instance):
                raise document.error(f"frame {number}", "instances with keypoints", instance)
            keypoints = instance["keypoints"]
            rows.append(_flatten(document, keypoints))
            known = (instance[key] for key in SCORE_KEYS if instance.get(key))
            scores.append(next(known, [1.0] * len(keypoints)))
            numbers.append(number)
            track_ids.append(parse_track_id(instance.get("track_id")))
    if not rows:
        raise document.error("instances", "at least one in one frame", "none")
    dims = len(rows[0]) // max(len(scores[0]) if isinstance(scores[0], list) else 0, 1)
    if dims not in (2, 3):
        given = f"{len(rows[0])} for {scores[0]}"
        raise document.error("keypoints", "2 or 3 numbers a joint, and a score", given)
    confidence = parse_matrix(document, "keypoint_scores", scores)
    points = parse_matrix(document, "keypoints", rows, [dims * confidence.shape[1]])
    points = points.reshape(len(rows), -1, dims)
    if dims == 3:
        points, found = split_confidence(document, points)
        confidence, dims = (found, 2) if points.shape[-1] == 2 else (confidence, 3)
    if dims == 3:
        skeleton = skeleton or ("h36m17" if points.shape[1] == 17 else None)
    joint_set = identify_joint_set(document, points, skeleton)
    return Detections(
        np.array(numbers),
        track_ids,
        points[..., [0, 2, 1]] * (-1, -1, 1) if dims == 3 else points,
        confidence,
        joint_set,
        frame_span=(min(all_numbers), max(all_numbers)),
        notes=make_skipped_note(empty) + ((NO_HEIGHT_NOTE,) if dims == 3 else ()),
        up="-y" if dims == 3 else None,
    )


def _is_instance(content: Any) -> bool:
    if not isinstance(content, dict) or "image_id" in content:
        return False
    keypoints = content.get("keypoints")
    return isinstance(keypoints, list) and not any(isinstance(k, dict) for k in keypoints[:1])


def _iterate_frames(document: Document) -> Iterator[tuple[int, list]]:
    """(number, instances) of every frame."""
    content = document.content
    if document.kind == "folder":
        items = [{"frame_id": name, "instances": instances} for name, instances in content]
        names = [name for name, _ in content]
        numbers = [parse_frame_number(document, "frame_id", name) for name in names]
        check_frame_numbers_differ(document, names, numbers)
    else:
        items = content["instance_info"] if isinstance(content, dict) else content
        if items and isinstance(items[0], dict) and "instances" not in items[0]:
            items = _group_instances(document, items)
    for i, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(
            item.get("instances", 0), (list, type(None))
        ):
            raise document.error(f"frame {i}", "frame_id and instances", item)
        number = parse_frame_number(document, "frame_id", item.get("frame_id", i))
        yield number, item["instances"] or []


def _group_instances(document: Document, people: list) -> list[dict]:
    """Frames of people by the frame that each names; where none does, of one image.

    Raises:
        InputError: more than two who hardly differ: they may be frames.
    """
    key = next(
        (key for key in FRAME_KEYS if isinstance(people[0], dict) and key in people[0]), None
    )
    if key is not None:
        frames: dict[int, list] = {}
        for person in people:
            number = person.get(key) if isinstance(person, dict) else None
            frames.setdefault(parse_frame_number(document, key, number), []).append(person)
        return [{"frame_id": number, "instances": own} for number, own in frames.items()]
    if _are_alike(document, people):
        expected = "frame_id and instances, or a frame of each person"
        raise document.error(
            "frames", expected, f"{len(people)} poses that may be frames or people"
        )
    return [{"frame_id": 0, "instances": people}]


def _are_alike(document: Document, people: list) -> bool:
    """Whether each of many poses differs from the one before by less than half of a body."""
    seen = [p["keypoints"] for p in people if _is_instance(p) and p["keypoints"]]
    if len(seen) < 3 or len({len(keypoints) for keypoints in seen}) > 1:
        return False
    points = parse_matrix(document, "keypoints", [_flatten(document, k) for k in seen])
    points = points.reshape(len(seen), len(seen[0]), -1)
    size = np.linalg.norm(np.nanmax(points, 1) - np.nanmin(points, 1), axis=-1)
    step = np.nanmedian(np.linalg.norm(np.diff(points, axis=0), axis=-1), axis=1)
    return bool(np.median(step) < np.median(size) / 2)


def _flatten(document: Document, keypoints: list) -> list:
    try:
        return list(chain.from_iterable(keypoints))
    except TypeError:
        raise document.error("keypoints", "a list of [x, y] or [x, y, z]", keypoints) from None
