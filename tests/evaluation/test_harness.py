"""Cases are seeded one by one, cut without overlap, and scored as the benchmark says."""

import numpy as np
import pytest

from stride_nb.datasets import load
from stride_nb.errors import InputError
from stride_nb.evaluation import harness as cs
from stride_nb.poses.sequence import WINDOW_FRAMES, PoseSequence
from stride_nb.refinement.refine import Refinement, Trace


@pytest.fixture(scope="module")
def motions():
    return load("synthetic", clips=2, seconds=7.0)


@pytest.fixture(scope="module")
def some(motions):
    return cs.make_cases(motions, ["none", "limb", "whole_2s"])


def by_name(cases):
    return {case.name: case for case in cases}


def same(a, b):
    return all(
        np.array_equal(x, y, equal_nan=True)
        for x, y in [
            (a.truth, b.truth),
            (a.visible, b.visible),
            (a.sequence.joints, b.sequence.joints),
            (a.sequence.confidence, b.sequence.confidence),
        ]
    )


@pytest.mark.parametrize("frames", [1, 80, 81, 243, 244, 323, 324, 486, 1000])
def test_windows_cover_a_clip_once_but_for_a_short_rest(frames):
    found = cs.split_windows(frames)
    covered = [t for part in found for t in range(frames)[part]]
    assert covered == list(range(len(covered)))
    assert frames - len(covered) < cs.MIN_FRAMES
    assert all(cs.MIN_FRAMES <= part.stop - part.start <= WINDOW_FRAMES for part in found)


def test_a_case_follows_the_road(motions, some):
    case = by_name(some)[f"{motions[0].name}/0/limb"]
    assert case.truth.shape == (243, 17, 3) and case.visible.shape == (243, 17)
    np.testing.assert_allclose(
        case.camera.to_world(case.truth), motions[0].joints[:243], atol=1e-12
    )
    assert case.camera.sees(case.truth).all()
    hidden = ~case.visible
    assert 0 < hidden.mean() < 0.5
    error = np.linalg.norm(case.sequence.joints - case.truth, axis=-1)
    assert np.nanmean(error[hidden]) > 1.5 * np.nanmean(error[case.visible])


def test_short_windows_have_no_room_for_two_seconds(some):
    lengths = {(c.regime, len(c.truth)) for c in some}
    assert (
        ("whole_2s", 243) in lengths
        and ("limb", 107) in lengths
        and ("whole_2s", 107) not in lengths
    )


def test_a_case_depends_on_nothing_but_its_own_name(motions, some):
    more = by_name(cs.make_cases(motions[1:], ["half", "limb"]))
    known = by_name(some)
    shared = known.keys() & more.keys()
    assert len(shared) == 2
    assert all(same(known[name], more[name]) for name in shared)


def test_regimes_of_a_window_share_its_camera_and_families_its_mask(motions, some):
    first = [c for c in some if c.clip == motions[0].name and c.window == 0]
    assert len(first) == 3 and all(np.array_equal(c.truth, first[0].truth) for c in first)
    other = by_name(cs.make_cases(motions[:1], ["limb"], family="drift"))[
        f"{motions[0].name}/0/limb"
    ]
    assert np.array_equal(other.visible, first[1].visible)
    assert not np.array_equal(other.sequence.joints, first[1].sequence.joints, equal_nan=True)


def test_another_mask_changes_only_what_it_hides(some):
    case = some[1]
    assert same(cs.replace_mask(case, "limb", case.visible), case)
    visible = np.ones_like(case.visible)
    visible[50:90, 13] = False
    before, after = (
        cs.replace_mask(case, name, v)
        for name, v in (("none", np.ones_like(visible)), ("wrist", visible))
    )
    moved = np.linalg.norm(before.sequence.joints - after.sequence.joints, axis=-1)
    assert np.nanmax(moved[visible]) < 1e-12 < np.nanmax(moved[~visible])
    assert after.regime == "wrist" and after.clip == case.clip


def test_another_seed_is_another_case(motions, some):
    assert not same(
        cs.make_cases(motions[:1], ["limb"], seed=1)[0], by_name(some)[f"{motions[0].name}/0/limb"]
    )


@pytest.mark.parametrize(("count", "windows"), [(1, 1), (3, 3), (4, 4), (9, 4)])
def test_a_few_windows_are_the_same_for_every_regime(some, count, windows):
    few = [c for c in cs.select_evenly(some, count) if c.regime != "whole_2s"]
    assert len(few) == 2 * windows
    assert len({(c.clip, c.window) for c in few}) == windows


def test_a_few_windows_are_spread_over_the_clips():
    made = cs.make_cases(load("synthetic", clips=2, seconds=7.0), ["none", "limb"])
    assert [(c.clip, c.window) for c in cs.select_evenly(made, 2) if c.regime == "none"] == [
        (made[0].clip, 0),
        (made[-1].clip, 0),
    ]


def test_rows_are_tidy_and_the_input_is_held(some):
    rows = cs.compare_methods(
        some, ["input", "hold", "linear"], options={"hold": {"threshold": 0.0}}
    )
    assert len(rows) == 3 * len(some)
    assert set(rows[0]) >= {
        "regime",
        "input",
        "noise",
        "method",
        "clip",
        "window",
        "seed",
        "frames",
        "mpjpe",
        "seconds",
    }
    for row in rows:
        assert ("mpjpe_hidden" in row) == (row["regime"] != "none")
    held, unfilled = rows[1::3], rows[::3]
    assert [r["mpjpe"] for r in held] == [r["mpjpe"] for r in unfilled]


def test_a_method_may_be_any_function_and_truth_scores_zero(some):
    case = some[1]
    perfect = {
        "oracle": lambda s: Refinement(PoseSequence(case.truth, fps=s.fps), Trace("oracle", 2.0))
    }
    (row,) = cs.compare_methods([case], perfect)
    assert row["mpjpe"] == row["mpjpe_hidden"] == row["accel_error"] == 0 and row["seconds"] == 2.0


def rows_of(**values):
    return [
        {
            "regime": "limb",
            "input": "estimator",
            "noise": "estimator",
            "method": method,
            "clip": clip,
            "window": w,
            "seed": 0,
            "mpjpe": v,
        }
        for method, clips in values.items()
        for clip, vs in clips.items()
        for w, v in enumerate(vs)
    ]


def test_a_method_that_says_how_sure_it_is_is_held_to_it(motions, some):
    case = by_name(some)[f"{motions[0].name}/0/limb"]
    off = np.where(~case.visible & (np.arange(17) == np.argmax((~case.visible).sum(0))), 0.2, 0.0)
    answer = case.sequence.replace(
        joints=case.truth + off[..., None] * (1, 0, 0), confidence=np.full(off.shape, 0.9)
    )
    (row,) = cs.compare_methods(
        [case],
        {"sure": lambda sequence: Refinement(answer, Trace("sure", 0.0), scale=np.ones(off.shape))},
    )
    assert [row["claimed_hidden"], row["claimed_visible"], row["within_visible"]] == pytest.approx(
        [0.9, 0.9, 1]
    )
    assert row["within_hidden"] == pytest.approx(1 - (off > 0).sum() / (~case.visible).sum())
    (row,) = cs.compare_methods(
        [case], {"mute": lambda sequence: Refinement(answer, Trace("mute", 0.0))}
    )
    assert "claimed_hidden" not in row


def test_averages_are_over_windows():
    rows = rows_of(a={"x": [1.0, 3.0], "y": [5.0]}, b={"x": [2.0, 2.0], "y": [2.0]})
    assert cs.average_rows(rows) == [
        {"regime": "limb", "method": "a", "n": 3, "mpjpe": 3.0},
        {"regime": "limb", "method": "b", "n": 3, "mpjpe": 2.0},
    ]


def test_rows_are_selected_by_all_that_is_asked():
    rows = rows_of(a={"x": [1.0, 3.0], "y": [5.0]}, b={"x": [2.0, 2.0]})
    assert [r["mpjpe"] for r in cs.select_rows(rows, method="a", clip="x")] == [1.0, 3.0]
    assert cs.select_rows(rows) == rows and cs.select_rows(rows, regime="half") == []


def test_intervals_pair_the_same_cases():
    rows = rows_of(
        a={"x": [1.0, 3.0], "y": [5.0], "z": [2.0]}, b={"x": [2.0, 6.0], "y": [10.0], "z": [4.0]}
    )
    ratio = cs.estimate_interval(rows, "mpjpe", "a", "b")
    np.testing.assert_allclose(ratio, 0.5)  # a hard clip is hard for both
    mean = cs.estimate_interval(rows, "mpjpe", "a")
    assert mean.low < mean.value == 2.75 < mean.high
    with pytest.raises(InputError, match="the same cases of a and b"):
        cs.estimate_interval(rows[:-1], "mpjpe", "a", "b")


def test_lifted_input_keeps_the_mask_and_has_no_root(motions):
    from stride_nb.models.registry import build_network

    lifter = build_network(
        "lifter", "frameformer", {"dim": 16, "depth": 1, "heads": 2, "mlp_ratio": 2, "patch": 3}
    ).eval()
    (lifted,) = cs.make_cases(motions[:1], ["half"], frames=100, input="lifted", lifter=lifter)[:1]
    (estimated,) = cs.make_cases(motions[:1], ["half"], frames=100)[:1]
    assert np.array_equal(lifted.visible, estimated.visible) and np.array_equal(
        lifted.truth, estimated.truth
    )
    seen = ~lifted.sequence.missing[:, 0]
    assert np.allclose(lifted.sequence.joints[seen, 0], 0)
    assert lifted.input == "lifted" and lifted.family == "detector"


def test_what_cannot_be_made_is_refused(motions):
    with pytest.raises(InputError, match="a name of its own"):
        cs.make_cases([motions[0], motions[0]], ["none"])
    with pytest.raises(InputError, match="one of estimator, lifted"):
        cs.make_cases(motions, ["none"], input="video")
    with pytest.raises(InputError, match="regime: expected one of"):
        cs.make_cases(motions, ["fog"])
