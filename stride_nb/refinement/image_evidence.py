"""Image evidence: what an estimator saw in the image is better known than what it made of it in
space.

Where a joint is in view, its keypoint tells the ray on which it lies; the estimate in space errs
across the ray as well as along it. The person is placed before the camera, frame by frame, so that
the joints fall on their keypoints as nearly as they can, and each trusted joint is moved onto its
ray. Its depth stays the estimate's.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.errors import InputError
from stride_nb.poses.geometry import Camera
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, fill_linear
from stride_nb.poses.sequence import Keypoints2D, PoseSequence

__all__ = [
    "GUESSED_FIELD_OF_VIEW",
    "attach_keypoints",
    "guess_camera",
    "move_onto_rays",
    "place_before_camera",
    "use_image_evidence",
]

GUESSED_FIELD_OF_VIEW = 55.0
"""Degrees across the longer side of the image, where no camera is known: between a telephone's
main lens (65–70) and a portrait's (40)."""
_FEWEST_PLACED = 4  # joints that place a person
_TOLERANCES = (0.4, 0.2, 0.1, 0.1, 0.1)
"""Metres across the ray at which a joint counts half, round by round: first all joints place the
person, then those that agree."""
_FARTHEST_MISS = 0.3  # metres: farther off its ray a joint is another, or the keypoint is
_SMOOTH_SECONDS = 0.2  # of the person's distance from the camera
_NEAREST_METRES = 0.5  # metres from the camera


def guess_camera(size: tuple[int, int], degrees: float = GUESSED_FIELD_OF_VIEW) -> Camera:
    """A camera without rotation whose image is that wide (or high) and centred."""
    width, height = size
    focal = max(width, height) / 2 / np.tan(np.radians(degrees) / 2)
    center = np.array([width, height]) / 2
    return Camera(np.eye(3), np.zeros(3), np.full(2, focal), center, (width, height))


def attach_keypoints(sequence: PoseSequence, keypoints: Keypoints2D) -> PoseSequence:
    """The sequence with these keypoints of the same frames, on its joint set.

    Raises:
        InputError: no keypoints, or another number of frames or frame rate.
    """
    if not isinstance(keypoints, Keypoints2D):
        raise InputError("refine", "keypoints", "Keypoints2D", type(keypoints).__name__)
    expected = f"{len(sequence)} frames at {sequence.fps:g} a second, as the poses"
    if (len(keypoints), keypoints.fps) != (len(sequence), sequence.fps):
        found = f"{len(keypoints)} at {keypoints.fps:g}"
        raise InputError(keypoints.name or "refine", "keypoints", expected, found)
    return sequence.replace(keypoints=keypoints.to(sequence.skeleton))


def use_image_evidence(
    sequence: PoseSequence, camera: Camera | None
) -> tuple[PoseSequence, Camera | None, str]:
    """`move_onto_rays` where a sequence has keypoints; the camera, guessed unless given; a note.

    The camera is ``None`` where there was no evidence to use.
    """
    keypoints = sequence.keypoints
    if keypoints is None:
        return sequence, None, ""
    known = camera is not None
    camera = guess_camera(keypoints.size) if camera is None else camera
    moved, where = move_onto_rays(sequence, keypoints, camera)
    if not where.any():
        return sequence, None, "no frame has keypoints that could place the person; "
    source = "the given camera" if known else f"a field of view of {GUESSED_FIELD_OF_VIEW:g}°"
    note = f"{where.mean():.0%} of the joints moved onto the rays of their keypoints ({source}); "
    return moved, camera, note


def move_onto_rays(
    sequence: PoseSequence, keypoints: Keypoints2D, camera: Camera
) -> tuple[PoseSequence, Bool[np.ndarray, "T J"]]:
    """The sequence placed before the camera, its trusted joints on the rays of their keypoints.

    Args:
        sequence: camera axes, metres; the root may be anywhere.
        keypoints: of the same person in the same frames, on the same joint set.
        camera: intrinsics alone count.

    Returns:
        The sequence, and which joints were moved. A joint farther than 0.3 m off its ray stays, and
        so does a sequence of which no frame has four trusted joints.
    """
    rays = (keypoints.pixels - camera.center) / camera.focal
    trusted = np.minimum(keypoints.confidence, sequence.confidence) >= CONFIDENCE_THRESHOLD
    path = place_before_camera(sequence.joints, rays, trusted, sequence.fps)
    if path is None:
        return sequence, np.zeros_like(trusted)
    placed = sequence.joints + path[:, None]
    on_ray = rays * placed[..., 2:]
    near = np.linalg.norm(on_ray - placed[..., :2], axis=-1) < _FARTHEST_MISS
    seen = (keypoints.confidence >= CONFIDENCE_THRESHOLD) & ~sequence.missing
    moved = seen & near & (placed[..., 2] > _NEAREST_METRES)
    joints = placed.copy()
    joints[..., :2] = np.where(moved[..., None], on_ray, placed[..., :2])
    return sequence.replace(joints=joints), moved


def place_before_camera(
    joints: Float[np.ndarray, "T J 3"],
    rays: Float[np.ndarray, "T J 2"],
    trusted: Bool[np.ndarray, "T J"],
    fps: float,
) -> Float[np.ndarray, "T 3"] | None:
    """What to add to the joints of every frame so that they come to lie on their rays.

    Least squares across the rays, reweighted so that joints that lie far off do not count; the
    distance from the camera is smoothed over 0.2 s, then x and y are solved for again. Where fewer
    than four joints are trusted it is interpolated.

    Args:
        joints: metres; NaN where not trusted.
        rays: x/z and y/z.

    Returns:
        Metres; ``None`` where no frame has four trusted joints.
    """
    known = trusted.sum(1) >= _FEWEST_PLACED
    if not known.any():
        return None
    weight = trusted.astype(float)
    points = np.where(trusted[..., None], joints, 0.0)
    rays = np.where(trusted[..., None], rays, 0.0)
    for tolerance in _TOLERANCES:
        shift = _solve_shift(points, rays, weight)
        shift[:, 2] = _smooth_known(shift[:, 2], known, fps)
        shift[:, :2] = _solve_across(points, rays, weight, shift[:, 2])
        placed = points + shift[:, None]
        miss = np.linalg.norm(placed[..., :2] - rays * placed[..., 2:], axis=-1)
        weight = trusted / (1 + (miss / tolerance) ** 2)
    return fill_linear(shift[:, None], known[:, None])[:, 0]


def _solve_shift(points, rays, weight) -> Float[np.ndarray, "T 3"]:
    """Least squares of x + t_x = r_x (z + t_z), and likewise y: 3 unknowns a frame."""
    zero, one = np.zeros_like(rays[..., 0]), np.ones_like(rays[..., 0])
    columns = np.stack(
        [np.stack([one, zero, -rays[..., 0]], -1), np.stack([zero, one, -rays[..., 1]], -1)], -2
    )
    right = rays * points[..., 2:] - points[..., :2]
    square = np.einsum("tjai,tjak,tj->tik", columns, columns, weight)
    square += 1e-9 * np.eye(3)  # where nothing is known
    return np.linalg.solve(square, np.einsum("tjai,tja,tj->ti", columns, right, weight)[..., None])[
        ..., 0
    ]


def _solve_across(points, rays, weight, distance) -> Float[np.ndarray, "T 2"]:
    """The same for t_x and t_y alone, at known distances t_z."""
    miss = rays * (points[..., 2] + distance[:, None])[..., None] - points[..., :2]
    total = np.maximum(weight.sum(1), 1e-9)[:, None]
    return (miss * weight[..., None]).sum(1) / total


def _smooth_known(values, known, fps) -> Float[np.ndarray, " T"]:
    from scipy.ndimage import gaussian_filter1d

    filled = fill_linear(values[:, None, None], known[:, None])[:, 0, 0]
    return gaussian_filter1d(filled, _SMOOTH_SECONDS * fps, mode="nearest")
