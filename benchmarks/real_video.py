"""Real video with a reference: the four-camera demo of Pose2Sim, occluders painted over it before
the estimator runs. For testing only.

``python -m benchmarks.real_video`` writes ``data/estimates/pose2sim_demo.npz`` (needs the extra
``video``): each view in six versions through the estimators, beside joints triangulated from all
four views' keypoints. What methods make of it is measured by ``benchmarks.real_estimators``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import gaussian_filter1d, shift

from benchmarks.multi_view import View, adjust_views, read_qualisys, triangulate
from stride_nb.datasets.pose2sim_demo import FourCameraDemo, fetch_demo
from stride_nb.datasets.rendered import ESTIMATES, Footage, Take, write_takes
from stride_nb.poses.skeleton import COCO17, H36M17, convert_joints
from stride_nb.video.estimators import Estimator, load_estimator
from stride_nb.video.frames import iterate_frames

__all__ = ["DEMO_FILE", "make_demo_takes", "paint_occluder", "triangulate_reference"]

DEMO_FILE = ESTIMATES / "pose2sim_demo.npz"
FPS = 60.0
_AHEAD = 0.75  # frames by which the demo's keypoints are ahead of its videos
_SMOOTH = 2.0  # frames: the reference's own jitter is a centimetre
_KINDS = ("none", "table", "pillar", "half", "edge", "blackout")


def triangulate_reference(
    demo: FourCameraDemo,
) -> tuple[Float[np.ndarray, "T 17 3"], list[View]]:
    """Joints of Human3.6M's set in the world, metres, at the videos' frames; and the views after
    adjustment."""
    keypoints = np.stack([_read_keypoints(folder) for folder in demo.keypoints])
    pixels, confidence = keypoints[..., :2], keypoints[..., 2]
    count = pixels.shape[1] * pixels.shape[2]
    flat, weights = pixels.reshape(len(pixels), count, 2), confidence.reshape(len(pixels), count)
    views = adjust_views(read_qualisys(demo.calibration), flat, weights)
    points = triangulate(views, flat, weights * (weights >= 0.3)).reshape(-1, 17, 3)
    points = gaussian_filter1d(points, _SMOOTH, axis=0, mode="nearest")
    late = shift(points, (_AHEAD, 0, 0), order=1, mode="nearest")
    joints, _ = convert_joints(late, np.ones(late.shape[:2]), COCO17, H36M17)
    return joints, views


def _read_keypoints(folder: Path) -> Float[np.ndarray, "T 17 3"]:
    """x, y (px) and confidence of the first person of every frame; of BODY_25B the first 17 joints
    are COCO's."""
    frames = [json.loads(path.read_text())["people"] for path in sorted(folder.glob("*.json"))]
    values = [np.reshape(people[0]["pose_keypoints_2d"], (-1, 3))[:17] for people in frames]
    return np.stack(values).astype(float)


def paint_occluder(
    kind: str, images: Sequence[np.ndarray], pixels: Float[np.ndarray, "T 17 2"], seed: int
) -> tuple[list[np.ndarray], Bool[np.ndarray, "T 17"], tuple[int, int, int, int]]:
    """Pictures with something painted over the person, which joints it hides, and the crop."""
    rng, frames = np.random.default_rng([seed, _KINDS.index(kind)]), len(images)
    height, width = images[0].shape[:2]
    low, high = np.quantile(pixels, 0.02, (0, 1)), np.quantile(pixels, 0.98, (0, 1))
    span, crop, middle = _draw_span(rng, frames), (0, 0, width, height), pixels[:, 0, 0]
    left, top, right, bottom = (np.full(frames, v, float) for v in (0, 0, width, height))
    if kind == "table":
        top[:] = low[1] + (high[1] - low[1]) * rng.uniform(0.5, 0.7)
    if kind == "pillar":
        path = np.linspace(-1, 1, frames) * rng.choice([-1, 1]) * (high[1] - low[1]) * 0.45
        half = (high[1] - low[1]) * rng.uniform(0.08, 0.16)
        left, right, span = middle + path - half, middle + path + half, np.ones(frames, bool)
    if kind == "half":
        (left if rng.random() < 0.5 else right)[:] = middle
    if kind == "edge":
        bottom_edge = int(low[1] + (high[1] - low[1]) * rng.uniform(0.55, 0.8))
        crop = (0, 0, width, bottom_edge)
        outside = pixels[..., 1] >= bottom_edge
        return [image[:bottom_edge] for image in images], outside, crop
    if kind == "none":
        span[:] = False
    colour = 0 if kind == "blackout" else rng.integers(40, 220, 3)
    painted, edges = [], np.stack([left, top, right, bottom], 1)
    for image, box, here in zip(images, edges.round().astype(int), span):
        painted.append(_paint(image, box, colour, rng) if here else image)
    x, y = pixels[..., 0], pixels[..., 1]
    a, b, c, d = (edge[:, None] for edge in edges.T)
    return painted, span[:, None] & (x >= a) & (x < c) & (y >= b) & (y < d), crop


def _draw_span(rng: np.random.Generator, frames: int) -> Bool[np.ndarray, " T"]:
    """Between 0.5 and 1.1 s, not at the very beginning."""
    length = int(rng.uniform(0.5, 1.1) * FPS)
    first = rng.integers(frames // 10, frames - length)
    return (np.arange(frames) >= first) & (np.arange(frames) < first + length)


def _paint(image: np.ndarray, box: np.ndarray, colour, rng) -> UInt8[np.ndarray, "H W 3"]:
    painted = image.copy()
    left, top, right, bottom = np.maximum(box, 0)
    area = painted[top:bottom, left:right]
    area[:] = np.clip(colour + rng.normal(0, 4, area.shape), 0, 255)
    return painted


def make_demo_takes(estimators: Sequence[Estimator]) -> Iterator[Take]:
    """All views and versions through the estimators."""
    demo = fetch_demo()
    joints, views = triangulate_reference(demo)
    for number, (path, view) in enumerate(zip(demo.videos, views)):
        images = [frame.image for frame in iterate_frames(path)]
        reference = joints[: len(images)]
        footage = _describe_view(number, view, reference, images[0].shape)
        pixels = view.project(reference)
        for kind in _KINDS:
            painted, hidden, crop = paint_occluder(kind, images, pixels, number)
            for estimator in estimators:
                yield _estimate(footage, kind, crop, hidden, painted, estimator)


def _describe_view(number: int, view: View, joints: np.ndarray, shape) -> Footage:
    frames = len(joints)
    return Footage(
        f"pose2sim_demo_cam{number + 1:02d}",
        "pose2sim_demo",
        FPS,
        (shape[1], shape[0]),
        float(view.focal.mean()),
        (float(view.centre[0]), float(view.centre[1])),
        False,
        {},
        [],
        joints @ view.R.T + view.t,
        np.zeros((frames, 17), bool),
        np.broadcast_to(view.R, (frames, 3, 3)),
        np.broadcast_to(view.t, (frames, 3)),
    )


def _estimate(footage, kind, crop, hidden, images, estimator: Estimator) -> Take:
    from stride_nb.video.rendering.data_set import estimate_images

    joints, pixels, confidence = estimate_images(estimator, images, FPS)
    return Take(footage, kind, crop, hidden, estimator.name, joints, pixels, confidence)


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--estimators", nargs="+", default=["mediapipe_full", "mediapipe_heavy"])
    names = parser.parse_args().estimators
    estimators = [load_estimator(name) for name in names]
    write_takes(DEMO_FILE, make_demo_takes(estimators))
    for estimator in estimators:
        estimator.close()
    print(DEMO_FILE.name)


if __name__ == "__main__":
    main()
