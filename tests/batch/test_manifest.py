"""The manifest: what was written is read, what a kill cut short is not there, and one writes."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stride_nb.batch.facts import collect_facts, note_facts
from stride_nb.batch.manifest import hash_input, is_input_unchanged, open_manifest
from stride_nb.errors import InputError

ROWS = [{"item": name, "status": "done", "message": "Größe ÷ 2"} for name in "abc"]


def write(path, rows=ROWS):
    with open_manifest(path) as manifest:
        for row in rows:
            manifest.add(row)


def read(path):
    with open_manifest(path) as manifest:
        return manifest.rows


def test_the_last_line_of_an_item_counts_and_is_the_only_one_of_the_next_run(tmp_path):
    path = tmp_path / "manifest.jsonl"
    write(path, [*ROWS, ROWS[0] | {"status": "failed"}])
    assert len(path.read_text().splitlines()) == 4
    assert read(path) == {row["item"]: row for row in ROWS} | {"a": ROWS[0] | {"status": "failed"}}
    assert len(path.read_text().splitlines()) == 3


@given(st.integers(0, 300))
def test_a_kill_at_any_byte_leaves_the_lines_before_it(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "manifest.jsonl"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n")
    assert list(read(path).values()) == ROWS[:complete]
    write(path, ROWS[complete:])
    assert path.read_bytes() == whole


@pytest.mark.parametrize("line", ["[]", "{}", "junk", "3"])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps(ROWS[0]) + f"\n{line}\n")
    with pytest.raises(InputError, match=r"manifest\.jsonl: line 2: expected a JSON object"):
        read(path)


def test_one_writes_at_a_time(tmp_path):
    pytest.importorskip("fcntl", reason="no file locks here")
    with (
        open_manifest(tmp_path / "m.jsonl"),
        pytest.raises(InputError, match="another one does"),
        open_manifest(tmp_path / "m.jsonl"),
    ):
        pass
    read(tmp_path / "m.jsonl")


def test_an_input_changes_with_its_content_not_with_its_time(tmp_path):
    file, folder = tmp_path / "a.json", tmp_path / "frames"
    folder.mkdir()
    for path in (file, folder / "1.json", folder / "2.json"):
        path.write_text("{}")
    row = hash_input([file, folder])
    assert is_input_unchanged(row, [file, folder])
    os.utime(file, (1, 1))
    assert is_input_unchanged(row, [file, folder])
    (folder / "2.json").write_text("[]")
    os.utime(folder / "2.json", (1, 1))
    assert not is_input_unchanged(row, [file, folder])
    assert hash_input([]) == {} and is_input_unchanged({}, [])
    assert not is_input_unchanged(row, []) and not is_input_unchanged({}, [file])


def test_facts_are_of_all_tracks_together():
    note_facts(5, 0.5)  # nobody listens
    with collect_facts() as facts:
        note_facts(100, 0.5)
        note_facts(300, 0.1)
    assert facts == {"frames": 400, "occluded": 0.2}
    with collect_facts() as facts:
        pass
    assert facts == {}
