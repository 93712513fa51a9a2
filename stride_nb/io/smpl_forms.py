"""Body estimators' results as bodies: what each tool calls a person, a frame, joints, parameters.

* WHAM (yohanshin/WHAM, ``demo.py``) and VIBE (mkocabas/VIBE, ``demo.py``): person → ``pose``,
  ``betas``, ``frame_ids``, ``trans_world``, ``joints3d``;
* GVHMR (zju3dv/GVHMR, ``tools/demo/demo.py``): ``smpl_params_global``, y up, else
  ``smpl_params_incam``;
* 4D-Humans, PHALP (brjathu/PHALP, ``phalp/trackers/PHALP.py``): image → ``tid``, ``3d_joints``
  (BODY_25 first, ``phalp/utils/smpl_utils.py``), ``camera``, ``smpl``, ``tracked_time``;
* HybrIK (Jeff-sjtu/HybrIK, ``scripts/demo_video.py``): ``pred_xyz_24_struct`` or ``pred_xyz_17``,
  in units of 2.2 m, ``transl``;
* ROMP, BEV and TRACE (Arthur151/ROMP, ``simple_romp/README.md``, ``trace2/main.py``): image →
  ``joints`` (SMPL's 24 first), ``cam_trans``, ``smpl_thetas``; ``outputs`` with ``j3d``,
  ``reorganize_idx``, ``track_ids``;
* SAM 3D Body (facebookresearch/sam-3d-body, ``sam_3d_body/sam_3d_body_estimator.py``): frames of
  people with ``pred_keypoints_3d`` (MHR-70) and ``pred_cam_t``;
* AMASS (amass.is.tue.mpg.de): ``poses``, ``trans``, ``betas``, z up;


and any mapping with ``global_orient``, ``body_pose``, ``betas`` and ``transl``; and our own, which
has ``refined`` joints in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from stride_nb.io.document import Document
from stride_nb.io.parsing import parse_frame_number, parse_track_id
from stride_nb.poses.joint_names import make_named_skeleton
from stride_nb.poses.skeleton import SKELETONS, Skeleton, get_skeleton

__all__ = ["REFINED", "BodyTrack", "find_form", "read_bodies", "unwrap_results"]

HYBRIK_METRES = 2.2
"""Of one unit of HybrIK's joints (its ``depth_factor``)."""
LEAST_LEG_METRES = 0.5
"""Of thigh and shin together, below which HybrIK's joints are in its own unit."""
REFINED = "refined"
"""What our own results call the refined joints."""


@dataclass(frozen=True)
class BodyTrack:
    """One person of a file, in N of its frames."""

    id: str | None
    frames: list[int]
    joints: np.ndarray | None = None
    """(N, J, 3) metres."""
    skeleton: str | Skeleton = "smpl24"
    pose: np.ndarray | None = None
    """(N, 22 or more, 3) rotation vectors, where there are no joints."""
    betas: np.ndarray | None = None
    trans: np.ndarray | None = None
    kind: str = "smpl"
    """Whose parameters they are: ``smpl``, ``smplh`` or ``smplx``."""
    up: str | None = "-y"
    fps: float | None = None
    confidence: np.ndarray | None = None
    note: str | None = None
    """What is left out."""


def unwrap_results(content: Any) -> Any:
    """NumPy's arrays of one object as that object; of an npz the one member that holds results."""
    if isinstance(content, np.ndarray) and content.dtype.hasobject:
        return content.item() if content.size == 1 else content.ravel().tolist()
    if isinstance(content, dict) and (
        key := next((k for k in ("results", "outputs") if k in content), None)
    ):
        inner = content[key]
        if isinstance(inner, (dict, list)) or (
            isinstance(inner, np.ndarray) and inner.dtype.hasobject
        ):
            return unwrap_results(inner)
    return content


def _is_mapping(value: Any, *keys: str) -> bool:
    return isinstance(value, dict) and all(key in value for key in keys)


def _values_are(content: Any, *keys: str) -> bool:
    """Whether it maps something to mappings with these keys, or to nothing."""
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        return False
    filled = [value for value in content.values() if value]
    return bool(filled) and all(_is_mapping(value, *keys) for value in filled)


def _is_sam_frame(frame: Any) -> bool:
    people = frame if isinstance(frame, list) else [frame]
    return bool(people) and all(_is_mapping(p, "pred_keypoints_3d") for p in people)


def find_form(content: Any) -> str | None:
    """Which of the forms the content has."""
    forms = {
        REFINED: _is_mapping(content, REFINED) or _values_are(content, REFINED),
        "phalp": _values_are(content, "tid"),
        "people": any(_values_are(content, key) for key in ("pose", "pose_world", "joints3d")),
        "gvhmr": _is_mapping(content, "smpl_params_global")
        or _is_mapping(content, "smpl_params_incam"),
        "hybrik": _is_mapping(content, "pred_xyz_17") or _is_mapping(content, "pred_xyz_29"),
        "trace": _is_mapping(content, "smpl_thetas", "reorganize_idx"),
        "romp": _values_are(content, "smpl_thetas") or _values_are(content, "cam_trans", "joints"),
        "amass": _is_mapping(content, "poses", "trans", "betas"),
        "params": _is_mapping(content, "global_orient", "body_pose"),
        "sam": _is_mapping(content, "pred_keypoints_3d")
        or (isinstance(content, dict) and any(map(_is_sam_frame, content.values())))
        or (isinstance(content, list) and any(map(_is_sam_frame, content))),
    }
    return next((name for name, fits in forms.items() if fits), None)


def read_bodies(document: Document, content: Any) -> list[BodyTrack]:
    """Everybody in results of a form that ``find_form`` knows. What is malformed raises whatever
    Python and NumPy do."""
    bodies = list(_READERS[str(find_form(content))](document, content))
    return [body for body in bodies if body.frames]


def _read_people(document: Document, content: dict) -> Iterator[BodyTrack]:
    """WHAM's and VIBE's: a person an entry; WHAM's world where it is stored."""
    for name, person in content.items():
        count = len(next(person[k] for k in ("pose", "pose_world", "joints3d") if k in person))
        frames = [int(n) for n in np.ravel(person.get("frame_ids", np.arange(count)))]
        world = "pose_world" in person and "trans_world" in person
        joints = person.get("joints3d")
        number = 0 if joints is None else np.shape(joints)[1]
        yield BodyTrack(
            parse_track_id(name if isinstance(name, str) else int(name)),
            frames,
            joints=None if joints is None else np.asarray(joints)[:, : 25 if number > 25 else None],
            skeleton=_FEWER_JOINTS.get(number, "body25"),
            pose=person.get("pose_world" if world else "pose"),
            betas=person.get("betas"),
            trans=person.get("trans_world" if world else "trans"),
            up="y" if world else "-y",
        )


_FEWER_JOINTS = {17: "h36m17", 22: "smpl22", 24: "smpl24"}
"""Sets of fewer joints than OpenPose's 25, with which VIBE's 49 begin."""


def _read_params(
    document: Document, content: dict, up: str = "-y", kind: str = "smpl"
) -> Iterator[BodyTrack]:
    root = np.asarray(content["global_orient"], np.float64)
    count = len(root)
    root, rest = (_to_rotation_vectors(content[k], count) for k in ("global_orient", "body_pose"))
    trans = content.get("transl", content.get("trans"))
    pose = np.concatenate([root, rest], 1)
    betas = content.get("betas")
    yield BodyTrack(None, list(range(count)), pose=pose, betas=betas, trans=trans, kind=kind, up=up)


def _to_rotation_vectors(value: Any, count: int) -> Float[np.ndarray, "N J 3"]:
    """Rotation vectors (N, 3J) or (N, J, 3), or matrices (N, J, 3, 3)."""
    array = np.asarray(value, np.float64)
    if array.shape[-2:] != (3, 3) or array.ndim < 4:
        return array.reshape(count, -1, 3)
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(array.reshape(-1, 3, 3)).as_rotvec().reshape(count, -1, 3)


def _read_gvhmr(document: Document, content: dict) -> Iterator[BodyTrack]:
    world = "smpl_params_global" in content
    params = content["smpl_params_global" if world else "smpl_params_incam"]
    yield from _read_params(document, params, "y" if world else "-y", "smplx")


def _read_amass(document: Document, content: dict) -> Iterator[BodyTrack]:
    rate = next((content[k] for k in ("mocap_framerate", "mocap_frame_rate") if k in content), None)
    yield BodyTrack(
        None,
        list(range(len(content["poses"]))),
        pose=np.asarray(content["poses"], np.float64).reshape(len(content["poses"]), -1, 3),
        betas=content["betas"],
        trans=content["trans"],
        kind={156: "smplh", 165: "smplx"}.get(np.shape(content["poses"])[-1], "smpl"),
        up="z",
        fps=None if rate is None else float(np.asarray(rate).item()),
    )


def _group_people(
    rows: Iterable[tuple[str | None, int, dict[str, Any]]], skeleton: str, note: str | None = None
) -> Iterator[BodyTrack]:
    """A person an id, from (id, frame, ``joints`` or ``pose`` and ``betas``, perhaps ``trans``)."""
    people: dict[str | None, list[tuple[int, dict[str, Any]]]] = {}
    for key, number, row in rows:
        people.setdefault(key, []).append((number, row))
    for key, seen in people.items():
        numbers = [number for number, _ in seen]
        fields = {
            field: np.stack([np.asarray(row[field], np.float64) for _, row in seen])
            for field in ("joints", "pose", "betas", "trans")
            if all(row.get(field) is not None for _, row in seen)
        }
        if "joints" in fields and "trans" in fields:
            fields["joints"] = fields["joints"] + fields["trans"].reshape(-1, 1, 3)
        joints, pose, betas, trans = map(fields.get, ("joints", "pose", "betas", "trans"))
        yield BodyTrack(key, numbers, joints, skeleton, pose, betas, trans, note=note)


def _get_row(values: Any, i: int) -> Any:
    """The i-th of them; None where there is none."""
    return None if values is None or i >= len(values) else values[i]


def _read_phalp(document: Document, content: dict) -> Iterator[BodyTrack]:
    """An entry an image; people who were not seen there, but predicted, are left out."""
    rows = []
    for name, frame in content.items():
        named = "time" not in frame
        number = parse_frame_number(document, "image", name) if named else int(frame["time"])
        for i, track_id in enumerate(frame["tid"]):
            if _get_row(frame.get("tracked_time"), i):
                continue
            joints, smpl = _get_row(frame.get("3d_joints"), i), _get_row(frame.get("smpl"), i)
            row = {"joints": None if joints is None else np.reshape(joints, (-1, 3))[:25]}
            if joints is None and smpl is not None:
                parts = [
                    np.reshape(smpl[key], (-1, 3, 3)) for key in ("global_orient", "body_pose")
                ]
                row["pose"] = _to_rotation_vectors(np.concatenate(parts)[None], 1)[0]
                row["betas"] = np.ravel(smpl["betas"])
            rows.append((parse_track_id(int(track_id)), number, row))
    yield from _group_people(rows, "body25", PHALP_NOTE)


PHALP_NOTE = (
    "the way through the room is left out: PHALP's camera is one of a focal length of 5000 px"
)


def _read_hybrik(document: Document, content: dict) -> Iterator[BodyTrack]:
    struct = np.asarray(content.get("pred_xyz_24_struct", 0.0), np.float64)
    if struct.ndim >= 2 and np.ptp(struct) > 0:
        joints, skeleton = struct.reshape(len(struct), 24, 3), "smpl24"
    elif "pred_xyz_17" in content:
        joints = np.asarray(content["pred_xyz_17"], np.float64).reshape(-1, 17, 3)
        joints, skeleton = _order_hybrik_sides(joints), "h36m17"
    else:
        joints = np.asarray(content["pred_xyz_29"], np.float64).reshape(-1, 29, 3)
        skeleton = "hybrik29"
    hip, knee, ankle = (
        joints[:, get_skeleton(skeleton).joints.index(f"l{n}")] for n in ("hip", "knee", "ankle")
    )
    legs = np.linalg.norm(hip - knee, axis=-1) + np.linalg.norm(knee - ankle, axis=-1)
    if np.nanmedian(legs) < LEAST_LEG_METRES:
        joints = joints * HYBRIK_METRES
    if "transl" in content:
        joints = joints + np.asarray(content["transl"], np.float64).reshape(-1, 1, 3)
    names = content.get("img_path", list(range(len(joints))))
    names = [name if isinstance(name, int) else str(name) for name in names]
    numbers = [parse_frame_number(document, "img_path", name) for name in names]
    yield BodyTrack(None, numbers, joints=joints, skeleton=skeleton)


def _order_hybrik_sides(joints: Float[np.ndarray, "N 17 3"]) -> Float[np.ndarray, "N 17 3"]:
    """HybrIK's 17 have the left leg first, Human3.6M's the right: the leg on the side of the left
    shoulder tells."""
    left, right = joints[:, 11], joints[:, 14]
    side = ((joints[:, 1] - joints[:, 4]) * (left - right)).sum(-1)
    return joints[:, [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]] if np.nanmedian(side) > 0 else joints


def _read_romp(document: Document, content: dict) -> Iterator[BodyTrack]:
    """An entry an image, with an array for all people of each kind."""
    rows = []
    for name, frame in content.items():
        number = parse_frame_number(document, "image", str(name))
        ids, joints = frame.get("track_ids"), frame.get("joints")
        for i in range(len(joints if joints is not None else frame.get("smpl_thetas", ()))):
            row = _read_romp_person(frame, i)
            key = None if ids is None else parse_track_id(int(ids[i]))
            rows.append((key, number, row))
    yield from _group_people(rows, "smpl24")


def _read_romp_person(frame: dict, i: int) -> dict[str, Any]:
    row = {"trans": _get_row(frame.get("cam_trans"), i)}
    joints = _get_row(frame.get("joints", frame.get("j3d")), i)
    if joints is not None:
        return row | {"joints": np.reshape(joints, (-1, 3))[:24]}
    pose = np.reshape(frame["smpl_thetas"][i], (-1, 3))
    return row | {"pose": pose, "betas": _get_row(frame.get("smpl_betas"), i)}


def _read_trace(document: Document, content: dict) -> Iterator[BodyTrack]:
    """All people of all images in one row."""
    numbers = np.ravel(content["reorganize_idx"])
    ids = content.get("track_ids")
    ids = None if ids is None else np.ravel(ids)
    rows = [
        (
            None if ids is None else parse_track_id(int(ids[i])),
            int(number),
            _read_romp_person(content, i),
        )
        for i, number in enumerate(numbers)
    ]
    yield from _group_people(rows, "smpl24")


def _read_sam(document: Document, content: Any) -> Iterator[BodyTrack]:
    """A list of frames, or a mapping from image to frame, each a person or a list of people; or one
    person's arrays over all frames."""
    if _is_mapping(content, "pred_keypoints_3d") and np.ndim(content["pred_keypoints_3d"]) == 3:
        content = [
            {key: content[key][i] for key in ("pred_keypoints_3d", "pred_cam_t") if key in content}
            for i in range(len(content["pred_keypoints_3d"]))
        ]
    elif _is_mapping(content, "pred_keypoints_3d"):
        content = [content]
    items = content.items() if isinstance(content, dict) else enumerate(content)
    rows = []
    for name, frame in items:
        number = parse_frame_number(document, "image", name)
        for person in frame if isinstance(frame, list) else [frame]:
            if person:
                joints = np.reshape(person["pred_keypoints_3d"], (-1, 3))[:70]
                key = parse_track_id(person.get("track_id", person.get("id")))
                rows.append((key, number, {"joints": joints, "trans": person.get("pred_cam_t")}))
    yield from _group_people(rows, "mhr70")


def _read_refined(document: Document, content: dict) -> Iterator[BodyTrack]:
    """Our own: refined joints of every person, beside what else there is."""
    people = content.get(REFINED, content)
    for name, person in people.items():
        own = person if REFINED in content else person[REFINED]
        joints, skeleton = np.asarray(own["joints"], np.float64), str(own["skeleton"])
        if skeleton not in SKELETONS:
            skeleton = make_named_skeleton([str(label) for label in own["joint_names"]])
        yield BodyTrack(
            str(name),
            [int(n) for n in np.ravel(own["frame_ids"])],
            joints=joints,
            skeleton=skeleton,
            confidence=np.asarray(own["confidence"], np.float64),
            up=own.get("up"),
            fps=float(own["fps"]),
        )


_READERS = {
    REFINED: _read_refined,
    "phalp": _read_phalp,
    "people": _read_people,
    "gvhmr": _read_gvhmr,
    "hybrik": _read_hybrik,
    "trace": _read_trace,
    "romp": _read_romp,
    "amass": _read_amass,
    "params": _read_params,
    "sam": _read_sam,
}
