"""Human3.6M's file: what is refused, how clips are cut, units, and the protocol's means."""

import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import InputError, datasets
from stride_nb.datasets import h36m
from stride_nb.datasets.h36m import FrameNames, H36MClips, cut_clips
from stride_nb.evaluation import h36m_protocol
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.training import h36m_task

LENGTHS = {"train": [30, 12, 25], "test": [21, 20, 9, 33]}
TEST_SOURCES = [
    "s_09_act_02_subact_01_ca_01",
    "s_09_act_05_subact_02_ca_02",
    "s_11_act_02_subact_01_ca_03",
    "s_11_act_05_subact_02_ca_04",
]
CAMERAS = ["54138969", "55011271", "58860488", "60457274"]


def split_fields(rng, lengths, sources) -> dict:
    """Fields of one split, consistent: millimetres are the labels times the factor."""
    n, which = sum(lengths), np.repeat(np.arange(len(lengths)), lengths)
    image = (500 + 100 * rng.normal(size=(n, 17, 3))).astype(np.float32)
    factor = rng.uniform(3, 5, n)
    return {
        "joint_2d": image[..., :2].astype(float),
        "confidence": rng.random((n, 17)),
        "joint3d_image": image,
        "joints_2.5d_image": (image * factor[:, None, None]).astype(np.float32),
        "2.5d_factor": factor,
        "camera_name": [CAMERAS[i] for i in which],
        "source": [sources[i] for i in which],
        "action": [("walking", "sitting")[i % 2] for i in which],
    }


@pytest.fixture
def content():
    rng = np.random.default_rng(0)
    return {
        "train": split_fields(rng, LENGTHS["train"], ["s_01_a", "s_01_b", "s_05_a"]),
        "test": split_fields(rng, LENGTHS["test"], TEST_SOURCES),
    }


@pytest.fixture
def write(tmp_path, content):
    def write(protocol=4):
        path = tmp_path / "h36m.pkl"
        path.write_bytes(pickle.dumps(content, protocol))
        return path

    return write


@pytest.fixture
def data(write):
    return h36m.read_h36m(write(), "test")


# Reading


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_reads_the_same(write, content, protocol):
    data = h36m.read_h36m(write(protocol), "train")
    np.testing.assert_array_equal(data.pixels, content["train"]["joint_2d"])
    np.testing.assert_array_equal(data.image, content["train"]["joint3d_image"])
    assert [data.source[i] for i in range(len(data))] == content["train"]["source"]


def test_without_confidence_it_is_1(write, content):
    with_it = h36m.read_h36m(write(), "train").inputs(slice(None))
    np.testing.assert_array_equal(
        with_it[..., 2], content["train"].pop("confidence").astype(np.float32)
    )
    without = h36m.read_h36m(write(), "train").inputs(slice(None))
    assert (without[..., 2] == 1).all() and (without[..., :2] == with_it[..., :2]).all()


def test_confidence_with_a_last_axis_of_1_and_names_in_arrays_are_the_same(write, content):
    plain = h36m.read_h36m(write(), "train")
    content["train"]["confidence"] = content["train"]["confidence"][..., None]
    content["train"]["source"] = np.array(content["train"]["source"])
    content["train"]["action"] = np.array(content["train"]["action"], dtype=object)
    other = h36m.read_h36m(write(), "train")
    assert other.source.names == plain.source.names and other.action.names == plain.action.names
    np.testing.assert_array_equal(other.inputs(slice(None)), plain.inputs(slice(None)))


BROKEN = {
    "joint_2d": [
        None,
        "text",
        [[1, 2]],
        np.zeros((67, 17, 3)),
        np.zeros((67, 16, 2)),
        np.zeros(3),
        np.zeros(()),
        np.full((67, 17, 2), np.nan),
        np.zeros((67, 17, 2), complex),
        np.zeros((0, 17, 2)),
        np.full((67, 17, 2), "1"),
    ],
    "confidence": ["text", np.zeros((67, 16)), np.zeros((66, 17)), np.full((67, 17), np.inf)],
    "joint3d_image": [
        None,
        np.zeros((67, 17, 2)),
        np.zeros((66, 17, 3)),
        np.full((67, 17, 3), np.inf),
    ],
    "joints_2.5d_image": [None, np.zeros((67, 17)), np.zeros((68, 17, 3))],
    "2.5d_factor": [None, 3.0, np.zeros(66), np.zeros((67, 1)), np.full(67, np.nan)],
    "camera_name": [None, ["54138969"] * 66, ["1"] * 67, [54138969] * 67, "5" * 67, np.zeros(67)],
    "source": [None, ["a"] * 68, [None] * 67, [["a"]] * 67],
    "action": [None, ["a"], {"a": 1}],
}


@pytest.mark.parametrize(
    "field, value",
    [(f, v) for f, values in BROKEN.items() for v in values],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_a_broken_field_is_named(write, content, field, value):
    if value is None:
        del content["train"][field]
    else:
        content["train"][field] = value
    with pytest.raises(InputError) as error:
        h36m.read_h36m(write(), "train")
    assert error.value.field == field
    assert str(error.value).startswith(str(write())) and "\n" not in str(error.value)


@pytest.mark.parametrize("whole", [[], {}, {"train": []}, {"test": {}}, 3, np.zeros(3)])
def test_another_pickle_is_refused(tmp_path, whole):
    (tmp_path / "other.pkl").write_bytes(pickle.dumps(whole))
    with pytest.raises(InputError, match=r"other.pkl: split: expected 'train'"):
        h36m.read_h36m(tmp_path / "other.pkl", "train")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_truncated_file_is_one_error(tmp_path_factory, data):
    rng = np.random.default_rng(0)
    whole = pickle.dumps(
        {"train": split_fields(rng, [3], ["s"]), "test": {}}, data.draw(st.integers(0, 5))
    )
    path = tmp_path_factory.getbasetemp() / "cut.pkl"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(InputError, match=r"cut.pkl: pickle: expected"):
        h36m.read_h36m(path, "train")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reading_holds_one_copy_of_each_array(tmp_path, protocol):
    fields = split_fields(np.random.default_rng(0), [8000, 4000], ["a", "b"])
    size = sum(v.nbytes for v in fields.values() if isinstance(v, np.ndarray))
    (tmp_path / "large.pkl").write_bytes(pickle.dumps({"train": fields, "test": {}}, protocol))
    del fields
    tracemalloc.start()
    data = h36m.read_h36m(tmp_path / "large.pkl", "train")
    clips = H36MClips(data, 243, 81)
    clips.batch(0, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # pieces of a megabyte, read, decoded and encoded; one batch; the lists of names
    largest_piece = 4 << 20
    assert size <= peak <= size + largest_piece


# Units


def test_image_borders_map_to_plus_minus_one(data):
    """The left border is −1, the right one 1, the middle 0; y in the same scale."""
    frames = np.array([0, 21, 41, 50])  # one of each camera
    sizes = np.array([h36m.IMAGE_SIZES[c] for c in CAMERAS], float)
    data.pixels[frames, 0], data.pixels[frames, 1] = 0, sizes
    data.pixels[frames, 2] = sizes / 2
    x = data.inputs(frames)
    ratio = sizes[:, 1] / sizes[:, 0]
    np.testing.assert_allclose(x[:, 0, :2], np.stack([-np.ones(4), -ratio], -1), atol=1e-7)
    np.testing.assert_allclose(x[:, 1, :2], np.stack([np.ones(4), ratio], -1), atol=1e-6)
    np.testing.assert_allclose(x[:, 2, :2], 0, atol=1e-6)


def test_labels_denormalise_to_the_files_millimetres(data):
    frames = np.arange(len(data)).reshape(1, -1)
    back = data.to_millimetres(data.labels(frames), frames)
    np.testing.assert_allclose(back[0], data.millimetres, rtol=2e-6)


# Clips

RUNS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30)), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(RUNS, st.integers(1, 12), st.integers(1, 15), st.integers(0, 2**32))
def test_clips_never_cross_sources_and_drop_only_what_the_rules_drop(runs, length, stride, seed):
    source = FrameNames.from_list([str(name) for name, n in runs for _ in range(n)])
    clips = cut_clips(source, length, stride, np.random.default_rng(seed))
    assert clips.shape[1] == length
    left, used = list(clips), set()
    for first, end in source.runs():
        n, own = end - first, []
        while left and first <= left[0][0] < end:
            own.append(left.pop(0))
        for clip in own:
            assert first <= clip.min() and clip.max() < end and (np.diff(clip) >= 0).all()
        if n >= length:
            assert [c[0] for c in own] == list(range(first, end - length + 1, stride))
            assert all((np.diff(c) == 1).all() for c in own)
        else:
            assert len(own) == (end < len(source.codes) and source[first] not in used)
        used.add(source[first])
    assert not left


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_a_short_source_is_stretched_evenly(n, more, seed):
    source = FrameNames(np.repeat([0, 1], [n, 1]), ("short", "last"))
    (clip,) = cut_clips(source, n + more, 1, np.random.default_rng(seed))
    assert (np.abs(clip - np.arange(n + more) * n / (n + more)) < 1).all() and clip.max() <= n - 1


def test_resampling_is_seeded():
    data = FrameNames(np.repeat([0, 1], [20, 40]), ("short", "long"))
    a, b, c = (cut_clips(data, 30, 30, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert (a == b).all() and (a[0] != c[0]).any() and (a[1] == c[1]).all()


def test_a_clip_longer_than_everything_is_an_error(data):
    one = h36m.H36M(**{**vars(data), "source": FrameNames(np.zeros(len(data), np.int32), ("one",))})
    with pytest.raises(InputError, match="clips: length"):
        H36MClips(one, 1000)


def test_a_clip_is_its_frames_and_its_depth_starts_at_the_first_root(data):
    clips = H36MClips(data, 8, 4)
    x, y = clips[2]
    labels = data.labels(clips.frames[2])
    np.testing.assert_array_equal(x, data.inputs(clips.frames[2]))
    np.testing.assert_array_equal(y[..., :2], labels[..., :2])
    np.testing.assert_allclose(y[..., 2], labels[..., 2] - labels[0, 0, 2], atol=1e-6)
    assert y[0, 0, 2] == 0 and x.dtype == y.dtype == np.float32
    relative = H36MClips(data, 8, 4, root_relative=True)[2][1]
    np.testing.assert_allclose(relative, labels - labels[:, :1], atol=1e-6)
    many, _ = clips[[2, 0]]
    np.testing.assert_array_equal(many[0], x)


def test_an_epoch_has_every_clip_once_mirrored_together_or_not_at_all(data):
    clips = H36MClips(data, 8, 4)
    plain = {
        x.tobytes(): (i, y) for i, (x, y) in enumerate(map(clips.__getitem__, range(len(clips))))
    }
    seen, mirrored, steps = [], 0, -(-len(clips) // 3)
    for step in range(2 * steps):
        for a, b in zip(*clips.batch(step, 3, seed=1)):
            if a.tobytes() not in plain:
                a, b, mirrored = mirror_joints(a), mirror_joints(b), mirrored + 1
            i, expected = plain[a.tobytes()]
            np.testing.assert_array_equal(b, expected)
            seen.append(i)
    first, second = seen[: len(clips)], seen[len(clips) :]
    assert (
        sorted(first) == sorted(second) == list(range(len(clips)))
        and first != second
        and first != sorted(first)
    )
    assert 0 < mirrored < 2 * len(clips)


def test_batches_are_a_function_of_seed_and_step(data):
    clips = H36MClips(data, 8, 4)
    for a, b in zip(clips.batch(5, 3, seed=1), H36MClips(data, 8, 4).batch(5, 3, seed=1)):
        np.testing.assert_array_equal(a, b)
    assert (clips.batch(0, 3, seed=1)[0] != clips.batch(0, 3, seed=2)[0]).any()
    np.testing.assert_array_equal(np.concatenate([x for x, _ in clips.batches(4)]), clips[:][0])


# Protocol


def test_perfect_answers_score_nothing_wherever_the_root_is(data):
    clips = H36MClips(data, 9, 5)
    shifted = data.labels(clips.frames) + np.float32([0.1, -0.2, 0.3])
    scores = h36m_protocol.evaluate_h36m(clips, shifted)
    assert scores.mpjpe_mm < 1e-2 and scores.p_mpjpe_mm < 1e-2


def test_overlaps_then_frames_then_actions_are_averaged(data):
    """One joint of 17 is off by a distance we choose, so every mean can be worked out by hand."""
    clips = H36MClips(data, 10, 5)
    off = 17 * (1 + np.arange(len(clips), dtype=float))  # mm on one joint = 1 + i mm on average
    predictions = data.labels(clips.frames).astype(float)
    for i, frames in enumerate(clips.frames):
        width = h36m.IMAGE_SIZES[data.camera[frames[0]]][0]
        predictions[i, :, 13, 2] += off[i] / data.factor[frames] * 2 / width
    scores = h36m_protocol.evaluate_h36m(clips, predictions)
    per_frame = {}
    for i, frames in enumerate(clips.frames):
        for f in frames:
            if not h36m_protocol.is_blocked(data.source[f]):
                per_frame.setdefault(f, []).append(1.0 + i)
    by_action = {}
    for f, values in per_frame.items():
        by_action.setdefault(data.action[f], []).append(np.mean(values))
    assert list(scores.by_action) == ["sitting", "walking"]
    for action, values in by_action.items():
        assert scores.by_action[action][0] == pytest.approx(np.mean(values), abs=1e-2)
        assert scores.by_action[action][2] == len(values)
    assert scores.mpjpe_mm == pytest.approx(
        np.mean([np.mean(v) for v in by_action.values()]), abs=1e-2
    )
    pooled = np.mean([v for values in by_action.values() for v in values])
    assert abs(scores.mpjpe_mm - pooled) > 0.05  # the mean over actions is another figure


def test_p_mpjpe_forgives_a_turn_and_a_scale(data):
    clips = H36MClips(data, 9, 9)
    values = data.labels(clips.frames).astype(float)
    turned = 1.3 * values @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    scores = h36m_protocol.evaluate_h36m(clips, turned)
    assert scores.p_mpjpe_mm < 1e-2 and scores.mpjpe_mm > 100


def test_the_block_list_is_by_the_beginning_of_the_source():
    assert h36m_protocol.is_blocked("s_09_act_05_subact_02_ca_04") and h36m_protocol.is_blocked(
        "s_09_act_13_subact_01_ca_01"
    )
    assert not h36m_protocol.is_blocked("s_11_act_05_subact_02_ca_04")
    assert not h36m_protocol.is_blocked("s_09_act_05_subact_01_ca_02")


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda p: p[:-1], "shape"),
        (lambda p: p[..., :2], "shape"),
        (lambda p: p * np.nan, "finite"),
    ],
)
def test_answers_that_do_not_fit_are_refused(data, spoil, said):
    clips = H36MClips(data, 9, 9)
    with pytest.raises(InputError, match=f"predictions: expected {said}"):
        h36m_protocol.evaluate_h36m(clips, spoil(np.zeros((*clips.frames.shape, 17, 3))))


def test_only_blocked_sources_is_an_error(content, write):
    content["test"]["source"] = ["s_09_act_05_subact_02_ca_01"] * sum(LENGTHS["test"])
    clips = H36MClips(h36m.read_h36m(write(), "test"), 9, 9)
    with pytest.raises(InputError, match="block list"):
        h36m_protocol.evaluate_h36m(clips, np.zeros((*clips.frames.shape, 17, 3)))


def test_prediction_averages_both_views(data):
    torch = pytest.importorskip("torch")

    class Affine(torch.nn.Module):  # treats left and right alike only by accident
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(
                torch.randn(17, 3, generator=torch.Generator().manual_seed(0))
            )

        def forward(self, x):
            return x * self.weight + self.training

    clips, model = H36MClips(data, 9, 9), Affine()
    x, w = clips[:][0], model.weight.detach().numpy()
    both = h36m_protocol.predict_clips(model, clips, size=2)
    np.testing.assert_allclose(both, (x * w + mirror_joints(mirror_joints(x) * w)) / 2, atol=1e-6)
    assert np.abs(x * w - both).max() > 0.1


def test_training_lowers_the_protocols_error_and_can_be_repeated(data):
    torch = pytest.importorskip("torch")
    from stride_nb.training.trainer import Settings, train_network

    def run(rank):
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Flatten(2), torch.nn.Linear(51, 51), torch.nn.Unflatten(2, (17, 3))
        )
        task = h36m_task.H36MLift(H36MClips(data, 8, 4), H36MClips(data, 8, 8), batch=8, rank=rank)
        before = task.validate(model)
        settings = Settings(60, 1e-2, validate_every=60, ema=0, half=False)
        return before, train_network(model, task, settings, device="cpu", progress=False)[1]

    before, history = run((0.0, 0.0))
    assert history[-1]["val_mpjpe_mm"] < 0.7 * before["mpjpe_mm"]
    assert {"loss_mpjpe", "n_mpjpe", "loss_velocity"} < set(
        history[-1]
    ) and "loss_spatial_rank" not in history[-1]
    again = run((0.0, 0.0))[1]
    assert [r["loss"] for r in again] == [r["loss"] for r in history]
    assert run((0.5, 0.0))[1][-1]["loss"] != history[-1]["loss"]


# As a source of motion


def test_the_source_gives_upright_root_relative_metres(write, content):
    sequences = datasets.load("h36m", "test", path=write())
    assert [len(s) for s in sequences] == LENGTHS["test"] and [
        s.name for s in sequences
    ] == TEST_SOURCES
    mm = content["test"]["joints_2.5d_image"][:21].astype(float)
    expected = (mm - mm[:, :1]) / 1000
    np.testing.assert_allclose(sequences[0].joints, expected * [1, -1, -1], atol=1e-9)
    assert sequences[0].fps == 50 and (sequences[0].confidence == 1).all()


def test_fewer_sources_at_another_rate(write):
    sequences = datasets.load("h36m", "train", path=write(), clips=1, fps=25)
    assert len(sequences) == 1 and len(sequences[0]) == 15 and sequences[0].fps == 25


@pytest.mark.parametrize(
    "options, said",
    [
        ({"split": "val"}, "split: expected train or test"),
        ({}, "path: expected"),
        ({"path": "any.pkl", "clips": -1}, "clips: expected at least 1"),
    ],
)
def test_a_missing_path_or_an_unknown_split_says_what_to_give(options, said):
    with pytest.raises(InputError, match=said):
        datasets.load("h36m", **options)
