"""Motion capture files: what is read, against forward kinematics written another way, and what is
refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from stride_nb.datasets.joint_mapping import joints17
from stride_nb.errors import InputError
from stride_nb.io import asf_amc, bvh_reader

QUICK = settings(max_examples=30, deadline=None)

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition %s
  JOINT Knee
  {
    OFFSET 0 -4 0
    CHANNELS 3 %s
    End Site
    {
      OFFSET 0 -3 1
    }
  }
}
MOTION
Frames: 2
Frame Time: .0083333
1 2 3 %s
4 5 6 %s
"""

ASF = """# comment
:version 1.10
:name VICON
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
  any words
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name hip
    direction 1 0 0
    length 2
    axis 0 0 0 XYZ
  end
  begin
    id 2
    name femur
    direction 0.34202 -0.939693 0
    length 7.5
    axis 10 -25 20 XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
    id 3
    name tibia
    direction 0 -1 0
    length 7
    axis 0 0 20 XYZ
    dof rx
    limits (-10.0 170.0)
  end
:hierarchy
  begin
    root hip
    hip femur
    femur tibia
  end
"""
AMC = """#!OML:ASF somewhere
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 10 20 30
femur 5 -6 7
tibia 40
2
root 4 5 6 -10 0 90
femur 0 0 0
tibia -1e1
"""


@pytest.fixture
def files(tmp_path):
    """Write text or bytes under a name, give the path."""

    def write(name: str, content: str | bytes):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write


def bvh_text(order: str, angles: np.ndarray) -> str:
    channels = " ".join(f"{a.upper()}rotation" for a in order)
    lines = [" ".join(f"{x:.6f}" for x in row) for row in angles.reshape(2, 6)]
    return BVH % (channels, channels, *lines)


@given(st.permutations("xyz"), st.lists(st.floats(-180, 180), min_size=12, max_size=12))
@QUICK
def test_bvh_agrees_with_rotations_composed_by_scipy_for_any_channel_order(
    tmp_path_factory, order, angles
):
    angles = np.round(np.array(angles).reshape(2, 2, 3), 6)
    path = tmp_path_factory.mktemp("bvh") / "a.bvh"
    path.write_text(bvh_text("".join(order), angles))
    animation = bvh_reader.read(path, unit=0.5)
    hips, knee = (
        Rotation.from_euler("".join(order).upper(), angles[:, j], degrees=True) for j in (0, 1)
    )
    root = np.array([[1, 2, 3], [4, 5, 6]]) * 0.5
    middle = root + hips.apply([0, -2, 0])
    end = middle + (hips * knee).apply([0, -1.5, 0.5])
    assert np.allclose(animation.positions(), np.stack([root, middle, end], 1), atol=1e-9)
    assert animation.names == ("Hips", "Knee", "Knee.end") and animation.parents == (-1, 0, 1)
    assert np.array_equal(animation.offsets, [[0, 0, 0], [0, -2, 0], [0, -1.5, 0.5]])
    assert animation.fps == pytest.approx(120, abs=1e-3)


def test_bvh_position_channels_replace_the_offset_and_lines_may_break_anywhere(files):
    text = bvh_text("zyx", np.zeros((2, 2, 3))).replace("CHANNELS 3 Z", "CHANNELS 4 Xposition Z")
    text = text.replace("1 2 3 0.000000 0.000000 0.000000", "1 2 3\r\n0 0\t0 9").replace(
        "4 5 6 0.000000 0.000000 0.000000", "4 5 6 0 0 0 8"
    )
    knee = bvh_reader.read(files("a.bvh", text)).positions()[:, 1]
    assert np.array_equal(knee, [[10, -2, 3], [12, 1, 6]])


def test_amc_agrees_with_rotations_composed_by_scipy(files):
    animation = asf_amc.read(files("a.asf", ASF), files("a.amc", AMC), fps=120)
    assert animation.names == ("root", "hip", "hip.end", "femur", "femur.end", "tibia", "tibia.end")
    assert animation.parents == (-1, 0, 1, 1, 3, 3, 5)
    # lower case: fixed axes
    root = Rotation.from_euler("xyz", [[10, 20, 30], [-10, 0, 90]], degrees=True)
    frame = [Rotation.from_euler("xyz", a, degrees=True) for a in ([10, -25, 20], [0, 0, 20])]
    femur = (
        root
        * frame[0]
        * Rotation.from_euler("xyz", [[5, -6, 7], [0, 0, 0]], degrees=True)
        * frame[0].inv()
    )
    tibia = (
        femur * frame[1] * Rotation.from_euler("x", [[40], [-10]], degrees=True) * frame[1].inv()
    )
    hip_end = np.array([[1, 2, 3], [4, 5, 6]]) + root.apply([2, 0, 0])
    femur_end = hip_end + femur.apply(np.array([0.34202, -0.939693, 0]) * 7.5)
    tibia_end = femur_end + tibia.apply([0, -7, 0])
    found = animation.positions()[
        :, [animation.names.index(n) for n in ("hip.end", "femur.end", "tibia.end")]
    ]
    assert np.allclose(
        found, np.stack([hip_end, femur_end, tibia_end], 1) * 0.0254 / 0.45, atol=1e-12
    )


def test_bones_keep_their_length_whatever_the_motion(files):
    animation = asf_amc.read(files("a.asf", ASF), files("a.amc", AMC))
    position = animation.positions()
    for j, p in enumerate(animation.parents[1:], 1):
        length = np.linalg.norm(position[:, j] - position[:, p], axis=-1)
        assert np.allclose(length, np.linalg.norm(animation.offsets[j]), atol=1e-12)


GOOD = bvh_text("zyx", np.arange(12.0))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "HIERARCHY"),
        ("MOTION\nFrames: 1\nFrame Time: 1\n1", "HIERARCHY"),
        (GOOD.split("MOTION")[0], "MOTION"),
        (GOOD.replace("Frames: 2", "Frames: 3"), "MOTION"),
        (GOOD.replace("Frames: 2", "Frames: 0"), "Frames, Frame Time"),
        (GOOD.replace(".0083333", "0"), "Frames, Frame Time"),
        (GOOD.replace("4 5 6 6.0", "4 5 6 nan"), "MOTION"),
        (GOOD.replace("4 5 6 6.0", "4 5 6 six"), "MOTION"),
        (GOOD.replace("CHANNELS 3", "CHANNELS 2"), "hierarchy"),
        (GOOD.replace("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation"), "CHANNELS of Knee"),
        (GOOD.replace("CHANNELS 3 Zrotation", "CHANNELS 3 Yrotation"), "CHANNELS of Knee"),
        (GOOD.replace("OFFSET 0 -4 0", "OFFSET 0 -4 O"), "OFFSET"),
        (GOOD.replace("    OFFSET 0 -4 0\n", ""), "hierarchy"),
        (GOOD.replace("}\nMOTION", "MOTION"), "hierarchy"),
        (GOOD.replace("JOINT Knee", "JOINT Hips"), "hierarchy"),
        (GOOD.replace("JOINT Knee", "ROOT Knee"), "hierarchy"),
        (b"\xff\xfe\x00\x01" * 50, "file"),
    ],
)
def test_malformed_bvh_is_refused_naming_file_and_field(files, text, field):
    with pytest.raises(InputError) as caught:
        bvh_reader.read(files("bad.bvh", text))
    assert caught.value.where.endswith("bad.bvh") and caught.value.field == field


@pytest.mark.parametrize(
    ("skeleton", "motion", "file", "field"),
    [
        ("", AMC, "bad.asf", "sections"),
        (ASF.split(":hierarchy")[0], AMC, "bad.asf", "sections"),
        (ASF.replace("length 0.45", "length 0"), AMC, "bad.asf", ":units"),
        (ASF.replace("angle deg", "angle rad"), AMC, "bad.asf", ":units"),
        (ASF.replace("order TX", "order"), AMC, "bad.asf", ":root"),
        (ASF.replace("position 0 0 0", "position 0 1 0"), AMC, "bad.asf", ":root position"),
        (ASF.replace("name tibia", "name femur"), AMC, "bad.asf", ":bonedata"),
        (ASF.replace("femur tibia", "fibula tibia"), AMC, "bad.asf", ":hierarchy"),
        (ASF.replace("    femur tibia\n", ""), AMC, "bad.asf", ":hierarchy"),
        (ASF.replace("direction 1 0 0", "direction 1 0"), AMC, "bad.asf", "bone hip"),
        (ASF.replace("length 7.5", "length nan"), AMC, "bad.asf", "length of femur"),
        (ASF.replace("dof rx ry rz", "dof rx ry l"), AMC, "bad.asf", "dof of femur"),
        (ASF, "", "bad.amc", "header"),
        (ASF, AMC.replace(":DEGREES", ":RADIANS"), "bad.amc", "header"),
        (ASF, AMC.replace("femur 5 -6 7", "femur 5 -6"), "bad.amc", "first frame"),
        (ASF, AMC.replace("femur", "fibula"), "bad.amc", "first frame"),
        (ASF, AMC.replace("femur 0 0 0", "femur 0 0"), "bad.amc", "frame 2"),
        (ASF, AMC.replace("tibia -1e1", ""), "bad.amc", "frame 2"),
        (ASF, AMC.replace("\n2\n", "\n3\n"), "bad.amc", "frame 2"),
        (ASF, AMC.replace("-1e1", "inf"), "bad.amc", "tibia"),
        (ASF, AMC.replace("-1e1", "ten"), "bad.amc", "tibia"),
    ],
)
def test_malformed_asf_or_amc_is_refused_naming_file_and_field(
    files, skeleton, motion, file, field
):
    with pytest.raises(InputError) as caught:
        asf_amc.read(files("bad.asf", skeleton), files("bad.amc", motion))
    assert caught.value.where.endswith(file) and caught.value.field == field


def damage(text: str):
    """Strategy: the text cut short, with a part removed, doubled, or overwritten by anything."""
    where = st.tuples(st.integers(0, len(text)), st.integers(0, 40))
    return st.one_of(
        st.integers(0, len(text)).map(lambda n: text[:n]),
        where.map(lambda w: text[: w[0]] + text[sum(w) :]),
        where.map(lambda w: text[: sum(w)] + text[w[0] :]),
        st.tuples(where, st.text(max_size=12)).map(
            lambda w: text[: w[0][0]] + w[1] + text[sum(w[0]) :]
        ),
    ).map(lambda t: t.encode("utf-8", "surrogatepass")) | st.binary(max_size=200)


def reads_or_refuses(read) -> None:
    try:
        animation = read()
    except InputError as error:
        assert str(error).count(": expected ") == 1
    else:
        assert np.isfinite(animation.positions()).all() and len(animation) >= 1


@given(damage(GOOD))
@settings(QUICK, max_examples=150)
def test_damaged_bvh_is_read_or_refused_in_one_way(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "damaged.bvh"
    path.write_bytes(content)
    reads_or_refuses(lambda: bvh_reader.read(path))


@given(damage(ASF), damage(AMC), st.booleans())
@settings(QUICK, max_examples=150)
def test_damaged_asf_or_amc_is_read_or_refused_in_one_way(
    tmp_path_factory, skeleton, motion, first
):
    folder = tmp_path_factory.getbasetemp()
    (folder / "damaged.asf").write_bytes(skeleton if first else ASF.encode())
    (folder / "damaged.amc").write_bytes(AMC.encode() if first else motion)
    reads_or_refuses(lambda: asf_amc.read(folder / "damaged.asf", folder / "damaged.amc"))


def test_a_missing_file_and_a_wrong_skeleton_are_named(files, tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.bvh: file"):
        bvh_reader.read(tmp_path / "nowhere.bvh")
    animation = bvh_reader.read(files("a.bvh", GOOD))
    for kind in ("amc", "mb2", "daz"):
        with pytest.raises(
            InputError,
            match=rf"a\.bvh: joints: expected a skeleton of kind {kind}, found Hips Knee",
        ):
            joints17(animation, kind, "a.bvh")
    with pytest.raises(InputError, match="kind: expected one of amc, mb2, daz"):
        joints17(animation, "fbx")


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
    animation = bvh_reader.Animation(
        names,
        tuple(names.index(p) if p else -1 for p in MB2.values()),
        offsets,
        np.tile(offsets, (5, 1, 1)),
        turns,
        120,
    )
    turn = dict(zip(names, animation.frames()[1].transpose(1, 0, 2, 3)))
    vector = dict(zip(names, offsets))
    for thorax in (None, np.array([0.0, 3.0, 4.0])):
        joints = joints17(animation, "mb2", thorax=thorax)
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
    joints = joints17(
        bvh_reader.Animation(
            names, (-1,) + (0,) * (len(names) - 1), offsets, np.tile(offsets, (2, 1, 1)), turns, 60
        ),
        "daz",
    )
    assert np.allclose(joints[:, 10], [[0.002, 0.185, 0], [0.002, 0, 0.185]])
    assert np.allclose(joints[:, 9], [[0.002, 0.05, 0.01], [0.002, -0.01, 0.05]])
