"""What importing costs, and what it needs."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from book.tools.build import list_modules

ROOT = Path(__file__).parents[1]
ALLOWED = {"numpy", "torch", "jaxtyping", "stride_nb"}

# Refuses every third-party module but those allowed and what they themselves import.
BLOCK = """
import re, sys, sysconfig, pathlib
allowed = {allowed!r}
site = {{sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}}
ours = pathlib.Path({root!r}) / "stride_nb"
class Block:
    def find_spec(self, name, path=None, target=None):
        top, frame = name.partition(".")[0], sys._getframe(1)
        while frame and re.search("importlib|<", frame.f_code.co_filename):
            frame = frame.f_back
        mine = frame and ours in pathlib.Path(frame.f_code.co_filename).parents
        if mine and top not in allowed and top not in sys.stdlib_module_names:
            raise ImportError(f"{{name}} is imported by {{frame.f_code.co_filename}}")
sys.meta_path.insert(0, Block())
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light():
    seconds = []
    for _ in range(3):  # the best of three: other tests run beside this one
        start = time.perf_counter()
        loaded = set(
            run("import stride_nb, sys; print(*{m.partition('.')[0] for m in sys.modules})").split()
        )
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 2
    assert "stride_nb" in loaded and not loaded & {
        "torch",
        "scipy",
        "matplotlib",
        "pandas",
        "papermill",
    }


def test_names_are_found_when_used():
    assert (
        run(
            "import stride_nb\n"
            "print(stride_nb.PoseSequence.__name__, stride_nb.poses.skeleton.H36M17.name)"
        )
        == "PoseSequence h36m17\n"
    )
    assert (
        run(
            "import stride_nb\ntry: stride_nb.nothing\n"
            "except AttributeError as e: print('nothing' in str(e))"
        )
        == "True\n"
    )


def test_every_module_imports_with_numpy_and_torch_alone():
    block = BLOCK.format(allowed=ALLOWED, root=str(ROOT))
    modules = ", ".join(f"stride_nb.{room}" for room in list_modules())
    assert run(f"{block}\nimport {modules}\nprint('ok')").strip() == "ok"


def test_the_block_blocks():
    """The test above can fail: a function that needs SciPy or matplotlib is refused under the same
    block."""
    block = BLOCK.format(allowed=ALLOWED, root=str(ROOT))
    with pytest.raises(AssertionError, match="matplotlib is imported by"):
        run(f"{block}\nfrom stride_nb.viz import figures\nfigures.use_style()")


MISSING = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name}}", name={name!r})
sys.meta_path.insert(0, Missing())
"""


@pytest.mark.parametrize(
    ("name", "extra", "call"),
    [
        ("matplotlib", "viz", "from stride_nb.viz import figures; figures.use_style()"),
        ("pooch", "data", "from stride_nb.datasets import download; download.find_cache_dir()"),
        (
            "pygltflib",
            "gltf",
            "from stride_nb.smpl import gltf; gltf.write_glb('x.glb', None, None)",
        ),
    ],
)
def test_what_is_optional_is_named_with_its_extra(name, extra, call):
    code = MISSING.format(name=name) + "try:\n    " + call.replace("; ", "\n    ")
    said = run(code + "\nexcept Exception as error: print(type(error).__name__, error)")
    assert said.startswith("InputError") and f'pip install "stride-nb[{extra}]"' in said


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports from elsewhere, and from outside the standard library."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"stride_nb", "benchmarks", "book", "tests"}


def test_what_is_imported_is_pinned():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    names = [line.split("==")[0] for line in lines if not line.startswith("#")]
    pinned = set(re.findall(r"[\w.-]+", " ".join(names).lower()))
    distributions = importlib.metadata.packages_distributions()
    for folder in ("stride_nb", "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in imported(path) - {p.stem for p in path.parent.glob("*.py")}:
                owners = {d.lower() for d in distributions.get(name, [name])}
                assert owners & (pinned | {"docutils", "nbformat", "pillow", "sphinx"}), (
                    f"{path.relative_to(ROOT)} imports {name}: not in requirements.txt"
                )
