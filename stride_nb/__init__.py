"""stride_nb: occlusion-robust 3D human pose, from motion to evidence.

Data flows one way: motions → occlusion/noise → models → refine → metrics → plots.
Rooms are imported when they are first used, so ``import stride_nb`` stays light.
"""

from __future__ import annotations

import importlib
import pkgutil

__version__ = "0.1.0"

_ROOMS = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
_NAMES = {"PoseSequence": "sequence", "Keypoints2D": "sequence", "InputError": "errors"}
__all__ = [*_ROOMS, *_NAMES]


def __getattr__(name: str):
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
