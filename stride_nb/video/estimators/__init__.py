"""Pose estimators by name, a file an estimator (`registry` says what one is)."""

from stride_nb.video.estimators.registry import (
    DetectedPerson,
    Estimator,
    list_estimators,
    load_estimator,
    register_estimator,
)

__all__ = [
    "DetectedPerson",
    "Estimator",
    "list_estimators",
    "load_estimator",
    "register_estimator",
]
