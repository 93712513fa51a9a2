"""COCO's keypoint annotations, and PoseTrack's, which add track ids.

An object with ``images`` (``id``, ``file_name``, ``width``, ``height``, perhaps ``frame_id``) and
``annotations`` (``image_id``, ``keypoints`` x, y, v of 17 or 133 joints, perhaps ``track_id``). v
is 0 for a joint not labelled, 1 for one labelled where it was hidden, 2 for one in view: taken as
confidence 0, 0.5 and 1. Other values are taken as confidence. COCO's results files, a list, are
read by `alphapose`.
"""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
from jaxtyping import Float

from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import (
    check_frame_numbers_differ,
    identify_joint_set,
    make_skipped_note,
    parse_frame_number,
    parse_matrix,
    parse_track_id,
)
from stride_nb.poses.skeleton import SKELETONS

__all__ = ["KEEPS", "LOOKS", "NAME", "TOOLS", "parse", "recognises"]

NAME = "coco"
TOOLS = "COCO, PoseTrack, CVAT"
KEEPS = "2D, confidence, ids, size, frame numbers, missing"
WIDTHS = [3 * len(s) for s in SKELETONS.values()]
LOOKS = "a JSON object with images and annotations {image_id, keypoints, track_id}"


def recognises(document: Document) -> bool:
    """Whether it is an object with annotations."""
    content = document.content
    is_object = document.kind == "json" and isinstance(content, dict)
    return is_object and isinstance(content.get("annotations"), list)


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The people of a COCO keypoints file as detections, px."""
    images = {str(image.get("id")): image for image in _get_objects(document, "images")}
    annotations = _get_objects(document, "annotations")
    people = [a for a in annotations if a.get("keypoints")]
    if not people:
        raise document.error("annotations", "at least one with keypoints", "none")
    values = parse_matrix(document, "keypoints", [a["keypoints"] for a in people], WIDTHS)
    joints = values.reshape(len(people), -1, 3)
    for image_id in (a.get("image_id") for a in people):
        if images and str(image_id) not in images:
            raise document.error("annotations", "image_id of one of the images", repr(image_id))
    frames = [_get_frame(document, images.get(str(a.get("image_id")), {}), a) for a in people]
    numbers = [_get_frame(document, image, {"image_id": key}) for key, image in images.items()]
    names = [image.get("file_name", key) for key, image in images.items()]
    check_frame_numbers_differ(document, names, numbers)
    return Detections(
        np.array(frames),
        [parse_track_id(a.get("track_id")) for a in people],
        joints[..., :2],
        _read_visibility(joints[..., 2]),
        identify_joint_set(document, joints[..., :2], skeleton),
        size=_get_image_size(document, images),
        frame_span=(min(numbers or frames), max(numbers or frames)),
        notes=make_skipped_note(len(annotations) - len(people)),
    )


def _get_objects(document: Document, field: str) -> list[dict]:
    objects = document.content.get(field, [])
    objects = [o for o in objects if o is not None] if isinstance(objects, list) else objects
    if not isinstance(objects, list) or not all(isinstance(item, dict) for item in objects):
        raise document.error(field, "a list of objects", type(objects).__name__)
    return objects


def _read_visibility(flags: Float[np.ndarray, "N J"]) -> Float[np.ndarray, "N J"]:
    """Confidence from COCO's v, or as it is; null: not labelled."""
    flags = np.nan_to_num(flags)
    return flags / 2 if np.isin(flags, (0, 1, 2)).all() and (flags == 2).any() else flags


def _get_frame(document: Document, image: dict, annotation: dict) -> int:
    """The frame's number: as the image says, else from the image's name, else its id."""
    for value in (image.get("frame_id"), image.get("file_name"), annotation.get("image_id")):
        if value is not None:
            return parse_frame_number(document, "image", value)
    raise document.error("annotations", "image_id", "none")


def _get_image_size(document: Document, images: dict[str, dict]) -> tuple[int, int] | None:
    """The one width and height, px, of all images that say it."""
    pairs = [(image.get("width"), image.get("height")) for image in images.values()]
    sizes = {(w, h) for w, h in pairs if _is_length(w) and _is_length(h)}
    if len(sizes) > 1:
        raise document.error("images", "one size, as in a video", sorted(sizes))
    return next(iter(sizes), None)


def _is_length(value: object) -> TypeGuard[int]:
    return isinstance(value, (int, float)) and 0 < value < 1e6
