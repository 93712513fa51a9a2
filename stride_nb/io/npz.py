"""Plain arrays: this package's own npz, prepared clips, and whatever array of joints others save as
npy, npz or pickle.

A foreign array is (T, J, C), or for several people (P, T, J, C) or (T, P, J, C) (`array_axes` says
which), with C the coordinates: x, y; x, y, confidence (known from x, y, z by a last column within
[0, 1] beside larger coordinates); x, y, z; or x, y, z, confidence. In an npz or pickle it stands
under one of ``ARRAY_NAMES``, or is the only array of such a shape; ``confidence``, ``scores``,
``keypoint_scores`` or ``score``, (T, J) or as the people's, ``fps`` and ``size`` may stand beside
it.

MotionBERT's ``X3D.npy`` holds Human3.6M's 17 joints in units of the image, y down
(Walter0807/MotionBERT, ``infer_wild.py``): they are scaled to a person of usual size.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from jaxtyping import Float

from stride_nb.errors import UNREADABLE, InputError
from stride_nb.io import mediapipe
from stride_nb.io.array_axes import find_people_and_frames, split_confidence
from stride_nb.io.clip_archive import read_clips
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import identify_joint_set, make_joint_set_note
from stride_nb.io.smpl_forms import find_form, unwrap_results
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import Skeleton
from stride_nb.poses.streaming import StreamedSequence

__all__ = [
    "KEEPS",
    "LOOKS",
    "NAME",
    "SEVERAL",
    "STREAMS",
    "SUFFIX",
    "TOOLS",
    "is_own",
    "parse",
    "recognises",
    "write",
]

NAME = "arrays"
LOOKS = (
    "an npz, npy, pickle or JSON with an array (T, J, C), (P, T, J, C) or (T, P, J, C) of joints"
)
TOOLS = "stride-nb, rtmlib, NumPy, MotionBERT (X3D.npy)"
KEEPS = "2D or 3D, confidence, fps, size, frame numbers, missing"
SUFFIX, SEVERAL, STREAMS = ".npz", False, True
ARRAY_NAMES = (
    *("joints", "pixels", "joints3d", "joints_3d", "keypoints_3d", "keypoints3d", "positions_3d"),
    *("keypoints", "keypoints_2d", "joints_2d", "pose", "poses", "data", "arr_0"),
)
"""The first that is there holds the joints."""
CONFIDENCE_NAMES = (
    *("confidence", "scores", "keypoint_scores", "keypoint_score", "keypoints_scores", "conf"),
    *("confidences", "visibility", "visibilities", "likelihood", "presence"),
)
SHAPE_NAME = "img_shape"
"""Height and width of the image, px, as MMAction and PySKL have it."""
OWN_3D = {"joints", "confidence", "fps", "skeleton"}
OWN_2D = {"pixels", "confidence", "fps", "size"}
STANDING_METRES = 1.6
"""Length of legs, spine, neck and head of a usual adult, along Human3.6M's joints."""
CLIPS = {"rel", "root", "offsets"}


def recognises(document: Document) -> bool:
    """Whether it is an array, or arrays by name."""
    if document.kind == "json":
        return bool(_read_json_arrays(document))
    if document.kind not in ("npz", "npy", "pkl", "pickle", "pk", "joblib", "pt", "pth"):
        return False
    content = document.content
    if find_form(unwrap_results(content)) is not None:
        return False  # a body estimator's (`smpl_results`)
    if isinstance(content, np.ndarray):
        return not content.dtype.hasobject
    arrays = content.values() if isinstance(content, dict) else ()
    return any(isinstance(a, np.ndarray) and not a.dtype.hasobject for a in arrays)


def parse(document: Document, skeleton: str | None = None) -> Detections | list:
    """Arrays of joints as detections; this package's own npz and prepared clips as sequences."""
    content = document.content
    if document.kind == "json":
        content = _read_json_arrays(document)
    named = content if isinstance(content, dict) else {"arr_0": content}
    arrays = {
        key: array for key, value in named.items() if (array := _as_array(key, value)) is not None
    }
    if document.kind == "npz":
        if arrays.keys() >= CLIPS:
            return read_clips(document.path)
        if arrays.keys() >= OWN_3D:
            return [PoseSequence.load(document.path)]
        if arrays.keys() >= OWN_2D:
            return [Keypoints2D.load(document.path)]
    joints = _find_joint_array(document, arrays)
    scores, score_notes = _find_confidence(document, arrays, joints.shape[:-1])
    joints, frames_first, axes_notes = find_people_and_frames(document, joints)
    P, T, J, C = joints.shape
    points, confidence = split_confidence(document, joints.reshape(P * T, J, C))
    if scores is not None:
        scores = scores.reshape((T, P, J) if frames_first else (P, T, J)).astype(np.float64)
        confidence = (scores.swapaxes(0, 1) if frames_first else scores).reshape(P * T, J)
    is_motionbert = document.path.stem.upper() == "X3D" and points.shape[1:] == (17, 3)
    joint_set = identify_joint_set(
        document, points, skeleton or ("h36m17" if is_motionbert else None)
    )
    fps, size = _find_numbers(document, arrays, "fps", 1), _find_size(document, arrays)
    return Detections(
        np.tile(np.arange(T), P),
        [str(person + 1) for person in range(P) for _ in range(T)],
        points,
        confidence,
        joint_set,
        fps=float(fps.item()) if fps is not None else None,
        size=(int(size[0]), int(size[1])) if size is not None else None,
        frame_span=(0, T - 1),
        notes=axes_notes + score_notes + _make_notes(points, joint_set, skeleton, is_motionbert),
        up="-y" if is_motionbert else None,
        unit=_measure_unit(points) if is_motionbert else None,
    )


def _read_json_arrays(document: Document) -> dict[str, Any]:
    """Nested lists of numbers, or an object that holds such by a name of ``ARRAY_NAMES``, as
    arrays; none where it is something else. MediaPipe's landmarks are."""
    content = document.content
    named = content if isinstance(content, dict) else {"arr_0": content}
    joints = next((named[name] for name in ARRAY_NAMES if name in named), None)
    depth, inner = 0, joints
    while isinstance(inner, list) and inner:
        depth, inner = depth + 1, inner[0]
    numeric = isinstance(inner, (int, float)) or inner is None
    if depth not in (3, 4) or not numeric or mediapipe.recognises(document):
        return {}
    arrays = {}
    for name, value in named.items():
        try:
            arrays[name] = np.array(value, np.float64)
        except (ValueError, TypeError, OverflowError):
            continue
    return arrays


def _make_notes(
    points: np.ndarray, joint_set: str | Skeleton, skeleton: str | None, is_motionbert: bool
) -> tuple[str, ...]:
    if is_motionbert:
        return (f"MotionBERT's X3D has no metres: scaled to a person of {STANDING_METRES:g} m",)
    return () if skeleton else (make_joint_set_note(points, joint_set),)


def _measure_unit(points: Float[np.ndarray, "N 17 3"]) -> float:
    """Metres of one unit, such that the bones from head to foot are a usual person's."""
    child, parent = np.array([(2, 1), (3, 2), (7, 0), (8, 7), (9, 8), (10, 9)]).T
    bones = np.nanmedian(np.linalg.norm(points[:, child] - points[:, parent], axis=-1), axis=0)
    height = bones.sum()
    return STANDING_METRES / height if height > 0 else 1.0


def is_own(path: str | PathLike, only_2d: bool = False) -> bool:
    """Whether it is the npz of one ``PoseSequence``, or (``only_2d``) of one ``Keypoints2D``.
    Nothing in it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = {f"{name}.npy" for name in (OWN_2D if only_2d else OWN_3D)}
            return wanted <= set(archive.namelist())
    except UNREADABLE:
        return False  # whoever reads it says what is wrong


def _as_array(key: str, value: Any) -> np.ndarray | None:
    """An array as it is; of what may stand beside the joints also a number, or a list of them, as a
    pickle has it."""
    if isinstance(value, np.ndarray):
        return value
    beside = key in ("fps", "size", SHAPE_NAME, "score", *CONFIDENCE_NAMES)
    if beside and isinstance(value, (int, float, np.generic, list, tuple)):
        try:
            return np.array(value)
        except ValueError:  # a ragged list; whoever looks for it says what is wrong
            return np.array(value, object)
    return None


def _find_joint_array(document: Document, arrays: dict[str, np.ndarray]) -> np.ndarray:
    fitting = [key for key, array in arrays.items() if _may_be_joints(array)]
    key = next((name for name in ARRAY_NAMES if name in fitting), None)
    if key is None and len(fitting) == 1:
        key = fitting[0]
    if key is None:
        expected = "numbers of shape (T, J, C) or (P, T, J, C), C from 2 to 4"
        shapes = ", ".join(f"{k} {a.dtype} {a.shape}" for k, a in arrays.items())
        raise document.error("arrays", expected, shapes or "none")
    return arrays[key].astype(np.float64)


def _may_be_joints(array: np.ndarray) -> bool:
    if array.ndim not in (3, 4) or not array.size or array.dtype.kind not in "iuf":
        return False
    return 2 <= array.shape[-1] <= 4


def _find_confidence(
    document: Document, arrays: dict[str, np.ndarray], shape: tuple[int, ...]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The confidence of joints of that shape, axes of length 1 apart, None where there is none, and
    notes: one under another name, from 0 to 1, is taken for it.

    ``score`` may be one of whole poses: it is left out where it does not fit.

    Raises:
        InputError: another shape, or no numbers.
    """
    squeezed = tuple(n for n in shape if n != 1)
    key = next((name for name in (*CONFIDENCE_NAMES, "score") if name in arrays), None)
    if key is None:
        fitting = [name for name, array in arrays.items() if _look_like_scores(array, squeezed)]
        if len(fitting) != 1:
            return None, ()
        return arrays[fitting[0]], (f"{fitting[0]} was taken for the joints' confidence",)
    array = arrays[key]
    if array.dtype.kind in "iufb" and np.squeeze(array).shape == squeezed:
        return array, ()
    if key == "score":
        return None, ()
    expected = f"numbers of shape {shape}, as of the joints"
    raise document.error(key, expected, f"{array.dtype} {array.shape}")


def _look_like_scores(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """One number from 0 to 1 a joint, not all the same."""
    if array.dtype.kind != "f" or np.squeeze(array).shape != shape or not np.isfinite(array).any():
        return False
    return bool(0 <= np.nanmin(array) < np.nanmax(array) <= 1)


def _find_size(document: Document, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    """Width and height of the image, px; None where it is not there."""
    if "size" not in arrays and SHAPE_NAME in arrays:
        shape = _find_numbers(document, arrays, SHAPE_NAME, 2)
        return None if shape is None else shape[::-1]
    return _find_numbers(document, arrays, "size", 2)


def _find_numbers(
    document: Document, arrays: dict[str, np.ndarray], key: str, count: int
) -> np.ndarray | None:
    """That many positive numbers under a name; None where it is not there."""
    if key not in arrays:
        return None
    values = arrays[key].ravel()
    numeric = values.size == count and values.dtype.kind in "iuf"
    if not numeric or not (np.isfinite(values) & (values > 0)).all():
        raise document.error(key, f"{count} positive number(s)", values[:4])
    return values


def write(
    path: str | PathLike, sequences: Sequence[PoseSequence | StreamedSequence | Keypoints2D]
) -> None:
    """The package's own npz (``save``), one person a file."""
    if len(sequences) != 1:
        raise InputError(path, "sequences", "one", len(sequences))
    sequences[0].save(path)
