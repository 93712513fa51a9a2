"""The four-camera demo of Pose2Sim (BSD-3-Clause): one person balancing, 100 frames at 60 fps,
1080 × 1920, with OpenPose's keypoints and a calibration. For testing only; nothing is trained on
it.

It lies in the wheel of ``pose2sim`` 0.8.4, which the user's own pip fetches. The keypoints are
BODY_25B, not BODY_25: COCO's 17 joints, then neck, head top, and of each foot big toe, small toe,
heel. They are 0.75 frames ahead of the videos.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stride_nb.datasets.download import find_cache_dir
from stride_nb.datasets.package_archives import fetch_folder

__all__ = ["FourCameraDemo", "fetch_demo"]

_WHEEL = "pose2sim==0.8.4"
_SHA256 = "d16e9bbbc38cdd210ff7ce7c4dea91ce4274012f05a27951dd33d4db95588e81"
_FOLDER = "Pose2Sim/S00_Demo_BatchSession"
_TRIAL = "S00_P00_SingleParticipant/S00_P00_T01_BalancingTrial"
_CAMERAS = ("cam01", "cam02", "cam03", "cam04")


@dataclass(frozen=True)
class FourCameraDemo:
    """Where the files are; cameras in order."""

    videos: tuple[Path, ...]
    keypoints: tuple[Path, ...]
    """A folder a camera, with one OpenPose JSON a frame."""
    calibration: Path
    """Qualisys' own XML: intrinsics and extrinsics of all cameras; it leaves about 14 px."""


def fetch_demo() -> FourCameraDemo:
    """The demo's files in the cache folder; downloaded where they are not there.

    Raises:
        InputError: the wheel cannot be had, or is not the one registered.
    """
    session = fetch_folder(_WHEEL, _SHA256, _FOLDER, find_cache_dir() / "pose2sim")
    trial = session / _TRIAL
    return FourCameraDemo(
        tuple(trial / "videos" / f"{camera}.mp4" for camera in _CAMERAS),
        tuple(trial / "pose" / f"{camera}_json" for camera in _CAMERAS),
        session / "S00_Calibration" / "Calib.qca.txt",
    )
