"""``stride-nb batch``: what single commands would write, whole, once, and accounted for."""

import csv
import errno
import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stride_nb import PoseSequence, datasets
from stride_nb.batch.engine import Engine
from stride_nb.cli import batch_report, batch_run, main
from stride_nb.cli.batch_items import parse_command, plan_items
from stride_nb.errors import InputError

COMMANDS = ("refine", "estimate", "train", "render")


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Three short walks, each with a gap, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    for i, walk in enumerate(datasets.load("synthetic", "test", clips=3, seconds=1)):
        joints = walk.joints.copy()
        joints[10:20, 14:17] = np.nan
        PoseSequence(joints, fps=50).save(tmp_path / "clips" / f"walk{i}.npz")
    return tmp_path


def plan(*patterns, what="refine", grid=(), listed=None, suffix=".npz", input_name="poses"):
    return plan_items(what, patterns, listed, grid, suffix, input_name, COMMANDS)


def run_here(items, out="out"):
    return batch_report.run_batch(items, Path(out), Engine())


def read_tree(folder):
    """Outputs of all items: path → bytes."""
    files = [p for p in Path(folder).glob("*/**/*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def read_manifest(out="out"):
    return [json.loads(line) for line in Path(out, "manifest.jsonl").read_text().splitlines()]


# The whole, on a scheduler.

GRID = ["-p", "method", "gaussian", "linear"]


def test_a_batch_writes_what_single_commands_write(clips, scheduler, capsys):
    words = ["batch", "refine", "clips/*.npz", "--out", "out", "--scheduler", scheduler, *GRID]
    assert main(words) == 0
    told = capsys.readouterr().out
    rows = read_manifest()
    assert len(rows) == 6 and {row["status"] for row in rows} == {"done"}
    for row in rows:
        assert row["frames"] == 50 and row["occluded"] == pytest.approx(30 / 850, abs=1e-4)
        assert row["worker"].startswith("tcp://") and row["message"].startswith("axes with")
        single = clips / "single.npz"
        main(["refine", row["input"], str(single), "--method", row["parameters"]["method"]])
        (name,) = [file for file in row["files"] if file.endswith(".npz")]
        assert Path("out", row["item"], name).read_bytes() == single.read_bytes()
        ET.parse(Path("out", row["item"], "thumbnail.svg"))
        assert row["item"] in told
    with open("out/summary.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(r["item"], r["method"], r["frames"]) for r in table] == [
        (f"walk{i},method={method}", method, "50")
        for i in range(3)
        for method in ("gaussian", "linear")
    ]
    page = Path("out/index.html").read_text()
    assert "6 of 6 items done" in page and page.count("<img") == 6 and "http" not in page
    assert not Path("out/.partial").exists()


def test_a_rerun_does_what_is_missing_changed_or_failed(clips, monkeypatch):
    broken = clips / "clips" / "broken.npz"
    broken.write_bytes(b"no archive")
    grid = [["method", "gaussian"]]
    first = run_here(plan("clips/*.npz", grid=grid))
    assert [row["status"] for row in first] == ["failed", "done", "done", "done"]
    before = read_tree("out")
    ran = []
    original = batch_run.run_item
    monkeypatch.setattr(
        batch_report, "run_item", lambda item, out: ran.append(item.name) or original(item, out)
    )

    def rerun(version="1"):
        ran.clear()
        run_here(plan("clips/*.npz", grid=grid))
        return [name.partition(",")[0] for name in ran]

    assert rerun() == ["broken"]
    broken.unlink()
    assert rerun() == [] and read_tree("out") == before
    os.utime("clips/walk0.npz", (1, 1))
    assert rerun() == []
    Path("clips/walk0.npz").write_bytes(Path("clips/walk1.npz").read_bytes())
    assert rerun() == ["walk0"]
    Path("out/walk2,method=gaussian/walk2.npz").unlink()
    assert rerun() == ["walk2"]
    assert (
        read_tree("out")["walk2,method=gaussian/walk2.npz"]
        == (before["walk2,method=gaussian/walk2.npz"])
    )
    grid[0][1:] = ["gaussian", "hold"]
    assert rerun() == ["walk0", "walk1", "walk2"]
    monkeypatch.setattr(batch_run, "__version__", "9")
    assert len(rerun()) == 6


def test_a_client_that_is_stopped_goes_on_where_it_was(clips, monkeypatch):
    items = plan("clips/*.npz", grid=[["method", "gaussian", "linear"]])
    run_here(items, "whole")
    original = batch_report.iterate_items

    def stop_after_two(*words):
        for count, done in enumerate(original(*words)):
            if count == 2:
                raise KeyboardInterrupt
            yield done

    monkeypatch.setattr(batch_report, "iterate_items", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        run_here(items)
    assert len(read_manifest()) == 2 and not Path("out/.partial").exists()
    monkeypatch.setattr(batch_report, "iterate_items", original)
    run_here(items)
    assert read_tree("out") == read_tree("whole")
    assert [row["item"] for row in read_manifest()] == [item.name for item in items]


def test_a_failing_item_is_one_line_and_status_1(clips, capsys, scheduler):
    (clips / "clips" / "broken.npz").write_bytes(b"no archive")
    words = ["batch", "refine", "clips", "clips/*.npz", "--out", "out", "--scheduler", scheduler]
    assert main([*words, "-p", "method", "hold"]) == 1
    *_, folder, broken = capsys.readouterr().err.splitlines()
    assert broken.startswith("broken,method=hold: ") and "broken.npz" in broken
    assert folder.startswith("clips,method=hold: ")
    assert sum(row["status"] == "done" for row in read_manifest()) == 3


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_what_a_disk_refuses_is_one_line_and_leaves_nothing(clips, monkeypatch, code):
    def refuse(*words, **options):
        raise OSError(code, os.strerror(code), "walk0.npz")

    monkeypatch.setattr("stride_nb.io.write_refined", refuse)
    (row,) = run_here(plan("clips/walk0.npz", grid=[["method", "hold"]]))
    assert row["status"] == "failed" and row["message"] == f"walk0.npz: {os.strerror(code)}"
    assert read_tree("out") == {}


def test_a_former_output_stays_until_the_new_one_is_whole(clips, monkeypatch):
    items = plan("clips/walk0.npz", grid=[["method", "hold"]])
    run_here(items)
    before = read_tree("out")
    Path("clips/walk0.npz").write_bytes(b"no archive")
    (row,) = run_here(items)
    assert row["status"] == "failed" and read_tree("out") == before


# Items.


def test_a_list_gives_inputs_and_their_parameters(clips):
    Path("a.csv").write_text("input,fps\nclips/walk0.npz,25\nclips/walk1.npz,\n")
    Path("a.json").write_text('["clips/walk0.npz", {"input": "clips/walk1.npz", "fps": 25}]')
    grid = [["seed", "0", "1"]]
    both = [
        [item.name for item in plan(listed=Path(name), grid=grid)] for name in ("a.csv", "a.json")
    ]
    assert both[0] == [
        *("walk0,seed=0,fps=25", "walk0,seed=1,fps=25", "walk1,seed=0", "walk1,seed=1"),
    ]
    assert both[1] == [
        *("walk0,seed=0", "walk0,seed=1", "walk1,seed=0,fps=25", "walk1,seed=1,fps=25"),
    ]
    with pytest.raises(InputError, match="expected each once, found fps twice"):
        plan(listed=Path("a.csv"), grid=[["fps", "30"]])


def test_items_become_the_commands_arguments(clips):
    (item,) = plan(
        "clips/walk0.npz", grid=[["size", "640 480"], ["overlay", "{folder}/{stem}.mp4"]]
    )
    args = parse_command(item, Path("x"))
    assert (args.out, args.size, args.overlay) == (
        Path("x/walk0.npz"),
        [640, 480],
        Path("x/walk0.mp4"),
    )
    assert args.poses == clips / "clips/walk0.npz"
    (item,) = plan(what="train", grid=[["recipe", "prior"], ["ship", "true"], ["steps", "9"]])
    args = parse_command(item, Path("x"))
    assert (args.recipe, args.ship, args.steps, args.out) == ("prior", True, 9, Path("x"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"what": "polish"}, "what: expected a notebook"),
        ({"grid": [["method", "magic"]]}, "refine: parameters: .*magic"),
        ({"grid": [["wings", "2"]]}, "refine: parameters: .*--wings=2"),
        ({"grid": [["seed", "one"]]}, "refine: parameters: .*seed"),
        ({"grid": [["seed"]]}, "-p seed: expected once, with a value"),
        ({"grid": [["seed", "1"], ["seed", "2"]]}, "-p seed: expected once"),
        ({"what": "none.ipynb"}, "file: expected a notebook, found nothing there"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is(clips, options, said):
    with pytest.raises(InputError, match=said):
        plan("clips/*.npz", **options)
    with pytest.raises(InputError, match="nothing there"):
        plan("clips/*.bvh")


NAMES = st.text("ab/._-ä ,=", min_size=1, max_size=6).map(lambda name: f"clips/{name}x.npz")


@given(
    st.lists(NAMES, min_size=1, max_size=6, unique=True), st.lists(st.text("01.-/ ä"), max_size=3)
)
def test_no_two_items_share_a_folder(tmp_path_factory, inputs, values):
    listed = tmp_path_factory.mktemp("list") / "items.json"
    listed.write_text(json.dumps(inputs))
    grid = [["model", *dict.fromkeys(values)]] if values else []
    try:
        items = plan(listed=listed, grid=grid)
    except InputError as error:
        assert "expected another name" in str(error)
        return
    names = [item.name for item in items]
    assert len(set(names)) == len(names) == len(inputs) * max(1, len(set(values)))
    assert all(Path(name).name == name and not name.startswith(".") for name in names)


# Notebooks.


def write_notebook(path):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("papermill")
    cell = nbformat.v4.new_code_cell("poses = ''\ndivisor = 1", metadata={"tags": ["parameters"]})
    work = nbformat.v4.new_code_cell("print(poses.rpartition('/')[2], 6 / divisor)")
    metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell, work], metadata=metadata), path)


def test_a_notebook_is_an_item_too(clips, scheduler, capsys):
    write_notebook("a.ipynb")
    words = ["batch", "a.ipynb", "clips/walk0.npz", "--out", "out", "-p", "divisor", "2", "0"]
    assert main([*words, "--scheduler", scheduler]) == 1
    assert "walk0,divisor=0: ZeroDivisionError: division by zero" in capsys.readouterr().err
    (path,) = Path("out").glob("*/*.ipynb")
    assert path.parent.name == "walk0,divisor=2" and "walk0.npz 3.0" in path.read_text()
    assert main([*words, "-p", "wings", "2"]) == 2
    assert "parameter wings: expected one of poses, divisor" in capsys.readouterr().err
