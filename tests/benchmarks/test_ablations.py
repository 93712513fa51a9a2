"""Records of the method taken apart, read into rows, curves and sentences; failures told by their
truth."""

import dataclasses

import numpy as np
import pytest

from benchmarks.reports import ablations
from stride_nb import datasets
from stride_nb.evaluation import harness
from stride_nb.refinement.refine import refine


def ingredient(variant, ratio, low, high, least, most):
    return [
        {
            "variant": variant,
            "metric": metric,
            "unit": "mm",
            "value": 50 * ratio,
            "ratio": ratio,
            "ratio_low": low,
            "ratio_high": high,
            "ratio_least_seed": least,
            "ratio_greatest_seed": most,
            "steps": 9,
            "n": 4,
            "clips": 2,
            "seeds": 3,
        }
        for metric in ("mpjpe_hidden", "mpjpe_visible", "accel_error")
    ]


ROWS = [
    *ingredient("all", 1, 1, 1, 1, 1),
    *ingredient("no a", 1.2, 1.1, 1.3, 1.05, 1.4),
    *ingredient("no b", 0.9, 0.8, 0.95, 0.8, 0.99),
    *ingredient("no c", 1.1, 1.02, 1.2, 0.98, 1.3),
    *ingredient("no d", 1.0, 0.9, 1.1, 0.9, 1.1),
]


def test_a_finding_needs_the_interval_and_every_seed_on_one_side():
    assert ablations.list_findings(ROWS) == [
        "more hidden error than `all`: no a",
        "less: no b",
        "not told apart: no c, no d",
    ]


def test_of_one_clip_there_is_no_interval():
    rows = ablations.tabulate_components(
        [*ingredient("all", 1, None, None, 1, 1), *ingredient("no a", 1.2, None, None, 1.05, 1.4)]
    )
    assert rows[1]["ratio"] == "1.20 [nan, nan]"


def test_a_row_a_variant_with_its_interval():
    rows = ablations.tabulate_components(ROWS)
    assert [row["variant"] for row in rows] == ["all", "no a", "no b", "no c", "no d"]
    assert (
        rows[0]["ratio"] == ""
        and rows[1]["ratio"] == "1.20 [1.10, 1.30]"
        and rows[1]["hidden"] == pytest.approx(60)
    )


def test_effects_are_of_hidden_and_visible_errors_and_of_every_variant():
    found = ablations.select_effects(ROWS)
    assert list(found) == ["hidden", "visible"] and list(found["hidden"]) == [
        "no a",
        "no b",
        "no c",
        "no d",
    ]
    assert (
        found["hidden"]["no a"].standing == "worse" and found["hidden"]["no b"].standing == "better"
    )


def test_guesses_are_a_row_a_family_with_and_without_them():
    sets = (
        ("all", "gaussian all", 0.5),
        ("none", "gaussian none", 0.6),
        ("trusted", "prior all", 1.1),
        ("none", "prior all", 1.2),
    )
    rows = [
        {
            "noise": family,
            "kept": kept,
            "against": against,
            "metric": metric,
            "ratio": value,
            "ratio_low": value - 0.1,
            "ratio_high": value + 0.1,
        }
        for family in ("estimator", "tokens")
        for metric in ("mpjpe_hidden", "mpjpe_visible")
        for kept, against, value in sets
    ]
    assert ablations.tabulate_low_confidence(rows, "mpjpe_hidden") == [
        {
            "noise": family,
            "÷ Gaussian": "0.50 [0.40, 0.60]",
            "÷ Gaussian, no guesses": "0.60 [0.50, 0.70]",
            "trusted ÷ all": "1.10 [1.00, 1.20]",
            "none ÷ all": "1.20 [1.10, 1.30]",
        }
        for family in ("estimator", "tokens")
    ]


def test_objectives_are_followed_on_test_people_alone():
    row = {
        "part": "objective",
        "source": "cmu",
        "noise": "lag",
        "n": 4,
        "clips": 2,
        "held_out": 0.9,
    } | dict.fromkeys(("hidden_low", "hidden_high", "visible", "visible_low", "visible_high"), 1.0)
    rows = [
        row | {"split": split, "variant": v, "step": step, "hidden": 1 - step / 100}
        for split in ("val", "test")
        for v in ("ours", "truth as target")
        for step in (0, 30)
    ]
    (ax,) = ablations.plot_objectives(rows, "hidden").axes
    assert ax.get_title("left") == "cmu test, lag"
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0, 1], [30, 0.7]])
    assert [r["variant"] for r in ablations.tabulate_objectives(rows, 30)] == [
        "ours",
        "truth as target",
    ]
    assert ablations.list_conclusions(ROWS, rows)[-1].startswith(
        "cmu test, lag, truth as target, 30 steps: hidden error 0.70 ["
    )


def test_margins_of_ours_come_first():
    row = {
        "part": "margin",
        "source": "cmu",
        "split": "val",
        "noise": "lag",
        "margin": 0.1,
        "hidden": 0.9,
        "worst": 1.0,
        "worst_regime": "limb",
        "kept": 0.5,
    }
    found = ablations.tabulate_margins(
        [row | {"variant": v} for v in ("a", "ours", "b")]
        + [{"part": "objective", "variant": "ours"}]
    )
    assert [r["variant"] for r in found] == ["ours", "a", "b"] and found[0][
        "setting"
    ] == "cmu val, lag"


def test_curves_come_with_their_intervals():
    rows = [
        {
            "part": "noise",
            "clips": 4,
            "x": x,
            "method": m,
            "metric": metric,
            "value": 10 * x * k,
            "ci_low": 9 * x,
            "ci_high": 11 * x,
        }
        for metric, rough in (("mpjpe_hidden", 2), ("mpjpe_visible", 3))
        for x in (1, 2)
        for m, k in (("gaussian", rough), ("prior", 1), ("smoothnet", 1))
    ]
    x, mean, low, high = ablations.select_robustness(rows, "mpjpe_hidden")["noise"]["gaussian"]
    np.testing.assert_array_equal([x, mean, low, high], [[1, 2], [20, 40], [9, 18], [11, 22]])
    first, _ = ablations.tabulate_robustness(rows)
    assert first == {
        "curve": "noise",
        "clips": 4,
        "ratio": "prior / gaussian",
        "hidden": "0.50 at 1, 0.50 at 2",
        "visible": "0.33 at 1, 0.33 at 2",
    }


def test_a_failure_is_measured_on_what_was_hidden():
    case = harness.make_cases(datasets.load("synthetic", "test", clips=1), ["limb"], seed=3)[0]
    failure = ablations.Failure(case, refine(case.sequence, "prior"))
    error = 1000 * np.linalg.norm(failure.answer - failure.truth, axis=-1)
    dots, *_ = ablations.plot_expected_errors([failure]).axes[0].lines
    np.testing.assert_allclose(dots.get_xydata(), [[failure.expected_mm, failure.hidden_mm]])
    assert failure.hidden_mm == pytest.approx(error[~case.visible].mean(), rel=1e-6)
    assert (
        f"{np.where(case.visible, 0, error).max():.1f} mm off" in failure.describe()
        and failure.expected_mm > 0
    )


def test_a_failure_is_expected_where_the_scale_said_so():
    case = harness.make_cases(datasets.load("synthetic", "test", clips=1), ["limb"], seed=3)[0]
    refined = refine(case.sequence, "prior")
    for scale, knew in ((0.001, "not expected"), (1.0, "expected")):
        told = ablations.Failure(
            case, dataclasses.replace(refined, scale=np.full(case.visible.shape, scale))
        )
        assert (
            told.expected_mm == pytest.approx(3000 * scale)
            and f"which was {knew} (" in told.describe()
        )


def test_limits_are_told_part_by_part():
    row = {
        "part": "constant",
        "source": "cmu",
        "split": "test",
        "noise": "lag",
        "what": "constant / all",
        "value": 20.0,
        "against": 40.0,
        "ratio": 0.5,
        "ratio_low": 0.4,
        "ratio_high": 0.6,
        "n": 9,
    }
    told = (
        {"setting": "cmu test, lag", "": "constant / all"},
        {"cases": 9, "error": 20.0, "against": 40.0, "ratio": "0.50 [0.40, 0.60]"},
    )
    who = {"body": "own", "weights": "former"}
    rows = [row, row | {"part": "trained on"} | who]
    assert ablations.tabulate_bounds(rows, "constant") == [told[0] | told[1]]
    assert ablations.tabulate_bounds(rows, "trained on") == [told[0] | who | told[1]]


def ratios(noise, **more):
    return [
        {
            "source": "cmu",
            "noise": noise,
            "metric": metric,
            "ratio": ratio,
            "ratio_low": ratio - 0.1,
            "ratio_high": ratio + 0.1,
        }
        | more
        for metric, ratio in (
            ("mpjpe_hidden", 1.2),
            ("mpjpe_visible", 0.9),
            ("accel_error", 1.0),
            ("bone_std", 0.0),
        )
    ]


def test_ratios_are_a_row_a_setting():
    rows = [
        *ratios("lag", worst=1.5, worst_regime="limb"),
        *ratios("drift", worst=1.1, worst_regime="half"),
    ]
    plain = {
        "hidden": "1.20 [1.10, 1.30]",
        "visible": "0.90 [0.80, 1.00]",
        "acceleration": "1.00 [0.90, 1.10]",
    }
    assert ablations.tabulate_bone_lengths(rows) == [
        {"setting": "cmu, lag"} | plain | {"worst acceleration": "1.50, limb"},
        {"setting": "cmu, drift"} | plain | {"worst acceleration": "1.10, half"},
    ]


def test_sets_of_weights_stand_beside_one_another():
    rows = [
        row | {"weights": name}
        for name in ("old", "new")
        for noise in ("lag", "drift")
        for row in ratios(noise)
    ]
    assert ablations.tabulate_checkpoints(rows, "mpjpe_visible") == [
        {"noise": noise, "old": "0.90 [0.80–1.00]", "new": "0.90 [0.80–1.00]"}
        for noise in ("lag", "drift")
    ]


def test_a_second_look_is_told_by_split_doubt_and_share():
    rows = [
        row | {"split": split, "doubt": doubt, "share": share}
        for split in ("val", "test")
        for doubt, share in ((2.0, 1.0), (3.0, 0.5), (2.0, 0.5))
        for row in ratios("lag", worst=1.5, worst_regime="limb")
    ]
    found = ablations.tabulate_second_pass(rows, "val")
    assert [(row["doubt"], row["share"]) for row in found] == [(2.0, 0.5), (3.0, 0.5), (2.0, 1.0)]
    assert (
        found[0]["setting"] == "cmu, lag"
        and found[0]["hidden"] == "1.200 [1.100, 1.300]"
        and found[0]["worst hidden"] == "1.50, limb"
    )


def test_exchanged_sides_are_told_by_noise_and_rate():
    one = {
        "what": "found",
        "source": "cmu",
        "split": "val",
        "noise": "swapped",
        "fps": 50.0,
        "n": 3,
        "frames": 200,
        "exchanged": 50,
    }
    rows = [
        one | {"switch": 0.4, "put_right": 48, "changed_wrongly": 1},
        one | {"switch": 0.8, "put_right": 25, "changed_wrongly": 0},
        one
        | {"noise": "repeat", "exchanged": 0, "switch": 0.4, "put_right": 0, "changed_wrongly": 2},
    ]
    rows += [
        row | {"what": what, "split": "val", "fps": 50.0, "method": "prior"}
        for what in ("put right", "never exchanged")
        for row in ratios("swapped", worst=1.5, worst_regime="limb")
    ]
    assert ablations.tabulate_swap_detection(rows) == [
        {
            "noise": "swapped",
            "fps": 50.0,
            "in all": 200,
            "exchanged (%)": 25.0,
            "0.4 m": "96 %, 1",
            "0.8 m": "50 %, 0",
        },
        {"noise": "repeat", "fps": 50.0, "in all": 200, "exchanged (%)": 0.0, "0.4 m": "–, 2"},
    ]
    found = ablations.tabulate_swap_correction(rows, "val")
    assert [(row["what"], row["method"], row["setting"]) for row in found] == [
        ("put right", "prior", "cmu, swapped, 50 fps"),
        ("never exchanged", "prior", "cmu, swapped, 50 fps"),
    ]
    assert found[0]["hidden"] == "1.20 [1.10, 1.30]" and found[0]["worst hidden"] == "1.50, limb"
    assert not ablations.tabulate_swap_correction(rows, "test")


def test_runs_are_compared_at_the_steps_that_both_reached():
    rows = [
        {"run": run, "step": step, "hidden_mm": hidden, "visible_mm": 30.0}
        for run, errors in {"new": (66, 63, 60), "old": (60, 70)}.items()
        for step, hidden in zip((500, 1000, 1500), errors)
    ]
    assert ablations.select_validation(rows)["hidden"] == {
        "new": ((500, 1000, 1500), (66, 63, 60)),
        "old": ((500, 1000), (60, 70)),
    }
    hidden, visible = ablations.compare_runs(rows, "new", "old")
    assert hidden == "hidden: new below old at 1 of 2 steps, 1.000 of its error on average"
    assert "at 0 of 2 steps" in visible
