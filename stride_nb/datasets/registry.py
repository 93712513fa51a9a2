"""Where motion comes from: a file a source, each with one function ``load(split, **options)``.

A new source is a module in this folder, found by its name; nothing else is edited.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence

__all__ = ["load", "sources", "terms"]

_PACKAGE = __name__.rpartition(".")[0]
_MODULES = {"3dpw": "threedpw", "arrays": "user_arrays", "cliff": "bedlam_cliff"}
"""Sources whose name is not their module's."""


def sources() -> list[str]:
    """Names of the sources: the modules of this folder that define ``load``."""
    named = {module: source for source, module in _MODULES.items()}
    path = importlib.import_module(_PACKAGE).__path__
    modules = (importlib.import_module(f"{_PACKAGE}.{m.name}") for m in pkgutil.iter_modules(path))
    own = (m.__name__ for m in modules if _is_source(m))
    return sorted(named.get(name.rsplit(".")[-1], name.rsplit(".")[-1]) for name in own)


def _is_source(module) -> bool:
    """Does it define ``load``, rather than import another's?"""
    name = getattr(module, "__name__", None)
    return name != __name__ and getattr(getattr(module, "load", None), "__module__", "") == name


def load(source: str, split: str = "test", **options) -> list[PoseSequence]:
    """Sequences of a source, in the world (metres, Y up) unless the source says otherwise.

    Args:
        source: ``synthetic``, ``cmu``, … (``sources()`` lists them).
        split: ``train``, ``val`` or ``test``, as far as the source has them; ``arrays`` and
            ``cliff`` have one set for all three.
        options: what the source's own ``load`` takes (``seed``, ``clips``, …).

    Raises:
        InputError: an unknown source, split or option.
    """
    name = _MODULES.get(source, source)
    try:
        module = importlib.import_module(f"{_PACKAGE}.{name}") if name.isidentifier() else None
    except ModuleNotFoundError as error:
        if error.name != f"{_PACKAGE}.{name}":
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
    return getattr(
        importlib.import_module(f"{_PACKAGE}.{_MODULES.get(source, source)}"), "TERMS", ""
    )
