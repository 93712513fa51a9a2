"""BVH in, against forward kinematics written another way; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from stride_nb import InputError
from stride_nb.io import bvh_reader
from tests.foreign import (
    damage,
    reads_or_refuses,
)

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
    animation = bvh_reader.read_bvh(path, unit=0.5)
    hips, knee = (
        Rotation.from_euler("".join(order).upper(), angles[:, j], degrees=True) for j in (0, 1)
    )
    root = np.array([[1, 2, 3], [4, 5, 6]]) * 0.5
    middle = root + hips.apply([0, -2, 0])
    end = middle + (hips * knee).apply([0, -1.5, 0.5])
    assert np.allclose(animation.compute_positions(), np.stack([root, middle, end], 1), atol=1e-9)
    assert animation.names == ("Hips", "Knee", "Knee.end") and animation.parents == (-1, 0, 1)
    assert np.array_equal(animation.offsets, [[0, 0, 0], [0, -2, 0], [0, -1.5, 0.5]])
    assert animation.fps == pytest.approx(120, abs=1e-3)


def test_bvh_position_channels_replace_the_offset_and_lines_may_break_anywhere(files):
    text = bvh_text("zyx", np.zeros((2, 2, 3))).replace("CHANNELS 3 Z", "CHANNELS 4 Xposition Z")
    text = text.replace("1 2 3 0.000000 0.000000 0.000000", "1 2 3\r\n0 0\t0 9").replace(
        "4 5 6 0.000000 0.000000 0.000000", "4 5 6 0 0 0 8"
    )
    knee = bvh_reader.read_bvh(files("a.bvh", text)).compute_positions()[:, 1]
    assert np.array_equal(knee, [[10, -2, 3], [12, 1, 6]])


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
        bvh_reader.read_bvh(files("bad.bvh", text))
    assert caught.value.where.endswith("bad.bvh") and caught.value.field == field


@given(damage(GOOD))
@settings(QUICK, max_examples=150)
def test_damaged_bvh_is_read_or_refused_in_one_way(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "damaged.bvh"
    path.write_bytes(content)
    reads_or_refuses(lambda: bvh_reader.read_bvh(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.bvh: file"):
        bvh_reader.read_bvh(tmp_path / "nowhere.bvh")
