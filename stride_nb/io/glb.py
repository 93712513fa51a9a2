"""glTF out: a skinned body that moves as the joints do, for any viewer of .glb files."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from stride_nb.io.amass import fit_body
from stride_nb.poses.sequence import PoseSequence

__all__ = ["KEEPS", "NAME", "SEVERAL", "SUFFIX", "TOOLS", "write"]

NAME = "glb"
TOOLS = "Blender, any glTF viewer"
KEEPS = "3D as a moving body, fps"
SUFFIX, SEVERAL = ".glb", False


def write(path: str | PathLike, sequences: Sequence[PoseSequence], body: str = "standin") -> None:
    """One person as an animated mesh: ``smpl.fit``, then ``smpl.gltf``. ``body`` as for `amass`."""
    from stride_nb.smpl import gltf

    model, motion = fit_body(path, sequences, body)
    gltf.write_glb(path, model, motion)
