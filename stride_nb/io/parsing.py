"""Values in other programs' files as numbers, names and clocks, or one clear error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from stride_nb.errors import UNREADABLE, InputError
from stride_nb.io.document import Document
from stride_nb.poses import skeleton as sk
from stride_nb.poses.joint_names import make_named_skeleton, simplify_joint_name
from stride_nb.poses.repeated_values import hide_repeated_values
from stride_nb.poses.skeleton import Skeleton

__all__ = [
    "NUMBERED",
    "arrange_named_joints",
    "check_frame_numbers_differ",
    "estimate_fps",
    "identify_joint_set",
    "is_empty_person",
    "make_joint_set_note",
    "make_other_files_note",
    "make_skipped_note",
    "number_frames_by_time",
    "parse_cell",
    "parse_frame_number",
    "parse_matrix",
    "parse_numbers",
    "parse_track_id",
    "read_text",
]


NUMBERED = "numbered"
"""Asks a reader for the joints as they are, to be mapped: named as the file names them, or by
number."""


def read_text(path: Any) -> str:
    """The file as text. ``path`` may be anything with ``read_text``, so also a `zipfile.Path`."""
    path = path if hasattr(path, "read_text") else Path(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(path, "file", "text", "bytes that are not text") from None
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(path, "file", "a readable file", reason) from None


_NO_VALUE = frozenset(
    ["", "na", "n/a", "#n/a", "#na", "<na>", "none", "null", "nil", "missing", "-", "--", ".", "?"]
    + ["nan(ind)", "1.#ind", "1.#qnan", "#div/0!", "#value!", "#num!"]
)
"""What spreadsheets and languages write where there is no number; a sign before it aside."""


def parse_cell(cell: str) -> float:
    """A table's cell as a number, NaN where it stands for none. Raises ValueError of other text.

    >>> [parse_cell(cell) for cell in ("1.5", " NA ", "", "-nan(ind)")]
    [1.5, nan, nan, nan]
    """
    try:
        return float(cell)
    except ValueError:
        plain = cell.strip().lower()
        if plain in _NO_VALUE or plain.lstrip("-") in _NO_VALUE:
            return float("nan")
        raise


def parse_numbers(
    path: str | PathLike, field: str, words: Sequence[str]
) -> Float[np.ndarray, " N"]:
    """Words as finite numbers."""
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError as error:
        raise InputError(path, field, "numbers", error) from None
    if not np.isfinite(values).all():
        raise InputError(path, field, "finite numbers", words[int(np.argmin(np.isfinite(values)))])
    return values


def parse_matrix(
    document: Document, field: str, rows: Sequence[Any], widths: Sequence[int] = ()
) -> Float[np.ndarray, "N W"]:
    """Lists of equally many numbers as one array; null, NaN and infinity become NaN.

    Args:
        document: for errors.
        field: for errors.
        rows: the N lists.
        widths: the numbers of values that would do; empty: any, but the same in every row.

    Raises:
        InputError: which row has how many values instead, or is not numbers.
    """
    try:
        values, reason = np.array(rows, np.float64), None
    except (ValueError, TypeError, OverflowError) as error:
        values, reason = np.zeros(0), error
    if values.ndim == 2 and values.size and (not widths or values.shape[-1] in widths):
        return np.where(np.isfinite(values), values, np.nan)
    lengths = [len(row) if isinstance(row, (list, tuple)) else -1 for row in rows]
    allowed = set(widths) or {max(lengths, default=0)}
    allowed = ({lengths[0]} & allowed or allowed) if lengths else allowed
    for i, length in enumerate(lengths):
        if length not in allowed or length <= 0:
            expected = f"{' or '.join(map(str, sorted(allowed)))} numbers"
            given = length if length >= 0 else repr(rows[i])
            raise document.error(f"{field} of entry {i}", expected, given)
    reason = reason or f"lists nested to depth {values.ndim}"
    raise document.error(field, "lists of numbers", reason)


def parse_frame_number(document: Document, field: str, value: Any) -> int:
    """A frame's number, from a number or the last digits of a file name: ``frame_0012.jpg`` is
    12."""
    number = value
    if isinstance(value, str):
        digits = re.findall(r"\d+", re.sub(r"\.\w*[a-zA-Z]\w*$", "", value))
        number = int(digits[-1]) if digits and len(digits[-1]) < 19 else None
    if (
        isinstance(number, (int, float))
        and not isinstance(number, bool)
        and 0 <= number < 2**62
        and number == int(number)
    ):
        return int(number)
    raise document.error(field, "a frame number, or a file name that ends in one", repr(value))


def check_frame_numbers_differ(
    document: Document, names: Sequence[object], numbers: Sequence[int]
) -> None:
    """InputError where two of a video's frames, by their names, have one number."""
    first: dict[int, object] = {}
    for name, number in zip(names, numbers):
        if first.setdefault(number, name) != name:
            expected = "names that end in numbers of their own"
            both = f"{first[number]} and {name}, both {number}"
            raise document.error("frames", expected, both)


def estimate_fps(frames: npt.ArrayLike, seconds: npt.ArrayLike) -> float | None:
    """Frames a second from the numbers (N,) of frames and their times, NaN where unknown; None
    where no time passes.

    >>> estimate_fps([0, 2, 4, 4], [1.0, 1.04, 1.08, 1.08])
    50.0
    """
    return round(_median_rate(np.asarray(frames), np.asarray(seconds)), 3) or None


def number_frames_by_time(
    seconds: Float[np.ndarray, " N"],
) -> tuple[Float[np.ndarray, " N"], float | None]:
    """Frame numbers, whole but float, of finite times alone, and frames a second; None where no
    time passes. They count from time 0, or of a clock, far from it, from the first time."""
    times = np.unique(seconds)
    steps = np.diff(times)
    numbers = np.zeros(len(times))
    if len(steps):
        numbers[1:] = np.cumsum(np.round(steps / np.median(steps)))
    rate = _median_rate(numbers, times)
    first = round(times[0] * rate) if 0 < times[0] * rate < _MOST_FRAMES else 0
    return first + np.round((seconds - times[0]) * rate), round(rate, 3) or None


_MOST_FRAMES = 10**6
"""From time 0: beyond, times are those of a clock."""


def _median_rate(frames: np.ndarray, seconds: np.ndarray) -> float:
    """Frames a second: the median over rows half the recording apart, so that times in whole
    milliseconds do; 0 where no time passes."""
    frames, rows = np.unique(frames[np.isfinite(seconds)], return_index=True)
    times = seconds[np.isfinite(seconds)][rows]
    half = len(times) - len(times) // 2
    spans, counts = times[-half:] - times[:half], frames[-half:] - frames[:half]
    passes = spans > 1e-6
    return float(np.median(counts[passes] / spans[passes])) if passes.any() else 0.0


def parse_track_id(value: Any) -> str | None:
    """A person's id as text, from a number, text or nested lists of one; None where there is none
    (or −1).

    >>> parse_track_id(3.0), parse_track_id([[3.0], [3.0]]), parse_track_id("anna")
    ('3', '3', 'anna')
    >>> parse_track_id(-1), parse_track_id(None)
    (None, None)
    """
    while isinstance(value, (list, tuple)):
        value = value[0] if value else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 <= value < 1e15:
            return None
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, str) and not re.fullmatch(r"\s*-\d+(\.0*)?\s*", value):
        return value or None
    return None


def is_empty_person(person: Any) -> bool:
    """Whether it is null, or a person of whom no keypoint was seen: a null or empty ``keypoints``.

    >>> [is_empty_person(p) for p in (None, {"keypoints": []}, {"keypoints": None}, {"box": []})]
    [True, True, True, False]
    """
    if person is None:
        return True
    if not isinstance(person, dict) or "keypoints" not in person:
        return False
    keypoints = person["keypoints"]
    if isinstance(keypoints, dict) and not keypoints.get("x", True):
        return True
    return keypoints is None or keypoints == []


def make_skipped_note(count: int) -> tuple[str, ...]:
    """The note on so many people whom a file has without keypoints; none where there are none."""
    return (f"{count} people without keypoints were left out",) if count else ()


def make_other_files_note(names: Sequence[str]) -> tuple[str, ...]:
    """The note on files in a folder that are no frames; none where there are none."""
    return (f"no frames, left out: {', '.join(names)[:80]}",) if names else ()


def make_joint_set_note(points: Float[np.ndarray, "N J C"], skeleton: str | Skeleton) -> str:
    """The note on poses whose joints bear no names, so that J alone decides their set."""
    name = sk.get_skeleton(skeleton).name
    others = [s.name for s in sk.SKELETONS.values() if len(s) == points.shape[1] and s.name != name]
    also = f", not {' or '.join(others)}, by how they hang together" if others else ""
    return f"no joint set: {points.shape[1]} joints were taken for {name}{also} (skeleton=…)"


def identify_joint_set(
    document: Document,
    points: Float[np.ndarray, "N J C"],
    wanted: str | Skeleton | None = None,
) -> str | Skeleton:
    """The poses' joint set: the one wanted if it has J joints, else the one that has J.

    Of several sets of J joints it is the common one, unless another makes a clearly smaller body,
    its pelvis between the hips: a wrong order joins hands to knees.

    Raises:
        InputError: no set has J joints (with those that there are), or the one wanted has not.
    """
    count = points.shape[1]
    matching = [s for s in sk.SKELETONS.values() if len(s) == count]
    if wanted == NUMBERED:
        return arrange_named_joints(document, list(map(str, range(count))), wanted)[0]
    if wanted is not None:
        wanted = sk.get_skeleton(wanted)
        if len(wanted) != count:
            given = (
                f"{count} joints, as in {' or '.join(s.name for s in matching) or 'no set known'}"
            )
            raise document.error("skeleton", f"{len(wanted)} joints of {wanted.name}", given)
        return wanted
    if not matching:
        known = ", ".join(f"{s.name} ({len(s)})" for s in sk.SKELETONS.values())
        raise document.error("joints", f"as many as in {known}, or a mapping (joints=…)", count)
    return _choose_joint_set(points, matching).name


def arrange_named_joints(
    document: Document, labels: Sequence[str], wanted: str | Skeleton | None = None
) -> tuple[Skeleton, list[int]]:
    """The joint set of joints that a file names, and which of the labels are its joints, in order.

    Raises:
        InputError: the set wanted has joints that the file does not name, or a label stands twice,
            or the names are none of a body.
    """
    if wanted == NUMBERED:
        parents = (-1,) + (0,) * (len(labels) - 1)
        return Skeleton(NUMBERED, tuple(labels), parents, ()), list(range(len(labels)))
    if wanted is None:
        return make_named_skeleton(labels, document.path), list(range(len(labels)))
    skeleton = sk.get_skeleton(wanted)
    simple = [simplify_joint_name(label) for label in labels]
    if lacking := [joint for joint in skeleton.joints if joint not in simple]:
        raise document.error("joints", f"all of {skeleton.name}", f"none for {', '.join(lacking)}")
    return skeleton, [simple.index(joint) for joint in skeleton.joints]


_CLEARLY_SMALLER = 0.75
"""Product of two mean bone lengths, in that of the common set: below, it is another set's order."""
_COMMON_SETS = ("coco17",)
"""Sets that are more common than an earlier one with as many joints."""


def _choose_joint_set(points: np.ndarray, matching: Sequence[Skeleton]) -> Skeleton:
    """Of sets with equally many joints the one that makes the smallest body, if clearly, or if its
    own pelvis tells it."""
    common = next((s for s in matching if s.name in _COMMON_SETS), matching[0])
    if len(matching) == 1:
        return common
    sample = hide_repeated_values(points[:: max(1, len(points) // 200)])
    sizes = {s.name: _measure_bone_product(sample, s) for s in matching}
    off = {s.name: _measure_pelvis_offset(sample, s) for s in matching}
    for tolerance, ratio in ((0.5, _CLEARLY_SMALLER), (0.1, 1.0)):
        fitting = [s for s in matching if off[s.name] <= tolerance]
        best = min(fitting, key=lambda s: sizes[s.name], default=common)
        marks_pelvis = ratio < 1 or off[best.name] >= 0
        if marks_pelvis and sizes[best.name] < ratio * sizes[common.name]:
            return best
    return common


def _measure_bone_product(points: np.ndarray, skeleton: Skeleton) -> float:
    """Product of the mean bone lengths of the set's own tree and of Human3.6M's joints; infinite
    where too little is seen."""
    converted, _ = sk.convert_joints(points, np.ones(points.shape[:2]), skeleton, sk.H36M17)
    product = 1.0
    for joints, tree in ((points, skeleton), (converted, sk.H36M17)):
        child, parent = np.array(tree.bones).T
        bones = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
        known = np.isfinite(bones)
        usual = [np.median(b[k]) for b, k in zip(bones.T, known.T) if k.any()]
        product *= np.mean(usual) if usual else np.inf
    return float(product)


def _measure_pelvis_offset(points: np.ndarray, skeleton: Skeleton) -> float:
    """From the middle of the hips to the pelvis that a set marks, in widths between the hips; −1 of
    a set that takes its pelvis from the hips, infinite where it is not seen."""
    rows = {} if skeleton == sk.H36M17 else sk.find_conversion(skeleton, sk.H36M17)
    own = rows.get("pelvis", {"pelvis": 1.0})
    if len(own) > 1:
        return -1.0
    pelvis, left, right = (points[:, skeleton.joints.index(n)] for n in (*own, "lhip", "rhip"))
    known = np.isfinite(pelvis + left + right).all(-1)
    if not known.any():
        return np.inf
    off = np.linalg.norm(pelvis - (left + right) / 2, axis=-1)[known]
    low, high = points[known].min(1), points[known].max(1)
    least = 0.1 * np.median(np.max(high - low, axis=-1))  # seen from the side they have none
    width = np.median(np.linalg.norm(left - right, axis=-1)[known])
    return float(np.median(off) / max(width, least, 1e-9))
