"""Ratios on the same windows, and people apart: from rows whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import paired_statistics


def rows(ours=0.5, clips=6, regimes=("limb", "half", "block", "whole_1s", "none")):
    """Every clip as hard as it likes; ours errs by the same share of the others on each."""
    rng, made = np.random.default_rng(0), []
    share = {"input": 2.0, "linear": 1.2, "gaussian": 1.0, "prior": 0.6, "stride_ours": ours}
    for i in range(clips):
        for regime in regimes:
            hard = rng.uniform(50, 150)
            for method, x in share.items():
                row = {
                    "clip": f"cmu_{i % 2:02}_{i:02}",
                    "window": 0,
                    "regime": regime,
                    "input": "estimator",
                    "noise": "drift",
                    "seed": 0,
                    "method": method,
                    "mpjpe": hard * x,
                    "mpjpe_visible": hard * x / 3,
                    "accel_error": x,
                }
                made.append(row | ({} if regime == "none" else {"mpjpe_hidden": hard * x}))
    return made


def test_a_ratio_that_is_the_same_on_every_window_has_no_spread():
    found = {
        (r["metric"], r["rival"], r["regimes"]): r
        for r in paired_statistics.compare_with_rivals(rows())
    }
    whole = " ".join(paired_statistics.AVERAGED)
    classical = found["mpjpe_hidden", "classical", whole]
    assert (
        classical["against"] == "gaussian"
        and classical["n"] == 24
        and classical["clips"] == len({r["clip"] for r in rows()})
    )
    assert classical["value"] == classical["ci_low"] == classical["ci_high"] == pytest.approx(0.5)
    assert found["mpjpe_hidden", "prior", "limb"]["value"] == pytest.approx(0.5 / 0.6, abs=1e-4)
    assert found["mpjpe_visible", "input", whole]["value"] == pytest.approx(0.25)
    assert ("mpjpe_hidden", "prior", "none") not in found and ("mpjpe", "prior", "none") in found
    assert not [key for key in found if key[1] in ("smoothnet", "stride_published")]


def test_without_the_method_or_its_rivals_there_are_no_ratios():
    assert (
        paired_statistics.compare_with_rivals([r for r in rows() if r["method"] != "stride_ours"])
        == []
    )
    assert (
        paired_statistics.compare_with_rivals([r for r in rows() if r["method"] == "stride_ours"])
        == []
    )


def test_people_are_told_apart():
    found = paired_statistics.average_subjects(rows())
    assert {r["subject"] for r in found} == {"00", "01"}
    mine = [
        r
        for r in rows()
        if r["clip"].startswith("cmu_01") and r["method"] == "prior" and "mpjpe_hidden" in r
    ]
    (row,) = [r for r in found if (r["subject"], r["method"]) == ("01", "prior")]
    assert (
        row["value"] == pytest.approx(np.mean([r["mpjpe_hidden"] for r in mine]), abs=1e-3)
        and row["n"] == len(mine) == 12
    )


def test_a_change_is_told_by_its_ratio_its_interval_and_the_worst_regime():
    made = [
        SimpleNamespace(clip=f"c{i % 3}", regime=regime)
        for i in range(6)
        for regime in ("none", "limb", "half")
    ]
    share = {"none": 1.0, "limb": 0.9, "half": 1.2}
    before = [
        {"mpjpe": 100.0} | ({} if case.regime == "none" else {"mpjpe_hidden": 200.0})
        for case in made
    ]
    after = [
        {name: value * share[case.regime] for name, value in errors.items()}
        for case, errors in zip(made, before)
    ]
    whole, hidden = paired_statistics.compare_paired(made, before, after, ("mpjpe", "mpjpe_hidden"))
    assert whole["n"] == 18 and hidden["n"] == 12 and whole["before"] == 100
    assert whole["ratio"] == pytest.approx(3.1 / 3, abs=1e-4) and hidden["ratio"] == pytest.approx(
        1.05
    )
    assert hidden["ratio_low"] == hidden["ratio_high"] == pytest.approx(1.05)  # every clip alike
    assert (hidden["worst_regime"], hidden["worst"]) == ("half", pytest.approx(1.2))


def test_claims_are_means_over_the_regimes_that_count():
    told = [
        {
            "regime": regime,
            "method": "prior",
            "clip": f"c{i}",
            "window": 0,
            "input": "estimator",
            "noise": "drift",
            "seed": 0,
            "claimed_hidden": 0.9,
            "within_hidden": share,
            "claimed_visible": 1.0,
            "within_visible": 1.0,
        }
        for i, share in enumerate((0.5, 0.7))
        for regime in ("limb", "half", "flicker")
    ]
    told += [
        {
            "regime": "limb",
            "method": "linear",
            "clip": "c0",
            "window": 0,
            "input": "estimator",
            "noise": "drift",
            "seed": 0,
        }
    ]
    hidden, visible = paired_statistics.measure_calibration(told)
    assert hidden == {
        "method": "prior",
        "part": "hidden",
        "claimed": 0.9,
        "value": 0.6,
        "ci_low": 0.5,
        "ci_high": 0.7,
        "n": 4,
    }
    assert visible["part"] == "visible" and visible["value"] == 1.0
