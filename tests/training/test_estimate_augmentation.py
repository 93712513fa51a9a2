"""Estimates made worse stay what a person with that outline could be taken for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stride_nb.datasets import synthetic
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.training.estimate_augmentation import worsen_estimate

(WALK,) = synthetic.load("val", clips=1, seconds=3, fps=50)
TRUTH = WALK.joints * (1, -1, -1) + (0, 0, 4)


@given(st.integers(0, 10_000))
def test_errors_grow_by_one_gain_but_for_flips_and_losses(seed):
    rng = np.random.default_rng(seed)
    joints = TRUTH + np.random.default_rng(1).normal(0, 0.03, TRUTH.shape)
    joints[20:25] = np.nan
    confidence = np.where(np.isnan(joints[..., 0]), 0.0, 0.8)
    estimate, truth = PoseSequence(joints, confidence, 50), PoseSequence(TRUTH, fps=50)
    worse = worsen_estimate(estimate, truth, rng)
    lost = (worse.confidence == 0).all(1)
    np.testing.assert_array_equal(worse.joints[~lost, 0], joints[~lost, 0])
    assert lost[20:25].all() and lost.sum() <= 5 + 30
    relative = [x - x[:, :1] for x in (worse.joints, joints, TRUTH)]
    turned = mirror_joints(relative[0], negate=(2,))
    gains = []
    for answer in (relative[0], turned):
        own = np.linalg.norm((answer - relative[2])[:, 1:], axis=-1)
        before = np.linalg.norm((relative[1] - relative[2])[:, 1:], axis=-1)
        gains.append(own / before)
    seen = ~lost
    steady = [np.ptp(np.nan_to_num(gain), axis=1) < 1e-6 for gain in gains]
    assert (steady[0] | steady[1])[seen].all()
    usual = gains[0][seen & steady[0]]
    assert usual.min() >= 0.9 and usual.max() <= 1.8
    assert (~steady[0])[seen].sum() <= 40  # a flip lasts 0.8 s at most
