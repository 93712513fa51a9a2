"""Files that were once read wrongly and without a word: they come out right, or as one error."""

import pickle

import numpy as np
import pytest

from stride_nb import InputError, Keypoints2D, io
from tests.bodies import walk
from tests.foreign import save


def columns(path, cells):
    path.write_text("\n".join(",".join(map(str, row)) for row in [cells, *zip(*cells.values())]))
    return path


def numbered(points):
    return {f"{axis}{j}": points[:, j, k] for j in range(17) for k, axis in enumerate("xy")}


def midway():
    """Pixels (40, 17, 2) of somebody whose pelvis lies between the hips."""
    return 400 * walk()[..., :2] * (1, -1) + (300, 900)


def test_numbered_columns_are_taken_by_number_and_their_joint_set_is_told(tmp_path):
    """Tables that are pivoted come sorted as text: x0, x1, x10, …"""
    (found,) = io.read(
        columns(tmp_path / "a.csv", dict(sorted(numbered(midway()).items()))),
        fps=50,
        size=(1000, 1000),
    )
    assert found.skeleton.name == "h36m17"
    np.testing.assert_allclose(found.pixels, midway())


@pytest.mark.parametrize("number", ["{:.6e}", "{:.1f}", " {}"])
def test_frame_numbers_may_be_written_as_any_number(tmp_path, number):
    cells = {"frame": [number.format(t) for t in range(40)]} | numbered(midway())
    (found,) = io.read(columns(tmp_path / "a.csv", cells), fps=50, size=(1000, 1000))
    np.testing.assert_allclose(found.pixels, midway())


@pytest.mark.parametrize("number", ["0.5", "-5", "nan", "inf"])
def test_what_numbers_no_frame_is_refused(tmp_path, number):
    cells = {"frame": [number, *range(1, 40)]} | numbered(midway())
    with pytest.raises(InputError, match="frame: expected a frame number"):
        io.read(columns(tmp_path / "a.csv", cells), fps=50, size=(1000, 1000))


@pytest.mark.parametrize("order", [1, -1])
def test_visibility_counts_and_not_presence_beside_it(tmp_path, order):
    """MediaPipe's presence stays near 1 behind a table."""
    parts = [
        ("x", 0.3),
        ("y", 0.4),
        ("z", 0.0),
        *[("visibility", 0.05), ("presence", 0.99)][::order],
    ]
    wide = {
        f"landmark_{j}_{name}": [v + j / 100 * (name in "xy")] * 40
        for j in range(33)
        for name, v in parts
    }
    long = {"frame": np.repeat(range(40), 33), "landmark": [*range(33)] * 40} | {
        name: np.tile(v + np.arange(33) / 100 * (name in "xy"), 40) for name, v in parts
    }
    for cells in (wide, long):
        (found,) = io.read(columns(tmp_path / "a.csv", cells), fps=30, size=(640, 480))
        assert np.unique(found.confidence) == 0.05


def test_two_people_without_a_column_that_tells_them_apart_are_refused(tmp_path):
    rows = [
        (t, j, midway()[t, j, 0] + aside, midway()[t, j, 1])
        for t in range(40)
        for aside in (0, 500)
        for j in range(17)
    ]
    cells = dict(zip(("frame", "joint", "x", "y"), zip(*rows)))
    with pytest.raises(InputError, match="rows: expected each joint once a frame and person"):
        io.read(columns(tmp_path / "a.csv", cells), fps=50, size=(1000, 1000))
    with pytest.raises(
        InputError,
        match=r"header: expected each coordinate of a joint once, found x0 twice|"
        r"header.*landmark_0_x twice",
    ):
        io.read(
            columns(tmp_path / "b.csv", numbered(midway()) | {"landmark_0_x": [1] * 40}),
            fps=50,
            size=(1000, 1000),
        )


@pytest.mark.parametrize("column", ["time", "timestamp"])
def test_a_column_of_time_that_counts_frames_is_refused(tmp_path, column):
    with pytest.raises(InputError, match=f"column {column}: expected seconds .*found a count"):
        io.read(
            columns(tmp_path / "a.csv", {column: range(40)} | numbered(midway())), size=(1000, 1000)
        )
    (found,) = io.read(
        columns(tmp_path / "b.csv", {"time_s": range(40)} | numbered(midway())), size=(1000, 1000)
    )
    assert found.fps == 1


def test_ids_of_many_digits_stay_apart(tmp_path):
    entries = [
        {
            "image_id": f"{t}.jpg",
            "keypoints": np.c_[midway()[t], np.ones(17)].ravel().tolist(),
            "score": 1,
            "idx": 1000001 + t // 20,
        }
        for t in range(40)
    ]
    assert len(io.read(save(tmp_path / "a.json", entries), size=(1000, 1000))) == 2


def test_files_that_end_in_one_number_are_not_made_one_frame(tmp_path):
    people = {"people": [{"pose_keypoints_2d": np.ones(75).tolist()}]}
    for t in range(3):
        save(tmp_path / f"{t:04d}_pose_v2.json", people)
    with pytest.raises(
        InputError,
        match=r"frames: expected names that end in numbers of their own, "
        r"found 0000_pose_v2.* and 0001_pose_v2.*, both 2",
    ):
        io.read(tmp_path, fps=30, size=(1000, 1000))


def test_images_of_two_videos_are_not_made_one(tmp_path):
    content = {
        "images": [
            {"id": i, "file_name": name} for i, name in enumerate(("a/0000.jpg", "b/0000.jpg"))
        ],
        "annotations": [{"image_id": i, "keypoints": np.ones(51).tolist()} for i in range(2)],
    }
    with pytest.raises(InputError, match=r"a/0000.jpg and b/0000.jpg, both 0"):
        io.read(save(tmp_path / "a.json", content), fps=30, size=(1000, 1000))


def test_rates_and_confidence_in_a_pickle_need_be_no_arrays(tmp_path):
    joints = np.random.default_rng(0).normal(scale=0.3, size=(40, 17, 3))
    content = {"joints": joints, "fps": 60, "confidence": np.full((40, 17), 0.3).tolist()}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    (found,) = io.read(tmp_path / "a.pkl")
    assert found.fps == 60 and (found.confidence == 0.3).all()


def test_a_score_above_one_is_no_depth(tmp_path):
    points = np.concatenate([midway(), np.full((40, 17, 1), 0.9)], -1)
    points[3, 4, 2] = 1.01
    np.save(tmp_path / "a.npy", points)
    (found,) = io.read(tmp_path / "a.npy", fps=30)
    assert isinstance(found, Keypoints2D) and found.confidence.max() == 1


def test_frames_are_numbered_though_nobody_is_in_the_first(tmp_path):
    marks = np.random.default_rng(0).uniform(0, 1, (33, 4)).tolist()
    content = [None] + [
        {"frame": 10 * i, "timestamp_ms": 400 * i, "landmarks": marks} for i in range(1, 6)
    ]
    with pytest.raises(InputError, match="frame: expected a frame number"):
        io.read(save(tmp_path / "a.json", content), size=(640, 480))
    content[0] = {"frame": 0, "timestamp_ms": 0}
    (found,) = io.read(save(tmp_path / "b.json", content), size=(640, 480))
    assert found.fps == 25 and len(found) == 51
