"""Walking and running: published joint-angle curves as Fourier series, and what pelvis, trunk and
arms do with them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from jaxtyping import Complex, Float

from stride_nb.datasets.synthetic_body import Pose, make_neutral_pose

__all__ = ["GAITS", "evaluate_curve", "fit_harmonics", "make_gait", "swing_arms"]

# Sagittal angles: (percents of the stride from heel contact), (degrees): the thigh against the
# vertical, knee flexion, ankle dorsiflexion. Walking: Winter (1991), natural cadence, and Perry and
# Burnfield (2010); running: Novacheck (1998). Read off the published curves at their turning
# points, then moved (hip by 7 degrees at most, knee and ankle by 4) so that, on this body, the
# planted foot rests under a pelvis of nearly steady speed, as it does in people.
GAITS = {
    "walk": {
        "hip": (
            (0, 6, 12, 20, 31, 40, 50, 54, 62, 68, 75, 82, 87, 93),
            (28, 21, 18, 10, -5, -13, -21, -18, -7, 5, 18, 31, 30, 28),
        ),
        "knee": (
            (0, 6, 14, 20, 31, 40, 46, 50, 56, 62, 68, 73, 79, 87, 94, 97),
            (3, 10, 16, 15, 8, 8, 9, 10, 24, 42, 57, 62, 56, 27, 7, 3),
        ),
        "ankle": (
            (0, 5, 9, 15, 25, 31, 40, 46, 50, 55, 60, 63, 68, 75, 82, 90),
            (0, -4, -5, 2, 7, 10, 7, 7, 7, -2, -14, -18, -12, -1, 5, 1),
        ),
    },
    "run": {
        "hip": (
            (0, 10, 20, 30, 38, 44, 50, 58, 66, 74, 81, 88, 94),
            (31, 26, 13, -9, -21, -22, -15, 0, 18, 34, 42, 41, 37),
        ),
        "knee": (
            (0, 5, 12, 17, 24, 32, 37, 41, 48, 56, 64, 70, 76, 84, 91, 96),
            (19, 27, 38, 41, 36, 22, 18, 21, 42, 72, 95, 100, 93, 66, 36, 19),
        ),
        "ankle": (
            (0, 5, 12, 18, 25, 31, 37, 41, 48, 58, 70, 85, 95),
            (4, 3, 15, 22, 17, 0, -18, -24, -16, -5, 2, 4, 4),
        ),
    },
}


def fit_harmonics(knots: npt.ArrayLike, count: int = 10) -> Complex[np.ndarray, " K"]:
    """Complex Fourier coefficients, K = ``count`` + 1, of the periodic curve through ``knots``:
    (percents, degrees).

    >>> c = fit_harmonics([(0, 50), (10, 30)])  # up and down between 10° and 30°
    >>> round(float(c[0].real), 1), round(float(evaluate_curve(c, np.array([0.5]))[0]))
    (20.0, 30)
    """
    percents, degrees = np.array(knots, float)
    samples = np.interp(np.arange(200) / 2, percents, degrees, period=100)
    return np.fft.rfft(samples)[: count + 1] / 200 * np.where(np.arange(count + 1), 2, 1)


def evaluate_curve(
    coefficients: Complex[np.ndarray, " K"], phase: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    """The angle, degrees, at the phase in strides: Re Σₖ cₖ exp(2πikφ)."""
    harmonics = np.exp(2j * np.pi * phase[:, None] * np.arange(len(coefficients)))
    return np.real(harmonics @ coefficients)


def _compute_support(phase: np.ndarray, off: float, ramp: float) -> np.ndarray:
    """1 while a foot is in stance: up over [0, ramp], down over [off − ramp, off] of its stride."""
    phase = phase % 1
    return np.clip(np.minimum(phase, off - phase) / ramp, 0, 1)


def make_gait(
    name: str, cycle: Float[np.ndarray, " T"], stride: float, stance: float, ramp: float
) -> Pose:
    """Legs, pelvis and trunk of a gait at the phase ``cycle``, in strides since a right heel
    contact.

    The pelvis turns towards the leg that comes down and the trunk against it (Murray et al., 1964).

    Args:
        name: of ``GAITS``.
        stride: scale of the amplitude; 1 is as published.
        stance, ramp: shares of the stride during which a foot bears weight, and takes it over from
            the other.
    """
    pose = make_neutral_pose(cycle)
    pose["pelvis_turn"] = 4 * stride * np.cos(2 * np.pi * cycle)
    pose["pelvis_list"] = 3.5 * np.cos(2 * np.pi * (cycle + 0.08))
    for s, shift, sign in (("r", 0, 1), ("l", 0.5, -1)):
        phase = cycle + shift
        for joint, share in (("hip", 1.0), ("knee", 0.65), ("ankle", 0.65)):
            coefficients = fit_harmonics(GAITS[name][joint]) * (1 - share + share * stride)
            pose[s + joint] = evaluate_curve(coefficients, phase)
        abduction = -2 + 3 * np.cos(2 * np.pi * (phase - 0.78))
        pose[s + "hip_abd"] = abduction + sign * pose["pelvis_list"]
        pose[s + "support"] = _compute_support(phase, stance, ramp)
    pose["trunk_twist"] = -1.7 * pose["pelvis_turn"]
    pose["neck_twist"] = 0.7 * pose["pelvis_turn"]
    pose["trunk_side"] = -0.9 * pose["pelvis_list"]
    return pose


def swing_arms(
    pose: Pose,
    cycle: Float[np.ndarray, " T"],
    mean: float,
    swing: float,
    elbow: float,
    bend: float,
) -> None:
    """Arms against the legs: back at the same side's heel contact, the elbow bending as the arm
    comes forward (Murray et al., 1967). All angles in degrees."""
    for s, shift in (("r", 0), ("l", 0.5)):
        wave = -np.cos(2 * np.pi * (cycle + shift - 0.02))
        pose[s + "shoulder"] = pose[s + "shoulder"] + mean + swing * wave
        pose[s + "elbow"] = pose[s + "elbow"] + elbow + bend * wave
