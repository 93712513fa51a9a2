"""A file to try things on: two people before a camera, as AlphaPose would write them, with what
goes wrong in practice."""

from __future__ import annotations

from os import PathLike

import numpy as np

from stride_nb.datasets import synthetic
from stride_nb.datasets.simulation.estimator_noise import detect
from stride_nb.datasets.simulation.occlusion import occlude
from stride_nb.io import alphapose
from stride_nb.poses.geometry import random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence

__all__ = ["example"]


def example(
    path: str | PathLike, seed: int = 0, seconds: float = 8.0, fps: float = 30.0
) -> list[PoseSequence]:
    """Write an AlphaPose results file (26 joints) of two synthetic people.

    Each has a limb hidden for a while, loses frames at random and half a second in one piece; for a
    second in the middle the tracker swaps the two.

    Returns:
        The true joints of both in camera space, metres: what nobody has of a file of their own.
    """
    rng = np.random.default_rng(seed)
    walker, _, turner = synthetic.load("test", clips=3, seconds=seconds, seed=seed, fps=fps)
    world = [
        walker.joints - walker.joints[:, :1].mean(0),
        turner.joints - turner.joints[:, :1].mean(0) + (1.5, 0, 0),
    ]
    world = [
        joints * (1, 0, 1) + clip.joints * (0, 1, 0)
        for joints, clip in zip(world, (walker, turner))
    ]
    camera = random_camera(rng, np.concatenate(world, 1))
    truth = [
        PoseSequence(camera.to_camera(joints), fps=fps, name=f"person {i}")
        for i, joints in enumerate(world, 1)
    ]
    found = [_detected(person, camera, rng) for person in truth]
    middle, half = len(truth[0]) // 2, int(fps / 2)
    swapped = slice(middle - half, middle + half)
    for field in ("pixels", "confidence"):
        one, other = (getattr(person, field) for person in found)
        one[swapped], other[swapped] = other[swapped].copy(), one[swapped].copy()
    alphapose.write(path, found)
    return truth


def _detected(person: PoseSequence, camera, rng: np.random.Generator) -> Keypoints2D:
    visible = occlude("limb", person.joints, person.fps, rng)
    pixels, confidence = detect(camera.project(person.joints), visible, person.fps, rng)
    start = rng.integers(len(person) // 8, len(person) // 3)
    confidence[start : start + int(person.fps / 2)] = 0
    return Keypoints2D(pixels, confidence, person.fps, camera.size).to("halpe26")
