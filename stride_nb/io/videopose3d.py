"""VideoPose3D's custom keypoints in: ``data_2d_custom_NAME.npz``.

``positions_2d`` maps subject to action to a list of arrays (T, J, 2), one a camera, px;
``metadata`` holds ``layout_name``, ``num_joints`` and, of each video, ``w`` and ``h``
(facebookresearch/VideoPose3D, ``data/prepare_data_2d_custom.py``). A video is a clip of its own, on
its own clock.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stride_nb.io.detections import Detections
from stride_nb.io.document import Document
from stride_nb.io.parsing import identify_joint_set, make_joint_set_note

__all__ = ["KEEPS", "LOOKS", "NAME", "TOOLS", "parse", "recognises"]

NAME = "videopose3d"
TOOLS = "VideoPose3D, Detectron2 by its scripts"
LOOKS = "an npz with positions_2d and metadata"
KEEPS = "2D, ids, size, missing"


def recognises(document: Document) -> bool:
    """Whether it holds positions by subject and action."""
    return document.kind == "npz" and isinstance(_get_object(document, "positions_2d"), dict)


def parse(document: Document, skeleton: str | None = None) -> list[Detections]:
    """The clips, one for each subject, action and camera."""
    metadata = _get_object(document, "metadata")
    videos = metadata.get("video_metadata") if isinstance(metadata, dict) else None
    videos = videos if isinstance(videos, dict) else {}
    clips = []
    for subject, actions in _get_object(document, "positions_2d").items():
        if not isinstance(actions, dict):
            raise document.error("positions_2d", "subject → action → arrays", subject)
        for action, cameras in actions.items():
            for camera, points in enumerate(cameras):
                name = " ".join([str(subject), str(action), *[str(camera)] * (len(cameras) > 1)])
                clips.append(
                    _make_video_clip(document, name, points, videos.get(subject), skeleton)
                )
    if not clips:
        raise document.error("positions_2d", "at least one video", "none")
    return clips


def _get_object(document: Document, key: str) -> Any:
    """What a key of the npz holds, out of NumPy's array of one object."""
    value = document.content.get(key) if isinstance(document.content, dict) else None
    return value.item() if isinstance(value, np.ndarray) and value.size == 1 else value


def _make_video_clip(
    document: Document, name: str, points: Any, video: Any, skeleton: str | None
) -> Detections:
    if not isinstance(points, np.ndarray) or points.ndim != 3 or points.shape[-1] not in (2, 3):
        given = getattr(points, "shape", type(points).__name__)
        raise document.error(f"positions_2d of {name}", "an array (T, J, 2)", given)
    points = points.astype(np.float64)
    confidence = points[..., 2] if points.shape[-1] == 3 else np.ones(points.shape[:2])
    points = np.where(np.isfinite(points[..., :2]), points[..., :2], np.nan)
    joint_set = identify_joint_set(document, points, skeleton)
    lengths = [video.get(key) for key in "wh"] if isinstance(video, dict) else []
    size = [int(n) for n in lengths if isinstance(n, (int, np.integer)) and n > 0]
    return Detections(
        np.arange(len(points)),
        [name] * len(points),
        points,
        confidence,
        joint_set,
        size=(size[0], size[1]) if len(size) == 2 else None,
        frame_span=(0, len(points) - 1),
        notes=() if skeleton else (make_joint_set_note(points, joint_set),),
    )
