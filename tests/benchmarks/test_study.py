"""The choice of windows: the same for all regimes, spread over the clips."""

import numpy as np
import pytest

from benchmarks import study
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.harness import make_cases


def test_windows_are_the_same_for_all_regimes_and_spread_over_clips():
    clips = datasets.load("synthetic", "test", clips=4, seconds=12)
    made = make_cases(clips, ["limb", "half", "whole_2s"], seed=3)
    kept = study.choose_windows(made, 4, np.random.default_rng(0))
    for regime in ("limb", "half", "whole_2s"):
        here = [(c.clip, c.window) for c in kept if c.regime == regime]
        assert len(here) == 4 and len({clip for clip, _ in here}) == 4
    limb, half = ([(c.clip, c.window) for c in kept if c.regime == r] for r in ("limb", "half"))
    assert limb == half
    again = study.choose_windows(made, 4, np.random.default_rng(0))
    assert [c.name for c in again] == [c.name for c in kept]


@pytest.mark.parametrize("how", [{}, {"input": "lifted"}])
def test_what_is_chosen_first_is_what_would_have_been_chosen_of_all(how):
    clips, regimes = (
        datasets.load("synthetic", "test", clips=3, seconds=8),
        ["none", "limb", "whole_2s"],
    )
    all_of_them = study.choose_windows(
        make_cases(clips, regimes, "drift", seed=3, **how), 2, np.random.default_rng(3)
    )
    found = study.choose_cases(clips, regimes, "drift", 2, 3, **how)
    assert [(c.name, c.family, c.input, c.seed) for c in found] == [
        (c.name, c.family, c.input, c.seed) for c in all_of_them
    ]
    for a, b in zip(found, all_of_them):
        for x, y in (
            (a.truth, b.truth),
            (a.visible, b.visible),
            (a.sequence.joints, b.sequence.joints),
            (a.sequence.confidence, b.sequence.confidence),
        ):
            np.testing.assert_array_equal(x, y)


def test_no_others_are_made(monkeypatch):
    made = []
    monkeypatch.setattr(
        estimator_noise,
        "simulate_estimates",
        lambda *told, estimate=estimator_noise.simulate_estimates: (
            made.append(1) or estimate(*told)
        ),
    )
    study.choose_cases(
        datasets.load("synthetic", "test", clips=3, seconds=8), ["limb", "half"], "drift", 2, 0
    )
    assert len(made) == 4


def test_more_windows_than_there_are_gives_all():
    made = make_cases(datasets.load("synthetic", "test", clips=2, seconds=2), ["limb"])
    assert len(study.choose_windows(made, 50, np.random.default_rng(0))) == len(made)


def test_a_study_takes_its_rows_in_order_wherever_they_are_measured(scheduler, capsys):
    rows = []
    for where in ({}, {"scheduler": scheduler}):
        run = study.Study("try", where, 0)
        run.measure(measure_square, list(range(6)))
        rows.append(run.rows)
    assert rows[0] == rows[1] == [{"square": x * x} for x in range(6)]


def measure_square(x):
    return [{"square": x * x}]
