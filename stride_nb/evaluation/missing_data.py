"""What is missing from a sequence, and where: the first thing to know about other tools' poses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from stride_nb.errors import check_kind
from stride_nb.poses.geometry import bone_lengths
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD, find_runs
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import Skeleton
from stride_nb.viz.tables import Table, make_table

__all__ = [
    "Gap",
    "MissingData",
    "describe_root_path",
    "measure_plausibility",
    "report_missing_data",
]


@dataclass(frozen=True)
class Gap:
    """A span in which a joint is missing or of low confidence throughout."""

    joint: str
    start: float
    """Seconds from the beginning of the sequence."""
    seconds: float


@dataclass(frozen=True)
class MissingData:
    """What is missing from a sequence. Prints itself as text."""

    name: str
    fps: float
    skeleton: Skeleton
    visible: Bool[np.ndarray, "T J"] = field(repr=False)
    """There, with at least ``CONFIDENCE_THRESHOLD``; what `figures.plot_visibility` shows."""
    there: Bool[np.ndarray, "T J"] = field(repr=False)
    """There at all; where a joint is not visible, a low-confidence detection."""
    lost: list[tuple[float, float]]
    """Start and length in seconds of every span of frames without any joint."""
    gaps: list[Gap]
    """The longest gap of every joint that has one, longest first."""
    never: list[str]
    """Joints that are in no frame."""
    root: str
    """What is known of the person's path (`describe_root_path`)."""

    @property
    def missing(self) -> dict[str, float]:
        """Share of frames that lack a joint, by joint."""
        return dict(zip(self.skeleton.joints, (~self.there).mean(0).tolist()))

    @property
    def unsure(self) -> dict[str, float]:
        """Share of frames in which a joint is there with low confidence, by joint."""
        return dict(zip(self.skeleton.joints, (self.there & ~self.visible).mean(0).tolist()))

    def make_table(self) -> Table:
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
        digits = {"missing (%)": 1, "unsure (%)": 1, "longest gap (s)": 2, "from (s)": 2}
        return make_table(rows, digits=digits)

    def __str__(self) -> str:
        frames = len(self.visible)
        missing, unsure = 100 * (~self.there).mean(), 100 * (self.there & ~self.visible).mean()
        lost = 100 * (~self.there.any(1)).mean()
        duration = f"{frames} frames, {frames / self.fps:.1f} s at {self.fps:g} fps"
        lines = [
            f"{self.name or 'sequence'}: {duration}, {self.skeleton.name}",
            f"  missing: {missing:.1f} % of all joints; {lost:.1f} % of frames lost whole",
            f"  unsure: {unsure:.1f} % of all joints, confidence below {CONFIDENCE_THRESHOLD:g}",
        ]
        if self.lost:
            longest = sorted(self.lost, key=lambda span: -span[1])[:3]
            spans = (f"{seconds:.2f} s from {start:.2f} s" for start, seconds in longest)
            lines.append(f"  longest losses: {'; '.join(spans)}")
        gaps = [
            f"{gap.joint} {gap.seconds:.2f} s from {gap.start:.2f} s"
            for gap in self.gaps
            if gap.joint not in self.never and (gap.start, gap.seconds) not in self.lost
        ]
        if gaps:
            lines.append(f"  longest gaps: {'; '.join(gaps[:3])}")
        if self.never:
            lines.append(f"  never seen: {', '.join(self.never)}")
        return "\n".join([*lines, f"  path: {self.root}"])


def report_missing_data(sequence: PoseSequence | Keypoints2D) -> MissingData:
    """List what a sequence lacks.

    >>> joints = np.random.default_rng(0).normal(size=(100, 17, 3))
    >>> joints[20:45] = np.nan
    >>> confidence = np.where(np.isfinite(joints).all(-1), 0.9, 0)
    >>> confidence[45:70, 13] = 0.2
    >>> print(report_missing_data(PoseSequence(joints, confidence, fps=50, name="walk")))
    walk: 100 frames, 2.0 s at 50 fps, h36m17
      missing: 25.0 % of all joints; 25.0 % of frames lost whole
      unsure: 1.5 % of all joints, confidence below 0.5
      longest losses: 0.50 s from 0.40 s
      longest gaps: lwrist 1.00 s from 0.40 s
      path: kept
    """
    check_kind("report", "sequence", sequence, PoseSequence, Keypoints2D)
    there, visible = ~sequence.missing, sequence.confidence >= CONFIDENCE_THRESHOLD
    fps, joints = sequence.fps, sequence.skeleton.joints
    gaps = []
    for joint, seen in zip(joints, visible.T):
        if len(spans := find_runs(~seen).tolist()):
            start, frames = max(spans, key=lambda span: span[1])
            gaps.append(Gap(joint, start / fps, frames / fps))
    lost = find_runs(np.asarray(~there.any(1))).tolist()
    return MissingData(
        name=sequence.name,
        fps=fps,
        skeleton=sequence.skeleton,
        visible=visible,
        there=there,
        lost=[(start / fps, frames / fps) for start, frames in lost],
        gaps=sorted(gaps, key=lambda gap: -gap.seconds),
        never=[joint for joint, seen in zip(joints, there.T) if not seen.any()],
        root=describe_root_path(sequence),
    )


def describe_root_path(sequence: PoseSequence | Keypoints2D) -> str:
    """Whether the sequence says where the person went.

    A pelvis that stays within a millimetre over more than half a second was set to a fixed place.
    """
    if isinstance(sequence, Keypoints2D):
        return "in the image only (2D)"
    root = sequence.to("h36m17").joints[:, 0]
    seen = root[np.isfinite(root).all(-1)]
    if not len(seen):
        return "unknown, the pelvis is never seen"
    if len(seen) > 0.5 * sequence.fps and np.ptp(seen, axis=0).max() < 1e-3:
        return "absent, the pelvis never moves"
    return "kept"


def measure_plausibility(sequence: PoseSequence) -> dict[str, float]:
    """What a sequence shows without a truth: missing joints (%), how much the lengths of bones vary
    over time (standard deviation, mm, mean over bones), and how much joints accelerate relative to
    the pelvis (mean, m/s²); over what is there.

    >>> still = PoseSequence(np.random.default_rng(0).normal(size=(1, 17, 3)).repeat(9, 0))
    >>> {name: round(value, 6) for name, value in measure_plausibility(still).items()}
    {'missing (%)': 0.0, 'bone length varies by (mm)': 0.0, 'joint acceleration (m/s²)': 0.0}
    """
    check_kind("report", "sequence", sequence, PoseSequence)
    # a row a bone: NumPy's sum depends on the layout
    lengths = np.ascontiguousarray(bone_lengths(sequence.joints, sequence.skeleton).T)
    spread = np.ma.masked_invalid(lengths).std(1).mean()
    change = np.diff(sequence.root_relative().joints, 2, axis=0)
    acceleration = np.ma.masked_invalid(np.linalg.norm(change, axis=-1)).mean()
    return {
        "missing (%)": 100 * float(sequence.missing.mean()),
        "bone length varies by (mm)": float(1000 * np.ma.filled(spread, np.nan)),
        "joint acceleration (m/s²)": float(np.ma.filled(acceleration, np.nan) * sequence.fps**2),
    }
