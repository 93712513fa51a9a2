"""The sample video: one version of one rendered clip, small enough to ship, with what MediaPipe
makes of it and the exact truth.

``python -m stride_nb.video.rendering.sample`` writes ``data/samples/behind_a_table.mp4``, its takes
(``.npz``, as `datasets.rendered` reads them) and four of its frames.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from stride_nb.datasets.rendered import Take, write_takes
from stride_nb.datasets.sample_video import SAMPLE
from stride_nb.errors import atomic_path, require
from stride_nb.video.estimators import load_estimator
from stride_nb.video.frames import iterate_frames
from stride_nb.video.rendering import data_set
from stride_nb.video.rendering.clip import draw_clip

__all__ = ["write_sample"]

_CRF, _FRAMES = 28, (20, 60, 90, 130)


def write_sample(estimators: tuple[str, ...] = ("mediapipe_full",)) -> list[Path]:
    """Render the clip, write the video, run the estimators on the frames decoded from it."""
    job = data_set.plan_jobs("val", 0.1, estimators)[0]
    job = replace(job, occluders=("table",))
    clip = draw_clip(job.seed, data_set.find_motion(job).joints, data_set.FPS)
    version, footage = clip.render("table"), data_set.describe_clip(job, clip)
    video, takes = SAMPLE.with_suffix(".mp4"), []
    _encode_images(video, version.images)
    images = [frame.image for frame in iterate_frames(video)]
    for name in estimators:
        estimator = load_estimator(name)
        seen = data_set.estimate_images(estimator, images, data_set.FPS)
        takes.append(Take(footage, "table", version.crop, version.hidden, name, *seen))
        estimator.close()
    write_takes(SAMPLE.with_suffix(".npz"), takes)
    clip.close()
    return [video, SAMPLE.with_suffix(".npz"), *_write_frames(images)]


def _encode_images(path: Path, images: list[UInt8[np.ndarray, "H W 3"]]) -> None:
    av = require("av", "video")
    with atomic_path(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(int(data_set.FPS)))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": str(_CRF), "preset": "slow"}
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _write_frames(images: list[UInt8[np.ndarray, "H W 3"]]) -> list[Path]:
    """Some frames as JPEG, for pages that cannot decode a video."""
    image_file, paths = require("PIL.Image", "viz"), []
    for number in _FRAMES:
        path = SAMPLE.parent / f"{SAMPLE.name}_{number:03d}.jpg"
        with atomic_path(path) as temporary:
            image_file.fromarray(images[number]).save(temporary, quality=80)
        paths.append(path)
    return paths


if __name__ == "__main__":
    print(*write_sample(), sep="\n")
