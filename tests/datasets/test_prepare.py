"""From raw files to clips: the registry, hash-checked downloads, resuming, and the whole way
against known clips."""

from __future__ import annotations

import argparse
import hashlib
import http.server
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stride_nb.cli import prepare
from stride_nb.datasets import download
from stride_nb.datasets import prepare as preparation
from stride_nb.errors import InputError
from stride_nb.io.clip_archive import Label, read_clips, read_labels

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def mocap() -> Path:
    """The folder of prepared clips: ``STRIDE_NB_DATA``, else ``../shared/mocap``."""
    folder = Path(os.environ.get("STRIDE_NB_DATA", ROOT.parent / "shared" / "mocap"))
    if not (folder / "raw" / "cmu_raw_subset.zip").is_file():
        pytest.skip(f"no raw/cmu_raw_subset.zip in {folder}; STRIDE_NB_DATA names its folder")
    return folder


def test_the_registry_splits_by_subject_and_every_row_can_be_checked():
    entries = download.read_registry()
    assert len({e.filename for e in entries}) == len(entries) == 350
    assert all(
        len(e.sha256) == 64 and set(e.sha256) <= set("0123456789abcdef") and e.bytes > 0
        for e in entries
    )
    assert all(
        e.url.startswith("https://") and " " not in e.url and e.licence == "CMU" for e in entries
    )
    assert all(e.fps in (60, 120) for e in entries if e.role != "asf")
    people = {
        split: {e.subject for e in entries if e.split == split}
        for split in ("train", "val", "test")
    }
    assert people["test"] == {"06", "08", "09", "49", "86"} and people["val"] == {
        "02",
        "03",
        "17",
        "35",
    }
    assert not people["train"] & (people["test"] | people["val"])
    skeletons = {e.subject for e in entries if e.role == "asf"}
    # documented in data/README.md
    assert {e.subject for e in entries if e.role == "amc"} - skeletons == {"13"}


def test_a_broken_registry_is_refused(tmp_path):
    lines = download.REGISTRY.read_text().splitlines()[:3]
    whole = "\n".join(lines)
    for text in (
        whole.replace("2198779", "big"),
        whole.replace("sha256", "md5"),
        lines[0] + "\n1,2",
    ):
        (tmp_path / "r.csv").write_text(text)
        with pytest.raises(InputError, match=r"r\.csv: line 2"):
            download.read_registry(tmp_path / "r.csv")
    with pytest.raises(InputError, match="file"):
        download.read_registry(tmp_path / "nowhere.csv")


HIERARCHY = {
    "lhipjoint": "root",
    "lfemur": "lhipjoint",
    "ltibia": "lfemur",
    "rhipjoint": "root",
    "rfemur": "rhipjoint",
    "rtibia": "rfemur",
    "lowerback": "root",
    "upperback": "lowerback",
    "thorax": "upperback",
    "lowerneck": "thorax",
    "upperneck": "lowerneck",
    "head": "upperneck",
    "lclavicle": "thorax",
    "lhumerus": "lclavicle",
    "lradius": "lhumerus",
    "lwrist": "lradius",
    "rclavicle": "thorax",
    "rhumerus": "rclavicle",
    "rradius": "rhumerus",
    "rwrist": "rradius",
}


def person() -> str:
    """A small ASF file with every bone that the 17 joints need."""
    side = {
        "hipjoint": "{} -0.5 0",
        "femur": "0 -1 0",
        "tibia": "0 -1 0",
        "clavicle": "{} 0.3 0",
        "humerus": "{} 0 0",
        "radius": "{} 0 0",
        "wrist": "{} 0 0",
    }
    lines = [
        ":units",
        "length 0.45",
        "angle deg",
        ":root",
        "order TX TY TZ RX RY RZ",
        "axis XYZ",
        ":bonedata",
    ]
    for name in HIERARCHY:
        direction = side.get(name[1:], "0 1 0").format(1 if name[0] == "l" else -1)
        lines += [
            "begin",
            f"name {name}",
            f"direction {direction}",
            "length 3",
            "axis 0 0 0 XYZ",
            "dof rx rz",
            "end",
        ]
    return "\n".join(
        [*lines, ":hierarchy", *(f"{parent} {child}" for child, parent in HIERARCHY.items())]
    )


def performance(frames: int, phase: float) -> str:
    lines = [":DEGREES"]
    for t in range(frames):
        lines += [str(t + 1), f"root {t / 50} 17 0 0 {phase} 0"]
        lines += [
            f"{name} {10 * np.sin(t / 30 + phase):.6f} {n % 5}" for n, name in enumerate(HIERARCHY)
        ]
    return "\n".join(lines)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A registry whose files a local HTTP server offers: the entries, the server's folder, the
    paths asked for."""
    site, asked = tmp_path / "site", []
    contents = {
        "90.asf": person(),
        "90_01.amc": performance(150, 0),
        "90_02.amc": performance(200, 1),
    }
    (site / "me" / "mocap" / "c0ffee").mkdir(parents=True)
    entries = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=site)

        def log_message(self, format, *args):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        for name, text in contents.items():
            (site / "me" / "mocap" / "c0ffee" / f"a {name}").write_text(text)
            stem, role = name.split(".")
            subject, _, trial = stem.partition("_")
            entries.append(
                download.Entry(
                    subject,
                    trial,
                    role,
                    "test",
                    f"http://127.0.0.1:{httpd.server_port}/me/mocap/c0ffee/a%20{name}",
                    len(text),
                    hashlib.sha256(text.encode()).hexdigest(),
                    "CMU",
                    "wave",
                    120 if trial else float("nan"),
                )
            )
        monkeypatch.setenv("STRIDE_NB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(prepare, "read_registry", lambda: entries)
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield entries, site, asked
        httpd.shutdown()
        thread.join()


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    prepare.add_arguments(parser)
    return parser.parse_args([*words])


def test_prepare_downloads_checks_converts_and_does_not_begin_again(
    server, tmp_path, monkeypatch, capsys
):
    _, _, asked = server
    command = arguments("--split", "test", "--out", str(tmp_path / "out"))
    assert prepare.run(command) == 0
    path = tmp_path / "out" / "cmu_h36m17_test.npz"
    assert "2 clips" in capsys.readouterr().out
    clips, labels = read_clips(path), read_labels(path)
    assert [(c.name, len(c), c.fps) for c in clips] == [
        ("cmu_90_01", 63, 50),
        ("cmu_90_02", 83, 50),
    ]
    assert labels == [Label("cmu_90", "wave", "me/mocap", 120.0, "amc")] * 2
    assert len(asked) == 3
    before = dict(np.load(path).items())
    path.unlink()
    monkeypatch.setattr(
        preparation, "convert_trial", lambda *a: pytest.fail("a kept trial was converted again")
    )
    assert prepare.run(command) == 0
    assert len(asked) == 3 and all(np.array_equal(before[k], v) for k, v in np.load(path).items())


def test_a_run_cut_off_keeps_what_was_done(server, tmp_path, monkeypatch):
    command, done, convert = (
        arguments("--split", "test", "--out", str(tmp_path / "out")),
        [],
        preparation.convert_trial,
    )

    def cut_off(entry, *paths):
        if entry.name == "90_02" and not done:
            done.append(entry)
            raise KeyboardInterrupt
        assert entry.name == "90_02" or not done
        return convert(entry, *paths)

    monkeypatch.setattr(preparation, "convert_trial", cut_off)
    with pytest.raises(KeyboardInterrupt):
        prepare.run(command)
    assert not (tmp_path / "out" / "cmu_h36m17_test.npz").exists()
    assert prepare.run(command) == 0 and done
    kept = sorted((tmp_path / "out" / "trials").iterdir())
    kept[0].write_bytes(b"damaged")
    done.clear()
    monkeypatch.setattr(
        preparation, "convert_trial", lambda e, *p: done.append(e.name) or convert(e, *p)
    )
    assert prepare.run(command) == 0 and done == ["90_01"]


def test_another_file_than_the_registered_one_is_refused_and_not_kept(server, tmp_path):
    entries, site, _ = server
    next(site.rglob("a 90_02.amc")).write_text(performance(190, 1))
    with pytest.raises(InputError, match="sha256") as caught:
        prepare.run(arguments("--split", "test", "--out", str(tmp_path / "out")))
    assert caught.value.where == entries[2].url and caught.value.expected == entries[2].sha256
    assert hashlib.sha256(performance(190, 1).encode()).hexdigest() in caught.value.found
    kept = {p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()}
    assert kept == {"90.asf", "90_01.amc"}
    assert not (tmp_path / "out" / "cmu_h36m17_test.npz").exists()


def test_without_network_or_file_one_error_says_what_to_set(server, tmp_path):
    entries, _, _ = server
    gone = [
        replace(entries[0], url=entries[0].url + "x"),
        replace(entries[0], url="http://127.0.0.1:9/a/b/c"),
    ]
    for entry, answer in zip(gone, ("404", "ConnectionError")):
        with pytest.raises(InputError, match=answer) as caught:
            download.Downloads([entry]).fetch("90.asf")
        assert "STRIDE_NB_DATA" in caught.value.expected and "--raw" in caught.value.expected
        assert caught.value.where == entry.url
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


@pytest.mark.parametrize("packed", [False, True])
def test_files_at_hand_need_no_network_and_what_is_missing_is_said(
    server, tmp_path, packed, capsys
):
    _, site, asked = server
    raw = tmp_path / "mine" / "subjects" / "90"
    raw.mkdir(parents=True)
    for name in ("90.asf", "90_02.amc"):
        (raw / name).write_bytes(next(site.rglob(f"a {name}")).read_bytes())
    given_raw = tmp_path / "mine"
    if packed:
        import shutil

        given_raw = Path(shutil.make_archive(str(tmp_path / "mine"), "zip", given_raw))
    prepare.run(
        arguments("--split", "test", "--raw", str(given_raw), "--out", str(tmp_path / "out"))
    )
    path = tmp_path / "out" / "cmu_h36m17_test.npz"
    assert [c.name for c in read_clips(path)] == ["cmu_90_02"] and asked == []
    assert "left out" in (said := capsys.readouterr().err) and "90_01" in said
    assert "1 of 2 trials left out" in str(np.load(path)["note"])
    (raw / "90_02.amc").write_text("1\nroot 0")
    with pytest.raises(InputError, match=r"90_02\.amc: header"):
        prepare.run(
            arguments(
                "--split", "test", "--raw", str(tmp_path / "mine"), "--out", str(tmp_path / "out")
            )
        )


def test_nothing_usable_is_an_error_not_an_empty_file(server, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "not.zip").write_bytes(b"PK")
    for raw in ("empty", "not.zip", "nowhere"):
        with pytest.raises(InputError):
            prepare.run(
                arguments(
                    "--raw", str(tmp_path / raw), "--split", "test", "--out", str(tmp_path / "out")
                )
            )
    assert not (tmp_path / "out").exists()


# The whole way, on CMU's files


@pytest.fixture(scope="session")
def rebuilt(mocap, tmp_path_factory):
    """Clips rebuilt from raw files, and the known ones of the same name."""
    trials = ("02_01", "03_02", "05_06", "08_01", "16_17", "16_27", "49_02")
    files = download.LocalFiles(mocap / "raw" / "cmu_raw_subset.zip")
    entries = [e for e in download.read_registry() if e.name in trials]
    _, clips, left_out = prepare.prepare_clips(
        entries, files, tmp_path_factory.mktemp("rebuilt") / "clips.npz"
    )
    assert not left_out
    known = {
        c.name: c
        for split in ("train", "val", "test")
        for c in read_clips(mocap / f"cmu_h36m17_{split}.npz")
        if c.name[4:9] in trials
    }
    return {c.name: c for c in clips}, known


def test_cmu_files_are_cut_into_the_known_pieces(rebuilt):
    found, known = rebuilt
    assert {n: len(c) for n, c in found.items()} == {n: len(c) for n, c in known.items()}
    # glitches and a folded trunk
    assert {"cmu_05_06_a", "cmu_05_06_b", "cmu_49_02_b", "cmu_16_27"} <= set(found)


def test_cmu_files_give_the_known_joints(rebuilt):
    for name, clip in rebuilt[0].items():
        error = np.linalg.norm(clip.joints - rebuilt[1][name].joints, axis=-1) * 1000  # mm
        # 08 is BVH whose thorax bone is unknown and taken from the bone below: within the 4 mm
        # documented for it.
        mean, greatest = (2.1, 4.0) if name == "cmu_08_01" else (0.01, 0.3)
        assert error.mean() < mean and error.max() < greatest, name


def test_registered_hashes_are_those_of_the_files(mocap):
    files = download.LocalFiles(mocap / "raw" / "cmu_raw_subset.zip")
    entries = [e for e in download.read_registry() if e.filename in files]
    assert len(entries) == 142
    assert all(files.get_sha256(e.filename) == e.sha256 for e in entries[::7])
