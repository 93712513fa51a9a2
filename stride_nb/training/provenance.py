"""Where a number comes from: the commit, the versions of packages, the hardware."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from stride_nb import __version__
from stride_nb.data_files import CHECKOUT

__all__ = ["describe_hardware", "get_commit", "get_versions"]


def get_commit() -> str:
    """The commit of the checkout that the package was imported from, with ``+`` where files differ
    from it."""
    try:
        if Path(_run_git("rev-parse", "--show-toplevel")).resolve() != CHECKOUT.resolve():
            return "unknown"
        is_changed = bool(_run_git("status", "--porcelain", "--untracked-files=no"))
        return _run_git("rev-parse", "--short=12", "HEAD") + "+" * is_changed
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _run_git(*words: str) -> str:
    command = ["git", "-C", str(CHECKOUT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def get_versions() -> dict[str, str]:
    """Python and the packages that numbers depend on."""
    versions = {"python": platform.python_version(), "stride_nb": __version__}
    for name in ("numpy", "torch", "scipy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def describe_hardware() -> dict:
    """Processor, usable cores, accelerator (None where there is none)."""
    import torch

    names, info = [], Path("/proc/cpuinfo")
    if info.exists():
        names = re.findall(r"model name\s*:\s*(.+)", info.read_text())
    cpu = names[0] if names else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": cpu, "cores": cores, "gpu": gpu}
