"""Training runs side by side: the error on validation people at every step with a validation.

    python -m benchmarks.ablations.learning_curves FOLDER FOLDER …

Folders are those that ``stride-nb train … --out FOLDER`` wrote, of runs whose recipes differ in one
thing; a curve has its folder's name. A run need not be over. Writes ``data/results/curves.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import records
from benchmarks.study import make_parser
from stride_nb.errors import InputError

ERRORS = {"val_ema_hidden_mm": "hidden_mm", "val_ema_visible_mm": "visible_mm"}


def read_curve(folder: Path) -> list[dict]:
    """A row a step at which the run in ``folder`` was validated: errors of the running mean of its
    weights."""
    file = folder / "history.json"
    if not file.is_file():
        raise InputError(file, "file", "the history of a training run", "nothing there")
    return [
        {"run": folder.name, "step": row["step"]}
        | {name: round(row[key], 2) for key, name in ERRORS.items()}
        for row in json.loads(file.read_text(encoding="utf-8"))
        if ERRORS.keys() <= row.keys()
    ]


def main() -> None:
    """Every folder's curve."""
    parser = make_parser(__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    args = parser.parse_args()
    rows = [row for folder in args.folders for row in read_curve(folder)]
    print(*rows, sep="\n")
    run = records.make_record(
        "curves",
        rows,
        parameters=vars(args),
        seed=None,
        seconds=0.0,
        units=dict.fromkeys(ERRORS.values(), "mm"),
        protocol="validation of the training loop, see data/weights/prior.json; running mean of "
        "the weights",
    )
    records.save(run, records.RESULTS / "curves.json")


if __name__ == "__main__":
    main()
