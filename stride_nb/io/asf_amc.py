"""ASF/AMC files, the form in which CMU publishes its motion capture: a skeleton, and a motion of
it.

Format: Acclaim, as described in Meredith and Maddock, "Motion Capture File Formats Explained",
University of Sheffield, CS-01-11, 2001. A bone runs along its ``direction`` (given in world axes at
rest) from its parent's end to its own, and turns against its parent by C·M·C⁻¹: C is its ``axis``,
M the angles of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError
from stride_nb.io.animation import Animation, euler_to_matrix
from stride_nb.io.parsing import parse_numbers, read_text

__all__ = ["METRES_PER_INCH", "AsfBone", "read_asf", "read_asf_amc"]

METRES_PER_INCH = 0.0254


@dataclass(frozen=True)
class AsfBone:
    """A bone of an ASF skeleton; the root is one without length."""

    name: str
    parent: str
    vector: Float[np.ndarray, "xyz=3"]
    """Metres, from the bone's start to its end, in world axes at rest."""
    axis: Float[np.ndarray, "3 3"]
    """The frame in which the bone's angles are given."""
    dof: tuple[str, ...]
    """What a line of the AMC file gives: some of ``rx ry rz`` (the root also ``tx ty tz``), in its
    order."""
    order: str
    """The axes of its rotations, the one that is applied first standing first."""

    def compute_rotations(self, values: Float[np.ndarray, "T D"]) -> Float[np.ndarray, "T 3 3"]:
        """Rotations against the parent, from the bone's values in an AMC file."""
        columns = [self.dof.index(f"r{axis}") for axis in reversed(self.order)]
        return self.axis @ euler_to_matrix(self.order[::-1], values[:, columns]) @ self.axis.T


def read_asf_amc(skeleton: str | PathLike, motion: str | PathLike, fps: float = 120.0) -> Animation:
    """Read a skeleton (ASF) and one motion of it (AMC). AMC states no frame rate: CMU's is mostly
    120.

    Bone ``X`` becomes two joints: ``X`` where the bone starts and ``X.end`` where it ends.

    Raises:
        InputError: either file is malformed, or the motion does not fit the skeleton.
    """
    bones, unit = read_asf(skeleton)
    frames = _read_amc(motion, bones)
    root, values = bones["root"], frames["root"]
    still = np.broadcast_to(np.eye(3), (len(values), 3, 3))
    names, parents, offsets = ["root"], [-1], [np.zeros(3)]
    rotations = [root.compute_rotations(values)]
    for bone in list(bones.values())[1:]:
        parents += [names.index(bone.parent), len(names)]
        names += [bone.name, f"{bone.name}.end"]
        offsets += [bones[bone.parent].vector, bone.vector]
        rotations += [bone.compute_rotations(frames[bone.name]) if bone.dof else still, still]
    translations = np.tile(np.array(offsets), (len(values), 1, 1))
    translations[:, 0] = values[:, [root.dof.index(f"t{axis}") for axis in "xyz"]] * unit
    return Animation(
        tuple(names),
        tuple(parents),
        np.array(offsets),
        translations,
        np.stack(rotations, 1),
        float(fps),
    )


def read_asf(path: str | PathLike) -> tuple[dict[str, AsfBone], float]:
    """The bones of an ASF file by name, root first and parents before children, and its unit in
    metres."""
    sections = _read_sections(path)
    units = {line[0]: line[1:] for line in sections["units"]}
    scale = parse_numbers(path, ":units length", units.get("length", []))
    if scale.shape != (1,) or scale[0] <= 0 or units.get("angle") != ["deg"]:
        raise InputError(path, ":units", "a length above 0, angles in deg", sections["units"])
    unit = METRES_PER_INCH / float(scale[0])
    bones = {"root": _parse_root(path, sections["root"])}
    declared = _parse_bonedata(path, sections["bonedata"])
    for parent, *children in sections["hierarchy"]:
        for child in children:
            if parent not in bones or child not in declared or child in bones:
                expected = "every bone once, after its parent"
                raise InputError(path, ":hierarchy", expected, f"{parent} {child}")
            bones[child] = _parse_bone(path, child, parent, declared[child], unit)
    if lacking := sorted(declared.keys() - bones.keys()):
        raise InputError(path, ":hierarchy", "every bone of :bonedata", f"none of {lacking}")
    return bones, unit


def _read_sections(path: str | PathLike) -> dict[str, list[list[str]]]:
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
            given = " ".join(f":{section}" for section in sections) or "none"
            raise InputError(path, "sections", f":{key}", given)
    sections["hierarchy"] = [w for w in sections["hierarchy"] if w not in (["begin"], ["end"])]
    return sections


def _parse_root(path: str | PathLike, lines: list[list[str]]) -> AsfBone:
    fields = {line[0]: line[1:] for line in lines}
    dof = tuple(word.lower() for word in fields.get("order", []))
    order = "".join(fields.get("axis", [])).lower()
    if sorted(dof) != ["rx", "ry", "rz", "tx", "ty", "tz"] or sorted(order) != ["x", "y", "z"]:
        expected = "order of TX TY TZ RX RY RZ and an axis such as XYZ"
        raise InputError(path, ":root", expected, fields)
    for key in ("position", "orientation"):
        if parse_numbers(path, f":root {key}", fields.get(key, ["0"])).any():
            raise InputError(path, f":root {key}", "0 0 0", " ".join(fields[key]))
    return AsfBone("root", "", np.zeros(3), np.eye(3), dof, order)


def _parse_bonedata(path: str | PathLike, lines: list[list[str]]) -> dict[str, dict]:
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


def _parse_bone(
    path: str | PathLike, name: str, parent: str, fields: Mapping[str, list[str]], unit: float
) -> AsfBone:
    axis, dof = fields.get("axis", []), tuple(word.lower() for word in fields.get("dof", []))
    order = axis[-1].lower() if axis else ""
    direction = parse_numbers(path, f"direction of {name}", fields.get("direction", []))
    length = parse_numbers(path, f"length of {name}", fields.get("length", []))
    sized = direction.shape == (3,) and length.shape == (1,)
    if not sized or len(axis) != 4 or sorted(order) != ["x", "y", "z"]:
        raise InputError(path, f"bone {name}", "direction x y z, length l, axis a b c XYZ", fields)
    if not {"rx", "ry", "rz"}.issuperset(dof) or len(set(dof)) < len(dof):
        raise InputError(path, f"dof of {name}", "some of rx ry rz", " ".join(dof))
    angles = parse_numbers(path, f"axis of {name}", axis[:3])[::-1]
    frame, turns = euler_to_matrix(order[::-1], angles), "".join(d[1] for d in dof)
    return AsfBone(name, parent, direction * length * unit, frame, dof, turns)


def _read_amc(path: str | PathLike, bones: Mapping[str, AsfBone]) -> dict[str, np.ndarray]:
    """The values (T, len(dof)) of every bone that moves, degrees or units of length. All frames
    name the same bones in one order."""
    lines = [line.split() for line in read_text(path).splitlines()]
    keywords = [line[0] for line in lines if line and line[0].startswith(":")]
    lines = [line for line in lines if line and line[0][0] not in "#:"]
    if ":DEGREES" not in keywords or not lines:
        given = " ".join(keywords) or "neither"
        raise InputError(path, "header", ":DEGREES, then frames", given)
    second = next((i for i, line in enumerate(lines[1:], 1) if len(line) == 1), None)
    layout = _check_first_frame(path, lines[1:second], bones)
    size, start = len(layout) + 1, int(lines[0][0]) if lines[0][0].isdecimal() else 1
    for t, at in enumerate(range(0, len(lines), size), start):
        number, *rest = lines[at : at + size]
        if number != [str(t)] or [(w[0], len(w) - 1) for w in rest] != list(layout.items()):
            expected = f"its number, then {len(layout)} bones, those of the first frame"
            given = f"{' '.join(number)[:40]!r}, then {len(rest)} lines"
            raise InputError(path, f"frame {t}", expected, given)
    frames = {}
    for i, (name, count) in enumerate(layout.items(), 1):
        words = [word for line in lines[i::size] for word in line[1:]]
        frames[name] = parse_numbers(path, name, words).reshape(-1, count)
    return frames


def _check_first_frame(
    path: str | PathLike, lines: list[list[str]], bones: Mapping[str, AsfBone]
) -> dict[str, int]:
    """The bones of a frame in its order, and how many values each has."""
    layout = {line[0]: len(line) - 1 for line in lines}
    expected = {bone.name: len(bone.dof) for bone in bones.values() if bone.dof}
    if layout != expected or len(lines) != len(layout):
        odd = [n for n in expected | layout if expected.get(n) != layout.get(n)]
        wanted = ", ".join(f"{n} {expected.get(n, 0)}" for n in odd)
        given = ", ".join(f"{n} {layout.get(n, 0)}" for n in odd) or "a bone twice"
        wanted = f"the bones of the skeleton, with values: {wanted}"
        raise InputError(path, "first frame", wanted, given)
    return layout
