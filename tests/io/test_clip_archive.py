"""The file format of prepared clips: there and back, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb.errors import InputError
from stride_nb.io.clip_archive import METRES_PER_STEP, Label, read_clips, read_labels, write_clips
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17

QUICK = settings(max_examples=30, deadline=None)


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 2**32), st.floats(-50, 50)
)
@QUICK
def test_clips_come_back_within_half_a_step_and_then_exactly(tmp_path_factory, lengths, seed, away):
    path, rng = tmp_path_factory.getbasetemp() / "clips.npz", np.random.default_rng(seed)
    clips = [
        PoseSequence(away + rng.uniform(-0.8, 0.8, (n, 17, 3)), fps=50, name=f"cmu_01_{i}")
        for i, n in enumerate(lengths)
    ]
    labels = [Label("cmu_01", "jump, land", "a/b", 60.0, "daz")] * len(clips)
    write_clips(path, clips, labels)
    once = read_clips(path)
    assert [(c.name, c.fps) for c in once] == [(c.name, 50) for c in clips] and read_labels(
        path
    ) == labels
    assert all(
        np.abs(a.joints - b.joints).max() <= METRES_PER_STEP / 2 + 1e-6
        for a, b in zip(once, clips, strict=True)
    )
    write_clips(path, once, labels)
    assert all(
        np.array_equal(a.joints, b.joints) for a, b in zip(once, read_clips(path), strict=True)
    )


@pytest.fixture
def clip() -> PoseSequence:
    return PoseSequence(
        np.random.default_rng(0).uniform(-0.5, 0.5, (9, 17, 3)), fps=50, name="cmu_01_01"
    )


@pytest.mark.parametrize(
    "key",
    [
        "rel",
        "root",
        "offsets",
        "fps",
        "scale",
        "joints",
        "fps_src",
        "clip_id",
        "subject",
        "action",
        "source",
        "kind",
    ],
)
def test_a_file_that_lacks_a_key_or_holds_it_wrongly_is_refused(tmp_path, clip, key):
    path = tmp_path / "clips.npz"
    write_clips(path, [clip], [Label("cmu_01")])
    data = dict(np.load(path))
    for content in (None, np.zeros((2, 5, 1)), np.array(["nan"] * 3, dtype=object)):
        np.savez(
            path,
            **{k: v for k, v in data.items() if k != key}
            | ({} if content is None else {key: content}),
        )
        with pytest.raises(InputError) as caught:
            read_clips(path)
        expected = "keys" if content is None else "file" if content.dtype == object else key
        assert (caught.value.where, caught.value.field) == (str(path), expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("offsets", [0, 8]),
        ("offsets", [1, 9]),
        ("fps", -50.0),
        ("scale", np.nan),
        ("fps", np.inf),
        ("joints", list(H36M17.joints)),
    ],
)
def test_wrong_values_are_refused(tmp_path, clip, key, value):
    path = tmp_path / "clips.npz"
    write_clips(path, [clip], [Label("cmu_01")])
    np.savez(path, **dict(np.load(path)) | {key: np.array(value)})
    with pytest.raises(InputError) as caught:
        read_clips(path)
    assert key in caught.value.field


@given(st.integers(0, 3000), st.binary(max_size=30))
@QUICK
def test_a_damaged_file_is_read_or_refused_in_one_way(tmp_path_factory, at, junk):
    folder = tmp_path_factory.getbasetemp()
    write_clips(
        folder / "whole.npz", [PoseSequence(np.full((3, 17, 3), 0.25), name="x")], [Label("cmu_01")]
    )
    content = (folder / "whole.npz").read_bytes()
    for damaged in (content[:at], content[:at] + junk + content[at + len(junk) :], junk):
        (folder / "damaged.npz").write_bytes(damaged)
        error = clips = None
        try:
            clips = read_clips(folder / "damaged.npz")
        except InputError as refusal:
            error = refusal
        if error:
            assert error.where.endswith("damaged.npz")
        else:
            assert np.allclose(clips[0].joints, 0.25, atol=1)


def test_a_file_has_the_name_that_was_asked_for_and_no_other(tmp_path, clip):
    for name in ("clips", "clips.NPZ"):
        write_clips(tmp_path / name, [clip], [Label("cmu_01")])
        assert read_labels(tmp_path / name) == [Label("cmu_01")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "clips.NPZ"]


def test_what_the_format_cannot_hold_is_refused_and_nothing_written(tmp_path, clip):
    path, label = tmp_path / "clips.npz", Label("cmu_01")
    lost, far = clip.joints.copy(), clip.joints.copy()
    lost[3, 4], far[2, 16] = np.nan, 9.0
    for clips, field in [
        ([], "clips"),
        ([clip.replace(joints=lost)], "clip cmu_01_01"),
        ([clip, clip.replace(fps=60)], "fps"),
        ([clip.replace(joints=far)], "clip cmu_01_01"),
    ]:
        with pytest.raises(InputError) as caught:
            write_clips(path, clips, [label] * len(clips))
        assert caught.value.field == field
    assert list(tmp_path.iterdir()) == []
