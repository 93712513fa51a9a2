"""The sample video and what is stored beside it fit together."""

import numpy as np

from stride_nb.datasets.sample_video import SAMPLE, load_sample, load_sample_images


def test_the_sample_is_small_and_whole():
    files = [SAMPLE.with_suffix(".mp4"), SAMPLE.with_suffix(".npz")]
    assert all(path.is_file() for path in files)
    assert sum(path.stat().st_size for path in SAMPLE.parent.iterdir()) < 1_100_000
    take, images = load_sample(), load_sample_images()
    left, top, right, bottom = take.crop
    for number, image in images.items():
        assert image.shape == (bottom - top, right - left, 3) and number < len(take.joints)


def test_the_estimate_lies_on_the_truth_where_it_is_in_view():
    take = load_sample()
    truth = np.stack(
        [take.make_camera(t).project(x) for t, x in enumerate(take.footage.joints_cam)]
    )
    distance = np.linalg.norm(take.pixels - truth, axis=-1)
    assert np.median(distance[~take.hidden & take.found[:, None]]) < 12  # px
    assert take.hidden.any(1).sum() > 25  # more than a second behind the table
