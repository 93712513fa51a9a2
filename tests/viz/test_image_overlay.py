"""Poses drawn over frames."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from stride_nb.poses.skeleton import H36M17
from stride_nb.viz.image_overlay import SIDE_COLORS, draw_sides, plot_overlays


@pytest.fixture
def pose():
    return np.random.default_rng(0).uniform(100, 300, (17, 2))


def test_sides_have_their_colours_and_hidden_joints_are_hollow(pose):
    hidden = np.zeros(17, bool)
    hidden[H36M17.index("lwrist")] = True
    _, ax = plt.subplots()
    draw_sides(ax, pose, hidden)
    (dots,) = ax.collections
    edges, faces = dots.get_edgecolors(), dots.get_facecolors()
    for name, side in (("lknee", "left"), ("rknee", "right"), ("spine", "middle")):
        expected = plt.matplotlib.colors.to_rgba(SIDE_COLORS[side])
        np.testing.assert_allclose(edges[H36M17.index(name)], expected)
    np.testing.assert_array_equal(np.flatnonzero(faces[:, 3] == 0), [H36M17.index("lwrist")])


def test_a_row_a_view_a_column_an_image_cut_to_the_person(pose):
    images = {3: np.zeros((400, 500, 3), np.uint8), 8: np.zeros((400, 500, 3), np.uint8)}
    pixels, hidden = np.tile(pose, (10, 1, 1)), np.zeros((10, 17), bool)
    views = {"estimator": (pixels, hidden), "refined": (pixels + 5, hidden)}
    figure = plot_overlays(images, views, fps=2.0)
    assert len(figure.axes) == 4
    assert [ax.get_title() or ax.get_title("left") for ax in figure.axes[:2]] == ["1.5 s", "4.0 s"]
    (left, right), (bottom, top) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    assert 0 <= left < pose[:, 0].min() and pose[:, 0].max() < right <= 500
    assert 0 <= top < pose[:, 1].min() and pose[:, 1].max() < bottom <= 400
