"""The benchmark: resumable parts, rows in the promised form, nothing lost."""

import argparse
import json

import pytest

from benchmarks import occlusion_benchmark, records
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.errors import InputError
from stride_nb.evaluation.harness import compare_methods
from stride_nb.evaluation.metrics import UNITS
from stride_nb.models import checkpoints, registry
from stride_nb.refinement.filters import TUNED
from stride_nb.training import provenance

KEYS = {
    "experiment",
    "noise",
    "source",
    "split",
    "regime",
    "input",
    "method",
    "metric",
    "unit",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "seeds",
    "wall_s",
    "hardware",
    "commit",
}


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """A benchmark of seconds: synthetic people, a network of nothing, three cheap methods."""
    clips = datasets.load("synthetic", "test", clips=3, seconds=2)
    monkeypatch.setattr(datasets, "load", lambda source, split: clips)
    config = {
        "head": "prior",
        "backbone": "frameformer",
        "arguments": {"dim": 16, "depth": 1, "heads": 2},
    }
    network = registry.build_network(**config)
    checkpoints.save_weights(tmp_path / "p.safetensors", network.state_dict(), {"config": config})
    parser = argparse.ArgumentParser()
    occlusion_benchmark.add_arguments(parser)
    return parser.parse_args(
        "--experiments seen_noise unseen_noise --inputs estimator --regimes none limb "
        "--methods input linear prior --seeds 2 --windows 2 --threads 1 "
        f"--model {tmp_path}/p.safetensors --runs {tmp_path}/runs --out {tmp_path}/b.json".split()
    )


def strip(rows):
    """Without the seconds that a run took."""
    rows = json.loads(rows)["rows"] if isinstance(rows, str) else records.load_rows(rows)
    return [{key: value for key, value in row.items() if key != "wall_s"} for row in rows]


def test_rows_have_the_promised_form(arguments):
    assert occlusion_benchmark.run(arguments) == 0
    rows = records.load_rows(arguments.out)
    assert all(set(row) == KEYS for row in rows)
    assert {row["experiment"] for row in rows} == {"seen_noise", "unseen_noise"}
    assert {row["noise"] for row in rows if row["experiment"] == "unseen_noise"} == set(
        estimator_noise.UNSEEN
    )
    assert not [row for row in rows if row["regime"] == "none" and row["metric"] == "mpjpe_hidden"]
    for row in rows:
        assert row["unit"] == UNITS[row["metric"]] and row["n"] == 4 and row["seeds"] == 2
        assert row["ci_low"] <= row["value"] <= row["ci_high"]


def test_without_an_interval_the_file_is_still_json(arguments, monkeypatch):
    clip = datasets.load("synthetic", "test")[:1]
    monkeypatch.setattr(datasets, "load", lambda source, split: clip)
    assert occlusion_benchmark.run(arguments) == 0
    for path in (
        arguments.out,
        arguments.out.with_stem("b_ratios"),
        arguments.out.with_stem("b_subjects"),
    ):
        json.loads(path.read_text(), parse_constant=pytest.fail)
    rows = records.load_rows(arguments.out)
    assert rows and all(
        row["value"] >= 0 and row["ci_low"] is row["ci_high"] is None for row in rows
    )


def test_finished_parts_are_not_run_again(arguments, monkeypatch):
    occlusion_benchmark.run(arguments)
    first = arguments.out.read_text()
    monkeypatch.setattr(occlusion_benchmark, "compare_methods", lambda *a: pytest.fail("ran again"))
    occlusion_benchmark.run(arguments)
    assert arguments.out.read_text() == first


def test_methods_can_be_run_one_after_the_other(arguments, monkeypatch):
    occlusion_benchmark.run(arguments)
    whole, ran = arguments.out.read_text(), []
    for path in [*arguments.runs.iterdir(), *arguments.out.parent.glob("b*.json")]:
        path.unlink()
    monkeypatch.setattr(
        occlusion_benchmark,
        "compare_methods",
        lambda cases, methods, *told: ran.extend(methods) or compare_methods(cases, methods, *told),
    )
    for methods in (["prior"], ["input", "linear"], ["input", "linear", "prior"]):
        arguments.methods = methods
        occlusion_benchmark.run(arguments)
    assert strip(arguments.out) == strip(whole)
    assert {ran.count(method) for method in ("input", "linear", "prior")} == {len(ran) // 3}, (
        "each as often as there are windows"
    )


def test_a_cluster_gives_the_record_of_one_process_to_the_digit(arguments, scheduler):
    occlusion_benchmark.run(arguments)
    names = ("b", "b_ratios", "b_subjects", "b_claims")
    local = [strip(arguments.out.with_stem(name)) for name in names]
    for path in [*arguments.runs.glob("*.json"), *arguments.out.parent.glob("b*.json")]:
        path.unlink()
    occlusion_benchmark.run(argparse.Namespace(**vars(arguments) | {"scheduler": scheduler}))
    assert [strip(arguments.out.with_stem(name)) for name in names] == local


def test_two_runs_at_a_time_lose_nothing_of_each_other(arguments, monkeypatch):
    """While the prior is run, another run does the rest of the same parts and ends first."""
    occlusion_benchmark.run(arguments)
    whole = arguments.out.read_text()
    parts = {path.name: strip_part(path) for path in arguments.runs.glob("*.json")}
    for path in [*arguments.runs.glob("*.json"), *arguments.out.parent.glob("b*.json")]:
        path.unlink()
    others = argparse.Namespace(**vars(arguments) | {"methods": ["input", "linear"]})
    arguments.methods, waiting = ["prior"], [others]

    def compare(cases, methods, *told):
        if waiting:
            occlusion_benchmark.run(waiting.pop())
        return compare_methods(cases, methods, *told)

    monkeypatch.setattr(occlusion_benchmark, "compare_methods", compare)
    occlusion_benchmark.run(arguments)
    assert {path.name: strip_part(path) for path in arguments.runs.glob("*.json")} == parts
    assert sorted(map(str, strip(arguments.out))) == sorted(map(str, strip(whole)))


def strip_part(path):
    """The rows of a part by method, without seconds."""
    methods = json.loads(path.read_text())["methods"]
    return {
        name: [{k: v for k, v in row.items() if k != "seconds"} for row in methods[name]["rows"]]
        for name in sorted(methods)
    }


def test_a_run_of_some_settings_leaves_the_others_as_they_are(arguments):
    arguments.experiments = ["unseen_noise", "unseen_motion"]
    occlusion_benchmark.run(arguments)
    files = [
        arguments.out,
        arguments.out.with_stem("b_ratios"),
        arguments.out.with_stem("b_subjects"),
    ]
    whole = [file.read_text() for file in files]
    for file in files:
        run = records.load(file)
        kept = [row for row in run["rows"] if row["noise"] != "lag"]
        records.save(run | {"rows": kept}, file)
    arguments.noise = ["lag"]
    occlusion_benchmark.run(arguments)
    assert [file.read_text() for file in files] == whole, (
        "the rows that were missing, where they had been"
    )


def test_methods_that_are_not_asked_for_stay_in_the_record(arguments):
    occlusion_benchmark.run(arguments)
    whole = strip(arguments.out)
    arguments.methods = ["prior"]
    occlusion_benchmark.run(arguments)
    assert sorted(map(str, strip(arguments.out))) == sorted(map(str, whole))


def test_rivals_that_are_not_run_again_are_rivals_all_the_same(arguments):
    """Else the best of them would be the best of those that are."""
    arguments.experiments, arguments.regimes, arguments.seeds = ["seen_noise"], ["limb"], 1
    arguments.methods = ["hold", "gaussian", "prior", "stride_ours"]
    occlusion_benchmark.run(arguments)
    ratios = arguments.out.with_stem("b_ratios")
    whole = strip(ratios)
    best = {
        row["against"]
        for row in whole
        if row["rival"] == "classical" and row["metric"] == "accel_error"
    }
    assert best == {"gaussian"}
    arguments.methods = ["hold", "stride_ours"]
    occlusion_benchmark.run(arguments)
    assert strip(ratios) == whole


def test_methods_that_others_are_set_against_have_to_be_in_the_folder(arguments, monkeypatch):
    occlusion_benchmark.run(arguments)
    whole = arguments.out.read_bytes()
    monkeypatch.setattr(occlusion_benchmark, "compare_methods", lambda *a: pytest.fail("ran"))
    there = vars(arguments) | {"methods": ["prior"], "runs": arguments.runs.with_name("others")}
    with pytest.raises(
        InputError,
        match=r"estimator-0.json: methods: expected windows of all that .*b.json has.*"
        "found none of input",
    ):
        occlusion_benchmark.run(argparse.Namespace(**there))
    assert arguments.out.read_bytes() == whole


def test_every_method_has_the_computer_that_it_ran_on(arguments, monkeypatch):
    for methods, cores in ((["linear"], 2), (["prior"], 64), (["linear", "prior"], 1)):
        monkeypatch.setattr(
            provenance, "describe_hardware", lambda n=cores: {"cpu": "", "cores": n, "gpu": None}
        )
        occlusion_benchmark.run(argparse.Namespace(**vars(arguments) | {"methods": methods}))
    found = {(row["method"], row["hardware"]["cores"]) for row in records.load_rows(arguments.out)}
    assert found == {("linear", 2), ("prior", 64)}


def test_windows_are_of_the_test_people_of_each_experiments_source(arguments, monkeypatch):
    made, asked = datasets.load, set()
    monkeypatch.setattr(
        datasets, "load", lambda source, split: asked.add((source, split)) or made(source, split)
    )
    arguments.experiments, arguments.noise, arguments.methods = (
        ["unseen_noise", "unseen_motion"],
        ["drift"],
        ["input"],
    )
    occlusion_benchmark.run(arguments)
    assert asked == {("cmu", "test"), ("hdm05", "test")}


def test_each_input_gets_the_parameters_tuned_for_it(arguments, monkeypatch):
    told = []
    monkeypatch.setattr(
        occlusion_benchmark,
        "compare_methods",
        lambda made, methods, model, seed, options: (
            told.append((made[0].input, options))
            or compare_methods(made, methods, model, seed, options)
        ),
    )
    arguments.experiments, arguments.inputs, arguments.seeds, arguments.methods = (
        ["seen_noise"],
        ["estimator", "lifted"],
        1,
        ["linear"],
    )
    occlusion_benchmark.run(arguments)
    assert {kind for kind, _ in told} == {"estimator", "lifted"} and all(
        options == TUNED[kind] for kind, options in told
    )


def test_a_run_of_no_setting_and_a_file_that_is_no_record_are_refused_at_once(
    arguments, monkeypatch
):
    monkeypatch.setattr(occlusion_benchmark, "compare_methods", lambda *a: pytest.fail("ran"))
    with pytest.raises(InputError, match=r"--noise.*detector"):
        occlusion_benchmark.run(argparse.Namespace(**vars(arguments) | {"noise": ["detector"]}))
    arguments.out.write_text("poses")
    with pytest.raises(InputError, match=r"b.json"):
        occlusion_benchmark.run(arguments)
    assert arguments.out.read_text() == "poses"


@pytest.mark.parametrize("other", [{"regimes": ["limb"]}, {"windows": 1}])
def test_a_smaller_run_does_not_take_the_place_of_a_finished_one(arguments, other):
    """Hours of results would be gone for a minute's."""
    occlusion_benchmark.run(arguments)
    files = [*arguments.runs.iterdir(), arguments.out]
    whole = [file.read_bytes() for file in files]
    with pytest.raises(
        InputError,
        match=r"seen_noise-estimator-cmu-estimator-0.json: regimes, windows: "
        "expected those of the run kept there.*"
        "name another folder by --runs",
    ):
        occlusion_benchmark.run(
            argparse.Namespace(
                **vars(arguments) | other | {"out": arguments.out.with_name("c.json")}
            )
        )
    assert [file.read_bytes() for file in files] == whole


@pytest.mark.parametrize("other", [{"regimes": ["limb"]}, {"windows": 1}, {"seeds": 1}])
def test_a_smaller_run_is_not_written_over_the_record_of_a_larger_one(arguments, other):
    occlusion_benchmark.run(arguments)
    whole = arguments.out.read_bytes()
    there = argparse.Namespace(
        **vars(arguments) | other | {"runs": arguments.runs.with_name("others")}
    )
    with pytest.raises(
        InputError,
        match=r"b.json: regimes, windows, seeds: expected those of the rows that it would replace",
    ):
        occlusion_benchmark.run(there)
    assert arguments.out.read_bytes() == whole and not there.runs.exists(), "said before the hours"


def test_parts_of_other_weights_are_run_again(arguments):
    occlusion_benchmark.run(arguments)
    first = arguments.out.read_text()
    state, card = checkpoints.load_weights(arguments.model)
    changed = {name: x + 0.01 for name, x in state.items()}
    checkpoints.save_weights(
        arguments.model, changed, {k: v for k, v in card.items() if k != "sha256"}
    )
    occlusion_benchmark.run(arguments)
    value = {
        (r["method"], r["regime"], r["metric"]): r["value"]
        for r in records.load_rows(arguments.out)
    }
    before = {
        (r["method"], r["regime"], r["metric"]): r["value"] for r in json.loads(first)["rows"]
    }
    assert value["prior", "limb", "mpjpe"] != before["prior", "limb", "mpjpe"]
    assert value["linear", "limb", "mpjpe"] == before["linear", "limb", "mpjpe"]
