"""A reference for real video: joints triangulated from several calibrated views, after the views'
places have been adjusted to the joints themselves (bundle adjustment of the extrinsics)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

__all__ = ["View", "adjust_views", "measure_reprojection", "read_qualisys", "triangulate"]

_UNITS = 64.0  # Qualisys counts pixels in 64ths
_SEEN = 0.3  # confidence of a keypoint that takes part
_ROUNDS = 8  # of undistortion; each halves the error several times


@dataclass(frozen=True, eq=False)
class View:
    """A camera with a lens."""

    R: Float[np.ndarray, "3 3"]
    """World to camera (x right, y down, z forward)."""
    t: Float[np.ndarray, " 3"]
    """Metres."""
    focal: Float[np.ndarray, " 2"]
    centre: Float[np.ndarray, " 2"]
    """px."""
    distortion: Float[np.ndarray, " 4"]
    """Radial k1, k2 and tangential p1, p2 (Brown, 1966)."""

    def normalise(self, pixels: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        """Pixels to x/z, y/z, without the lens's distortion."""
        distorted = (pixels - self.centre) / self.focal
        straight = distorted
        for _ in range(_ROUNDS):
            radial, tangential = self._distort(straight)
            straight = (distorted - tangential) / radial
        return straight

    def project(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
        """World (metres) to pixels, distorted as the lens does."""
        seen = points @ self.R.T + self.t
        straight = seen[..., :2] / seen[..., 2:]
        radial, tangential = self._distort(straight)
        return (straight * radial + tangential) * self.focal + self.centre

    def _distort(self, straight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        k1, k2, p1, p2 = self.distortion
        x, y = np.moveaxis(straight, -1, 0)
        r2 = x**2 + y**2
        along_x = 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
        along_y = p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
        return (1 + k1 * r2 + k2 * r2**2)[..., None], np.stack([along_x, along_y], -1)


def read_qualisys(path: str | PathLike) -> list[View]:
    """Views of a calibration file of Qualisys Track Manager (XML, millimetres)."""
    views = []
    for camera in ElementTree.parse(path).getroot().iter("camera"):
        place, lens, window = (camera.find(n) for n in ("transform", "intrinsic", "fov_video"))
        assert place is not None and lens is not None and window is not None
        axes = np.array([[float(place.get(f"r{i}{j}", 0)) for j in "123"] for i in "123"])
        eye = np.array([float(place.get(axis, 0)) for axis in "xyz"]) / 1000
        # its cameras look along −z with y up: half a turn about x
        R = np.diag([1.0, -1, -1]) @ axes
        names = ("radialDistortion1", "radialDistortion2")
        names += ("tangentalDistortion1", "tangentalDistortion2")
        corner = np.array([float(window.get(n, 0)) for n in ("left", "top")])
        views.append(
            View(
                R,
                -R @ eye,
                np.array([float(lens.get(f"focalLength{n}", 0)) for n in "UV"]) / _UNITS,
                np.array([float(lens.get(f"centerPoint{n}", 0)) for n in "UV"]) / _UNITS - corner,
                np.array([float(lens.get(n, 0)) for n in names]),
            )
        )
    return views


def triangulate(
    views: Sequence[View], pixels: Float[np.ndarray, "V N 2"], weights: Float[np.ndarray, "V N"]
) -> Float[np.ndarray, "N 3"]:
    """World points, metres, nearest to the lines of sight (linear, weighted)."""
    straight = np.stack([view.normalise(p) for view, p in zip(views, pixels)])
    rays = np.stack([np.concatenate([view.R, view.t[:, None]], 1) for view in views])
    rows = straight[..., None] * rays[:, None, 2:] - rays[:, None, :2]
    rows = rows * weights[..., None, None]
    system = np.moveaxis(rows, 0, 1).reshape(pixels.shape[1], -1, 4)
    normal = np.swapaxes(system[..., :3], 1, 2) @ system[..., :3]
    right = np.swapaxes(system[..., :3], 1, 2) @ -system[..., 3:]
    return np.linalg.solve(normal + 1e-12 * np.eye(3), right)[..., 0]


def measure_reprojection(
    views: Sequence[View], pixels: Float[np.ndarray, "V N 2"], weights: Float[np.ndarray, "V N"]
) -> Float[np.ndarray, "V N 2"]:
    """Pixels between where the views see points and where their triangulation puts them."""
    points = triangulate(views, pixels, weights)
    return np.stack([view.project(points) for view in views]) - pixels


def adjust_views(
    views: Sequence[View],
    pixels: Float[np.ndarray, "V N 2"],
    confidence: Float[np.ndarray, "V N"],
) -> list[View]:
    """Views turned and moved until lines of sight meet best; intrinsics and overall scale stay.

    The points are eliminated: each residual is that of the views' own triangulation. A light pull
    to the given places holds the scene's place and scale.
    """
    weights = np.where(confidence >= _SEEN, confidence, 0.0)

    def move(change: np.ndarray) -> list[View]:
        steps = change.reshape(len(views), 6)
        turned = Rotation.from_rotvec(steps[:, :3]).as_matrix()
        return [
            replace(view, R=R @ view.R, t=R @ view.t + step[3:])
            for view, R, step in zip(views, turned, steps)
        ]

    def residuals(change: np.ndarray) -> np.ndarray:
        error = measure_reprojection(move(change), pixels, weights) * weights[..., None]
        return np.concatenate([error.ravel(), 20.0 * change])

    found = least_squares(residuals, np.zeros(6 * len(views)), loss="soft_l1", f_scale=5.0)
    return move(found.x)
