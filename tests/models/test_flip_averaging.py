"""Flip averaging: the prediction for the mirror image is the mirror image of the prediction."""

import numpy as np
import torch
from hypothesis import given

from stride_nb.models.flip_averaging import average_with_flip, predict_with_flip
from stride_nb.models.lifter import mirror_lifter_features
from stride_nb.models.motion_prior import mirror_features
from stride_nb.poses.skeleton import mirror_joints
from tests.models.test_lifter import told_2d
from tests.models.test_motion_prior import MIRROR, cases, fast, network, told


@fast
@given(cases)
def test_asked_both_ways_a_network_answers_the_mirror_image_with_the_mirror_image(case):
    model, x = network(), told(case)
    ((joints, scale),) = predict_with_flip(model, x)
    ((turned, turned_scale),) = predict_with_flip(model, mirror_features(x))
    np.testing.assert_allclose(turned, joints[:, MIRROR] * (-1, 1, 1), atol=1e-6)
    np.testing.assert_allclose(turned_scale, scale[:, MIRROR], atol=1e-6)
    with torch.no_grad():
        plain = model(x)
    # one way alone is not its own image
    assert case[1] < 3 or np.abs(plain.joints[0].numpy() - joints).max() > 1e-4


def test_a_lifter_and_a_bare_backbone_are_averaged_likewise():
    model, x = network("lifter"), told_2d((0, 20, 0.3))
    with torch.no_grad():
        expected = (model(x) + mirror_joints(model(mirror_lifter_features(x)))) / 2
        joints, scale = average_with_flip(model, x)
    np.testing.assert_allclose(joints, expected, atol=1e-6)
    assert scale.shape == joints.shape[:-1] and (scale == 0).all()
    weight = torch.randn(17, 3, generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, 5, 17, 3, generator=torch.Generator().manual_seed(1))
    bare = torch.nn.Module()
    bare.forward = lambda x: x * weight
    expected = (x * weight + mirror_joints(mirror_joints(x) * weight)) / 2
    assert torch.equal(average_with_flip(bare, x).joints, expected)
