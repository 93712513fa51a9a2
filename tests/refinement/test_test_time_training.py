"""Test-time training: its settings, what it masks and what it holds out."""

import numpy as np
import pytest
import torch

from stride_nb.errors import InputError
from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement import test_time_training
from stride_nb.refinement.sliding_window import Windows
from tests.refinement.test_refine import PRIOR, noisy
from tests.refinement.test_sliding_window import LINEAR, walker


def test_whole_numbers_and_shares_of_numpy_are_taken_and_truth_is_not():
    """As they come from an array of settings to try."""
    how = test_time_training.make_settings(
        test_time_training.SelfDistillationTTT,
        {"steps": np.int64(2), "batch": np.int32(1), "lr": np.float32(1e-4), "margin": 0},
    )
    assert (how.steps, how.batch, how.margin) == (2, 1, 0)
    with pytest.raises(InputError, match="steps: expected finite int ≥ 0, found True"):
        test_time_training.make_settings(test_time_training.SelfDistillationTTT, {"steps": True})


def test_what_is_held_out_of_a_long_sequence_is_held_out_of_every_window_that_has_it():
    """Windows overlap; a joint that one shows would teach what another is judged by."""
    windows = Windows(walker(900), LINEAR)
    samples = test_time_training.make_samples(windows, LINEAR, np.random.default_rng(0), 0.1)
    held = np.zeros((len(windows.sequence), 17), bool)
    for sample in samples:
        held[sample.frames] |= sample.held_out
    assert len(samples) > 3 and held.any() and not held.all()
    for sample in samples:
        np.testing.assert_array_equal(sample.held_out, held[sample.frames])
        torch.testing.assert_close(
            sample.held_out_inputs, windows.make_features(sample.i, sample.held_out)
        )


def test_a_lesson_hides_what_it_asks_for_and_never_shows_what_is_held_out():
    windows = Windows(noisy()[2], PRIOR)
    sample = test_time_training.TTTSample(windows, 0, PRIOR, np.random.default_rng(0), 0.1)
    told, target, blind, seen = sample.mask_joints(np.random.default_rng(1))
    blind, seen, confidence = blind.bool().numpy(), seen.bool().numpy(), told[..., 6].numpy()
    assert blind.any() and seen.any() and sample.held_out.any()
    assert not (blind & seen).any() and not ((blind | seen) & sample.held_out).any()
    assert (confidence[blind | sample.held_out] == 0).all() and (
        confidence[seen] >= CONFIDENCE_THRESHOLD
    ).all()
    np.testing.assert_allclose(
        target, predict_with_flip(PRIOR, windows.make_features(0))[0][0], atol=1e-6
    )


def test_gaps_are_the_recordings_own_and_windows_are_spread():
    confidence = np.full((243, 17), 0.9)
    confidence[50:90, 3] = 0.1
    windows = Windows(
        PoseSequence(np.random.default_rng(0).normal(size=(243, 17, 3)), confidence), PRIOR
    )
    assert test_time_training.measure_gap_lengths(windows, 0).tolist() == [40]
    assert (
        test_time_training.select_windows(5) == [0, 1, 2, 3, 4]
        and len(test_time_training.select_windows(100)) == 16
        and test_time_training.select_windows(100)[-1] > 90
    )
