"""A clothed adult of any shape, moved by 17 joints: vertices to draw, and joints that are exact.

The shape, the skinning weights and the keypoints of the face are Anny's (Brégier et al., *Human
Mesh Modeling for Anny AnnyBody*, 2026; code Apache-2.0; its body is MakeHuman's, CC0). Clothes are
colours, and a thickness along the normals.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy.random import Generator

from stride_nb.errors import require
from stride_nb.poses.skeleton import H36M17
from stride_nb.video.rendering.clothing import draw_colours, thicken
from stride_nb.video.rendering.retargeting import estimate_bone_rotations

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["AnnyBody", "BodyPose", "draw_body"]

_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Anny's axes (z up, facing −y) to ours (y up, facing +z)."""
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_HEADS = {
    "hip": "UpLeg",
    "knee": "Leg",
    "ankle": "Foot",
    "shoulder": "Arm",
    "elbow": "ForeArm",
    "wrist": "Hand",
}
"""The bone at whose head a limb's joint lies."""


@dataclass(frozen=True, eq=False)
class BodyPose:
    """A body in motion."""

    joints: Float[np.ndarray, "T 17 3"]
    """Metres, world: limbs at the heads of their bones, the rest as means of MediaPipe's landmarks
    are taken (pelvis mid-hips, thorax mid-shoulders, spine between them, neck the nose, head
    mid-eyes)."""
    transforms: Float[np.ndarray, "T B 3 4"]
    """Of every bone, from its place at rest."""


@dataclass(frozen=True, eq=False)
class AnnyBody:
    """A person at rest, in an A pose, and how the skin follows the bones.

    All in metres, y up, facing +z.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    colours: Float[np.ndarray, "V 3"]
    """RGB in [0, 1]."""
    heads: Mapping[str, Float[np.ndarray, " 3"]]
    parents: Mapping[str, str]
    weights: csr_matrix
    """(V, bones)."""
    face: Float[np.ndarray, "5 V"]
    """Nose, eyes and ears as weighted means of the bare skin's vertices."""
    skin: Float[np.ndarray, "V 3"]
    """The vertices without clothes."""
    phenotype: Mapping[str, float]

    @property
    def bones(self) -> list[str]:
        """Names of the bones, parents before their children."""
        return list(self.heads)

    def measure_leg(self) -> float:
        """From hip to ankle, metres."""
        points = [self.heads[f"Left{bone}"] for bone in ("UpLeg", "Leg", "Foot")]
        return float(np.linalg.norm(np.diff(points, axis=0), axis=-1).sum())

    def measure_stature(self) -> float:
        """Metres from sole to crown, without shoes."""
        return float(np.ptp(self.skin[:, 1]))

    def pose(self, motion: Float[np.ndarray, "T 17 3"]) -> BodyPose:
        """The body in somebody's motion, on a floor at y = 0.

        Limbs point where the motion's limbs point. The pelvis's path is scaled by the length of the
        legs, and lowered until the lowest sole touches the floor in one frame of twenty.

        Args:
            motion: metres, world (Y up), all known.
        """
        rotations = estimate_bone_rotations(motion, self.heads)
        scale = self.measure_leg() / _measure_legs(motion)
        transforms = self._chain(rotations, scale * motion[:, 0])
        soles = np.flatnonzero(self._pick_bones("Foot", "ToeBase"))
        lowest = _move(transforms, self.weights[soles], self.skin[soles])[..., 1].min(1)
        transforms[..., 1, 3] -= np.quantile(lowest, 0.05)
        return BodyPose(self._find_joints(transforms), transforms)

    def skin_frame(self, transforms: Float[np.ndarray, "B 3 4"]) -> Float[np.ndarray, "V 3"]:
        """The clothed vertices of a frame, metres, world."""
        return _move(transforms[None], self.weights, self.vertices)[0]

    def find_parts(self) -> Int[np.ndarray, " V"]:
        """The bone that moves each vertex most, as its place in ``bones``."""
        return np.asarray(self.weights.argmax(1)).ravel()

    def _pick_bones(self, *endings: str) -> np.ndarray:
        names = np.array(self.bones)[self.find_parts()]
        return np.array([name.endswith(endings) for name in names])

    def _chain(self, rotations: Mapping[str, np.ndarray], pelvis: np.ndarray) -> np.ndarray:
        heads: dict[str, np.ndarray] = {}
        middle = (self.heads["LeftUpLeg"] + self.heads["RightUpLeg"]) / 2
        for bone, rest in self.heads.items():
            parent = self.parents[bone]
            if parent:
                heads[bone] = heads[parent] + rotations[parent] @ (rest - self.heads[parent])
            else:
                heads[bone] = pelvis - rotations[bone] @ (middle - rest)
        turns = np.stack([rotations[bone] for bone in self.heads], 1)
        rest = np.stack(list(self.heads.values()))
        shifts = np.stack(list(heads.values()), 1) - (turns @ rest[..., None])[..., 0]
        return np.concatenate([turns, shifts[..., None]], -1)

    def _find_joints(self, transforms: np.ndarray) -> np.ndarray:
        bones, joints = self.bones, {}
        for letter, side in (("l", "Left"), ("r", "Right")):
            for joint, bone in _HEADS.items():
                b = bones.index(side + bone)
                rest = np.append(self.heads[side + bone], 1.0)
                joints[letter + joint] = transforms[:, b] @ rest
        used = np.flatnonzero(np.abs(self.face[:3]).sum(0))
        moved = _move(transforms, self.weights[used], self.skin[used])
        nose, *eyes = np.moveaxis(self.face[:3, used] @ moved, 1, 0)
        joints["pelvis"] = (joints["lhip"] + joints["rhip"]) / 2
        joints["thorax"] = (joints["lshoulder"] + joints["rshoulder"]) / 2
        joints["spine"] = (joints["pelvis"] + joints["thorax"]) / 2
        joints["neck"], joints["head"] = nose, (eyes[0] + eyes[1]) / 2
        return np.stack([joints[name] for name in H36M17.joints], 1)


def draw_body(rng: Generator) -> AnnyBody:
    """An adult of either sex, of any age, build and stature between about 1.55 and 2.0 m, dressed
    at random."""
    phenotype = {
        "gender": float(rng.choice([rng.uniform(0, 0.15), rng.uniform(0.85, 1)])),
        "age": float(rng.uniform(0.64, 0.95)),
        "muscle": float(rng.uniform(0.2, 0.9)),
        "weight": float(rng.uniform(0.2, 0.9)),
        "height": float(rng.uniform(0.25, 0.62)),
        "proportions": float(rng.uniform(0.2, 0.9)),
    }
    shape = _compute_shape(phenotype)
    parts = np.array(shape["bones"])[np.asarray(shape["weights"].argmax(1)).ravel()]
    colours, thickness = draw_colours(rng, shape["skin"], parts, shape["face"] @ shape["skin"])
    vertices = thicken(shape["skin"], shape["faces"], thickness)
    return AnnyBody(
        vertices,
        shape["faces"],
        colours,
        dict(zip(shape["bones"], shape["heads"])),
        shape["parents"],
        shape["weights"],
        shape["face"],
        shape["skin"],
        phenotype,
    )


def _compute_shape(phenotype: Mapping[str, float]) -> dict[str, Any]:
    from scipy.sparse import csr_matrix

    torch, model, face = require("torch", "render"), _load_model(), _load_face()
    with torch.no_grad():
        still = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
        rest = model(pose_parameters=still, phenotype_kwargs=dict(phenotype))
    bones, parents = list(model.bone_labels), list(model.bone_parents)
    count, per_vertex = len(model.template_vertices), model.vertex_bone_weights.shape[1]
    rows = np.repeat(np.arange(count), per_vertex)
    columns = model.vertex_bone_indices.numpy().ravel()
    values = model.vertex_bone_weights.double().numpy().ravel()
    return {
        "skin": rest["rest_vertices"][0].double().numpy() @ _Y_UP.T,
        "heads": rest["rest_bone_heads"][0].double().numpy() @ _Y_UP.T,
        "faces": np.asarray(model.faces),
        "bones": bones,
        "parents": {b: bones[p] if p >= 0 else "" for b, p in zip(bones, parents)},
        "weights": csr_matrix((values, (rows, columns)), (count, len(bones))),
        "face": face,
    }


@lru_cache(1)
def _load_model():
    anny = require("anny", "render")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return anny.Anny(rig="cmu_mb", topology="anny")


@lru_cache(1)
def _load_face() -> np.ndarray:
    anny = require("anny", "render")
    regressor = anny.KeypointsRegressor.coco(_load_model(), list(_FACE))
    return regressor.regression_weights.double().numpy()


def _move(
    transforms: Float[np.ndarray, "T B 3 4"],
    weights: csr_matrix,
    vertices: Float[np.ndarray, "V 3"],
) -> Float[np.ndarray, "T V 3"]:
    """Linear blend skinning."""
    flat = transforms.reshape(len(transforms), -1, 12)
    blended = np.stack([weights @ frame for frame in flat]).reshape(len(flat), -1, 3, 4)
    return (blended[..., :3] @ vertices[..., None])[..., 0] + blended[..., 3]


def _measure_legs(motion: np.ndarray) -> float:
    legs = [motion[:, [1, 2, 3]], motion[:, [4, 5, 6]]]
    lengths = [np.linalg.norm(np.diff(leg, axis=1), axis=-1).sum(1) for leg in legs]
    return float(np.median(lengths))
