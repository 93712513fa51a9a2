"""Windows for lifters, and their scores: the same people under every regime, parts that add up."""

import numpy as np
import pytest
import torch

from stride_nb import datasets
from stride_nb.errors import InputError
from stride_nb.evaluation import lifter_harness, metrics
from stride_nb.models.lifter import mirror_lifter_features
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.training.pool import Pool, make_lifter

TINY = {"dim": 16, "depth": 1, "heads": 2, "mlp_ratio": 2, "patch": 3}


@pytest.fixture(scope="module")
def clips():
    return datasets.load("synthetic", "train", clips=4, seconds=2.0)


@pytest.fixture(scope="module")
def detected(clips):
    return lifter_harness.make_lifter_windows(clips, ("none", "half"), 30, seed=1, each=2)


@pytest.fixture(scope="module")
def pool(clips):
    return Pool(clips, 12, 30, batch=4, seed=3)


def test_windows_come_from_the_middle_and_every_regime_sees_the_same_people(clips, detected):
    assert len(detected) == 4 * 2 * 2 and detected.features.shape == (16, 30, 17, 10)
    none, half = (np.array(detected.regimes) == name for name in ("none", "half"))
    assert detected.visible[none].all() and not detected.visible[half].all()
    np.testing.assert_array_equal(detected.truth[none], detected.truth[half])
    np.testing.assert_array_equal(detected.truth[..., 0, :], 0)
    clips = datasets.load("synthetic", "train", clips=4, seconds=2.0)
    np.testing.assert_array_equal(
        lifter_harness.make_lifter_windows(clips, ("none", "half"), 30, seed=1, each=2).truth,
        lifter_harness.make_lifter_windows(
            [c[20:80] for c in clips], ("none", "half"), 30, seed=1
        ).truth,
    )


def test_scores_add_up(detected):
    rng = np.random.default_rng(0)
    joints = detected.truth + 0.05 * rng.standard_normal(detected.truth.shape)
    rows = lifter_harness.score_windows(detected, joints)
    for row, x, truth, seen in zip(rows, joints, detected.truth, detected.visible):
        assert row["mpjpe"] == pytest.approx(metrics.mpjpe_mm(x, truth))
        parts = [
            row[k] * n
            for k, n in (("mpjpe_hidden", (~seen).sum()), ("mpjpe_visible", seen.sum()))
            if n
        ]
        assert row["mpjpe"] * seen.size == pytest.approx(sum(parts))
        assert ("mpjpe_hidden" in row) == ("spatial_hidden" in row) == (row["regime"] == "half")
    assert all(
        row["spatial"] == row["temporal"] == 100
        for row in lifter_harness.score_windows(detected, detected.truth)
    )
    (mean,) = lifter_harness.average_windows(rows)
    assert mean["mpjpe"] == pytest.approx(np.mean([row["mpjpe"] for row in rows]))


def test_answers_do_not_depend_on_how_many_come_at_once_nor_on_the_mirror(detected, pool):
    model = make_lifter("frameformer", TINY, pool.truth)
    torch.nn.init.normal_(model.backbone.head.weight, std=0.1)
    whole, parts = (
        lifter_harness.predict_windows(model, detected.features, size) for size in (64, 3)
    )
    np.testing.assert_allclose(whole, parts, atol=1e-5)
    turned = mirror_lifter_features(torch.from_numpy(detected.features)).numpy()
    np.testing.assert_allclose(
        lifter_harness.predict_windows(model, turned),
        mirror_joints(torch.from_numpy(whole)).numpy(),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("count", "regimes", "frames", "said"),
    [
        (4, ("none",), 101, "found at most 100 frames; none"),
        (0, ("none",), 30, "found at most 0 frames; none"),
        (4, (), 30, "found at most 100 frames; $"),
        (4, ("whole_2s",), 100, "found at most 100 frames; whole_2s"),
        (4, ("none",), 0, "lifter windows: frames: expected at least 1, found 0"),
    ],
)
def test_no_window_at_all_is_refused(clips, count, regimes, frames, said):
    with pytest.raises(InputError, match=said):
        lifter_harness.make_lifter_windows(clips[:count], regimes, frames)
