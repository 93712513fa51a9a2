"""What is missing from a sequence, and where: the first thing to know about poses from
elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, runs
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import Skeleton
from stride_nb.viz.tables import Table, table

__all__ = ["Gap", "Report", "plausibility", "report", "root_path"]


@dataclass(frozen=True)
class Gap:
    """A joint missing or unsure without a break."""

    joint: str
    start: float
    """Seconds from the beginning of the sequence."""
    seconds: float


@dataclass(frozen=True)
class Report:
    """What of a sequence is missing. Prints itself as text; ``table()`` and ``visible`` are for a
    page."""

    name: str
    fps: float
    skeleton: Skeleton
    visible: np.ndarray = field(repr=False)
    """(T, J) bool: there, and sure enough to be trusted (``gaps.TRUST``); what ``plots.visibility``
    shows."""
    there: np.ndarray = field(repr=False)
    """(T, J) bool: there at all; where it is not visible, it is the estimator's guess."""
    lost: list[tuple[float, float]]
    """Start and length in seconds of every span of frames without any joint."""
    gaps: list[Gap]
    """The longest gap of every joint that has one, longest first."""
    never: list[str]
    """Joints that are in no frame: the source cannot tell them."""
    root: str
    """What is known of the person's path: see ``root_path``."""

    @property
    def missing(self) -> dict[str, float]:
        """Share of frames that lack a joint, by joint."""
        return dict(zip(self.skeleton.joints, (~self.there).mean(0).tolist()))

    @property
    def unsure(self) -> dict[str, float]:
        """Share of frames in which a joint is there but not to be trusted, by joint."""
        return dict(zip(self.skeleton.joints, (self.there & ~self.visible).mean(0).tolist()))

    def table(self) -> Table:
        """A row a joint: percent of frames in which it is missing and unsure, the longest gap and
        its beginning (s)."""
        longest = {gap.joint: gap for gap in self.gaps}
        rows = [
            {
                "joint": joint,
                "missing (%)": 100 * self.missing[joint],
                "unsure (%)": 100 * self.unsure[joint],
                "longest gap (s)": longest[joint].seconds if joint in longest else 0.0,
                "from (s)": longest[joint].start if joint in longest else None,
            }
            for joint in self.skeleton.joints
        ]
        return table(
            rows, digits={"missing (%)": 1, "unsure (%)": 1, "longest gap (s)": 2, "from (s)": 2}
        )

    def __str__(self) -> str:
        frames = len(self.visible)
        lines = [
            f"{self.name or 'sequence'}: {frames} frames, {frames / self.fps:.1f} s at {self.fps:g} fps, "
            f"{self.skeleton.name}",
            f"  missing: {100 * (~self.there).mean():.1f} % of all joints; "
            f"{100 * (~self.there.any(1)).mean():.1f} % of frames lost whole",
            f"  unsure: {100 * (self.there & ~self.visible).mean():.1f} % of all joints, confidence below {CONFIDENCE_THRESHOLD:g}",
        ]
        if self.lost:
            most = sorted(self.lost, key=lambda span: -span[1])[:3]
            lines.append(
                f"  longest losses: {'; '.join(f'{length:.2f} s from {start:.2f} s' for start, length in most)}"
            )
        joints = [
            g
            for g in self.gaps
            if g.joint not in self.never and (g.start, g.seconds) not in self.lost
        ][:3]
        if joints:
            lines.append(
                "  longest gaps: "
                + "; ".join(f"{g.joint} {g.seconds:.2f} s from {g.start:.2f} s" for g in joints)
            )
        if self.never:
            lines.append(f"  never seen: {', '.join(self.never)}")
        return "\n".join([*lines, f"  path: {self.root}"])


def report(sequence: PoseSequence | Keypoints2D) -> Report:
    """Look through a sequence for what it lacks.

    >>> joints = np.random.default_rng(0).normal(size=(100, 17, 3))
    >>> joints[20:45] = np.nan
    >>> confidence = np.where(np.isfinite(joints).all(-1), 0.9, 0)
    >>> confidence[45:70, 13] = 0.2
    >>> print(report(PoseSequence(joints, confidence, fps=50, name="walk")))
    walk: 100 frames, 2.0 s at 50 fps, h36m17
      missing: 25.0 % of all joints; 25.0 % of frames lost whole
      unsure: 1.5 % of all joints, confidence below 0.5
      longest losses: 0.50 s from 0.40 s
      longest gaps: lwrist 1.00 s from 0.40 s
      path: kept
    """
    there, visible = ~sequence.missing, sequence.confidence >= CONFIDENCE_THRESHOLD
    fps, joints = sequence.fps, sequence.skeleton.joints
    spans = [
        (joint, max(runs(~visible[:, j]).tolist(), key=lambda run: run[1], default=None))
        for j, joint in enumerate(joints)
    ]
    gaps = [Gap(joint, run[0] / fps, run[1] / fps) for joint, run in spans if run]
    return Report(
        sequence.name,
        fps,
        sequence.skeleton,
        visible,
        there,
        [(start / fps, length / fps) for start, length in runs(~there.any(1)).tolist()],
        sorted(gaps, key=lambda gap: -gap.seconds),
        [j for j, seen in zip(joints, there.any(0)) if not seen],
        root_path(sequence),
    )


def root_path(sequence: PoseSequence | Keypoints2D) -> str:
    """Whether the sequence says where the person went.

    A pelvis that stays within a millimetre over more than half a second is no person's: it was set
    to a fixed place.
    """
    if isinstance(sequence, Keypoints2D):
        return "in the image only (2D)"
    root = (
        sequence.to("h36m17").joints[:, 0]
        if sequence.skeleton.name != "h36m17"
        else sequence.joints[:, 0]
    )
    seen = root[np.isfinite(root).all(-1)]
    if not len(seen):
        return "unknown, the pelvis is never seen"
    if len(seen) > 0.5 * sequence.fps and np.ptp(seen, axis=0).max() < 1e-3:
        return "absent, the pelvis never moves"
    return "kept"


def plausibility(sequence: PoseSequence) -> dict[str, float]:
    """What can be said of a sequence without a truth: missing joints (%), how much the lengths of
    bones vary over time (standard deviation, mm, mean over bones), and how much joints accelerate
    relative to the pelvis (mean, m/s²); over what is there.

    >>> still = PoseSequence(np.random.default_rng(0).normal(size=(1, 17, 3)).repeat(9, 0))
    >>> {name: round(value, 6) for name, value in plausibility(still).items()}
    {'missing (%)': 0.0, 'bone length varies by (mm)': 0.0, 'joint acceleration (m/s²)': 0.0}
    """
    lengths = np.ma.masked_invalid(
        np.stack(
            [
                np.linalg.norm(sequence.joints[:, j] - sequence.joints[:, p], axis=-1)
                for j, p in sequence.skeleton.bones
            ]
        )
    )
    joints = sequence.root_relative().joints
    bend = np.ma.masked_invalid(np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1))
    return {
        "missing (%)": 100 * float(sequence.missing.mean()),
        "bone length varies by (mm)": float(1000 * np.ma.filled(lengths.std(1).mean(), np.nan)),
        "joint acceleration (m/s²)": float(np.ma.filled(bend.mean(), np.nan) * sequence.fps**2),
    }
