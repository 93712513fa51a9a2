"""BVH files in.

Format: Biovision Hierarchy, as described in Meredith and Maddock, "Motion Capture File Formats
Explained", University of Sheffield, CS-01-11, 2001.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError
from stride_nb.io.animation import Animation, euler_to_matrix
from stride_nb.io.parsing import parse_numbers, read_text

__all__ = ["read_bvh"]

CHANNELS = {f"{axis}{kind}" for axis in "xyz" for kind in ("position", "rotation")}


def read_bvh(path: str | PathLike, unit: float = 1.0) -> Animation:
    """Read a BVH file: any channel order, End Sites, angles in degrees.

    Position channels replace a joint's OFFSET, as in the tools that write them on joints other than
    the root.

    Args:
        path: the file.
        unit: metres per length unit of the file, which the format does not state.

    Raises:
        InputError: not BVH, truncated, or the wrong number of values for the channels declared.
    """
    head, *motion = re.split(r"^\s*MOTION\s*$", read_text(path), maxsplit=1, flags=re.MULTILINE)
    tree = _parse_tree(path, head.split())
    if not motion:
        raise InputError(path, "MOTION", "a line MOTION after the hierarchy", "none")
    values, fps = _parse_motion(path, motion[0].split(), sum(map(len, tree.channels)))
    offsets = parse_numbers(path, "OFFSET", tree.offsets).reshape(-1, 3) * unit
    translations = np.tile(offsets, (len(values), 1, 1))
    rotations = np.empty((len(values), len(tree.names), 3, 3))
    columns = iter(values.T)
    for j, channels in enumerate(tree.channels):
        block = {channel: next(columns) for channel in channels}
        for i, axis in enumerate("xyz"):
            if f"{axis}position" in block:
                translations[:, j, i] = block[f"{axis}position"] * unit
        turns = [channel for channel in channels if channel.endswith("rotation")]
        angles = np.zeros((len(values), len(turns)))
        for i, channel in enumerate(turns):
            angles[:, i] = block[channel]
        rotations[:, j] = euler_to_matrix("".join(channel[0] for channel in turns), angles)
    return Animation(tuple(tree.names), tuple(tree.parents), offsets, translations, rotations, fps)


@dataclass
class _Tree:
    """The joints of a HIERARCHY, in its order, as far as it has been parsed."""

    path: str | PathLike
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[str] = field(default_factory=list)
    """Three words a joint."""
    channels: list[list[str]] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    """Joints whose braces are open, the outermost first."""

    def add_joint(self, kind: str, name: str) -> None:
        """Open a ROOT, JOINT or End Site inside the innermost open joint."""
        if (kind == "ROOT") == bool(self.open):
            raise self.error("one ROOT, and joints inside it", f"{kind} {name}")
        self.parents.append(self.open[-1] if self.open else -1)
        self.open.append(len(self.names))
        self.names.append(name if kind != "End" else f"{self.names[self.parents[-1]]}.end")
        self.channels.append([])

    def set_channels(self, words: list[str], count: int) -> None:
        """Set what the MOTION section gives for the latest joint."""
        channels = [word.lower() for word in words]
        distinct = set(channels)
        if len(channels) != count or len(distinct) < count or not CHANNELS.issuperset(distinct):
            expected = f"{count} different names such as Xrotation"
            where = f"CHANNELS of {self.names[-1]}"
            raise InputError(self.path, where, expected, " ".join(channels))
        self.channels[-1] = channels

    def check_complete(self) -> None:
        """InputError where the section ended early."""
        joints, offsets = len(self.names), len(self.offsets) // 3
        if self.open or not joints or offsets != joints or len(set(self.names)) < joints:
            expected = "closed braces and one OFFSET for every differently named joint"
            given = f"{joints} joints, {offsets} offsets, {len(self.open)} braces open"
            raise self.error(expected, given)

    def error(self, expected: str, found: str) -> InputError:
        return InputError(self.path, "hierarchy", expected, found)


def _parse_tree(path: str | PathLike, words: list[str]) -> _Tree:
    if words[:1] != ["HIERARCHY"]:
        given = repr(" ".join(words[:1])[:40])
        raise InputError(path, "HIERARCHY", "the word HIERARCHY first", given)
    tree, at = _Tree(path), 1
    while at < len(words):
        word, after = words[at], words[at + 1 : at + 4]
        if word in ("ROOT", "JOINT", "End") and len(after) >= 2 and after[1] == "{":
            tree.add_joint(word, after[0])
            at += 3
        elif word == "OFFSET" and len(after) == 3 and len(tree.offsets) == 3 * len(tree.names) - 3:
            tree.offsets += after
            at += 4
        elif word == "CHANNELS" and tree.open and after and after[0].isdecimal():
            count = int(after[0])
            tree.set_channels(words[at + 2 : at + 2 + count], count)
            at += 2 + count
        elif word == "}" and tree.open:
            tree.open.pop()
            at += 1
        else:
            expected = "ROOT, JOINT, End Site, OFFSET, CHANNELS, braces in order"
            raise tree.error(expected, repr(" ".join(words[at : at + 3])[:60]))
    tree.check_complete()
    return tree


def _parse_motion(
    path: str | PathLike, words: list[str], channels: int
) -> tuple[Float[np.ndarray, "T C"], float]:
    """The values of every frame, and frames per second."""
    if len(words) < 5 or words[0] != "Frames:" or words[2:4] != ["Frame", "Time:"]:
        expected, given = "'Frames: N' and 'Frame Time: s'", repr(" ".join(words[:5])[:60])
        raise InputError(path, "MOTION", expected, given)
    count, step = parse_numbers(path, "Frames, Frame Time", [words[1], words[4]])
    values = parse_numbers(path, "MOTION", words[5:])
    if count < 1 or step <= 0:
        raise InputError(path, "Frames, Frame Time", "both above 0", f"{words[1]} and {words[4]}")
    if channels == 0 or values.size != count * channels:
        expected = f"{words[1]} frames of {channels} channels"
        raise InputError(path, "MOTION", expected, f"{values.size} values")
    return values.reshape(-1, channels), 1 / float(step)
