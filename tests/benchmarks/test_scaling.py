"""The record of many items on several workers: kills that lose nothing, tables that show it."""

import argparse

import pytest

from benchmarks import lost_workers, records, scaling
from benchmarks.reports.scaling import read_value, tabulate_part
from stride_nb.errors import InputError

ROWS = [
    {"part": "times", "measured": "ratio", "value": 1.859, "least": 1.8, "greatest": 1.9}
    | {"unit": "", "bar": "≥ 1.8"},
    {"part": "losses", "measured": "items", "value": 4000, "unit": "", "bar": ""},
    {"part": "rates", "measured": "a frame", "value": 2.0, "least": 2.0, "greatest": 2.0}
    | {"unit": "ms", "bar": ""},
]


@pytest.fixture
def record(tmp_path):
    run = records.make_record("scaling", ROWS, parameters={}, seed=0, seconds=1)
    records.save(run, tmp_path / "s.json")
    return tmp_path / "s.json"


def test_a_part_is_shown_with_its_range_and_criterion(record):
    (row,) = tabulate_part(record, "times").cells
    assert row == ["ratio", "1.86 (1.8 to 1.9)", "≥ 1.8"]
    assert tabulate_part(record, "losses").cells == [["items", "4,000", "–"]]
    assert tabulate_part(record, "rates").cells == [["a frame", "2", "ms", "–"]]
    assert read_value(record, "rates", "a frame") == 2.0
    for wrong in (lambda: tabulate_part(record, "none"), lambda: read_value(record, "rates", "x")):
        with pytest.raises(InputError, match="found none"):
            wrong()


def test_parts_that_are_not_run_stay_in_the_record(record, monkeypatch, capsys):
    pytest.importorskip("psutil", reason="needs the extra cluster")
    monkeypatch.setitem(scaling.PARTS, "losses", lambda args, folder: [ROWS[1] | {"value": 7}])
    parser = argparse.ArgumentParser()
    scaling.add_arguments(parser)
    assert scaling.run(parser.parse_args(["--parts", "losses", "--out", str(record)])) == 0
    after = records.load(record)
    assert [row["part"] for row in after["rows"]] == ["times", "losses", "rates"]
    assert read_value(record, "losses", "items") == 7 and after["seconds"] > 1


def test_killed_workers_and_a_killed_client_lose_nothing(tmp_path):
    """Twelve clips × two methods; the full run has two hundred."""
    pytest.importorskip("distributed", reason="needs the extra cluster")
    clips = scaling.write_clips(tmp_path / "clips", 12, 0.5)
    rows = lost_workers.measure_losses(clips, tmp_path, seed=1)
    criteria = [row for row in rows if row["bar"]]
    assert len(criteria) == 5
    assert all(str(row["value"]) == row["bar"] for row in criteria), criteria


def test_two_clients_share_workers_started_by_hand_also_a_late_one(tmp_path):
    pytest.importorskip("distributed", reason="needs the extra cluster")
    clips = scaling.write_clips(tmp_path / "clips", 24, 1)
    _, done, *shared = lost_workers.measure_clients(clips, tmp_path)
    assert str(done["value"]) == done["bar"]
    assert all(row["value"] > 0 for row in shared), shared
