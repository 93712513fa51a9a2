"""One entry point: help without importing the world, bad input in one line, results that Python would give too."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stride_nb import checkpoints, formats, motions
from stride_nb.__main__ import COMMANDS, main
from stride_nb.networks import build
from stride_nb.refine import refine
from stride_nb.sequence import PoseSequence

ROOT = Path(__file__).parents[1]
SMALL = dict(dim=32, depth=1, heads=4, mlp_ratio=2)
HEAVY = {"scipy", "matplotlib", "seaborn", "pandas", "plotly", "papermill", "nbformat", "pooch", "smplx", "safetensors"}


@pytest.fixture(autouse=True)
def threads():
    """Commands set how many threads PyTorch takes; other tests keep theirs."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def walk(tmp_path):
    """A pose file with a gap: embedded motion, Y up."""
    joints = motions.load("synthetic", clips=1, seconds=0.8)[0].joints.copy()
    joints[10:20] = np.nan
    PoseSequence(joints, fps=50, name="walk").save(tmp_path / "walk.npz")
    return tmp_path / "walk.npz"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    card = {"config": {"head": "prior", "backbone": "frameformer", "arguments": SMALL}}
    model = build("prior", "frameformer", SMALL)
    return checkpoints.save(tmp_path_factory.mktemp("weights") / "small.safetensors", model.state_dict(), card)


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_imports_hardly_anything():
    loaded = python("import sys\nfrom stride_nb.__main__ import main\ntry: main(['--help'])\n"
                    "except SystemExit as e: print('\\nexit', e.code, *sorted(sys.modules))")
    text, modules = loaded.split("\nexit 0 ")
    assert all(name in text and summary.split(",")[0] in text for name, (_, summary) in COMMANDS.items())
    assert not {m.partition(".")[0] for m in modules.split()} & {"numpy", "torch", *HEAVY}


def test_every_commands_help_needs_numpy_and_torch_at_most():
    code = f"""
import sys
from stride_nb.__main__ import main
for name in {list(COMMANDS)!r}:
    try: main([name, "--help"])
    except SystemExit as e: print("\\nexit", name, e.code)
print("\\nloaded", *{{m.partition('.')[0] for m in sys.modules}})
"""
    text = python(code)
    assert all(f"exit {name} 0\n" in text and f"usage: python -m stride_nb {name}" in text for name in COMMANDS)
    assert not set(text.rpartition("loaded ")[2].split()) & HEAVY


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_a_room_with_arguments_and_run(command):
    room, summary = COMMANDS[command]
    module = importlib.import_module(f"stride_nb.{room}")
    assert {"add_arguments", "run"} <= set(vars(module)) and summary and not summary.endswith(".")


@pytest.mark.parametrize("argv", [[], ["polish"], ["refine"], ["refine", "--method", "magic", "a", "b"],
                                  ["train", "posterior"]])
def test_words_that_mean_nothing_exit_2(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines()[-1].startswith("python -m stride_nb")


def test_an_unknown_command_is_told_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["polish"])
    said = capsys.readouterr().err
    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize("argv, said", [
    (["refine", "{here}/none.npz", "{here}/out.npz"], "none.npz"),
    (["refine", "{here}/junk.npz", "{here}/out.npz"], "junk.npz"),
    (["refine", "{here}/walk.npz", "{here}/out.npz", "--model", "posterior"], "posterior"),
    (["refine", "{here}/walk.npz", "{here}/out.npz", "--device", "abacus"], "abacus"),
    (["refine", "{here}/walk.npz", "{here}/out.xyz", "--method", "linear"], "out.xyz"),
    (["refine", "{here}/walk.npz", "{here}/out.npz", "--format", "papyrus"], "papyrus"),
    (["train", "prior", "--source", "walks", "--out", "{here}/run"], "walks"),
    (["train", "prior", "--steps", "0", "--out", "{here}/run"], "--steps"),
    (["benchmark", "--seeds", "0", "--out", "{here}/out.json"], "--seeds"),
    (["tune", "--source", "walks", "--out", "{here}/out.json"], "walks"),
    (["tune", "--clips", "0", "--out", "{here}/out.json"], "--clips"),
    (["prepare", "--raw", "{here}/none", "--out", "{here}/out"], "none"),
    (["convert", "{here}/none.bin", "{here}/out.safetensors"], "none.bin"),
    (["convert", "{here}/walk.npz", "{here}/out.safetensors"], "out.safetensors"),
], ids=lambda value: " ".join(value).replace("{here}/", "") if isinstance(value, list) else None)
def test_bad_input_is_one_line_exit_2_and_no_output(argv, said, walk, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.npz").write_bytes(b"no archive")
    before = sorted(tmp_path.rglob("*"))
    assert main([word.format(here=tmp_path) for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"python -m stride_nb {argv[0]}: ") and error.count("\n") == 1
    assert said in error and "expected" in error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bug_is_not_taken_for_bad_input(walk, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "facing_camera", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["refine", str(walk), str(tmp_path / "out.npz")])


@pytest.mark.parametrize("method", ["linear", "prior"])
def test_refine_writes_what_refine_returns(method, walk, weights, tmp_path, capsys):
    assert main(["refine", str(walk), str(tmp_path / "out.npz"), "--method", method, "--model", str(weights),
                 "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "40 frames" in out and str(tmp_path / "out.npz") in out
    found = PoseSequence.load(tmp_path / "out.npz")
    given = formats.facing_camera(PoseSequence.load(walk))
    expected = formats.upright(refine(given, method, model=str(weights), device="cpu").sequence, up="-y")
    np.testing.assert_allclose(found.joints, expected.joints, atol=1e-6)
    assert found.fps == 50 and np.isfinite(found.joints).all()


def test_the_module_runs_as_a_program(walk, tmp_path):
    done = subprocess.run([sys.executable, "-m", "stride_nb", "refine", walk, tmp_path / "out.npz", "--method", "hold"],
                          capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([sys.executable, "-m", "stride_nb", "refine", tmp_path / "none", tmp_path / "o.npz"],
                          capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == ""
