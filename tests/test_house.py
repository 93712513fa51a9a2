"""The house stays in order: rooms import downwards, names say what they are, functions are short,
and a new thing is one function or one file."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "stride_nb").rglob("*.py"))
IMPORTERS = [*PACKAGE, *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "book").rglob("*.py")]
LONGEST = 45
"""Lines of a function, docstring included."""
MOST_SHARED_NAMES = 20
"""Top-level names that several modules define: what plugins share, as ``load`` and ``parse``."""
PARTICIPLE = re.compile(
    r"_?(\w+ed|told|heard|made|found|kept|said|held|drawn|known|seen|chosen|given|shown|lost|cut|put"
    r"|bent|sent|set_against|taken|written|read_back|brought|meant|left|met)"
)
MOST_PARTICIPLES = 0.02
"""Of all functions, those that are called by a bare participle."""


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def list_functions() -> list[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (path, node)
        for path in PACKAGE
        for node in ast.walk(parse(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def list_defined_names(tree: ast.Module) -> set[str]:
    """Names of functions, classes and constants of a module."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        names |= {n.id for t in targets for n in ast.walk(t) if is_set(n)}
    return {name for name in names if not name.startswith("__")}


def is_set(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def list_private_uses(path: Path) -> list[str]:
    """What a module takes from others that is private there."""
    tree, rooms, uses = parse(path), set(), []
    modules = {name_module(p) for p in IMPORTERS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in (
            "stride_nb",
            "benchmarks",
            "book",
        ):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in modules:
                    rooms.add(alias.asname or alias.name)
                elif is_private(alias.name):
                    uses.append(full)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and is_private(node.attr)):
            continue
        if isinstance(node.value, ast.Name) and node.value.id in rooms:
            uses.append(f"{node.value.id}.{node.attr}")
    return uses


def test_a_room_imports_only_from_rooms_below_it():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", IMPORTERS, ids=name_module)
def test_what_is_private_stays_in_its_module(path):
    assert list_private_uses(path) == []


def test_functions_are_short():
    sizes = {
        f"{name_module(path)}.{node.name}": node.end_lineno - node.lineno + 1
        for path, node in list_functions()
    }
    assert {name: size for name, size in sizes.items() if size > LONGEST} == {}


def test_a_name_has_one_meaning():
    modules = defaultdict(list)
    for path in PACKAGE:
        for name in list_defined_names(parse(path)):
            modules[name].append(name_module(path))
    shared = {name: places for name, places in modules.items() if len(places) > 1}
    assert len(shared) <= MOST_SHARED_NAMES, shared


def test_functions_begin_with_a_verb():
    names = [f"{name_module(path)}.{node.name}" for path, node in list_functions()]
    participles = [name for name in names if PARTICIPLE.fullmatch(name.rpartition(".")[2])]
    assert len(participles) <= MOST_PARTICIPLES * len(names), participles


ADDITIONS = {
    "stride_nb/datasets/simulation/occlusion.py": '''

@register_regime("left_wrist")
def hide_left_wrist(joints, fps, rng):
    """The left wrist, all along."""
    visible = np.ones(joints.shape[:2], bool)
    visible[:, 13] = False
    return visible
''',
    "stride_nb/datasets/simulation/estimator_noise.py": '''

@register_noise_model("shifted")
def shift(rng, relative, visible, fps):
    """All but the pelvis a centimetre to the right."""
    error = np.zeros_like(relative)
    error[:, 1:, 0] = 0.01
    return error
''',
    "stride_nb/refinement/filters.py": '''

@register_baseline(threshold=THRESHOLDS)
def freeze(sequence: PoseSequence, threshold: float = 0.6) -> PoseSequence:
    """The first frame, for ever."""
    filled = fill_gaps(sequence, threshold, "hold")
    return filled.replace(joints=np.repeat(filled.joints[:1], len(filled), 0))
''',
    "stride_nb/datasets/statue.py": '''
"""Somebody who stands still."""
import numpy as np
from stride_nb.poses.sequence import PoseSequence

__all__ = ["load"]


def load(split: str = "test", frames: int = 100) -> list[PoseSequence]:
    """One clip."""
    pose = np.random.default_rng(0).normal(0, 0.3, (17, 3))
    return [PoseSequence(np.repeat(pose[None], frames, 0), name=f"statue_{split}")]
''',
    "stride_nb/io/plain_text.py": '''
"""A line a frame: 51 numbers, metres."""
from pathlib import Path
import numpy as np
from stride_nb.io.detections import Detections

__all__ = ["LOADERS", "LOOKS", "NAME", "SEVERAL", "SUFFIX", "parse", "recognises", "write"]

NAME, SUFFIX, SEVERAL = "plain", ".poses", False
LOOKS = "a line a frame, 51 numbers"
LOADERS = {".poses": lambda path: np.loadtxt(path, ndmin=2)}


def recognises(document):
    """By its suffix."""
    return document.kind == "poses"


def parse(document, skeleton=None):
    """The one person."""
    points = document.content.reshape(-1, 17, 3)
    frames, ids = np.arange(len(points)), [None] * len(points)
    return Detections(frames, ids, points, np.ones(points.shape[:2]), "h36m17", 50.0)


def write(path, sequences):
    """The one person."""
    np.savetxt(Path(path), sequences[0].joints.reshape(len(sequences[0]), -1))
''',
}
"""File → what is added to it: a regime, a noise model, a baseline, a source, a format."""
WALK = """
import json
import numpy as np
from stride_nb import datasets, io, refine
from stride_nb.evaluation.harness import make_cases
(clip,) = datasets.load("statue", "val", frames=120)
(case,) = make_cases([clip], ["left_wrist"], "shifted")
error = case.sequence.root_relative().joints - (case.truth - case.truth[:, :1])
frozen = refine(case.sequence, "freeze").sequence
io.write("a.poses", frozen)
(back,) = io.read("a.poses")
print(json.dumps({
    "source": ["statue" in datasets.list_sources(), clip.name, len(clip)],
    "regime": [case.regime, np.flatnonzero(~case.visible.all(0)).tolist()],
    "noise model": float(np.nanmax(np.abs(error[:, 1:] - (0.01, 0, 0)))),
    "baseline": float(np.ptp(frozen.root_relative().joints, axis=0).max()),
    "format": [len(back), float(np.abs(back.joints - frozen.joints).max())],
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What a copy of the package with the additions, and nothing else changed, makes of them."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(
        ROOT / "stride_nb",
        folder / "stride_nb",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name, text in ADDITIONS.items():
        with open(folder / name, "a", encoding="utf-8") as file:
            file.write(text)
    done = subprocess.run([sys.executable, "-c", WALK], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_source_is_one_file(found):
    assert found["source"] == [True, "statue_val", 120]


def test_a_regime_is_one_function(found):
    assert found["regime"] == ["left_wrist", [13]]


def test_a_noise_model_is_one_function(found):
    assert found["noise model"] == pytest.approx(0, abs=1e-9)


def test_a_baseline_is_one_function(found):
    assert found["baseline"] == pytest.approx(0, abs=1e-9)


def test_a_format_is_one_file(found):
    assert found["format"] == [120, pytest.approx(0, abs=1e-9)]
