"""``stride-nb COMMAND``, also ``python -m stride_nb COMMAND``: a small file a command, no logic."""

from __future__ import annotations

import argparse
import importlib
import io
import sys

from stride_nb.errors import InputError

__all__ = ["COMMANDS", "main", "run_command"]

COMMANDS = {
    "prepare": "raw motion capture → 17 joints at 50 fps",
    "train": "train the prior, the lifter or SmoothNet",
    "refine": "refine the poses in a file",
    "convert": "published .bin weights ↔ safetensors and card",
}


def main(argv: list[str] | None = None) -> int:
    """Run a command. What ends it early is one line: bad input (status 2), a file or disk that
    refuses (1), Ctrl-C (130)."""
    return run_command("stride-nb", __name__, COMMANDS, sys.argv[1:] if argv is None else argv)


def run_command(program: str, package: str, commands: dict[str, str], argv: list[str]) -> int:
    """Run one of ``commands``, each a module of ``package`` with ``add_arguments(parser)`` and
    ``run(args)``."""
    # a character that the terminal lacks is no reason to lose the result
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        args = _parse_arguments(program, package, commands, argv)
        return args.run(args)
    except InputError as error:
        message, status = error, 2
    except OSError as error:
        parts = (error.filename, error.strerror or error)
        message, status = ": ".join(str(part) for part in parts if part), 1
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    print(f"{program} {argv[0]}: {message}", file=sys.stderr)
    return status


def _parse_arguments(
    program: str, package: str, commands: dict[str, str], argv: list[str]
) -> argparse.Namespace:
    summary = (sys.modules[package].__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog=program, description=summary)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in commands.items():
        sub = subparsers.add_parser(name, help=summary, description=summary)
        if argv[:1] == [name]:  # only the command asked for is imported
            module = importlib.import_module(f"{package}.{name}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser.parse_args(argv)
