"""MediaPipe's 33 pose landmarks, as programs commonly dump them to JSON (for CSV see `csv`).

MediaPipe writes no file itself. Understood is a list with an item for each frame, the same under
``frames`` (beside ``fps``, ``width``, ``height``), or an object from frame number to item. An item
is a list of 33 landmarks, or an object with it under ``pose_landmarks``, ``landmarks`` or,
preferred, ``pose_world_landmarks`` or ``world_landmarks``; its number under ``frame`` (or
``frame_id``, ``frame_number``, …), its time under ``timestamp_ms``, else its place. The list may
stand under ``landmark`` (protobuf), or hold a list for each person (Tasks API). A landmark is ``{x,
y, z, visibility}`` or a list of these numbers; an empty or null list means that nobody was found.

World landmarks are metres about the middle of the hips in the camera's axes (x right, y down, z
forward): the person's path is not in them. Image landmarks are shares of the image's width and
height.
"""

from __future__ import annotations

import numpy as np

from stride_nb.io.parsing import Document, clock, frame_number, frame_rate, matrix
from stride_nb.io.tracking import Detections

__all__ = ["LOOKS", "parse", "recognises"]

NAME = "mediapipe"
LOOKS = "JSON with 33 landmarks {x, y, z, visibility} a frame under landmarks, pose_landmarks or pose_world_landmarks"
WORLD = ("pose_world_landmarks", "world_landmarks", "poseWorldLandmarks", "worldLandmarks")
IMAGE = ("pose_landmarks", "landmarks", "poseLandmarks", "keypoints")
NUMBER = ("frame", "frame_id", "frame_number", "frame_index", "frame_idx", "index")
TIME = ("timestamp_ms", "timestampMs")
NOTE = "MediaPipe's world landmarks have no path: the middle of the hips is always at 0"


def recognises(document: Document) -> bool:
    return document.kind == "json" and any(
        _landmarks(item)[1] for _, item in _items(document.content)
    )


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """MediaPipe's landmarks as detections."""
    items = _items(document.content)
    parsed = [_landmarks(item) for _, item in items]
    world = any(kind == "world" and people for kind, people in parsed)
    numbers, fps = _clock(document, items)
    rows, frames = [], []
    for number, (kind, people) in zip(numbers, parsed):
        if (kind == "world") == world:
            rows += [_values(document, person, number) for person in people]
            frames += [number] * len(people)
    values = matrix(document, "landmarks", rows, [33 * 4]).reshape(-1, 33, 4)
    meta = document.content if isinstance(document.content, dict) else {}
    size = (meta.get("width"), meta.get("height"))
    return Detections(
        np.array(frames),
        [None] * len(rows),
        values[..., : 3 if world else 2],
        values[..., 3],
        skeleton or "mediapipe33",
        fps=_positive(meta.get("fps")) or fps,
        size=size if all(map(_positive, size)) else None,
        clock=(min(numbers), max(numbers)),
        notes=(NOTE,) if world else (),
    )


def _positive(value) -> float | None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6
    return value if ok else None


def _items(content) -> list[tuple[object, object]]:
    """(number or None, item) of every frame."""
    if isinstance(content, list) and content and not _is_landmark(content[0]):
        return [(None, item) for item in content]
    if isinstance(content, dict):
        for key in ("frames", "results", "data", "poses"):
            if isinstance(content.get(key), (list, dict)):
                return _items(content[key])
        if content and all(isinstance(k, str) and k.isdigit() for k in content):
            return list(content.items())
    return [(0, content)]


def _is_landmark(content) -> bool:
    if isinstance(content, dict):
        return {"x", "y"} <= content.keys()
    return (
        isinstance(content, list)
        and len(content) in (3, 4)
        and all(isinstance(v, (int, float)) or v is None for v in content)
    )


def _landmarks(item) -> tuple[str, list]:
    """("world" or "image", the landmarks of each person), empty where there are none."""
    kind = "image"
    if isinstance(item, dict):
        key = next((k for k in (*WORLD, *IMAGE) if item.get(k)), None)
        kind, item = ("world" if key in WORLD else "image"), item.get(key)
    if isinstance(item, dict):
        item = item.get("landmark")
    if not isinstance(item, list) or not item:
        return kind, []
    if isinstance(item[0], dict) and isinstance(item[0].get("landmark"), list):
        item = [person.get("landmark") for person in item if isinstance(person, dict)]
    if _is_landmark(item[0]):
        return kind, [item] if len(item) == 33 or isinstance(item[0], dict) else []
    people = [p for p in item if isinstance(p, list) and p and _is_landmark(p[0])]
    return kind, people


def _values(document: Document, person: list, number: int) -> list[float]:
    """x, y, z, visibility of every landmark, in one list."""
    try:
        if isinstance(person[0], dict):
            points = [
                (p["x"], p["y"], p.get("z", 0.0), p.get("visibility", p.get("presence", 1.0)))
                for p in person
            ]
        else:
            points = [(*p, 1.0)[:4] for p in person]
    except (KeyError, TypeError, AttributeError) as error:
        raise document.error(
            f"frame {number}", "landmarks {x, y, z, visibility}", repr(error)
        ) from None
    return [value for point in points for value in point]


def _clock(document: Document, items: list) -> tuple[list[int], float | None]:
    """Frame numbers, and the frame rate where the items carry times."""
    keyed, first = (
        items[0][0] is not None,
        next((item for _, item in items if isinstance(item, dict)), {}),
    )
    number, time = (next((key for key in keys if key in first), None) for keys in (NUMBER, TIME))
    seconds = (
        matrix(document, time, [[value] for value in _under(time, items)])[:, 0] / 1000
        if time
        else None
    )
    if keyed or number:
        given = [name for name, _ in items] if keyed else _under(number, items)
        numbers = [frame_number(document, "frame" if keyed else number, value) for value in given]
        return numbers, frame_rate(numbers, seconds) if time else None
    if time is None:
        return list(range(len(items))), None
    numbers, fps = (
        clock(seconds) if np.isfinite(seconds).all() and (seconds >= 0).all() else ([], None)
    )
    if fps is None and len(numbers) != 1:
        raise document.error(time, "increasing milliseconds", (seconds[:3] * 1000).tolist())
    return [frame_number(document, time, float(n)) for n in numbers], fps


def _under(key: str, items: list) -> list:
    return [item.get(key) if isinstance(item, dict) else None for _, item in items]
