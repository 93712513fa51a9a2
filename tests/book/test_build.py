"""Pages: tables come from records, the README is in step with them, every module is described,
nothing needs a network."""

import ast
import importlib
import inspect
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import records
from book.tools import build, run_notebook
from stride_nb import PoseSequence
from stride_nb.datasets import load
from stride_nb.errors import InputError
from stride_nb.evaluation.harness import make_cases

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "book").glob("*.md"), ROOT / "README.md"])


@pytest.fixture
def record(tmp_path):
    run = records.make_record(
        "try",
        [{"method": "linear", "mpjpe": 41.26, "n": 3}, {"method": "ours", "mpjpe": 30.0, "n": 3}],
        parameters={},
        seed=0,
        seconds=1,
    )
    records.save(run, tmp_path / "try.json")
    return tmp_path


def test_tables_are_rendered_from_records_and_rendering_twice_changes_nothing(record):
    page = 'before\n<!-- table: try.json method "mpjpe=MPJPE (mm)" -->\nold\n<!-- end -->\nafter\n'
    once = build.fill_tables(page, record)
    assert "| method | MPJPE (mm) |\n| :-- | --: |\n| linear | 41.3 |\n| ours | 30.0 |\n" in once
    assert "old" not in once and once.startswith("before\n") and once.endswith("\nafter\n")
    assert build.fill_tables(once, record) == once


def test_the_benchmark_is_shown_by_method_and_regime(tmp_path):
    rows = [
        {
            "experiment": e,
            "input": "estimator",
            "metric": m,
            "unit": "mm",
            "regime": r,
            "method": method,
            "value": value * share,
        }
        for e, value in (("seen_noise", 50.0), ("unseen_noise", 90.0))
        for m in ("mpjpe", "mpjpe_hidden")
        for r in ("limb", "half")
        for method, share in (("linear", 1), ("ours", 0.5))
    ]
    run = records.make_record("benchmark", rows, parameters={}, seed=0, seconds=1)
    records.save(run, tmp_path / "b.json")
    page = build.fill_tables(
        "<!-- benchmark: b.json seen_noise estimator mpjpe_hidden -->\n<!-- end -->", tmp_path
    )
    assert (
        "| method | limb (mm) | half (mm) |\n| :-- | --: | --: |\n| linear | 50.0 | 50.0 |\n"
        "| ours | **25.0** | **25.0** |" in page
    )
    with pytest.raises(InputError, match="expected some of none, estimator, mpjpe, found none"):
        build.fill_tables("<!-- benchmark: b.json none estimator mpjpe -->\n<!-- end -->", tmp_path)
    records.save(run | {"rows": rows * 2}, tmp_path / "b.json")
    with pytest.raises(InputError, match="expected one row a method and regime"):
        build.fill_tables(
            "<!-- benchmark: b.json seen_noise estimator mpjpe -->\n<!-- end -->", tmp_path
        )


def test_a_table_without_its_record_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"none.json: file: expected a record"):
        build.fill_tables("<!-- table: none.json -->\n<!-- end -->", tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_stored_tables_are_in_step_with_their_records(page):
    text = page.read_text(encoding="utf-8")
    assert build.fill_tables(text) == text, "python -m book.tools.build readme"


def test_readme_says_how_to_do_everything():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for needed in (
        "make book",
        "make test",
        "mocap.cs.cmu.edu",
        "EIA-0196217",
        "Apache-2.0",
        "arXiv:2312.16221",
    ):
        assert needed in text, needed
    for name in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / name).exists(), f"the README links {name}"


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch):
    code = re.search(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S
    )[1]
    assert len(code.strip().splitlines()) <= 10
    case, *_ = make_cases(load("synthetic", clips=1), ["limb"], frames=81)
    np.save(tmp_path / "joints.npy", case.sequence.joints)
    np.save(tmp_path / "confidence.npy", case.sequence.confidence)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    refined = PoseSequence.load("refined.npz")
    assert len(refined) == len(case.sequence) and np.isfinite(refined.joints).all()


def test_pictures_of_pages_are_small():
    for picture in (ROOT / "book" / "_static").glob("*.png"):
        assert picture.stat().st_size <= 100_000, picture


def test_every_module_has_its_place_in_the_api_page():
    files = {
        p.relative_to(ROOT / "stride_nb").with_suffix("")
        for p in (ROOT / "stride_nb").rglob("*.py")
    }
    names = {".".join(f.parts).removesuffix(".__init__") for f in files} - {"__init__", "__main__"}
    found = build.list_modules()
    assert set(found) == {n for n in names if not any(p.startswith("_") for p in n.split("."))}
    assert sorted(build.list_rooms()) == sorted({n.partition(".")[0] for n in found})
    assert (
        found.index("poses")
        < found.index("models.losses")
        < found.index("datasets.cmu")
        < found.index("viz.figures")
    )


def test_the_public_door_comes_first_in_the_api_page_and_each_name_is_described():
    door, modules = build.describe_door(), "".join(map(build.describe_module, build.list_modules()))
    for name, where in (("read", "io"), ("refine", "refinement"), ("PoseSequence", "poses")):
        target = re.search(rf"`stride_nb\.{name} <stride_nb\.({where}[.\w]+)\.{name}>`: ", door)
        assert re.search(rf"automodule:: stride_nb\.{target[1]}\n.*\b{name}\b", modules), name


def test_every_module_says_what_it_is_for_and_what_is_public():
    for path in (ROOT / "stride_nb").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        public = {
            n.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for n in node.targets
            if isinstance(n, ast.Name)
        }
        assert "__all__" in public or path.name in ("__main__.py", "__init__.py"), path


@pytest.mark.parametrize("room", build.list_modules())
def test_public_functions_say_what_they_do(room):
    """What a format ``recognises`` is said once, where the formats are."""
    module = importlib.import_module(f"stride_nb.{room}")
    public = {
        name: getattr(module, name)
        for name in getattr(module, "__all__", [])
        if name != "recognises"
    }
    functions = {name: f for name, f in public.items() if inspect.isfunction(f)}
    functions |= {
        name: vars(c)["forward"]
        for name, c in public.items()
        if inspect.isclass(c) and "forward" in vars(c)
    }
    assert [name for name, function in functions.items() if not function.__doc__] == []


def test_bibliography_has_what_pages_cite():
    known = set(
        re.findall(
            r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M
        )
    )
    sources = [*PAGES, *sorted((ROOT / "notebooks").glob("*.ipynb"))]
    cited = {
        key.strip()
        for p in sources
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", p.read_text(encoding="utf-8"))
        for key in keys.split(",")
    }
    assert cited - known == set()
    assert {"lal2025stride", "sun2024repose", "zhu2023motionbert"} <= known


def docstrings(path: Path):
    """(line, text) of every docstring of a module, of what it defines, and of the constants and
    fields it explains."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for statement in (
            getattr(node, "body", []) if not isinstance(node, (ast.Lambda, ast.IfExp)) else []
        ):
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ):
                yield statement.lineno, inspect.cleandoc(statement.value.value)


@pytest.mark.parametrize("room", build.list_modules())
def test_docstrings_are_clean_markup(room):
    """What would be a warning in the API page, and so an error of the book, is one here: seconds
    instead of minutes."""
    from docutils.core import publish_doctree
    from sphinx.ext.napoleon import Config, GoogleDocstring

    path = ROOT / "stride_nb" / room.replace(".", "/")
    for line, text in docstrings(
        path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    ):
        said = io.StringIO()
        publish_doctree(
            str(GoogleDocstring(text, Config(napoleon_google_docstring=True))),
            settings_overrides={"warning_stream": said, "report_level": 2, "halt_level": 6},
        )
        wrong = [
            s
            for s in said.getvalue().splitlines()
            if s.startswith("<string>") and "interpreted text role" not in s
        ]
        assert not wrong, f"{room}:{line}: {wrong}"


def write_notebook(path, source, outputs=()):
    import nbformat

    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs))
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def test_figures_are_drawn_whatever_backend_the_environment_asks_for(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    write_notebook(
        tmp_path / "a.ipynb", "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()"
    )
    run_notebook.run_notebook(tmp_path / "a.ipynb", tmp_path / "b.ipynb")
    assert run_notebook.count_figures(tmp_path / "b.ipynb") == 1
    assert os.environ["MPLBACKEND"] == "Agg"


def test_a_run_with_fewer_figures_than_were_stored_is_no_book(tmp_path, monkeypatch):
    import nbformat

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "runs").mkdir()
    picture = nbformat.v4.new_output("display_data", {"image/png": "", "text/plain": "a figure"})
    write_notebook(tmp_path / "notebooks" / "a.ipynb", "1", [picture, picture])
    monkeypatch.setattr(build, "ROOT", tmp_path)
    write_notebook(tmp_path / "runs" / "a.ipynb", "1", [picture, picture])
    build.check_figures(tmp_path / "runs")
    write_notebook(tmp_path / "runs" / "a.ipynb", "1", [picture])
    with pytest.raises(
        InputError, match=r"a\.ipynb: figures: expected 2, as in the stored notebook"
    ):
        build.check_figures(tmp_path / "runs")
