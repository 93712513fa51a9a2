"""Cluster bootstrap: its value, pairing, coverage, and what it refuses."""

import numpy as np
import pytest

from stride_nb.errors import InputError
from stride_nb.evaluation import bootstrap


def test_bootstrap_value_pairing_and_coverage():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    b = rng.gamma(3, 30, 30)[groups] + rng.normal(0, 1, 120)
    ratio = bootstrap.bootstrap_interval(0.5 * b, b, groups, rng)
    # paired: a constant ratio has no spread, however varied the clips
    assert ratio == pytest.approx((0.5, 0.5, 0.5))
    mean = bootstrap.bootstrap_interval(b, None, groups, rng)
    assert mean.value == pytest.approx(b.mean()) and mean.low < mean.value < mean.high
    wrong = bootstrap.bootstrap_interval(b, None, np.arange(120), rng)
    # windows of a clip are not independent
    assert mean.high - mean.low > 1.5 * (wrong.high - wrong.low)
    hits = 0
    for _ in range(200):
        x = rng.normal(5, 1, 40)[np.repeat(np.arange(40), 2)] + rng.normal(0, 0.1, 80)
        low_high = bootstrap.bootstrap_interval(x, None, np.repeat(np.arange(40), 2), rng, n=300)
        hits += low_high.low <= 5 <= low_high.high
    assert 0.87 < hits / 200 < 0.99


def test_bootstrap_is_seeded_and_refuses_what_it_cannot_use():
    a, b, groups = np.arange(1.0, 7), np.arange(2.0, 8), np.array(list("aabbcc"))
    assert bootstrap.bootstrap_interval(
        a, b, groups, np.random.default_rng(1)
    ) == bootstrap.bootstrap_interval(a, b, groups, np.random.default_rng(1))
    alone = bootstrap.bootstrap_interval(a, b, np.zeros(6), np.random.default_rng(1))
    assert alone.value == pytest.approx(21 / 27) and np.isnan(alone.low) and np.isnan(alone.high)
    for bad in (
        (a, b[:5], groups),
        (a, b, groups[:2]),
        (a[:0], None, groups[:0]),
        (a * np.nan, b, groups),
    ):
        with pytest.raises(InputError, match="bootstrap_interval"):
            bootstrap.bootstrap_interval(*bad, np.random.default_rng(0))
