"""BVH, the animation files of motion capture and rigs, in and out (`bvh_reader`, `bvh_writer`).

Joints are known by their names, the bones' own in most rigs. The format says neither unit nor up:
y is up as its tools write it, and the unit is judged by the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np

from stride_nb.io import bvh_writer
from stride_nb.io.bvh_reader import read_bvh
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import arrange_named_joints
from stride_nb.poses.sequence import PoseSequence

__all__ = [
    "KEEPS",
    "LOADERS",
    "LOOKS",
    "NAME",
    "SEVERAL",
    "SUFFIX",
    "TOOLS",
    "parse",
    "recognises",
    "write",
]

NAME = "bvh"
TOOLS = "Blender, MotionBuilder, Mixamo, Rokoko, Xsens"
LOOKS = "a BVH file, joints by name"
KEEPS = "3D, fps"
SUFFIX, SEVERAL = ".bvh", False
LOADERS = {".bvh": read_bvh}


def recognises(document: Document) -> bool:
    """Whether it is a BVH file."""
    return document.kind == "bvh"


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """The joints of the one person that moves."""
    animation = document.content
    positions = animation.compute_positions()
    joint_set, columns = arrange_named_joints(document, animation.names, skeleton)
    return Detections(
        np.arange(len(positions)),
        [None] * len(positions),
        positions[:, columns],
        np.ones((len(positions), len(columns))),
        joint_set,
        fps=round(animation.fps, 3),
        frame_span=(0, len(positions) - 1),
        up="y",
    )


def write(path: str | PathLike, sequences: Sequence[PoseSequence]) -> None:
    """One person as BVH (`bvh_writer.write_bvh`)."""
    bvh_writer.write_bvh(path, sequences)
