"""What a run was: its result rows with parameters, seed, versions, commit, hardware and wall time,
as JSON.

Tables of README and book are rendered from these files, never typed. No record holds a path or the
name of a machine.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stride_nb.data_files import DATA
from stride_nb.errors import InputError, atomic_path
from stride_nb.training.provenance import describe_hardware, get_commit, get_versions

__all__ = [
    "FIELDS",
    "RESULTS",
    "check_parameters",
    "load",
    "load_rows",
    "make_plain",
    "make_record",
    "save",
]

RESULTS = DATA / "results"
"""The folder of the records of full runs."""
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
_ABSOLUTE = re.compile(r"(?<![\w./:])/(?:[\w.-]+/)+[\w.-]+")


def check_parameters(arguments: Mapping, /, **weights: str | os.PathLike) -> dict:
    """The parameters of a run for ``make_record``. Call it before the run: what cannot be stored is
    refused before the hours, not after.

    Args:
        arguments: what the study is called with; of a path the name is stored.
        weights: label → name or file of the trained weights that the study measures; stored as
            ``<label>_sha256``.

    Raises:
        InputError: a text holds an absolute path, or there are no such weights.
    """
    from stride_nb.models.checkpoints import hash_weights

    hashes = {f"{name}_sha256": hash_weights(source) for name, source in weights.items()}
    parameters = make_plain(dict(arguments) | hashes)
    _check_no_path(parameters, "parameters")
    return parameters


def make_record(
    experiment: str,
    rows: Sequence[Mapping],
    *,
    parameters: Mapping,
    seed: int | Sequence[int] | None,
    seconds: float,
    units: Mapping[str, str] | None = None,
    protocol: str = "",
) -> dict:
    """A run as one dictionary, ready for ``save``.

    Args:
        experiment: its name, also the name of the file.
        rows: one mapping a line of the result table: plain strings and numbers.
        parameters: everything the study was called with (``check_parameters``).
        seed: the seed, or the seeds.
        seconds: wall time of the run.
        units: column → unit.
        protocol: on what data and how it was measured, in a sentence.
    """
    return make_plain(
        {
            "experiment": experiment,
            "parameters": dict(parameters),
            "seed": seed,
            "rows": [dict(r) for r in rows],
            "units": dict(units or {}),
            "protocol": protocol,
            "seconds": round(float(seconds), 1),
            "commit": get_commit(),
            "versions": get_versions(),
            "hardware": describe_hardware(),
        }
    )


def save(run: Mapping, path: str | os.PathLike) -> None:
    """Write a record as sorted, indented JSON, all of it or nothing; NaN becomes null.

    Raises:
        InputError: a field is missing, or a text holds an absolute path.
    """
    _check_record(run, path)
    text = json.dumps(
        make_plain(run), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def load(path: str | os.PathLike) -> dict:
    """Read a record and check that nothing is missing.

    Raises:
        InputError: no file, no JSON, no object, or a field is missing.
    """
    try:
        run = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "file", "a record in JSON", "nothing there") from None
    except ValueError as error:
        raise InputError(path, "file", "a record in JSON", error) from error
    _check_record(run, path)
    return run


def load_rows(path: str | os.PathLike) -> list[dict]:
    """The result rows of a record."""
    return load(path)["rows"]


def _check_record(run: Mapping, where: object) -> None:
    if not isinstance(run, Mapping):
        raise InputError(where, "record", "an object", type(run).__name__)
    for field in FIELDS:
        if field not in run:
            raise InputError(where, field, "a record with every field", "none of that name")
    if not isinstance(run["rows"], list) or not all(isinstance(r, Mapping) for r in run["rows"]):
        raise InputError(where, "rows", "a list of objects", type(run["rows"]).__name__)
    _check_no_path(run, where)


def _check_no_path(value: Mapping, where: object) -> None:
    path = _ABSOLUTE.search(json.dumps(make_plain(value)))
    if path:
        raise InputError(where, "text", "no absolute path", path[0])


def make_plain(value: Any) -> Any:
    """Mappings, lists, text, numbers: NumPy scalars and arrays unwrapped, NaN and infinity as None,
    paths as their name."""
    if isinstance(value, Mapping):
        return {str(k): make_plain(v) for k, v in value.items()}
    if isinstance(value, (str, bool, int, type(None))):
        return value
    if isinstance(value, os.PathLike):
        return Path(value).name
    if hasattr(value, "tolist"):
        return make_plain(value.tolist())
    if isinstance(value, (list, tuple, set)):
        return [make_plain(v) for v in value]
    number = float(value)
    return number if number - number == 0 else None
