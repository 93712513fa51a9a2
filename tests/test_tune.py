"""The search for the baselines' parameters: on which people, and whether what it found is what is in use."""

from pathlib import Path

from stride_nb import baselines, motions, records, tune
from stride_nb.__main__ import main

RECORD = Path(__file__).parents[1] / "data" / "results" / "baselines.json"


def test_the_search_is_on_val_and_is_written(tmp_path, monkeypatch):
    load, asked = motions.load, []
    monkeypatch.setattr(motions, "load", lambda source, split: asked.append((source, split)) or load(source, split, clips=2))
    assert main(["tune", "--source", "synthetic", "--methods", "hold", "--inputs", "estimator", "--clips", "1",
                 "--out", str(tmp_path / "b.json")]) == 0
    (row,) = records.rows(tmp_path / "b.json")
    assert asked == [("synthetic", "val")] and (row["input"], row["method"]) == ("estimator", "hold")
    assert row["parameters"] in {f"threshold {t:g}" for t in baselines.THRESHOLDS}


def test_defaults_are_those_of_the_record():
    for row in records.rows(RECORD):
        assert row["parameters"] == ", ".join(f"{k} {v:g}" for k, v in tune._in_use(row["input"], row["method"]).items())
