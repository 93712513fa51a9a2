"""Motion sources by name. To add one, add a module to this folder; nothing else is edited.

A source is a module with

- ``load(split, **options)``, which returns a list of `PoseSequence` in the world (metres, Y up)
  unless it says otherwise; every option has a default;
- ``TERMS``, optional: what the owners ask to be stated with results.

It goes by its module's name, save for those in ``_MODULES``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence

__all__ = ["get_terms", "list_sources", "load"]

_MODULES = {"3dpw": "threedpw", "arrays": "user_arrays", "cliff": "bedlam_cliff"}
"""Sources whose name is not their module's."""


def list_sources() -> list[str]:
    """Names of the sources, sorted."""
    names = {module: source for source, module in _MODULES.items()}
    modules = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    return sorted(names.get(name, name) for name in modules if _import_source(name))


def load(source: str, split: str = "test", **options) -> list[PoseSequence]:
    """Sequences of a source, in the world (metres, Y up) unless the source says otherwise.

    Args:
        source: ``synthetic``, ``cmu``, … (``list_sources()`` lists them).
        split: ``train``, ``val`` or ``test``, as far as the source has them; ``arrays`` and
            ``cliff`` have one set for all three.
        options: what the source's own ``load`` takes (``seed``, ``clips``, …).

    Raises:
        InputError: an unknown source, split or option.
    """
    module = _find_source(source)
    accepted = inspect.signature(module.load).parameters
    for option in options:
        if option not in accepted:
            expected = f"one of {', '.join(accepted)}"
            raise InputError(f"datasets.{source}", "option", expected, option)
    return module.load(split, **options)


def get_terms(source: str) -> str:
    """What a source's owners ask to be stated with results; empty where they ask nothing.

    Raises:
        InputError: an unknown source.
    """
    return getattr(_find_source(source), "TERMS", "")


def _find_source(source: str) -> ModuleType:
    module = _import_source(_MODULES.get(source, source))
    if module is None:
        raise InputError("datasets", "source", f"one of {', '.join(list_sources())}", repr(source))
    return module


def _import_source(name: str) -> ModuleType | None:
    """The module of that name, if it defines ``load`` rather than imports another's."""
    full_name = f"{__package__}.{name}"
    if not isinstance(name, str) or not name.isidentifier() or full_name == __name__:
        return None
    try:
        module = importlib.import_module(full_name)
    except ModuleNotFoundError as error:
        if error.name != full_name:
            raise
        return None
    own = getattr(getattr(module, "load", None), "__module__", "") == full_name
    return module if own else None
