"""Other tools' files in and out, a file a format (`registry` says what a format is)."""

from stride_nb.io.axes import estimate_up_axis, rotate_to_camera_axes, rotate_to_y_up
from stride_nb.io.pose_files import PoseFile, check_fps_agrees, read, read_tracks, write
from stride_nb.io.refined import find_refined_writer, returns_form, write_refined
from stride_nb.io.registry import find_writer, list_formats
from stride_nb.io.tracking import fix_track_ids, link_detections

__all__ = [
    "PoseFile",
    "check_fps_agrees",
    "estimate_up_axis",
    "find_refined_writer",
    "find_writer",
    "fix_track_ids",
    "link_detections",
    "list_formats",
    "read",
    "read_tracks",
    "returns_form",
    "rotate_to_camera_axes",
    "rotate_to_y_up",
    "write",
    "write_refined",
]
