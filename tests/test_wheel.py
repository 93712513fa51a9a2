"""The wheel is whole: installed into an empty folder, outside the checkout, it refines."""

import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from stride_nb import PoseSequence, __version__, datasets

ROOT = Path(__file__).parents[1]


def run(*words, **options) -> str:
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that holds the package alone."""
    folder = tmp_path_factory.mktemp("site")
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        folder,
        wheel,
    )
    return folder


def test_it_holds_code_weights_scripts_and_styles(wheel):
    assert wheel.name == f"stride_nb-{__version__}-py3-none-any.whl"
    names = set(ZipFile(wheel).namelist())
    tree = {p.relative_to(ROOT) for p in (ROOT / "stride_nb").rglob("*") if p.is_file()}
    unpacked = re.compile(r"(^|/)(\.|__pycache__)")
    code = {str(p) for p in tree if not unpacked.search(str(p))}
    weights = {f"stride_nb/data/weights/{p.name}" for p in (ROOT / "data" / "weights").iterdir()}
    assert code | weights | {"stride_nb/data/registry.csv"} <= names
    assert {n.partition("/")[0] for n in names} == {
        "stride_nb",
        f"stride_nb-{__version__}.dist-info",
    }


def test_its_command_refines_outside_the_checkout(installed, tmp_path):
    walk = datasets.load("synthetic", "test", clips=1, seconds=2)[0]
    joints = walk.joints * [1, -1, -1] + [0, 1, 4]  # camera axes
    joints[20:40, 14:17] = np.nan
    PoseSequence(joints, fps=50).save(tmp_path / "in.npz")
    environment = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    where = (
        "import stride_nb, stride_nb.data_files as d; print(stride_nb.__file__, d.DATA, sep='\\n')"
    )
    for line in run(sys.executable, "-c", where, env=environment, cwd=tmp_path).splitlines():
        assert Path(line).is_relative_to(installed)
    run(
        sys.executable,
        installed / "bin" / "stride-nb",
        "refine",
        "in.npz",
        "out.npz",
        "--method",
        "prior",
        env=environment,
        cwd=tmp_path,
    )
    refined = PoseSequence.load(tmp_path / "out.npz")
    assert refined.joints.shape == joints.shape and np.isfinite(refined.joints).all()
