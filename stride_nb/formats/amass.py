"""SMPL parameters out, as AMASS keeps them: a body is fitted to the joints first, which takes a while."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from ..sequence import PoseSequence

__all__ = ["SEVERAL", "SUFFIX", "fitted", "write"]

SUFFIX, SEVERAL = "", False  # an npz by suffix is this package's own: this one goes by its name, `amass`


def fitted(path, sequences: Sequence[PoseSequence], model: str):
    """The body of that name (`bodies.load`) and its motion that follows the one sequence given."""
    from .. import bodies

    if len(sequences) != 1 or not isinstance(sequences[0], PoseSequence):
        raise InputError(path, "sequences", "one PoseSequence (3D)", [type(s).__name__ for s in sequences])
    body = bodies.load(model)
    return body, bodies.fit(sequences[0], body).motion


def write(path, sequences: Sequence[PoseSequence], body: str = "standin") -> None:
    """One person's pose, shape and translation.

    Args:
        sequences: one, y up; missing joints are the fit's to decide.
        body: whose shape space: ``standin``, or ``smpl``, ``smplh``, ``smplx`` with the user's model files.
    """
    from ..motions import amass

    model, motion = fitted(path, sequences, body)
    amass.write(path, motion, model)
