"""Checkpoints: there and back, sizes from tensors, and files that are damaged or hostile."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb.cli import convert
from stride_nb.errors import InputError
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import PRESETS, DSTformer

SIZES = {"dim": 16, "rep": 12, "depth": 2, "heads": 8, "mlp_ratio": 2.5, "maxlen": 9}
CARD = {
    "config": SIZES,
    "data": "none",
    "command": "none",
    "steps": 0,
    "hardware": "any",
    "validation": {"mpjpe": 1.5},
}
FIELDS = {*CARD, "sha256"}
fuzzed = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def model():
    return DSTformer(**SIZES).reset_parameters(torch.Generator().manual_seed(0)).eval()


@pytest.fixture(scope="module")
def state(model):
    return model.state_dict()


def training_file(state, prefix="module."):
    """What the published training loops write."""
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))])
    return {
        "epoch": 7,
        "lr": 2e-4,
        "optimizer": optimiser.state_dict(),
        "min_loss": np.float64(41.5),
        "model_pos": {prefix + name: tensor for name, tensor in state.items()},
    }


def same(a, b):
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


# Published files
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_reads_training_files_with_and_without_prefix(tmp_path, state, prefix):
    torch.save(training_file(state, prefix), tmp_path / "a.bin")
    assert same(checkpoints.read_published_checkpoint(tmp_path / "a.bin"), state)


def test_reads_bare_weights_and_the_older_format(tmp_path, state):
    torch.save(state, tmp_path / "bare.bin")
    torch.save(training_file(state), tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    assert same(checkpoints.read_published_checkpoint(tmp_path / "bare.bin"), state)
    assert same(checkpoints.read_published_checkpoint(tmp_path / "old.bin"), state)


def test_reads_scalars_of_either_numpy(tmp_path, state):
    buffer = io.BytesIO()
    torch.save(training_file(state), buffer)
    with zipfile.ZipFile(buffer) as new, zipfile.ZipFile(tmp_path / "old.bin", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in content
                content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            old.writestr(name, content)
    assert same(checkpoints.read_published_checkpoint(tmp_path / "old.bin"), state)


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def _zip(content, path, protocol=2):
    torch.save(content, path, pickle_protocol=protocol)


def _old(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _raw(content, path, protocol):
    path.write_bytes(pickle.dumps(content, protocol))


WRITERS = {
    "zip 2": _zip,
    "zip 4": lambda c, p: _zip(c, p, 4),
    "old": _old,
    "raw 0": lambda c, p: _raw(c, p, 0),
    "raw 2": lambda c, p: _raw(c, p, 2),
    "raw 5": lambda c, p: _raw(c, p, 5),
}
CALLS = {
    "posix.system": (os.system,),
    "eval": (eval,),
    "torch.hub.load": (torch.hub.load, "repo"),
    "posix.mkdir": (os.mkdir,),
}


@pytest.mark.skipif(os.name != "posix", reason="names the system call of posix")
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("where", ["model_pos", "optimizer"])
def test_a_pickle_that_calls_is_refused_by_name_and_runs_nothing(tmp_path, writer, name, where):
    mark = tmp_path / "it_ran"
    argument = {os.system: f"touch {mark}", eval: f"open({str(mark)!r}, 'w')"}.get(
        CALLS[name][0], str(mark)
    )
    WRITERS[writer]({where: Call(*CALLS[name], argument)}, tmp_path / "a.bin")
    with pytest.raises(InputError, match=rf"a\.bin: pickle: .*({name}).*nothing was run"):
        checkpoints.read_published_checkpoint(tmp_path / "a.bin")
    assert not mark.exists()


GOOD = (3, "<", None, None, None, -1, -1, 0)  # the state of float64's dtype
NESTED = {"a": (np.dtype("O"), 0)}


def scalar_of(state, data=b"\x41" * 8):
    """NumPy's pickle of a float64, its dtype in that state."""

    class Dtype:
        def __reduce__(self):
            return np.dtype, ("f8", False, True), state

    return Call(np.float64(0).__reduce__()[0], Dtype(), data)


@pytest.mark.parametrize("writer", ["zip 2", "old"])
@pytest.mark.parametrize(
    "state",
    [
        (*GOOD[:7], 127),
        (3, "|", None, ("a",), NESTED, 8, 8, 63),
        (3, "|", (np.dtype("O"), (1,)), None, None, 8, 8, 63),
        (9, *GOOD[1:]),
        (3, "x", *GOOD[2:]),
        GOOD[:5],
        (*GOOD, {}),
        list(GOOD),
    ],
)
def test_a_forged_dtype_does_not_reach_numpy(tmp_path, state, writer):
    WRITERS[writer](
        {"min_loss": scalar_of(GOOD), "model_pos": {"a": torch.zeros(1)}}, tmp_path / "good.bin"
    )
    assert checkpoints.read_published_checkpoint(tmp_path / "good.bin") == {"a": torch.zeros(1)}
    WRITERS[writer](
        {"min_loss": scalar_of(state), "model_pos": {"a": torch.zeros(1)}}, tmp_path / "a.bin"
    )
    with pytest.raises(InputError, match=r"a\.bin: pickle: .*dtype") as error:
        checkpoints.read_published_checkpoint(tmp_path / "a.bin")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"\x41" * 7, [1.0], "AAAAAAAA"])
def test_a_scalar_of_another_size_is_refused(tmp_path, data):
    torch.save(
        {"min_loss": scalar_of(GOOD, data), "model_pos": {"a": torch.zeros(1)}}, tmp_path / "a.bin"
    )
    with pytest.raises(InputError, match=r"a\.bin: pickle: .*a numpy scalar of float64"):
        checkpoints.read_published_checkpoint(tmp_path / "a.bin")


def test_numpy_arrays_are_not_among_what_is_allowed(tmp_path, state):
    torch.save(training_file(state) | {"history": np.arange(5.0)}, tmp_path / "a.bin")
    with pytest.raises(InputError, match="_reconstruct"):
        checkpoints.read_published_checkpoint(tmp_path / "a.bin")


def test_reading_leaves_no_door_open(tmp_path, state):
    torch.save(training_file(state), tmp_path / "a.bin")
    before = set(torch.serialization.get_safe_globals())
    checkpoints.read_published_checkpoint(tmp_path / "a.bin")
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "a.bin", weights_only=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory, state):
    buffer = io.BytesIO()
    torch.save(training_file(state), buffer)
    return buffer.getvalue(), tmp_path_factory.mktemp("fuzz") / "a.bin"


@given(data=st.data())
@fuzzed
def test_truncated_files_give_one_clear_error(written, data):
    content, path = written
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(
        InputError, match=r"a.bin: file: expected one written by torch.save, found "
    ):
        checkpoints.read_published_checkpoint(path)


@given(data=st.data())
@fuzzed
def test_damaged_files_are_read_or_refused(written, data):
    content, path = written
    damaged = bytearray(content)
    pickled = content.index(b"data.pkl"), content.index(b"data.pkl") + 20_000  # where it hurts
    for at in data.draw(st.lists(st.integers(*pickled), min_size=1, max_size=5)):
        damaged[at] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    message = ""
    try:
        checkpoints.build_dstformer(checkpoints.read_published_checkpoint(path), heads=8)
    except InputError as error:
        message = str(error)
    assert "\n" not in message


def test_a_tensor_whose_name_has_lines_is_named_in_one():
    state = {
        f"m\n{name}" if name.endswith("proj.bias") else name: tensor
        for name, tensor in DSTformer(dim=16, rep=8, depth=1, heads=2, mlp_ratio=2, maxlen=9)
        .state_dict()
        .items()
    }
    with pytest.raises(InputError, match="not part of it") as error:
        checkpoints.build_dstformer(state, heads=2)
    assert len(str(error.value).splitlines()) == 1


@given(content=st.binary(max_size=200))
@fuzzed
def test_other_bytes_are_refused(written, content):
    _, path = written
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.bin"):
        checkpoints.read_published_checkpoint(path)


NAMES = st.sampled_from(["model_pos", "epoch", "module.head.weight", "head.weight"])
LEAVES = (
    st.none()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.builds(torch.zeros, st.just(2))
)
CONTENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner), max_leaves=8
)


@given(content=CONTENTS)
@fuzzed
def test_other_contents_are_refused(written, content):
    _, path = written
    torch.save(content, path)
    with pytest.raises(InputError):
        checkpoints.build_dstformer(checkpoints.read_published_checkpoint(path), heads=8)


# --- from tensors to a network
# -------------------------------------------------------------------------------------
def test_sizes_come_from_the_tensors(model, state):
    found = checkpoints.build_dstformer(state, heads=8)
    assert found.config == model.config
    x = torch.randn(2, 9, 17, 3)
    torch.testing.assert_close(found(x), model(x), rtol=0, atol=0)


@pytest.mark.parametrize("preset", PRESETS)
def test_heads_come_from_the_preset_of_the_same_width_and_depth(preset, state, monkeypatch):
    """Small networks stand for the presets, two of which take long to copy."""
    presets = {name: SIZES | {"heads": 2**i, "depth": i} for i, name in enumerate(PRESETS, 1)}
    monkeypatch.setattr(checkpoints, "PRESETS", presets)
    state = DSTformer(**presets[preset] | {"maxlen": 5, "dim_in": 9}).state_dict()
    assert checkpoints.build_dstformer(state).config["heads"] == presets[preset]["heads"]
    assert checkpoints.build_dstformer(state, heads=1).config["heads"] == 1


def test_heads_that_nothing_tells_are_asked_for(state):
    with pytest.raises(
        InputError, match=r"a\.bin: heads: expected the number of attention heads, as in heads=8"
    ):
        checkpoints.build_dstformer(state, where="a.bin")


@pytest.mark.parametrize("heads", [3, -1, "8"])
def test_heads_that_cannot_be_are_refused(state, heads):
    with pytest.raises(InputError, match="heads"):
        checkpoints.build_dstformer(state, heads)


@given(data=st.data())
@fuzzed
def test_every_wrong_tensor_is_named(state, data):
    names = st.sampled_from(sorted(state))
    dropped = data.draw(st.sets(names, max_size=2))
    bent = data.draw(st.sets(names, max_size=2)) - dropped
    added = data.draw(st.sets(st.sampled_from(["extra", "blocks_st.0.attn_s.scale"]), max_size=1))
    broken = {n: t[..., None] if n in bent else t for n, t in state.items() if n not in dropped}
    broken |= {n: torch.zeros(1) for n in added}
    wrong = dropped | bent | added
    if not wrong:
        checkpoints.build_dstformer(broken, heads=8)
        return
    with pytest.raises(InputError) as caught:
        checkpoints.build_dstformer(broken, heads=8, where="some.bin")
    message = str(caught.value)
    sizes = {
        "joints_embed.weight",
        "pos_embed",
        "temp_embed",
        "blocks_st.0.mlp_s.fc1.weight",
        "pre_logits.fc.weight",
        "head.weight",
    }  # where one of these is wrong the rest has no expected shape
    for name in wrong & sizes or wrong:
        assert f"{name}: " in message
    assert message.startswith("some.bin: tensors: ") and "\n" not in message


def test_a_narrower_layer_is_named_with_both_shapes(state):
    broken = state | {"blocks_ts.1.attn_t.proj.weight": torch.zeros(16, 15)}
    with pytest.raises(
        InputError,
        match=r"blocks_ts\.1\.attn_t\.proj\.weight: \(16, 16\) expected, \(16, 15\) found",
    ):
        checkpoints.build_dstformer(broken, heads=8)


def test_the_network_holds_a_copy(state):
    before = {name: tensor.clone() for name, tensor in state.items()}
    with torch.no_grad():
        for parameter in checkpoints.build_dstformer(state, heads=8).parameters():
            assert parameter.requires_grad
            parameter.add_(1)
    assert same(state, before)


# Ours
def test_save_and_load(tmp_path, state):
    path = checkpoints.save_weights(tmp_path / "a.safetensors", state, CARD)
    found, card = checkpoints.load_weights(path)
    assert same(found, state) and card.items() >= CARD.items() and set(card) == FIELDS
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.safetensors"]


def test_load_by_name(tmp_path, state, monkeypatch):
    monkeypatch.setattr(checkpoints, "WEIGHTS", tmp_path)
    checkpoints.save_weights(tmp_path / "some_prior.safetensors", state, CARD)
    network, card = checkpoints.load_dstformer("some_prior")
    assert same(network.state_dict(), state) and card["data"] == "none"
    with pytest.raises(InputError, match="one of: some_prior, found 'other'"):
        checkpoints.load_weights("other")


def test_weights_that_are_not_those_of_the_card_are_refused(tmp_path, state):
    path = checkpoints.save_weights(tmp_path / "a.safetensors", state, CARD)
    checkpoints.save_weights(tmp_path / "b.safetensors", {n: t + 1 for n, t in state.items()}, CARD)
    os.replace(tmp_path / "b.safetensors", path)
    with pytest.raises(InputError, match="sha256"):
        checkpoints.load_weights(path)


@pytest.mark.parametrize("text", ["{", "[1]", '{"config": 3}', "\x00"])
def test_a_damaged_card_is_refused(tmp_path, state, text):
    path = checkpoints.save_weights(tmp_path / "a.safetensors", state, CARD)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(InputError, match=r"a.json: card"):
        checkpoints.load_weights(path)


@given(cut=st.floats(0, 0.999))
@fuzzed
def test_truncated_weights_are_refused(tmp_path_factory, state, cut):
    path = checkpoints.save_weights(tmp_path_factory.mktemp("cut") / "a.safetensors", state, CARD)
    path.with_suffix(".json").unlink()
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(InputError, match=r"a.safetensors: weights"):
        checkpoints.load_weights(path)


def test_a_failing_save_leaves_what_was_there(tmp_path, state):
    path = checkpoints.save_weights(tmp_path / "a.safetensors", state, CARD)
    with pytest.raises(ValueError):
        checkpoints.save_weights(
            path, {n: t + 1 for n, t in state.items()}, CARD | {"validation": float("nan")}
        )
    assert same(checkpoints.load_weights(path)[0], state)
    assert len(list(tmp_path.iterdir())) == 2


def test_weights_whose_card_is_newer_are_refused(tmp_path, state, monkeypatch):
    """Somebody ends the process between the two renames."""
    path = checkpoints.save_weights(tmp_path / "a.safetensors", state, CARD)
    replace = os.replace

    def cut(source, target):
        if str(target).endswith(".safetensors"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save_weights(path, {n: t + 1 for n, t in state.items()}, CARD)
    with pytest.raises(InputError, match="sha256"):
        checkpoints.load_weights(path)


def test_the_hash_of_weights_is_that_of_their_card_and_needs_none(tmp_path, state):
    path = checkpoints.save_weights(tmp_path / "a.safetensors", state, CARD)
    said = checkpoints.load_weights(path)[1]["sha256"]
    path.with_suffix(".json").unlink()
    assert checkpoints.hash_weights(path) == checkpoints.hash_weights(str(path)) == said
    checkpoints.write_published_checkpoint(tmp_path / "b.bin", state)
    assert (
        checkpoints.hash_weights(tmp_path / "b.bin")
        == hashlib.sha256((tmp_path / "b.bin").read_bytes()).hexdigest()
    )
    assert checkpoints.hash_weights("prior") == checkpoints.load_weights("prior")[1]["sha256"]
    for missing in (tmp_path / "c.bin", tmp_path / "c.safetensors", "nobody"):
        with pytest.raises(InputError):
            checkpoints.hash_weights(missing)


@pytest.mark.parametrize(
    "path", sorted(checkpoints.WEIGHTS.glob("*.safetensors")), ids=lambda p: p.stem
)
def test_shipped_weights_say_what_they_are(path):
    state, card = checkpoints.load_weights(path.stem)
    assert set(card) >= FIELDS
    assert path.stat().st_size < 16e6 and all(tensor.isfinite().all() for tensor in state.values())


# Command
def command(*arguments):
    parser = argparse.ArgumentParser()
    convert.add_arguments(parser)
    return convert.run(parser.parse_args([str(a) for a in arguments]))


def test_convert_there_and_back(tmp_path, state, capsys):
    torch.save(training_file(state), tmp_path / "in.bin")
    with pytest.raises(InputError, match="heads"):
        command(tmp_path / "in.bin", tmp_path / "mid.safetensors")
    assert command(tmp_path / "in.bin", tmp_path / "mid.safetensors", "--heads", 8) == 0
    assert command(tmp_path / "mid.safetensors", tmp_path / "out.bin") == 0
    assert "mid.safetensors" in capsys.readouterr().out
    back = torch.load(tmp_path / "out.bin", weights_only=True)  # nothing but plain data in it
    assert (back["epoch"], back["lr"], back["min_loss"]) == (7, 2e-4, 41.5)
    assert same(back["model_pos"], training_file(state)["model_pos"])
    card = json.loads((tmp_path / "mid.json").read_text())
    assert set(card) > FIELDS and card["config"]["heads"] == 8
    assert checkpoints.load_dstformer(tmp_path / "out.bin", heads=4)[0].config["heads"] == 4


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("in.bin", "out.bin"),
        ("in.safetensors", "out.safetensors"),
        ("in.bin", "out.pt"),
        ("no.bin", "out.safetensors"),
        ("no.safetensors", "out.bin"),
        ("in.txt", "out.bin"),
    ],
)
def test_convert_refuses_and_writes_nothing(tmp_path, state, source, target):
    torch.save(training_file(state), tmp_path / "in.bin")
    checkpoints.save_weights(tmp_path / "in.safetensors", state, CARD)
    (tmp_path / "in.txt").write_text("weights")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError):
        command(tmp_path / source, tmp_path / target)
    assert sorted(tmp_path.iterdir()) == before


def test_convert_checks_that_it_is_a_dstformer(tmp_path):
    torch.save({"model_pos": {"module.head.weight": torch.zeros(3, 3)}}, tmp_path / "in.bin")
    with pytest.raises(InputError, match=r"in\.bin: tensors: .*pos_embed: missing"):
        command(tmp_path / "in.bin", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
