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
        max_people: in a frame, the most confident ones.

    Raises:
        InputError: rtmlib is not installed.
    """

    def __init__(self, kind: str = "Wholebody", max_people: int = 1):
        rtmlib = require("rtmlib", "rtmpose")
        self.name = f"rtmpose_{kind.lower()}"
        self.skeleton = WHOLEBODY133 if kind == "Wholebody" else COCO17
        self._max_people = max_people
        self._solution = getattr(rtmlib, kind)(mode="balanced", backend="onnxruntime", device="cpu")

    def detect(self, image: UInt8[np.ndarray, "H W 3"], time_ms: float) -> list[DetectedPerson]:
        """People in an RGB frame, the most confident first; scores above 1 count as 1."""
        pixels, scores = self._solution(np.ascontiguousarray(image[..., ::-1]))
        joints = len(self.skeleton)
        pixels = np.asarray(pixels, float).reshape(-1, joints, 2)
        confidence = np.clip(np.asarray(scores, float).reshape(-1, joints), 0, 1)
        order = np.argsort(-confidence.mean(1), kind="stable")[: self._max_people]
        return [DetectedPerson(pixels[i], confidence[i]) for i in order]

    def reset(self) -> None:
        """Nothing is remembered from frame to frame."""

    def close(self) -> None:
        """Nothing is held that Python does not free."""


@register_estimator("rtmpose")
def make_rtmpose(max_people: int) -> RTMPose:
    """Whole body."""
    return RTMPose("Wholebody", max_people)


@register_estimator("rtmpose_body")
def make_rtmpose_body(max_people: int) -> RTMPose:
    """COCO's 17 joints."""
    return RTMPose("Body", max_people)
