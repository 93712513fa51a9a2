"""Rotations of a body's bones from 17 joints."""

import numpy as np
import pytest

from stride_nb.datasets import synthetic
from stride_nb.poses.skeleton import H36M17
from stride_nb.video.rendering.retargeting import estimate_bone_rotations

REST = {
    "Hips": (0.0, 1.0, 0.0),
    "LowerBack": (0.0, 1.1, 0.0),
    "Spine": (0.0, 1.2, 0.0),
    "Spine1": (0.0, 1.3, 0.0),
    "Neck": (0.0, 1.5, 0.0),
    "Neck1": (0.0, 1.55, 0.02),
    "Head": (0.0, 1.6, 0.03),
}
for side, sign in (("Left", 1), ("Right", -1)):
    REST |= {
        f"{side}UpLeg": (0.1 * sign, 0.95, 0.0),
        f"{side}Leg": (0.13 * sign, 0.53, 0.03),
        f"{side}Foot": (0.17 * sign, 0.1, 0.0),
        f"{side}ToeBase": (0.18 * sign, 0.02, 0.12),
        f"{side}Shoulder": (0.02 * sign, 1.45, 0.02),
        f"{side}Arm": (0.16 * sign, 1.42, 0.0),
        f"{side}ForeArm": (0.33 * sign, 1.2, 0.0),
        f"{side}Hand": (0.45 * sign, 1.1, 0.15),
    }
REST = {name: np.array(place) for name, place in REST.items()}
LIMBS = {
    ("UpLeg", "Leg"): ("hip", "knee"),
    ("Leg", "Foot"): ("knee", "ankle"),
    ("Arm", "ForeArm"): ("shoulder", "elbow"),
    ("ForeArm", "Hand"): ("elbow", "wrist"),
}


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


@pytest.fixture(scope="module", params=[0, 1, 3, 5])
def motion(request):
    clips = synthetic.load("val", clips=6, seconds=3, fps=25)
    return clips[request.param].joints


def test_they_are_rotations(motion):
    for name, turns in estimate_bone_rotations(motion, REST).items():
        error = turns @ np.swapaxes(turns, 1, 2) - np.eye(3)
        assert np.abs(error).max() < 1e-9, name
        assert np.linalg.det(turns) == pytest.approx(1.0), name


@pytest.mark.parametrize(("bones", "joints"), LIMBS.items())
@pytest.mark.parametrize(("side", "letter"), [("Left", "l"), ("Right", "r")])
def test_limbs_point_where_the_motions_limbs_point(motion, bones, joints, side, letter):
    turns = estimate_bone_rotations(motion, REST)[side + bones[0]]
    at_rest = REST[side + bones[1]] - REST[side + bones[0]]
    start, end = (motion[:, H36M17.joints.index(letter + j)] for j in joints)
    np.testing.assert_allclose(turns @ unit(at_rest), unit(end - start), atol=1e-6)


def test_a_mirrored_motion_gives_mirrored_rotations(motion):
    flip = np.diag([-1.0, 1, 1])
    mirrored = (motion @ flip)[:, list(H36M17.mirror)]
    turns, other = (estimate_bone_rotations(m, REST) for m in (motion, mirrored))
    for name in turns:
        twin = name.replace("Left", "Right") if "Left" in name else name.replace("Right", "Left")
        twin = {"LHipJoint": "RHipJoint", "RHipJoint": "LHipJoint"}.get(name, twin)
        twin = {"LThumb": "RThumb", "RThumb": "LThumb"}.get(name, twin)
        np.testing.assert_allclose(other[twin], flip @ turns[name] @ flip, atol=1e-5, err_msg=name)


def test_nothing_spins_from_frame_to_frame(motion):
    for name, turns in estimate_bone_rotations(motion, REST).items():
        step = np.swapaxes(turns[:-1], 1, 2) @ turns[1:]
        cosine = (np.trace(step, axis1=1, axis2=2) - 1) / 2
        assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 60, name
