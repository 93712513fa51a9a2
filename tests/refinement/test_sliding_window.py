"""Long sequences window by window: what a window looks at, how windows meet, what it all costs."""

import time
import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from stride_nb.models.motion_prior import OUTPUT_SIGMA, PRIOR_CHANNELS, Prior, make_input_features
from stride_nb.poses.interpolation import fill_linear
from stride_nb.poses.sequence import WINDOW_FRAMES, PoseSequence
from stride_nb.refinement.filters import gaussian
from stride_nb.refinement.sliding_window import WINDOW_STRIDE, Windows


class Silent(nn.Module):
    """A backbone that keeps all of the interpolation and adds nothing, with a parameter to tell its
    device by."""

    def __init__(self):
        super().__init__()
        self.said = nn.Parameter(torch.tensor((0.0, 0.0, 0.0, 0.0, 9.0)))

    def forward(self, x):
        return self.said.expand(*x.shape[:-1], -1)


class Copy(Silent):
    """A network on joints that answers with what it sees."""

    def forward(self, x):
        return x + self.said[0]


LINEAR = Prior(Silent())


def walker(frames=600, seed=0, missing=0.0):
    """A person who walks along x and swings, observed with gaps and a low confidence here and
    there."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None] / 50
    pose, phase = rng.uniform(-0.8, 0.8, (17, 3)), rng.uniform(0, 6, (17, 1))
    joints = pose + 0.1 * np.sin(2 * np.pi * 0.5 * t + phase) + (1.2, 0, 0) * t + (0, 0, 4)
    confidence = rng.uniform(0.3, 1, (frames, 17)) * (rng.random((frames, 17)) >= missing)
    return PoseSequence(joints, confidence)


def predicted(windows, network):
    """The answer for the whole: joints, root and scale."""
    spans, *answers = zip(*windows.predict(network))
    assert [s.start for s in spans] == [0, *(s.stop for s in spans[:-1])] and spans[-1].stop == len(
        windows.sequence
    )
    return [None if parts[0] is None else np.concatenate(parts) for parts in answers]


def smoothed(x):
    """What a network that adds nothing answers where nothing is missing."""
    apart = (np.arange(len(x))[:, None] - np.arange(len(x))) / 50 / OUTPUT_SIGMA
    weights = np.exp(-(apart**2) / 2)
    return np.einsum("ts,sjc->tjc", weights / weights.sum(1, keepdims=True), x)


def lost(sequence, *spans):
    confidence = sequence.confidence.copy()
    for a, b in spans:
        confidence[a:b] = 0
    return sequence.replace(confidence=confidence)


@pytest.mark.parametrize("frames", [1, 2, 242, 243, 244, 405, 1000])
def test_windows_cover_every_frame(frames):
    windows = Windows(walker(frames), LINEAR)
    covered = np.zeros(frames)
    for i in range(len(windows)):
        assert windows.make_features(i).shape == (
            1,
            len(windows.get_confidence(i)),
            17,
            PRIOR_CHANNELS,
        )
        covered[windows.starts[i] : windows.starts[i] + WINDOW_FRAMES] += 1
    assert covered.min() >= 1
    assert sorted(i for batch in windows.make_batches() for i in batch) == list(range(len(windows)))


@pytest.mark.parametrize(
    "frames, lengths", [(54, [27, 27]), (60, [27, 27, 6]), (1, [1]), (28, [27, 1])]
)
def test_the_published_cutting(frames, lengths):
    windows = Windows(walker(frames), Copy(), 27, 27, partial=True)
    assert [windows.make_features(i).shape[1] for i in range(len(windows))] == lengths
    assert [b for batch in windows.make_batches() for b in batch] == list(range(len(lengths)))


def test_a_short_sequence_is_told_as_condition_tells_it():
    sequence = walker(100)
    confidence = np.where(np.random.default_rng(1).random((100, 17)) < 0.2, 0, sequence.confidence)
    confidence[:, 0] = 0.9
    sequence = sequence.replace(confidence=confidence)
    expected = make_input_features(sequence.joints, sequence.confidence, 50)
    np.testing.assert_array_equal(Windows(sequence, LINEAR).make_features(0)[0], expected)


def test_a_bare_network_gets_the_joints_as_they_come():
    sequence = walker(100, missing=0.2)
    expected = fill_linear(sequence.joints, ~sequence.missing).astype(np.float32)
    np.testing.assert_array_equal(Windows(sequence, Copy()).make_features(0)[0], expected)


def test_a_window_looks_beyond_its_ends():
    """Gaps at a window's ends are filled from what comes before and after, as if there were no
    windows."""
    sequence = walker(700)
    confidence = np.full((700, 17), 0.9)
    confidence[150:230, 5] = confidence[380:460, 5] = 0
    sequence = sequence.replace(confidence=confidence)
    whole = make_input_features(sequence.joints, confidence, 50)
    windows = Windows(sequence, LINEAR)
    for i, a in enumerate(windows.starts):
        np.testing.assert_allclose(
            windows.make_features(i)[0], whole[a : a + WINDOW_FRAMES], atol=1e-6
        )


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_far_frames_do_not_matter(missing):
    sequence = walker(3000, missing=missing)
    changed = sequence.joints.copy()
    changed[:1000] += 1.0
    changed[2000:] -= 1.0
    near, far = Windows(sequence, LINEAR), Windows(sequence.replace(joints=changed), LINEAR)
    inner = [i for i, a in enumerate(near.starts) if 1300 < a < 1700 - WINDOW_FRAMES + 100]
    assert inner
    for i in inner:
        assert torch.equal(near.make_features(i), far.make_features(i))
        np.testing.assert_array_equal(near.smooth_root(i), far.smooth_root(i))
        np.testing.assert_array_equal(near.fill_relative(i), far.fill_relative(i))


def test_joints_taken_for_missing_are_not_looked_at():
    sequence = walker(300)
    rng = np.random.default_rng(0)
    blind = rng.random((WINDOW_FRAMES, 17)) < 0.3
    blind[:, 0] = False
    windows = Windows(sequence, LINEAR)
    changed = sequence.joints.copy()
    changed[:WINDOW_FRAMES][blind] += 5.0
    other = Windows(sequence.replace(joints=changed), LINEAR)
    told = windows.make_features(0, blind)
    assert torch.equal(told, other.make_features(0, blind)) and not torch.equal(
        told, other.make_features(0)
    )
    assert (told[0, ..., 6:8].numpy()[blind] == 0).all()
    # and are not lost for good
    np.testing.assert_array_equal(windows.get_confidence(0), sequence.confidence[:WINDOW_FRAMES])


def test_a_lost_pelvis_is_where_the_other_joints_say():
    """A stiff person on a curved path: nothing moves relative to the pelvis, whether it is seen or
    not."""
    t = np.arange(300)[:, None, None] / 50
    pose = np.random.default_rng(0).uniform(-0.8, 0.8, (17, 3))
    joints = pose - pose[0] + np.concatenate([np.sin(3 * t), 0 * t, 4 + np.cos(3 * t)], -1)
    confidence = np.full((300, 17), 0.9)
    confidence[100:160, 0] = 0
    windows = Windows(PoseSequence(joints, confidence), LINEAR)
    expected = np.broadcast_to(pose - pose[0], (WINDOW_FRAMES, 17, 3))
    np.testing.assert_allclose(windows.make_features(0)[0, ..., :3] * 0.25, expected, atol=1e-6)
    np.testing.assert_allclose(windows.fill_relative(0), expected, atol=1e-6)


def test_frames_that_repeat_stay_unseen_whatever_is_put_in_place_of_hidden_joints():
    slow = walker(60)
    sequence = slow.replace(joints=np.repeat(slow.joints, 4, 0), confidence=np.full((240, 17), 0.9))
    rng, blind = np.random.default_rng(0), np.zeros((240, 17), bool)
    blind[40:90, :5] = True
    guesses = rng.normal(size=(240, 17, 3)), np.full((240, 17), 0.2)
    trusted = Windows(sequence, LINEAR).make_features(0, blind, guesses)[0, :, :, 7].numpy()
    np.testing.assert_array_equal(trusted, (np.arange(240) % 4 == 0)[:, None] & ~blind)


@pytest.mark.parametrize("frames", [1, 2, 243, 244, 700])
def test_windows_meet_without_a_seam(frames):
    """The answer of a network that adds nothing is the smoothed sequence, whatever the windows."""
    sequence = walker(frames)
    sequence = sequence.replace(confidence=np.full((frames, 17), 0.9))
    joints, root, scale = predicted(Windows(sequence, LINEAR), LINEAR)
    np.testing.assert_allclose(
        joints, smoothed(sequence.joints - sequence.joints[:, :1]), atol=2e-3
    )
    np.testing.assert_allclose(root, gaussian(sequence).joints[:, :1], atol=1e-6)
    np.testing.assert_allclose(scale[:, 1:], 0.05, atol=1e-6)
    # the pelvis is what the rest is measured from
    assert (scale[:, 0] == 0).all() and (joints[:, 0] == 0).all()


def test_a_bare_networks_answer_is_the_mean_of_both_ways_with_the_root_at_zero():
    sequence = walker(60)
    joints, _, scale = predicted(Windows(sequence, Copy(), 27, 27, partial=True), Copy())
    # flipped twice: as it came
    np.testing.assert_allclose(joints[:, 1:], sequence.joints[:, 1:], atol=1e-5)
    assert scale is None and (joints[:, 0] == 0).all()


@pytest.mark.parametrize(
    "spans", [[(330, 1870)], [(0, 1530)], [(470, 2000)], [(10, 900), (1000, 1990)]]
)
def test_nobody_for_long(spans):
    full = walker(2000)
    full = full.replace(confidence=np.full((2000, 17), 0.9))
    sequence = lost(full, *spans)
    joints, root, scale = predicted(Windows(sequence, LINEAR), LINEAR)
    assert np.isfinite(joints).all() and np.isfinite(root).all() and np.isfinite(scale).all()
    seen, relative = ~sequence.missing.any(1), full.joints - full.joints[:, :1]
    np.testing.assert_allclose(joints[seen], relative[seen], atol=0.05)
    assert np.abs(root - full.joints[:, :1])[seen].max() < 0.1
    for a, b in spans:
        # there the nearest changes over
        middle = (a + b) // 2 if a > 0 and b < 2000 else b if a else 0
        before, after = (
            np.arange(a + 20, middle - 20),
            np.arange(middle + WINDOW_FRAMES if a else a, b - 20),
        )
        assert len(before) + len(after) > 400
        for frames, t in ((before, a - 1), (after, b)):
            if len(frames):
                np.testing.assert_allclose(
                    joints[frames], np.broadcast_to(relative[t], (len(frames), 17, 3)), atol=0.01
                )
                np.testing.assert_allclose(
                    root[frames], np.broadcast_to(full.joints[t, :1], (len(frames), 1, 3)), atol=0.1
                )


def test_a_joint_never_seen_and_a_pelvis_never_seen():
    for joint in (0, 9):
        sequence = walker(300)
        confidence = sequence.confidence.copy()
        confidence[:, joint] = 0
        joints, root, _ = predicted(
            Windows(sequence.replace(confidence=confidence), LINEAR), LINEAR
        )
        assert np.isfinite(joints).all() and np.isfinite(root).all()
        assert np.abs(joints).max() < 5


def peak(frames, spans=()):
    """Peak memory of a prediction beyond the sequence itself, bytes."""
    sequence = lost(walker(frames), *spans)
    windows = Windows(sequence, LINEAR)
    # imports, and what is kept for every length of window, are not asked after
    for i in (0, 1, 2, -3, -2, -1):
        windows.make_features(i % len(windows))
        windows.smooth_root(i % len(windows))
    tracemalloc.start()
    for _ in windows.predict(LINEAR):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("gone", [False, True])
def test_memory_does_not_grow(gone):
    """All that is kept of a frame is whether anybody is in it; also where nobody is for long."""
    few, many = ((n, [(n // 10, n)] if gone else []) for n in (3000, 6000))
    growth = (peak(*many) - peak(*few)) / 3000
    assert growth < 2, f"{growth:.1f} bytes a frame"


def test_time_grows_with_the_length_and_no_faster():
    """Nobody seen for most of the time: a window does not search the whole sequence."""
    seconds = []
    for frames in (1000, 6000):
        windows = Windows(lost(walker(frames), (100, frames)), LINEAR)
        start = time.process_time()
        for _ in windows.predict(LINEAR):
            pass
        seconds.append((time.process_time() - start) / frames)
    assert seconds[1] < 3 * seconds[0]


def test_stride_is_less_than_length():
    assert 0 < WINDOW_STRIDE < WINDOW_FRAMES
