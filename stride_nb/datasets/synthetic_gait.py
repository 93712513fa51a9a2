"""Walking and running: published joint-angle curves as Fourier series, and what pelvis, trunk and
arms do with them."""

from __future__ import annotations

import numpy as np

from stride_nb.datasets.synthetic_body import neutral

__all__ = ["GAITS", "curve", "gait", "harmonics", "swing_arms"]

# Sagittal angles (percent of the stride from heel contact, degrees): the thigh against the
# vertical, knee flexion, ankle dorsiflexion. Walking: Winter (1991), natural cadence, and Perry and
# Burnfield (2010); running: Novacheck (1998). Read off the published curves at their turning
# points, then moved (hip by 7 degrees at most, knee and ankle by 4) so that, on this body, the
# planted foot rests under a pelvis of nearly steady speed, as it does in people.
GAITS = {
    "walk": {
        "hip": (
            (0, 28),
            (6, 21),
            (12, 18),
            (20, 10),
            (31, -5),
            (40, -13),
            (50, -21),
            (54, -18),
            (62, -7),
            (68, 5),
            (75, 18),
            (82, 31),
            (87, 30),
            (93, 28),
        ),
        "knee": (
            (0, 3),
            (6, 10),
            (14, 16),
            (20, 15),
            (31, 8),
            (40, 8),
            (46, 9),
            (50, 10),
            (56, 24),
            (62, 42),
            (68, 57),
            (73, 62),
            (79, 56),
            (87, 27),
            (94, 7),
            (97, 3),
        ),
        "ankle": (
            (0, 0),
            (5, -4),
            (9, -5),
            (15, 2),
            (25, 7),
            (31, 10),
            (40, 7),
            (46, 7),
            (50, 7),
            (55, -2),
            (60, -14),
            (63, -18),
            (68, -12),
            (75, -1),
            (82, 5),
            (90, 1),
        ),
    },
    "run": {
        "hip": (
            (0, 31),
            (10, 26),
            (20, 13),
            (30, -9),
            (38, -21),
            (44, -22),
            (50, -15),
            (58, 0),
            (66, 18),
            (74, 34),
            (81, 42),
            (88, 41),
            (94, 37),
        ),
        "knee": (
            (0, 19),
            (5, 27),
            (12, 38),
            (17, 41),
            (24, 36),
            (32, 22),
            (37, 18),
            (41, 21),
            (48, 42),
            (56, 72),
            (64, 95),
            (70, 100),
            (76, 93),
            (84, 66),
            (91, 36),
            (96, 19),
        ),
        "ankle": (
            (0, 4),
            (5, 3),
            (12, 15),
            (18, 22),
            (25, 17),
            (31, 0),
            (37, -18),
            (41, -24),
            (48, -16),
            (58, -5),
            (70, 2),
            (85, 4),
            (95, 4),
        ),
    },
}


def harmonics(knots, count: int = 10) -> np.ndarray:
    """Complex Fourier coefficients (count + 1,) of the periodic curve through (percent, degrees)
    ``knots``.

    >>> c = harmonics([(0, 10), (50, 30)])  # up and down between 10° and 30°
    >>> round(float(c[0].real), 1), round(float(curve(c, np.array([0.5]))[0]))
    (20.0, 30)
    """
    percent, degrees = np.array(knots, float).T
    samples = np.interp(np.arange(200) / 2, percent, degrees, period=100)
    return np.fft.rfft(samples)[: count + 1] / 200 * np.where(np.arange(count + 1), 2, 1)


def curve(coefficients: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """The angle (T,), degrees, at the phase (T,) in strides: Re Σₖ cₖ exp(2πikφ)."""
    return (np.exp(2j * np.pi * phase[:, None] * np.arange(len(coefficients))) @ coefficients).real


def _gate(phase: np.ndarray, off: float, ramp: float) -> np.ndarray:
    """1 while a foot is in stance: up over [0, ramp], down over [off − ramp, off] of its stride."""
    phase = phase % 1
    return np.clip(np.minimum(phase, off - phase) / ramp, 0, 1)


def gait(name: str, cycle: np.ndarray, stride: float, stance: float, ramp: float) -> dict:
    """Legs, pelvis and trunk of a gait at the phase ``cycle`` (T,), in strides since a right heel
    contact.

    The pelvis turns towards the leg that comes down and the trunk against it (Murray et al., 1964).

    Args:
        name: of ``GAITS``.
        stride: scale of the amplitude; 1 is as published.
        stance, ramp: shares of the stride during which a foot bears weight, and takes it over from
            the other.
    """
    pose = neutral(cycle)
    turn, side = np.cos(2 * np.pi * cycle), np.cos(2 * np.pi * (cycle + 0.08))
    pose["pelvis_turn"], pose["pelvis_list"] = 4 * stride * turn, 3.5 * side
    for s, shift, sign in (("r", 0, 1), ("l", 0.5, -1)):
        phase = cycle + shift
        for joint, share in (("hip", 1.0), ("knee", 0.65), ("ankle", 0.65)):
            c = harmonics(GAITS[name][joint]) * (1 - share + share * stride)
            pose[s + joint] = curve(c, phase)
        pose[s + "hip_abd"] = (
            -2 + 3 * np.cos(2 * np.pi * (phase - 0.78)) + sign * pose["pelvis_list"]
        )
        pose[s + "support"] = _gate(phase, stance, ramp)
    pose["trunk_twist"] = -1.7 * pose["pelvis_turn"]
    pose["neck_twist"] = 0.7 * pose["pelvis_turn"]
    pose["trunk_side"] = -0.9 * pose["pelvis_list"]
    return pose


def swing_arms(
    pose: dict, cycle: np.ndarray, mean: float, swing: float, elbow: float, bend: float
) -> None:
    """Arms against the legs: back at the same side's heel contact, the elbow bending as the arm
    comes forward (Murray et al., 1967)."""
    for s, shift in (("r", 0), ("l", 0.5)):
        wave = -np.cos(2 * np.pi * (cycle + shift - 0.02))
        pose[s + "shoulder"] = pose[s + "shoulder"] + mean + swing * wave
        pose[s + "elbow"] = pose[s + "elbow"] + elbow + bend * wave
