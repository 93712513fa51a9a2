"""``python -m stride_nb COMMAND``: the one entry point of everything that takes long."""

from __future__ import annotations

import argparse
import importlib
import sys

from .errors import InputError

COMMANDS = {
    "prepare": ("motions.prepare", "raw motion capture → 17 joints at 50 fps"),
    "train": ("train", "train the prior, the lifter or SmoothNet"),
    "refine": ("refine", "refine the poses in a file"),
    "benchmark": ("benchmark", "every method under every regime → data/results"),
    "ranking": ("ranking", "what RePOSE's ranking losses buy → data/results"),
    "tune": ("tune", "tune the baselines on the validation people"),
    "convert": ("checkpoints", "published .bin weights ↔ safetensors and card"),
}


def main(argv: list[str] | None = None) -> int:
    """Run a command; bad input ends with one line and exit status 2."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m stride_nb", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (room, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        if argv[:1] == [name]:  # only the room that is asked for is imported
            module = importlib.import_module(f"stride_nb.{room}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except InputError as error:
        print(f"{parser.prog} {args.command}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
