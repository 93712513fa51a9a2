"""How poses refined from a real estimator are scored: twelve limb joints, one similarity a clip.

An estimator from one view knows neither size nor exact heading, so one rotation, scale and shift a
clip is fitted, on the joints that were in view in frames in which the estimator found somebody: the
same ones for every method. Nothing is fitted on what was hidden.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from stride_nb.datasets.rendered import Take
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import error_accel
from stride_nb.poses.geometry import fit_rotation
from stride_nb.poses.skeleton import H36M17

__all__ = ["SCORED_JOINTS", "align_to_truth", "score_take"]

SCORED_JOINTS = tuple(
    H36M17.joints.index(side + joint)
    for side in "rl"
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
)
"""Hips, knees, ankles, shoulders, elbows and wrists: what all joint sets mark alike."""
_CLOSE_MM = 100.0


def align_to_truth(
    joints: Float[np.ndarray, "T 17 3"],
    truth: Float[np.ndarray, "T 17 3"],
    used: Bool[np.ndarray, "T 17"],
) -> Float[np.ndarray, "T 17 3"]:
    """Joints relative to mid-hips, moved onto the truth's by one similarity, that of the entries
    used.

    Args:
        joints, truth: metres, finite.
        used: of `SCORED_JOINTS` only those count.

    Raises:
        InputError: fewer than four entries to fit on.
    """
    source, target = joints - joints[:, :1], truth - truth[:, :1]
    used = used & np.isin(np.arange(17), SCORED_JOINTS)
    if used.sum() < 4:
        raise InputError("take", "joints", "four or more in view, to align with", int(used.sum()))
    a, b = source[used], target[used]
    middle_a, middle_b = a.mean(0), b.mean(0)
    rotation = fit_rotation(a - middle_a, b - middle_b)
    turned = (a - middle_a) @ rotation.T
    scale = ((b - middle_b) * turned).sum() / (turned**2).sum()
    return scale * (source - middle_a) @ rotation.T + middle_b


def score_take(
    take: Take,
    joints: Float[np.ndarray, "T 17 3"],
    confidence: Float[np.ndarray, "T 17"] | None = None,
) -> dict[str, float]:
    """Mean errors of a refined take, mm, by joints hidden and in view, lost frames included;
    acceleration error, m/s².

    Args:
        joints: metres, camera axes, finite, a frame for every frame of the take.
        confidence: the predicted chance that a joint is within 100 mm; then the mean of it and the
            share of joints that are, for hidden and visible ones (``claimed_…``, ``within_…``).
    """
    truth, picked = take.footage.joints_cam, list(SCORED_JOINTS)
    aligned = align_to_truth(joints, truth, ~take.hidden & take.found[:, None])
    relative = truth - truth[:, :1]
    errors = 1000 * np.linalg.norm(aligned - relative, axis=-1)[:, picked]
    parts = {"hidden": take.hidden[:, picked], "visible": ~take.hidden[:, picked]}
    scores = {
        f"mpjpe_{n}_mm": float(errors[mask].mean()) for n, mask in parts.items() if mask.any()
    }
    accel = error_accel(aligned[:, picked], relative[:, picked]).mean() * take.footage.fps**2
    scores["accel_error_mps2"] = float(accel)
    if confidence is not None:
        for name, mask in parts.items():
            if mask.any():
                scores[f"claimed_{name}"] = float(confidence[:, picked][mask].mean())
                scores[f"within_{name}"] = float((errors[mask] < _CLOSE_MM).mean())
    return scores
