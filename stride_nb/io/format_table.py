"""The table of formats: what comes in, what goes out, what is kept; made from the registry."""

from __future__ import annotations

from typing import Any

from stride_nb.io.refined import goes_back
from stride_nb.io.registry import list_formats

__all__ = ["list_rows"]


def list_rows() -> list[dict[str, str]]:
    """A row a format: ``format``, ``in``, ``out``, ``back`` (what came in goes out with its own
    joints, axes and names), ``tools``, ``files`` and ``kept``."""
    readers, writers = list_formats("parse"), list_formats("write")
    names = sorted(readers | writers)
    return [_describe_format(name, readers.get(name), writers.get(name)) for name in names]


def _describe_format(name: str, reader: Any, writer: Any) -> dict[str, str]:
    module = reader or writer
    out = "2D" if getattr(writer, "ONLY_2D", False) else "yes"
    return {
        "format": name,
        "in": "yes" if reader else "",
        "out": out if writer else "",
        "back": "yes" if writer and goes_back(writer) else "",
        "tools": getattr(module, "TOOLS", ""),
        "files": getattr(reader, "LOOKS", "") or f"{getattr(writer, 'SUFFIX', '') or '.npz'}",
        "kept": getattr(module, "KEEPS", ""),
    }
