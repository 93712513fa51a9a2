"""What tests share."""

from __future__ import annotations

import os
import pydoc
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import records

# its assertions say what they found, as those of a test do
pytest.register_assert_rewrite("tests.foreign")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of numbers of the published code: ``STRIDE_NB_REFERENCE``, else
    ``../shared/reference``."""
    folder = Path(os.environ.get("STRIDE_NB_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not folder.is_dir():
        pytest.skip(
            f"no numbers of the published code at {folder}; STRIDE_NB_REFERENCE names their folder"
        )
    return folder


@pytest.fixture(scope="session")
def agree():
    """``agree(component, room, found, expected, atol)``: the greatest difference from published
    numbers is in bounds.

    The bound is ``atol`` or a thousandth of the greatest published number, lest small numbers pass
    by being small. ``room`` is where the component lives, from ``stride_nb`` on; ``unit``, where
    the numbers have one, goes into the
    record: with ``STRIDE_NB_RECORD=1`` the measured differences are written to
    ``data/results/parity.json``.
    """
    measured, start = {}, time.perf_counter()

    def check(component, room, found, expected, atol, unit=None):
        assert pydoc.locate(f"stride_nb.{room}"), f"nothing lives at {room}"
        found, expected = np.asarray(found, float), np.asarray(expected, float)
        assert found.shape == expected.shape and expected.size, component
        difference, greatest = (float(np.abs(x).max()) for x in (found - expected, expected))
        allowed = min(atol, 1e-3 * greatest)
        measured[component] = {
            "component": component,
            "room": room,
            "numbers": expected.size,
            "unit": unit,
            "greatest": greatest,
            "difference": difference,
            "allowed": allowed,
        }
        assert difference <= allowed, f"{component}: off by {difference}"

    yield check
    if os.environ.get("STRIDE_NB_RECORD") and measured:
        _record(ROOT / "data" / "results" / "parity.json", measured, time.perf_counter() - start)


def _record(path: Path, measured: dict, seconds: float) -> None:
    protocol = "the published code and ours on the same random inputs; greatest absolute difference"
    run = records.record(
        "parity",
        list(measured.values()),
        seed=0,
        seconds=seconds,
        protocol=protocol,
        parameters={"command": "STRIDE_NB_RECORD=1 pytest -k reference tests"},
    )
    records.save(run, path)
