"""One call for poses and pixels; the commands from a clip to files."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb import io
from stride_nb.cli import main
from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence
from stride_nb.video.estimators.registry import ESTIMATORS
from stride_nb.video.frames import probe_video
from stride_nb.video.reading import read_poses
from tests.video.conftest import FPS, ScriptedEstimator, make_frames, make_walk


@pytest.fixture
def scripted(monkeypatch):
    """The estimator ``scripted``, which follows a walk of 80 frames."""
    made = []

    def make(max_people):
        made.append(ScriptedEstimator([[p] for p in make_walk(80)]))
        return made[-1]

    monkeypatch.setitem(ESTIMATORS, "scripted", make)
    return made


def test_a_file_of_poses_goes_the_old_way(tmp_path):
    poses = PoseSequence(np.random.default_rng(0).normal(size=(9, 17, 3)))
    poses.save(tmp_path / "walk.npz")
    found, tracks = read_poses(tmp_path / "walk.npz")
    assert found.format == "arrays" and np.array_equal(tracks[0].joints, poses.joints)


def test_a_video_goes_through_the_estimator(play, scripted):
    found, tracks = read_poses(play(make_frames(40)), estimator="scripted", fps=25.0)
    assert found.format == "scripted" and len(tracks[0]) == 40 and len(scripted) == 1


def test_what_a_video_says_itself_is_not_taken_from_options(play, scripted):
    path = play(make_frames(40))
    with pytest.raises(InputError, match=r"options: expected none .* found size, skeleton"):
        read_poses(path, size=(1, 1), skeleton="coco17", estimator="scripted")
    with pytest.raises(InputError, match="fps: expected 25, as the file says"):
        read_poses(path, fps=30.0, estimator="scripted")


def test_estimate_keeps_image_and_space_in_one_file(play, scripted, tmp_path, capsys):
    out = tmp_path / "est.npz"
    assert main(["estimate", str(play(make_frames(40))), str(out), "--estimator", "scripted"]) == 0
    assert "no path" in capsys.readouterr().err
    (back,) = io.read(out)
    assert np.allclose(back.keypoints.pixels, [p.pixels for p in make_walk(80)[:40]], atol=1e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "est.npz"]


def test_an_interrupted_refinement_leaves_its_estimates_and_no_output(
    play, scripted, tmp_path, monkeypatch, capsys
):
    path, out = play(make_frames(80)), tmp_path / "out.npz"
    arguments = ["refine", str(path), str(out), "--method", "linear", "--estimator", "scripted"]

    def press_ctrl_c(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(io, "write_refined", press_ctrl_c)
        assert main(arguments) == 130
    assert not out.exists() and (tmp_path / ".out.npz.estimates").is_file()
    assert main(arguments) == 0
    assert 49 <= len(scripted[1].seen) <= 52  # the warm-up alone
    (back,) = io.read(out)
    assert len(back) == 80 and not back.missing.any()
    assert not (tmp_path / ".out.npz.estimates").exists()


def test_overlay_options_are_checked_before_any_work(tmp_path, capsys):
    poses = tmp_path / "walk.npz"
    PoseSequence(np.ones((9, 17, 3))).save(poses)
    out = str(tmp_path / "out.npz")
    for overlay, message in (("o.mp4", "expected a video"), ("o.gif", "a name ending in .mp4")):
        assert main(["refine", str(poses), out, "--overlay", str(tmp_path / overlay)]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()


def test_refine_with_overlay_from_a_file_of_pixels(write_clip, scripted, tmp_path, capsys):
    pytest.importorskip("cv2", reason='OpenCV: pip install "stride-nb[video]"')
    images = [np.full((96, 160, 3), number, np.uint8) for number in range(40)]
    clip = write_clip("clip.mp4", images, codec="libx264rgb", pix_fmt="rgb24")
    out, overlay = tmp_path / "out.bvh", tmp_path / "overlay.mp4"
    arguments = ["refine", str(clip), str(out), "--overlay", str(overlay), "--method", "gaussian"]
    assert main([*arguments, "--estimator", "scripted"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-2:] == [str(out), str(overlay)]
    assert "axes with" not in printed.err
    described = probe_video(overlay)
    assert described.frames == 40 and described.fps == FPS and described.size == (320, 96)
