"""Estimators: what one is, and how it is found.

To add one, add a module to this folder with a function under ``@register_estimator("name")`` that
returns an `Estimator`; nothing else is edited. Its libraries are imported inside the function.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import Skeleton

__all__ = [
    "ESTIMATORS",
    "DetectedPerson",
    "Estimator",
    "list_estimators",
    "load_estimator",
    "register_estimator",
]


@dataclass(frozen=True)
class DetectedPerson:
    """One person in one frame, in the estimator's own joints."""

    pixels: Float[np.ndarray, "J 2"]
    """px, x right and y down; NaN where missing."""
    confidence: Float[np.ndarray, " J"]
    """In [0, 1], as the estimator has it."""
    joints_cam: Float[np.ndarray, "J 3"] | None = None
    """Metres about the middle of the hips, camera axes (x right, y down, z forward); None: a 2D
    estimator."""


class Estimator(Protocol):
    """Frames of one video in order → people."""

    name: str
    skeleton: Skeleton

    def detect(self, image: UInt8[np.ndarray, "H W 3"], time_ms: float) -> list[DetectedPerson]:
        """People in an RGB frame; ``time_ms`` grows from frame to frame."""
        ...

    def reset(self) -> None:
        """Forget the video: the next frame begins another one."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


ESTIMATORS: dict[str, Callable[[int], Estimator]] = {}
"""What makes an estimator that follows so many people, by name."""


def register_estimator(name: str):
    """Register an estimator under the name that the command line uses."""

    def add_estimator(make: Callable[[int], Estimator]) -> Callable[[int], Estimator]:
        ESTIMATORS[name] = make
        return make

    return add_estimator


def list_estimators() -> list[str]:
    """Names of the estimators, sorted."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")
    return sorted(ESTIMATORS)


def load_estimator(name: str | PathLike, max_people: int = 1) -> Estimator:
    """An estimator, ready for its first frame.

    Args:
        name: one of ``list_estimators()``, or the path of a ``.task`` file of MediaPipe's pose
            landmarker.
        max_people: to follow at once, for estimators that follow people; others find everybody.

    Raises:
        InputError: an unknown name, nobody to find, a package that is not installed, or a model
            that cannot be had.
    """
    known = list_estimators()
    if max_people < 1:
        raise InputError("estimator", "people", "at least 1", max_people)
    if Path(name).suffix == ".task":
        from stride_nb.video.estimators.mediapipe_pose import MediaPipePose

        return MediaPipePose(Path(name), max_people)
    if str(name) not in known:
        expected = f"one of {', '.join(known)}, or the path of a .task file"
        raise InputError("estimator", "name", expected, repr(str(name)))
    return ESTIMATORS[str(name)](max_people)
