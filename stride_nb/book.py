"""The book's machinery: run a notebook, store its outputs, render tables from records, build the pages.

``python -m stride_nb.book run NOTEBOOK OUT [-p NAME VALUE]`` runs one with checked parameters;
``commit NOTEBOOK …`` stores the outputs of a default run in the notebook itself, in the form that ``pytest --nbval``
compares; ``build FOLDER`` makes the pages (``make book`` calls it); ``readme`` renders the README's tables.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import records
from .errors import InputError, atomic_path
from .notebooks import commit, convert, normalise, parameters, run_notebook
from .tables import table

__all__ = ["build", "commit", "fetched", "fill_tables", "main", "normalise", "parameters", "readme", "rooms", "run_notebook"]

ROOT = Path(__file__).parents[1]
_FLOW = ("errors", "skeleton", "sequence", "formats", "unpickle", "motions", "geometry", "occlusion", "noise", "augment",
         "models", "losses", "gaps", "metrics", "baselines", "training", "prior", "refine", "checkpoints", "records",
         "tables", "plots", "player", "notebooks", "book")


def fill_tables(text: str, root: Path = ROOT) -> str:
    """Render every table that a page asks for, between its markers.

    A page says what it shows in a comment, ``<!-- table: data/results/NAME.json COLUMN "COLUMN=HEADING" … -->``, and
    ends it with ``<!-- end -->``; what stands between is replaced by the record's rows. Without columns it shows all.
    """
    def fill(match: re.Match) -> str:
        path, *words = shlex.split(match[1])
        columns: dict[str, str] = {}
        for column, _, heading in (word.partition("=") for word in words):
            columns[column] = heading or column
        found = records.rows(root / path)
        shown = table([{c: row.get(c) for c in columns} for row in found] if columns else found, names=columns)
        return f"<!-- table: {match[1]} -->\n{shown.markdown()}\n<!-- end -->"

    return re.sub(r"<!-- table: (.*?) -->.*?<!-- end -->", fill, text, flags=re.S)


def readme(path: Path = ROOT / "README.md") -> None:
    """Bring the README's tables up to date with the records."""
    text = fill_tables(path.read_text(encoding="utf-8"))
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def rooms() -> list[str]:
    """Every module of the package, in the order in which data flows through them."""
    import stride_nb

    names = [m.name.partition(".")[2] for m in pkgutil.walk_packages(stride_nb.__path__, "stride_nb.")]
    order = {room: i for i, room in enumerate(_FLOW)}
    public = [n for n in names if not n.startswith("_")]
    return sorted(public, key=lambda n: (order.get(n.split(".")[0], len(order)), n))


def build(folder: Path) -> None:
    """Make the HTML pages from the notebooks already run in ``folder/notebooks``; any warning is an error.

    Pages are copied beside the notebooks with their tables rendered, the API page gets a section a module, and MathJax is
    copied into the static files, so that no page needs a network.
    """
    _stage(folder)
    program = Path(sys.executable).with_name("jupyter-book")
    if subprocess.run([program, "build", folder, "--all", "-W", "-n", "--keep-going", "-q"]).returncode:
        shutil.rmtree(folder / "_build", ignore_errors=True)  # a page half built would pass the next time
        raise SystemExit("the book has warnings or errors: see above")
    for page in sorted((folder / "_build" / "html").rglob("*.html")):
        for address in fetched(page.read_text(encoding="utf-8")):
            raise InputError(page.name, "page", "nothing fetched from a network", address)


def fetched(page: str) -> list[str]:
    """Addresses on other hosts that a browser would fetch to show a page (not the links that a reader may follow).

    >>> fetched('<a href="https://a.org">a</a> <script src="https://b.org/x.js"></script> <img src="c.png">')
    ['https://b.org/x.js']
    """
    tags = re.findall(r"<(?:script|img|iframe|source|video|audio|embed|object|link)\b[^>]*>", page)
    return [a for tag in tags for a in re.findall(r'(?:src|href|data)="((?:https?:)?//[^"]*)"', tag) if "canonical" not in tag]


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
    sections = (f"## stride_nb.{room}\n\n```{{eval-rst}}\n.. automodule:: stride_nb.{room}\n   :members:\n```\n"
                for room in rooms())
    api.write_text(api.read_text(encoding="utf-8") + "\n" + "\n".join(sections), encoding="utf-8")
    mathjax = importlib.metadata.distribution("sphinx-mathjax-offline")
    shutil.copy(mathjax.locate_file("sphinx-mathjax-offline/static/mathjax/tex-svg.js"), folder / "book/_static/tex-svg.js")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m stride_nb.book", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run a notebook, write the executed copy")
    one.add_argument("notebook", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter")
    one.add_argument("--source", help="set the parameter `source`, where the notebook has one")
    stored = commands.add_parser("commit", help="run with default parameters and store the outputs in the notebook")
    stored.add_argument("notebooks", type=Path, nargs="+")
    commands.add_parser("build", help="make the pages").add_argument("folder", type=Path)
    commands.add_parser("readme", help="render the README's tables from the records")
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
    else:
        readme()


if __name__ == "__main__":
    sys.exit(main())
