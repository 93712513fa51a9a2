"""Records of the method taken apart, read into rows, curves and sentences; failures told by their truth."""

import numpy as np
import pytest

from stride_nb import ablation, cases, motions
from stride_nb.refine import chance_within, refine


def ingredient(variant, ratio, low, high, least, most):
    return [{"variant": variant, "metric": metric, "unit": "mm", "value": 50 * ratio, "ratio": ratio, "ratio_low": low,
             "ratio_high": high, "ratio_least_seed": least, "ratio_greatest_seed": most, "steps": 9, "n": 4, "clips": 2, "seeds": 3}
            for metric in ("mpjpe_hidden", "mpjpe_visible", "accel_error")]


ROWS = [*ingredient("all", 1, 1, 1, 1, 1), *ingredient("no a", 1.2, 1.1, 1.3, 1.05, 1.4), *ingredient("no b", 0.9, 0.8, 0.95, 0.8, 0.99),
        *ingredient("no c", 1.1, 1.02, 1.2, 0.98, 1.3), *ingredient("no d", 1.0, 0.9, 1.1, 0.9, 1.1)]


def test_a_finding_needs_the_interval_and_every_seed_on_one_side():
    assert ablation.findings(ROWS) == ["more hidden error than `all`: no a", "less: no b", "not told apart: no c, no d"]


def test_a_row_a_variant_with_its_interval():
    rows = ablation.ingredients(ROWS)
    assert [row["variant"] for row in rows] == ["all", "no a", "no b", "no c", "no d"]
    assert rows[0]["ratio"] == "" and rows[1]["ratio"] == "1.20 [1.10, 1.30]" and rows[1]["hidden"] == pytest.approx(60)


def test_far_off_variants_stay_in_the_picture():
    figure = ablation.forest([*ROWS, *ingredient("no e", 9, 8, 10, 8, 10)])
    for ax in figure.axes:
        assert max(x for line in ax.lines for x in np.atleast_1d(line.get_xdata())) <= ax.get_xlim()[1]


def test_curves_come_with_their_intervals():
    rows = [{"part": "noise", "x": x, "method": m, "metric": "mpjpe_hidden", "value": 10 * x * k, "ci_low": 9 * x, "ci_high": 11 * x}
            for x in (1, 2) for m, k in (("gaussian", 2), ("prior", 1), ("smoothnet", 1))]
    x, mean, low, high = ablation.degradation(rows, "mpjpe_hidden")["noise"]["gaussian"]
    np.testing.assert_array_equal([x, mean, low, high], [[1, 2], [20, 40], [9, 18], [11, 22]])
    assert ablation.slopes(rows)[0] == "noise: prior / gaussian 0.50 at 1, 0.50 at 2"


def test_a_failure_is_measured_on_what_was_hidden():
    case = cases.cases(motions.load("synthetic", "test", clips=1), ["limb"], seed=3)[0]
    failure = ablation.Failure(case, refine(case.sequence, "prior"))
    error = 1000 * np.linalg.norm(failure.answer - failure.truth, axis=-1)
    assert failure.hidden_mm == pytest.approx(error[~case.visible].mean(), rel=1e-6)
    assert f"{np.where(case.visible, 0, error).max():.0f} mm off" in failure.story() and failure.expected_mm > 0


def test_nine_in_ten_is_nine_in_ten():
    assert chance_within(ablation._NINE_IN_TEN, np.ones(1))[0] == pytest.approx(0.9, abs=1e-4)
