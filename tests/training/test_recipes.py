"""The command ``train``: weights with their card, begun elsewhere, gone on with, refused before
anything is made."""

import argparse
import dataclasses
import json

import numpy as np
import pytest
import torch

from stride_nb import datasets
from stride_nb.cli import train as command
from stride_nb.errors import InputError
from stride_nb.models import checkpoints
from stride_nb.models.registry import build_network, load_model
from stride_nb.training import recipes
from stride_nb.training.tasks import Denoise
from stride_nb.training.trainer import Settings

SMALL = {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2}


@pytest.fixture
def recipe(monkeypatch):
    before = torch.get_num_threads()  # which the command sets
    small = recipes.Recipe(Denoise, "prior", "frameformer", SMALL, Settings(2, half=False), batch=1)
    monkeypatch.setitem(recipes.RECIPES, "small", small)
    yield
    torch.set_num_threads(before)


def main(words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def run(*words):
    return main(["small", "--source", "synthetic", "--threads", "1", "--device", "cpu", *words])


def test_training_reads_train_and_val(tmp_path, recipe, monkeypatch):
    load, asked = datasets.load, []
    monkeypatch.setattr(
        datasets, "load", lambda source, split: asked.append(split) or load(source, split)
    )
    run("--out", str(tmp_path))
    assert asked == ["train", "val"]


def test_the_command_writes_weights_with_their_card(tmp_path, recipe, capsys):
    assert run("--out", str(tmp_path)) == 0
    card = json.loads((tmp_path / "small.json").read_text())
    assert (card["steps"], card["batch"], card["seed"], card["stored_as"]) == (2, 1, 0, "float16")
    assert card["config"] == {"head": "prior", "backbone": "frameformer", "arguments": SMALL}
    assert card["validation"].keys() == {
        "hidden_mm",
        "visible_mm",
        "ema_hidden_mm",
        "ema_visible_mm",
    }
    network = load_model(tmp_path / "small.safetensors")
    assert sum(p.numel() for p in network.parameters()) == card["parameters"]


@pytest.mark.parametrize("named, channels", [({"dim_out": 4}, 4), ({}, 5)])
def test_going_on_trains_with_or_without_a_gate_as_the_weights_are(
    tmp_path, recipe, named, channels, capsys
):
    config = {"head": "prior", "backbone": "frameformer", "arguments": SMALL | named}
    before = build_network(**config)
    checkpoints.save_weights(
        tmp_path / "a.safetensors", before.state_dict(), {"config": config, "steps": 1}
    )
    assert run("--out", str(tmp_path / "run"), "--init", str(tmp_path / "a.safetensors")) == 0
    written = json.loads((tmp_path / "run" / "small.json").read_text())
    assert written["config"] == config and written["init"]["steps"] == 1
    assert load_model(tmp_path / "run" / "small.safetensors").backbone.dim_out == channels


def test_a_share_of_the_weights_that_training_went_on_from_can_be_kept(tmp_path, recipe, capsys):
    config = {"head": "prior", "backbone": "frameformer", "arguments": SMALL}
    before = build_network(**config).state_dict()
    init = str(checkpoints.save_weights(tmp_path / "a.safetensors", before, {"config": config}))
    out, went = tmp_path / "run", ["--init", init, "--out", str(tmp_path / "run")]
    found = {}
    for words in ([], ["--keep", "0.25"]):  # the second resumes the first, which is done
        assert run(*went, *words) == 0
        found[len(words)] = (
            checkpoints.load_weights(out / "small.safetensors")[0],
            json.loads((out / "small.json").read_text()),
        )
    (trained, plain), (kept, card) = found.values()
    for name, weight in kept.items():
        torch.testing.assert_close(
            weight.float(), 0.25 * before[name] + 0.75 * trained[name].float(), atol=1e-3, rtol=0
        )
    assert "keep" not in plain["command"] and card["command"].endswith("--keep 0.25")
    assert card["validation"].keys() - plain["validation"].keys() == {
        "kept_hidden_mm",
        "kept_visible_mm",
    }


def test_a_run_is_not_resumed_as_if_it_had_begun_elsewhere(tmp_path, recipe, capsys):
    config = {"head": "prior", "backbone": "frameformer", "arguments": SMALL}
    init = checkpoints.save_weights(
        tmp_path / "a.safetensors", build_network(**config).state_dict(), {"config": config}
    )
    assert run("--out", str(tmp_path / "run"), "--init", str(init)) == 0
    card = (tmp_path / "run" / "small.json").read_text()
    assert json.loads(card)["init"]["sha256"] == checkpoints.hash_weights(init)
    with pytest.raises(InputError, match="name another folder"):
        run("--out", str(tmp_path / "run"))
    assert (tmp_path / "run" / "small.json").read_text() == card


@pytest.mark.parametrize(
    "words, said",
    [
        (["--steps", "0"], "--steps"),
        (["--steps", "-1"], "--steps"),
        (["--batch", "0"], "--batch"),
        (["--batch", "-2"], "--batch"),
        (["--threads", "0"], "--threads"),
        (["--workers", "-1"], "--workers"),
        (["--lr", "0"], "--lr"),
        (["--source", "walks"], "source"),
        (["--device", "abacus"], "device"),
        (["--init", "nobody"], "weights"),
        (["--keep", "0.3"], "--keep"),
        (["--init", "prior", "--keep", "1"], "--keep"),
    ],
)
def test_impossible_numbers_are_refused_before_anything_is_made(tmp_path, recipe, words, said):
    with pytest.raises(InputError, match=said):
        run("--out", str(tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("words", "threads"), [([], 3), (["--threads", "2"], 2)])
def test_the_threads_are_those_asked_for_else_those_there_were(recipe, words, threads):
    """PyTorch begins with ``OMP_NUM_THREADS`` where that is set; the command takes no more unless
    it is told to."""
    torch.set_num_threads(3)
    with pytest.raises(InputError, match="source"):  # by then they are set
        main(["small", "--source", "walks", "--device", "cpu", *words])
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("fps, frames", [(25, 599), (50, 600), (100, 600)])
def test_motions_are_learnt_from_at_the_rate_of_the_networks(
    tmp_path, recipe, monkeypatch, fps, frames
):
    """Twelve seconds at any rate are as many frames at 50 a second, of the same motion; at 50 they
    are taken as they come."""
    given, made = [], datasets.load("synthetic", clips=2, seconds=12.0)

    def task(train, val, *_, **__):
        given.extend([train, val])
        raise InputError("task", "clips", "a look at them", "enough seen")

    monkeypatch.setattr(
        datasets, "load", lambda source, split: [clip.resample(fps) for clip in made]
    )
    monkeypatch.setitem(
        recipes.RECIPES, "small", dataclasses.replace(recipes.RECIPES["small"], task=task)
    )
    with pytest.raises(InputError, match="enough seen"):
        run("--out", str(tmp_path / "run"))
    for clips in given:
        assert [len(joints) for joints in clips] == [frames, frames]
        for joints, clip in zip(clips, made):
            if fps == 50:
                np.testing.assert_array_equal(joints, clip.joints)
            assert np.abs(joints[25:-25] - clip.joints[25 : frames - 25]).max() < 0.02


def test_validation_clips_too_short_are_named_before_the_training(tmp_path, recipe, monkeypatch):
    made = datasets.load
    monkeypatch.setattr(
        datasets, "load", lambda source, split: made(source, split, clips=2, seconds=4.0)
    )
    with pytest.raises(InputError, match="243 frames"):
        run("--out", str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
