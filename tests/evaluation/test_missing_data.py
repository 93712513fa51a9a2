"""What a report says is what is missing."""

import numpy as np
import pytest

from stride_nb import Keypoints2D, PoseSequence
from stride_nb.evaluation.missing_data import (
    describe_root_path,
    measure_plausibility,
    report_missing_data,
)
from stride_nb.poses.interpolation import find_runs


def walk(frames=120, fps=30):
    joints = np.random.default_rng(0).normal(size=(frames, 17, 3))
    return joints + np.linspace(0, 3, frames)[:, None, None]


def test_shares_gaps_and_losses_are_those_put_in():
    joints, confidence = walk(), np.full((120, 17), 0.9)
    confidence[30:60] = 0  # one second lost
    confidence[100:103] = 0
    confidence[60:90, 4] = 0.3  # lhip guessed for a second more
    confidence[:, 16] = 0  # rwrist never
    found = report_missing_data(PoseSequence(joints, confidence, fps=30, name="x"))
    assert found.lost == [(1.0, 1.0), (100 / 30, 0.1)]
    assert found.missing["pelvis"] == pytest.approx(33 / 120) and found.missing["rwrist"] == 1
    assert found.unsure["lhip"] == pytest.approx(30 / 120) and found.unsure["pelvis"] == 0
    assert found.never == ["rwrist"]
    longest = {gap.joint: (gap.start, gap.seconds) for gap in found.gaps}
    assert longest["rwrist"] == (0, 4) and longest["lhip"] == (1, 2) and longest["pelvis"] == (1, 1)
    assert [gap.seconds for gap in found.gaps] == sorted(
        (gap.seconds for gap in found.gaps), reverse=True
    )
    np.testing.assert_array_equal(found.visible, confidence >= 0.5)
    text = str(found)
    for line in (
        "never seen: rwrist",
        "longest gaps: lhip 2.00 s from 1.00 s",
        "longest losses: 1.00 s from 1.00 s",
    ):
        assert line in text
    assert len(found.make_table().cells) == 17


def test_a_whole_sequence_says_so():
    found = report_missing_data(PoseSequence(walk()))
    assert not found.lost and not found.gaps and not found.never and found.visible.all()
    assert "longest" not in str(found)


def test_the_path_is_kept_or_said_to_be_absent():
    joints = walk()
    assert describe_root_path(PoseSequence(joints)) == "kept"
    assert describe_root_path(PoseSequence(joints - joints[:, :1])).startswith("absent")
    assert describe_root_path(PoseSequence(joints[:5] * 0)) == "kept"  # too short to say
    joints[:, 0] = np.nan
    assert describe_root_path(PoseSequence(joints)).startswith("unknown")
    assert "2D" in describe_root_path(Keypoints2D(joints[..., :2]))


def test_runs_of_a_flag():
    assert find_runs(np.zeros(4, bool)).tolist() == [] and find_runs(np.ones(4, bool)).tolist() == [
        [0, 4]
    ]


def test_plausibility_is_measured_over_what_is_there():
    still = np.random.default_rng(0).normal(size=(1, 17, 3)).repeat(60, 0)
    still[20:30] = np.nan
    found = measure_plausibility(PoseSequence(still))
    assert found["missing (%)"] == pytest.approx(100 / 6)
    assert found["bone length varies by (mm)"] == pytest.approx(0, abs=1e-9)
    falling = still + 0.5 * 9.81 * (np.arange(60)[:, None, None] / 30) ** 2 * (0, -1, 0)
    assert measure_plausibility(PoseSequence(falling, fps=30))[
        "joint acceleration (m/s²)"
    ] == pytest.approx(0, abs=1e-9)
    falling[:, 0] = still[:, 0]  # all but the pelvis
    assert measure_plausibility(PoseSequence(falling, fps=30))[
        "joint acceleration (m/s²)"
    ] == pytest.approx(9.81 * 16 / 17)
    jumping = np.random.default_rng(0).normal(size=(1, 17, 3)).repeat(60, 0)
    jumping[30:, 2] += 0.3
    varies = measure_plausibility(PoseSequence(jumping))["bone length varies by (mm)"]
    jumping[30:, 0] = np.nan
    assert measure_plausibility(PoseSequence(jumping))[
        "bone length varies by (mm)"
    ] == pytest.approx(varies, rel=0.2), "no pelvis is needed"
    breathing = still * (1 + 0.1 * np.sin(np.arange(60)))[:, None, None]
    assert measure_plausibility(PoseSequence(breathing))["bone length varies by (mm)"] > 50
    assert np.isnan(measure_plausibility(PoseSequence(still[:1]))["joint acceleration (m/s²)"])


def test_the_tables_row():
    confidence = np.full((100, 17), 0.9)
    confidence[:10, 4], confidence[50:70, 4] = 0, 0.3
    assert report_missing_data(
        PoseSequence(np.zeros((100, 17, 3)), confidence, fps=50)
    ).make_table().cells[4] == [
        "lhip",
        "10.0",
        "20.0",
        "0.40",
        "1.00",
    ]
