"""The lifter's ten channels, and its output."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from stride_nb.models.lifter import LIFTER_CHANNELS, make_lifter_features, mirror_lifter_features
from tests.models.test_motion_prior import MIRROR, cases, fast, network, observed


def told_2d(case, size=(1000, 1000)):
    pixels, confidence = observed(case, 2)
    return torch.from_numpy(make_lifter_features(100 * pixels, confidence, 50, size))[None]


@fast
@given(cases)
def test_a_lifter_is_told_finite_channels_and_answers_root_relative(case):
    x = told_2d(case)
    assert x.shape == (1, case[1], 17, LIFTER_CHANNELS) and torch.isfinite(x).all()
    with torch.no_grad():
        out = network("lifter")(x)
    assert torch.isfinite(out).all() and (out[..., 0, :] == 0).all()


@fast
@given(cases, st.sampled_from([(1000, 1000), (1920, 1080), (480, 640)]))
def test_the_mirrored_image_is_told_as_mirrored_channels(case, size):
    pixels, confidence = observed(case, 2)
    # an image is mirrored about its middle: a root must be known
    confidence[:, 0] = np.maximum(confidence[:, 0], 0.1)
    pixels = np.nan_to_num(100 * pixels, nan=300.0)
    turned = np.stack([size[0] - pixels[..., 0], pixels[..., 1]], -1)[:, MIRROR]
    x = torch.from_numpy(make_lifter_features(pixels, confidence, 50, size))[None]
    other = make_lifter_features(turned, confidence[:, MIRROR], 50, size)
    np.testing.assert_allclose(mirror_lifter_features(x)[0], other, atol=1e-4)
    assert torch.equal(mirror_lifter_features(mirror_lifter_features(x)), x)


def test_a_lifter_sees_the_same_pose_wherever_in_the_image_and_however_large():
    pixels, confidence = observed((0, 20, 0.0), 2)
    a = make_lifter_features(100 * pixels, confidence, 50, (1000, 1000))
    b = make_lifter_features(200 * pixels + (50, -30), confidence, 50, (1000, 1000))
    np.testing.assert_allclose(a[..., :4], b[..., :4], atol=1e-4)
    np.testing.assert_allclose(b[..., 6] - a[..., 6], np.log(2), atol=1e-5)
    assert np.abs(a[..., 4:6] - b[..., 4:6]).max() > 0.05
