"""Where motion comes from: one call for every source, split by people, seeded or read."""

import inspect
import sys
import types
import typing

import numpy as np
import pytest

from stride_nb import datasets
from stride_nb.datasets import cmu, registry
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import Label, read_labels, write_clips
from stride_nb.poses.geometry import bone_lengths
from stride_nb.poses.sequence import PoseSequence

RECORDED = {"cmu": ("train", "val", "test"), "hdm05": ("test",)}


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A folder of prepared motion like CMU's and HDM05's, of a few frames, where STRIDE_NB_DATA
    points."""
    names = [f"cmu_h36m17_{split}.npz" for split in RECORDED["cmu"]] + ["hdm05_h36m17.npz"]
    for n, name in enumerate(names):
        clips = [
            PoseSequence(
                np.random.default_rng([n, i]).uniform(-0.5, 0.5, (60, 17, 3)),
                fps=50,
                name=f"{n}_{i}",
            )
            for i in range(5)
        ]
        write_clips(tmp_path / name, clips, [Label(f"{n}")] * 5)
    monkeypatch.setenv("STRIDE_NB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIDE_NB_DATA", str(tmp_path / "none"))
    monkeypatch.setattr("stride_nb.datasets.rendered.ESTIMATES", tmp_path / "none")


def recorded(source, split):
    try:
        return datasets.load(source, split)
    except InputError as missing:
        pytest.skip(str(missing))


def test_sources_are_found_by_themselves(monkeypatch):
    found = datasets.list_sources()
    assert {"synthetic", "cmu", "hdm05", "h36m", "3dpw"} <= set(found) and found == sorted(found)
    # rooms without motion of their own
    assert not {
        "registry",
        "download",
        "simulation",
        "cleaning",
        "prepare",
        "threedpw",
        "user_arrays",
    } & set(found)
    new = types.ModuleType("stride_nb.datasets.dance")
    new.load = lambda split, clips=1: [PoseSequence(np.zeros((3, 17, 3)), name=split)] * clips
    new.load.__module__ = new.__name__
    monkeypatch.setitem(sys.modules, "stride_nb.datasets.dance", new)
    assert [s.name for s in datasets.load("dance", "val", clips=2)] == ["val", "val"]


@pytest.mark.parametrize("source", datasets.list_sources())
def test_every_source_keeps_the_protocol(source):
    module = registry._find_source(source)
    first, *options = inspect.signature(module.load).parameters.values()
    assert first.name == "split" and first.default is not inspect.Parameter.empty
    assert all(option.default is not inspect.Parameter.empty for option in options)
    assert typing.get_type_hints(module.load)["return"] == list[PoseSequence]
    assert "load" in module.__all__ and isinstance(datasets.get_terms(source), str)


@pytest.mark.parametrize(
    "name", ["walks", "clips", "fetch", "statistics", "threed-pw", "../cmu", "os", "", "cmu.find"]
)
def test_unknown_sources_say_what_there_is(name):
    with pytest.raises(
        InputError, match=r"datasets: source: expected one of .*cmu, .*synthetic.*found"
    ):
        datasets.load(name)


def test_a_source_that_cannot_be_imported_is_not_called_unknown(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        datasets.load("broken")


@pytest.mark.parametrize("source", datasets.list_sources())
def test_unknown_options_and_splits_are_named(source, nowhere):
    with pytest.raises(
        InputError, match=rf"datasets.{source}: option: expected one of .*found tempo"
    ):
        datasets.load(source, tempo=3)
    with pytest.raises(InputError):
        datasets.load(source, "holdout")


@pytest.mark.parametrize("source", sorted(set(datasets.list_sources()) - {"synthetic"}))
def test_a_source_without_its_files_says_in_one_line_what_it_wants(source, nowhere):
    with pytest.raises(InputError) as error:
        datasets.load(source)
    assert "expected" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("source", RECORDED)
def test_without_data_the_error_says_what_to_set(source, nowhere):
    with pytest.raises(InputError, match="STRIDE_NB_DATA set to the folder that holds it") as error:
        datasets.load(source)
    assert ("`stride-nb prepare`" in str(error.value)) == (source == "cmu"), "only what it can make"


def test_data_is_where_the_variable_says_or_in_the_default_places(prepared, tmp_path, monkeypatch):
    name = "cmu_h36m17_val.npz"
    assert cmu.find_clip_file(name) == prepared / name
    monkeypatch.delenv("STRIDE_NB_DATA")
    monkeypatch.setattr(cmu, "CHECKOUT", tmp_path / "checkout")
    shared, own = tmp_path / "shared" / "mocap", tmp_path / "checkout" / "runs" / "mocap"
    for folder in (shared, own):  # what was prepared here comes before what lies beside
        folder.mkdir(parents=True)
        (folder / name).write_bytes((prepared / name).read_bytes())
        assert cmu.find_clip_file(name) == folder / name
    with pytest.raises(InputError, match="in the default places"):
        cmu.find_clip_file("other.npz")


def test_splits_are_other_files(prepared):
    assert [datasets.load("cmu", split)[0].name for split in RECORDED["cmu"]] == [
        "0_0",
        "1_0",
        "2_0",
    ]
    assert datasets.load("hdm05")[0].name == "3_0"


@pytest.mark.parametrize("split", ["train", "val"])
def test_nothing_is_trained_or_tuned_on_hdm05(prepared, split):
    with pytest.raises(InputError, match="hdm05: split: expected test"):
        datasets.load("hdm05", split)


@pytest.mark.parametrize("source", RECORDED)
def test_clips_are_spread_over_the_file(prepared, source):
    every = [c.name for c in datasets.load(source)]
    assert [c.name for c in datasets.load(source, clips=2)] == [every[0], every[2]]
    assert [c.name for c in datasets.load(source, clips=99)] == every
    for clips in (0, -1):
        with pytest.raises(InputError, match=r"clips: expected .*1.* found"):
            datasets.load(source, clips=clips)


@pytest.mark.parametrize("source", RECORDED)
def test_any_frame_rate(prepared, source):
    half = datasets.load(source, fps=25)
    assert {c.fps for c in half} == {25} and {len(c) for c in half} == {30}
    np.testing.assert_allclose(half[0].joints, datasets.load(source)[0].joints[::2], atol=1e-9)
    with pytest.raises(InputError, match="fps: expected a positive number"):
        datasets.load(source, fps=0)


def test_embedded_motion_is_other_people_in_every_split():
    first = {
        split: datasets.load("synthetic", split, clips=2, seconds=1.0)
        for split in ("train", "val", "test")
    }
    lengths = [bone_lengths(c.joints)[0] for clips in first.values() for c in clips]
    assert all(np.abs(a - b).max() > 1e-3 for i, a in enumerate(lengths) for b in lengths[:i])
    again = datasets.load("synthetic", "val", clips=2, seconds=1.0)
    np.testing.assert_array_equal(again[1].joints, first["val"][1].joints)


@pytest.mark.parametrize(
    "source, split", [(s, split) for s, splits in RECORDED.items() for split in splits]
)
def test_recorded_people_are_people(source, split):
    """Upright, of human size, on the floor they stand on, with bones that do not stretch."""
    clips = recorded(source, split)
    assert all(c.fps == 50 and not c.missing.any() for c in clips)
    limbs = [
        [j - 1 for j in c.skeleton.index("rknee", "rankle", "lknee", "lankle", "relbow", "rwrist")]
        for c in clips
    ]
    assert max(bone_lengths(c.joints)[:, own].std(0).max() for c, own in zip(clips, limbs)) < 1e-3
    height = [np.percentile(np.ptp(c.joints[..., 1], axis=1), 95) for c in clips]
    assert 1.2 < np.median(height) < 2.1
    upright = [np.mean(c.joints[:, 10, 1] > c.joints[:, 0, 1]) for c in clips]
    assert np.median(upright) == 1.0


def test_no_recorded_person_is_in_two_splits():
    recorded("cmu", "val")
    people = {
        split: {
            label.subject for label in read_labels(cmu.find_clip_file(f"cmu_h36m17_{split}.npz"))
        }
        for split in RECORDED["cmu"]
    }
    assert all(people.values()) and not any(
        people[a] & people[b] for a in people for b in people if a < b
    )


@pytest.mark.parametrize("source", RECORDED)
def test_results_on_recorded_motion_can_say_whose_it_is(source):
    assert ("mocap.cs.cmu.edu" if source == "cmu" else "CC BY-SA") in datasets.get_terms(source)
    assert datasets.get_terms("synthetic") == ""
