"""Where the files that ship with the package lie: inside an installed package, or at the root of a
checkout."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CHECKOUT", "DATA"]

_PACKAGE = Path(__file__).resolve().parent
CHECKOUT = _PACKAGE.parent
"""The root of the checkout that the package is imported from; of an installed package the folder
that it lies in."""
DATA = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else CHECKOUT / "data"
"""``weights/`` and ``registry.csv``; in a checkout ``results/`` and ``samples/``, too."""
