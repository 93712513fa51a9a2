"""MediaPipe's 33 pose landmarks, as programs commonly dump them to JSON (for CSV see `csv`).

MediaPipe writes no file itself. Understood is a list with an item for each frame, the same under
``frames`` (beside ``fps``, ``width``, ``height``), or an object from frame number to item. An item
is a list of 33 landmarks, or an object with it under ``pose_landmarks``, ``landmarks`` or,
preferred, ``pose_world_landmarks`` or ``world_landmarks``; its number under ``frame`` (or
``frame_id``, ``frame_number``, …), its time under ``timestamp_ms``, else its place. The list may
stand under ``landmark`` (protobuf), or hold a list for each person (Tasks API). A landmark is ``{x,
y, z, visibility}`` or a list of these numbers; an empty or null list means that nobody was found.

TensorFlow.js names them otherwise: a frame is a list of poses ``{score, keypoints: [{x, y, z,
score, name}], keypoints3D}``; BlazePose's 33, the image's in pixels, or MoveNet's 17 of COCO
(tensorflow/tfjs-models, ``pose-detection/README.md``).

World landmarks are metres about the middle of the hips in the camera's axes (x right, y down, z
forward): the person's path is not in them. Image landmarks are shares of the image's width and
height.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import (
    estimate_fps,
    identify_joint_set,
    number_frames_by_time,
    parse_frame_number,
    parse_matrix,
)

__all__ = ["KEEPS", "LOOKS", "NAME", "NO_PATH_NOTE", "TOOLS", "parse", "recognises"]

NAME = "mediapipe"
TOOLS = "MediaPipe, BlazePose and MoveNet in TensorFlow.js"
KEEPS = "2D or 3D, confidence, fps, size, frame numbers, up axis, missing"
LOOKS = (
    "JSON with 33 landmarks {x, y, z, visibility} a frame under landmarks, pose_landmarks or "
    "pose_world_landmarks"
)
WORLD_KEYS = (
    "pose_world_landmarks",
    "world_landmarks",
    "poseWorldLandmarks",
    "worldLandmarks",
    "keypoints3D",
)
IMAGE_KEYS = ("pose_landmarks", "landmarks", "poseLandmarks", "keypoints")
NUMBER_KEYS = ("frame", "frame_id", "frame_number", "frame_index", "frame_idx", "index")
LANDMARK_SETS = {33: "mediapipe33", 17: "coco17"}
VISIBILITY_KEYS = ("visibility", "score", "presence")
POSE_KEYS = {"keypoints", "keypoints3D"}
TIME_KEYS = ("timestamp_ms", "timestampMs")
NO_PATH_NOTE = "MediaPipe's world landmarks have no path: the middle of the hips is always at 0"


def recognises(document: Document) -> bool:
    """Whether any frame has landmarks."""
    if document.kind != "json":
        return False
    return any(any(_get_landmarks(item).values()) for _, item in _get_items(document.content))


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """MediaPipe's landmarks as detections: metres where there are world landmarks, else shares of
    the image."""
    items = _get_items(document.content)
    people = [_get_landmarks(item) for _, item in items]
    kind = "world" if any(found["world"] for found in people) else "image"
    numbers, fps = _read_frame_clock(document, items)
    rows, image_rows, frames = [], [], []
    for number, found in zip(numbers, people):
        rows += [_flatten_landmarks(document, person, number) for person in found[kind]]
        frames += [number] * len(found[kind])
        # nobody knows who is who where there are more of one kind
        pairs = found["image"] if len(found["image"]) == len(found[kind]) else []
        image_rows += [_flatten_landmarks(document, person, number) for person in pairs]
        image_rows += [None] * (len(found[kind]) - len(pairs))
    joints = next((n for n in (33, 17) if rows and len(rows[0]) == 4 * n), 33)
    values = parse_matrix(document, "landmarks", rows, [joints * 4]).reshape(-1, joints, 4)
    world = kind == "world"
    meta = document.content if isinstance(document.content, dict) else {}
    width, height = meta.get("width"), meta.get("height")
    return Detections(
        np.array(frames),
        [None] * len(rows),
        values[..., : 3 if world else 2],
        values[..., 3],
        identify_joint_set(document, values[..., :2], skeleton or LANDMARK_SETS[joints]),
        fps=meta["fps"] if _is_positive(meta.get("fps")) else fps,
        size=(width, height) if _is_positive(width) and _is_positive(height) else None,
        frame_span=(min(numbers), max(numbers)),
        notes=(NO_PATH_NOTE,) if world else (),
        up="-y" if world else None,
        unit=1.0 if world else None,
        **(_read_image(document, image_rows, joints) if world else {}),
    )


def _read_image(document: Document, rows: list, joints: int) -> dict[str, np.ndarray]:
    """Fields of the image's landmarks, NaN of people without; none where nobody has them."""
    if not any(rows):
        return {}
    rows = [row or [np.nan] * 4 * joints for row in rows]
    values = parse_matrix(document, "image landmarks", rows, [joints * 4]).reshape(-1, joints, 4)
    return {"pixels": values[..., :2], "pixel_confidence": values[..., 3]}


def _is_positive(value: object) -> TypeGuard[int]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6


def _get_items(content: Any) -> list[tuple[Any, Any]]:
    """(number or None, item) of every frame."""
    if isinstance(content, list) and content and not _is_landmark(content[0]):
        return [(None, item) for item in content]
    if isinstance(content, dict):
        for key in ("frames", "results", "data", "poses"):
            if isinstance(content.get(key), (list, dict)):
                return _get_items(content[key])
        if content and all(isinstance(k, str) and k.isdigit() for k in content):
            return list(content.items())
    return [(0, content)]


def _is_landmark(content: Any) -> bool:
    if isinstance(content, dict):
        return {"x", "y"} <= content.keys()
    if not isinstance(content, list) or len(content) not in (3, 4):
        return False
    return all(isinstance(v, (int, float)) or v is None for v in content)


def _get_landmarks(item: Any) -> dict[str, list]:
    """The landmarks of each person in the ``world`` and in the ``image``, empty where there are
    none."""
    found: dict[str, list] = {"world": [], "image": []}
    if not isinstance(item, dict):
        poses = item if isinstance(item, list) else []
        if poses and isinstance(poses[0], dict) and POSE_KEYS & poses[0].keys():
            for kind, key in (("world", "keypoints3D"), ("image", "keypoints")):
                bodies = [pose.get(key) for pose in poses if isinstance(pose, dict)]
                found[kind] = [body for body in bodies if _is_body(body)]
            return found
        return found | {"image": _get_bodies(item)}
    for kind, keys in (("world", WORLD_KEYS), ("image", IMAGE_KEYS)):
        found[kind] = _get_bodies(next((item[key] for key in keys if item.get(key)), None))
    return found


def _get_bodies(people: Any) -> list:
    """Each person's list of landmarks, of one person or of several."""
    if isinstance(people, dict):
        people = people.get("landmark")
    if not isinstance(people, list) or not people:
        return []
    if isinstance(people[0], dict) and isinstance(people[0].get("landmark"), list):
        people = [person.get("landmark") for person in people if isinstance(person, dict)]
    if _is_landmark(people[0]):
        return [people] if len(people) == 33 or isinstance(people[0], dict) else []
    return [p for p in people if _is_body(p)]


def _is_body(person: Any) -> bool:
    return isinstance(person, list) and bool(person) and _is_landmark(person[0])


def _flatten_landmarks(document: Document, person: list, number: int) -> list[float]:
    """x, y, z, visibility of every landmark, in one list."""
    values = []
    try:
        for mark in person:
            if isinstance(person[0], dict):
                if mark is None:
                    values += [None] * 4
                    continue
                seen = [mark[key] for key in VISIBILITY_KEYS if key in mark]
                # null is no visibility: what stands beside it counts
                visibility = next((v for v in seen if v is not None), None if seen else 1.0)
                values += mark["x"], mark["y"], mark.get("z", 0.0), visibility
            else:
                values += (*mark, 1.0)[:4]
    except (KeyError, TypeError, AttributeError) as error:
        expected = "landmarks {x, y, z, visibility}"
        raise document.error(f"frame {number}", expected, repr(error)) from None
    return values


def _read_frame_clock(document: Document, items: list) -> tuple[list[int], float | None]:
    """Frame numbers, and the frame rate where the items carry times."""
    first = next((item for _, item in items if isinstance(item, dict)), {})
    number_key = next((key for key in NUMBER_KEYS if key in first), None)
    time_key = next((key for key in TIME_KEYS if key in first), None)
    seconds = np.full(len(items), np.nan)
    if time_key:
        times = [[value] for value in _get_values(time_key, items)]
        seconds = parse_matrix(document, time_key, times)[:, 0] / 1000
    if items[0][0] is not None:  # an object from number to frame
        numbers = [parse_frame_number(document, "frame", name) for name, _ in items]
    elif number_key:
        values = _fill_numbers(_get_values(number_key, items))
        numbers = [parse_frame_number(document, number_key, value) for value in values]
    elif time_key is None:
        return list(range(len(items))), None
    else:
        return _number_by_milliseconds(document, time_key, seconds)
    return numbers, estimate_fps(numbers, seconds)


def _fill_numbers(values: list) -> list:
    """The frames' numbers, those of frames without one by their place, where all others count by
    it."""
    known = {value - i for i, value in enumerate(values) if isinstance(value, (int, float))}
    if len(known) != 1:
        return values
    offset = known.pop()
    return [i + offset if value is None else value for i, value in enumerate(values)]


def _number_by_milliseconds(
    document: Document, key: str, seconds: np.ndarray
) -> tuple[list[int], float | None]:
    numbers, fps = [], None
    if np.isfinite(seconds).all() and (seconds >= 0).all():
        numbers, fps = number_frames_by_time(seconds)
    if fps is None and len(numbers) != 1:
        raise document.error(key, "increasing milliseconds", (seconds[:3] * 1000).tolist())
    return [parse_frame_number(document, key, float(n)) for n in numbers], fps


def _get_values(key: str, items: list) -> list:
    return [item.get(key) if isinstance(item, dict) else None for _, item in items]
