"""A user's own joint map: what the joints of a file are, where neither its names nor their number
say so.

JSON, from one of our joints (``rhip``, ``lknee``, ``pelvis``, ``nose``, …: of any set in
`poses.joint_sets`) to the file's joint by name or number, to a list of several whose mean it is, or
to their weights: ``{"rknee": "R_KNE", "rhip": 12, "pelvis": ["LASI", "RASI", "SACR"], "head":
{"C7": -0.5, "vertex": 1.5}}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from stride_nb.errors import InputError, check_path
from stride_nb.io.detections import Detections
from stride_nb.io.parsing import read_text
from stride_nb.poses.joint_names import make_named_skeleton, simplify_joint_name
from stride_nb.poses.skeleton import get_skeleton

__all__ = ["JointMap", "load_joint_map", "map_joints"]

JointMap = Mapping[str, Any]
"""Our joint → the file's, as the module says."""


def load_joint_map(source: str | PathLike | JointMap) -> JointMap:
    """The map, or that of a JSON file. Raises InputError where it is no object."""
    where = "joint map" if isinstance(source, Mapping) else check_path("joint map", source)
    expected = "an object from our joint to the file's"
    try:
        content = source if isinstance(source, Mapping) else json.loads(read_text(source))
    except ValueError as error:
        raise InputError(where, "joints", f"JSON: {expected}", error) from None
    if not isinstance(content, Mapping) or not content:
        raise InputError(where, "joints", expected, repr(content)[:80])
    return content


def map_joints(detections: Detections, joint_map: JointMap, where: str | PathLike) -> Detections:
    """The detections' joints as the map names them; confidence: the least of those used.

    Raises:
        InputError: a joint that the file has not, or weights that do not sum to 1.
    """
    labels = get_skeleton(detections.skeleton).joints
    simple = [simplify_joint_name(label) for label in labels]
    weights = np.zeros((len(joint_map), len(labels)))
    for i, (joint, sources) in enumerate(joint_map.items()):
        for label, weight in _read_sources(where, joint, sources).items():
            if (name := simplify_joint_name(label)) not in simple:
                expected = f"one of {', '.join(labels)[:200]}"
                raise InputError(where, f"joints: {joint}", expected, repr(label))
            weights[i, labels.index(label) if label in labels else simple.index(name)] += weight
        if not np.isclose(weights[i].sum(), 1):
            raise InputError(where, f"joints: {joint}", "weights that sum to 1", weights[i].sum())
    points = np.stack([row[row != 0] @ detections.points[:, row != 0] for row in weights], 1)
    confidence = [np.nan_to_num(detections.confidence[:, row != 0]).min(1) for row in weights]
    return replace(
        detections,
        points=points,
        confidence=np.stack(confidence, 1),
        skeleton=make_named_skeleton(list(joint_map), where),
        pixels=None,
        pixel_confidence=None,
    )


def _read_sources(where: str | PathLike, joint: str, sources: Any) -> dict[str, float]:
    """The file's joints by label, and their weights."""
    if isinstance(sources, (str, int)) and not isinstance(sources, bool):
        return {str(sources): 1.0}
    if isinstance(sources, (list, tuple)) and sources:
        return {str(source): 1 / len(sources) for source in sources}
    try:
        if isinstance(sources, Mapping):
            return {str(source): float(weight) for source, weight in sources.items()}
    except (TypeError, ValueError):
        pass
    expected = "a name, a number, a list of them, or weights"
    raise InputError(where, f"joints: {joint}", expected, repr(sources)[:80])
