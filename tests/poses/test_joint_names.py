"""Joints by the names that markers, bones and body parts have in other tools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stride_nb import InputError, PoseSequence
from stride_nb.poses import skeleton
from stride_nb.poses.joint_names import (
    find_named_set,
    make_named_skeleton,
    name_conversion,
    simplify_joint_name,
)
from tests.bodies import walk

LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
BONES = {
    "mixamo": ("UpLeg", "Leg", "Foot", "Arm", "ForeArm", "Hand"),
    "biped": ("Thigh", "Calf", "Foot", "UpperArm", "Forearm", "Hand"),
    "xsens": ("UpperLeg", "LowerLeg", "Foot", "UpperArm", "ForeArm", "Hand"),
}
FORMS = (
    *("{S}{W}", "{side}_{w}", "{Side}{W}", "{SIDE}_{UP}", "{W}{Side}", "{w}_{side}", "{w}.{S}"),
    *(
        "{Side} {W}",
        "{s}{w}",
        "{s}_{w}",
        "{s}.{w}",
        "mixamorig:{Side}{W}",
        "Bip01 {S} {W}",
        "{side}{w}",
    ),
)


def spell(form, side, word):
    letter = side[0]
    sides = {"side": side, "Side": side.title(), "SIDE": side.upper()}
    words = {"w": word, "W": word.title(), "UP": word.upper()}
    return form.format(s=letter, S=letter.upper(), **sides, **words)


@given(st.sampled_from(FORMS), st.sampled_from(["left", "right"]), st.sampled_from(LIMBS))
def test_a_side_is_found_wherever_it_stands(form, side, word):
    assert simplify_joint_name(spell(form, side, word)) == side[0] + word


@given(st.sampled_from(FORMS), st.permutations(range(12)))
def test_limbs_are_found_in_any_spelling_and_order(form, order):
    names = [(side, word) for side in ("left", "right") for word in LIMBS]
    labels = [spell(form, *names[i]) for i in order]
    rows = name_conversion(labels)
    for side, word in names:
        assert rows[side[0] + word] == {spell(form, side, word): 1.0}
    assert len(rows["pelvis"]) == len(rows["thorax"]) == 2


@pytest.mark.parametrize("rig", BONES)
def test_bones_are_joints_where_they_begin(rig):
    labels = [side + bone for side in ("Left", "Right") for bone in BONES[rig]]
    labels += ["Hips", "Neck", "Head", "LeftShoulder", "RightShoulder", "LeftToeBase"]
    rows = name_conversion(labels)
    for side in ("Left", "Right"):
        for limb, bone in zip(LIMBS, BONES[rig]):
            assert rows[side[0].lower() + limb] == {side + bone: 1.0}
    assert rows["thorax"] == {"Neck": 1.0} and rows["neck"] == {"Head": 1.0}
    assert rows["head"] == {"Head": 2.0, "Neck": -1.0}
    assert all(sum(row.values()) == pytest.approx(1) for row in rows.values())


@pytest.mark.parametrize("name", skeleton.SKELETONS)
def test_a_known_set_is_known_by_its_names(name):
    joints = skeleton.get_skeleton(name).joints
    assert make_named_skeleton(joints).joints == joints
    assert len(skeleton.get_skeleton(find_named_set(joints))) >= len(joints)


@given(st.lists(st.text(max_size=12), max_size=20))
def test_any_names_are_a_set_or_an_error(labels):
    try:
        found = make_named_skeleton(labels)
    except InputError as error:
        assert "joints: expected" in str(error)
        return
    assert found.joints == tuple(labels) and found.parents.count(-1) == 1
    assert len(found.from_root) == len(labels)


def test_a_body_of_its_own_names_is_converted():
    labels = [f"{side}_{word}" for side in ("L", "R") for word in LIMBS]
    order = [skeleton.H36M17.index(label[0].lower() + label[2:]) for label in labels]
    person = walk(5)
    back = PoseSequence(person[:, order], skeleton=make_named_skeleton(labels)).to("h36m17")
    np.testing.assert_allclose(back.joints[:, order], person[:, order])
    assert back.missing[:, [9, 10]].all() and not back.missing[:, :9].any()
