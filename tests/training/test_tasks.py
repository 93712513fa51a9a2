"""Tasks: batches that are functions of seed and step, the losses, the validation."""

import numpy as np
import pytest
import torch
from torch import nn

from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise, occlusion
from stride_nb.errors import InputError
from stride_nb.models.lifter import LIFTER_CHANNELS, Lifter
from stride_nb.models.motion_prior import PRIOR_CHANNELS
from stride_nb.models.registry import build_network
from stride_nb.training import recipes
from stride_nb.training.tasks import (
    VALIDATION_REGIMES,
    Denoise,
    Lift,
    Smooth,
    make_validation_examples,
)
from tests.training.test_trainer import prior


def test_a_prior_that_learns_from_another_lifter_is_another_task(clips):
    found = [Denoise(clips, [], lifter=Lifter(nn.Linear(10, 3))).identity for _ in range(2)]
    assert found[0] != found[1] and found[0] | {"lifter": 0} == found[1] | {"lifter": 0}
    named = [Denoise(clips, [], lifter=lifter).identity for lifter in ("lifter", "lifter", None)]
    assert named[0] == named[1] != named[2]


@pytest.mark.parametrize("kind, channels", [(Denoise, PRIOR_CHANNELS), (Lift, LIFTER_CHANNELS)])
def test_a_batch_is_a_function_of_seed_and_step(clips, kind, channels):
    task = kind(clips, clips[:1], batch=2)
    features, truth = task.make_batch(0)
    frames = task.frames[0]
    assert features.shape == (2, frames, 17, channels) and truth.shape == (2, frames, 17, 3)
    assert features.dtype == truth.dtype == torch.float32
    assert torch.isfinite(features).all() and (truth[:, :, 0] == 0).all()
    assert torch.equal(kind(clips, clips[:1], batch=2).make_batch(0)[0], features)
    short = task.frames[2]
    assert task.make_batch(2)[0].shape == (2 * round(frames / short), short, 17, channels)
    for other in (task.make_batch(1), kind(clips, clips[:1], batch=2, seed=1).make_batch(0)):
        assert not torch.equal(other[1], truth)


def test_smoothnet_learns_from_windows(clips):
    task = Smooth(clips, clips[:1], batch=2, window=32)
    filled, truth = task.make_batch(0)
    assert filled.shape == truth.shape and filled.shape[2:] == (32, 17, 3)
    assert torch.isfinite(filled).all()
    loss, terms = task.compute_loss(
        build_network("plain", "smoothnet", {"hidden": 16}), (filled, truth)
    )
    assert set(terms) == {"position", "acceleration"} and torch.isfinite(loss)


def test_what_the_prior_is_told_and_asked_belong_together(clips):
    """Where all is visible and trusted, what it is told is near what it is asked."""
    features, truth = Denoise(clips, clips[:1], batch=6).make_batch(0)
    trusted = features[..., 7] > 0
    error = (features[..., :3] * 0.25 - truth).norm(dim=-1)
    assert 0.02 < error[trusted].median() < 0.09
    assert error[~trusted].median() > 1.3 * error[trusted].median()


def test_the_likelihood_does_not_pull_on_the_joints(clips):
    task, model = Denoise(clips, clips[:1], batch=1), prior()
    batch = task.make_batch(2)
    _, terms = task.compute_loss(model, batch)
    terms["likelihood"].backward()
    gradient = model.backbone.head.weight.grad.reshape(17, 5, -1)
    assert (gradient[:, [0, 1, 2, 4]] == 0).all() and (gradient[1:, 3] != 0).any()


def test_validation_is_always_the_same_and_covers_its_regimes(clips):
    val = [c for c in clips if len(c) >= 243][:2]
    a, b = (
        [(x.copy(), v) for x, _, v, _ in make_validation_examples(val, 243, VALIDATION_REGIMES, 1)]
        for _ in range(2)
    )
    assert len(a) == len(val) * len(VALIDATION_REGIMES)
    for (x, v), (y, w) in zip(a, b):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(v, w)
        assert 0 < v.mean() < 1
    found = Denoise(clips, val[:1], batch=1).validate(prior().eval())
    assert found.keys() == {"hidden_mm", "visible_mm"}
    # an untrained network is near the interpolation
    assert 20 < found["visible_mm"] < found["hidden_mm"] < 500


def test_validation_copes_with_an_occluder_that_hides_nothing(clips, monkeypatch):
    monkeypatch.setitem(occlusion.REGIMES, "block", occlusion.REGIMES["none"])
    found = Denoise(clips, clips[:1], batch=1).validate(prior().eval())
    assert np.isfinite([*found.values()]).all()


def test_clips_too_short_to_learn_from_are_named():
    with pytest.raises(InputError, match="train: expected a clip of 60 frames or more"):
        Denoise([np.zeros((59, 17, 3))], [])


def test_the_prior_also_learns_from_a_lifters_answers(clips):
    class Odd(nn.Linear):  # nobody's noise looks like this
        def forward(self, x):
            return x[..., :3] * 0 + 7.0 * (torch.arange(17) > 0)[:, None]

    task = Denoise(clips, clips[:1], batch=4, lifter=Lifter(Odd(1, 1)))
    task.noise_shares = {"lifted": 1.0}
    features, truth = task.make_example(
        task.draw_motion(60, np.random.default_rng(0)), np.random.default_rng(0)
    )
    np.testing.assert_allclose(features[:, 1:, 1:3], 7, atol=1e-5)
    assert features.shape == (60, 17, 9)
    assert np.abs(truth).max() < 2 and "lifted" not in Denoise(clips, []).noise_shares


def test_training_families_are_those_seen():
    assert set(recipes.RECIPES) >= {"prior", "lifter", "smoothnet"} and set(
        estimator_noise.SEEN
    ) < set(estimator_noise.NOISE_MODELS)


def test_no_task_trains_on_an_unseen_family():
    clips = [c.joints for c in datasets.load("synthetic", "train", clips=2, seconds=3.0)]
    lifter = Lifter(nn.Linear(10, 3))
    for task in (Denoise(clips, []), Smooth(clips, [])):
        assert set(task.noise_shares) == set(estimator_noise.SEEN)
    for task in (Denoise(clips, [], lifter=lifter), Smooth(clips, [], lifter=lifter)):
        assert (
            set(task.noise_shares) == {*estimator_noise.SEEN, "lifted"}
            and task.noise_shares["lifted"] == 0.2
        )
        assert sum(task.noise_shares.values()) == pytest.approx(1)


def test_the_objective_is_the_documented_sum():
    clips = [c.joints for c in datasets.load("synthetic", "train", clips=2, seconds=5.0)]
    task, model = Denoise(clips, [], batch=1), prior()
    features, truth = task.make_batch(2)
    total, terms = task.compute_loss(model, (features, truth))
    torch.testing.assert_close(
        total,
        terms["loss_mpjpe"]
        + 10 * terms["loss_velocity"]
        + 0.5 * terms["loss_limb_gt"]
        + 0.01 * terms["likelihood"],
    )
    answer = model(features)
    error, scale = (answer.joints - truth).norm(dim=-1)[..., 1:], answer.scale[..., 1:]
    torch.testing.assert_close(terms["likelihood"], (error / scale + 3 * scale.log()).mean())
