"""glTF out: a skinned body that moves as the joints do, for any viewer of .glb files."""

from __future__ import annotations

from collections.abc import Sequence

from stride_nb.io.amass import fitted
from stride_nb.poses.sequence import PoseSequence

__all__ = ["SEVERAL", "SUFFIX", "write"]

NAME = "glb"
SUFFIX, SEVERAL = ".glb", False


def write(path, sequences: Sequence[PoseSequence], body: str = "standin") -> None:
    """One person as an animated mesh: ``bodies.fit``, then ``bodies.gltf``. ``body`` as for
    `amass`."""
    from stride_nb.smpl import gltf

    model, motion = fitted(path, sequences, body)
    gltf.write(path, model, motion)
