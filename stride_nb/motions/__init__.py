"""Where motion comes from: a file a source, each with one function ``load(split, **options)``.

A new source is a module in this folder, found by its name; nothing else is edited.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from ..errors import InputError
from ..sequence import PoseSequence

__all__ = ["load", "sources"]


def sources() -> list[str]:
    """Names of the sources: the modules of this folder that define ``load``."""
    names = (m.name for m in pkgutil.iter_modules(__path__))
    return sorted(n for n in names if hasattr(importlib.import_module(f"{__name__}.{n}"), "load"))


def load(source: str, split: str = "test", **options) -> list[PoseSequence]:
    """Sequences of a source, in the world (metres, Y up) unless the source says otherwise.

    Args:
        source: ``synthetic``, ``cmu``, … (``sources()`` lists them).
        split: ``train``, ``val`` or ``test``; never the same person in two of them.
        options: what the source's own ``load`` takes (``seed``, ``clips``, …).

    Raises:
        InputError: an unknown source, split or option.
    """
    try:
        module = importlib.import_module(f"{__name__}.{source}") if source.isidentifier() else None
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{source}":
            raise
        module = None
    if not hasattr(module, "load"):
        raise InputError("motions", "source", f"one of {', '.join(sources())}", repr(source))
    accepted = inspect.signature(module.load).parameters
    for option in options:
        if option not in accepted:
            raise InputError(f"motions.{source}", "option", f"one of {', '.join(accepted)}", option)
    return module.load(split, **options)
