"""RTMPose by ``rtmlib`` (ONNX Runtime): COCO-WholeBody's 133 joints in the image, no depth.

rtmlib downloads its models itself at first use. Its detector looks at every frame anew.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from stride_nb.errors import require
from stride_nb.poses.skeleton import COCO17, WHOLEBODY133
from stride_nb.video.estimators.registry import DetectedPerson, register_estimator

__all__ = ["RTMPose"]


class RTMPose:
    """rtmlib's body or whole-body solution.

    Args:
        kind: ``Body`` (COCO's 17 joints) or ``Wholebody`` (133).
    Raises:
        InputError: rtmlib is not installed.
    """

    def __init__(self, kind: str = "Wholebody"):
        rtmlib = require("rtmlib", "rtmpose")
        self.name = f"rtmpose_{kind.lower()}"
        self.skeleton = WHOLEBODY133 if kind == "Wholebody" else COCO17
        self._solution = getattr(rtmlib, kind)(mode="balanced", backend="onnxruntime", device="cpu")

    def detect(self, image: UInt8[np.ndarray, "H W 3"], time_ms: float) -> list[DetectedPerson]:
        """Everybody in an RGB frame; scores above 1 count as 1."""
        pixels, scores = self._solution(np.ascontiguousarray(image[..., ::-1]))
        joints = len(self.skeleton)
        pixels = np.asarray(pixels, float).reshape(-1, joints, 2)
        confidence = np.clip(np.asarray(scores, float).reshape(-1, joints), 0, 1)
        return [DetectedPerson(*person) for person in zip(pixels, confidence)]

    def reset(self) -> None:
        """Nothing is remembered from frame to frame."""

    def close(self) -> None:
        """Nothing is held that Python does not free."""


@register_estimator("rtmpose")
def make_rtmpose(max_people: int) -> RTMPose:
    """Whole body."""
    return RTMPose("Wholebody")


@register_estimator("rtmpose_body")
def make_rtmpose_body(max_people: int) -> RTMPose:
    """COCO's 17 joints."""
    return RTMPose("Body")
