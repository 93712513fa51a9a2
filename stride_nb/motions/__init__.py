"""Where motion comes from: a file a source, each with one function ``load(split, **options)``.

A new source is a module in this folder, found by its name; nothing else is edited.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from ..errors import InputError
from ..sequence import PoseSequence

__all__ = ["load", "sources", "terms"]

_MODULES = {"3dpw": "threedpw"}
"""Sources whose name Python could not import, and their modules."""


def sources() -> list[str]:
    """Names of the sources: the modules of this folder that define ``load``."""
    named = {module: source for source, module in _MODULES.items()}
    modules = (importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__))
    own = (m.__name__ for m in modules if _is_source(m))
    return sorted(named.get(name.rsplit(".")[-1], name.rsplit(".")[-1]) for name in own)


def _is_source(module) -> bool:
    """Does it define ``load``, rather than import another's?"""
    return getattr(getattr(module, "load", None), "__module__", "") == getattr(module, "__name__", None)


def load(source: str, split: str = "test", **options) -> list[PoseSequence]:
    """Sequences of a source, in the world (metres, Y up) unless the source says otherwise.

    Args:
        source: ``synthetic``, ``cmu``, … (``sources()`` lists them).
        split: ``train``, ``val`` or ``test``, as far as the source has them; ``arrays`` and ``cliff`` have one set for all three.
        options: what the source's own ``load`` takes (``seed``, ``clips``, …).

    Raises:
        InputError: an unknown source, split or option.
    """
    name = _MODULES.get(source, source)
    try:
        module = importlib.import_module(f"{__name__}.{name}") if name.isidentifier() else None
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        module = None
    if not _is_source(module):
        raise InputError("motions", "source", f"one of {', '.join(sources())}", repr(source))
    accepted = inspect.signature(module.load).parameters
    for option in options:
        if option not in accepted:
            raise InputError(f"motions.{source}", "option", f"one of {', '.join(accepted)}", option)
    return module.load(split, **options)


def terms(source: str) -> str:
    """What a source's owners ask to be said of results; nothing where the motion is our own."""
    return getattr(importlib.import_module(f"{__name__}.{_MODULES.get(source, source)}"), "TERMS", "")
