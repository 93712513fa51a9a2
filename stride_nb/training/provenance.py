"""TODO docstring."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from stride_nb import __version__
from stride_nb.data_files import CHECKOUT

__all__ = ["commit", "hardware", "versions"]


def commit() -> str:
    """The commit of the checkout that the package was imported from, with ``+`` where files differ
    from it."""
    root = CHECKOUT
    try:

        def git(*words: str) -> str:
            return subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
            ).stdout.strip()

        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return "unknown"
        return git("rev-parse", "--short=12", "HEAD") + "+" * bool(
            git("status", "--porcelain", "--untracked-files=no")
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Python and the packages that numbers depend on."""
    found = {"python": platform.python_version(), "stride_nb": __version__}
    for name in ("numpy", "torch", "scipy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict:
    """Processor, usable cores, accelerator (None where there is none)."""
    import torch

    model = ""
    if Path("/proc/cpuinfo").exists():
        model = next(
            iter(re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())), ""
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": model or platform.processor() or platform.machine(), "cores": cores, "gpu": gpu}
