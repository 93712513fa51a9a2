"""Notebooks run with other parameters, refuse wrong ones, and are stored in the form that is
compared."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from book.tools import build, run_notebook
from stride_nb.errors import InputError

ROOT = Path(__file__).parents[1]
STORED = sorted((ROOT / "notebooks").glob("*.ipynb"))
QUICK = ROOT / "notebooks" / "01_motion.ipynb"


@pytest.fixture
def small(tmp_path):
    """A notebook of three cells without outputs and without metadata."""
    path = tmp_path / "small.ipynb"
    cells = [
        v4.new_markdown_cell("# Small"),
        v4.new_code_cell(
            "seed: int = 0  # the seed\nscale: float = 1.0\n"
            "source = 'synthetic'\nclips: int | None = None",
            metadata={"tags": ["parameters"]},
        ),
        v4.new_code_cell("print(seed * scale, source)"),
    ]
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def printed(path) -> list[str]:
    return [
        o.text
        for c in nbformat.read(path, 4).cells
        if c.cell_type == "code"
        for o in c.outputs
        if "text" in o
    ]


def test_declared_parameters_have_types(small):
    assert {k: v[0] for k, v in run_notebook.read_parameters(small).items()} == {
        "seed": "int",
        "scale": "float",
        "source": "str",
        "clips": "int | None",
    }


def test_given_parameters_reach_the_cells(small, tmp_path):
    build.main(
        [
            "run",
            str(small),
            str(tmp_path / "out.ipynb"),
            "-p",
            "seed",
            "3",
            "-p",
            "scale",
            "2",
            "--source",
            "cmu",
        ]
    )
    assert printed(tmp_path / "out.ipynb") == ["6 cmu\n"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"sed": 3},
            "parameter sed: expected one of seed, scale, source, clips, found no such parameter",
        ),
        ({"seed": 3.5}, r"parameter seed: expected int, found 3.5 \(float\)"),
        ({"seed": True}, r"parameter seed: expected int, found True \(bool\)"),
        ({"source": 3}, r"parameter source: expected str, found 3 \(int\)"),
        ({"clips": "few"}, r"parameter clips: expected int \| None, found 'few' \(str\)"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_runs(small, tmp_path, given, said):
    with pytest.raises(InputError, match=said):
        run_notebook.run_notebook(small, tmp_path / "out.ipynb", given)
    assert [p.name for p in tmp_path.iterdir()] == ["small.ipynb"]


def test_wrong_parameters_end_the_command_with_one_line(small, tmp_path, capsys):
    assert build.main(["run", str(small), str(tmp_path / "out.ipynb"), "-p", "seed", "x"]) == 2
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1
        and "small.ipynb: parameter seed: expected int, found 'x' (str)" in said
    )


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 3}'])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "bad.ipynb"
    path.write_text(content)
    with pytest.raises(InputError, match=r"bad.ipynb: file: expected a notebook"):
        run_notebook.read_parameters(path)


def test_a_failing_cell_leaves_nothing(small, tmp_path):
    from papermill import PapermillExecutionError

    notebook = nbformat.read(small, 4)
    notebook.cells.append(v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, small)
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        run_notebook.run_notebook(small, tmp_path / "out.ipynb")
    assert [p.name for p in tmp_path.iterdir()] == ["small.ipynb"]


def executed(*outputs):
    """A notebook whose one code cell shows these outputs."""
    return v4.new_notebook(cells=[v4.new_code_cell("show()", outputs=list(outputs))])


def test_normalised_twice_is_normalised_once():
    stream = [v4.new_output("stream", name="stdout", text=t) for t in ("a", "b\n")]
    picture = v4.new_output(
        "display_data", data={"image/png": "AAAA", "text/plain": "<Figure>", "application/x": "1"}
    )
    once = run_notebook.normalise(executed(*stream, picture))
    assert run_notebook.normalise(once) == once
    assert once.cells[0].outputs[0].text == "ab\n"
    assert set(once.cells[0].outputs[1].data) == {"image/png", "text/plain"}
    nbformat.validate(once)


def picture(size: int) -> str:
    """A square PNG of noise in base64."""
    import base64
    import io

    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(noise).save(png := io.BytesIO(), "png")
    return base64.b64encode(png.getvalue()).decode()


def test_large_pictures_are_stored_in_fewer_colours():
    large = v4.new_output("display_data", data={"image/png": picture(200)})
    stored = run_notebook.normalise(executed(large))
    assert (
        len(large.data["image/png"])
        > 4 / 3 * run_notebook.PNG_LIMIT
        > len(stored.cells[0].outputs[0].data["image/png"])
    )
    assert run_notebook.normalise(stored) == stored


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            v4.new_output("stream", name="stderr", text="50%|#####"),
            "stderr: expected no warnings and no progress bars",
        ),
        (
            v4.new_output("stream", name="stdout", text="saved to /home/someone/x.npz"),
            "expected no absolute path",
        ),
        (
            v4.new_output("display_data", data={"image/png": picture(600)}),
            "a PNG of at most 100 kB, found",
        ),
    ],
)
def test_what_must_not_be_stored_is_refused(output, said):
    with pytest.raises(InputError, match=said):
        run_notebook.normalise(executed(output))


@pytest.mark.parametrize("path", STORED, ids=lambda p: p.stem)
def test_stored_notebooks_are_in_the_form_that_is_compared(path):
    stored = nbformat.read(path, 4)
    assert run_notebook.normalise(stored, path.name) == stored, (
        f"python -m book.tools.build commit notebooks/{path.name}"
    )
    code = [c for c in stored.cells if c.cell_type == "code"]
    assert code[0].metadata.get("tags") == ["parameters"]
    assert stored.cells[0].cell_type == "markdown" and stored.cells[0].source.startswith("# ")
    assert any(c.outputs for c in code)
    assert run_notebook.read_parameters(path)["seed"][0] == "int"


def test_the_first_notebook_runs_with_another_seed(tmp_path):
    """And says something else than with the default seed: the parameter is used."""
    run_notebook.run_notebook(QUICK, tmp_path / "out.ipynb", {"seed": 1})
    other = nbformat.read(tmp_path / "out.ipynb", 4)
    assert other.metadata.papermill.parameters == {"seed": 1}
    assert printed(tmp_path / "out.ipynb") != printed(QUICK) or _shown(other) != _shown(
        nbformat.read(QUICK, 4)
    )


def _shown(notebook) -> list[str]:
    return [
        o.data["text/html"]
        for c in notebook.cells
        if c.cell_type == "code"
        for o in c.outputs
        if "text/html" in o.get("data", {})
    ]


WITH_EXERCISES = [path for path in STORED if "{dropdown} Answer" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda p: p.stem)
def test_answers_of_exercises_run(path, tmp_path):
    """The folded answers of a chapter, as cells at its end."""
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    text = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    answers = re.findall(r":::\{dropdown\} Answer\n```python\n(.*?)```", text, re.S)
    assert len(answers) >= 3
    notebook.cells += [nbformat.v4.new_code_cell(answer) for answer in answers]
    nbformat.write(notebook, tmp_path / path.name)
    run_notebook.run_notebook(tmp_path / path.name, tmp_path / "run.ipynb")
    cells = nbformat.read(tmp_path / "run.ipynb", nbformat.NO_CONVERT).cells
    for cell in cells[-len(answers) :]:
        assert any(output.output_type == "stream" for output in cell.outputs), cell.source
        print("".join(output.get("text", "") for output in cell.outputs))


@pytest.mark.parametrize("name", ["00_your_video", "07_your_poses"])
def test_an_example_is_never_written_where_own_poses_should_go(name, tmp_path):
    """As papermill would run it with ``-p pose my.json -p out mine.npz``: it only warns of the
    misspelt one."""
    papermill = pytest.importorskip("papermill")
    with pytest.raises(papermill.PapermillExecutionError, match="poses: expected a file, as out"):
        papermill.execute_notebook(
            str(ROOT / "notebooks" / f"{name}.ipynb"), str(tmp_path / "run.ipynb"),
            {"pose": "my.json", "out": str(tmp_path / "mine.npz")}, kernel_name="python3",
            progress_bar=False, cwd=str(ROOT / "notebooks"),
        )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["run.ipynb"]
