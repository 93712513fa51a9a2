"""Training: examples that are what they are called, one loop that repeats and resumes to the
digit."""

import copy
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stride_nb.errors import InputError
from stride_nb.models.registry import build_network
from stride_nb.training.tasks import Denoise, Smooth
from stride_nb.training.trainer import Settings, learning_rate_at, make_optimizers, train_network
from tests.test_package import ALLOWED, BLOCK

ROOT = Path(__file__).parents[2]
SMALL = {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2}
QUICK = Settings(steps=6, lr=1e-3, half=False, validate_every=3, save_every=2)


class Line:
    """A task in a millisecond: y = 2x, its batch a function of the step."""

    identity = {"task": "Line"}

    def make_batch(self, step):
        x = torch.from_numpy(np.random.default_rng([5, step]).normal(size=(8, 4))).float()
        return x, 2 * x

    def compute_loss(self, model, batch):
        value = (model(batch[0]) - batch[1]).square().mean()
        return value, {"square": value}

    def validate(self, model):
        assert not model.training  # whatever is validated is validated as it will be used
        with torch.no_grad():
            return {"error": float(self.compute_loss(model, self.make_batch(10**6))[0])}


class Broken(Line):
    """From the third step on its loss is not a number."""

    def compute_loss(self, model, batch):
        value, terms = super().compute_loss(model, batch)
        self.seen = getattr(self, "seen", 0) + 1
        return (value * math.nan if self.seen > 2 else value), terms


class Interrupted(Line):
    """Somebody presses control-C before a step."""

    def __init__(self, step):
        self.stop = step

    def compute_loss(self, model, batch):
        if torch.equal(batch[0], self.make_batch(self.stop)[0]):
            raise KeyboardInterrupt
        return super().compute_loss(model, batch)


def line(dropout=0.0, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 4))


def prior(seed=0):
    torch.manual_seed(seed)
    return build_network("prior", "frameformer", SMALL)


def told(history):
    """A history without the clock."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def same(a, b):
    return all(
        torch.equal(x, y)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


# The loop.


def test_the_loss_falls():
    _, history = train_network(
        line(), Line(), Settings(steps=200, lr=1e-2, half=False, validate_every=100), progress=False
    )
    assert [row["step"] for row in history] == list(range(10, 201, 10))
    assert history[-1]["val_error"] < 0.1 * history[0]["loss"]
    assert all(
        "val_error" in row and "val_ema_error" in row for row in history if row["step"] % 100 == 0
    )


def test_the_same_seed_gives_the_same_curve():
    (a, first), (b, second) = (
        train_network(line(0.3), Line(), QUICK, progress=False) for _ in range(2)
    )
    assert told(first) == told(second) and same(a, b)
    c, _ = train_network(line(0.3, seed=1), Line(), QUICK, progress=False)
    assert not same(a, c)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("stop", [1, 3, 4])
def test_interrupted_and_resumed_is_uninterrupted(tmp_path, stop, dropout):
    whole, history = train_network(line(dropout), Line(), QUICK, progress=False)
    with pytest.raises(KeyboardInterrupt):
        train_network(line(dropout), Interrupted(stop), QUICK, tmp_path, progress=False)
    torch.manual_seed(99)  # another process
    again, resumed = train_network(
        line(dropout) if stop < 2 else line(dropout, seed=7),
        Line(),
        QUICK,
        tmp_path,
        progress=False,
    )
    assert same(whole, again) and told(resumed) == told(history)
    assert json.loads((tmp_path / "history.json").read_text()) == resumed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history.json", "last.pt"]


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_from_other_processes_are_the_same(tmp_path, workers):
    whole, history = train_network(line(0.5), Line(), QUICK, progress=False)
    with pytest.raises(KeyboardInterrupt):
        train_network(line(0.5), Interrupted(3), QUICK, tmp_path, progress=False, workers=workers)
    again, resumed = train_network(
        line(0.5), Line(), QUICK, tmp_path, progress=False, workers=workers
    )
    assert same(whole, again) and told(resumed) == told(history)


def test_a_finished_run_is_not_trained_on(tmp_path):
    first, history = train_network(line(), Line(), QUICK, tmp_path, progress=False)
    second, again = train_network(line(seed=3), Line(), QUICK, tmp_path, progress=False)
    assert same(first, second) and again == history


def test_a_run_with_other_settings_is_refused(tmp_path):
    train_network(line(), Line(), QUICK, tmp_path, progress=False)
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(
        InputError,
        match=r"last.pt: settings: expected those of the run to resume.*name another folder",
    ):
        train_network(
            line(), Line(), Settings(steps=6, lr=2e-3, half=False), tmp_path, progress=False
        )
    assert (tmp_path / "last.pt").read_bytes() == before


def test_a_run_of_another_task_is_refused(tmp_path, clips):
    """Another seed, batch or source is another run, not the rest of this one."""
    quick = Settings(steps=1, half=False, validate_every=10**9)
    task = Denoise(clips, clips[:1], batch=1, seed=0)
    task.frames = (20,)
    train_network(prior(), task, quick, tmp_path, progress=False)
    for other in (
        Denoise(clips, clips[:1], batch=1, seed=1),
        Denoise(clips, clips[:1], batch=2, seed=0),
        Denoise(clips[:2], clips[:1], batch=1, seed=0),
        Smooth(clips, clips[:1], batch=1, seed=0),
    ):
        with pytest.raises(InputError, match=r"last.pt: task: expected that of the run to resume"):
            train_network(prior(), other, quick, tmp_path, progress=False)


def test_a_task_that_cannot_be_known_again_has_no_folder(tmp_path):
    class Anonymous(Line):
        identity = property()

    with pytest.raises(
        InputError, match=r"run: task: expected one with an identity.*found Anonymous"
    ):
        train_network(line(), Anonymous(), QUICK, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    train_network(line(), Anonymous(), QUICK, progress=False)


@pytest.mark.parametrize("first", [None, "these"])
def test_a_run_that_began_at_other_weights_is_refused(tmp_path, first):
    _, history = train_network(line(), Line(), QUICK, tmp_path, progress=False, init=first)
    for other in {None, "these", "those"} - {first}:
        with pytest.raises(
            InputError, match=r"last.pt: task: expected .*init.*name another folder"
        ):
            train_network(line(), Line(), QUICK, tmp_path, progress=False, init=other)
    assert train_network(line(), Line(), QUICK, tmp_path, progress=False, init=first)[1] == history


@pytest.mark.parametrize("task", [None, {}, {"task": "Line"}])
def test_what_a_run_is_known_by_may_be_younger_than_the_run(tmp_path, task):
    _, history = train_network(line(), Line(), QUICK, tmp_path, progress=False)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save(state | {"task": task}, tmp_path / "last.pt")
    assert (
        train_network(line(), Line(), QUICK, tmp_path, progress=False, init="these")[1] == history
    )


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path):
    train_network(line(), Line(), QUICK, tmp_path, progress=False)
    whole = (tmp_path / "last.pt").read_bytes()
    for damaged in (b"", b"junk", whole[: len(whole) // 2]):
        (tmp_path / "last.pt").write_bytes(damaged)
        with pytest.raises(InputError, match=r"last.pt: checkpoint"):
            train_network(line(), Line(), QUICK, tmp_path, progress=False)
    (tmp_path / "last.pt").write_bytes(whole)
    with pytest.raises(InputError, match=r"last.pt: weights"):
        train_network(nn.Linear(4, 4), Line(), QUICK, tmp_path, progress=False)


@pytest.mark.parametrize(
    "lacking", ["model", "mean", "step", "optimizers", "history", "seconds", "settings"]
)
def test_a_checkpoint_of_an_older_loop_is_one_clear_error(tmp_path, lacking):
    """Before the optimisers were split, ``last.pt`` had one, as ``optimizer``."""
    train_network(line(), Line(), QUICK, tmp_path, progress=False)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    state["older"] = state.pop(lacking)
    torch.save(state, tmp_path / "last.pt")
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(
        InputError, match=f"last.pt: {lacking}: expected .*, found .*older.*name another folder"
    ) as told:
        train_network(line(), Line(), QUICK, tmp_path, progress=False)
    assert "\n" not in str(told.value) and (tmp_path / "last.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: [state], "checkpoint: expected one that this loop wrote, found list"),
        (lambda state: state | {"optimizers": []}, "optimizers: expected"),
        (
            lambda state: state | {"optimizers": [{"state": {}, "param_groups": []}]},
            "optimizers: expected",
        ),
        (
            lambda state: state | {"settings": state["settings"] | {"newer": 1}},
            "settings: expected",
        ),
        (
            lambda state: state | {"settings": state["settings"] | {"optimizer": "newer"}},
            "settings: expected",
        ),
    ],
    ids=["list", "no optimiser", "other groups", "unknown setting", "unknown value"],
)
def test_a_checkpoint_of_another_form_is_one_clear_error(tmp_path, change, said):
    train_network(line(), Line(), QUICK, tmp_path, progress=False)
    torch.save(change(torch.load(tmp_path / "last.pt", weights_only=True)), tmp_path / "last.pt")
    with pytest.raises(InputError, match=f"last.pt: {said}"):
        train_network(line(), Line(), QUICK, tmp_path, progress=False)


def test_a_setting_younger_than_the_run_has_its_default(tmp_path):
    _, history = train_network(line(), Line(), QUICK, tmp_path, progress=False)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    del state["settings"]["optimizer"]
    torch.save(state, tmp_path / "last.pt")
    assert train_network(line(seed=3), Line(), QUICK, tmp_path, progress=False)[1] == history


def test_a_gradient_that_is_not_finite_stops_and_leaves_the_weights(tmp_path):
    model = line()
    with pytest.raises(FloatingPointError, match="not finite at step 2"):
        train_network(model, Broken(), QUICK, tmp_path, progress=False)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 2


def test_what_is_kept_is_the_running_mean():
    settings = Settings(steps=40, lr=1e-2, half=False, validate_every=40)
    model = line()
    mean, history = train_network(model, Line(), settings, progress=False)
    assert not same(mean, model) and not mean.training
    assert history[-1]["val_ema_error"] != history[-1]["val_error"]
    last, history = train_network(
        line(), Line(), Settings(**{**vars(settings), "ema": 0.0}), progress=False
    )
    assert same(last, model) and "val_ema_error" not in history[-1]


def test_the_running_mean_is_a_mean():
    """After one step it has 1/10 of the old weights and 9/10 of the new, as its decay warms up."""
    old, model = line(), line()
    mean, _ = train_network(model, Line(), Settings(steps=1, lr=1e-2, half=False), progress=False)
    for kept, before, after in zip(mean.parameters(), old.parameters(), model.parameters()):
        torch.testing.assert_close(kept, 0.1 * before + 0.9 * after)


def test_the_learning_rate_warms_up_and_cools_down():
    rates = [learning_rate_at(step, Settings(steps=1000, lr=1.0)) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 30) and max(rates) == 1.0 and rates.index(1.0) in (29, 30)
    assert np.all(np.diff(rates[:30]) > 0) and np.all(np.diff(rates[30:]) < 0)
    assert rates[-1] == pytest.approx(0.01, rel=0.01) and rates[515] == pytest.approx(
        0.505, abs=0.01
    )


def test_nothing_is_printed_without_a_bar(capsys):
    train_network(line(), Line(), QUICK, progress=False)
    assert capsys.readouterr() == ("", "")
    train_network(line(), Line(), QUICK, progress=True)
    assert "6/6" in capsys.readouterr().err


def test_training_needs_numpy_and_torch_alone():
    code = (
        BLOCK.format(allowed=ALLOWED, root=str(ROOT))
        + """
import numpy as np
from stride_nb import PoseSequence
from stride_nb.models import registry
from stride_nb.training import tasks, trainer
pose = np.random.default_rng(0).uniform(-0.8, 0.8, (17, 3))
sway = np.sin(np.arange(250) / 20)[:, None, None] / 10
clip = PoseSequence(pose + sway, fps=50).resample(50).joints
task = tasks.Denoise([clip], [clip], batch=1)
task.frames = (20,)
small = {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2}
model = registry.build_network("prior", "frameformer", small)
settings = trainer.Settings(steps=1, half=False)
print(len(trainer.train_network(model, task, settings, device="cpu", progress=False)[1]))
"""
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "1\n", done.stderr


def test_a_run_by_muon_is_resumed_to_the_digit(tmp_path, clips):
    settings = Settings(
        steps=4, lr=4e-3, optimizer="muon", half=False, validate_every=4, save_every=2
    )
    task = Denoise(clips, clips[:1], batch=1)
    task.frames = (60,)
    start = prior()
    whole, _ = train_network(
        copy.deepcopy(start), task, settings, tmp_path / "whole", progress=False
    )
    state = torch.load(tmp_path / "whole" / "last.pt", weights_only=True)
    assert len(state["optimizers"]) == 2

    class Cut(Exception):
        pass

    def stop(step, made=task.make_batch):
        if step == 3:
            raise Cut
        return made(step)

    task.make_batch = stop
    with pytest.raises(Cut):
        train_network(copy.deepcopy(start), task, settings, tmp_path / "cut", progress=False)
    del task.make_batch
    again, _ = train_network(copy.deepcopy(start), task, settings, tmp_path / "cut", progress=False)
    assert same(whole, again)


def test_a_short_training_lowers_the_loss(clips):
    task = Denoise(clips, clips[:1], batch=4)
    task.frames = (60,)
    torch.manual_seed(0)
    settings = Settings(steps=120, lr=3e-3, validate_every=120)
    fresh, batch = prior(), task.make_batch(1000)  # one that it does not learn from
    trained, _ = train_network(copy.deepcopy(fresh), task, settings, progress=False)
    with torch.no_grad():
        before, after = (task.compute_loss(network, batch)[0] for network in (fresh, trained))
    assert after < 0.9 * before


@pytest.mark.parametrize("most", [0.5, 0.0])
def test_gradients_are_clipped(most):
    class Steep(Line):
        def compute_loss(self, model, batch):
            value, terms = super().compute_loss(model, batch)
            return 1e4 * value, terms

    model = line()
    train_network(model, Steep(), Settings(steps=1, clip=most, half=False), progress=False)
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    assert norm == pytest.approx(0.5, rel=1e-3) if most else norm > 1e3


def test_muon_moves_the_matrices_of_the_blocks_and_nothing_else_fast():
    model = prior()
    adamw, muon = make_optimizers(model, Settings(lr=4e-3, optimizer="muon"))
    assert [g["share"] * 4e-3 for g in (*adamw.param_groups, *muon.param_groups)] == pytest.approx(
        [1e-3, 4e-3]
    )
    assert {id(p) for p in muon.param_groups[0]["params"]} == {
        id(p) for n, p in model.named_parameters() if p.ndim == 2 and "block" in n
    }
