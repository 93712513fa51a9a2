"""Acceptance criteria: when one is met, and where its worst ratio is."""

import json

import matplotlib
import pytest

from benchmarks import records
from benchmarks.paired_statistics import AVERAGED
from benchmarks.reports import acceptance, benchmark_tables

matplotlib.use("Agg")

FOUR = dict.fromkeys(AVERAGED, 1.0)


def rows(
    values, experiment="seen_noise", noise="estimator", input="estimator", metric="mpjpe_hidden"
):
    """Rows of a record from method → {regime: value}; every interval is 10 % wide each way."""
    return [
        {
            "experiment": experiment,
            "noise": noise,
            "source": "cmu",
            "split": "test",
            "input": input,
            "regime": regime,
            "method": method,
            "metric": metric,
            "unit": "mm",
            "value": v,
            "ci_low": 0.9 * v,
            "ci_high": 1.1 * v,
            "n": 6,
            "seeds": 3,
            "wall_s": 2.0,
            "hardware": {"cpu": "a", "cores": 2, "gpu": None},
            "commit": "c",
        }
        for method, found in values.items()
        for regime, v in found.items()
    ]


def scaled(factor, **changed):
    return {regime: factor * value for regime, value in FOUR.items()} | changed


def save(path, rows):
    """A record of these rows."""
    record = records.make_record("benchmark", rows, parameters={}, seed=[0, 1, 2], seconds=1.0)
    records.save(record, path)


@pytest.fixture
def read(tmp_path):
    """The record of these rows, read back from a file."""

    def read(*parts):
        save(tmp_path / "b.json", [row for part in parts for row in part])
        return benchmark_tables.read(tmp_path / "b.json")

    return read


def verdict(found, letter):
    return next(row for row in acceptance.list_verdicts(found) if row[""] == letter)


def test_the_stored_record_is_readable():
    found = benchmark_tables.read()
    assert found and all(len(rows) for rows in found.values())
    assert (
        len(benchmark_tables.tabulate_runs(found))
        == len(benchmark_tables.rank_methods(found))
        == len(found)
    )
    assert [row[""] for row in acceptance.list_verdicts(found)] == list(acceptance.CRITERIA)


@pytest.mark.parametrize(("ours", "met"), [(45.0, "yes"), (45.1, "no")])
def test_a_bar_is_met_at_its_limit_and_not_above(read, ours, met):
    assert (
        verdict(read(rows({"linear": scaled(100), "stride_ours": scaled(ours)})), "A")["met"] == met
    )


def test_a_bar_names_its_worst_setting_and_counts(read):
    good, bad = ({"prior": scaled(10), "stride_ours": scaled(x)} for x in (8, 12))
    found = read(rows(good), rows(good, "unseen_noise", "drift"), rows(bad, "unseen_noise", "lag"))
    unseen = verdict(found, "E")
    assert (unseen["measured"], unseen["at its worst in"], unseen["met"]) == (
        pytest.approx(1.2),
        "unseen noise: lag",
        "in 1 of 2",
    )
    assert verdict(found, "F")["met"] == "in 2 of 3"
    assert (
        verdict(found, "G")["met"] is None and "not in the record" in verdict(found, "G").values()
    )
    text = str(acceptance.tabulate_verdicts(found))
    assert "0.800" in text and "1.200" in text and "seen noise: estimator" in text


def test_lifted_input_has_its_own_bar_and_no_estimators_bar(read):
    made = {"input": scaled(10), "linear": scaled(10), "stride_ours": scaled(7)}
    found = read(
        rows(made, "unseen_motion", "detector", "lifted"),
        rows(made, noise="detector", input="lifted"),
    )
    assert [s.name for s in found] == ["seen noise: lifted", "unseen motion: lifted"]
    assert verdict(found, "G")["met"] == "yes" and verdict(found, "A")["measured"] is None


@pytest.mark.parametrize(
    ("ours", "published", "met"),
    [(2.0, 100.0, "yes yes"), (11.0, 100.0, "no no"), (9.0, 100.0, "yes no")],
)
def test_speed_is_asked_in_seconds_and_against_the_published_procedure(
    tmp_path, ours, published, met
):
    run = json.loads(acceptance.SPEED.read_text())
    run["rows"] = [
        {"method": "stride_ours", "seconds": ours},
        {"method": "stride_published", "seconds": published},
    ]
    (tmp_path / "s.json").write_text(json.dumps(run))
    assert (
        " ".join(
            line.rsplit(" ", 1)[1] for line in acceptance.list_runtime_verdicts(tmp_path / "s.json")
        )
        == met
    )
