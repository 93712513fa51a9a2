"""A file of poses or a video in, a file of refined poses out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stride_nb import io
from stride_nb.batch.facts import note_facts
from stride_nb.errors import InputError, show_controls
from stride_nb.io.npz import is_own
from stride_nb.io.overrides import make_overrides
from stride_nb.io.pose_files import PoseFile
from stride_nb.poses.body_check import describe_faults
from stride_nb.poses.interpolation import CONFIDENCE_THRESHOLD
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.streaming import StreamedSequence, open_streamed
from stride_nb.video.estimate import DEFAULT_ESTIMATOR
from stride_nb.video.frames import looks_like_video
from stride_nb.video.overlay import check_overlay_path, write_overlay
from stride_nb.video.reading import read_poses

if TYPE_CHECKING:
    from stride_nb.refinement.refine import Refinement

__all__ = ["refine_file"]

_UP_NAMES = {"y": "y up", "-y": "y down", "z": "z up"}

PersonTrack = PoseSequence | StreamedSequence | Keypoints2D


def refine_file(
    poses: Path,
    out: Path,
    method: str = "stride_ours",
    model: str | None = None,
    seed: int = 0,
    device: str | None = None,
    report: Callable[[str], None] = print,
    warn: Callable[[str], None] = print,
    overlay: Path | None = None,
    **file_options,
) -> list[Path]:
    """Refine everybody in a file: lift what is 2D, and write with y up.

    Args:
        poses, out: files or folders in any format of ``io``; ``poses`` may be a video.
        method, model, seed, device: as of `refine`.
        report: takes a line a person, as soon as the person is refined.
        warn: takes a line on what was assumed rather than read, before any work.
        overlay: of a video: where to write it beside itself with the refined poses.
        file_options: of ``read_poses``.

    Returns: the files written.
    """
    from tqdm import tqdm

    from stride_nb.refinement.refine import refine

    if out.suffix:
        io.find_refined_writer(out, tracks=[])  # before any work
    _check_overlay(poses, overlay)
    refined = []
    with _open_people(poses, out, **file_options) as (tracks, file):
        model = model or _choose_weights(file, tracks, method)
        kept = io.returns_form(io.find_refined_writer(out, file.format, tracks), file, tracks)
        ups = [_find_up(file, track) for track in tracks]
        if notes := [*file.notes, *_describe_axes(file, tracks, ups)]:
            warn(f"{poses}: {'; '.join(notes)}")
        for track, up in tqdm(list(zip(tracks, ups)), unit="person", disable=len(tracks) < 2):
            result = refine(_make_3d(track, up, device), method, model, seed, device)
            report(_describe_result(track.name or poses.name, result, kept))
            note_facts(len(track), _measure_occluded(track))
            refined.append(result.sequence)
        files = io.write_refined(out, refined, tracks, file, poses)
        return files + ([write_overlay(poses, overlay, tracks, refined)] if overlay else [])


def _choose_weights(file: PoseFile, tracks: list[PersonTrack], method: str) -> str | None:
    """Weights that have met MediaPipe for what it estimated in space, with keypoints or without;
    None: those that `refine` chooses."""
    from stride_nb.refinement.refine import USE_IMAGE

    lifted = any(isinstance(track, Keypoints2D) for track in tracks)
    known = file.format == "mediapipe" and method in USE_IMAGE and not lifted
    return "prior_real" if known else None


def _describe_result(name: str, result: Refinement, kept: bool) -> str:
    frames = f"{show_controls(name)}: {len(result.sequence)} frames, {result.trace.seconds:.1f} s"
    form = "in the form that came in" if kept else "with y up"
    return f"{frames}, written {form}. {result.trace.note}"


def _measure_occluded(track: PersonTrack) -> float:
    """The share of joints that are missing or low-confidence."""
    low = [(part.confidence < CONFIDENCE_THRESHOLD).sum() for part in track.iter_parts()]
    return float(sum(low)) / (len(track) * len(track.skeleton))


def _check_overlay(poses: Path, overlay: Path | None) -> None:
    if overlay is None:
        return
    check_overlay_path(overlay)
    if not looks_like_video(poses):
        raise InputError(poses, "--overlay", "a video to lay the poses over", "a file of poses")
    if overlay.resolve() == poses.resolve():
        raise InputError(overlay, "--overlay", "another file than the video", "the video itself")


def _find_up(file: PoseFile, track: PersonTrack) -> str | None:
    """The axis that points up, as the file says or as the person stands; None of what is in an
    image."""
    if isinstance(track, Keypoints2D):
        return None
    return file.up or io.estimate_up_axis(track)


@contextmanager
def _open_people(
    poses: Path,
    out: Path,
    format: str | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    skeleton: str | None = None,
    people: int | None = None,
    estimator: str = DEFAULT_ESTIMATOR,
    joints: Path | None = None,
    **overrides: Any,
) -> Iterator[tuple[list[PersonTrack], PoseFile]]:
    """Everybody in a file, and the file as read. One person in the package's own form, from
    npz to npz, may be longer than memory. What was estimated in a video stays beside ``out`` until
    all is done, for the next run should this one be interrupted."""
    given = {"--skeleton": skeleton, "--people": people, "--size": size}
    given = [option for option, value in given.items() if value is not None]
    if given and (is_own(poses) or is_own(poses, only_2d=True)):
        expected = "none of --skeleton, --people, --size for one person in the package's own form"
        raise InputError(poses, "options", expected, " ".join(given))
    partial = out.with_name(f".{out.name}.estimates")
    known = make_overrides(poses, overrides)
    fits = known.start is None and known.trust is None and known.unit is None
    if format is None and fits and out.suffix == ".npz" and is_own(poses):
        with open_streamed(poses) as track:
            io.check_fps_agrees(poses, fps, track.fps)
            yield [track], PoseFile([], "arrays", describe_faults(track), known.up)
    else:
        file, tracks = read_poses(
            poses, format, fps, size, skeleton, people, estimator, partial, joints, **overrides
        )
        yield tracks, file
        partial.unlink(missing_ok=True)


def _make_3d(
    track: PersonTrack, up: str | None, device: str | None
) -> PoseSequence | StreamedSequence:
    """The track in camera axes; one in an image is lifted."""
    if isinstance(track, Keypoints2D):
        from stride_nb.refinement import lifting

        return lifting.lift(track, device=device)
    return io.rotate_to_camera_axes(track.to("h36m17"), up)


def _describe_axes(file: PoseFile, tracks: list[PersonTrack], ups: list[str | None]) -> list[str]:
    """A note on which way is up, where the file does not say."""
    if file.up:
        return []
    names = {track.name: _UP_NAMES[up] for track, up in zip(tracks, ups) if up}
    if not names:
        return []
    ways = set(names.values())
    text = ways.pop() if len(ways) == 1 else ", ".join(f"{w} ({n})" for n, w in names.items())
    return [f"axes with {text}, estimated from how the person stands (up=…)"]
