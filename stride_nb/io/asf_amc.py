"""ASF/AMC files, the form in which CMU publishes its motion capture: a skeleton, and a motion of
it.

Format: Acclaim, as described in Meredith and Maddock, "Motion Capture File Formats Explained",
University of Sheffield, CS-01-11, 2001. A bone runs along its ``direction`` (given in world axes at
rest) from its parent's end to its own, and turns against its parent by C·M·C⁻¹: C is its ``axis``,
M the angles of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np

from stride_nb.errors import InputError
from stride_nb.io.bvh_reader import Animation, euler, numbers, read_text

__all__ = ["Bone", "read", "read_skeleton"]

INCH = 0.0254
_DOF = {"rx", "ry", "rz"}


@dataclass(frozen=True)
class Bone:
    """A bone of an ASF skeleton; the root is one without length."""

    name: str
    parent: str
    vector: np.ndarray
    """(3,) metres, from the bone's start to its end, in world axes at rest."""
    axis: np.ndarray
    """(3, 3): the frame in which the bone's angles are given."""
    dof: tuple[str, ...]
    """What a line of the AMC file gives: some of ``rx ry rz`` (the root also ``tx ty tz``), in its
    order."""
    order: str
    """The axes of its rotations, the one that is applied first standing first."""

    def turn(self, values: np.ndarray) -> np.ndarray:
        """Rotation against the parent, (T, 3, 3), from the values (T, len(dof)) of an AMC file."""
        columns = [self.dof.index(f"r{axis}") for axis in reversed(self.order)]
        return self.axis @ euler(self.order[::-1], values[:, columns]) @ self.axis.T


def read(skeleton: str | PathLike, motion: str | PathLike, fps: float = 120.0) -> Animation:
    """Read a skeleton (ASF) and one motion of it (AMC). AMC states no frame rate: CMU's is mostly
    120.

    Bone ``X`` becomes two joints: ``X`` where the bone starts and ``X.end`` where it ends.

    Raises:
        InputError: either file is malformed, or the motion does not fit the skeleton.
    """
    bones, unit = read_skeleton(skeleton)
    frames = _frames(motion, bones)
    count = len(frames["root"])
    names, parents, offsets, turns = (
        ["root"],
        [-1],
        [np.zeros(3)],
        [bones["root"].turn(frames["root"])],
    )
    for bone in list(bones.values())[1:]:
        parents += [names.index(bone.parent), len(names)]
        names += [bone.name, f"{bone.name}.end"]
        offsets += [bones[bone.parent].vector, bone.vector]
        own = bone.turn(frames[bone.name]) if bone.dof else np.eye(3)
        turns += [np.broadcast_to(own, (count, 3, 3)), np.broadcast_to(np.eye(3), (count, 3, 3))]
    translations = np.tile(np.array(offsets), (count, 1, 1))
    where = [bones["root"].dof.index(f"t{axis}") for axis in "xyz"]
    translations[:, 0] = frames["root"][:, where] * unit
    return Animation(
        tuple(names),
        tuple(parents),
        np.array(offsets),
        translations,
        np.stack(turns, 1),
        float(fps),
    )


def read_skeleton(path: str | PathLike) -> tuple[dict[str, Bone], float]:
    """The bones of an ASF file by name, root first and parents before children, and its unit in
    metres."""
    sections = _sections(path)
    units = {line[0]: line[1:] for line in sections["units"]}
    scale = numbers(path, ":units length", units.get("length", []))
    if scale.shape != (1,) or scale[0] <= 0 or units.get("angle") != ["deg"]:
        raise InputError(path, ":units", "a length above 0, angles in deg", sections["units"])
    unit = INCH / float(scale[0])
    bones = {"root": _root(path, sections["root"])}
    declared = _bonedata(path, sections["bonedata"])
    for parent, *children in sections["hierarchy"]:
        for child in children:
            if parent not in bones or child not in declared or child in bones:
                raise InputError(
                    path, ":hierarchy", "every bone once, after its parent", f"{parent} {child}"
                )
            bones[child] = _bone(path, child, parent, declared[child], unit)
    if len(bones) != len(declared) + 1:
        raise InputError(
            path,
            ":hierarchy",
            "every bone of :bonedata",
            f"none of {sorted(set(declared) - set(bones))}",
        )
    return bones, unit


def _sections(path) -> dict[str, list[list[str]]]:
    """Lines as words under each ``:keyword``, without comments, ``begin`` and ``end`` of the
    hierarchy."""
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in read_text(path).splitlines():
        words = line.split()
        if words and words[0].startswith(":"):
            current = sections.setdefault(words[0][1:], [])
        elif words and not words[0].startswith("#"):
            current.append(words)
    for key in ("units", "root", "bonedata", "hierarchy"):
        if key not in sections:
            raise InputError(
                path, "sections", f":{key}", " ".join(f":{s}" for s in sections) or "none"
            )
    sections["hierarchy"] = [w for w in sections["hierarchy"] if w not in (["begin"], ["end"])]
    return sections


def _root(path, lines: list[list[str]]) -> Bone:
    fields = {line[0]: line[1:] for line in lines}
    dof = tuple(w.lower() for w in fields.get("order", []))
    order = "".join(fields.get("axis", [])).lower()
    if sorted(dof) != ["rx", "ry", "rz", "tx", "ty", "tz"] or sorted(order) != ["x", "y", "z"]:
        raise InputError(
            path, ":root", "order of TX TY TZ RX RY RZ and an axis such as XYZ", fields
        )
    for key in ("position", "orientation"):
        if numbers(path, f":root {key}", fields.get(key, ["0"])).any():
            raise InputError(path, f":root {key}", "0 0 0", " ".join(fields[key]))
    return Bone("root", "", np.zeros(3), np.eye(3), dof, order)


def _bonedata(path, lines: list[list[str]]) -> dict[str, dict[str, list[str]]]:
    """The fields of every bone, by the bone's name."""
    bones: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    for key, *words in lines:
        if key == "begin":
            current = {}
        elif key == "end":
            name = " ".join(current.get("name", []))
            if not name or name in bones or name == "root":
                raise InputError(path, ":bonedata", "a name of its own for every bone", repr(name))
            bones[name] = current
        else:
            current.setdefault(key, words)
    return bones


def _bone(path, name: str, parent: str, fields: dict[str, list[str]], unit: float) -> Bone:
    axis, dof = fields.get("axis", []), tuple(w.lower() for w in fields.get("dof", []))
    order = axis[-1].lower() if axis else ""
    direction = numbers(path, f"direction of {name}", fields.get("direction", []))
    length = numbers(path, f"length of {name}", fields.get("length", []))
    if (
        direction.shape != (3,)
        or length.shape != (1,)
        or len(axis) != 4
        or sorted(order) != ["x", "y", "z"]
    ):
        raise InputError(path, f"bone {name}", "direction x y z, length l, axis a b c XYZ", fields)
    if not _DOF.issuperset(dof) or len(set(dof)) < len(dof):
        raise InputError(path, f"dof of {name}", "some of rx ry rz", " ".join(dof))
    frame = euler(order[::-1], numbers(path, f"axis of {name}", axis[:3])[::-1])
    return Bone(name, parent, direction * length * unit, frame, dof, "".join(d[1] for d in dof))


def _frames(path, bones: dict[str, Bone]) -> dict[str, np.ndarray]:
    """The values of every bone that moves, (T, len(dof)) each. All frames name the same bones in
    one order."""
    lines = [line.split() for line in read_text(path).splitlines()]
    keywords = [line[0] for line in lines if line and line[0].startswith(":")]
    lines = [line for line in lines if line and line[0][0] not in "#:"]
    if ":DEGREES" not in keywords or not lines:
        raise InputError(path, "header", ":DEGREES, then frames", " ".join(keywords) or "neither")
    numbered = [i for i, line in enumerate(lines) if len(line) == 1]
    first = lines[1 : numbered[1]] if len(numbered) > 1 else lines[1:]
    layout = {line[0]: len(line) - 1 for line in first}
    expected = {b.name: len(b.dof) for b in bones.values() if b.dof}
    if layout != expected or len(first) != len(layout):
        odd = [n for n in expected | layout if expected.get(n) != layout.get(n)]
        raise InputError(
            path,
            "first frame",
            "the bones of the skeleton, with values: "
            + ", ".join(f"{n} {expected.get(n, 0)}" for n in odd),
            ", ".join(f"{n} {layout.get(n, 0)}" for n in odd) or "a bone twice",
        )
    size, start = len(first) + 1, int(lines[0][0]) if lines[0][0].isdecimal() else 1
    for t, at in enumerate(range(0, len(lines), size), start):
        number, *rest = lines[at : at + size]
        if number != [str(t)] or [(w[0], len(w) - 1) for w in rest] != list(layout.items()):
            raise InputError(
                path,
                f"frame {t}",
                f"its number, then {len(layout)} bones, those of the first frame",
                f"{' '.join(number)[:40]!r}, then {len(rest)} lines",
            )
    return {
        name: numbers(path, name, [w for line in lines[i::size] for w in line[1:]]).reshape(-1, n)
        for i, (name, n) in enumerate(layout.items(), 1)
    }
