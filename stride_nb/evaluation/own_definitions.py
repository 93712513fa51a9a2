"""Errors against a truth that means other points by the same joints: each method by constants of
its own.

A sensor's knees lie elsewhere than the markers', and a method that moves them to where its training
bodies have theirs is neither right nor wrong. The rule is one for all: a method's constants
(`joint_definitions`) are fitted to its own results on other recordings of the same body, and what
they do not explain is its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import joint_errors_mm
from stride_nb.poses.joint_definitions import fit_definition

__all__ = ["Recording", "measure_own_errors_mm"]


@dataclass(frozen=True, eq=False)
class Recording:
    """A result on one clip, and its truth."""

    body: object
    """Whose constants hold: a label, equal for the same person and sensor."""
    fold: object
    """Recordings of one fold are never used for each other's constants."""
    predicted: Float[np.ndarray, "T 17 3"]
    truth: Float[np.ndarray, "T 17 3"]


def measure_own_errors_mm(recordings: Sequence[Recording]) -> list[Float[np.ndarray, "T 17"]]:
    """Errors relative to the pelvis, mm, by constants fitted leaving the recording's fold out.

    Raises:
        InputError: a body of which all recordings are of one fold.
    """
    definitions = {}
    for body, fold in dict.fromkeys((r.body, r.fold) for r in recordings):
        others = [r for r in recordings if r.body == body and r.fold != fold]
        if not others:
            expected = f"recordings of body {body} of two folds or more"
            raise InputError("own_definitions", "fold", expected, f"{fold} alone")
        definitions[body, fold] = fit_definition(
            np.concatenate([r.predicted for r in others]), np.concatenate([r.truth for r in others])
        )
    return [
        joint_errors_mm(r.predicted, definitions[r.body, r.fold].apply(r.truth)) for r in recordings
    ]
