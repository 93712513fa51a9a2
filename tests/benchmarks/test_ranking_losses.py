"""The lifter's experiments: fair comparisons, scores that add up, plans that do what parameters
say, runs that go on."""

import argparse

import numpy as np
import pytest
import torch

from benchmarks import ranking_losses, records
from stride_nb import datasets
from stride_nb.errors import InputError
from stride_nb.evaluation import lifter_harness, metrics
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import PRESETS, DSTformer
from stride_nb.models.lifter import LIFTER_UNIT, mirror_lifter_features
from stride_nb.models.losses import MOTIONBERT_WEIGHTS
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.training import lifter_training
from stride_nb.training.pool import Pool, make_lifter
from stride_nb.training.trainer import (
    PUBLISHED_SCHEDULES,
    Settings,
    learning_rate_at,
    train_network,
)

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


def arguments(folder, *words):
    parser = argparse.ArgumentParser()
    ranking_losses.add_arguments(parser)
    small = "--source synthetic --seeds 2 --steps 2 --batch 4 --frames 30 --pool 8 --dim 16 --depth 1 --weights 1 3 --threads 1"
    return parser.parse_args(
        [
            *small.split(),
            "--runs",
            str(folder / "runs"),
            "--out",
            str(folder / "ranking.json"),
            *words,
        ]
    )


@pytest.mark.parametrize(
    "words",
    [
        "--pool 3",
        "--pool 0",
        "--frames 0",
        "--dim 0",
        "--dim 18",
        "--depth 0",
        "--lr 0",
        "--lr nan",
        "--batch 0",
        "--seeds 0",
        "--sweep-seeds -1",
        "--weights 1 0",
        "--threads 0",
    ],
)
def test_impossible_numbers_are_refused_before_anything_is_made(tmp_path, words):
    with pytest.raises(InputError, match=f"ranking: {words.split()[0]}: expected"):
        ranking_losses.run(arguments(tmp_path, *words.split()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [50, 100])
def test_motions_of_any_rate_are_taken_at_the_lifters(clips, pool, detected, fps):
    other = [clip.resample(fps) for clip in clips]
    again = Pool(other, 12, 30, batch=4, seed=3)
    windows = lifter_harness.make_lifter_windows(other, ("none", "half"), 30, seed=1, each=2)
    off = 0.0 if fps == 50 else 1e-3  # splines there and back
    torch.testing.assert_close(again.truth, pool.truth, rtol=0, atol=off)
    np.testing.assert_allclose(windows.truth, detected.truth, rtol=0, atol=off)


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


@pytest.mark.parametrize(
    ("windows", "frames", "batch", "field"),
    [(3, 9, 4, "batch"), (3, 9, 0, "batch"), (3, 0, 1, "frames")],
)
def test_a_pool_has_frames_and_windows_for_a_step(clips, windows, frames, batch, field):
    with pytest.raises(InputError, match=f"Pool: {field}: expected"):
        Pool(clips, windows, frames, batch)


@pytest.fixture
def few(monkeypatch):
    """A source of few short clips, under two regimes."""
    load = datasets.load
    monkeypatch.setattr(ranking_losses, "SKIPPED", set(ranking_losses.REGIMES) - {"none", "half"})
    monkeypatch.setattr(
        datasets, "load", lambda source, split, **o: load(source, split, clips=3, seconds=1.6)
    )


def test_the_experiment_goes_on_where_it_stopped_and_its_record_is_complete(
    tmp_path, few, monkeypatch, capsys
):
    assert ranking_losses.run(arguments(tmp_path)) == 0
    record = records.load(tmp_path / "ranking.json")
    rows = [r for r in record["rows"] if r["experiment"] == "ranking"]
    assert {r["method"] for r in rows} == set(ranking_losses.KINDS) and {
        r["seeds"] for r in rows
    } == {2}
    assert all(r["ratio"] == 1 for r in rows if r["method"] == "neither")
    assert any(r["ratio"] != 1 for r in rows if r["method"] == "both")
    assert all(r["ci_low"] <= r["value"] <= r["ci_high"] for r in rows)
    assert not any(r["regime"] == "none" and "hidden" in r["metric"] for r in rows)
    swept = [r for r in record["rows"] if r["experiment"] == "ranking_sweep"]
    assert [r["weights"] for r in swept] == [[0, 0], [1, 0], [3, 0], [0, 1], [0, 3], [1, 1], [3, 3]]
    assert all(0 < r["spatial"] <= 100 for r in swept)  # an accuracy
    assert all(
        r["weights"] in [s["weights"] for s in swept if s["method"] == r["method"]] for r in rows
    )

    monkeypatch.setattr(ranking_losses, "train_network", lambda *_: pytest.fail("trained again"))
    assert ranking_losses.run(arguments(tmp_path)) == 0
    assert records.load(tmp_path / "ranking.json")["rows"] == record["rows"]
    with pytest.raises(InputError, match="settings: expected those of this run"):
        ranking_losses.run(arguments(tmp_path, "--steps", "3"))


def test_windows_longer_than_the_clips_are_refused_before_the_training(tmp_path, few, monkeypatch):
    monkeypatch.setattr(ranking_losses, "train_network", lambda *_: pytest.fail("trained"))
    with pytest.raises(
        InputError,
        match=r"ranking: --frames: expected at most 80, as long as .* synthetic's val clips, found 81",
    ):
        ranking_losses.run(arguments(tmp_path, "--frames", "81"))
    assert not list(tmp_path.iterdir())


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


def test_the_weights_of_least_hidden_error_are_chosen():
    swept = {
        ranking_losses.Variant(): [[{"clip": "a", "mpjpe_hidden": 9.0}]],
        **{
            ranking_losses.Variant(w, 0.0): [[{"clip": "a", "mpjpe_hidden": abs(w - 3)}]]
            for w in (1.0, 3.0)
        },
        **{
            ranking_losses.Variant(0.0, w): [[{"clip": "a", "mpjpe_hidden": w}]] for w in (1.0, 3.0)
        },
        **{ranking_losses.Variant(w, w): [[{"clip": "a", "mpjpe_hidden": -w}]] for w in (1.0, 3.0)},
    }
    assert ranking_losses.choose_weights(swept) == [(0, 0), (3, 0), (0, 1), (3, 3)]


def test_the_published_schedule_shrinks_by_the_epoch():
    settings = Settings.from_published("lite", epoch=7)
    assert settings.steps == 60 * 7 and PUBLISHED_SCHEDULES["scratch"][0] == 120
    rates = [learning_rate_at(step, settings) for step in range(settings.steps)]
    assert rates[:8] == pytest.approx([5e-4] * 7 + [4.95e-4]) and rates[-1] == pytest.approx(
        5e-4 * 0.99**59
    )
    with pytest.raises(InputError, match="recipe: expected one of lite, base, scratch"):
        Settings.from_published("huge", 1)
    with pytest.raises(InputError, match="schedule"):
        Settings(schedule="linear")


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


def test_a_plan_takes_what_is_given_and_the_sources_own_for_the_rest(monkeypatch):
    monkeypatch.setattr(lifter_training, "_WINDOWS", 8)
    monkeypatch.setitem(lifter_training.PEOPLE, "synthetic", {"train": 3, "test": 2})
    plan = lifter_training.plan_training("synthetic", batch=4, steps=2)
    x, y = plan.task.make_batch(0)
    assert x.shape == (4, 27, 17, 10) and plan.settings.lr == 2e-3
    a, b = (plan.make_network().state_dict() for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)
    _, history = plan.train((1.0, 1.0))
    assert "loss_temporal_rank" in history[-1] and set(plan.make_curves({"one": history})) == {
        "training",
        "held-out people",
    }
    for bad in ({"size": "huge"}, {"source": "h36m"}, {"source": "h36m", "size": "small"}):
        with pytest.raises(InputError):
            lifter_training.plan_training(**{"source": "synthetic"} | bad)


def test_a_plan_of_windows_longer_than_the_clips_is_refused(monkeypatch):
    monkeypatch.setattr(lifter_training, "Pool", lambda *_, **__: pytest.fail("drawn"))
    monkeypatch.setitem(lifter_training.PEOPLE, "synthetic", {"train": 3, "test": 2})
    with pytest.raises(
        InputError,
        match=r"lifter windows: motions: expected a clip of 500 frames or more, .* found at most 400 frames",
    ):
        lifter_training.plan_training("synthetic", frames=500)


def test_a_plan_is_not_resumed_as_another(tmp_path, reference):
    checkpoints.write_published_checkpoint(
        tmp_path / "a.bin", DSTformer(**PRESETS["tiny"]).state_dict()
    )

    def train(**given):
        asked = {
            "frames": 27,
            "batch": 16,
            "size": "tiny",
            "epochs": 1,
            "init": str(tmp_path / "a.bin"),
        } | given
        plan = lifter_training.plan_training(
            "h36m", str(reference / "h36m_sh_conf_cam_source_tiny.pkl"), **asked
        )
        plan.task.test.frames = plan.task.test.frames[::7]
        return plan.train(folder=str(tmp_path / "run"))

    _, history = train()
    assert train()[1] == history
    for other in ({"init": ""}, {"seed": 1}):
        with pytest.raises(InputError, match=r"last.pt: task: expected that of the run to resume"):
            train(**other)


def test_a_plan_for_human36m_begins_at_published_weights(reference, tmp_path):
    weights = DSTformer(**PRESETS["tiny"]).state_dict()
    checkpoints.write_published_checkpoint(tmp_path / "pretrained.bin", weights)
    plan = lifter_training.plan_training(
        "h36m",
        str(reference / "h36m_sh_conf_cam_source_tiny.pkl"),
        frames=27,
        batch=16,
        init=str(tmp_path / "pretrained.bin"),
    )
    assert all(
        torch.equal(weights[name], x) for name, x in plan.make_network().state_dict().items()
    )
    steps_per_epoch = -(-len(plan.task.train) // 16)
    assert plan.settings.steps == 60 * plan.settings.epoch == 60 * steps_per_epoch


def test_a_plan_for_human36m_is_the_published_one_and_ends_in_a_table_by_action(reference):
    path = reference / "h36m_sh_conf_cam_source_tiny.pkl"
    plan = lifter_training.plan_training("h36m", str(path))
    assert plan.settings == Settings.from_published("lite", 1, validate_every=10)
    assert sum(p.numel() for p in plan.make_network().parameters()) == 16_001_549
    assert (
        plan.task.make_batch(0)[0].shape[1:] == (243, 17, 3) and not plan.task.train.root_relative
    )
    plan = lifter_training.plan_training(
        "h36m", str(path), size="tiny", frames=27, epochs=1, batch=16
    )
    plan.task.test.frames = plan.task.test.frames[::7]
    model, _ = plan.train((1.0, 1.0))
    text = lifter_training.tabulate_by_action(plan.task, {"trained": model}).markdown()
    scores = plan.task.validate(model)
    assert (
        f"| mean | – | {scores['mpjpe_mm']:.1f} | {scores['p_mpjpe_mm']:.1f} |" in text
        and "walking" in text
    )


def test_weights_are_chosen_on_val(tmp_path, few):
    ranking_losses.run(arguments(tmp_path))
    done = {(p.parent.name, p.name) for p in (tmp_path / "runs").rglob("*.json")}
    assert {f for f, n in done if n == "val.json"} == {
        f"{s}-{t}-0" for s, t in [(0, 0), (1, 0), (3, 0), (0, 1), (0, 3), (1, 1), (3, 3)]
    }
    assert len([1 for _, n in done if n == "test.json"]) == 4 * 2
