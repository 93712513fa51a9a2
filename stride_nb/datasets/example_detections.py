"""A file to try things on: two people before a camera, as AlphaPose would write them, with what
goes wrong in practice."""

from __future__ import annotations

from os import PathLike

import numpy as np

from stride_nb.datasets import synthetic
from stride_nb.datasets.simulation.estimator_noise import simulate_detections
from stride_nb.datasets.simulation.occlusion import occlude
from stride_nb.io import alphapose
from stride_nb.poses.geometry import Camera, random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence

__all__ = ["write_example_detections"]


def write_example_detections(
    path: str | PathLike, seed: int = 0, seconds: float = 8.0, fps: float = 30.0
) -> list[PoseSequence]:
    """Write an AlphaPose results file (26 joints) of two synthetic people.

    Each has a limb hidden for a while, loses frames at random and half a second in one piece; for a
    second in the middle the tracker swaps the two.

    Returns:
        The true joints of both in camera space, metres.
    """
    rng = np.random.default_rng(seed)
    walker, _, turner = synthetic.load("test", clips=3, seconds=seconds, seed=seed, fps=fps)
    world = [
        _centre_on_ground(walker.joints, np.zeros(3)),
        _centre_on_ground(turner.joints, np.array([1.5, 0, 0])),
    ]
    camera = random_camera(rng, np.concatenate(world, 1))
    truth = [
        PoseSequence(camera.to_camera(joints), fps=fps, name=f"person {i}")
        for i, joints in enumerate(world, 1)
    ]
    detections = [_simulate_person(person, camera, rng) for person in truth]
    middle, half = len(truth[0]) // 2, int(fps / 2)
    swapped = slice(middle - half, middle + half)
    for field in ("pixels", "confidence"):
        one, other = (getattr(person, field) for person in detections)
        one[swapped], other[swapped] = other[swapped].copy(), one[swapped].copy()
    alphapose.write(path, detections)
    return truth


def _centre_on_ground(joints: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The motion with its mean pelvis above ``place``; heights stay."""
    centred = joints - joints[:, :1].mean(0) + place
    return centred * (1, 0, 1) + joints * (0, 1, 0)


def _simulate_person(person: PoseSequence, camera: Camera, rng: np.random.Generator) -> Keypoints2D:
    visible = occlude("limb", person.joints, person.fps, rng)
    pixels = camera.project(person.joints)
    pixels, confidence = simulate_detections(pixels, visible, person.fps, rng)
    start = rng.integers(len(person) // 8, len(person) // 3)
    confidence[start : start + int(person.fps / 2)] = 0
    return Keypoints2D(pixels, confidence, person.fps, camera.size).to("halpe26")
