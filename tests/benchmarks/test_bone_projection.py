"""A person's bones: measured where they are seen, and of one length ever after."""

import numpy as np
import pytest

from benchmarks import bone_projection
from stride_nb import datasets
from stride_nb.evaluation import metrics
from stride_nb.poses.skeleton import H36M17

CHILD, PARENT = np.array(H36M17.bones).T


@pytest.fixture(scope="module")
def walk():
    joints = datasets.load("synthetic", "val")[0].joints
    return joints - joints[:, :1]


def lengths_of(joints):
    return np.linalg.norm(joints[:, CHILD] - joints[:, PARENT], axis=-1)


def test_cutting_sets_lengths_and_keeps_root_and_directions(walk):
    asked = np.r_[0.0, np.linspace(0.1, 0.5, 16)]
    made = bone_projection.set_bone_lengths(walk, asked)
    np.testing.assert_allclose(
        lengths_of(made), np.broadcast_to(asked[CHILD], (len(walk), 16)), atol=1e-12
    )
    np.testing.assert_array_equal(made[:, 0], walk[:, 0])
    before, after = ((x[:, CHILD] - x[:, PARENT]) / lengths_of(x)[..., None] for x in (walk, made))
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_a_rigid_body_is_measured_and_not_changed(walk):
    rigid = bone_projection.set_bone_lengths(
        walk, np.r_[0.0, lengths_of(walk).mean(0)][np.r_[0, 1 + np.argsort(CHILD)]]
    )
    found = bone_projection.estimate_bone_lengths(
        [(rigid[:60], np.full((60, 17), 0.02)), (rigid[60:90], np.full((30, 17), 0.5))]
    )
    np.testing.assert_allclose(found[CHILD], lengths_of(rigid)[0], rtol=1e-9)
    np.testing.assert_allclose(bone_projection.set_bone_lengths(rigid, found), rigid, atol=1e-9)
    assert metrics.bone_std_mm(bone_projection.set_bone_lengths(rigid, found)) < 1e-6


def test_frames_count_by_how_sure_they_are(walk):
    stretched, scale = walk.copy(), np.full(walk.shape[:2], 0.01)
    elbow, wrist = H36M17.index("relbow", "rwrist")
    stretched[:20, wrist] += 3 * (walk[:20, wrist] - walk[:20, elbow])
    scale[:20, wrist] = 10.0
    doubted, believed = (
        bone_projection.estimate_bone_lengths([(stretched, s)])[wrist]
        for s in (scale, np.full_like(scale, 0.01))
    )
    plain = bone_projection.estimate_bone_lengths([(walk[20:], scale[20:])])[wrist]
    assert doubted == pytest.approx(plain, rel=1e-3) and believed > 1.05 * plain


def test_a_bone_without_length_stays_finite(walk):
    flat = np.zeros_like(walk)
    assert np.isfinite(bone_projection.set_bone_lengths(flat, np.r_[0.0, np.full(16, 0.3)])).all()
