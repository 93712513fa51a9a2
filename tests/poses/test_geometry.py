"""Geometry: round trips, rotations that rotate, cameras that look where they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb.errors import InputError
from stride_nb.poses import geometry as g

fast = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def person(rng, frames=40):
    """(T, 17, 3): a cloud of human size, wandering over metres."""
    body = rng.uniform((-0.4, 0.0, -0.4), (0.4, 1.8, 0.4), (frames, 17, 3))
    path = np.cumsum(rng.normal(0, 0.1, (frames, 3)) * (1, 0, 1), 0)
    return body + path[:, None] + rng.uniform(-20, 20, 3)


@fast
@given(seeds)
def test_camera_round_trips(seed):
    rng = np.random.default_rng(seed)
    joints = person(rng)
    camera = g.random_camera(rng, joints)
    seen = camera.to_camera(joints)
    np.testing.assert_allclose(camera.to_world(seen), joints, atol=1e-9)
    np.testing.assert_allclose(
        camera.unproject(camera.project(seen), seen[..., 2]), seen, atol=1e-9
    )


@fast
@given(seeds)
def test_random_camera_is_plausible_and_sees_the_whole_clip(seed):
    rng = np.random.default_rng(seed)
    joints = person(rng)
    camera = g.random_camera(rng, joints)
    seen = camera.to_camera(joints)
    assert (seen[..., 2] > 1).all() and camera.sees(seen, 0.049).all()
    eye = camera.to_world(np.zeros(3))
    height = eye[1] - joints[..., 1].min()
    assert 1 - 1e-9 <= height <= 2.5 + 1e-9
    nearest = np.linalg.norm((joints - eye)[..., [0, 2]], axis=-1).min()
    assert nearest > 2.5 - 1e-9
    assert 1100 < camera.focal[0] < 1190
    # Up is up: a point above another lies higher in the image (smaller y).
    above = camera.project(camera.to_camera(joints + np.array([0, 0.1, 0])))
    assert (above[..., 1] < camera.project(seen)[..., 1]).all()


def test_random_camera_is_seeded_pushes_back_and_ignores_missing_joints():
    joints = person(np.random.default_rng(0))
    holed = joints.copy()
    holed[3, 4] = np.nan
    a, b = (g.random_camera(np.random.default_rng(5), joints) for _ in range(2))
    np.testing.assert_array_equal(a.t, b.t)
    assert np.isfinite(g.random_camera(np.random.default_rng(5), holed).t).all()
    wide = joints.copy()
    wide[0] += (30, 0, 0)
    far = g.random_camera(np.random.default_rng(5), wide)
    assert far.sees(far.to_camera(wide)).all()
    with pytest.raises(InputError, match="at least one finite joint"):
        g.random_camera(np.random.default_rng(0), np.full((2, 17, 3), np.nan))


@fast
@given(seeds)
def test_look_at_centres_the_target_and_keeps_up_up(seed):
    rng = np.random.default_rng(seed)
    eye, target = rng.uniform(-5, 5, (2, 3))
    R, t = g.look_at(eye, target)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) == pytest.approx(1)
    np.testing.assert_allclose(R @ target + t, [0, 0, np.linalg.norm(target - eye)], atol=1e-9)
    assert (R @ (0, 1, 0))[1] < 0 and abs((R @ (0, 1, 0))[0]) < 1e-12


def test_look_at_fixes_left_and_right():
    R, t = g.look_at((0, 0, 5), (0, 0, 0))
    np.testing.assert_allclose(R @ (1, 2, 0) + t, [1, -2, 5], atol=1e-12)
    for target in ((0, 9, 5), (0, 0, 5)):
        with pytest.raises(InputError, match="straight above"):
            g.look_at((0, 0, 5), target)


def test_points_behind_the_camera_have_no_pixel_and_missing_ones_stay_missing():
    camera = g.Camera(np.eye(3), np.zeros(3), (1000, 1000), (500, 400), (1000, 800))
    pixels = camera.project([[0, 0, 2], [1, 0, -2], [0, 0, 0], [np.nan] * 3])
    np.testing.assert_array_equal(pixels[0], [500, 400])
    assert np.isnan(pixels[1:]).all()
    np.testing.assert_array_equal(
        camera.sees([[0, 0, 2], [1, 0, -2], [0.8, 0.75, 2], [0.99, 0, 2]], 0.02),
        [True, False, True, False],
    )


@pytest.mark.parametrize(
    "field, value",
    [
        ("R", np.diag([1.0, 1, -1])),
        ("R", 2 * np.eye(3)),
        ("t", np.zeros(2)),
        ("focal", (0, 1)),
        ("center", (np.nan, 0)),
    ],
)
def test_a_bad_camera_is_refused_by_field(field, value):
    good = {"R": np.eye(3), "t": np.zeros(3), "focal": (1, 1), "center": (0, 0), "size": (2, 2)}
    with pytest.raises(InputError, match=f"camera: {field}: expected"):
        g.Camera(**good | {field: value})


def test_screen_normalisation_maps_the_width_to_two():
    np.testing.assert_allclose(
        g.normalize_screen([[0, 0], [1920, 1080], [960, 540]], (1920, 1080)),
        [[-1, -0.5625], [1, 0.5625], [0, 0]],
    )


@fast
@given(seeds)
def test_rotations_rotate(seed):
    rng = np.random.default_rng(seed)
    axis, angle = rng.normal(size=(5, 3)), rng.uniform(-np.pi, np.pi, 5)
    R = g.rotation_about(axis, angle)
    np.testing.assert_allclose(
        R @ np.swapaxes(R, -1, -2), np.broadcast_to(np.eye(3), R.shape), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(R), 1)
    np.testing.assert_allclose((R @ axis[..., None])[..., 0], axis, atol=1e-9)
    np.testing.assert_allclose(np.trace(R, axis1=-2, axis2=-1), 1 + 2 * np.cos(angle), atol=1e-9)
    np.testing.assert_allclose(
        R @ g.rotation_about(axis, -angle), np.broadcast_to(np.eye(3), R.shape), atol=1e-12
    )


def test_rotation_direction_and_tiny_angles():
    np.testing.assert_allclose(
        g.rotation_about((0, 0, 2), np.pi / 2) @ (1, 0, 0), (0, 1, 0), atol=1e-12
    )
    np.testing.assert_allclose(g.axis_angle_to_matrix(np.zeros((2, 3))), np.stack([np.eye(3)] * 2))
    tiny = g.axis_angle_to_matrix((1e-9, 0, 0))
    assert tiny[2, 1] == pytest.approx(1e-9, rel=1e-9)


@fast
@given(seeds)
def test_procrustes_undoes_any_similarity(seed):
    rng = np.random.default_rng(seed)
    gt = rng.normal(size=(4, 6, 17, 3))
    R = g.rotation_about(rng.normal(size=(4, 6, 3)), rng.uniform(-3, 3, (4, 6)))
    pred = rng.uniform(0.1, 9) * gt @ R + rng.normal(size=(4, 6, 1, 3))
    np.testing.assert_allclose(g.procrustes(pred, gt), gt, atol=1e-9)


@fast
@given(seeds)
def test_procrustes_is_the_best_similarity_nearby(seed):
    rng = np.random.default_rng(seed)
    gt, pred = rng.normal(size=(2, 17, 3))
    best = g.procrustes(pred, gt)
    error = ((best - gt) ** 2).sum()
    centre = best.mean(0)
    for _ in range(20):
        R = g.axis_angle_to_matrix(rng.normal(0, 0.05, 3))
        other = (best - centre) @ R * rng.uniform(0.95, 1.05) + centre + rng.normal(0, 0.02, 3)
        assert ((other - gt) ** 2).sum() >= error - 1e-12


def test_procrustes_never_reflects_and_survives_a_point():
    rng = np.random.default_rng(0)
    gt = rng.normal(size=(17, 3))
    mirrored = gt * (-1, 1, 1)
    aligned = g.procrustes(mirrored, gt)
    # The aligned set keeps the handedness of `pred`, so it cannot fit: a reflection would reach
    # zero.
    assert np.linalg.norm(aligned - gt, axis=-1).mean() > 0.1
    shape = lambda x: np.linalg.det(x[1:4] - x[0])
    assert np.sign(shape(aligned)) == np.sign(shape(mirrored))
    np.testing.assert_allclose(
        g.procrustes(np.ones((17, 3)), gt), np.broadcast_to(gt.mean(0), (17, 3))
    )


def test_random_camera_stands_between_2_5_and_7_metres():
    x = np.random.default_rng(0).uniform((-0.2, 0, -0.2), (0.2, 1.8, 0.2), (1, 17, 3))
    near = [
        np.linalg.norm(
            (x - g.random_camera(np.random.default_rng(s), x).to_world(np.zeros(3)))[..., [0, 2]],
            axis=-1,
        ).min()
        for s in range(200)
    ]
    assert 2.5 <= min(near) < 3 and 6.5 < max(near) < 7.2


@fast
@given(seeds)
def test_the_fitted_rotation_is_the_one_that_was_applied(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(4, 5, 3))
    R = g.axis_angle_to_matrix(rng.uniform(-2, 2, (4, 3)))
    turned = points @ np.swapaxes(R, -1, -2)
    np.testing.assert_allclose(g.fit_rotation(points, turned), R, atol=1e-9)
    one = g.fit_rotation(points[0], turned)  # one point set for all
    np.testing.assert_allclose(one[0], R[0], atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(g.fit_rotation(points, -points)), 1)


@fast
@given(seeds)
def test_the_rotation_between_directions_is_the_smallest(seed):
    rng = np.random.default_rng(seed)
    start, end = rng.normal(size=(2, 6, 3))
    end[1] = -2 * start[1]
    R = g.rotation_between(start, end)
    unit = lambda v: v / np.linalg.norm(v, axis=-1, keepdims=True)
    np.testing.assert_allclose((R @ unit(start)[..., None])[..., 0], unit(end), atol=1e-7)
    angle = np.arccos(np.clip((unit(start) * unit(end)).sum(-1), -1, 1))
    np.testing.assert_allclose(np.trace(R, axis1=-2, axis2=-1), 1 + 2 * np.cos(angle), atol=1e-7)


def test_no_rotation_where_a_direction_is_not_known():
    ends = np.array([[0, 0, 0], [np.nan, 0, 1], [1, 0, 0]], float)
    np.testing.assert_array_equal(
        g.rotation_between(np.array([2.0, 0, 0]), ends), np.stack([np.eye(3)] * 3)
    )


def test_transforms_along_a_chain_by_hand():
    quarter = g.rotation_about((0, 0, 1), np.pi / 2)
    rotations = np.stack([quarter, quarter, np.eye(3), quarter])[None]
    translations = np.array([[[1, 1, 0], [2, 0, 0], [1, 0, 0], [0, 5, 0]]], float)
    world, positions = g.chain_transforms(rotations, translations, (-1, 0, 1, -1))
    np.testing.assert_allclose(world[0, 1], quarter @ quarter, atol=1e-12)
    np.testing.assert_allclose(world[0, 3], quarter, atol=1e-12)
    np.testing.assert_allclose(
        positions[0], [[1, 1, 0], [1, 3, 0], [0, 3, 0], [0, 5, 0]], atol=1e-12
    )
