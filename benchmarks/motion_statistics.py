"""Quantiles of joint speed and acceleration by activity, and the record of CMU's.

``python -m benchmarks.motion_statistics`` measures every CMU clip of the activities below (see
``datasets.cmu.find_clip_file`` for their folder) and writes
``data/results/motion_statistics.json``, so that generated motion can be compared with real motion
that is not at hand.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import records
from benchmarks.study import Study
from stride_nb.datasets import cmu, load
from stride_nb.io.clip_archive import read_clips, read_labels
from stride_nb.poses.sequence import PoseSequence

__all__ = [
    "CMU_ACTIONS",
    "LEVELS",
    "QUANTITIES",
    "RECORD",
    "compare_with_cmu",
    "compute_accelerations",
    "compute_quantiles",
    "compute_speeds",
    "fit_apex_acceleration",
    "load_activities",
    "load_cmu_clips",
    "load_quantiles",
    "measure",
    "tabulate_ratios",
]

RECORD = records.RESULTS / "motion_statistics.json"
LEVELS = (1, 2, *range(5, 100, 5), 98, 99, 99.9)  # percent
# what CMU calls them; of captures on a fixed common skeleton (kind "daz") none is used
CMU_ACTIONS = {
    "walk": ("walk", "slow walk", "walk, veer left", "walk, veer right"),
    "run": ("run", "run/jog", "Run"),
    "jump": ("jump", "high jump", "forward jump", "jump up and down, hop on one foot"),
    "gesture": (
        "wash windows",
        "direct traffic, wave, point",
        "basketball signals",
        "drink soda",
        "unscrew bottlecap, drink soda",
        "bend over, scoop up, rise, lift arm",
    ),
}
_GESTURES = ("reach", "wave")  # what the synthetic source calls them


def compute_speeds(sequence: PoseSequence) -> np.ndarray:
    """Speed of every joint in the world (T − 2, J), m/s, by central differences."""
    step = sequence.joints[2:] - sequence.joints[:-2]
    return np.linalg.norm(step, axis=-1) * sequence.fps / 2


def compute_accelerations(sequence: PoseSequence) -> np.ndarray:
    """Acceleration of every joint in the world (T − 2, J), m/s², by second differences."""
    return np.linalg.norm(np.diff(sequence.joints, 2, axis=0), axis=-1) * sequence.fps**2


QUANTITIES = {"speed": compute_speeds, "acceleration": compute_accelerations}


def compute_quantiles(sequences: Sequence[PoseSequence], quantity: str) -> np.ndarray:
    """The quantiles at ``LEVELS`` of a quantity over all joints and frames of the sequences, at 50
    fps."""
    values = [QUANTITIES[quantity](s.resample(50)).ravel() for s in sequences]
    return np.percentile(np.concatenate(values), LEVELS)


def load_cmu_clips(
    splits: Sequence[str] = ("train", "val", "test"),
) -> dict[str, list[PoseSequence]]:
    """CMU's clips by the activities of ``CMU_ACTIONS``."""
    groups = {name: [] for name in CMU_ACTIONS}
    for split in splits:
        path = cmu.find_clip_file(f"cmu_h36m17_{split}.npz")
        for clip, label in zip(read_clips(path), read_labels(path)):
            for name, actions in CMU_ACTIONS.items():
                if label.action in actions and label.kind != "daz":
                    groups[name].append(clip)
    return groups


def load_activities(
    source: str, split: str, clips: int, seconds: float, seed: int
) -> dict[str, list[PoseSequence]]:
    """Activity → sequences of a source: ``synthetic`` makes ``clips`` of ``seconds`` from ``seed``,
    ``cmu`` has what the split holds, at most ``clips`` an activity."""
    if source == "cmu":
        return {name: group[:clips] for name, group in load_cmu_clips([split]).items() if group}
    groups: dict[str, list[PoseSequence]] = {}
    for sequence in load(source, split, clips=clips, seconds=seconds, seed=seed):
        groups.setdefault(sequence.name.split("_")[2], []).append(sequence)
    return groups


def compare_with_cmu(
    groups: dict[str, list[PoseSequence]], quantity: str, name: str
) -> dict[str, dict[str, tuple]]:
    """Activity → {"CMU" and ``name``: (quantiles, share of frames and joints below)}, for the
    activities of the record; reaching and waving count as gestures."""
    record, share, panels = load_quantiles(), np.array(LEVELS) / 100, {}
    for activity in CMU_ACTIONS:
        members = _GESTURES if activity == "gesture" and activity not in groups else (activity,)
        sequences = [sequence for member in members for sequence in groups.get(member, [])]
        if sequences:
            panels[activity] = {
                "CMU": (record[activity, quantity], share),
                name: (compute_quantiles(sequences, quantity), share),
            }
    return panels


def measure() -> list[dict]:
    """One row an activity and quantity: clips, seconds of motion, and the quantiles ``p1`` to
    ``p99.9``."""
    rows = []
    for name, clips in load_cmu_clips().items():
        seconds = round(sum(len(c) / c.fps for c in clips), 1)
        for quantity in QUANTITIES:
            about = {"activity": name, "quantity": quantity, "clips": len(clips)}
            values = zip(LEVELS, compute_quantiles(clips, quantity))
            quantiles = {f"p{level:g}": float(f"{value:.4g}") for level, value in values}
            rows.append(about | {"motion_seconds": seconds} | quantiles)
    return rows


def load_quantiles(path: Path = RECORD) -> dict[tuple[str, str], np.ndarray]:
    """(activity, quantity) → CMU's quantiles at ``LEVELS``, as recorded."""
    return {
        (r["activity"], r["quantity"]): np.array([r[f"p{level:g}"] for level in LEVELS])
        for r in records.load_rows(path)
    }


def fit_apex_acceleration(sequence: PoseSequence, within: float = 0.08) -> float:
    """Vertical acceleration of the pelvis, m/s², of the parabola through the frames ``within``
    seconds of its highest."""
    height = sequence.joints[:, 0, 1]
    near = np.abs(sequence.seconds - sequence.seconds[np.argmax(height)]) <= within + 1e-9
    return float(
        2 * np.polyfit(sequence.seconds[near] - sequence.seconds[near].mean(), height[near], 2)[0]
    )


def tabulate_ratios(
    groups: dict[str, list[PoseSequence]], name: str, levels: Sequence[float] = (50, 95, 99)
) -> list[dict]:
    """One row an activity and quantity: the quantiles at ``levels`` of the groups, over those of
    CMU."""
    rows = []
    for quantity in QUANTITIES:
        for activity, curves in compare_with_cmu(groups, quantity, name).items():
            ratio = curves[name][0] / curves["CMU"][0]
            rows.append(
                {"activity": activity, "quantity": quantity}
                | {f"p{level:g}": float(ratio[LEVELS.index(level)]) for level in levels}
            )
    return rows


def main() -> int:
    """Measure, write the record, print its rows."""
    study = Study("motion_statistics", {"actions": CMU_ACTIONS, "levels": LEVELS}, 0)
    study.add(measure())
    study.save(
        "CMU, train, val and test subjects, all 17 joints in the world at 50 fps; central and "
        "second differences",
        {"speed": "m/s", "acceleration": "m/s²"},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
