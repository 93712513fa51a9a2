"""Other tools' files in and out, a file a format."""

from stride_nb.io.axes import facing_camera, up_axis, upright
from stride_nb.io.registry import Reading, agree, formats, read, read_tracks, write, writer
from stride_nb.io.tracking import retrack

__all__ = [
    "Reading",
    "agree",
    "facing_camera",
    "formats",
    "read",
    "read_tracks",
    "retrack",
    "up_axis",
    "upright",
    "write",
    "writer",
]
