"""Plain arrays: this package's own npz, prepared clips, and whatever array of joints others save as
npy, npz or pickle.

A foreign array is (T, J, C), or (P, T, J, C) for several people, with C the coordinates: x, y; x,
y, confidence (told from x, y, z by a last column within [0, 1] beside larger coordinates); x, y, z;
or x, y, z, confidence. In an npz or pickle it stands under one of ``KEYS``, or is the only array of
such a shape; ``confidence``, ``scores``, ``keypoint_scores`` or ``score``, (T, J) or (P, T, J),
``fps`` and ``size`` may stand beside it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from os import PathLike

import numpy as np

from stride_nb.errors import UNREADABLE, InputError
from stride_nb.io.clip_archive import read_clips
from stride_nb.io.parsing import Document, joint_set, unnamed
from stride_nb.io.tracking import Detections
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.streaming import Stored

__all__ = ["KEYS", "LOOKS", "SEVERAL", "STORED", "SUFFIX", "is_own", "parse", "recognises", "write"]

NAME = "arrays"
LOOKS = "an npz, npy or pickle with an array (T, J, C) or (P, T, J, C) of joints"
SUFFIX, SEVERAL, STORED = ".npz", False, True
KEYS = (
    "joints",
    "pixels",
    "joints3d",
    "joints_3d",
    "keypoints_3d",
    "keypoints3d",
    "positions_3d",
    "keypoints",
    "keypoints_2d",
    "joints_2d",
    "pose",
    "poses",
    "data",
    "arr_0",
)

_OWN = {"joints", "confidence", "fps", "skeleton"}
_OWN_2D = {"pixels", "confidence", "fps", "size"}
_BESIDE = ("fps", "size", "confidence", "scores", "keypoint_scores", "score")


def recognises(document: Document) -> bool:
    content = document.content
    return document.kind in ("npz", "npy", "pickle") and isinstance(content, (dict, np.ndarray))


def parse(document: Document, skeleton: str | None = None) -> Detections | list:
    """Arrays of joints as detections; this package's own npz and prepared clips as sequences."""
    content = document.content
    named = content if isinstance(content, dict) else {"arr_0": content}
    arrays = {
        key: array for key, value in named.items() if (array := _array(key, value)) is not None
    }
    own = document.kind == "npz"
    if own and {"rel", "root", "offsets"} <= arrays.keys():
        return read_clips(document.path)
    if own and _OWN <= arrays.keys():
        return [PoseSequence.load(document.path)]
    if own and _OWN_2D <= arrays.keys():
        return [Keypoints2D.load(document.path)]
    joints = _joints(document, arrays)
    beside = _beside(document, arrays, joints.shape[:-1])
    if joints.ndim == 3:
        joints = joints[None]
    P, T, J, C = joints.shape
    points, confidence = _split(joints.reshape(P * T, J, C))
    if beside is not None:
        confidence = beside.reshape(confidence.shape).astype(np.float64)
    people = [str(p + 1) for p in range(P) for _ in range(T)]
    name = joint_set(document, points, skeleton)
    return Detections(
        np.tile(np.arange(T), P),
        people,
        points,
        confidence,
        name,
        fps=_scalar(document, arrays, "fps", 1),
        size=_scalar(document, arrays, "size", 2),
        clock=(0, T - 1),
        notes=() if skeleton else (unnamed(points, name),),
    )


def is_own(path: str | PathLike, flat: bool = False) -> bool:
    """Is it the npz of one ``PoseSequence``, or (``flat``) of one ``Keypoints2D``? Nothing in it is
    read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in (_OWN_2D if flat else _OWN)} <= set(
                archive.namelist()
            )
    except UNREADABLE:
        return False  # whoever reads it says what is wrong


def _array(key: str, value) -> np.ndarray | None:
    """An array as it is; of what may stand beside the joints also a number, or a list of them, as a
    pickle has it."""
    if isinstance(value, np.ndarray):
        return value
    if key in _BESIDE and isinstance(value, (int, float, np.generic, list, tuple)):
        try:
            return np.array(value)
        except ValueError:  # a ragged list; whoever looks for it says what is wrong
            return np.array(value, object)
    return None


def _joints(document: Document, arrays: dict) -> np.ndarray:
    def fits(array) -> bool:
        return (
            array.ndim in (3, 4)
            and array.size
            and array.dtype.kind in "iuf"
            and 2 <= array.shape[-1] <= 4
        )

    key = next((k for k in KEYS if k in arrays and fits(arrays[k])), None)
    others = [k for k, array in arrays.items() if fits(array)]
    if key is None and len(others) == 1:
        key = others[0]
    if key is None:
        shapes = ", ".join(f"{k} {a.dtype} {a.shape}" for k, a in arrays.items()) or "none"
        raise document.error(
            "arrays", "numbers of shape (T, J, C) or (P, T, J, C), C from 2 to 4", shapes
        )
    return arrays[key].astype(np.float64)


def _beside(document: Document, arrays: dict, shape: tuple[int, ...]) -> np.ndarray | None:
    """The confidence of joints of that shape, axes of length 1 apart; None where there is none.

    ``score`` may be one of whole poses: it is left where it does not fit.

    Raises:
        InputError: another shape, or no numbers.
    """

    def fits(array) -> bool:
        return array.dtype.kind in "iufb" and np.squeeze(array).shape == tuple(
            n for n in shape if n != 1
        )

    key = next((k for k in ("confidence", "scores", "keypoint_scores") if k in arrays), None)
    if key is None:
        return arrays["score"] if "score" in arrays and fits(arrays["score"]) else None
    if not fits(arrays[key]):
        raise document.error(
            key,
            f"numbers of shape {shape}, as of the joints",
            f"{arrays[key].dtype} {arrays[key].shape}",
        )
    return arrays[key]


def _split(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (N, J, 2 or 3) and confidence (N, J), non-finite coordinates as NaN."""
    joints = np.where(np.isfinite(joints), joints, np.nan)
    C = joints.shape[-1]
    last = joints[..., -1][np.isfinite(joints[..., -1])]
    beside = np.abs(joints[..., :2][np.isfinite(joints[..., :2])])
    share = C == 3 and last.size and beside.size and _may_be_scores(last) and beside.max() > 10
    if C == 4 or share:
        return joints[..., :-1], joints[..., -1]
    return joints, np.ones(joints.shape[:-1])


def _may_be_scores(values: np.ndarray) -> bool:
    """In [0, 1] but for one in a hundred: the scores of interpolated heat maps overshoot a
    little."""
    return values.min() >= -0.1 and values.max() <= 1.5 and np.percentile(values, 99) <= 1


def _scalar(document: Document, arrays: dict, key: str, count: int):
    if key not in arrays:
        return None
    values = np.asarray(arrays[key])
    if (
        values.size != count
        or values.dtype.kind not in "iuf"
        or not (np.isfinite(values) & (values > 0)).all()
    ):
        raise document.error(key, f"{count} positive number(s)", values.ravel()[:4])
    return float(values.item()) if count == 1 else tuple(int(v) for v in values.ravel())


def write(path, sequences: Sequence[PoseSequence | Stored | Keypoints2D]) -> None:
    """The package's own npz (``save``), one person a file."""
    if len(sequences) != 1:
        raise InputError(path, "sequences", "one", len(sequences))
    sequences[0].save(path)
