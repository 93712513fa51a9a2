"""COCO's keypoint annotations, and PoseTrack's, which add track ids.

An object with ``images`` (``id``, ``file_name``, ``width``, ``height``, perhaps ``frame_id``) and
``annotations`` (``image_id``, ``keypoints`` x, y, v of 17 or 133 joints, perhaps ``track_id``). v
is 0 for a joint not labelled, 1 for
one labelled where it was hidden, 2 for one in view: taken as confidence 0, 0.5 and 1. Other values
are taken as confidence.
COCO's results files, a list, are read as `alphapose` reads them.
"""

from __future__ import annotations

import numpy as np

from stride_nb.io.parsing import Document, apart, frame_number, joint_set, matrix, track_id
from stride_nb.io.tracking import Detections

__all__ = ["LOOKS", "parse", "recognises"]

NAME = "coco"
LOOKS = "a JSON object with images and annotations {image_id, keypoints, track_id}"


def recognises(document: Document) -> bool:
    return (
        document.kind == "json"
        and isinstance(document.content, dict)
        and isinstance(document.content.get("annotations"), list)
    )


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The people of a COCO keypoints file as detections, 2D in pixels."""
    images = {}
    for i, image in enumerate(_objects(document, "images")):
        images[_key(image.get("id"))] = image
    people = [a for a in _objects(document, "annotations") if a.get("keypoints")]
    if not people:
        raise document.error("annotations", "at least one with keypoints", "none")
    joints = matrix(document, "keypoints", [a["keypoints"] for a in people], (51, 399)).reshape(
        len(people), -1, 3
    )
    flags = np.nan_to_num(joints[..., 2])  # null: not labelled
    confidence = flags / 2 if np.isin(flags, (0, 1, 2)).all() and (flags == 2).any() else flags
    stray = next(
        (
            repr(a.get("image_id"))
            for a in people
            if images and _key(a.get("image_id")) not in images
        ),
        None,
    )
    if stray is not None:
        raise document.error("annotations", "image_id of one of the images", stray)
    frames = np.array(
        [_frame(document, images.get(_key(a.get("image_id")), {}), a) for a in people]
    )
    clock = [
        _frame(document, image, {"image_id": key}) for key, image in images.items()
    ] or frames.tolist()
    apart(document, [images[key].get("file_name", key) for key in images], clock[: len(images)])
    sizes = {(i["width"], i["height"]) for i in images.values() if _sized(i)}
    if len(sizes) > 1:
        raise document.error("images", "one size, as in a video", sorted(sizes))
    return Detections(
        frames,
        [track_id(a.get("track_id")) for a in people],
        joints[..., :2],
        confidence,
        joint_set(document, joints[..., :2], skeleton),
        size=next(iter(sizes), None),
        clock=(min(clock), max(clock)),
    )


def _objects(document: Document, field: str) -> list[dict]:
    found = document.content.get(field, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise document.error(field, "a list of objects", type(found).__name__)
    return found


def _key(value) -> str:
    return str(value)


def _sized(image: dict) -> bool:
    return all(
        isinstance(image.get(k), (int, float)) and 0 < image[k] < 1e6 for k in ("width", "height")
    )


def _frame(document: Document, image: dict, annotation: dict) -> int:
    """The frame's number: as the image says, else from the image's name, else its id."""
    for value in (image.get("frame_id"), image.get("file_name"), annotation.get("image_id")):
        if value is not None:
            return frame_number(document, "image", value)
    raise document.error("annotations", "image_id", "none")
