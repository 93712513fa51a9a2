"""The book's machinery: run a notebook, store its outputs, render tables from records, build the
pages.

``python -m book.tools.build run NOTEBOOK OUT [-p NAME VALUE]`` runs one with checked parameters;
``commit NOTEBOOK …`` stores the outputs of a default run in the notebook itself, in the form that
``pytest --nbval`` compares; ``build FOLDER`` makes the pages (``make book`` calls it) and checks
them, as ``check FOLDER`` does; ``readme`` renders the tables of the README and of ``book/*.md``;
``figures`` draws their pictures.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import inspect
import io
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import records
from benchmarks.frames import list_rows
from benchmarks.reports import benchmark_tables
from benchmarks.reports.real_estimators_tables import find_gains, tabulate_errors
from benchmarks.reports.scaling import tabulate_part
from book.tools.check_links import find_faults
from book.tools.run_notebook import (
    commit,
    count_figures,
    normalise,
    parse_value,
    read_parameters,
    reduce_colors,
    run_notebook,
)
from stride_nb.errors import InputError, atomic_path
from stride_nb.io import format_table
from stride_nb.poses import skeleton
from stride_nb.viz.tables import Table, make_table

__all__ = [
    "build",
    "check",
    "commit",
    "describe_door",
    "describe_module",
    "draw_figures",
    "fill_pages",
    "fill_tables",
    "list_modules",
    "list_rooms",
    "main",
    "normalise",
    "read_parameters",
    "run_notebook",
]

ROOT = Path(__file__).resolve().parents[2]


def fill_tables(text: str, root: Path = ROOT) -> str:
    """Render the tables of a page between their markers.

    A comment names the table and ``<!-- end -->`` ends it; what stands between is replaced:
    ``<!-- table: FILE COLUMN "COLUMN=HEADING" … -->`` shows a record's rows (all its columns if
    none is named), ``<!-- benchmark: FILE EXPERIMENT INPUT METRIC -->`` one metric, methods by
    regimes, ``<!-- settings: FILE -->`` ours against its rivals, setting by setting,
    ``<!-- scaling: FILE PART -->`` what was measured of many items on several workers, ``<!-- real:
    FILE -->`` and ``<!-- gains: FILE -->`` what methods make of a real estimator's poses, ``<!--
    joints: TARGET SOURCE … -->`` a joint set and what its joints are computed from, ``<!-- sets:
    all -->`` the joint sets and ``<!-- formats: all -->`` the formats of the package.
    """

    def fill(match: re.Match) -> str:
        kind, (first, *words) = match[1], shlex.split(match[2])
        made = {"joints": _joint_table, "formats": _formats_table, "sets": _sets_table}.get(kind)
        shown = made(first, *words) if made else _TABLES[kind](root / first, *words)
        return f"<!-- {kind}: {match[2]} -->\n{shown.markdown()}\n<!-- end -->"

    kinds = "|".join([*_TABLES, "joints", "sets", "formats"])
    return re.sub(
        rf"<!-- ({kinds}): (.*?) -->.*?<!-- end -->",
        fill,
        text,
        flags=re.S,
    )


def _record_table(path: Path, *words: str) -> Table:
    rows = records.load_rows(path)
    headings = (word.partition("=") for word in words)
    names = {column: heading or column for column, _, heading in headings}
    shown = [{c: row.get(c) for c in names} for row in rows] if names else rows
    return make_table(shown, names=names)


def _benchmark_table(path: Path, experiment: str, kind: str, metric: str) -> Table:
    chosen = [
        row
        for row in records.load_rows(path)
        if (row["experiment"], row["input"], row["metric"]) == (experiment, kind, metric)
    ]
    if not chosen:
        expected = f"some of {experiment}, {kind}, {metric}"
        raise InputError("benchmark", "rows", expected, "none")
    if len({(row["method"], row["regime"]) for row in chosen}) < len(chosen):
        expected = "one row a method and regime"
        raise InputError("benchmark", "rows", expected, f"several of {experiment}")
    values = benchmark_tables.pivot(chosen, metric)
    names = {regime: f"{regime} ({chosen[0]['unit']})" for regime in values.index}
    rows = list_rows(values.T, "method")
    return make_table(rows, lower=list(values.index), names=names)


def _settings_table(path: Path) -> Table:
    rows = benchmark_tables.tabulate_paired_ratios(path, benchmark_tables.SUMMARY)
    columns = ("setting", *benchmark_tables.SUMMARY)
    return make_table([{column: row[column] for column in columns} for row in rows])


_TABLES = {
    "table": _record_table,
    "benchmark": _benchmark_table,
    "settings": _settings_table,
    "scaling": tabulate_part,
    "real": lambda path: make_table(tabulate_errors(records.load_rows(path))),
    "gains": lambda path: make_table(find_gains(records.load_rows(path))),
}


def _formats_table(_: str) -> Table:
    return make_table(format_table.list_rows())


def _sets_table(_: str) -> Table:
    sets = skeleton.SKELETONS.values()
    rows = [{"set": s.name, "joints": len(s), "order": ", ".join(s.joints[:40])} for s in sets]
    for row in rows:
        row["order"] += ", …" if row["joints"] > 40 else ""
    return make_table(rows)


def _joint_table(target: str, *sources: str) -> Table:
    joints = skeleton.get_skeleton(target)
    rows = []
    for j, name in enumerate(joints.joints):
        parent = joints.joints[joints.parents[j]] if joints.parents[j] >= 0 else None
        conversions = {source: skeleton.CONVERSIONS[source, target] for source in sources}
        rows.append(
            {"index": j, "joint": name, "hangs from": parent}
            | {source: _format_sum(by.get(name, {})) for source, by in conversions.items()}
        )
    return make_table(rows)


def _format_sum(weights: Mapping[str, float]) -> str | None:
    terms = (name if weight == 1 else f"{weight:g} {name}" for name, weight in weights.items())
    return " + ".join(terms).replace("+ -", "− ") or None


def fill_pages() -> None:
    """Bring the tables of README and pages up to date with the records."""
    for page in (ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))):
        text = fill_tables(page.read_text(encoding="utf-8"))
        with atomic_path(page) as temporary:
            temporary.write_text(text, encoding="utf-8")


def draw_figures(folder: Path = ROOT / "book" / "_static") -> None:
    """Draw the pictures that pages show and no notebook prints."""
    _save(_plot_joints(), folder / "joints.png")
    _save(_plot_refined(), folder / "refined.png")
    _save(_plot_video(), folder / "video.png")


def _plot_joints():
    import numpy as np

    from stride_nb.datasets.synthetic_body import (
        draw_synthetic_body,
        make_neutral_pose,
        place_joints,
        raise_arms,
    )
    from stride_nb.viz import figures

    pose = make_neutral_pose(np.zeros(1))
    raise_arms(pose, np.ones(1), flexion=0, abduction=30, elbow=10)
    standing, _ = place_joints(draw_synthetic_body(np.random.default_rng(0)), pose, np.zeros(1))
    return figures.plot_skeleton_map(standing[0])


def _plot_refined():
    """The README's figure: a synthetic walk of the test split, half of the body hidden for a while,
    refined as shipped."""
    from stride_nb.datasets import load
    from stride_nb.evaluation.harness import make_cases
    from stride_nb.poses.sequence import PoseSequence
    from stride_nb.refinement.refine import refine
    from stride_nb.viz import figures

    case, *_ = make_cases(load("synthetic", split="test", clips=1, seed=0), ["half"])
    refined = refine(case.sequence, "stride_ours", seed=0).sequence
    assert isinstance(refined, PoseSequence)
    shown = {"truth": case.truth, "input": case.sequence.joints, "refined": refined.joints}
    shown = {name: joints - joints[:, :1] for name, joints in shown.items()}
    return figures.plot_pose_strip(
        shown, case.sequence.fps, frames=9, hidden=~case.visible, up="-y", apart=True
    )


def _plot_video():
    """The sample video, with what the estimator saw and the refined pose over it."""
    from stride_nb.datasets.sample_video import load_sample, load_sample_images
    from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
    from stride_nb.refinement.refine import refine
    from stride_nb.video.placement import place_on_image
    from stride_nb.viz import figures
    from stride_nb.viz.image_overlay import plot_overlays

    figures.use_style()
    take = load_sample()
    refined = refine(take.estimate, "stride_ours", seed=0).sequence[:]
    assert take.estimate.keypoints is not None
    pixels = place_on_image(refined, take.estimate.keypoints)
    low = take.confidence < CONFIDENCE_THRESHOLD
    views = {"estimator": (take.pixels, low), "refined": (pixels, low)}
    return plot_overlays(load_sample_images(), views, take.footage.fps)


def _save(figure, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=figure.dpi)
    with atomic_path(path) as temporary:
        temporary.write_bytes(reduce_colors(picture.getvalue()))


def list_rooms() -> list[str]:
    """The public rooms in the order in which data flows through them: the layers of
    ``pyproject.toml``, lowest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = contracts["tool"]["importlinter"]["contracts"][0]["layers"]
    rooms = [name for layer in reversed(layers) for name in layer.replace(" ", "").split("|")]
    names = [room.removeprefix("stride_nb.") for room in rooms]
    return [name for name in names if not name.startswith("_")]


def list_modules() -> list[str]:
    """Every public module of the package, room by room."""
    import stride_nb

    modules = pkgutil.walk_packages(stride_nb.__path__, "stride_nb.")
    names = [m.name.partition(".")[2] for m in modules]
    public = [n for n in names if not any(part.startswith("_") for part in n.split("."))]
    order = {room: i for i, room in enumerate(list_rooms())}
    return sorted(public, key=lambda n: (order.get(n.split(".")[0], len(order)), n))


def build(folder: Path) -> None:
    """Make the HTML pages from the notebooks already run in ``folder/notebooks``; any warning is an
    error.

    Pages are copied beside the notebooks with their tables rendered, the API page gets a section a
    module, and MathJax is copied into the static files, so that no page needs a network.
    """
    check_figures(folder / "notebooks")
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
    """Refuse pages that need a network, or what is not there (`check_links.find_faults`)."""
    if faults := find_faults(site):
        expected = "nothing fetched from elsewhere, and all that they refer to"
        raise InputError(site, "pages", expected, "\n".join(faults))


def check_figures(folder: Path) -> None:
    """InputError where an executed notebook shows fewer figures than the stored one."""
    for run in sorted(folder.glob("*.ipynb")):
        stored = ROOT / "notebooks" / run.name
        if stored.exists() and (found := count_figures(run)) < (least := count_figures(stored)):
            raise InputError(run, "figures", f"{least}, as in the stored notebook", found)


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
    sections = [describe_door(), *map(describe_module, list_modules())]
    api.write_text(api.read_text(encoding="utf-8") + "".join(sections), encoding="utf-8")
    mathjax = importlib.metadata.distribution("sphinx-mathjax-offline")
    shutil.copy(
        str(mathjax.locate_file("sphinx-mathjax-offline/static/mathjax/tex-svg.js")),
        folder / "book/_static/tex-svg.js",
    )


def describe_door() -> str:
    """The first part of the API page: the public door, name by name, with links to where each is
    described."""
    import stride_nb

    lines = []
    for name in stride_nb.__all__:
        value = getattr(stride_nb, name)
        if not inspect.ismodule(value):
            summary = " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())
            target = f"{value.__module__}.{value.__qualname__}"
            lines.append(f"- {{py:obj}}`stride_nb.{name} <{target}>`: {summary}\n")
    return f"\n## stride_nb\n\n{''.join(lines)}"


def describe_module(name: str) -> str:
    """A module's part of the API page: what its ``__all__`` names and it defines itself."""
    module = importlib.import_module(f"stride_nb.{name}")
    own = [
        n
        for n in getattr(module, "__all__", [])
        if getattr(vars(module).get(n), "__module__", module.__name__) == module.__name__
    ]
    members = f"   :members: {', '.join(own)}\n" if own else ""
    directive = f".. automodule:: stride_nb.{name}\n{members}"
    return f"\n## stride_nb.{name}\n\n```{{eval-rst}}\n{directive}```\n"


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m book.tools.build", description=(__doc__ or "").split("\n")[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run a notebook, write the executed copy")
    one.add_argument("notebook", type=Path)
    one.add_argument("out", type=Path)
    pairs = {"nargs": 2, "action": "append", "default": [], "metavar": ("NAME", "VALUE")}
    one.add_argument("-p", help="set a parameter", **pairs)
    one.add_argument("--source", help="set the parameter `source`, where the notebook has one")
    text = "run with default parameters and store the outputs in the notebook"
    stored = commands.add_parser("commit", help=text)
    stored.add_argument("notebooks", type=Path, nargs="+")
    for name, text in (("build", "make the pages"), ("check", "see that pages need no network")):
        commands.add_parser(name, help=text).add_argument("folder", type=Path)
    commands.add_parser("readme", help="render the tables of README and pages from the records")
    commands.add_parser("figures", help="draw the pictures of README and pages")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    args = _make_parser().parse_args(arguments)
    try:
        _run_command(args)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run_command(args: argparse.Namespace) -> None:
    if args.command == "run":
        given = {name: parse_value(value) for name, value in args.p}
        if args.source and "source" in read_parameters(args.notebook):
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
        fill_pages()
    else:
        draw_figures()


if __name__ == "__main__":
    sys.exit(main())
