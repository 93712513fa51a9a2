"""Which readings an answer does not believe, and that answering without them helps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import datasets
from stride_nb.evaluation import harness
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.models.registry import load_model
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.refinement.outlier_rejection import OUTLIER_CONFIDENCE, OUTLIER_RATIO, find_outliers
from stride_nb.refinement.refine import refine
from stride_nb.refinement.sliding_window import Windows

SHAPE = (50, 17)


def readings(seed=0, error=0.03):
    """An answer, and readings that are about ``error`` metres from it, all trusted."""
    rng = np.random.default_rng(seed)
    answer = rng.normal(size=(*SHAPE, 3))
    way = rng.normal(size=answer.shape)
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    return answer + way * error * rng.uniform(0.8, 1.2, SHAPE)[..., None], answer


def test_readings_alike_are_all_believed_however_far_off():
    for error in (0.0, 0.01, 0.1, 1.0):
        observed, answer = readings(error=error)
        assert not find_outliers(observed, np.ones(SHAPE, bool), answer, np.zeros(SHAPE)).any()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 49), st.integers(1, 16), st.floats(0.2, 3.0))
def test_the_one_that_jumps_is_found(frame, joint, jump):
    observed, answer = readings()
    observed[frame, joint] += (0, jump, 0)
    expected = np.zeros(SHAPE, bool)
    expected[frame, joint] = True
    np.testing.assert_array_equal(
        find_outliers(observed, np.ones(SHAPE, bool), answer, np.zeros(SHAPE)), expected
    )


def test_what_is_not_trusted_what_the_answer_is_unsure_of_and_the_pelvis_are_let_be():
    observed, answer = readings()
    observed[7:9, [0, 3]] += 0.5
    trusted, scale = np.ones(SHAPE, bool), np.zeros(SHAPE)
    trusted[7, 3], scale[8, 3] = False, 0.5
    assert not find_outliers(observed, trusted, answer, scale).any()
    assert not find_outliers(observed, np.zeros(SHAPE, bool), answer, scale).any()
    assert not find_outliers(np.full_like(observed, np.nan), trusted, answer, scale).any()


def test_the_threshold_is_as_documented():
    observed = np.zeros((5, 17, 3))
    # median 0.04, and 0.03 expected: 2.5 · 0.05
    observed[:, 4, 0] = (0.04, 0.04, 0.04, 0.124, 0.126)
    found = find_outliers(
        observed, np.ones((5, 17), bool), np.zeros((5, 17, 3)), np.full((5, 17), 0.01), 2.5
    )
    np.testing.assert_array_equal(found[:, 4], [False, False, False, False, True])
    assert found.sum() == 1 and OUTLIER_RATIO > 1 and OUTLIER_CONFIDENCE < CONFIDENCE_THRESHOLD


@pytest.fixture(scope="module")
def jumping():
    """Generated people, observed with outliers."""
    return [
        case
        for seed in range(2)
        for case in harness.make_cases(
            datasets.load("synthetic", "test", clips=4), ["limb"], "outlier", seed=seed
        )
    ]


def test_a_second_look_is_nearer_to_the_truth_under_outliers(jumping):
    network, once, twice = load_model("prior"), [], []
    for case in jumping:
        windows = Windows(case.sequence, network)
        first = predict_with_flip(network, windows.make_features(0))[0]
        second = predict_with_flip(network, windows.make_second_pass_features(0, *first))[0]
        once, twice = (
            [*errors, joint_errors_mm(x[0], case.truth).mean()]
            for errors, x in ((once, first), (twice, second))
        )
    assert np.mean(twice) < np.mean(once)


def test_predicting_twice_is_the_mean_with_rereading(jumping):
    network = load_model("prior")
    windows = Windows(jumping[0].sequence, network)
    assert len(windows) == 1
    ((_, joints, _, _),) = windows.predict(network, second_pass=True)
    plain, scale = predict_with_flip(network, windows.make_features(0))[0]
    second = predict_with_flip(network, windows.make_second_pass_features(0, plain, scale))[0][0]
    np.testing.assert_allclose(joints[:, 1:], (plain + second)[:, 1:] / 2, atol=1e-6)
    assert np.abs(joints - plain).max() > 1e-3


def test_an_unadapted_answer_of_ours_is_the_frozen_prior_looking_twice(jumping, monkeypatch):
    monkeypatch.setattr(
        "stride_nb.refinement.refine.fuse_with_detections", lambda source, result: (result, "")
    )
    sequence = jumping[0].sequence
    found = refine(sequence, "stride_ours", steps=0).sequence.root_relative().joints
    network = load_model("prior")
    ((_, joints, _, _),) = Windows(sequence, network).predict(network, second_pass=True)
    np.testing.assert_allclose(found - found[:, :1], joints, atol=1e-6)


def test_where_all_is_believed_a_second_look_changes_nothing():
    case = next(
        iter(harness.make_cases(datasets.load("synthetic", "test", clips=1), ["none"], "estimator"))
    )
    clean = case.sequence.replace(
        joints=np.array(case.truth, float), confidence=np.ones(case.truth.shape[:2])
    )
    network = load_model("prior")
    windows = Windows(clean, network)
    first = predict_with_flip(network, windows.make_features(0))[0]
    assert not find_outliers(
        windows.fill_relative(0), np.ones(case.truth.shape[:2], bool), *first
    ).any()
    assert torch.equal(windows.make_features(0), windows.make_second_pass_features(0, *first))
