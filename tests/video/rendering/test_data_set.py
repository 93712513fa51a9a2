"""The data set of rendered people goes on from what is published, and counts what it cost."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from stride_nb.batch.engine import Engine
from stride_nb.batch.mapping import map_items
from stride_nb.datasets import synthetic
from stride_nb.datasets.cmu import find_clip_file
from stride_nb.datasets.rendered import Footage, Take, read_takes, write_takes
from stride_nb.errors import InputError
from stride_nb.poses.geometry import look_at
from stride_nb.video.rendering import data_set
from stride_nb.video.rendering.data_set import make_data_set, plan_jobs, run_job, unpack_clips

ESTIMATORS = ("mediapipe_full", "mediapipe_heavy")


@pytest.fixture(autouse=True)
def motion(monkeypatch):
    """Clips of our own in place of CMU's."""

    def load(split, fps):
        clips = synthetic.load(split, clips=4, seconds=6, fps=fps)
        return [clip.replace(name=f"cmu_0{i}_01") for i, clip in enumerate(clips)]

    monkeypatch.setattr(data_set.cmu, "load", load)


def make_takes(job, rng):
    """What a job would yield, without rendering."""
    truth = rng.normal(0, 0.3, (job.frames, 17, 3)) + (0, 0, 4)
    R, t = look_at((0, 1.5, 4), (0, 1, 0))
    still = np.broadcast_to(R, (job.frames, 3, 3)), np.broadcast_to(t, (job.frames, 3))
    footage = Footage(
        f"{job.motion}_{job.first}_r{job.index}", "cmu_01", 25.0, (640, 720), 900.0, (320.0, 360.0),
        False, {}, job.seed, truth, np.zeros((job.frames, 17), bool), *still,
    )  # fmt: skip
    seen = np.zeros((job.frames, 17), bool), truth, truth[..., :2], np.ones((job.frames, 17))
    return [
        Take(footage, occluder, (0, 0, 640, 720), seen[0], name, *seen[1:])
        for occluder in job.occluders
        for name in job.estimators
    ]


def test_more_minutes_go_on_from_the_published_file(tmp_path, monkeypatch):
    rng, out, work = np.random.default_rng(0), tmp_path / "out", tmp_path / "work"
    out.mkdir()
    jobs = plan_jobs("train", 1.0, ESTIMATORS)
    write_takes(out / "rendered_train.npz", [t for job in jobs[:-1] for t in make_takes(job, rng)])
    rendered = []

    def stand_in(job, folder):
        path = folder / job.split / f"{job.index:04d}.npz"
        if not path.is_file():
            rendered.append(job.index)
            write_takes(path, make_takes(job, rng))
            path.with_suffix(".seconds").write_text(f"{2 * job.frames * 4 / 25}\n")
        return path

    monkeypatch.setattr(data_set, "run_job", stand_in)
    monkeypatch.setattr(data_set, "_hash_model", lambda name: "")
    monkeypatch.setattr(data_set, "version", lambda name: "0")
    path, card = make_data_set("train", 1.0, ESTIMATORS, work, out)
    assert rendered == [jobs[-1].index]
    names = {take.footage.name for take in read_takes(path)}
    assert len(names) == len(jobs)
    assert '"cpu_seconds_per_video_second": 2.0' in card.read_text()


def test_what_the_working_folder_has_is_not_replaced(tmp_path):
    rng = np.random.default_rng(0)
    (job,) = plan_jobs("train", 0.01, ESTIMATORS)
    takes = make_takes(job, rng)
    write_takes(tmp_path / "rendered_train.npz", takes)
    own = [replace(take, joints=take.joints + 1) for take in takes]
    (tmp_path / "train").mkdir()
    write_takes(tmp_path / "train" / "0000.npz", own)
    unpack_clips(tmp_path / "rendered_train.npz", tmp_path, "train")
    back = next(iter(read_takes(tmp_path / "train" / "0000.npz")))
    np.testing.assert_allclose(back.joints, own[0].joints, atol=1e-3)


def test_clips_are_the_same_wherever_they_are_made(tmp_path, monkeypatch):
    """In other processes, too; there nothing is in place of CMU's motion."""
    for module in ("anny", "pyvista", "mediapipe"):
        pytest.importorskip(module, reason="needs the extra render")
    monkeypatch.undo()
    try:
        find_clip_file("cmu_h36m17_val.npz")
    except InputError as error:
        pytest.skip(str(error))
    jobs = [
        replace(job, frames=12, occluders=("none",))
        for job in plan_jobs("val", 0.1, ESTIMATORS[:1])
    ]
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, engine in ((here, Engine()), (there, Engine(workers=2))):
        map_items(partial(run_job, folder=folder), jobs[:2], engine)
    for job in jobs[:2]:
        pair = [read_takes(folder / "val" / f"{job.index:04d}.npz") for folder in (here, there)]
        for one, other in zip(*pair, strict=True):
            np.testing.assert_array_equal(one.joints, other.joints)
            np.testing.assert_array_equal(one.pixels, other.pixels)
