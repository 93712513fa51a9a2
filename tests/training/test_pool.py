"""A pool of training windows: every window once an epoch, the same batches for every variant."""

import numpy as np
import pytest
import torch

from stride_nb import datasets
from stride_nb.errors import InputError
from stride_nb.evaluation import lifter_harness
from stride_nb.models.lifter import LIFTER_UNIT
from stride_nb.models.losses import MOTIONBERT_WEIGHTS
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.training.pool import Pool, make_lifter
from stride_nb.training.trainer import Settings, train_network

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


def test_every_epoch_takes_every_window_once_in_another_order(pool):
    def windows(steps):
        truth = torch.cat([pool.make_batch(s)[1] for s in steps])
        match = [
            [torch.equal(y, t) or torch.equal(y, mirror_joints(t)) for t in pool.truth]
            for y in truth
        ]
        assert all(sum(row) == 1 for row in match)
        return [row.index(True) for row in match]

    first, second = windows(range(3)), windows(range(3, 6))
    assert sorted(first) == sorted(second) == list(range(12)) and first != second


def test_variants_share_batches_and_differ_in_the_ranking_terms_alone(pool):
    ranked = pool.with_rank((0.5, 2.0))
    assert all(torch.equal(a, b) for a, b in zip(pool.make_batch(5), ranked.make_batch(5)))
    model, batch = make_lifter("frameformer", TINY, pool.truth), pool.make_batch(0)
    plain, terms = pool.compute_loss(model, batch)
    total, more = ranked.compute_loss(model, batch)
    assert set(terms) == set(MOTIONBERT_WEIGHTS) and set(more) - set(terms) == {
        "loss_spatial_rank",
        "loss_temporal_rank",
    }
    torch.testing.assert_close(
        total - plain, 0.5 * more["loss_spatial_rank"] + 2 * more["loss_temporal_rank"]
    )


def test_a_lifter_begins_at_the_mean_pose_of_what_it_will_learn(pool):
    with torch.no_grad():
        answer = make_lifter("frameformer", TINY, pool.truth).backbone(pool.features) * LIFTER_UNIT
    assert (
        (answer - pool.truth.mean((0, 1))).norm(dim=-1).mean()
        < 0.05
        < pool.truth.mean((0, 1)).norm(dim=-1).mean()
    )


@pytest.mark.parametrize("fps", [50, 100])
def test_motions_of_any_rate_are_taken_at_the_lifters(clips, pool, detected, fps):
    other = [clip.resample(fps) for clip in clips]
    again = Pool(other, 12, 30, batch=4, seed=3)
    windows = lifter_harness.make_lifter_windows(other, ("none", "half"), 30, seed=1, each=2)
    off = 0.0 if fps == 50 else 1e-3  # splines there and back
    torch.testing.assert_close(again.truth, pool.truth, rtol=0, atol=off)
    np.testing.assert_allclose(windows.truth, detected.truth, rtol=0, atol=off)


@pytest.mark.parametrize(
    ("windows", "frames", "batch", "field"),
    [(3, 9, 4, "batch"), (3, 9, 0, "batch"), (3, 0, 1, "frames")],
)
def test_a_pool_has_frames_and_windows_for_a_step(clips, windows, frames, batch, field):
    with pytest.raises(InputError, match=f"Pool: {field}: expected"):
        Pool(clips, windows, frames, batch)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 5},
        {"batch": 3},
        {"frames": 12},
        {"windows": 9},
        {"rank": (1.0, 0.0)},
        {"clips": "others"},
    ],
)
def test_a_run_on_another_pool_is_refused(tmp_path, clips, other):
    def trained(clips=clips, windows=8, frames=9, batch=4, seed=0, rank=(0.0, 0.0)):
        pool = Pool(clips, windows, frames, batch, seed, rank)
        model = make_lifter("frameformer", TINY, pool.truth)
        return train_network(
            model, pool, Settings(1, half=False), tmp_path, device="cpu", progress=False
        )

    _, history = trained()
    assert trained()[1] == history
    if "clips" in other:
        other = {"clips": [clip.replace(joints=1.01 * clip.joints) for clip in clips]}
    with pytest.raises(InputError, match=r"last.pt: task: expected that of the run to resume"):
        trained(**other)


def test_without_clipping_the_step_is_adamws_own(pool):
    model = make_lifter("frameformer", TINY, pool.truth)
    expected = make_lifter("frameformer", TINY, pool.truth)
    trained, _ = train_network(
        model, pool, Settings.from_published("lite", 3, steps=1), progress=False
    )
    optimizer = torch.optim.AdamW(expected.parameters(), lr=5e-4, weight_decay=0.01)
    pool.compute_loss(expected, pool.make_batch(0))[0].backward()
    optimizer.step()
    for found, wanted in zip(trained.parameters(), expected.parameters()):
        torch.testing.assert_close(found, wanted)
