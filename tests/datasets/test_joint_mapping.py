"""From the skeletons of motion capture files to Human3.6M's 17 joints."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stride_nb import InputError
from stride_nb.datasets.joint_mapping import map_to_h36m17
from stride_nb.io.animation import Animation

MB2 = {
    "Hips": "",
    "LeftUpLeg": "Hips",
    "LeftLeg": "LeftUpLeg",
    "LeftFoot": "LeftLeg",
    "RightUpLeg": "Hips",
    "RightLeg": "RightUpLeg",
    "RightFoot": "RightLeg",
    "Spine": "Hips",
    "Spine1": "Spine",
    "Neck": "Spine1",
    "Neck1": "Neck",
    "Head": "Neck1",
    "Head.end": "Head",
} | {
    f"{s}{child}": f"{s}{parent}" if parent != "Spine1" else parent
    for s in ("Left", "Right")
    for child, parent in (
        ("Shoulder", "Spine1"),
        ("Arm", "Shoulder"),
        ("ForeArm", "Arm"),
        ("Hand", "ForeArm"),
        ("FingerBase", "Hand"),
    )
}


def test_mb2_gets_back_the_bones_that_its_conversion_dropped():
    rng = np.random.default_rng(0)
    names = tuple(MB2)
    offsets = np.array(
        [
            rng.normal(size=3)
            * (n not in ("Hips", "Neck") and not n.endswith(("Shoulder", "FingerBase")))
            for n in names
        ]
    )
    turns = Rotation.random(5 * len(names), rng=rng).as_matrix().reshape(5, len(names), 3, 3)
    animation = Animation(
        names,
        tuple(names.index(p) if p else -1 for p in MB2.values()),
        offsets,
        np.tile(offsets, (5, 1, 1)),
        turns,
        120,
    )
    turn = dict(zip(names, animation.compute_world_frames()[1].transpose(1, 0, 2, 3)))
    vector = dict(zip(names, offsets))
    for thorax in (None, np.array([0.0, 3.0, 4.0])):
        joints = map_to_h36m17(animation, "mb2", thorax=thorax)
        chest = vector["Spine1"] if thorax is None else thorax
        back = turn["Spine"] @ vector["Spine1"] + turn["Spine1"] @ chest
        assert np.allclose(joints[:, 8] - joints[:, 7], back)
        assert np.allclose(joints[:, 11] - joints[:, 8], turn["LeftShoulder"] @ vector["LeftArm"])
        forearm = (
            turn["RightForeArm"] @ vector["RightHand"] + turn["RightHand"] @ vector["RightHand"] / 2
        )
        assert np.allclose(joints[:, 16] - joints[:, 15], forearm)
        assert np.allclose(joints[:, 0], (joints[:, 1] + joints[:, 4]) / 2)


def test_daz_crown_and_nose_turn_with_the_head():
    names = (
        "hip",
        "abdomen",
        "chest",
        "neck",
        "head",
        *(
            f"{s}{n}"
            for s in "lr"
            for n in ("Collar", "Shldr", "ForeArm", "Hand", "Thigh", "Shin", "Foot")
        ),
    )
    turns = np.tile(np.eye(3), (2, len(names), 1, 1))
    # nods down: up becomes forward
    turns[1, 4] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    offsets = np.zeros((len(names), 3))
    joints = map_to_h36m17(
        Animation(
            names, (-1,) + (0,) * (len(names) - 1), offsets, np.tile(offsets, (2, 1, 1)), turns, 60
        ),
        "daz",
    )
    assert np.allclose(joints[:, 10], [[0.002, 0.185, 0], [0.002, 0, 0.185]])
    assert np.allclose(joints[:, 9], [[0.002, 0.05, 0.01], [0.002, -0.01, 0.05]])


def test_a_wrong_skeleton_is_named():
    still, turns = np.zeros((1, 3, 3)), np.tile(np.eye(3), (1, 3, 1, 1))
    animation = Animation(("Hips", "Knee", "Knee.end"), (-1, 0, 1), still[0], still, turns, 120)
    for kind in ("amc", "mb2", "daz"):
        with pytest.raises(
            InputError,
            match=rf"a\.bvh: joints: expected a skeleton of kind {kind}, found Hips Knee",
        ):
            map_to_h36m17(animation, kind, "a.bvh")
    with pytest.raises(InputError, match="kind: expected one of amc, mb2, daz"):
        map_to_h36m17(animation, "fbx")
