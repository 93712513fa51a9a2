"""``stride-nb refine POSES OUT``: refine the poses in a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stride_nb.errors import InputError, natural, positive
from stride_nb.poses.sequence import Keypoints2D
from stride_nb.poses.streaming import opened
from stride_nb.refinement.filters import BASELINES
from stride_nb.refinement.refine import METHODS, refine

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``stride-nb refine``."""
    parser.add_argument(
        "poses", type=Path, help="file or folder of poses; its format is told by its content"
    )
    parser.add_argument("out", type=Path, help=".npz, .csv, .bvh …: what the suffix says")
    parser.add_argument("--method", choices=[*BASELINES, *METHODS], default="stride_ours")
    parser.add_argument("--model", default="prior", help="name or path of weights (default: prior)")
    parser.add_argument("--format", help="of the poses, instead of what they look like")
    parser.add_argument(
        "--fps", type=float, help="where the file does not say; an error where it says otherwise"
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=positive,
        metavar=("W", "H"),
        help="of the image, px, where the file does not say",
    )
    parser.add_argument("--skeleton", help="joint set, where the file does not tell it")
    parser.add_argument(
        "--people", type=positive, help="keep so many, those seen in most frames (default: all)"
    )
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--device", help="default: a GPU where there is one")


def run(args: argparse.Namespace) -> int:
    """Read poses, put swapped ids right, say what was assumed, lift what is 2D, refine every
    person, write with y up."""
    from tqdm import tqdm

    from stride_nb import io
    from stride_nb.refinement.lifting import lift

    io.writer(args.out, flat=False)  # before any work
    refined = []
    with _people(args) as (found, notes):
        ups = [None if isinstance(track, Keypoints2D) else io.up_axis(track) for track in found]
        _tell(args.poses, [*notes, *_axes(found, ups)])
        for track, up in tqdm(list(zip(found, ups)), unit="person", disable=len(found) < 2):
            sequence = (
                io.facing_camera(track.to("h36m17"), up) if up else lift(track, device=args.device)
            )
            result = refine(sequence, args.method, args.model, args.seed, args.device)
            print(
                f"{track.name or args.poses.name}: {len(sequence)} frames, {result.trace.seconds:.1f} s, "
                f"written with y up. {result.trace.note}"
            )
            refined.append(io.upright(result.sequence, up="-y"))
        for path in io.write(args.out, refined):
            print(path)
    return 0


@contextmanager
def _people(args: argparse.Namespace) -> Iterator[tuple[list, tuple[str, ...]]]:
    """Everybody in the file, and what had to be assumed. One in the package's own form, from npz to
    npz, may be longer than memory.
    """
    from stride_nb import io
    from stride_nb.io.npz import is_own

    given = [
        f"--{name}" for name in ("skeleton", "people", "size") if getattr(args, name) is not None
    ]
    if given and (is_own(args.poses) or is_own(args.poses, flat=True)):
        raise InputError(
            args.poses,
            "options",
            "none of --skeleton, --people, --size for one person in the package's own form",
            " ".join(given),
        )
    if args.format is None and args.out.suffix == ".npz" and is_own(args.poses):
        with opened(args.poses) as track:
            io.agree(args.poses, args.fps, track.fps)
            yield [track], ()
    else:
        size = tuple(args.size) if args.size else None
        found, tracks = io.read_tracks(
            args.poses, args.format, args.fps, size, args.skeleton, args.people
        )
        yield tracks, found.notes


def _axes(found: list, ups: list[str | None]) -> list[str]:
    """A note on which way is up: files do not say."""
    told = {track.name: _UP[up] for track, up in zip(found, ups) if up}
    if not told:
        return []
    alike = len(set(told.values())) == 1
    ways = (
        next(iter(told.values()))
        if alike
        else ", ".join(f"{way} ({name})" for name, way in told.items())
    )
    return [f"axes with {ways}, told by how the person stands"]


_UP = {"y": "y up", "-y": "y down", "z": "z up"}


def _tell(path: Path, notes: list[str]) -> None:
    """What was assumed rather than read, in one line beside the output."""
    if notes:
        print(f"{path}: {'; '.join(notes)}", file=sys.stderr)
