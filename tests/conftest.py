"""What tests share."""

from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path

import numpy as np
import pytest

from stride_nb.errors import atomic_path

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of numbers of the published code: ``STRIDE_NB_REFERENCE``, else ``../shared/reference``."""
    folder = Path(os.environ.get("STRIDE_NB_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not folder.is_dir():
        pytest.skip(f"no numbers of the published code at {folder}; STRIDE_NB_REFERENCE names their folder")
    return folder


@pytest.fixture(scope="session")
def agree():
    """``agree(component, room, found, expected, atol)``: the greatest difference from a published number is in bounds.

    With ``STRIDE_NB_RECORD=1`` the measured differences are written to ``data/results/parity.json``.
    """
    measured = {}

    def check(component, room, found, expected, atol):
        found, expected = np.asarray(found, float), np.asarray(expected, float)
        assert found.shape == expected.shape, component
        difference = float(np.abs(found - expected).max(initial=0))
        measured[component] = {"room": room, "numbers": expected.size, "difference": difference, "allowed": atol}
        assert difference <= atol, f"{component}: off by {difference}"

    yield check
    if os.environ.get("STRIDE_NB_RECORD") and measured:
        _record(ROOT / "data" / "results" / "parity.json", measured)


def _record(path: Path, measured: dict) -> None:
    known = json.loads(path.read_text(encoding="utf-8"))["components"] if path.exists() else {}
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "torch")}
    content = {"metric": "greatest absolute difference from the published code", "unit": "that of the number compared",
               "protocol": "STRIDE_NB_RECORD=1 pytest -k reference tests", "versions": versions,
               "components": known | measured}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
