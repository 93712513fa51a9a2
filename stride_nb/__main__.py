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
    """Run a command. What ends it early is one line: bad input (status 2), a file or disk that refuses (1), Ctrl-C (130)."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):  # a name or a sign that the terminal has not is no reason to lose what was done
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(argv)
    except InputError as error:
        return _say(argv, error, 2)
    except OSError as error:
        return _say(argv, ": ".join(str(x) for x in (error.filename, error.strerror or error) if x), 1)
    except KeyboardInterrupt:
        return _say(argv, "interrupted", 130)


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stride_nb", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (room, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        if argv[:1] == [name]:  # only the room that is asked for is imported
            module = importlib.import_module(f"stride_nb.{room}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    return args.run(args)


def _say(argv: list[str], what: object, status: int) -> int:
    print(f"python -m stride_nb {argv[0]}: {what}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
