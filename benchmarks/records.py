"""What a run was: its rows of results with parameters, seed, versions, commit, hardware and wall
time, as JSON.

Tables in README and book are rendered from these files, never typed. No record holds a path or a
name of the machine.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from stride_nb.data_files import DATA
from stride_nb.errors import InputError, atomic_path
from stride_nb.training.provenance import commit, hardware, versions

__all__ = ["RESULTS", "called", "load", "plain", "record", "rows", "save"]

RESULTS = DATA / "results"
"""Where the records of full runs are kept."""
FIELDS = (
    "experiment",
    "parameters",
    "seed",
    "rows",
    "units",
    "protocol",
    "seconds",
    "commit",
    "versions",
    "hardware",
)


def called(arguments: Mapping, /, **weights: str | os.PathLike) -> dict:
    """The parameters of a run for ``record``, taken before it begins: what cannot be stored is
    refused before the hours, not after.

    Args:
        arguments: what it is called with; of a path the name is kept.
        weights: what they are called → name or file of the trained weights that it measures; kept
            is ``<called>_sha256``.

    Raises:
        InputError: a text holds an absolute path, or there are no such weights.
    """
    from stride_nb.models.checkpoints import sha256

    found = plain(
        dict(arguments) | {f"{name}_sha256": sha256(source) for name, source in weights.items()}
    )
    _check_text(found, "parameters")
    return found


def record(
    experiment: str,
    rows: Sequence[Mapping],
    *,
    parameters: Mapping,
    seed: int | Sequence[int],
    seconds: float,
    units: Mapping[str, str] | None = None,
    protocol: str = "",
) -> dict:
    """A run as one dictionary, ready for ``save``.

    Args:
        experiment: its name, also what the file is called.
        rows: one mapping a line of the result table: plain strings and numbers.
        parameters: everything the run was called with (``called``).
        seed: the seed, or the seeds.
        seconds: wall time of the run.
        units: column → unit.
        protocol: on what data and how it was measured, in a sentence.
    """
    return plain(
        {
            "experiment": experiment,
            "parameters": dict(parameters),
            "seed": seed,
            "rows": [dict(r) for r in rows],
            "units": dict(units or {}),
            "protocol": protocol,
            "seconds": round(float(seconds), 1),
            "commit": commit(),
            "versions": versions(),
            "hardware": hardware(),
        }
    )


def save(run: Mapping, path: str | os.PathLike) -> None:
    """Write a record as sorted, indented JSON, all of it or nothing; NaN becomes null.

    Raises:
        InputError: a field is missing, or a text holds an absolute path.
    """
    _check(run, path)
    text = json.dumps(plain(run), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def load(path: str | os.PathLike) -> dict:
    """Read a record and check that nothing is missing."""
    run = _read(path)
    _check(run, path)
    return run


def rows(path: str | os.PathLike) -> list[dict]:
    """The result rows of a record, or of a file that is a list of rows (the benchmark's: every row
    says what it is)."""
    found = _read(path)
    if not isinstance(found, list):
        return load(path)["rows"]
    if not all(isinstance(row, Mapping) for row in found):
        raise InputError(path, "rows", "a list of objects", "something else in the list")
    return found


def _read(path: str | os.PathLike):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "file", "a record in JSON", "nothing there") from None
    except ValueError as error:
        raise InputError(path, "file", "a record in JSON", error) from error


def _check(run: Mapping, where: object) -> None:
    if not isinstance(run, Mapping):
        raise InputError(where, "record", "an object", type(run).__name__)
    for field in FIELDS:
        if field not in run:
            raise InputError(where, field, "a record with every field", "none of that name")
    if not isinstance(run["rows"], list) or not all(isinstance(r, Mapping) for r in run["rows"]):
        raise InputError(where, "rows", "a list of objects", type(run["rows"]).__name__)
    _check_text(run, where)


def _check_text(value: Mapping, where: object) -> None:
    path = re.search(r"(?<![\w./:])/(?:[\w.-]+/)+[\w.-]+", json.dumps(plain(value)))
    if path:
        raise InputError(where, "text", "no absolute path", path[0])


def plain(value):
    """Mappings, lists, text, numbers: NumPy scalars and arrays unwrapped, NaN and infinity as None,
    paths as their name."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (str, bool, int, type(None))):
        return value
    if isinstance(value, os.PathLike):
        return Path(value).name
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    number = float(value)
    return number if number - number == 0 else None
