"""What two systems mean by the same joints: constants of one body, fitted and applied.

A depth camera's knee lies elsewhere in the body than a marker set's. Between two systems such
offsets are constant in axes that turn with the body, and along the bones of the limbs: a vector a
joint in the axes of hips (pelvis and legs) or of hips and trunk (the rest), and for knees, ankles,
elbows and wrists a length along each bone that leads there. All in camera axes, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from stride_nb.poses.geometry import normalize
from stride_nb.poses.skeleton import H36M17

__all__ = ["Definition", "fit_definition"]

LIMB_BONES = {
    2: (2,),
    3: (3, 2),
    5: (5,),
    6: (6, 5),
    12: (12,),
    13: (13, 12),
    15: (15,),
    16: (16, 15),
}
"""Joint → the bones, by their far joint, along which its definition may differ."""
_PARENT = dict(H36M17.bones)
_LOWER_BODY = 7  # pelvis and legs come first
_REWEIGHTINGS = 10  # of reweighting
_FLOOR = 0.01  # metres: errors below count as squares
_RIDGE = 1e-3  # against bones that never turn in these axes

Joints17 = Float[np.ndarray, "T 17 3"]


@dataclass(frozen=True, eq=False)
class Definition:
    """One body's constants."""

    body: Float[np.ndarray, "17 3"]
    """Metres to the body's right, down and front."""
    bone: Float[np.ndarray, "17 2"]
    """Metres along the bones of ``LIMB_BONES``, away from the trunk."""

    def compute_offsets(self, joints: Joints17) -> Joints17:
        """What the constants come to in the axes of these poses, metres."""
        offsets = np.einsum("tjab,jb->tja", _make_body_axes(joints), self.body)
        for j, bones in LIMB_BONES.items():
            for i, far in enumerate(bones):
                offsets[:, j] += self.bone[j, i] * _point_along_bone(joints, far)
        return offsets

    def apply(self, joints: Joints17) -> Joints17:
        """The poses with their joints where the other system means them to be."""
        return joints + self.compute_offsets(joints)


def fit_definition(measured: Joints17, truth: Joints17) -> Definition:
    """The constants by which ``measured`` differs from ``truth`` relative to the pelvis: least
    absolute distances, by reweighted least squares.

    Args:
        measured, truth: metres, camera axes, finite; frames of any clips of one body.
    """
    error = (measured - measured[:, :1]) - (truth - truth[:, :1])
    axes, body, bone = _make_body_axes(truth), np.zeros((17, 3)), np.zeros((17, 2))
    for j in range(1, 17):
        bones = LIMB_BONES.get(j, ())
        along = [_point_along_bone(truth, far)[..., None] for far in bones]
        constants = _fit_least_distances(np.concatenate([axes[:, j], *along], -1), error[:, j])
        body[j], bone[j, : len(bones)] = constants[:3], constants[3:]
    return Definition(body, bone)


def _fit_least_distances(
    columns: Float[np.ndarray, "T 3 P"], error: Float[np.ndarray, "T 3"]
) -> Float[np.ndarray, " P"]:
    """The constants that, times the columns, come closest to the errors (least distances), with a
    small ridge on those along bones."""
    ridge = np.diag([0.0] * 3 + [_RIDGE] * (columns.shape[-1] - 3))
    weight, constants = np.ones(len(error)), np.zeros(columns.shape[-1])
    for _ in range(_REWEIGHTINGS):
        square = np.einsum("tai,taj,t->ij", columns, columns, weight) + ridge * weight.sum()
        constants = np.linalg.solve(square, np.einsum("tai,ta,t->i", columns, error, weight))
        weight = 1 / np.maximum(np.linalg.norm(error - columns @ constants, axis=-1), _FLOOR)
    return constants


def _point_along_bone(joints: np.ndarray, far: int) -> Float[np.ndarray, "T 3"]:
    return normalize(joints[:, far] - joints[:, _PARENT[far]])


def _make_body_axes(joints: Joints17) -> Float[np.ndarray, "T 17 3 3"]:
    """Columns right, down, front of every joint: of the hips' azimuth and the vertical for pelvis
    and legs, of hips and trunk for the rest."""
    right = joints[:, 1] - joints[:, 4]
    vertical = np.broadcast_to(np.array([0.0, 1.0, 0.0]), right.shape)
    trunk = normalize(joints[:, 0] - joints[:, 8])
    across = normalize(right - (right * trunk).sum(-1, keepdims=True) * trunk)
    level = normalize(right * (1, 0, 1))
    legs, rest = (
        np.stack([r, d, np.cross(r, d)], -1) for r, d in ((level, vertical), (across, trunk))
    )
    return np.stack([legs] * _LOWER_BODY + [rest] * (17 - _LOWER_BODY), 1)
