"""A record says what a run was, survives the way to disk and back, and never half."""

import hashlib
import json
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import records
from stride_nb.errors import InputError
from stride_nb.models import checkpoints
from stride_nb.training import provenance


def make(**changed):
    arguments = {
        "parameters": {"steps": 30},
        "seed": 0,
        "seconds": 1.26,
        "units": {"mpjpe": "mm"},
    } | changed
    rows = arguments.pop("rows", [{"method": "linear", "mpjpe": 41.2}])
    return records.make_record("try", rows, **arguments)


def test_says_what_the_run_was():
    run = make()
    assert set(run) == set(records.FIELDS)
    assert run["versions"]["numpy"] == np.__version__
    assert run["hardware"]["cores"] >= 1 and run["hardware"]["cpu"]
    assert run["seconds"] == 1.3
    assert run["commit"] == "unknown" or len(run["commit"].rstrip("+")) == 12


def test_there_and_back(tmp_path):
    run = make(
        rows=[
            {"mpjpe": np.float32(1.5), "n": np.int64(3), "worst": np.nan, "per_joint": np.arange(2)}
        ]
    )
    records.save(run, tmp_path / "a.json")
    assert records.load(tmp_path / "a.json") == run
    assert records.load_rows(tmp_path / "a.json") == [
        {"mpjpe": 1.5, "n": 3, "worst": None, "per_joint": [0, 1]}
    ]


def test_same_run_same_bytes(tmp_path):
    run = make(parameters={"b": 1, "a": 2})
    records.save(run, tmp_path / "a.json")
    records.save(dict(reversed(run.items())), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8", exclude_characters="/")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
)


@settings(max_examples=30, deadline=None)
@given(json_values)
def test_whatever_is_recorded_can_be_read(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("records") / "a.json"
    run = make(parameters={"value": value})
    records.save(run, path)
    assert records.load(path) == run


@pytest.mark.parametrize("content", ["", "[]", "{", '{"experiment": "x"}', '{"rows": 3}', "\x00"])
def test_refuses_what_is_no_record(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"a.json: .*expected"):
        records.load(path)


def test_a_bare_list_of_rows_is_no_record(tmp_path):
    (tmp_path / "a.json").write_text('[{"value": 1}, {"value": 2}]')
    with pytest.raises(InputError, match=r"a.json: record: expected an object, found list"):
        records.load_rows(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(json.dumps(make() | {"rows": [1]}))
    with pytest.raises(InputError, match=r"a.json: rows: expected a list of objects"):
        records.load_rows(tmp_path / "a.json")


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="nothing there"):
        records.load(tmp_path / "none.json")


@pytest.mark.parametrize("field", records.FIELDS)
def test_refuses_a_missing_field(tmp_path, field):
    run = make()
    del run[field]
    (tmp_path / "a.json").write_text(json.dumps(run))
    with pytest.raises(InputError, match=f"{field}: expected"):
        records.load(tmp_path / "a.json")


@pytest.mark.parametrize("text", ["/srv/someone/data.npz", "stride-nb train --out /var/x/y"])
def test_holds_no_path_of_the_machine(tmp_path, text):
    with pytest.raises(InputError, match="no absolute path"):
        records.save(make(parameters={"command": text}), tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def test_parameters_are_known_to_be_storable_before_the_run(tmp_path):
    weights = tmp_path / "deep" / "a.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"abc")
    found = records.check_parameters(
        {"windows": 3, "former": weights}, former=weights, prior="prior"
    )
    assert found == {
        "windows": 3,
        "former": "a.safetensors",
        "former_sha256": hashlib.sha256(b"abc").hexdigest(),
        "prior_sha256": json.loads((checkpoints.WEIGHTS / "prior.json").read_text())["sha256"],
    }
    records.save(make(parameters=found), tmp_path / "a.json")
    with pytest.raises(InputError, match="parameters: text: expected no absolute path"):
        records.check_parameters({"former": str(weights)})
    with pytest.raises(InputError, match="nothing there"):
        records.check_parameters({}, former=tmp_path / "none.safetensors")


def test_units_and_addresses_are_no_paths(tmp_path):
    records.save(
        make(units={"speed": "m/s"}, protocol="see https://example.org/a/b; walk/run/jump"),
        tmp_path / "a.json",
    )
    assert records.load(tmp_path / "a.json")["units"] == {"speed": "m/s"}


def test_commit_names_the_tree_and_says_when_it_differs(tmp_path, monkeypatch):
    def git(*words):
        return subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c", *words],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    (tmp_path / "a.txt").write_text("1")
    git("init"), git("add", "a.txt"), git("commit", "-m", "first")
    head = git("rev-parse", "--short=12", "HEAD")
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    assert provenance.get_commit() == head
    (tmp_path / "a.txt").write_text("2")
    assert provenance.get_commit() == head + "+"
    (tmp_path / "deep").mkdir()
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path / "deep")
    assert provenance.get_commit() == "unknown"
