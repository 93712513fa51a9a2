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
import sys, sysconfig, pathlib
allowed = {allowed!r}
site = {{sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}}
ours = pathlib.Path({root!r}) / "stride_nb"
class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        frame = sys._getframe(1)
        while frame and ("importlib" in frame.f_code.co_filename or frame.f_code.co_filename == "<string>"):
            frame = frame.f_back
        if frame and ours in pathlib.Path(frame.f_code.co_filename).parents and top not in allowed \\
                and top not in sys.stdlib_module_names:
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
            "import stride_nb; print(stride_nb.PoseSequence.__name__, stride_nb.poses.skeleton.H36M17.name)"
        )
        == "PoseSequence h36m17\n"
    )
    assert (
        run(
            "import stride_nb\ntry: stride_nb.nothing\nexcept AttributeError as e: print('nothing' in str(e))"
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
    pinned = {
        re.split("[=<>\\[]", line)[0].lower()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    distributions = importlib.metadata.packages_distributions()
    for folder in ("stride_nb", "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in imported(path) - {p.stem for p in path.parent.glob("*.py")}:
                owners = {d.lower() for d in distributions.get(name, [name])}
                assert owners & (pinned | {"docutils", "nbformat", "pillow", "sphinx"}), (
                    f"{path.relative_to(ROOT)} imports {name}: not in requirements.txt"
                )
