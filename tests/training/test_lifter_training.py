"""Plans of the lifter's training do what their parameters say."""

import pytest
import torch

from stride_nb.errors import InputError
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import PRESETS, DSTformer
from stride_nb.training import lifter_training
from stride_nb.training.trainer import PUBLISHED_SCHEDULES, Settings, learning_rate_at


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


def test_a_plan_takes_what_is_given_and_the_sources_own_for_the_rest(monkeypatch):
    monkeypatch.setattr(lifter_training, "_POOL_WINDOWS", 8)
    monkeypatch.setitem(lifter_training.PEOPLE, "synthetic", {"train": 3, "test": 2})
    plan = lifter_training.plan_training("synthetic", batch=4, steps=2)
    x, _ = plan.task.make_batch(0)
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
        match=r"lifter windows: motions: expected a clip of 500 frames or more, .* "
        "found at most 400 frames",
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
