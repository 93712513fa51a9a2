"""stride_nb: occlusion-robust 3D human pose, from motion to evidence.

The public door is ``read``, ``lift``, ``refine``, ``write``, ``load_model``, ``PoseSequence`` and
``Keypoints2D``. Everything else is found by its room: ``poses``, ``models``, ``smpl``,
``refinement``, ``io``, ``datasets``, ``viz``, ``evaluation``, ``training``, ``video``, ``batch``,
``cli``. Rooms are imported when they are first used, so ``import stride_nb`` stays light.
"""

from __future__ import annotations

import importlib

__version__ = "0.2.0"

_DOOR = {
    "InputError": "errors",
    "Keypoints2D": "poses.sequence",
    "PoseSequence": "poses.sequence",
    "lift": "refinement.lifting",
    "load_model": "models.registry",
    "read": "io.pose_files",
    "refine": "refinement.refine",
    "write": "io.pose_files",
}
__all__ = [
    "InputError",
    "Keypoints2D",
    "PoseSequence",
    "batch",
    "cli",
    "datasets",
    "errors",
    "evaluation",
    "io",
    "lift",
    "load_model",
    "models",
    "poses",
    "read",
    "refine",
    "refinement",
    "smpl",
    "training",
    "video",
    "viz",
    "write",
]


def __getattr__(name: str):
    if name in _DOOR:
        return getattr(importlib.import_module(f"{__name__}.{_DOOR[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
