"""Ultralytics' pose results in: JSON of ``Results.summary`` or ``to_json``, and the label files of
``save_txt`` (ultralytics/ultralytics, ``ultralytics/engine/results.py``).

JSON: a list with a list a frame, or a folder with a file a frame, of ``{name, class, confidence,
box, keypoints: {x: […], y: […], visible: […]}}``, and ``track_id`` when tracking. Text: a folder
with a file a frame (``video_12.txt`` is the 12th), a line a person: class, box, then x, y (and
visibility) of every keypoint in shares of the image, then confidence and id where they were saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

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
    read_text,
)

__all__ = ["KEEPS", "LOADERS", "LOOKS", "NAME", "TOOLS", "parse", "recognises"]

NAME = "ultralytics"
TOOLS = "Ultralytics YOLO-pose"
LOOKS = (
    "JSON frames [{class, box, keypoints: {x, y, visible}}], or a folder of its label files (txt)"
)
KEEPS = "2D, confidence, ids, frame numbers, missing"
LOADERS = {".txt": read_text}
BOX_WORDS = 5
"""Class and box before the keypoints of a line."""


def recognises(document: Document) -> bool:
    """Whether it has such people, or lines of numbers."""
    content = document.content
    if document.kind == "txt":
        return _is_labels(content)
    if document.kind == "txt folder":
        return any(_is_labels(text) for _, text in content)
    if document.kind == "folder":
        return any(_is_people(people) for _, people in content)
    frames = content if isinstance(content, list) else []
    return document.kind == "json" and (_is_people(frames) or any(map(_is_people, frames)))


def _is_people(content: Any) -> bool:
    if not isinstance(content, list):
        return False
    person = next((p for p in content if not is_empty_person(p)), None)
    return isinstance(person, dict) and isinstance(person.get("keypoints"), dict)


def _is_labels(text: str) -> bool:
    words = text.partition("\n")[0].split()
    return len(words) > BOX_WORDS and all(
        word.replace(".", "").replace("-", "").replace("e", "").isdigit() for word in words
    )


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The people as detections, px or shares of the image."""
    names, numbers, frames, rows, track_ids, empty = [], [], [], [], [], 0
    for name, people in _iterate_results(document):
        names.append(name)
        numbers.append(parse_frame_number(document, "frame's name", name))
        for row, track_id in people:
            if row is None:
                empty += 1
                continue
            frames.append(numbers[-1])
            rows.append(row)
            track_ids.append(parse_track_id(track_id))
    check_frame_numbers_differ(document, names, numbers)
    if not rows:
        raise document.error("keypoints", "at least one person in one frame", "none")
    values = parse_matrix(document, "keypoints", rows)
    if values.shape[1] % 3:
        raise document.error("keypoints", "x, y, visible of each", f"{values.shape[1]} numbers")
    joints = values.reshape(len(values), -1, 3)
    at_corner = (joints[..., :2] == 0).all(-1)  # a joint that the network did not place
    return Detections(
        np.array(frames),
        track_ids,
        joints[..., :2],
        np.where(at_corner, 0.0, joints[..., 2]),
        identify_joint_set(document, joints[..., :2], skeleton),
        frame_span=(min(numbers), max(numbers)),
        notes=make_skipped_note(empty),
    )


def _iterate_results(document: Document) -> Iterator[tuple[Any, list[tuple[list | None, Any]]]]:
    """(name or number, [(x, y, visible of all keypoints, id)]) of every frame; None of who has
    none."""
    content = document.content
    if document.kind in ("txt", "txt folder"):
        files = [(document.path.name, content)] if document.kind == "txt" else content
        # beside them: names of classes, notes
        files = [f for f in files if _is_labels(f[1]) or re.search(r"\d", f[0]) or len(files) == 1]
        has_confidence = _has_confidence(text for _, text in files)
        for name, text in files:
            words = [line.split() for line in text.splitlines() if line.strip()]
            yield name, [_read_line(document, name, line, has_confidence) for line in words]
        return
    if document.kind == "json":
        content = enumerate([content] if _is_people(content) else content)
    for name, people in content:
        people = [] if people is None else people
        if not isinstance(people, list):
            raise document.error(f"frame {name}", "a list of people", people)
        yield name, [_read_result(document, name, person) for person in people]


def _read_result(document: Document, name: Any, person: Any) -> tuple[list | None, Any]:
    if is_empty_person(person):
        return None, None
    try:
        marks = person["keypoints"]
        seen = marks.get("visible") or [1.0] * len(marks["x"])
        triples = zip(marks["x"], marks["y"], seen, strict=True)
        return [value for triple in triples for value in triple], person.get("track_id")
    except (TypeError, KeyError, AttributeError, ValueError):
        expected = "people with keypoints {x, y, visible}, equally many"
        raise document.error(f"frame {name}", expected, person) from None


def _has_confidence(texts: Any) -> bool:
    """Whether what stands behind the keypoints begins with a confidence: not all are whole
    numbers, as ids are."""
    lines = [line.split() for text in texts for line in text.splitlines() if line.strip()]
    extra = [words[-1] for words in lines if (len(words) - BOX_WORDS) % 3 == 1]
    return not extra or not all(word.isdigit() and word != "0" for word in extra)


def _read_line(
    document: Document, name: str, words: list[str], has_confidence: bool
) -> tuple[list, Any]:
    """Keypoints and id of a line of 3 numbers a keypoint, or 2 where it has no visibility."""
    try:
        values = [float(word) for word in words[BOX_WORDS:]]
    except ValueError as error:
        raise document.error(f"frame {name}", "numbers", error) from None
    extra = len(values) % 3
    if len(values) in (34, 35, 36):  # 17 without visibility
        extra = len(values) - 34
        pairs = values[: len(values) - extra]
        row = [v for i in range(0, 34, 2) for v in (*pairs[i : i + 2], 1.0)]
    else:
        row = values[: len(values) - extra]
    behind = values[len(values) - extra :] if extra else []
    track_id = behind[-1] if len(behind) == 2 or (behind and not has_confidence) else None
    return row, track_id
