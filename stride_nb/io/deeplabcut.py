"""DeepLabCut's CSV in: header rows ``scorer``, perhaps ``individuals``, ``bodyparts``, ``coords``
(x, y, likelihood, or x, y, z of its 3D), then a row a frame, the frame's number or image first
(DeepLabCut/DeepLabCut, ``docs/standardDeepLabCut_UserGuide.md``). Body parts are known by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import arrange_named_joints, parse_cell, parse_frame_number

__all__ = ["KEEPS", "LOOKS", "NAME", "TOOLS", "parse", "recognises"]

NAME = "deeplabcut"
TOOLS = "DeepLabCut, SLEAP's and others' exports in its form"
LOOKS = "a CSV with header rows scorer, bodyparts, coords"
KEEPS = "2D or 3D, confidence, ids, frame numbers, missing"
PLACES = {"x": 0, "y": 1, "z": 2, "likelihood": 3}


def recognises(document: Document) -> bool:
    """Whether the header rows are there."""
    if document.kind not in ("csv", "tsv") or not document.content:
        return False
    return document.content[0][:1] == ["scorer"]


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The rows as detections, 2D or 3D."""
    rows = document.content
    head = {row[0]: row for row in rows[:4] if row[0] in ("individuals", "bodyparts", "coords")}
    body = rows[1 + len(head) :]
    if not {"bodyparts", "coords"} <= head.keys() or not body:
        expected = "rows scorer, bodyparts, coords, and at least one frame"
        raise document.error("header", expected, " ".join(row[0] for row in rows[:4]))
    width = len(head["coords"])
    first = next(i for i, word in enumerate(head["coords"]) if word in PLACES)
    if any(len(row) != width for row in (*head.values(), *body)):
        raise document.error("rows", f"{width} cells in each", "other numbers")
    cells = np.array([[_parse_coordinate(document, cell) for cell in row[first:]] for row in body])
    labels = list(dict.fromkeys(head["bodyparts"][first:]))
    people = list(dict.fromkeys(head.get("individuals", ["1"] * width)[first:]))
    joint_set, order = arrange_named_joints(document, labels, skeleton)
    values = np.full((len(people), len(body), len(labels), 4), np.nan)
    values[..., 3] = 1
    columns = zip(
        head.get("individuals", ["1"] * width)[first:],
        head["bodyparts"][first:],
        head["coords"][first:],
    )
    for column, (person, label, coordinate) in enumerate(columns):
        if coordinate not in PLACES:
            raise document.error("coords", f"one of {', '.join(PLACES)}", repr(coordinate))
        place = people.index(person), slice(None), labels.index(label), PLACES[coordinate]
        values[place] = cells[:, column]
    return _stack_people(document, body, first, people, values[:, :, order], joint_set)


def _stack_people(
    document: Document, body: Sequence[Sequence[str]], first: int, people, values, joint_set
) -> Detections:
    P, T = values.shape[:2]
    numbers = [_parse_index(row[first - 1]) for row in body]
    frames = np.array([parse_frame_number(document, "frame", number) for number in numbers])
    dims = 2 if np.isnan(values[..., 2]).all() else 3
    return Detections(
        np.tile(frames, P),
        [person if P > 1 else None for person in people for _ in range(T)],
        values[..., :dims].reshape(P * T, -1, dims),
        values[..., 3].reshape(P * T, -1),
        joint_set,
        frame_span=(int(frames.min()), int(frames.max())),
    )


def _parse_coordinate(document: Document, cell: str) -> float:
    try:
        return parse_cell(cell)
    except ValueError as error:
        raise document.error("rows", "numbers", error) from None


def _parse_index(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell
