"""Good detections are kept, bad ones are left to the prior."""

import numpy as np
import pytest

from stride_nb import refine
from stride_nb.datasets import synthetic
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17
from stride_nb.poses.streaming import open_streamed
from stride_nb.refinement.fusion import estimate_weights, fuse_with_detections

(CLIP,) = synthetic.load("test", clips=1, seconds=8, fps=50)
LIMBS = H36M17.index("rknee", "rankle", "lknee", "lankle", "lelbow", "lwrist", "relbow", "rwrist")
TRUTH = CLIP.joints * (1, -1, -1) + (0, 1, 5)


def answer_like_a_prior(rng, error=0.02):
    """Smooth, and off by a constant and a slow wave, as on a body unlike the prior's own."""
    wave = np.sin(np.arange(len(TRUTH)) / 40)[:, None, None] * rng.normal(0, error / 4, (17, 3))
    offset = rng.normal(0, error, (17, 3)) + wave
    offset[..., 0, :] = 0
    return PoseSequence(TRUTH + offset, fps=50)


def measure(sequence):
    own = sequence.root_relative().joints
    return 1000 * np.linalg.norm(own - (TRUTH - TRUTH[:, :1]), axis=-1)[:, 1:]


def test_perfect_detections_are_kept():
    source, answer = PoseSequence(TRUTH, fps=50), answer_like_a_prior(np.random.default_rng(0))
    weights = estimate_weights(source, answer)
    assert weights[0] == 0 and (weights[1:] > 0.95).all()
    fused, note = fuse_with_detections(source, answer)
    assert measure(fused).mean() < 1.5 < 20 < measure(answer).mean()
    np.testing.assert_array_equal(fused.joints[:, 0], answer.joints[:, 0])
    assert "detections count" in note


@pytest.mark.parametrize("steady", [False, True])
def test_bad_detections_are_left_alone_even_with_bones_that_never_change(steady):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.06, TRUTH.shape)
    if (
        steady
    ):  # whole poses of the same body, exchanged at random: its bones are those of the truth
        joints = TRUTH[(np.arange(len(TRUTH)) + rng.integers(-40, 40, len(TRUTH))) % len(TRUTH)]
        joints = joints - joints[:, :1] + TRUTH[:, :1]
    else:
        joints = TRUTH + noise
    source, answer = PoseSequence(joints, fps=50), answer_like_a_prior(rng)
    assert estimate_weights(source, answer)[LIMBS].max() < 0.1
    fused, _ = fuse_with_detections(source, answer)
    assert measure(fused).mean() < 1.1 * measure(answer).mean()


def test_what_is_hidden_keeps_the_offset_for_a_moment_without_a_jump():
    source, answer = PoseSequence(TRUTH, fps=50), answer_like_a_prior(np.random.default_rng(2))
    wrist = H36M17.index("lwrist")
    confidence = np.ones(TRUTH.shape[:2])
    confidence[100:300, wrist] = 0.1
    hidden = source.replace(confidence=confidence)
    fused, _ = fuse_with_detections(hidden, answer)
    offset = np.linalg.norm(fused.joints - answer.joints, axis=-1)[:, wrist]
    assert offset[101] > 0.8 * offset[99] and offset[200] < 0.01 * offset[99]
    assert np.abs(np.diff(offset)).max() < 0.1 * offset[99]


def test_few_frames_and_nothing_seen_change_nothing():
    answer = answer_like_a_prior(np.random.default_rng(3))
    nothing = PoseSequence(np.full_like(TRUTH, np.nan), np.zeros(TRUTH.shape[:2]), 50)
    assert fuse_with_detections(nothing, answer) == (answer, "")
    short = PoseSequence(TRUTH[:10], fps=50)
    assert fuse_with_detections(short, answer[:10])[1] == ""


def test_ours_hardly_moves_perfect_input_and_the_frozen_prior_does():
    source = PoseSequence(TRUTH, fps=50)
    ours, frozen = (refine(source, name, device="cpu") for name in ("stride_ours", "prior"))
    assert measure(ours.sequence).mean() < 4 < measure(frozen.sequence).mean()
    assert "detections count" in ours.trace.note


def test_a_stream_gives_what_memory_gives(tmp_path):
    joints = np.concatenate([TRUTH] * 6)
    confidence = np.random.default_rng(4).uniform(0.3, 1, joints.shape[:2])
    source = PoseSequence(joints, confidence, 50)
    source.save(tmp_path / "long.npz")
    whole = refine(source, "stride_ours", steps=1, device="cpu").sequence
    with open_streamed(tmp_path / "long.npz") as stream:
        parts = refine(stream, "stride_ours", steps=1, device="cpu").sequence[:]
    np.testing.assert_allclose(parts.joints, whole.joints, atol=1e-6)
