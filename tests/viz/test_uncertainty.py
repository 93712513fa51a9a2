"""The pictures of the box agree with the rays, and the band holds what it says."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from stride_nb.poses.geometry import Camera, is_behind_box
from stride_nb.viz import uncertainty

matplotlib.use("Agg")
BOX = (np.array([0.2, -0.1, 2.0]), np.array([0.3, 0.5, 0.2]), 0.4)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_corners_are_the_corners_of_what_blocks_rays():
    corners = uncertainty.compute_box_corners(*BOX)
    just_inside = BOX[0] + (corners - BOX[0]) * 0.999
    assert is_behind_box(just_inside, *BOX).all()
    beside = BOX[0] + (corners - BOX[0]) * 1.001
    # the far side is hidden by the near one, but for what sticks out
    near = beside[:, 2] < BOX[0][2]
    assert not is_behind_box(beside[near], *BOX)[np.argmin(beside[near, 2])]
    np.testing.assert_allclose(corners.mean(0), BOX[0])


def test_figures_are_small_and_labelled(tmp_path):
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 0.3, (17, 3)) + [0, 0, 4]
    camera = Camera(np.eye(3), np.zeros(3), (1145, 1145), (500, 500), (1000, 1000))
    x = np.arange(5.0)
    lines = uncertainty.plot_interval_curves(
        {"a": {"linear": (x, x, x - 1, x + 1)}}, ["seconds"], "error (mm)"
    )
    uncertainty.draw_band(lines.axes[0], x, x / 10, 50)
    for number, figure in enumerate(
        [
            uncertainty.plot_occluder(pose, *BOX, camera),
            lines,
            uncertainty.plot_dots({"half": {"prior": [1.0, 2.0]}}, "ratio", 1.0),
        ]
    ):
        path = tmp_path / f"{number}.png"
        figure.savefig(path)
        assert path.stat().st_size <= 100_000
        assert (
            all(ax.get_xlabel() for ax in figure.axes)
            and figure.axes[0].get_ylabel() + figure.axes[0].get_xlabel()
        )
