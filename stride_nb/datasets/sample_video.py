"""The sample video: a rendered person who passes behind a table, with what MediaPipe made of it and
the exact truth; made by `video.rendering.sample`, shipped in ``data/samples``."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from stride_nb.data_files import DATA
from stride_nb.datasets.rendered import Take, read_takes
from stride_nb.errors import InputError, require

__all__ = ["SAMPLE", "load_sample", "load_sample_images"]

SAMPLE = DATA / "samples" / "behind_a_table"
"""Without a suffix: ``.mp4`` is the video, ``.npz`` the take."""


def load_sample() -> Take:
    """What the estimator saw in the sample video, and the truth.

    Raises:
        InputError: not run from a checkout.
    """
    path = SAMPLE.with_suffix(".npz")
    if not path.is_file():
        raise InputError(path, "sample", "a checkout of the project", "no such file")
    return next(iter(read_takes(path)))


def load_sample_images() -> dict[int, UInt8[np.ndarray, "H W 3"]]:
    """Some frames of the sample video by number, for pages that cannot decode a video."""
    pillow = require("PIL.Image", "viz")
    paths = sorted(SAMPLE.parent.glob(f"{SAMPLE.name}_*.jpg"))
    return {
        int(path.stem.rpartition("_")[2]): np.asarray(pillow.open(path).convert("RGB"))
        for path in paths
    }
