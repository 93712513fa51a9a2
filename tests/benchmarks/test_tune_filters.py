"""The search for the baselines' parameters: on which people, and whether what it found is what is
in use."""

from pathlib import Path

from benchmarks import records, tune_filters
from benchmarks.__main__ import main
from stride_nb import datasets
from stride_nb.refinement import filters

RECORD = Path(__file__).parents[2] / "data" / "results" / "baselines.json"


def test_the_search_is_on_val_and_is_written(tmp_path, monkeypatch):
    load, asked = datasets.load, []
    monkeypatch.setattr(
        datasets,
        "load",
        lambda source, split: asked.append((source, split)) or load(source, split, clips=2),
    )
    assert (
        main(
            [
                "tune_filters",
                "--source",
                "synthetic",
                "--methods",
                "hold",
                "--inputs",
                "estimator",
                "--clips",
                "1",
                "--out",
                str(tmp_path / "b.json"),
            ]
        )
        == 0
    )
    (row,) = records.load_rows(tmp_path / "b.json")
    assert asked == [("synthetic", "val")] and (row["input"], row["method"]) == (
        "estimator",
        "hold",
    )
    assert row["parameters"] in {f"threshold {t:g}" for t in filters.THRESHOLDS}


def test_defaults_are_those_of_the_record():
    for row in records.load_rows(RECORD):
        assert row["parameters"] == ", ".join(
            f"{k} {v:g}"
            for k, v in tune_filters.get_current_parameters(row["input"], row["method"]).items()
        )
