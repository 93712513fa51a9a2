"""The study of the ranking losses: weights chosen on val, runs that resume, a complete record."""

import argparse

import pytest

from benchmarks import ranking_losses, records
from stride_nb import datasets
from stride_nb.errors import InputError


def arguments(folder, *words):
    parser = argparse.ArgumentParser()
    ranking_losses.add_arguments(parser)
    small = (
        "--source synthetic --seeds 2 --steps 2 --batch 4 --frames 30 --pool 8 --dim 16 --depth 1 "
        "--weights 1 3 --threads 1"
    )
    return parser.parse_args(
        [
            *small.split(),
            "--runs",
            str(folder / "runs"),
            "--out",
            str(folder / "ranking.json"),
            *words,
        ]
    )


@pytest.mark.parametrize(
    "words",
    [
        "--pool 3",
        "--pool 0",
        "--frames 0",
        "--dim 0",
        "--dim 18",
        "--depth 0",
        "--lr 0",
        "--lr nan",
        "--batch 0",
        "--seeds 0",
        "--sweep-seeds -1",
        "--weights 1 0",
        "--threads 0",
    ],
)
def test_impossible_numbers_are_refused_before_anything_is_made(tmp_path, words):
    with pytest.raises(InputError, match=f"ranking: {words.split()[0]}: expected"):
        ranking_losses.run(arguments(tmp_path, *words.split()))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def few(monkeypatch):
    """A source of few short clips, under two regimes."""
    load = datasets.load
    monkeypatch.setattr(ranking_losses, "SKIPPED", set(ranking_losses.REGIMES) - {"none", "half"})
    monkeypatch.setattr(
        datasets, "load", lambda source, split, **o: load(source, split, clips=3, seconds=1.6)
    )


def test_the_experiment_goes_on_where_it_stopped_and_its_record_is_complete(
    tmp_path, few, monkeypatch, capsys
):
    assert ranking_losses.run(arguments(tmp_path)) == 0
    record = records.load(tmp_path / "ranking.json")
    rows = [r for r in record["rows"] if r["experiment"] == "ranking"]
    assert {r["method"] for r in rows} == set(ranking_losses.KINDS) and {
        r["seeds"] for r in rows
    } == {2}
    assert all(r["ratio"] == 1 for r in rows if r["method"] == "neither")
    assert any(r["ratio"] != 1 for r in rows if r["method"] == "both")
    assert all(r["ci_low"] <= r["value"] <= r["ci_high"] for r in rows)
    assert not any(r["regime"] == "none" and "hidden" in r["metric"] for r in rows)
    swept = [r for r in record["rows"] if r["experiment"] == "ranking_sweep"]
    assert [r["weights"] for r in swept] == [[0, 0], [1, 0], [3, 0], [0, 1], [0, 3], [1, 1], [3, 3]]
    assert all(0 < r["spatial"] <= 100 for r in swept)  # an accuracy
    assert all(
        r["weights"] in [s["weights"] for s in swept if s["method"] == r["method"]] for r in rows
    )

    monkeypatch.setattr(ranking_losses, "train_network", lambda *_: pytest.fail("trained again"))
    assert ranking_losses.run(arguments(tmp_path)) == 0
    assert records.load(tmp_path / "ranking.json")["rows"] == record["rows"]
    with pytest.raises(InputError, match="settings: expected those of this run"):
        ranking_losses.run(arguments(tmp_path, "--steps", "3"))


def test_windows_longer_than_the_clips_are_refused_before_the_training(tmp_path, few, monkeypatch):
    monkeypatch.setattr(ranking_losses, "train_network", lambda *_: pytest.fail("trained"))
    with pytest.raises(
        InputError,
        match=r"ranking: --frames: expected at most 80, as long as .* val clips, found 81",
    ):
        ranking_losses.run(arguments(tmp_path, "--frames", "81"))
    assert not list(tmp_path.iterdir())


def test_the_weights_of_least_hidden_error_are_chosen():
    swept = {
        ranking_losses.Variant(): [[{"clip": "a", "mpjpe_hidden": 9.0}]],
        **{
            ranking_losses.Variant(w, 0.0): [[{"clip": "a", "mpjpe_hidden": abs(w - 3)}]]
            for w in (1.0, 3.0)
        },
        **{
            ranking_losses.Variant(0.0, w): [[{"clip": "a", "mpjpe_hidden": w}]] for w in (1.0, 3.0)
        },
        **{ranking_losses.Variant(w, w): [[{"clip": "a", "mpjpe_hidden": -w}]] for w in (1.0, 3.0)},
    }
    assert ranking_losses.choose_weights(swept) == [(0, 0), (3, 0), (0, 1), (3, 3)]


def test_weights_are_chosen_on_val(tmp_path, few):
    ranking_losses.run(arguments(tmp_path))
    done = {(p.parent.name, p.name) for p in (tmp_path / "runs").rglob("*.json")}
    assert {f for f, n in done if n == "val.json"} == {
        f"{s}-{t}-0" for s, t in [(0, 0), (1, 0), (3, 0), (0, 1), (0, 3), (1, 1), (3, 3)]
    }
    assert len([1 for _, n in done if n == "test.json"]) == 4 * 2


def test_a_cluster_gives_the_rows_of_one_process_to_the_digit(tmp_path, few, scheduler):
    rows = []
    for name, words in (("here", ()), ("there", ("--scheduler", scheduler))):
        assert ranking_losses.run(arguments(tmp_path / name, "--seeds", "1", *words)) == 0
        rows.append(records.load_rows(tmp_path / name / "ranking.json"))
    assert rows[0] == rows[1]
