"""What tests share."""

from __future__ import annotations

import os
import pydoc
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import records
from tests.parity.make_reference import OWN
from tests.shape_checks import install_shape_checks

# its assertions say what they found, as those of a test do
pytest.register_assert_rewrite("tests.foreign")
install_shape_checks()
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", params=["published", "own"])
def reference(request) -> Path:
    """A folder of reference numbers: those of the published code (``STRIDE_NB_REFERENCE``, else
    ``../shared/reference``; skipped where it is absent), and a small set of our own."""
    if request.param == "own":
        return OWN
    folder = Path(os.environ.get("STRIDE_NB_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not folder.is_dir():
        pytest.skip(
            f"no numbers of the published code at {folder}; STRIDE_NB_REFERENCE names their folder"
        )
    return folder


@pytest.fixture(scope="session")
def agree(reference):
    """``agree(component, room, found, expected, atol)``: the greatest difference from reference
    numbers is in bounds.

    The bound is ``atol`` or a thousandth of the greatest reference number, lest small numbers pass
    by being small. ``room`` is where the component lives, from ``stride_nb`` on; ``unit``, where
    the numbers have one, goes into the record: with ``STRIDE_NB_RECORD=1`` the measured differences
    from the published numbers are written to ``data/results/parity.json``.
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
    if os.environ.get("STRIDE_NB_RECORD") and measured and reference != OWN:
        _record(ROOT / "data" / "results" / "parity.json", measured, time.perf_counter() - start)


@pytest.fixture(scope="session")
def scheduler():
    """Address of a scheduler with two workers, of two threads each."""
    distributed = pytest.importorskip("distributed", reason="needs the extra cluster")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=2,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address=None,
    ) as cluster:
        yield cluster.scheduler_address


def _record(path: Path, measured: dict, seconds: float) -> None:
    protocol = "the published code and ours on the same random inputs; greatest absolute difference"
    run = records.make_record(
        "parity",
        list(measured.values()),
        seed=0,
        seconds=seconds,
        protocol=protocol,
        parameters={"command": "STRIDE_NB_RECORD=1 pytest tests/parity"},
    )
    records.save(run, path)
