"""What a prior is told and what its answer means: channels, gaps, units, mirrors."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stride_nb.models.motion_prior import (
    OUTPUT_SIGMA,
    PRIOR_CHANNELS,
    Prior,
    make_input_features,
    mirror_features,
)
from stride_nb.models.registry import build_network
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear, gap_seconds
from stride_nb.poses.skeleton import H36M17, mirror_joints

SMALL = {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2}
MIRROR = list(H36M17.mirror)
cases = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(1, 30), st.sampled_from([0.0, 0.3, 0.9, 1.0])
)
fast = settings(max_examples=30, deadline=None)


class Says(nn.Module):
    """A backbone that adds nothing, and whose gate is open or closed."""

    def __init__(self, gate=9.0):
        super().__init__()
        self.said = torch.tensor([0.0, 0.0, 0.0, 0.0, gate])

    def forward(self, x):
        return self.said.expand(*x.shape[:-1], 5)


def observed(case, dims=3):
    """Joints and confidence as an estimator gives them: NaN where confidence is 0, guesses where it
    is low."""
    seed, frames, missing = case
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(frames, 17, dims)) + 4
    confidence = rng.uniform(0.01, 1, (frames, 17)) * (rng.random((frames, 17)) >= missing)
    return np.where((confidence > 0)[..., None], joints, np.nan), confidence


def base(joints, confidence):
    """The interpolation that a prior begins from, relative to the pelvis."""
    return fill_linear(
        joints - fill_linear(joints[:, :1], confidence[:, :1] > 0),
        confidence >= CONFIDENCE_THRESHOLD,
    )


def network(head="prior", seed=0):
    torch.manual_seed(seed)
    model = build_network(head, "frameformer", SMALL).eval()
    nn.init.normal_(model.backbone.head.weight, std=0.1)
    return model


def told(case):
    return torch.from_numpy(make_input_features(*observed(case), 50))[None]


@fast
@given(cases, st.sampled_from([24, 29.97, 50, 120]))
def test_the_channels_are_finite_whatever_is_missing(case, fps):
    joints, confidence = observed(case)
    found = make_input_features(joints, confidence, fps)
    assert found.shape == (*confidence.shape, PRIOR_CHANNELS) and found.dtype == np.float32
    assert np.isfinite(found).all()


@fast
@given(cases)
def test_the_channels_are_what_they_are_called(case):
    joints, confidence = observed(case)
    found = make_input_features(joints, confidence, 50)
    trusted, given_ = confidence >= CONFIDENCE_THRESHOLD, confidence > 0
    root = fill_linear(joints[:, :1], given_[:, :1])
    relative = joints - root
    np.testing.assert_allclose(found[..., :3][given_] * 0.25, relative[given_], atol=1e-5)
    # no say: the interpolation
    np.testing.assert_array_equal(found[..., :3][~given_], found[..., 3:6][~given_])
    np.testing.assert_allclose(found[..., 3:6] * 0.25, base(joints, confidence), atol=1e-5)
    np.testing.assert_allclose(found[..., 6], confidence, atol=1e-6)
    np.testing.assert_array_equal(found[..., 7], trusted)
    np.testing.assert_allclose(np.expm1(found[..., 8]) / 4, gap_seconds(trusted, 50), atol=1e-5)


def test_where_the_person_stands_does_not_matter():
    joints, confidence = observed((0, 20, 0.3))
    confidence[:, 0] = np.maximum(confidence[:, 0], 0.1)
    joints[np.isnan(joints[:, 0]).any(-1), 0] = 4.0
    path = np.cumsum(np.random.default_rng(1).normal(size=(20, 1, 3)), 0)
    np.testing.assert_allclose(
        make_input_features(joints + path, confidence, 50),
        make_input_features(joints, confidence, 50),
        atol=1e-4,
    )


def test_the_frame_rate_tells_in_seconds():
    joints, confidence = observed((0, 30, 0.9))
    slow, fast = (
        np.expm1(make_input_features(joints, confidence, fps)[..., 8]) / 4 for fps in (50, 100)
    )
    np.testing.assert_allclose((2 * fast).clip(max=4), slow, atol=1e-4)
    assert (slow == 4).any() and (slow < 4).any()


@fast
@given(cases)
def test_with_an_open_gate_and_nothing_to_add_the_answer_is_the_linear_fill_after_a_gaussian(case):
    joints, confidence = observed(case)
    answer = Prior(Says())(torch.from_numpy(make_input_features(joints, confidence, 50))[None])
    apart = (np.arange(len(joints))[:, None] - np.arange(len(joints))) / 50
    weights = np.exp(-((apart / OUTPUT_SIGMA) ** 2) / 2)
    expected = np.einsum(
        "ts,sjc->tjc", weights / weights.sum(1, keepdims=True), base(joints, confidence)
    )
    np.testing.assert_allclose(answer.joints[0], expected - expected[:, :1], atol=1e-5)
    np.testing.assert_allclose(answer.scale, 0.05, atol=1e-6)


@fast
@given(cases)
def test_with_a_closed_gate_nothing_is_left_of_the_interpolation(case):
    x = told(case)
    answer = Prior(Says(gate=-9.0))(x)
    np.testing.assert_allclose(answer.joints, 0.0, atol=1e-5)
    np.testing.assert_allclose(Prior(Says(gate=-9.0))(x + 3).joints, 0.0, atol=1e-5)


def test_a_fresh_prior_answers_near_the_interpolation():
    x = told((0, 30, 0.3))
    torch.manual_seed(0)
    fresh, plain = build_network("prior", "frameformer", SMALL)(x).joints, Prior(Says())(x).joints
    assert ((fresh - plain).norm(dim=-1).mean() / plain.norm(dim=-1).mean()).item() < 0.1


@fast
@given(cases)
def test_a_frame_that_repeats_the_last_is_no_observation(case):
    seed, frames, _ = case
    joints, confidence = observed((seed, frames, 0.0))
    confidence[:] = 0.9
    shown = np.repeat(joints, 4, 0)  # an estimator at a quarter of the rate
    found = make_input_features(shown, np.repeat(confidence, 4, 0), 50)
    np.testing.assert_array_equal(
        found[..., 7], np.tile([1, 0, 0, 0], frames)[:, None] * np.ones(17)
    )
    np.testing.assert_allclose(
        found[::4, :, 3:6], make_input_features(joints, confidence, 12.5)[..., 3:6], atol=1e-5
    )


@fast
@given(cases)
def test_the_answer_is_finite_root_relative_and_its_scale_positive(case):
    with torch.no_grad():
        answer = network()(told(case))
    assert answer.joints.shape == (1, case[1], 17, 3) and answer.scale.shape == (1, case[1], 17)
    assert torch.isfinite(answer.joints).all() and (answer.joints[..., 0, :] == 0).all()
    assert (answer.scale > 0).all() and (answer.scale < 0.05 * np.exp(4) + 1e-3).all()


@fast
@given(cases)
def test_mirroring_twice_changes_nothing(case):
    x = told(case)
    assert torch.equal(mirror_features(mirror_features(x)), x)
    bare = x[..., :3]
    assert torch.equal(mirror_features(bare), mirror_joints(bare)) and torch.equal(
        mirror_features(mirror_features(bare)), bare
    )


@fast
@given(cases)
def test_the_mirrored_channels_are_those_of_the_mirrored_person(case):
    joints, confidence = observed(case)
    other = make_input_features(joints[:, MIRROR] * (-1, 1, 1), confidence[:, MIRROR], 50)
    np.testing.assert_allclose(mirror_features(told(case))[0], other, atol=1e-5)
