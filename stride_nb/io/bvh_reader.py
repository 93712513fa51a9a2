"""BVH files, and the moving skeleton (`Animation`) that every motion capture format here is read
into.

Format: Biovision Hierarchy, as described in Meredith and Maddock, "Motion Capture File Formats
Explained", University of Sheffield, CS-01-11, 2001.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from stride_nb.errors import UNREADABLE, InputError

__all__ = ["Animation", "euler", "numbers", "read", "read_text"]


@dataclass(frozen=True)
class Animation:
    """A tree of joints that turn (and may slide) over time. Parents stand before their children.

    Joint ``j`` lies at ``translations[:, j]`` in its parent's frame, and its own frame is turned
    against its parent's by ``rotations[:, j]``. A joint named ``X.end`` is the end of ``X`` (BVH's
    End Site).
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    """(J, 3) metres: where each joint lies in its parent's frame at rest."""
    translations: np.ndarray
    """(T, J, 3) metres: the same, frame by frame; differs from ``offsets`` where a file moves a
    joint."""
    rotations: np.ndarray
    """(T, J, 3, 3)"""
    fps: float

    def __len__(self) -> int:
        return len(self.rotations)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """World position (T, J, 3) in metres and orientation (T, J, 3, 3) of every joint: forward
        kinematics."""
        position, turn = self.translations.copy(), self.rotations.copy()
        for j, p in enumerate(self.parents):
            if p >= 0:
                turn[:, j] = turn[:, p] @ self.rotations[:, j]
                position[:, j] = position[:, p] + np.einsum(
                    "tij,tj->ti", turn[:, p], self.translations[:, j]
                )
        return position, turn

    def positions(self) -> np.ndarray:
        """World position of every joint, (T, J, 3) metres."""
        return self.frames()[0]


def euler(axes: str, degrees: np.ndarray) -> np.ndarray:
    """Product of elementary rotations in the order written: ``euler("zyx", a)`` is Rz(a₀) Ry(a₁)
    Rx(a₂).

    Args:
        axes: letters x, y, z, any number of them.
        degrees: (..., len(axes)).

    Returns:
        (..., 3, 3); the identity where there is no axis.
    """
    angle = np.radians(degrees)
    matrix = np.broadcast_to(np.eye(3), (*angle.shape[:-1], 3, 3))
    for n, axis in enumerate(axes):
        i = "xyz".index(axis)
        j, k = (i + 1) % 3, (i + 2) % 3
        one = np.zeros((*angle.shape[:-1], 3, 3))
        one[..., i, i] = 1
        one[..., j, j] = one[..., k, k] = np.cos(angle[..., n])
        one[..., k, j] = np.sin(angle[..., n])
        one[..., j, k] = -one[..., k, j]
        matrix = matrix @ one
    return matrix


def read_text(path: str | PathLike) -> str:
    """The file as text. ``path`` may be anything with ``read_text``, so also a `zipfile.Path`."""
    path = path if hasattr(path, "read_text") else Path(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(path, "file", "text", "bytes that are not text") from None
    except UNREADABLE as error:
        raise InputError(
            path, "file", "a readable file", getattr(error, "strerror", None) or error
        ) from None


def numbers(path, field: str, words: list[str]) -> np.ndarray:
    """Words as finite float64 numbers."""
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError as error:
        raise InputError(path, field, "numbers", error) from None
    if not np.isfinite(values).all():
        raise InputError(path, field, "finite numbers", words[int(np.argmin(np.isfinite(values)))])
    return values


def read(path: str | PathLike, unit: float = 1.0) -> Animation:
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
    names, parents, offsets, channels = _hierarchy(path, head.split())
    if not motion:
        raise InputError(path, "MOTION", "a line MOTION after the hierarchy", "none")
    values, fps = _motion(path, motion[0].split(), sum(map(len, channels)))
    offsets = numbers(path, "OFFSET", offsets).reshape(-1, 3) * unit
    translations = np.tile(offsets, (len(values), 1, 1))
    rotations = np.empty((len(values), len(names), 3, 3))
    first = 0
    for j, own in enumerate(channels):
        block = dict(zip(own, values[:, first : first + len(own)].T))
        first += len(own)
        for i, axis in enumerate("xyz"):
            if (slide := block.get(f"{axis}position")) is not None:
                translations[:, j, i] = slide * unit
        turns = [c for c in own if c.endswith("rotation")]
        angles = np.stack([block[c] for c in turns], -1) if turns else np.zeros((len(values), 0))
        rotations[:, j] = euler("".join(c[0] for c in turns), angles)
    return Animation(tuple(names), tuple(parents), offsets, translations, rotations, fps)


_CHANNELS = {f"{axis}{what}" for axis in "xyz" for what in ("position", "rotation")}


def _hierarchy(path, words: list[str]):
    """Names, parents, offsets (3 words a joint) and channels of the tree, by a walk over its
    words."""
    names, parents, offsets, channels = [], [], [], []
    stack, at = [], 1
    if words[:1] != ["HIERARCHY"]:
        raise InputError(
            path, "HIERARCHY", "the word HIERARCHY first", repr(" ".join(words[:1])[:40])
        )
    while at < len(words):
        word, after = words[at], words[at + 1 : at + 4]
        if word in ("ROOT", "JOINT", "End") and len(after) >= 2 and after[1] == "{":
            if (word == "ROOT") == bool(stack):
                raise InputError(
                    path, "hierarchy", "one ROOT, and joints inside it", f"{word} {after[0]}"
                )
            parents.append(stack[-1] if stack else -1)
            stack.append(len(names))
            names.append(after[0] if word != "End" else f"{names[parents[-1]]}.end")
            channels.append([])
            at += 3
        elif word == "OFFSET" and len(after) == 3 and len(offsets) == 3 * (len(names) - 1):
            offsets += after
            at += 4
        elif word == "CHANNELS" and stack and after and after[0].isdecimal():
            channels[-1] = [c.lower() for c in words[at + 2 : at + 2 + int(after[0])]]
            if (
                len(channels[-1]) != int(after[0])
                or not _CHANNELS.issuperset(channels[-1])
                or len(set(channels[-1])) < len(channels[-1])
            ):
                raise InputError(
                    path,
                    f"CHANNELS of {names[-1]}",
                    f"{after[0]} different names such as Xrotation",
                    " ".join(channels[-1]),
                )
            at += 2 + int(after[0])
        elif word == "}" and stack:
            stack.pop()
            at += 1
        else:
            raise InputError(
                path,
                "hierarchy",
                "ROOT, JOINT, End Site, OFFSET, CHANNELS, braces in order",
                repr(" ".join(words[at : at + 3])[:60]),
            )
    if stack or not names or len(offsets) != 3 * len(names) or len(set(names)) < len(names):
        raise InputError(
            path,
            "hierarchy",
            "closed braces and one OFFSET for every differently named joint",
            f"{len(names)} joints, {len(offsets) // 3} offsets, {len(stack)} braces open",
        )
    return names, parents, offsets, channels


def _motion(path, words: list[str], channels: int) -> tuple[np.ndarray, float]:
    """Values (T, channels) and frames per second."""
    if len(words) < 5 or words[0] != "Frames:" or words[2:4] != ["Frame", "Time:"]:
        raise InputError(
            path, "MOTION", "'Frames: N' and 'Frame Time: s'", repr(" ".join(words[:5])[:60])
        )
    count, step = numbers(path, "Frames, Frame Time", [words[1], words[4]])
    values = numbers(path, "MOTION", words[5:])
    if count < 1 or step <= 0:
        raise InputError(path, "Frames, Frame Time", "both above 0", f"{words[1]} and {words[4]}")
    if channels == 0 or values.size != count * channels:
        raise InputError(
            path, "MOTION", f"{words[1]} frames of {channels} channels", f"{values.size} values"
        )
    return values.reshape(-1, channels), 1 / float(step)
