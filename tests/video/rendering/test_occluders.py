"""What hides rendered people, and which joints it hides."""

from itertools import pairwise

import numpy as np
import pytest

from stride_nb.datasets import synthetic
from stride_nb.poses.geometry import Camera, look_at
from stride_nb.video.rendering.filming import draw_cameras
from stride_nb.video.rendering.occluders import OCCLUDERS, Box, draw_occluder
from stride_nb.video.rendering.stage import NEAR_FAR
from stride_nb.video.rendering.visibility import (
    find_behind_box,
    find_behind_mesh,
    find_outside_image,
    linearise_depth,
)

FPS = 25.0
MOTION = synthetic.load("val", clips=1, seconds=6, fps=FPS)[0].joints
SIZE = (640, 720)


def film(seed, hand_held=False):
    return draw_cameras(np.random.default_rng(seed), MOTION, FPS, SIZE, hand_held)


def hide(name, seed):
    """Joints that an occluder hides, and the occluder."""
    cameras = film(seed)
    thing = draw_occluder(name, np.random.default_rng(seed), MOTION, cameras, FPS)
    hidden = np.zeros(MOTION.shape[:2], bool)
    for frame, camera in enumerate(cameras):
        eye = camera.to_world(np.zeros(3))
        for box in thing.boxes:
            if box.present[frame]:
                hidden[frame] |= find_behind_box(MOTION[frame], eye, box, frame)
        if thing.crop:
            pixels = camera.project(camera.to_camera(MOTION[frame]))
            hidden[frame] |= find_outside_image(pixels, thing.crop)
        if thing.lost is not None and thing.lost[frame]:
            hidden[frame] = True
    return hidden, thing


@pytest.mark.parametrize("hand_held", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_camera_sees_the_whole_person(seed, hand_held):
    cameras = film(seed, hand_held)
    seen = np.stack([camera.to_camera(joints) for camera, joints in zip(cameras, MOTION)])
    assert np.mean([camera.sees(x) for camera, x in zip(cameras, seen)]) > 0.95
    assert (seen[..., 2] > NEAR_FAR[0]).all()


def test_a_tripod_stands_still_and_a_hand_does_not():
    still, shaken = film(0), film(0, hand_held=True)
    assert all(np.array_equal(c.R, still[0].R) for c in still)
    steps = [np.linalg.norm(a.R - b.R) for a, b in pairwise(shaken)]
    assert 0 < max(steps) < 0.1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", sorted(set(OCCLUDERS) - {"none", "passer"}))
def test_an_occluder_hides_something_but_not_everything(name, seed):
    hidden, _ = hide(name, seed)
    assert 0.01 < hidden.mean() < 0.8


@pytest.mark.parametrize("seed", range(5))
def test_a_table_hides_legs_and_no_head(seed):
    hidden, _ = hide("table", seed)
    ankles, knees, head = (hidden[:, joints].mean() for joints in ([3, 6], [2, 5], [9, 10]))
    assert ankles >= knees > head
    assert ankles > 0.1 > head


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["table", "pillar", "half"])
def test_no_joint_is_inside_a_box(name, seed):
    _, thing = hide(name, seed)
    for box in thing.boxes:
        for frame in np.flatnonzero(box.present):
            axes, centre = box.places[frame, :, :3], box.places[frame, :, 3]
            inside = np.abs((MOTION[frame] - centre) @ axes) < box.size / 2
            assert not inside.all(-1).any()


def test_who_walks_by_is_between_camera_and_person():
    for seed in range(4):
        cameras = film(seed)
        rng = np.random.default_rng(seed)
        walk = draw_occluder("passer", rng, MOTION, cameras, FPS).passer
        assert walk.shape == MOTION.shape
        depths = [
            c.to_camera(w)[0, 2] - c.to_camera(x)[0, 2] for c, w, x in zip(cameras, walk, MOTION)
        ]
        across = np.linalg.norm((walk - MOTION)[:, 0, [0, 2]], axis=1)
        nearest = across.argmin()
        assert depths[nearest] < 0


def test_the_two_cuts_agree_on_a_box():
    """A box of twelve triangles and the slabs of the same box."""
    rng = np.random.default_rng(0)
    camera = Camera(*look_at((0.3, 1.2, 4), (0, 1, 0)), (800, 800), (320, 360), SIZE)
    eye = camera.to_world(np.zeros(3))
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))])
    angle, agree = 0.4, []
    for _ in range(20):
        c, s = np.cos(angle), np.sin(angle)
        axes, size = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), rng.uniform(0.2, 0.8, 3)
        centre, points = (
            rng.uniform((-0.5, 0.5, 1), (0.5, 1.5, 2)),
            rng.normal((0, 1, 0), 0.5, (40, 3)),
        )
        place = np.concatenate([axes, centre[:, None]], 1)[None]
        vertices = corners * size / 2 @ axes.T + centre
        slabs = find_behind_box(points, eye, Box(size, place, np.ones(1, bool)), 0)
        mesh, first = find_behind_mesh(points, camera, vertices, faces)
        assert np.array_equal(mesh, first >= 0)
        agree.append((slabs == mesh).all() and slabs.any() and not slabs.all())
        angle += 0.3
    assert np.mean(agree) > 0.5
    assert all((slabs == mesh).tolist())


def test_depth_is_metres():
    near, far = NEAR_FAR
    z = np.array([near, 1.0, 3.3, 20.0])
    buffer = (far / (far - near)) * (1 - near / z)
    np.testing.assert_allclose(linearise_depth(buffer), z, rtol=1e-9)
    assert np.isinf(linearise_depth(np.array([1.0]))).all()
