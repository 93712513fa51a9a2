"""What a batch consists of: inputs × parameters, each an item with a folder of its own; and how an
item becomes the arguments of a command or the parameters of a notebook."""

from __future__ import annotations

import argparse
import ast
import csv
import glob
import hashlib
import importlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

from stride_nb.errors import InputError, require

__all__ = ["BatchItem", "is_notebook", "make_notebook_parameters", "parse_command", "plan_items"]

_OUTPUTS = ("out", "target")
"""What commands call where their output goes."""
_LONGEST_NAME = 100
_INPUT_COLUMN = "input"


@dataclass(frozen=True)
class BatchItem:
    """One thing to be done."""

    name: str
    """Of its folder."""
    what: str
    """A command of the package, or the path of a notebook."""
    input: str | None
    """Path as it was given."""
    parameters: Mapping[str, str]
    suffix: str
    """Of the output of a command that writes a file."""
    input_name: str
    """The notebook's parameter that takes the input."""
    base: Path
    """Where relative paths begin; workers may be elsewhere."""

    @property
    def stem(self) -> str:
        """What its output file is called."""
        return Path(self.input).stem if self.input else self.what

    def list_files(self) -> list[Path]:
        """All that it reads: its input, the notebook, and files that its parameters name."""
        named = [self.input, self.what if is_notebook(self.what) else None]
        files = [self.base / name for name in named if name]
        return files + [p for v in self.parameters.values() if (p := self.base / v).is_file()]

    def find_input(self) -> str:
        """The full path of the input."""
        return str(self.base / (self.input or ""))

    def fill(self, folder: Path) -> dict[str, str]:
        """The parameters, with ``{folder}`` and ``{stem}`` replaced, files by their full path."""
        filled = {}
        for name, value in self.parameters.items():
            text = value.replace("{folder}", str(folder)).replace("{stem}", self.stem)
            filled[name] = str(path) if (path := self.base / text).is_file() else text
        return filled


def is_notebook(what: str) -> bool:
    """Whether it is a notebook rather than a command."""
    return what.endswith(".ipynb")


def plan_items(
    what: str,
    patterns: Sequence[str],
    listed: Path | None,
    grid: Sequence[Sequence[str]],
    suffix: str,
    input_name: str,
    commands: Sequence[str],
) -> list[BatchItem]:
    """Every input under every combination of parameters.

    Args:
        what: a name among ``commands``, or a notebook.
        patterns: paths and glob patterns (``**`` for any depth).
        listed: a CSV or JSON list of items, with a column or key ``input``; its others are
            parameters.
        grid: name and values, a parameter each.

    Raises:
        InputError: nothing to do, a parameter given twice, or one that the command or the notebook
            does not take.
    """
    if not is_notebook(what) and what not in commands:
        expected = f"a notebook (.ipynb) or one of {', '.join(commands)}"
        raise InputError("batch", "what", expected, repr(what))
    rows = _list_inputs(patterns, listed)
    names = _name_inputs([row[0] for row in rows])
    combinations = _combine(grid)
    items = []
    for (source, own), name in zip(rows, names):
        for parameters in combinations:
            if twice := own.keys() & parameters.keys():
                raise InputError(listed, "parameters", "each once", f"{', '.join(twice)} twice")
            both = parameters | own
            folder = _name_folder(name or Path(what).stem, both)
            items.append(BatchItem(folder, what, source, both, suffix, input_name, Path.cwd()))
    _check_names(items)
    for item in items:
        _check_item(item)
    return items


def _list_inputs(
    patterns: Sequence[str], listed: Path | None
) -> list[tuple[str | None, dict[str, str]]]:
    """Input and parameters of its own, a pair each."""
    rows: list[tuple[str | None, dict[str, str]]] = []
    for pattern in patterns:
        found = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise InputError(pattern, "items", "a file, folder or pattern", "nothing there")
        rows += [(path, {}) for path in found]
    if listed is not None:
        rows += [(row.pop(_INPUT_COLUMN, None) or None, row) for row in _read_list(listed)]
    return list({json.dumps(row): row for row in rows}.values()) or [(None, {})]


def _read_list(path: Path) -> list[dict[str, str]]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".csv":
        rows = list(csv.DictReader(text.splitlines()))
        return [{k: v for k, v in row.items() if k and v} for row in rows]
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise InputError(path, "file", "CSV, or a JSON list", error) from None
    if not isinstance(rows, list) or not all(isinstance(row, (dict, str)) for row in rows):
        raise InputError(path, "file", "a JSON list of paths or objects", type(rows).__name__)
    objects = [{_INPUT_COLUMN: row} if isinstance(row, str) else row for row in rows]
    return [{k: str(v) for k, v in row.items() if v is not None} for row in objects]


def _combine(grid: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Every combination of the values, a dict each."""
    counts = Counter(name for name, *_ in grid)
    for name, *values in grid:
        if not values or counts[name] > 1:
            raise InputError(
                "batch", f"-p {name}", "once, with a value or several", "something else"
            )
    names = [name for name, *_ in grid]
    return [dict(zip(names, values)) for values in product(*(values for _, *values in grid))]


def _name_inputs(paths: Sequence[str | None]) -> list[str]:
    """A name each: the stem where it is the only such, else as much of the path as it takes."""
    unique = {path for path in paths if path}
    stems = Counter(Path(path).stem for path in unique)
    return [
        "" if path is None else Path(path).stem if stems[Path(path).stem] == 1 else path
        for path in paths
    ]


def _name_folder(name: str, parameters: Mapping[str, str]) -> str:
    """A folder's name of the input's name and the parameters; a long one ends with its hash."""
    text = ",".join([name, *(f"{key}={value}" for key, value in parameters.items())])
    plain = re.sub(r"[^\w.,=+-]", "_", text).lstrip("._-") or "_"
    if len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[:_LONGEST_NAME]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _check_names(items: Sequence[BatchItem]) -> None:
    counts = Counter(item.name for item in items)
    for item in items:
        if counts[item.name] > 1:
            twins = [str(other.input) for other in items if other.name == item.name]
            expected = f"another name than {item.name}"
            raise InputError("batch", "items", expected, f"it of {' and '.join(twins)}")


def _check_item(item: BatchItem) -> None:
    """InputError where its command or notebook does not take its parameters."""
    if is_notebook(item.what):
        make_notebook_parameters(item, Path())
    else:
        parse_command(item, item.base / item.name)


class _ItemParser(argparse.ArgumentParser):
    """A command's parser that remembers its arguments, and answers with an InputError."""

    def __init__(self, command: str):
        super().__init__(prog=command, add_help=False, allow_abbrev=False)
        self.arguments: list[argparse.Action] = []

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """As of argparse."""
        self.arguments.append(action := super().add_argument(*names, **options))
        return action

    def error(self, message: str) -> NoReturn:
        """Instead of the end of the process."""
        raise InputError(self.prog, "parameters", "those that it takes", message)


def parse_command(item: BatchItem, folder: Path) -> argparse.Namespace:
    """The arguments of the item's command, with its output in a folder.

    Raises:
        InputError: a parameter that the command does not take.
    """
    parser = _ItemParser(item.what)
    importlib.import_module(f"stride_nb.cli.{item.what}").add_arguments(parser)
    values, words = item.fill(folder), []
    places = [action for action in parser.arguments if not action.option_strings]
    for action in places:
        if action.dest in _OUTPUTS:
            words.append(str(folder / f"{item.stem}{item.suffix}"))
        elif action.dest in values:
            words.append(values.pop(action.dest))
        elif item.input is not None:
            words.append(item.find_input())
    options = {action.dest: action for action in parser.arguments if action.option_strings}
    if "out" in options and "out" not in values:
        values["out"] = str(folder)
    for name, value in values.items():
        words += _spell_option(name, value, options.get(name))
    return parser.parse_args(words)


def _spell_option(name: str, value: str, action: argparse.Action | None) -> list[str]:
    """An option of the command line: a switch by ``true``, several values parted by blanks."""
    flag = f"--{name.replace('_', '-')}"
    if action is not None and action.nargs == 0:
        return [flag] if value.lower() in ("true", "1", "yes") else []
    if action is not None and action.nargs is not None:
        return [flag, *shlex.split(value)]
    return [f"{flag}={value}"]


def make_notebook_parameters(item: BatchItem, folder: Path) -> dict[str, Any]:
    """The notebook's parameters that the item sets.

    Raises:
        InputError: no such notebook, or a parameter that it does not declare.
    """
    declared = _list_notebook_parameters(item.base / item.what)
    given: dict[str, Any] = {k: _parse_value(v) for k, v in item.fill(folder).items()}
    if item.input is not None:
        given[item.input_name] = item.find_input()
    if unknown := given.keys() - set(declared):
        expected = f"one of {', '.join(declared) or 'none: it has no parameters'}"
        raise InputError(
            item.what, f"parameter {', '.join(unknown)}", expected, "no such parameter"
        )
    return given


@cache
def _list_notebook_parameters(path: Path) -> tuple[str, ...]:
    papermill = require("papermill", "notebooks")
    if not path.is_file():
        raise InputError(path, "file", "a notebook", "nothing there")
    return tuple(papermill.inspect_notebook(path))


def _parse_value(text: str) -> Any:
    """The Python value that a word spells, or the word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
