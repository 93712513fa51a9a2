"""Results of methods that estimate a body (SMPL and its kin), in and out.

joblib's files, torch's, pickles and npz of the tools in `smpl_forms` are read without running
anything in them. Joints that are stored are taken as they are. Of parameters alone the joints are
those of the user's SMPL file (``SMPL_MODEL_DIR``), else of the stand-in body, which has proportions
of its own.

What is written is a pickle of the same content with ``refined`` joints beside each person's.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from stride_nb._pickles import joblib_file, numpy_pickle, torch_file
from stride_nb.errors import InputError, atomic_path
from stride_nb.io.detections import Detections
from stride_nb.io.document import Document, open_document
from stride_nb.io.smpl_forms import (
    REFINED,
    BodyTrack,
    find_form,
    read_bodies,
    unwrap_results,
)
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

NAME = "smpl"
TOOLS = "WHAM, VIBE, GVHMR, 4D-Humans, PHALP, HybrIK, ROMP, BEV, TRACE, SAM 3D Body, AMASS"
LOOKS = (
    "results of a body estimator (pkl, pk, pt, pth, npz): pose, betas, joints by person or image"
)
KEEPS = "3D, ids, frame numbers, up axis, missing; out: what came in, refined joints beside"
SUFFIX, SEVERAL = ".pkl", True
KINDS = ("pkl", "pk", "pickle", "joblib", "pt", "pth", "npz")
POSE_JOINTS = {"smpl": 24, "smplh": 52, "smplx": 55}


def _load_results(path: Path) -> Any:
    """A file of torch's, of joblib's or a plain pickle."""
    with open(path, "rb") as file:
        is_torch = file.read(2) == b"PK"
    if is_torch:
        return _to_arrays(torch_file.load_torch(path, arrays=True))
    return joblib_file.load_joblib(path)


def _to_arrays(value: Any) -> Any:
    """Tensors as arrays, in whatever holds them."""
    if isinstance(value, dict):
        return {key: _to_arrays(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_arrays(v) for v in value]
    if isinstance(value, numpy_pickle.RebuiltArray):
        return value.value
    return value.numpy() if hasattr(value, "numpy") and hasattr(value, "detach") else value


LOADERS = {f".{kind}": _load_results for kind in ("pk", "joblib", "pt", "pth", "pkl")}


def recognises(document: Document) -> bool:
    """Whether it is of one of the forms."""
    return document.kind in KINDS and find_form(unwrap_results(document.content)) is not None


def parse(document: Document, skeleton: str | None = None) -> Detections:
    """Everybody's joints as detections, metres."""
    content = unwrap_results(document.content)
    try:
        bodies = read_bodies(document, content)
        if not bodies:
            raise document.error("people", "at least one in one frame", "none")
        notes = dict.fromkeys(note for body in bodies for note in [_describe_body(body)] if note)
        model = _load_body_model(bodies)
        joints = [_compute_body_joints(body, model) for body in bodies]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        found = f"{type(error).__name__}: {error}"
        raise document.error("results", "arrays that fit together", found) from None
    names = {body.skeleton if body.joints is not None else "smpl24" for body in bodies}
    if len(names) > 1:
        raise document.error("joints", "one joint set", ", ".join(sorted(map(str, names))))
    numbers = [number for body in bodies for number in body.frames]
    confidence = [
        np.ones(points.shape[:2]) if body.confidence is None else body.confidence
        for body, points in zip(bodies, joints)
    ]
    return Detections(
        np.array(numbers),
        [body.id for body in bodies for _ in body.frames],
        np.concatenate(joints),
        np.concatenate(confidence),
        names.pop(),
        fps=bodies[0].fps,
        frame_span=(min(numbers), max(numbers)),
        notes=tuple(notes)
        + ((_STANDIN_NOTE,) if model is not None and model.name == "standin" else ()),
        up=bodies[0].up,
        unit=1.0,
    )


_STANDIN_NOTE = (
    "no joints stored and no SMPL file (SMPL_MODEL_DIR): joints of the stand-in body, which has "
    "its own proportions"
)


def _describe_body(body: BodyTrack) -> str | None:
    if body.note:
        return body.note
    if body.trans is None and body.joints is None:
        return "no translation stored: the pelvis stays where it is"
    return None


def _load_body_model(bodies: Sequence[BodyTrack]) -> Any:
    """The body whose joints stand for parameters; None where none is needed."""
    if all(body.joints is not None for body in bodies):
        return None
    from stride_nb.smpl.body_model import load_body

    try:
        return load_body(bodies[0].kind, device="cpu")
    except InputError:
        return load_body("standin", device="cpu")


def _compute_body_joints(body: BodyTrack, model: Any) -> Float[np.ndarray, "N J 3"]:
    """The joints stored, or those of the model in that pose."""
    if body.joints is not None:
        joints = np.asarray(body.joints, np.float64)
        if joints.ndim != 3 or joints.shape[::2] != (len(body.frames), 3):
            raise ValueError(f"joints of shape {joints.shape} in {len(body.frames)} frames")
        return np.where(np.isfinite(joints), joints, np.nan)
    from stride_nb.smpl.parameters import BodyMotion

    N = len(body.frames)
    given = np.asarray(body.pose, np.float64).reshape(N, -1, 3)[:, :22]
    pose = np.zeros((N, POSE_JOINTS[model.kind], 3))
    pose[:, : given.shape[1]] = given
    trans = np.zeros((N, 3)) if body.trans is None else np.asarray(body.trans).reshape(N, 3)
    shape = np.zeros(10)
    if body.betas is not None and model.name != "standin":
        rows = np.asarray(body.betas, np.float64).reshape(-1, np.shape(body.betas)[-1])
        shape = np.median(rows, 0)[:10]
    return model.compute_joints(BodyMotion(pose, shape, trans))


def write(
    path: str | PathLike,
    sequences: Sequence[PoseSequence],
    like: str | PathLike | None = None,
    up: str | None = "y",
) -> None:
    """A pickle of everybody's ``joints`` (T, J, 3), ``confidence``, ``frame_ids``, ``skeleton``,
    ``joint_names``, ``fps`` and ``up`` under ``refined``, by the person's id.

    Args:
        path: the file.
        sequences: one a person, in axes whose ``up`` is up.
        like: the results that they come from: their content is kept, each person's refined joints
            beside it.
        up: ``y``, ``-y`` or ``z``.
    """
    people = {}
    for i, sequence in enumerate(sequences, 1):
        if not isinstance(sequence, PoseSequence):
            raise InputError(path, "sequences", "PoseSequence (3D)", type(sequence).__name__)
        name = sequence.name.removeprefix("person ")
        people[name if sequence.name.startswith("person ") else str(i)] = {
            "joints": np.nan_to_num(sequence.joints),
            "confidence": sequence.confidence,
            "frame_ids": np.arange(sequence.start, sequence.start + len(sequence)),
            "skeleton": sequence.skeleton.name,
            "joint_names": list(sequence.skeleton.joints),
            "fps": sequence.fps,
            "up": up,
        }
    content = {REFINED: people} if like is None else _add_refined(like, people)
    with atomic_path(path) as temporary:
        temporary.write_bytes(pickle.dumps(content, protocol=4))


def _add_refined(like: str | PathLike, people: dict[str, dict]) -> dict:
    """The results with each person's refined joints beside: in its entry where people have one."""
    content = unwrap_results(open_document(like, LOADERS).content)
    if find_form(content) != "people":
        return {"results": content, REFINED: people}
    ids = {str(key): key for key in content}
    only = len(people) == len(ids) == 1
    added = {
        key: content[key] | {REFINED: people[next(iter(people)) if only else name]}
        for name, key in ids.items()
        if only or name in people
    }
    return content | added
