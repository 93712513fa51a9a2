"""Declared shapes hold while tests run: every jaxtyping annotation of the package is compared with
what goes in and comes out.

A function is called first and looked at afterwards, so that a door that refuses wrong input with an
`InputError` still does. Users never pay for this: it is installed by ``tests/conftest.py`` alone.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import types
import typing

import jaxtyping
import numpy as np

import stride_nb

__all__ = ["check_shapes", "install_shape_checks"]


def check_shapes(function):
    """Wrap a function so that its arrays are compared with their annotations once it has run."""
    hints = _array_hints(function)
    if not hints:
        return function
    places = _find_places(function, hints)

    @functools.wraps(function)
    def run(*args, **kwargs):
        result = function(*args, **kwargs)
        with jaxtyping.jaxtyped("context"):
            for name, (place, default, hint) in places.items():
                if name == "return":
                    value = result
                else:
                    value = args[place] if place < len(args) else kwargs.get(name, default)
                if not _fits(value, hint):
                    kind, shape = getattr(value, "dtype", type(value).__name__), np.shape(value)
                    where = f"{function.__qualname__}: {name}"
                    raise TypeError(f"{where}: declared {hint}, found {kind}, shape {shape}")
        return result

    return run


def _find_places(function, hints: dict) -> dict:
    """Name → position, default and annotation of every argument with a shape, and of the result."""
    parameters = list(inspect.signature(function).parameters.values())
    places = {p.name: (i, p.default) for i, p in enumerate(parameters)} | {"return": (0, None)}
    single = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return {n: (*places[n], hint) for n, hint in hints.items() if n in single | {"return"}}


def install_shape_checks() -> int:
    """Wrap every annotated function and method of the package; how many there are."""
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.walk_packages(stride_nb.__path__, "stride_nb.")
        if not m.name.endswith("__main__")
    ]
    wrapped = {}
    for module in modules:
        for value in list(vars(module).values()):
            if inspect.isclass(value) and value.__module__ == module.__name__:
                _wrap_methods(value, wrapped)
            elif inspect.isfunction(value) and value.__module__.startswith("stride_nb"):
                wrapped.setdefault(value, check_shapes(value))
    for module in modules:
        for name, value in list(vars(module).items()):
            if inspect.isfunction(value) and wrapped.get(value, value) is not value:
                setattr(module, name, wrapped[value])
    return sum(new is not old for old, new in wrapped.items())


def _wrap_methods(kind: type, wrapped: dict) -> None:
    for name, value in list(vars(kind).items()):
        if inspect.isfunction(value):
            new = wrapped[value] = check_shapes(value)
            if new is not value:
                setattr(kind, name, new)


def _array_hints(function) -> dict:
    """Annotations of a function that say a shape."""
    if inspect.isgeneratorfunction(function):
        return {}
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # names that only a type checker imports
        return {}
    return {name: hint for name, hint in hints.items() if any(map(_is_array, _members(hint)))}


def _members(hint) -> tuple:
    """The alternatives of a union, or the hint itself."""
    return (
        typing.get_args(hint)
        if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
        else (hint,)
    )


def _is_array(hint) -> bool:
    return isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)


def _fits(value, hint) -> bool:
    """One of the alternatives: an array of that shape, or whatever else is allowed there."""
    members = _members(hint)
    arrays = [m for m in members if _is_array(m)]
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        value = value.view(value.dtype.name)  # `longlong` is an int64 by another name (VTK's)
    if any(isinstance(value, m) for m in arrays):
        return True
    others = [m for m in members if not _is_array(m)]
    return bool(others) and not isinstance(
        value, tuple(m.array_type for m in arrays if isinstance(m.array_type, type))
    )
