"""One entry point: help without importing the world, bad input in one line, results that Python
would give too."""

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import __main__ as benchmarks
from stride_nb import datasets, io
from stride_nb.cli import COMMANDS, main
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import Label, write_clips
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.registry import build_network
from stride_nb.poses.geometry import UP_AXES
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.refinement import lifting
from stride_nb.refinement.refine import refine

ROOT = Path(__file__).parents[2]
SMALL = {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2}
HEAVY = {
    "scipy",
    "matplotlib",
    "seaborn",
    "pandas",
    "plotly",
    "papermill",
    "nbformat",
    "pooch",
    "smplx",
    "safetensors",
}


@pytest.fixture(autouse=True)
def threads():
    """Commands set how many threads PyTorch takes; other tests keep theirs."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def walk(tmp_path):
    """A pose file with a gap: embedded motion, Y up."""
    joints = datasets.load("synthetic", clips=1, seconds=0.8)[0].joints.copy()
    joints[10:20] = np.nan
    PoseSequence(joints, fps=50, name="walk").save(tmp_path / "walk.npz")
    return tmp_path / "walk.npz"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    card = {"config": {"head": "prior", "backbone": "frameformer", "arguments": SMALL}}
    model = build_network("prior", "frameformer", SMALL)
    return checkpoints.save_weights(
        tmp_path_factory.mktemp("weights") / "small.safetensors", model.state_dict(), card
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A published network: weights as its code stores them, and converted."""
    model = DSTformer(dim=12, rep=8, depth=1, heads=3, mlp_ratio=2, maxlen=9)
    path = checkpoints.write_published_checkpoint(
        tmp_path_factory.mktemp("published") / "small.bin", model.state_dict()
    )
    assert main(["convert", str(path), str(path.with_suffix(".safetensors")), "--heads", "3"]) == 0
    return path


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def only_axes(lines):
    """What is said of the embedded walk before anything goes wrong with it: once at most, what was
    assumed."""
    said = "walk.npz: axes with y up, estimated from"
    return len(lines) <= 1 and all(said in line for line in lines)


def test_help_imports_hardly_anything():
    loaded = python(
        "import sys\nfrom stride_nb.cli import main\ntry: main(['--help'])\n"
        "except SystemExit as e: print('\\nexit', e.code, *sorted(sys.modules))"
    )
    text, modules = loaded.split("\nexit 0 ")
    assert all(name in text and summary.split(",")[0] in text for name, summary in COMMANDS.items())
    assert not {m.partition(".")[0] for m in modules.split()} & {"numpy", "torch", *HEAVY}


def test_every_commands_help_needs_numpy_and_torch_at_most():
    code = f"""
import sys
from stride_nb.cli import main
for name in {list(COMMANDS)!r}:
    try: main([name, "--help"])
    except SystemExit as e: print("\\nexit", name, e.code)
print("\\nloaded", *{{m.partition('.')[0] for m in sys.modules}})
"""
    text = python(code)
    assert all(
        f"exit {name} 0\n" in text and f"usage: stride-nb {name}" in text for name in COMMANDS
    )
    assert not set(text.rpartition("loaded ")[2].split()) & HEAVY


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_a_room_with_arguments_and_run(command):
    summary = COMMANDS[command]
    module = importlib.import_module(f"stride_nb.cli.{command}")
    assert {"add_arguments", "run"} <= set(vars(module)) and summary and not summary.endswith(".")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["polish"],
        ["refine"],
        ["refine", "--method", "magic", "a", "b"],
        ["train", "posterior"],
        ["refine", "a", "b", "--seed", "-1"],
        ["convert"],
        ["train", "prior", "--seed", "1.5"],
        ["refine", "a", "b", "--size", "0", "9"],
        ["refine", "a", "b", "--people", "0"],
    ],
)
def test_words_that_mean_nothing_exit_2(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines()[-1].startswith("stride-nb")


def test_an_unknown_command_is_told_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["polish"])
    said = capsys.readouterr().err
    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize(
    "argv, said",
    [
        (["refine", "{here}/none.npz", "{here}/out.npz"], "none.npz"),
        (["refine", "{here}/junk.npz", "{here}/out.npz"], "junk.npz"),
        (["refine", "{here}/walk.npz", "{here}/out.npz", "--model", "posterior"], "posterior"),
        (["refine", "{here}/walk.npz", "{here}/out.npz", "--device", "abacus"], "abacus"),
        (
            ["refine", "{here}/none.npz", "{here}/out.xyz"],
            "out.xyz",
        ),  # before the input is looked at
        (["refine", "{here}/none.npz", "{here}/out.json"], "none.npz"),
        (["refine", "{here}/walk.npz", "{here}/out.npz", "--fps", "25"], "fps"),
        (["refine", "{here}/walk.npz", "{here}/out.csv", "--fps", "25"], "fps"),
        (["refine", "{here}/walk.npz", "{here}/out.npz", "--format", "papyrus"], "papyrus"),
        (["refine", "{here}/damaged.npz", "{here}/out.npz"], "damaged.npz"),
        (["refine", "{here}/bare.npz", "{here}/out.npz", "--skeleton", "ant"], "ant"),
        (["train", "prior", "--source", "walks", "--out", "{here}/run"], "walks"),
        (["train", "prior", "--steps", "0", "--out", "{here}/run"], "--steps"),
        (["prepare", "--raw", "{here}/none", "--out", "{here}/out"], "none"),
        (["convert", "{here}/none.bin", "{here}/out.safetensors"], "none.bin"),
        (["convert", "{here}/walk.npz", "{here}/out.safetensors"], "out.safetensors"),
    ],
    ids=lambda value: " ".join(value).replace("{here}/", "") if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_exit_2_and_no_output(
    argv, said, walk, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.npz").write_bytes(b"no archive")
    (tmp_path / "damaged.npz").write_bytes(walk.read_bytes().replace(b"PK\1\2", b"PK\1\3"))
    np.savez(tmp_path / "bare.npz", joints=PoseSequence.load(walk).joints)
    before = sorted(tmp_path.rglob("*"))
    assert main([word.format(here=tmp_path) for word in argv]) == 2
    *before_it, error = capsys.readouterr().err.splitlines()
    assert error.startswith(f"stride-nb {argv[0]}: ") and said in error and "expected" in error
    assert only_axes(before_it)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "argv, said",
    [
        (["occlusion_benchmark", "--seeds", "0", "--out", "{here}/out.json"], "--seeds"),
        (["tune_filters", "--source", "walks", "--out", "{here}/out.json"], "walks"),
        (["tune_filters", "--clips", "0", "--out", "{here}/out.json"], "--clips"),
    ],
)
def test_studies_say_bad_input_likewise(argv, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert benchmarks.main([word.format(here=tmp_path) for word in argv]) == 2
    error = capsys.readouterr().err
    assert (
        error.startswith(f"python -m benchmarks {argv[0]}: ")
        and said in error
        and error.count("\n") == 1
    )
    assert not list(tmp_path.iterdir())


def test_a_bug_is_not_taken_for_bad_input(walk, tmp_path, monkeypatch):
    monkeypatch.setattr(io, "rotate_to_camera_axes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["refine", str(walk), str(tmp_path / "out.npz")])


@pytest.mark.parametrize("method", ["linear", "prior"])
def test_refine_writes_what_refine_returns(method, walk, weights, tmp_path, capsys):
    assert (
        main(
            [
                "refine",
                str(walk),
                str(tmp_path / "out.npz"),
                "--method",
                method,
                "--model",
                str(weights),
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "40 frames" in out and str(tmp_path / "out.npz") in out
    found = PoseSequence.load(tmp_path / "out.npz")
    given = io.rotate_to_camera_axes(PoseSequence.load(walk))
    expected = io.rotate_to_y_up(
        refine(given, method, model=str(weights), device="cpu").sequence, up="-y"
    )
    np.testing.assert_allclose(found.joints, expected.joints, atol=1e-6)
    assert found.fps == 50 and np.isfinite(found.joints).all()


@pytest.mark.parametrize(("up", "said"), [("y", "y up"), ("-y", "y down"), ("z", "z up")])
@pytest.mark.parametrize("fps", [None, 40])
def test_what_a_bare_array_was_taken_for_is_one_line(up, said, fps, walk, tmp_path, capsys):
    """Joint set, frame rate where there is none, axes: on standard error; the axes of the output in
    the summary."""
    joints = PoseSequence.load(walk).joints @ UP_AXES[up]
    np.savez(tmp_path / "bare.npz", joints=joints, **({"fps": fps} if fps else {}))
    assert (
        main(
            ["refine", str(tmp_path / "bare.npz"), str(tmp_path / "out.npz"), "--method", "linear"]
        )
        == 0
    )
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and err.startswith(f"{tmp_path / 'bare.npz'}: ")
    assert "17 joints were taken for h36m17" in err and f"axes with {said}" in err
    assert ("30 frames per second were assumed" in err) == (fps is None)
    assert (
        "written with y up" in out.splitlines()[0]
        and io.estimate_up_axis(PoseSequence.load(tmp_path / "out.npz")) == "y"
    )


def test_what_was_read_is_not_said_to_be_assumed(walk, tmp_path, capsys, monkeypatch):
    """The package's own files say all but their axes; what a camera sees has those of its image."""
    assert (
        main(["refine", str(walk), str(tmp_path / "out.npz"), "--method", "linear", "--fps", "50"])
        == 0
    )
    assert (
        capsys.readouterr().err
        == f"{walk}: axes with y up, estimated from how the person stands (--up)\n"
    )
    Keypoints2D(PoseSequence.load(walk).joints[..., :2] * 100, fps=50).save(tmp_path / "flat.npz")
    monkeypatch.setattr(
        lifting, "lift", lambda track, device: io.rotate_to_camera_axes(PoseSequence.load(walk))
    )
    assert (
        main(
            ["refine", str(tmp_path / "flat.npz"), str(tmp_path / "out.npz"), "--method", "linear"]
        )
        == 0
    )
    assert capsys.readouterr().err == ""


def test_what_the_file_does_not_say_can_be_said(walk, tmp_path, capsys, monkeypatch):
    """Shares of an image of unknown size, one joint set of two, and a passer-by."""
    shares = np.nan_to_num(PoseSequence.load(walk).joints[..., :2] / 10)
    given = []
    monkeypatch.setattr(
        lifting,
        "lift",
        lambda track, device: (
            given.append(track) or io.rotate_to_camera_axes(PoseSequence.load(walk))
        ),
    )
    seen = np.stack([shares[..., 0] != 0, shares[..., 0] == shares.max()])
    np.savez(
        tmp_path / "shares.npz",
        joints=np.stack([shares, shares + 0.5]),
        confidence=seen.astype(float),
    )
    argv = ["refine", str(tmp_path / "shares.npz"), str(tmp_path / "out.npz"), "--method", "linear"]
    assert main(argv) == 2 and "size" in capsys.readouterr().err
    assert main([*argv, "--size", "640", "480", "--skeleton", "coco17", "--people", "1"]) == 0
    (track,) = given
    assert track.size == (640, 480) and track.skeleton.name == "coco17"
    assert "skeleton=" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--skeleton", "coco17"],
        ["--people", "3"],
        ["--size", "640", "480"],
        ["--skeleton", "coco17", "--people", "3", "--size", "640", "480"],
    ],
)
@pytest.mark.parametrize("out", ["out.npz", "out.csv"])
def test_what_a_file_of_our_own_says_cannot_be_said_again(options, out, walk, tmp_path, capsys):
    Keypoints2D(PoseSequence.load(walk).joints[..., :2] * 100, fps=50).save(tmp_path / "flat.npz")
    for path in (walk, tmp_path / "flat.npz"):
        assert main(["refine", str(path), str(tmp_path / out), "--method", "linear", *options]) == 2
        said = capsys.readouterr()
        assert (
            said.out == ""
            and said.err.startswith(f"stride-nb refine: {path}: ")
            and said.err.count("\n") == 1
        )
        assert [word for word in said.err.partition("found")[2].split() if word[0] == "-"] == [
            w for w in options if w[0] == "-"
        ]
    assert not (tmp_path / out).exists()


def test_people_with_different_axes_are_named(walk, tmp_path, capsys):
    joints = PoseSequence.load(walk).joints
    np.savez(
        tmp_path / "two.npz",
        joints=np.stack([joints, (joints + np.array((3, 0, 0))) @ UP_AXES["-y"]]),
        fps=50,
    )
    assert (
        main(["refine", str(tmp_path / "two.npz"), str(tmp_path / "out.csv"), "--method", "linear"])
        == 0
    )
    assert "axes with y up (person 1), y down (person 2)" in capsys.readouterr().err


def test_clips_of_different_lengths_are_refined_one_by_one(tmp_path):
    clips = [
        clip[: 40 + 10 * i]
        for i, clip in enumerate(datasets.load("synthetic", clips=2, seconds=1.2))
    ]
    write_clips(tmp_path / "clips.npz", clips, [Label("1"), Label("1")])
    assert (
        main(
            ["refine", str(tmp_path / "clips.npz"), str(tmp_path / "out.npz"), "--method", "linear"]
        )
        == 0
    )
    assert sorted(len(PoseSequence.load(path)) for path in tmp_path.glob("out*.npz")) == [40, 50]


def test_refine_is_called_as_told(walk, tmp_path, monkeypatch):
    asked = []

    def refined(sequence, *how):
        asked.append(how)
        raise InputError("refine", "sequence", "a look at the call", "enough seen")

    monkeypatch.setattr(importlib.import_module("stride_nb.refinement.refine"), "refine", refined)
    for words in ([], ["--seed", "7", "--method", "prior", "--model", "other", "--device", "cpu"]):
        assert main(["refine", str(walk), str(tmp_path / "out.npz"), *words]) == 2
    assert asked == [("stride_ours", None, 0, None), ("prior", "other", 7, "cpu")]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_signs_that_a_terminal_has_not_are_no_reason_to_fail(encoding):
    """Windows pipes in cp1252, which has no arrow."""
    found = subprocess.run(
        [sys.executable, "-m", "stride_nb", "--help"],
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
    )
    assert found.returncode == 0 and b"raw motion capture \\u2192 17 joints" in found.stdout, (
        found.stderr
    )


def test_the_module_runs_as_a_program(walk, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "stride_nb",
            "refine",
            walk,
            tmp_path / "out.npz",
            "--method",
            "hold",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "stride_nb", "refine", tmp_path / "none", tmp_path / "o.npz"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == ""


CONFINED = """
import resource, signal, sys
from stride_nb.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # as if the disk were full
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "argv, full",
    [
        (
            ["refine", "{here}/walk.npz", "{here}/out.npz", "--method", "linear"],
            tempfile.gettempdir(),
        ),
        (["refine", "{here}/walk.npz", "{here}/out.csv", "--method", "linear"], "{here}/out.csv: "),
        (["convert", "{published}.safetensors", "{here}/out.bin"], "{here}/out.bin: "),
        (
            ["convert", "{published}.bin", "{here}/out.safetensors", "--heads", "3"],
            "{here}/out.safetensors: ",
        ),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(argv, full, walk, published, tmp_path):
    before = sorted(tmp_path.iterdir())
    argv = [word.format(here=tmp_path, published=published.with_suffix("")) for word in argv]
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, *argv], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1, done.stderr
    *before_it, error = done.stderr.splitlines()
    assert error.startswith(f"stride-nb {argv[0]}: {full.format(here=tmp_path)}")
    assert error.endswith(": File too large") and only_axes(before_it)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("out", ["walk.npz/out.npz", "walk.npz/deep/out.npz", "folder"])
def test_an_output_that_cannot_be_is_one_line(out, walk, tmp_path, capsys):
    (tmp_path / "folder.npz").mkdir()
    out = tmp_path / (out if out != "folder" else "folder.npz")
    assert main(["refine", str(walk), str(out), "--method", "hold"]) == 1
    *before_it, error = capsys.readouterr().err.splitlines()
    assert error.startswith(f"stride-nb refine: {out}: ") and only_axes(before_it)
    assert {path.name for path in tmp_path.iterdir()} == {"walk.npz", "folder.npz"}


ENDLESS = """
import dataclasses, sys
from stride_nb.training import recipes
from stride_nb.cli import main
recipe, steps = recipes.RECIPES["smoothnet"], 10**7
endless = dataclasses.replace(recipe.settings, steps=steps, save_every=2, validate_every=steps)
recipes.RECIPES["smoothnet"] = dataclasses.replace(recipe, settings=endless, batch=1)
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_is_one_line_and_keeps_the_checkpoint(tmp_path):
    argv = [
        "train",
        "smoothnet",
        "--source",
        "synthetic",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--out",
        tmp_path,
    ]
    running = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, *argv],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # tests may run behind &
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    kept, history = tmp_path / "last.pt", tmp_path / "history.json"
    while not (kept.exists() and history.exists()) and running.poll() is None:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    error = running.communicate(timeout=120)[1]
    assert running.returncode == 130 and "Traceback" not in error, error
    assert error.endswith("stride-nb train: interrupted\n")
    assert torch.load(kept, weights_only=True)["step"] >= 2 and {
        p.name for p in tmp_path.iterdir()
    } == {"last.pt", "history.json"}


def test_what_mediapipe_estimated_meets_weights_that_have_met_it(tmp_path, monkeypatch):
    from stride_nb.cli import refine_file
    from stride_nb.io.pose_files import PoseFile
    from stride_nb.refinement.refine import Refinement, Trace

    asked = []

    def stand_in(sequence, method, model, seed, device):
        asked.append(model)
        return Refinement(sequence, Trace(method, 0.0))

    monkeypatch.setattr("stride_nb.refinement.refine.refine", stand_in)
    space = PoseSequence(np.random.default_rng(0).normal(0, 0.3, (9, 17, 3)), fps=30)
    for format, method in (("mediapipe", "prior"), ("mediapipe", "linear"), ("csv", "prior")):
        file = PoseFile([space], format, (), "-y")
        monkeypatch.setattr(refine_file, "read_poses", lambda *a, f=file, **o: (f, [space]))
        refine_file.refine_file(tmp_path / "in.json", tmp_path / "out.npz", method)
    assert asked == ["prior_real", None, None]
