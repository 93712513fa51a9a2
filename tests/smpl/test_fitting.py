"""Fitting: parameters → joints → fit → joints, within millimetres, within the limits of human
joints."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stride_nb import smpl
from stride_nb.datasets.simulation import occlusion
from stride_nb.errors import InputError
from stride_nb.evaluation import metrics
from stride_nb.poses.geometry import axis_angle_to_matrix
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import H36M17, SMPL24
from stride_nb.refinement import filters
from stride_nb.smpl import BodyMotion, fit
from stride_nb.smpl.analytic_ik import estimate_pose
from stride_nb.smpl.block_banded import BandedNormalMatrix
from stride_nb.smpl.joint_limits import get_joint_limits


@pytest.fixture(scope="module")
def body():
    return smpl.load_body("standin", device="cpu")


def someone(seed: int, frames: int = 243, fps: float = 50) -> BodyMotion:
    """A person of random shape who moves every joint smoothly within its limits, walks about and
    turns round."""
    rng = np.random.default_rng(seed)
    low, high = get_joint_limits()
    seconds = np.arange(frames) / fps

    def waves(count):
        hertz, phase, size = (
            rng.uniform(0.1, 1.0, (4, count)),
            rng.uniform(0, 6.3, (4, count)),
            rng.normal(0, 0.5, (4, count)),
        )
        return (
            size[:, None] * np.sin(2 * np.pi * hertz[:, None] * seconds[:, None] + phase[:, None])
        ).sum(0)

    u = np.tanh(waves(72)).reshape(frames, 24, 3)
    pose = 0.4 * np.where(
        u > 0, u * np.nan_to_num(high, posinf=1), -u * np.nan_to_num(low, neginf=-1)
    )
    pose[:, SMPL24.index("lshoulder", "rshoulder"), 2] += (-0.7, 0.7)
    pose[:, 0] = 0.3 * waves(3)
    pose[:, 0, 1] += np.linspace(0, rng.uniform(-7, 7), frames)
    pose[:, 1:] = np.clip(pose[:, 1:], low[1:], high[1:])
    return BodyMotion(pose, rng.normal(size=10), np.cumsum(waves(3) * 0.01, 0) + (0.5, 0, -2), fps)


def within_limits(pose) -> bool:
    low, high = get_joint_limits()
    return bool(
        (pose[:, 1:24] >= low[1:] - 1e-9).all() and (pose[:, 1:24] <= high[1:] + 1e-9).all()
    )


def test_the_round_trip_is_within_5_mm(body):
    truth = body.compute_sequence(someone(0))
    fitted = fit(truth, body)
    again = body.compute_sequence(fitted.motion)
    assert 1e3 * np.linalg.norm(again.joints - truth.joints, axis=-1).mean() < 5
    np.testing.assert_allclose(
        fitted.residual_mm, 1e3 * np.linalg.norm(again.joints - truth.joints, axis=-1), atol=1e-6
    )
    assert fitted.mean_residual_mm < 5 and within_limits(fitted.pose)
    assert (
        fitted.pose.shape == (243, 24, 3)
        and fitted.shape.shape == (10,)
        and fitted.translation.shape == (243, 3)
    )


def test_all_24_joints_may_be_given(body):
    motion = someone(1, 61)
    given = PoseSequence(body.compute_joints(motion), fps=50, skeleton=SMPL24)
    fitted = fit(given, body)
    assert np.linalg.norm(body.compute_joints(fitted.motion) - given.joints, axis=-1).mean() < 5e-3


def test_without_a_regressor_the_conversion_by_name_is_fitted(body):
    plain = smpl.Body(body.arrays, "standin")
    truth = plain.compute_sequence(someone(2, 41))
    fitted = fit(truth, plain)
    assert fitted.mean_residual_mm < 6 and fitted.sequence.skeleton == H36M17


def test_hidden_spans_are_bridged_within_the_limits(body):
    motion = someone(3, 121)
    truth = body.compute_sequence(motion)
    confidence = np.ones(truth.confidence.shape)
    arm = H36M17.index("lshoulder", "lelbow", "lwrist")
    confidence[30:70, arm] = 0
    confidence[85:100] = 0  # nobody at all
    seen = PoseSequence(
        np.where(confidence[..., None] > 0, truth.joints, np.nan), confidence, fps=50
    )
    fitted = fit(seen, body)
    assert np.isnan(fitted.residual_mm[seen.missing]).all() and fitted.mean_residual_mm < 6
    assert within_limits(fitted.pose) and np.isfinite(fitted.sequence.joints).all()
    hidden = np.linalg.norm(fitted.sequence.joints - truth.joints, axis=-1)[seen.missing].mean()
    held = np.linalg.norm(truth.joints[29] - truth.joints[30:70], axis=-1)[:, arm].mean()
    assert hidden < min(0.15, 1.5 * held)
    speed = np.linalg.norm(np.diff(fitted.sequence.joints, axis=0), axis=-1) * 50
    # no jumps
    assert speed.max() < 2 * (np.linalg.norm(np.diff(truth.joints, axis=0), axis=-1) * 50).max()


def test_a_joint_that_is_never_seen_is_made_up_plausibly(body):
    truth = body.compute_sequence(someone(4, 41))
    joints = truth.joints.copy()
    joints[:, H36M17.index("rwrist", "relbow")] = np.nan
    fitted = fit(PoseSequence(joints, fps=50), body)
    assert fitted.mean_residual_mm < 8 and within_limits(fitted.pose)
    assert np.isfinite(fitted.sequence.joints).all()


def test_confidence_decides_whom_to_believe(body):
    truth = body.compute_sequence(someone(5, 31))
    wrong, (elbow, wrist) = truth.joints.copy(), H36M17.index("lelbow", "lwrist")
    # a forearm twice as long as the other one: cannot be
    wrong[:, wrist] += wrong[:, wrist] - wrong[:, elbow]
    error = {}
    for trust in (0.01, 1.0):
        confidence = np.ones(truth.confidence.shape)
        confidence[:, wrist] = trust
        fitted = fit(PoseSequence(wrong, confidence, fps=50), body)
        error[trust] = np.linalg.norm(fitted.sequence.joints - truth.joints, axis=-1)[
            :, elbow
        ].mean()
    assert error[0.01] < 0.5 * error[1.0]


def test_one_frame_and_one_joint_can_be_fitted(body):
    truth = body.compute_sequence(someone(6, 1))
    assert fit(truth, body).mean_residual_mm < 15
    joints = np.full((1, 17, 3), np.nan)
    joints[0, 0] = (1, 2, 3)
    fitted = fit(PoseSequence(joints), body)
    assert within_limits(fitted.pose) and fitted.mean_residual_mm < 20
    with pytest.raises(InputError, match="missing"):
        fit(PoseSequence(np.full((4, 17, 3), np.nan)), body)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_no_person_still_gives_a_body(body, seed):
    """Joints at random or all in one place, most of them missing, any frame rate: finite, within
    the limits."""
    rng = np.random.default_rng(seed)
    joints = (
        rng.normal(0, 10.0 ** rng.uniform(-3, 2), (5, 17, 3)) if seed % 2 else np.ones((5, 17, 3))
    )
    joints[rng.random((5, 17)) < 0.3 * (seed % 3)] = np.nan
    fitted = fit(PoseSequence(joints, fps=10.0 ** rng.uniform(-1, 3)), body)
    assert within_limits(fitted.pose) and np.isfinite(fitted.sequence.joints).all()


def points(body, root, pose, shape, translation):
    """The 17 regressed joints of a state, with the root's turn as the fit counts it."""
    rotations = axis_angle_to_matrix(pose)
    rotations[:, 0] = root @ axis_angle_to_matrix(pose[:, 0])
    return body.make_kinematics(body.regressor)(rotations, shape, translation), rotations


def test_derivatives_of_joints_match_differences(body):
    motion, still = someone(7, 3), np.zeros((3, 3))
    root = Rotation.random(3, rng=0).as_matrix()
    pose = motion.pose.copy()
    pose[:, 0] = 0  # the turn starts at none
    posed, rotations = points(body, root, pose, motion.shape, still)
    carry, step = body.make_kinematics(body.regressor), 1e-6
    by_rotation, by_shape = (
        carry.compute_pose_jacobian(posed, pose),
        carry.compute_shape_jacobian(rotations, 10),
    )
    for k in (0, 2, 9, 16, 18, 20):
        for axis in range(3):
            bump = np.zeros_like(pose)
            bump[:, k, axis] = step
            ahead, behind = (
                points(body, root, pose + sign * bump, motion.shape, still)[0].points
                for sign in (1, -1)
            )
            np.testing.assert_allclose(
                by_rotation[:, :, :, k, axis], (ahead - behind) / (2 * step), atol=1e-7
            )
    for b in range(10):
        ahead, behind = (
            points(body, root, pose, motion.shape + sign * step * np.eye(10)[b], still)[0].points
            for sign in (1, -1)
        )
        np.testing.assert_allclose(by_shape[..., b], (ahead - behind) / (2 * step), atol=1e-7)


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_the_banded_solution_is_the_dense_one(frames):
    rng, n, far = np.random.default_rng(frames), 4, 2
    rows = rng.normal(size=(frames, 7, n))
    slow, even = rng.random(n), rng.random(n)
    shared = rng.normal(size=(frames, 7, far))
    slope, far_slope = rng.normal(size=(frames, n)), rng.normal(size=far)
    free = rng.random((frames, n)) > 0.2
    blocks, between = np.swapaxes(rows, 1, 2) @ rows, np.swapaxes(rows, 1, 2) @ shared
    far_square = np.einsum("tib,tic->bc", shared, shared) + np.eye(far)
    move, bend = BandedNormalMatrix(blocks.copy(), slow, even).solve(
        slope, free, between, far_slope, far_square, 0.1
    )

    dense = np.zeros((frames * n + far, frames * n + far))
    for t in range(frames):
        dense[t * n : t * n + n, t * n : t * n + n] = blocks[t]
        dense[t * n : t * n + n, frames * n :] = between[t]
    for order, weight in ((1, slow), (2, even)):
        if frames > order:
            difference = np.kron(np.diff(np.eye(frames), n=order, axis=0), np.diag(np.sqrt(weight)))
            dense[: frames * n, : frames * n] += difference.T @ difference
    dense[: frames * n, : frames * n] += 1e-9 / 1.1 * np.eye(frames * n)
    dense[frames * n :, frames * n :] = far_square
    dense = np.triu(dense) + np.triu(dense, 1).T
    dense[np.diag_indices_from(dense)] *= 1.1
    keep = np.r_[free.ravel(), np.ones(far, bool)]
    wanted = np.zeros(frames * n + far)
    wanted[keep] = np.linalg.solve(
        dense[np.ix_(keep, keep)], -np.r_[slope.ravel(), far_slope][keep]
    )
    np.testing.assert_allclose(np.r_[move.ravel(), bend], wanted, atol=1e-9)


def test_every_step_gains_and_the_end_is_a_minimum(body):
    truth = body.compute_sequence(someone(7, 40))
    fitted = fit(truth, body)
    assert (np.diff(fitted.objective) < 0).all() and len(fitted.objective) < 30
    longer = fit(truth, body, steps=100)
    assert longer.objective[-1] > 0.99 * fitted.objective[-1]


def test_a_hidden_limb_is_bridged_better_than_by_a_straight_line(body):
    error = {"line": [], "body": []}
    for seed in range(3):
        truth = body.compute_sequence(someone(20 + seed, 100))
        visible = occlusion.occlude("limb", truth.joints, truth.fps, np.random.default_rng(seed))
        seen = truth.replace(confidence=visible.astype(float))
        error["body"].append(
            metrics.mpjpe_mm(fit(seen, body).sequence.joints, truth.joints, ~visible)
        )
        error["line"].append(metrics.mpjpe_mm(filters.linear(seen).joints, truth.joints, ~visible))
    assert np.mean(error["body"]) < 0.8 * np.mean(error["line"])


def test_the_first_guess_is_already_near(body):
    motion = someone(8, 60)
    points = body.compute_joints(motion)
    pose, translation = estimate_pose(points, body.compute_rest_joints(motion.shape))
    found = body.compute_joints(BodyMotion(pose, motion.shape, translation))
    assert np.median(np.linalg.norm(found - points, axis=-1)) < 0.06


def test_limits_are_mirror_images(body):
    low, high = get_joint_limits()
    order = list(SMPL24.mirror)
    np.testing.assert_allclose(
        low[order] * [1, -1, -1], np.stack([low[:, 0], high[:, 1], high[:, 2]], -1)
    )


def test_a_fit_in_camera_axes_is_the_same_fit_turned(body):
    truth = body.compute_sequence(someone(9, 31))
    turn = np.diag([1.0, -1.0, -1.0])
    a, b = fit(truth, body), fit(truth.replace(joints=truth.joints @ turn.T), body)
    assert np.linalg.norm(a.sequence.joints @ turn.T - b.sequence.joints, axis=-1).mean() < 5e-3
