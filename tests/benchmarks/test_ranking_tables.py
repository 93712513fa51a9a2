"""The chapter on the ranking losses: what it says of a record follows from the record, whichever
way that falls."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmarks import ranking_losses, records
from benchmarks.reports import ranking_tables
from stride_nb.errors import InputError
from stride_nb.evaluation import lifter_harness

matplotlib.use("Agg")
WEIGHTS = {
    "neither": [0.0, 0.0],
    "spatial": [3.0, 0.0],
    "temporal": [0.0, 10.0],
    "both": [3.0, 3.0],
}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def scores(factor, seed, windows=40):
    """Rows of ``lift_cases.score``, metrics in mm and % times a factor; the seed's own share is
    small."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(windows):
        base = {
            m: (80 if unit == "mm" else 70) * rng.uniform(0.9, 1.1)
            for m, unit in lifter_harness.LIFTER_METRICS.items()
        }
        made.append(
            {"clip": f"c{i % 8}", "regime": ("limb", "half")[i % 2]}
            | {m: v * factor * (1 + 0.001 * seed) for m, v in base.items()}
        )
    return made


def saved(path, factors):
    tested = {
        kind: [scores(factor + (0.001 * i if kind != "neither" else 0), i) for i in range(3)]
        for kind, factor in factors.items()
    }
    rows = [
        row | {"source": "cmu", "weights": WEIGHTS[kind]}
        for kind in factors
        for row in ranking_losses.summarise(tested, kind)
    ]
    tried = [[0.0, 0.0]] + [
        [a * w, b * w] for a, b in ((1, 0), (0, 1), (1, 1)) for w in (1.0, 3.0, 10.0)
    ]
    sweep = [
        {
            "experiment": "ranking_sweep",
            "method": ranking_losses.Variant(*w).kind,
            "weights": w,
            "seeds": 1,
        }
        | lifter_harness.average_windows(scores(1 + 0.01 * i, 0))[0]
        for i, w in enumerate(tried)
    ]
    asked = {
        "source": "cmu",
        "dim": 16,
        "depth": 1,
        "frames": 30,
        "pool": 8,
        "steps": 2,
        "batch": 4,
        "lr": 1e-3,
        "seeds": 3,
        "sweep_seeds": 1,
    }
    records.save(
        records.make_record("ranking", sweep + rows, parameters=asked, seed=[0, 1, 2], seconds=60),
        path,
    )
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return ranking_tables.read(
        saved(
            tmp_path_factory.mktemp("view") / "ranking.json",
            {"neither": 1.0, "spatial": 0.9, "temporal": 1.1, "both": 0.9999},
        )
    )


def test_better_is_less_error_and_more_order(found):
    errors, orders = (
        ranking_tables.select_effects(found, ranking_tables.ERRORS),
        ranking_tables.select_effects(found, ranking_tables.ORDERS),
    )
    assert (
        {e.standing for e in errors["spatial"].values()}
        == {e.standing for e in orders["temporal"].values()}
        == {"better"}
    )
    assert (
        {e.standing for e in errors["temporal"].values()}
        == {e.standing for e in orders["spatial"].values()}
        == {"worse"}
    )
    assert str(errors["spatial"]["hidden joints"]) == "0.9010 [0.9010, 0.9010]"
    # `both` as its seeds: 1.0009
    assert "81 leave out 1: 45 better, 36 worse" in ranking_tables.summarise_intervals(found)


def test_an_effect_is_open_where_its_interval_or_its_seeds_hold_one():
    effect = ranking_tables.Effect(0.99, 0.98, 1.0, 0.985, 0.995, higher=False)
    assert (effect.standing, effect.seeds) == ("open", "better")
    assert ranking_tables.Effect(0.99, np.nan, np.nan, 0.98, 1.001, higher=True)._asdict()["higher"]
    assert ranking_tables.Effect(0.99, np.nan, np.nan, 0.98, 1.001, higher=True).standing == "open"
    seen = ranking_tables.count_standings(
        {"both": {"limb": effect, "half": effect._replace(high=0.999), "all": effect}}
    )
    assert seen == ["both: better in 1, worse in 0, open in 1 of 2"]


def test_percent_is_the_way_from_one():
    effect = ranking_tables.Effect(0.99, 0.98, 1.005, 0.97, 1.02, higher=False)
    assert ranking_tables.list_percent_changes({"both": {"all": effect}}) == [
        "  both: -2.00 to +0.50 %; seeds -3.00 to +2.00 %"
    ]


def test_regimes_come_apart_and_all_of_them_last(found):
    hidden = ranking_tables.select_effects(found, "mpjpe_hidden")
    assert list(hidden) == ["spatial", "temporal", "both"] and list(hidden["both"]) == [
        "limb",
        "half",
        "all",
    ]
    assert (
        hidden["spatial"]["all"]
        == ranking_tables.select_effects(found, ranking_tables.ERRORS)["spatial"]["hidden joints"]
    )
    lines = ranking_tables.list_effects(hidden)
    assert (
        len(lines) == 9
        and "spatial: limb 0.9010 [0.9010, 0.9010], better; seeds 0.9000 to 0.9020, better" in lines
    )


def test_the_sweep_names_what_was_tested_and_what_lies_at_an_end(found):
    text = ranking_tables.tabulate_sweep(found).markdown()
    assert text.count("| yes |") == 4 and len(found.sweep) == 10
    assert ranking_tables.select_weights(found)["temporal"]["weights"] == [
        0,
        10,
    ] and ranking_tables.list_edge_choices(found) == ["temporal"]
    assert "**" in ranking_tables.tabulate_means(found, ranking_tables.ORDERS).markdown()


def test_what_all_had_in_common_is_read_off_the_record(found):
    common = {row[""]: row["value"] for row in ranking_tables.tabulate_setup(found)}
    assert common["windows tested"] == "40" and common["parameters of RePOSE's"] == "16,001,549"
    assert ranking_tables.count_people("cmu") > 0 and ranking_tables.count_people("synthetic") == 0


def test_figures_are_small_and_labelled(found, tmp_path):
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 0.3, (17, 3))
    figures = [
        ranking_tables.plot_sweep(found),
        ranking_tables.plot_forest(
            ranking_tables.select_effects(found, ranking_tables.ORDERS), "ratio"
        ),
        ranking_tables.plot_depth_order(
            pose + 0.05 * rng.normal(size=pose.shape), pose, rng.random(17) < 0.3
        ),
    ]
    for number, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").stat().st_size <= 100_000
    assert all(ax.get_xlabel() for figure in figures[:2] for ax in figure.axes)


def test_the_picture_of_pairs_marks_as_many_as_the_metric_counts(found):
    from stride_nb.evaluation.metrics import depth_order_accuracy_spatial

    rng = np.random.default_rng(1)
    truth = rng.normal(0, 0.3, (17, 3))
    answer = truth + 0.2 * rng.normal(size=truth.shape)
    (shown,) = ranking_tables.plot_depth_order(answer, truth, np.zeros(17, bool)).axes[1].images
    colours, counts = np.unique(
        np.asarray(shown.get_array()).reshape(-1, 3), axis=0, return_counts=True
    )
    by_colour = {tuple(c.round(2)): n for c, n in zip(colours, counts)}
    share = depth_order_accuracy_spatial(answer[None, :, 2], truth[None, :, 2])["all"]
    assert by_colour[(0.87, 0.87, 0.87)] == round(share * 136)


@pytest.mark.parametrize("lacking", ["ranking", "ranking_sweep"])
def test_a_record_without_a_kind_is_refused(found, tmp_path, lacking):
    rows = [r for r in found.run["rows"] if (r["experiment"], r["method"]) != (lacking, "both")]
    records.save(found.run | {"rows": rows}, tmp_path / "bad.json")
    with pytest.raises(
        InputError, match=f"rows: expected rows of {lacking} for neither, spatial, temporal, both"
    ):
        ranking_tables.read(tmp_path / "bad.json")
