"""The road from a user's file to files for other tools, and what becomes of the person's path on
it."""

from pathlib import Path

import numpy as np
import pytest

from book.tools.run_notebook import run_notebook
from stride_nb import datasets, io
from stride_nb.datasets.example_detections import write_example_detections
from stride_nb.errors import InputError
from stride_nb.evaluation.missing_data import describe_root_path, report_missing_data
from stride_nb.io import bvh_reader
from stride_nb.models.registry import load_model
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement.refine import refine

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "07_your_poses.ipynb"


def have_weights():
    try:
        return all(map(load_model, ("prior", "lifter")))
    except InputError:
        return False


weights = pytest.mark.skipif(not have_weights(), reason="no weights in data/weights")


def test_the_example_has_everything_that_goes_wrong(tmp_path):
    truth = write_example_detections(tmp_path / "my.json", seed=3)
    found = io.read(tmp_path / "my.json", fps=30, size=(1000, 1000))
    tracks = io.fix_track_ids(found)
    assert [len(s) for s in (truth, found, tracks)] == [2, 2, 2] and {len(s) for s in tracks} == {
        240
    }
    for track, before, person in zip(tracks, found, truth):
        changed = (track.confidence != before.confidence).any(1)
        assert changed.sum() == 30 and not changed[:105].any() and not changed[135:].any()
        told = report_missing_data(track.to("h36m17"))
        assert max(length for _, length in told.lost) >= 0.5 and max(told.unsure.values()) > 0.1
        assert person.joints[..., 2].min() > 1


@weights
def test_a_file_with_two_people_becomes_bvh_and_npz(tmp_path):
    write_example_detections(tmp_path / "my.json", seed=1)
    run_notebook(
        NOTEBOOK,
        tmp_path / "out.ipynb",
        {
            "poses": str(tmp_path / "my.json"),
            "fps": 30,
            "out": str(tmp_path / "refined.bvh"),
            "method": "prior",
            "width": 1000,
            "height": 1000,
        },
    )
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "my.json",
        "out.ipynb",
        "refined_1.bvh",
        "refined_2.bvh",
        "refined_1.npz",
        "refined_2.npz",
    }
    for i in (1, 2):
        person = PoseSequence.load(tmp_path / f"refined_{i}.npz")
        animation = bvh_reader.read_bvh(tmp_path / f"refined_{i}.bvh")
        assert (
            len(person) == len(animation) == 240 and not person.missing.any() and person.fps == 30
        )
        assert io.estimate_up_axis(person) == "y" and person.joints[..., 1].min() == pytest.approx(
            0
        )
        joints = animation.compute_positions()[
            :, [animation.names.index(name) for name in person.skeleton.joints]
        ]
        # Bones of one length in the one, bones that breathe in the other.
        assert np.linalg.norm(joints - person.joints, axis=-1).mean() < 0.02


@pytest.mark.parametrize("method", ["linear", "rts", pytest.param("prior", marks=weights)])
def test_a_path_is_kept_filled_and_smoothed(tmp_path, method):
    """A walker (world, y up) whose whole body is lost for half a second, and whose estimates
    jitter."""
    truth = datasets.load("synthetic", "test", clips=1, seconds=5, fps=30)[0]
    seen = truth.joints + np.random.default_rng(0).normal(0, 0.01, truth.joints.shape)
    seen[60:75] = np.nan
    io.write(tmp_path / "walk.npz", PoseSequence(seen, fps=30, name="walk"))
    (given,) = io.read(tmp_path / "walk.npz")
    assert describe_root_path(given) == "kept"
    back = io.rotate_to_y_up(refine(io.rotate_to_camera_axes(given), method).sequence, up="-y")
    moved = (back.joints - truth.joints)[:, 0]
    moved -= moved[:1] * (0, 1, 0)  # it is set down on the floor
    assert np.linalg.norm(moved, axis=-1).max() < 0.1 and describe_root_path(back) == "kept"
    assert np.ptp(truth.joints[:, 0, [0, 2]], axis=0).max() > 2  # it went somewhere
    if method != "linear":

        def jerk(joints):
            return np.abs(np.diff(joints[:, 0], 2, axis=0)).mean()

        assert jerk(back.joints) < 0.5 * jerk(np.nan_to_num(seen, nan=0)[:60])


def test_no_path_is_said_to_be_absent():
    walk = datasets.load("synthetic", "test", clips=1, seconds=3)[0]
    still = refine(io.rotate_to_camera_axes(walk.root_relative()), "linear").sequence
    assert describe_root_path(walk.root_relative()).startswith("absent") and describe_root_path(
        still
    ).startswith("absent")
