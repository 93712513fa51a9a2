"""ASF/AMC in, against forward kinematics written another way; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from stride_nb import InputError
from stride_nb.io import asf_amc
from tests.foreign import (
    damage,
    reads_or_refuses,
)

QUICK = settings(max_examples=30, deadline=None)


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


def test_amc_agrees_with_rotations_composed_by_scipy(files):
    animation = asf_amc.read_asf_amc(files("a.asf", ASF), files("a.amc", AMC), fps=120)
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
    found = animation.compute_positions()[
        :, [animation.names.index(n) for n in ("hip.end", "femur.end", "tibia.end")]
    ]
    assert np.allclose(
        found, np.stack([hip_end, femur_end, tibia_end], 1) * 0.0254 / 0.45, atol=1e-12
    )


def test_bones_keep_their_length_whatever_the_motion(files):
    animation = asf_amc.read_asf_amc(files("a.asf", ASF), files("a.amc", AMC))
    position = animation.compute_positions()
    for j, p in enumerate(animation.parents[1:], 1):
        length = np.linalg.norm(position[:, j] - position[:, p], axis=-1)
        assert np.allclose(length, np.linalg.norm(animation.offsets[j]), atol=1e-12)


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
        asf_amc.read_asf_amc(files("bad.asf", skeleton), files("bad.amc", motion))
    assert caught.value.where.endswith(file) and caught.value.field == field


@given(damage(ASF), damage(AMC), st.booleans())
@settings(QUICK, max_examples=150)
def test_damaged_asf_or_amc_is_read_or_refused_in_one_way(
    tmp_path_factory, skeleton, motion, first
):
    folder = tmp_path_factory.getbasetemp()
    (folder / "damaged.asf").write_bytes(skeleton if first else ASF.encode())
    (folder / "damaged.amc").write_bytes(AMC.encode() if first else motion)
    reads_or_refuses(lambda: asf_amc.read_asf_amc(folder / "damaged.asf", folder / "damaged.amc"))
