"""The book's machinery: run a notebook, store its outputs, render tables from records, build the
pages.

``python -m book.tools.build run NOTEBOOK OUT [-p NAME VALUE]`` runs one with checked parameters;
``commit NOTEBOOK …`` stores the outputs of a default run in the notebook itself, in the form that
``pytest --nbval`` compares; ``build FOLDER`` makes the pages (``make book`` calls it) and checks
them, as ``check FOLDER`` does; ``readme`` renders the tables in the README and in ``book/*.md``;
``figures`` draws the pictures that they show.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import io
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import records
from benchmarks.reports import benchmark_tables
from book.tools.check_links import faults
from book.tools.run_notebook import commit, convert, normalise, parameters, run_notebook, shrunk
from stride_nb.errors import InputError, atomic_path
from stride_nb.poses import skeleton
from stride_nb.viz.tables import Table, table

__all__ = [
    "build",
    "check",
    "commit",
    "figures",
    "fill_tables",
    "main",
    "normalise",
    "parameters",
    "readme",
    "rooms",
    "run_notebook",
]

ROOT = Path(__file__).resolve().parents[2]
_FLOW = (
    "errors",
    "data_files",
    "poses",
    "models",
    "smpl",
    "refinement",
    "io",
    "datasets",
    "viz",
    "evaluation",
    "training",
    "cli",
)
"""Every room in its place; one that is not here would stand last."""


def fill_tables(text: str, root: Path = ROOT) -> str:
    """Render every table that a page asks for, between its markers.

    A page says what it shows in a comment and ends it with ``<!-- end -->``; what stands between is
    replaced: ``<!-- table: FILE COLUMN "COLUMN=HEADING" … -->`` shows a record's rows (all its
    columns if none is named), ``<!-- benchmark: FILE EXPERIMENT INPUT METRIC -->`` one metric,
    methods by regimes, ``<!-- settings: FILE -->`` ours against its rivals, setting by setting, and
    ``<!-- joints: TARGET SOURCE … -->`` a joint set and what its joints are taken from.
    """

    def fill(match: re.Match) -> str:
        kind, (first, *words) = match[1], shlex.split(match[2])
        shown = (
            _joint_table(first, *words) if kind == "joints" else _TABLES[kind](root / first, *words)
        )
        return f"<!-- {kind}: {match[2]} -->\n{shown.markdown()}\n<!-- end -->"

    return re.sub(
        r"<!-- (table|benchmark|settings|joints): (.*?) -->.*?<!-- end -->", fill, text, flags=re.S
    )


def _record_table(path: Path, *words: str) -> Table:
    rows = records.rows(path)
    names = {
        column: heading or column for column, _, heading in (word.partition("=") for word in words)
    }
    return table([{c: row.get(c) for c in names} for row in rows] if names else rows, names=names)


def _benchmark_table(path: Path, experiment: str, kind: str, metric: str) -> Table:
    found = [
        r
        for r in records.rows(path)
        if (r["experiment"], r["input"], r["metric"]) == (experiment, kind, metric)
    ]
    if not found:
        raise InputError("benchmark", "rows", f"some of {experiment}, {kind}, {metric}", "none")
    if len({(r["method"], r["regime"]) for r in found}) < len(found):
        raise InputError(
            "benchmark", "rows", "one row a method and regime", f"several of {experiment}"
        )
    by = benchmark_tables.pivot(found, metric)
    rows = [
        {"method": m} | {regime: row[m]["value"] for regime, row in by.items() if m in row}
        for m in dict.fromkeys(m for row in by.values() for m in row)
    ]
    return table(rows, lower=list(by), names={r: f"{r} ({found[0]['unit']})" for r in by})


def _settings_table(path: Path) -> Table:
    return table(
        [
            {key: row[key] for key in ("setting", *benchmark_tables.SUMMARY)}
            for row in benchmark_tables.paired(path, benchmark_tables.SUMMARY)
        ]
    )


_TABLES = {"table": _record_table, "benchmark": _benchmark_table, "settings": _settings_table}


def _joint_table(target: str, *sources: str) -> Table:
    joints = skeleton.get(target)
    rows = []
    for j, name in enumerate(joints.joints):
        parent = joints.joints[joints.parents[j]] if joints.parents[j] >= 0 else None
        row = {"index": j, "joint": name, "hangs from": parent}
        for source in sources:
            weights = skeleton.CONVERSIONS[source, target].get(name, {})
            row[source] = (
                " + ".join(n if w == 1 else f"{w:g} {n}" for n, w in weights.items()).replace(
                    "+ -", "− "
                )
                or None
            )
        rows.append(row)
    return table(rows)


def readme() -> None:
    """Bring the tables of README and pages up to date with the records."""
    for page in (ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))):
        text = fill_tables(page.read_text(encoding="utf-8"))
        with atomic_path(page) as temporary:
            temporary.write_text(text, encoding="utf-8")


def figures(folder: Path = ROOT / "book" / "_static") -> None:
    """Draw the pictures that pages show and no notebook prints."""
    _save(_joints_figure(), folder / "joints.png")
    _save(_refined_figure(), folder / "refined.png")


def _joints_figure():
    import numpy as np

    from stride_nb.datasets.synthetic_body import draw_body, forward, neutral, raise_arms
    from stride_nb.viz import figures

    pose = neutral(np.zeros(1))
    raise_arms(pose, np.ones(1), flexion=0, abduction=30, elbow=10)
    standing, _ = forward(draw_body(np.random.default_rng(0)), pose, np.zeros(1))
    return figures.skeleton_map(standing[0])


def _refined_figure():
    """The README's figure: a synthetic walk of the test split, half of the body hidden for a while,
    refined as shipped."""
    from stride_nb.datasets import load
    from stride_nb.evaluation.harness import cases
    from stride_nb.refinement.refine import refine
    from stride_nb.viz import figures

    case, *_ = cases(load("synthetic", split="test", clips=1, seed=0), ["half"])
    refined = refine(case.sequence, "stride_ours", seed=0).sequence
    shown = {"truth": case.truth, "input": case.sequence.joints, "refined": refined.joints}
    shown = {name: joints - joints[:, :1] for name, joints in shown.items()}
    return figures.strip(
        shown, case.sequence.fps, frames=9, hidden=~case.visible, up="-y", apart=True
    )


def _save(figure, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    with atomic_path(path) as temporary:
        temporary.write_bytes(shrunk(picture.getvalue()))


def rooms() -> list[str]:
    """Every module of the package, in the order in which data flows through them."""
    import stride_nb

    names = [
        m.name.partition(".")[2] for m in pkgutil.walk_packages(stride_nb.__path__, "stride_nb.")
    ]
    order = {room: i for i, room in enumerate(_FLOW)}
    public = [n for n in names if not n.startswith("_")]
    return sorted(public, key=lambda n: (order.get(n.split(".")[0], len(order)), n))


def build(folder: Path) -> None:
    """Make the HTML pages from the notebooks already run in ``folder/notebooks``; any warning is an
    error.

    Pages are copied beside the notebooks with their tables rendered, the API page gets a section a
    module, and MathJax is copied into the static files, so that no page needs a network.
    """
    _stage(folder)
    program = Path(sys.executable).with_name("jupyter-book")
    if subprocess.run(
        [program, "build", folder, "--all", "-W", "-n", "--keep-going", "-q"]
    ).returncode:
        # a page half built would pass the next time
        shutil.rmtree(folder / "_build", ignore_errors=True)
        raise SystemExit("the book has warnings or errors: see above")
    check(folder / "_build" / "html")


def check(site: Path) -> None:
    """See that no page needs a network, or what is not there (`pages.faults`)."""
    if found := faults(site):
        raise InputError(
            site,
            "pages",
            "nothing fetched from elsewhere, and all that they refer to",
            "\n".join(found),
        )


def _stage(folder: Path) -> None:
    for stale in folder.glob("notebooks/*.ipynb"):
        if not (ROOT / "notebooks" / stale.name).exists():
            stale.unlink()
    shutil.rmtree(folder / "book", ignore_errors=True)
    shutil.copytree(ROOT / "book", folder / "book")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, folder / name)
    for page in folder.glob("book/*.md"):
        page.write_text(fill_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
    api = folder / "book" / "api.md"
    api.write_text(
        api.read_text(encoding="utf-8") + "".join(map(_section, rooms())), encoding="utf-8"
    )
    mathjax = importlib.metadata.distribution("sphinx-mathjax-offline")
    shutil.copy(
        mathjax.locate_file("sphinx-mathjax-offline/static/mathjax/tex-svg.js"),
        folder / "book/_static/tex-svg.js",
    )


def _section(room: str) -> str:
    """A module's part of the API page: what its ``__all__`` names and it defines itself (not what
    it passes on)."""
    module = importlib.import_module(f"stride_nb.{room}")
    public = getattr(module, "__all__", [])
    own = [
        n
        for n in public
        if getattr(vars(module).get(n), "__module__", module.__name__) == module.__name__
    ]
    members = f"   :members: {', '.join(own)}\n" if own else ""
    return f"\n## stride_nb.{room}\n\n```{{eval-rst}}\n.. automodule:: stride_nb.{room}\n{members}```\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m book.tools.build", description=__doc__.split("\n")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run a notebook, write the executed copy")
    one.add_argument("notebook", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter",
    )
    one.add_argument("--source", help="set the parameter `source`, where the notebook has one")
    stored = commands.add_parser(
        "commit", help="run with default parameters and store the outputs in the notebook"
    )
    stored.add_argument("notebooks", type=Path, nargs="+")
    commands.add_parser("build", help="make the pages").add_argument("folder", type=Path)
    commands.add_parser("check", help="see that built pages need no network").add_argument(
        "folder", type=Path
    )
    commands.add_parser("readme", help="render the tables of README and pages from the records")
    commands.add_parser("figures", help="draw the pictures of README and pages")
    args = parser.parse_args(arguments)
    try:
        _dispatch(args)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _dispatch(args: argparse.Namespace) -> None:
    if args.command == "run":
        given = {name: convert(value) for name, value in args.p}
        if args.source and "source" in parameters(args.notebook):
            given.setdefault("source", args.source)
        run_notebook(args.notebook, args.out, given)
    elif args.command == "commit":
        for notebook in args.notebooks:
            commit(notebook)
    elif args.command == "build":
        build(args.folder)
    elif args.command == "check":
        check(args.folder)
    elif args.command == "readme":
        readme()
    else:
        figures()


if __name__ == "__main__":
    sys.exit(main())
