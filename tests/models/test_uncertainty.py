"""The 3D Laplace error: chances and quantiles agree with samples."""

import numpy as np
import pytest
import torch

from stride_nb.models.uncertainty import BAND_90, MEAN_ERROR, RADIUS_90, chance_within, laplace_nll


def test_the_chance_is_that_of_a_laplace_error():
    rng = np.random.default_rng(0)
    for scale in (0.01, 0.04, 0.1, 0.5):
        # |x| where the density of x in space is ∝ exp(−|x|/s)
        distance = rng.gamma(3, scale, 200_000)
        assert chance_within(0.1, np.array(scale)) == pytest.approx(
            np.mean(distance < 0.1), abs=5e-3
        )
    assert (
        chance_within(0.1, np.array([0.0])) == 1
        and (np.diff(chance_within(0.1, np.linspace(0.01, 0.4))) < 0).all()
    )


def test_the_band_holds_nine_in_ten_coordinates():
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(200_000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # r² exp(−r/s): density ∝ exp(−r/s) in space
    error = direction * rng.gamma(3, 0.02, (200_000, 1))
    assert (np.abs(error) < BAND_90 * 0.02).mean(0) == pytest.approx(0.9, abs=0.003)


def test_nine_in_ten_is_nine_in_ten():
    assert chance_within(RADIUS_90, np.ones(1))[0] == pytest.approx(0.9, abs=1e-4)


def test_the_likelihood_is_greatest_at_the_scale_of_the_errors():
    error = torch.from_numpy(np.random.default_rng(0).gamma(3, 0.02, 100_000))
    assert error.mean().item() == pytest.approx(MEAN_ERROR * 0.02, rel=0.01)
    scales = np.linspace(0.01, 0.04, 61)
    losses = [laplace_nll(error, torch.full_like(error, s)).item() for s in scales]
    assert scales[np.argmin(losses)] == pytest.approx(0.02, abs=1e-3)
