"""MediaPipe's pose models (Apache-2.0), out of the packages that hold them.

The current ``mediapipe`` wheel ships none. The detector and *full* lie in the wheel of 0.10.21,
*lite* and *heavy* in the npm package ``@mediapipe/pose``. Both are fetched once, checked by hash,
and bundled as ``.task`` files in the cache folder (``STRIDE_NB_CACHE``, or the user's).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from stride_nb.datasets.download import find_cache_dir
from stride_nb.datasets.package_archives import fetch_members
from stride_nb.errors import InputError
from stride_nb.video.task_file import write_task_file

__all__ = ["VARIANTS", "fetch_available", "fetch_task_file", "find_task_file"]

VARIANTS = ("lite", "full", "heavy")
"""By size: 2.8, 6.4 and 27.7 MB."""
_MODEL_WHEEL, _MODEL_PACKAGE = "mediapipe==0.10.21", "@mediapipe/pose@0.5.1675469404"
_DETECTOR = {
    "mediapipe/modules/pose_detection/pose_detection.tflite": (
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
    )
}
_FULL = {
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite": (
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
    )
}
_LITE = {
    "package/pose_landmark_lite.tflite": (
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61"
    )
}
_HEAVY = {
    "package/pose_landmark_heavy.tflite": (
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe"
    )
}


def find_task_file(variant: str) -> Path:
    """Where the ``.task`` file of a variant is kept, be it there or not."""
    return find_cache_dir() / "models" / f"pose_landmarker_{variant}.task"


def fetch_task_file(variant: str = "full") -> Path:
    """The ``.task`` file of *lite*, *full* or *heavy*; made where it is not there yet.

    Raises:
        InputError: another variant, or a package that cannot be had (npm is needed for *lite* and
            *heavy*).
    """
    if variant not in VARIANTS:
        raise InputError("mediapipe", "variant", f"one of {', '.join(VARIANTS)}", repr(variant))
    path = find_task_file(variant)
    if not path.is_file():
        parts = path.with_name("parts")
        detector, landmarks = fetch_members(_MODEL_WHEEL, _DETECTOR | _FULL, parts)
        if variant != "full":
            members = _LITE if variant == "lite" else _HEAVY
            (landmarks,) = fetch_members(_MODEL_PACKAGE, members, parts, npm=True)
        write_task_file(path, detector.read_bytes(), landmarks.read_bytes())
    return path


def fetch_available() -> list[Path]:
    """*full*, and *heavy* where npm is at hand: what ``make video`` fetches."""
    return [fetch_task_file("full"), *([fetch_task_file("heavy")] if shutil.which("npm") else [])]
