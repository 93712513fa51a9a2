"""Tables of the benchmark's record: what is compared with what, in which order."""

import matplotlib
import pytest

from benchmarks import records
from benchmarks.paired_statistics import AVERAGED
from benchmarks.reports import acceptance, benchmark_tables
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.errors import InputError

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


def test_a_setting_has_one_name_in_all_tables():
    found = benchmark_tables.read()
    names = [setting.name for setting in found]
    assert len(set(names)) == len(names)
    for made in (
        benchmark_tables.tabulate_runs(found),
        benchmark_tables.rank_methods(found),
        benchmark_tables.tabulate_paired_ratios(),
        benchmark_tables.tabulate_subjects(),
    ):
        assert {row["setting"] for row in made} == set(names)
    assert (
        [row[0] for row in acceptance.tabulate_verdicts(found).cells]
        == benchmark_tables.tabulate_settings(found, "accel_error").header[1:]
        == names
    )


def test_a_ratio_is_of_means_against_the_one_best_over_all_regimes():
    made = rows({"linear": scaled(100, limb=60.0), "rts": scaled(80), "stride_ours": scaled(40)})
    assert benchmark_tables.compute_ratio(made, "mpjpe_hidden", benchmark_tables.CLASSICAL) == (
        pytest.approx(0.5),
        "rts",
        AVERAGED,
    )
    assert benchmark_tables.compute_ratio(made, "mpjpe_hidden", ["linear"]).value == pytest.approx(
        160 / 360
    )
    assert benchmark_tables.compute_ratio(made, "mpjpe_hidden", ["smoothnet"]) is None
    assert benchmark_tables.compute_ratio(made, "accel_error", benchmark_tables.CLASSICAL) is None


def test_who_lacks_a_regime_is_not_compared():
    made = rows({"linear": {"limb": 10.0}, "rts": scaled(80), "stride_ours": scaled(40)})
    assert (
        benchmark_tables.compute_ratio(made, "mpjpe_hidden", benchmark_tables.CLASSICAL).against
        == "rts"
    )
    part = rows({"rts": scaled(80), "stride_ours": {"limb": 40.0, "none": 1.0}})
    assert benchmark_tables.compute_ratio(
        part, "mpjpe_hidden", benchmark_tables.CLASSICAL
    ).over == ("limb",)


def test_the_worst_regime_is_found_also_where_nothing_is_hidden():
    made = rows({"prior": scaled(10), "stride_ours": scaled(10, half=12.0)})
    everywhere = made + rows(
        {"prior": {"none": 10.0}, "stride_ours": {"none": 13.0}}, metric="mpjpe"
    )
    assert benchmark_tables.find_worst_ratio(made, "mpjpe_hidden", ["prior"]) == (
        pytest.approx(1.2),
        "prior",
        ("half",),
    )
    assert benchmark_tables.find_worst_ratio(
        everywhere, "mpjpe_hidden", ["prior"], otherwise="mpjpe"
    ).over == ("none",)


def test_what_is_absent_is_said_once(read):
    found = read(
        rows({m: {"limb": 1.0} for m in ("input", "stride_ours")}),
        rows({"input": {"limb": 1.0}}, "unseen_noise", "drift"),
    )
    said = benchmark_tables.list_absent(found)
    assert (
        "setting unseen motion: lag: absent" in said
        and "setting unseen noise: drift: absent" not in said
    )
    assert (
        "method prior_base: absent" in said
        and "method stride_ours: absent in unseen noise: drift" in said
    )
    assert "regime half: absent" in said and not [
        line for line in said if line.startswith("regime limb")
    ]


def test_tables_are_in_the_order_of_the_book_and_keep_what_it_does_not_know(read):
    made = rows({m: {"limb": 2.0, "flicker": 1.0} for m in ("new", "stride_ours", "rts", "input")})
    shown = benchmark_tables.tabulate_regimes(made, "mpjpe_hidden")
    assert shown.header == ["method", "flicker", "limb"] and [row[0] for row in shown.cells] == [
        "input",
        "rts",
        "stride_ours",
        "new",
    ]
    assert benchmark_tables.tabulate_regimes(made, "accel_error") is None


def test_means_are_of_who_has_every_regime(read):
    made = rows(
        {"linear": {"limb": 10.0}, "rts": scaled(80, limb=40.0, none=1.0), "input": scaled(90)}
    )
    assert benchmark_tables.average_regimes(made, "mpjpe_hidden") == {
        "input": pytest.approx(90),
        "rts": pytest.approx(70),
    }
    assert benchmark_tables.average_regimes(made, "accel_error") == {}
    shown = benchmark_tables.tabulate_settings(read(made), "mpjpe_hidden")
    assert shown.header == ["method", "seen noise: estimator"]
    assert shown.cells == [["input", "90.0"], ["linear", "–"], ["rts", "70.0"]] and shown.best == {
        (2, 1)
    }


def test_standings_count_who_is_first_and_whose_intervals_are_apart(read):
    made = rows(
        {"rts": scaled(10), "prior": scaled(9.5, limb=1.0), "stride_ours": scaled(9, half=5.0)}
    )
    (row,) = benchmark_tables.rank_methods(read(made))
    assert row["first in"] == "stride_ours 3, prior 1" and row["apart"] == "1 of 4"


def test_a_record_of_one_clip_has_no_intervals_and_is_read(read):
    single = [
        row | {"ci_low": None, "ci_high": None}
        for row in rows({"rts": scaled(80), "stride_ours": scaled(40)})
    ]
    found = read(single)
    assert [row["apart"] for row in benchmark_tables.rank_methods(found)] == ["0 of 4"]
    (mine,) = found.values()
    (figure,) = benchmark_tables.plot_bars(
        benchmark_tables.select_panels(mine, "mpjpe_hidden"), "mm"
    )
    assert all(ax.get_xlim()[1] > 80 for ax in figure.axes)


def test_losses_are_where_the_whole_interval_is_above_one(tmp_path):
    def row(regimes, value, metric="mpjpe_hidden"):
        return {
            "experiment": "unseen_motion",
            "noise": "lag",
            "source": "hdm05",
            "input": "estimator",
            "metric": metric,
            "rival": "classical",
            "against": "rts",
            "value": value,
            "ci_low": value - 0.1,
            "ci_high": value + 0.1,
            "n": 24,
            "clips": 5,
            "regimes": regimes,
        }

    save(
        tmp_path / "b_ratios.json",
        [
            row("limb half", 1.5),
            row("block", 1.3, "mpjpe_visible"),
            row("limb", 1.2),
            row("half", 1.05),
            row("flicker", 1.15),
            row("block", 1.3, "mpjpe"),
            *(row(regime, 2.0, "accel_error") for regime in REGIMES),
        ],
    )
    about = {"setting": "unseen motion: lag", "rival": "rts"}
    assert benchmark_tables.list_losses(tmp_path / "b.json") == [
        {
            "error": "hidden",
            "regimes": "limb, flicker",
            "ratio, at its greatest": "1.200 [1.100–1.300]",
        }
        | about,
        {"error": "visible", "regimes": "block", "ratio, at its greatest": "1.300 [1.200–1.400]"}
        | about,
        {"error": "acceleration", "regimes": "all", "ratio, at its greatest": "2.000 [1.900–2.100]"}
        | about,
    ]


def test_ratios_are_shown_by_setting_as_asked(tmp_path):
    about = {
        "experiment": "unseen_motion",
        "noise": "lag",
        "source": "hdm05",
        "input": "estimator",
        "n": 24,
        "clips": 5,
    }
    row = about | {
        "metric": "accel_error",
        "rival": "classical",
        "value": 1.2,
        "ci_low": 1.0,
        "ci_high": 1.4,
    }
    save(
        tmp_path / "b_ratios.json",
        [row | {"regimes": "limb"}, row | {"value": 0.5, "regimes": " ".join(AVERAGED)}],
    )
    (shown,) = benchmark_tables.tabulate_paired_ratios(
        tmp_path / "b.json", {"a": ("accel_error", "classical"), "b": ("mpjpe_visible", "input")}
    )
    assert shown == {
        "setting": "unseen motion: lag",
        "clips": 5,
        "a": "0.50 [1.00–1.40]",
        "b": None,
    }


def test_claims_stand_beside_what_was_found(tmp_path):
    def row(part, claimed, value, method="stride_ours"):
        return {
            "experiment": "unseen_noise",
            "noise": "drift",
            "source": "cmu",
            "input": "estimator",
            "method": method,
            "part": part,
            "claimed": claimed,
            "value": value,
            "ci_low": value - 0.1,
            "ci_high": value + 0.1,
            "n": 12,
        }

    save(
        tmp_path / "b_claims.json",
        [row("hidden", 0.8, 0.6), row("hidden", 0.1, 0.1, "prior"), row("visible", 0.9, 0.85)],
    )
    assert benchmark_tables.tabulate_calibration(tmp_path / "b.json") == [
        {
            "setting": "unseen noise: drift",
            "cases": 12,
            "hidden: claimed": 0.8,
            "hidden: found": "0.60 [0.50–0.70]",
            "visible: claimed": 0.9,
            "visible: found": "0.85 [0.75–0.95]",
        }
    ]


def test_pictures_share_their_axis():
    groups = benchmark_tables.select_panels(
        rows({m: scaled(x) for m, x in (("input", 50), ("stride_ours", 20))}), "mpjpe_hidden"
    )
    assert list(groups) == ["limb, n = 6", "half, n = 6", "block, n = 6", "whole_1s, n = 6"]
    figures = benchmark_tables.plot_bars(groups | {"more": {"input": 90.0}}, "mm")
    assert [len(figure.axes) for figure in figures] == [3, 2]
    assert {ax.get_xlim() for figure in figures for ax in figure.axes} == {(0, 1.03 * 90)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: made + made[:1], "one row a regime, method and metric"),
        (
            lambda made: [{k: v for k, v in row.items() if k != "ci_low"} for row in made],
            "the key ci_low in every row",
        ),
    ],
)
def test_a_record_that_is_none_is_refused(read, change, said):
    with pytest.raises(InputError, match=said):
        read(change(rows({"input": scaled(1)})))
