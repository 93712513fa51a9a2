"""What the simulations share: smooth noise, moments between frames, equal sides."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Num

from stride_nb.poses.skeleton import H36M17

__all__ = ["draw_smooth_noise", "make_symmetric", "time_warp"]

_LEFT, _RIGHT = (H36M17.index(*side) for side in zip(*H36M17.pairs))


def draw_smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], seconds: float, fps: float
) -> Float[np.ndarray, " ..."]:
    """Gaussian noise of unit variance over axis 0, its autocorrelation exp(−(Δt/``seconds``)²).

    White noise shaped in the frequency domain; generated longer than asked, so that the ends of a
    clip do not know of each other.
    """
    frames = shape[0]
    n = frames + int(4 * seconds * fps) + 1
    gain = np.exp(-((np.pi * seconds * np.fft.rfftfreq(n, 1 / fps)) ** 2) / 2)
    power = np.fft.irfft(gain**2, n)[0]
    white = rng.standard_normal((n, *shape[1:]))
    spectrum = np.fft.rfft(white, axis=0) * gain.reshape(-1, *(1,) * (len(shape) - 1))
    return np.fft.irfft(spectrum, n, axis=0)[:frames] / np.sqrt(power)


def time_warp(
    joints: Float[np.ndarray, "T J 3"], at: Num[np.ndarray, " N"]
) -> Float[np.ndarray, "N J 3"]:
    """The motion at moments ``at`` (frames, any fraction of one), linearly interpolated, held
    beyond its ends."""
    at = np.clip(at, 0, len(joints) - 1)
    low = np.minimum(at.astype(int), len(joints) - 2)
    part = (at - low)[:, None, None]
    return joints[low] * (1 - part) + joints[low + 1] * part


def make_symmetric(values: Float[np.ndarray, " 17"]) -> Float[np.ndarray, " 17"]:
    """A value a joint, the left side's replaced by the right side's."""
    out = values.copy()
    out[_LEFT] = values[_RIGHT]
    return out
