"""Metrics: known answers, invariances, agreement with the published numbers, NaN never scored in
silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb.errors import InputError
from stride_nb.evaluation import metrics as m
from stride_nb.poses import geometry
from stride_nb.poses.geometry import rotation_about
from stride_nb.poses.skeleton import H36M17

fast = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def sample(seed=0, frames=20):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(frames, 17, 3))
    return truth + rng.normal(0, 0.05, truth.shape), truth, rng.random((frames, 17)) < 0.6


def test_published_numbers(reference):
    d = np.load(reference / "losses.npz")
    pred, gt = d["pred"][0], d["gt"][0]
    found = {
        "mpjpe_frames": m.mpjpe(pred, gt),
        "p_mpjpe_frames": m.p_mpjpe(pred, gt),
        "accel": m.accel(pred),
        "error_accel": m.error_accel(pred, gt),
        "error_accel_vis": m.error_accel(pred, gt, d["vis"]),
        "loss_mpjpe": m.mpjpe(d["pred"], d["gt"]).mean(),
        "n_mpjpe": m.scaled_mpjpe(d["pred"], d["gt"]).mean(),
    }
    for name, value in found.items():
        assert value.shape == d[name].shape
        np.testing.assert_allclose(value, d[name], atol=1e-5, err_msg=name)


def test_known_errors_in_their_units():
    truth = np.zeros((5, 17, 3))
    pred, visible = truth.copy(), np.ones((5, 17), bool)
    pred[:, 16] = (0, 0.03, 0.04)
    visible[:, 16] = False
    found = m.evaluate_poses(pred, truth, visible, 50)
    assert found["mpjpe"] == pytest.approx(50 / 17)
    assert found["mpjpe_hidden"] == pytest.approx(50) and found["mpjpe_visible"] == 0
    assert found["accel_error"] == found["bone_std"] == pytest.approx(0, abs=1e-9)
    assert found.keys() == m.UNITS.keys()
    pred[2, 16] += (1, 0, 0)  # second differences 1, −2, 1 m/frame² of one joint in 17
    assert m.accel_error_mm_frame2(pred, truth) == pytest.approx(1000 * 4 / 3 / 17)
    assert m.accel_error_mps2(pred, truth, 50) == pytest.approx(2500 * 4 / 3 / 17)
    assert m.joint_errors_mm(pred, truth)[0, 16] == pytest.approx(50)


def test_acceleration_error_is_that_of_a_falling_body():
    seconds = np.arange(60)[:, None, None] / 30
    falling = np.zeros((60, 17, 3))
    falling[:, 1:] += 0.5 * 9.81 * seconds**2 * np.array([0, -1.0, 0])
    assert m.accel_error_mps2(falling, np.zeros_like(falling), 30) == pytest.approx(9.81 * 16 / 17)


@fast
@given(seeds)
def test_split_is_a_partition_and_the_root_does_not_matter(seed):
    pred, truth, visible = sample(seed)
    found = m.evaluate_poses(pred, truth, visible, 50)
    share = visible.mean()
    assert found["mpjpe"] == pytest.approx(
        share * found["mpjpe_visible"] + (1 - share) * found["mpjpe_hidden"]
    )
    walked = m.evaluate_poses(
        pred + np.random.default_rng(seed).normal(size=(20, 1, 3)), truth, visible, 50
    )
    assert walked == pytest.approx(found)
    assert found["pa_mpjpe"] < found["mpjpe"]


@fast
@given(seeds)
def test_invariances(seed):
    pred, truth, visible = sample(seed)
    R = rotation_about(np.array([1.0, 2, 3]), 1.0)
    assert m.pa_mpjpe_mm(3 * pred @ R + 1, truth) == pytest.approx(m.pa_mpjpe_mm(pred, truth))
    np.testing.assert_allclose(m.scaled_mpjpe(3 * pred, truth), m.scaled_mpjpe(pred, truth))
    both = m.evaluate_poses(pred @ R, truth @ R, visible, 50)
    assert both == pytest.approx(m.evaluate_poses(pred, truth, visible, 50))
    assert (
        max(
            m.evaluate_poses(truth, truth, visible, 50)[k]
            for k in ("mpjpe", "pa_mpjpe", "accel_error")
        )
        < 1e-9
    )


@fast
@given(seeds)
def test_the_scale_of_n_mpjpe_is_the_least_squares_one(seed):
    pred, truth, _ = sample(seed)
    scales = [np.linalg.lstsq(p.reshape(-1, 1), g.ravel())[0] for p, g in zip(pred, truth)]
    expected = m.mpjpe(np.array(scales)[..., None] * pred, truth)
    np.testing.assert_allclose(m.scaled_mpjpe(pred, truth), expected)


def test_bone_std():
    pose = np.random.default_rng(0).normal(size=(17, 3))
    turning = np.stack(
        [pose @ rotation_about(np.array([0, 1.0, 0]), a) for a in np.linspace(0, 3, 30)]
    )
    assert m.bone_std_mm(turning) == pytest.approx(0, abs=1e-9)
    lengths = geometry.bone_lengths(pose)
    assert lengths.shape == (16,) and lengths[0] == pytest.approx(np.linalg.norm(pose[1] - pose[0]))
    pulsing = pose * np.where(np.arange(30) % 2, 1.1, 0.9)[:, None, None]
    assert m.bone_std_mm(pulsing) == pytest.approx(100 * lengths.mean())
    assert len(H36M17.bones) == 16


def test_what_cannot_be_averaged_is_absent():
    pred, truth, visible = sample()
    everything, nothing = np.ones_like(visible), np.zeros_like(visible)
    assert "mpjpe_hidden" not in m.evaluate_poses(pred, truth, everything, 50)
    assert "mpjpe_visible" not in m.evaluate_poses(pred, truth, nothing, 50)
    assert "accel_error" not in m.evaluate_poses(pred[:2], truth[:2], visible[:2], 50)
    one = m.evaluate_poses(pred[:1], truth[:1], visible[:1], 50)
    assert one["bone_std"] == 0 and all(np.isfinite(v) for v in one.values())
    with pytest.raises(InputError, match="something to score"):
        m.mpjpe_mm(pred, truth, nothing)
    with pytest.raises(InputError, match="three frames"):
        m.accel_error_mps2(pred[:2], truth[:2], 50)


def test_nan_is_refused_where_it_is_scored():
    pred, truth, visible = sample()
    pred[3, 5, 1] = np.nan
    for score in (
        lambda: m.evaluate_poses(pred, truth, visible, 50),
        lambda: m.mpjpe_mm(pred, truth),
        lambda: m.pa_mpjpe_mm(pred, truth),
        lambda: m.bone_std_mm(pred),
        lambda: m.accel_error_mps2(pred, truth, 50),
    ):
        with pytest.raises(InputError, match="pred: expected finite"):
            score()
    elsewhere = np.arange(20)[:, None] > np.full(17, 3)
    assert np.isfinite(m.mpjpe_mm(pred, truth, elsewhere))
    assert np.isfinite(m.accel_error_mps2(pred, truth, 50, elsewhere))
    assert np.isnan(m.joint_errors_mm(pred, truth)).sum() == 1
    with pytest.raises(InputError, match="truth: expected finite"):
        m.evaluate_poses(truth, pred, visible, 50)
    with pytest.raises(InputError, match="visible: expected bool"):
        m.evaluate_poses(truth, truth, visible.astype(float), 50)
    with pytest.raises(InputError, match="truth: expected shape"):
        m.evaluate_poses(truth, truth[:5], visible, 50)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_nan_is_refused_by_the_published_ones_too(wrong):
    pred, truth, _ = sample()
    seen, spoilt = np.arange(20) > 3, pred.copy()
    spoilt[3, 5, 1] = wrong
    for score in (m.mpjpe, m.p_mpjpe, m.scaled_mpjpe, m.error_accel):
        with pytest.raises(InputError, match=f"{score.__name__}: pred: expected finite"):
            score(spoilt, truth)
        with pytest.raises(InputError, match=f"{score.__name__}: (truth|pred): expected finite"):
            score(truth, spoilt)
    with pytest.raises(InputError, match="accel: pred: expected finite"):
        m.accel(spoilt)
    # not scored
    np.testing.assert_array_equal(
        m.error_accel(spoilt, truth, seen), m.error_accel(pred, truth, seen)
    )


@pytest.mark.parametrize(
    "name",
    [
        "mpjpe",
        "p_mpjpe",
        "scaled_mpjpe",
        "error_accel",
        "joint_errors_mm",
        "mpjpe_mm",
        "pa_mpjpe_mm",
        "accel_error_mm_frame2",
    ],
)
@pytest.mark.parametrize("cut", [np.s_[:1], np.s_[:, :16], np.s_[0], np.s_[None]])
def test_nothing_is_scored_by_broadcasting(name, cut):
    pred, truth, _ = sample()
    for pair in ((pred[cut], truth), (pred, truth[cut])):
        with pytest.raises(InputError, match=f"{name}: truth: expected shape"):
            getattr(m, name)(*pair)


def test_no_frame_has_no_published_error():
    nothing = np.zeros((0, 17, 3))
    assert all(
        score(nothing, nothing).shape == (0,) for score in (m.mpjpe, m.p_mpjpe, m.scaled_mpjpe)
    )
    assert m.accel(np.zeros((2, 17, 3))).shape == (0,)


def brute_order(pred, truth, hidden):
    """Depth order along axis 1, counted pair by pair."""
    hits = {"all": [], "visible": [], "hidden": []}
    for row in range(len(pred)):
        for i in range(pred.shape[1]):
            for j in range(i):
                if truth[row, i] != truth[row, j]:
                    right = np.sign(pred[row, i] - pred[row, j]) == np.sign(
                        truth[row, i] - truth[row, j]
                    )
                    hits["all"].append(right)
                    hits["hidden" if hidden[row, i] or hidden[row, j] else "visible"].append(right)
    return {k: np.mean(v) for k, v in hits.items()}


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_depth_order_counts_every_pair(seed):
    rng = np.random.default_rng(seed)
    truth, pred = rng.integers(0, 6, (2, 9, 17)).astype(float)  # few values: ties in both
    visible = rng.random((9, 17)) < 0.6
    assert m.depth_order_accuracy_spatial(pred, truth, visible) == pytest.approx(
        brute_order(pred, truth, ~visible)
    )
    assert m.depth_order_accuracy_temporal(pred, truth, visible) == pytest.approx(
        brute_order(pred.T, truth.T, ~visible.T)
    )


def test_depth_order_limits():
    z = np.random.default_rng(0).normal(size=(30, 17))
    for order in (m.depth_order_accuracy_spatial, m.depth_order_accuracy_temporal):
        assert order(2 * z + 3, z) == {"all": 1.0}
        assert order(-z, z) == {"all": 0.0}
        assert order(z, z, np.ones_like(z, bool)) == {"all": 1.0, "visible": 1.0}
        assert order(z, np.zeros_like(z)) == {}
