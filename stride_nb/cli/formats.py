"""``stride-nb formats``: which files come in, which go out, what of them is kept."""

from __future__ import annotations

import argparse
import textwrap

__all__ = ["add_arguments", "run"]

_MARK_WIDTHS = {"format": 12, "in": 5, "out": 5, "back": 5}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb formats``: none."""
    parser.description = (
        "in, out: read, written. back: what came in goes out with its own joints, axes and names."
    )


def run(args: argparse.Namespace) -> int:
    """Print a row a format, with its tools and what is kept, and the joint sets known."""
    from stride_nb.io.format_table import list_rows
    from stride_nb.poses.skeleton import SKELETONS

    print("".join(name.ljust(width) for name, width in _MARK_WIDTHS.items()))
    for row in list_rows():
        marks = "".join(row[name].ljust(width) for name, width in _MARK_WIDTHS.items())
        print(f"{marks} {row['tools']}")
        for text in (row["files"], f"kept: {row['kept']}"):
            print(textwrap.indent(textwrap.fill(text, 92), " " * 4))
    sets = ", ".join(f"{name} ({len(s)})" for name, s in SKELETONS.items())
    print(textwrap.fill(f"joint sets: {sets}; others by name, or by --joints map.json", 100))
    return 0
