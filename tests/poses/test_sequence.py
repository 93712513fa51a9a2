"""Promises of PoseSequence and Keypoints2D."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import InputError, Keypoints2D, PoseSequence
from stride_nb.poses.sequence import resample_like, stitch, window_starts
from stride_nb.poses.streaming import open_streamed


def random_sequence(seed=0, frames=40, missing=0.2, **fields):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.1, 1, (frames, 17)) * (rng.random((frames, 17)) > missing)
    return PoseSequence(rng.normal(size=(frames, 17, 3)), confidence, **fields)


def same(a, b):
    np.testing.assert_allclose(a.joints, b.joints, atol=1e-12)
    np.testing.assert_allclose(a.confidence, b.confidence, atol=1e-12)


@pytest.mark.parametrize("fps", [25, 100, 120, 240])
def test_resampling_says_no_more_before_and_after_a_joint_than_at_its_ends(fps):
    """A cubic through noise runs away beyond it, the farther the more frames there are."""
    x = np.random.default_rng(0).normal(scale=0.01, size=(40 * fps // 25, 17, 3))
    x[: len(x) // 3 + 1, 3] = x[-len(x) // 3 :, 3] = np.nan
    found = PoseSequence(x, fps=fps).resample(50).joints[:, 3]
    assert np.nanmax(np.abs(found)) < 0.06


@pytest.mark.parametrize("wrong", [np.zeros((5, 16, 2)), np.full((5, 17, 2), np.inf)])
def test_keypoints_are_blamed_by_the_name_of_their_field(wrong):
    with pytest.raises(InputError, match="Keypoints2D: pixels: expected"):
        Keypoints2D(wrong)


def test_missing_is_marked_both_ways():
    x = np.ones((3, 17, 3))
    x[0, 4, 1] = np.nan
    c = np.ones((3, 17))
    c[2, 5] = 0
    s = PoseSequence(x, c)
    assert (
        s.confidence[0, 4] == 0
        and np.isnan(s.joints[2, 5]).all()
        and np.isnan(s.joints[0, 4]).all()
    )
    assert s.missing.sum() == 2


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"joints": np.ones((17, 3))}, r"shape \(T ≥ 1, 17, 3\), found \(17, 3\)"),
        ({"joints": np.ones((0, 17, 3))}, "T ≥ 1"),
        ({"joints": np.full((2, 17, 3), np.inf)}, "infinity"),
        ({"joints": np.ones((2, 17, 3)), "confidence": np.full((2, 17), 1.2)}, r"\[0, 1\]"),
        ({"joints": np.ones((2, 17, 3)), "confidence": np.full((2, 17), np.nan)}, r"\[0, 1\]"),
        ({"joints": np.ones((2, 17, 3)), "confidence": np.ones((2, 16))}, r"shape \(2, 17\)"),
        ({"joints": np.ones((2, 17, 3)), "fps": 0}, "positive"),
        ({"joints": [[[1.0, 2, 3]] * 17, [[1.0, 2, 3]] * 16]}, "joints: expected numbers"),
        ({"joints": "walk.npz"}, "joints: expected numbers"),
        (
            {"joints": np.ones((2, 17, 3)), "confidence": [[1.0] * 17, [1.0]]},
            "confidence: expected numbers",
        ),
    ],
)
def test_bad_fields_are_named(fields, said):
    with pytest.raises(InputError, match=said):
        PoseSequence(**fields)


@pytest.mark.parametrize("fps", [0, -25, np.nan, np.inf, None, "30", [30], [30, [25]], 30j])
def test_a_rate_that_is_none_is_named(fps):
    s = random_sequence()
    for wrong in (
        lambda: PoseSequence(s.joints, fps=fps),
        lambda: Keypoints2D(s.joints[..., :2], fps=fps),
        lambda: s.resample(fps),
    ):
        with pytest.raises(InputError, match="fps: expected a positive number from"):
            wrong()


@pytest.mark.parametrize(
    "size",
    [
        (np.inf, 3),
        (np.nan, 3),
        (0, 3),
        (0.5, 3),
        (640,),
        (1, 2, 3),
        640,
        None,
        "big",
        (640, [480, 2]),
    ],
)
def test_an_image_without_a_size_is_named(size):
    with pytest.raises(InputError, match="size: expected"):
        Keypoints2D(np.ones((2, 17, 2)), size=size)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0, 1))
def test_mirror_twice_and_files_change_nothing(tmp_path_factory, seed, frames, missing):
    s = random_sequence(seed, frames, missing, fps=29.97, name="Zoë")
    same(s.mirror().mirror(), s)
    path = tmp_path_factory.mktemp("npz") / "s.npz"
    s.save(path)
    back = PoseSequence.load(path)
    np.testing.assert_array_equal(back.joints, s.joints)
    np.testing.assert_array_equal(back.confidence, s.confidence)
    assert (back.fps, back.skeleton, back.name) == (s.fps, s.skeleton, s.name)


def test_keypoints_come_back_from_files(tmp_path):
    k = Keypoints2D(
        np.random.default_rng(0).normal(size=(6, 17, 2)), fps=30, size=(640, 480), name="k"
    )
    k.save(tmp_path / "k.npz")
    back = Keypoints2D.load(tmp_path / "k.npz")
    np.testing.assert_array_equal(back.pixels, k.pixels)
    assert (back.size, back.fps, back.name) == ((640, 480), 30, "k")


@pytest.mark.parametrize("name", ["refined", "out.NPZ", "out.npz", "out.v2"])
def test_a_file_has_the_name_that_was_asked_for_and_no_other(tmp_path, name):
    s, k = random_sequence(name="Zoë"), Keypoints2D(np.ones((6, 17, 2)))
    for track in (s, k):
        track.save(tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert type(track).load(tmp_path / name).name == track.name


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(1, 30), st.integers(1, 30), st.floats(0, 0.9))
def test_stitching_windows_gives_the_sequence_back(frames, length, stride, missing):
    stride = min(stride, length)
    s = random_sequence(3, frames, missing)
    same(stitch(s.window(length, stride), window_starts(frames, length, stride)), s)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([25.0, 30.0, 60.0, 100.0, 120.0]), st.floats(0.5, 6.0))
def test_resampling_there_and_back(fps, hertz):
    hertz = min(hertz, min(fps, 50) / 8)
    t = np.arange(200) / 50
    wave = np.sin(2 * np.pi * hertz * t)[:, None, None] * np.ones((1, 17, 3))
    back = PoseSequence(wave, fps=50).resample(fps).resample(50)
    inner = slice(10, min(len(back), 200) - 10)
    assert np.abs(back.joints[inner] - wave[: len(back)][inner]).max() < 0.01


def test_keypoints_resample_and_cut_like_sequences():
    k = Keypoints2D(np.random.default_rng(0).normal(size=(51, 17, 2)), fps=25)
    twice = k.resample(50)
    assert len(twice) == 101 and twice.fps == 50
    np.testing.assert_allclose(twice.pixels[::2], k.pixels, atol=1e-9)
    np.testing.assert_array_equal(k[3:9].pixels, k.pixels[3:9])


def test_resampling_keeps_gaps_and_time():
    c = np.ones((101, 17))
    c[40:60, 3] = 0
    s = PoseSequence(np.random.default_rng(0).normal(size=(101, 17, 3)), c, fps=50).resample(25)
    assert len(s) == 51 and s.seconds[-1] == 2.0
    assert s.missing[20:30, 3].all() and s.missing.sum() == 10


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["raw", "cut", "fields"]), st.integers(0, 10**6))
def test_malformed_files_give_one_clear_error(tmp_path_factory, junk, how, seed):
    path = tmp_path_factory.mktemp("bad") / "bad.npz"
    rng = np.random.default_rng(seed)
    if how == "raw":
        path.write_bytes(junk)
    elif how == "cut":
        random_sequence(seed, 5).save(path)
        path.write_bytes(path.read_bytes()[: rng.integers(0, 900)])
    else:
        np.savez(
            path,
            joints=np.array(["a", "b"]) if seed % 2 else rng.normal(size=rng.integers(0, 4, 3)),
            fps="x",
        )
    with pytest.raises(InputError, match=r"bad\.npz"):
        PoseSequence.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "s.npz"
    random_sequence(0).save(path)
    before = path.read_bytes()
    monkeypatch.setattr(
        np, "savez_compressed", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        random_sequence(1).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "fps, new",
    [(24, 50), (30, 50), (29.97, 50), (60, 50), (100, 50), (120, 50), (50, 30), (50, 24)],
)
def test_resampling_loses_nothing_that_was_seen(fps, new):
    """A frame alone among lost ones is still there at the other rate, at most half a period of the
    slower one away."""
    for frame in range(13):
        c = np.zeros((13, 17))
        c[frame] = 0.7
        s = PoseSequence(np.full((13, 17, 3), 2.0), c, fps=fps).resample(new)
        seen = np.flatnonzero(~s.missing.any(1))
        assert 1 <= len(seen) <= np.ceil(new / fps) + 1 and (s.confidence[seen] == 0.7).all()
        late = frame / fps - s.seconds[-1]  # frames beyond the last new one are taken by that
        assert np.abs(s.seconds[seen] - frame / fps).max() <= max(0.5 / min(fps, new), late) + 1e-9
        np.testing.assert_array_equal(s.joints[seen], 2.0)


@pytest.mark.parametrize("fps, new", [(24, 50), (30, 50), (60, 50), (120, 50)])
def test_resampling_keeps_as_much_missing_as_there_was(fps, new):
    rng = np.random.default_rng(0)
    c = np.where(rng.random((1000, 17)) < 0.4, 0, 0.8)
    s = PoseSequence(np.zeros((1000, 17, 3)), c, fps=fps).resample(new)
    share = s.missing.mean()
    # several frames in one: any of them will do
    assert share <= 0.4 + 0.02 and (share > 0.38 or fps > new)


def test_saving_to_a_link_replaces_what_it_leads_to_and_keeps_the_link(tmp_path):
    (tmp_path / "store").mkdir()
    link, target = tmp_path / "walk.npz", tmp_path / "store" / "walk.npz"
    link.symlink_to(target)
    for seed in range(2):  # nothing there yet, then something
        poses = random_sequence(seed)
        poses.save(link)
        assert link.is_symlink() and not target.is_symlink()
        same(PoseSequence.load(target), poses)
    assert [path.name for path in target.parent.iterdir()] == ["walk.npz"]


def make_seen_walk(frames=40, fps=25.0, start=100):
    """A sequence with its keypoints in the image."""
    rng = np.random.default_rng(0)
    pixels = (
        rng.uniform(0, 640, (frames, 17, 2)).cumsum(0) / np.arange(1, frames + 1)[:, None, None]
    )
    keypoints = Keypoints2D(pixels, fps=fps, size=(640, 720), start=start)
    joints = rng.normal(size=(frames, 17, 3)).cumsum(0)
    return PoseSequence(joints, fps=fps, start=start, keypoints=keypoints)


def test_the_first_frames_number_is_kept():
    walk = make_seen_walk()
    assert walk[7:].start == 107
    assert walk[7:].keypoints.start == 107
    assert walk.resample(50).start == 200
    assert resample_like(walk, walk.resample(30)).start == 100
    with pytest.raises(InputError, match="start: expected a whole number"):
        walk.replace(start=0.5)


def test_keypoints_go_with_the_poses(tmp_path):
    walk = make_seen_walk()
    assert np.array_equal(walk[3:9].keypoints.pixels, walk.keypoints.pixels[3:9])
    double = walk.resample(50)
    np.testing.assert_allclose(double.keypoints.pixels[::2], walk.keypoints.pixels)
    back = walk.mirror().mirror()
    np.testing.assert_allclose(back.keypoints.pixels, walk.keypoints.pixels)
    walk.save(tmp_path / "walk.npz")
    loaded = PoseSequence.load(tmp_path / "walk.npz")
    assert np.array_equal(loaded.keypoints.pixels, walk.keypoints.pixels)
    assert (loaded.start, loaded.keypoints.start, loaded.keypoints.size) == (100, 100, (640, 720))
    with pytest.raises(InputError, match="keypoints: expected as many frames as joints"):
        walk.replace(keypoints=walk.keypoints[:5])


def test_a_streamed_sequence_keeps_the_first_frames_number(tmp_path):
    walk = make_seen_walk()
    walk.save(tmp_path / "walk.npz")
    with open_streamed(tmp_path / "walk.npz") as streamed:
        assert streamed[5:9].start == 105
        double = streamed.resample(50)
        assert (double.start, double[10:12].start) == (200, 210)
        back = resample_like(streamed, double)
        assert (back.start, back[3:5].start) == (100, 103)
        back.save(tmp_path / "back.npz")
    assert PoseSequence.load(tmp_path / "back.npz").start == 100


@pytest.mark.parametrize("fps", [1e-320, 1e-5, 0.09, 10_001, 1e300])
def test_a_rate_that_no_camera_has_is_refused_before_it_fills_the_memory(fps):
    with pytest.raises(InputError, match=r"fps: expected a positive number from 0\.1 to 10000"):
        PoseSequence(np.zeros((30, 17, 3)), fps=fps)
