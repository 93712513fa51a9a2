"""Left/right swap correction: how well swaps are found, and what the correction gains the frozen
prior and a Gaussian.

    python -m benchmarks.ablations.left_right_swap [--windows 8] [--seeds 3] [--threads 1]

``val``: how much a swap has to save, decided on people of ``val`` under every noise model that may
be tuned on, at three frame rates. ``swapped`` is ``crossed`` with left and right exchanged, so the
swapped frames are known, and so is the error without swaps. The same for detections in the image,
which ``lift`` corrects. ``test``: the chosen cost in all settings of the benchmark with a simulated
estimator, over the regimes that its acceptance criteria average. Errors as multiples of those
without correction, on the same windows, with 95 % intervals by cluster bootstrap over clips, and
the worst regime. Needs CMU's and HDM05's motion. Writes ``data/results/sides.json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.occlusion_benchmark import EXPERIMENTS
from benchmarks.paired_statistics import AVERAGED, compare_paired
from benchmarks.study import (
    Study,
    evaluate_case,
    make_parser,
    parse_arguments,
    refine_case,
    sample_cases,
)
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.evaluation.harness import Case
from stride_nb.models.registry import load_shared_model
from stride_nb.poses.geometry import random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence, TrackT
from stride_nb.refinement.left_right_swap import SWAP_COST, find_changed_pairs, fix_swaps

METHODS, METRICS = ("prior", "gaussian"), ("mpjpe_hidden", "mpjpe_visible", "accel_error")
COSTS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Metres that a swap has to save."""
RATES = (50.0, 25.0, 12.5)
"""Frames a second."""


def measure_gain(about: dict, cases: Sequence[Case], after: Sequence[Case]) -> Iterator[list[dict]]:
    """A row a method and metric: errors on changed versions of the cases over those on the cases as
    they are."""
    network = load_shared_model("prior")
    for method in METHODS:
        before, changed = (
            [evaluate_case(case, refine_case(case, method, network)) for case in version]
            for version in (cases, after)
        )
        rows = compare_paired(cases, before, changed, METRICS)
        yield [about | {"method": method} | row for row in rows]


def correct_swaps(cases: Sequence[Case]) -> list[Case]:
    """The cases after left/right swap correction."""
    return [replace(case, sequence=fix_swaps(case.sequence)) for case in cases]


def count_found(name: str, tracks: Sequence[TrackT], plain: Sequence[TrackT]) -> list[dict]:
    """A row a cost: of the pairs of joints in all frames, how many are swapped (those in which
    ``tracks`` differ from ``plain``), how many of these are changed, and how many of the others."""
    swapped = np.concatenate([find_changed_pairs(*both) for both in zip(tracks, plain)])
    rows = []
    for cost in COSTS:
        changed = np.concatenate([find_changed_pairs(x, fix_swaps(x, cost)) for x in tracks])
        rows.append(
            {
                "what": "found",
                "source": "cmu",
                "split": "val",
                "noise": name,
                "fps": tracks[0].fps,
                "switch": cost,
                "n": len(tracks),
                "frames": swapped.size,
                "exchanged": int(swapped.sum()),
                "put_right": int((swapped & changed).sum()),
                "changed_wrongly": int((~swapped & changed).sum()),
            }
        )
    return rows


def list_sequences(cases: Sequence[Case]) -> list[PoseSequence]:
    """The input sequences of the cases."""
    return [case.sequence for case in cases]


def simulate_detector(cases: Sequence[Case]) -> list[Keypoints2D]:
    """Simulated 2D detections of the cases."""
    tracks = []
    for i, case in enumerate(cases):
        pixels, confidence = estimator_noise.simulate_detections(
            case.camera.project(case.truth),
            case.visible,
            case.sequence.fps,
            np.random.default_rng([1, i]),
        )
        tracks.append(Keypoints2D(pixels, confidence, case.sequence.fps, case.camera.size))
    return tracks


def measure_truth(fps: float) -> Iterator[list[dict]]:
    """What is changed, wrongly, in true motion of everybody in training, in space and in an
    image."""
    clips = [clip.resample(fps) for clip in datasets.load("cmu", "train")]
    projected = []
    for i, clip in enumerate(clips):
        camera = random_camera(np.random.default_rng(i), clip.joints)
        pixels = camera.project(camera.to_camera(clip.joints))
        projected.append(Keypoints2D(pixels, fps=fps, size=camera.size))
    for name, tracks in (("none", clips), ("none, in the image", projected)):
        yield [row | {"split": "train"} for row in count_found(name, tracks, tracks)]


def measure_noise(noise: str, kind: str, **sampling: Any) -> Iterator[list[dict]]:
    """What is found among people of val under a noise model."""
    cases = sample_by_noise(datasets.load("cmu", "val"), noise, kind, **sampling)
    yield count_found(cases[0].family, list_sequences(cases), list_sequences(cases))


def measure_swapped(fps: float, **sampling: Any) -> Iterator[list[dict]]:
    """What is found where left and right are swapped, in space and in the image, and what that
    gains."""
    slower = [clip.resample(fps) for clip in datasets.load("cmu", "val")]
    swapped, plain = (
        sample_by_noise(slower, noise, **sampling) for noise in ("swapped", "crossed")
    )
    yield count_found("swapped", list_sequences(swapped), list_sequences(plain))
    yield from _count_in_image(plain, fps)
    about = {"source": "cmu", "split": "val", "noise": "swapped", "fps": fps}
    corrected = correct_swaps(swapped)
    yield from measure_gain({"what": "put right"} | about, swapped, corrected)
    yield from measure_gain({"what": "never exchanged"} | about, swapped, plain)


def _count_in_image(cases: Sequence[Case], fps: float) -> Iterator[list[dict]]:
    detected = simulate_detector(cases)
    swapped = []
    for i, track in enumerate(detected):
        rng = np.random.default_rng(i)
        pixels = estimator_noise.swap_left_right(rng, track.pixels, fps)
        swapped.append(track.replace(pixels=pixels))
    yield count_found("detector, in the image", detected, detected)
    yield count_found("detector, in the image, swapped", swapped, detected)


def measure_test(source: str, noise: str, **sampling: Any) -> Iterator[list[dict]]:
    """What the correction gains in a setting of the benchmark."""
    about = {"what": "put right", "source": source, "split": "test"}
    about |= {"noise": noise, "fps": 50.0}
    cases = sample_by_noise(datasets.load(source, "test"), noise, regimes=AVERAGED, **sampling)
    yield from measure_gain(about, cases, correct_swaps(cases))


def sample_by_noise(
    clips: Sequence[PoseSequence],
    noise: str,
    kind: str = "estimator",
    regimes: Sequence[str] = tuple(REGIMES),
    **sampling: Any,
) -> list[Case]:
    """Cases of every seed under a noise model."""
    lifter = load_shared_model("lifter")
    return sample_cases(clips, regimes, noise, input=kind, lifter=lifter, **sampling)


PARTS = {
    "truth": measure_truth,
    "noise": measure_noise,
    "swapped": measure_swapped,
    "test": measure_test,
}


def list_parts() -> Iterator[tuple]:
    """A key of ``PARTS`` and the arguments, in the order of the record."""
    yield from (("truth", fps) for fps in RATES)
    yield from (("noise", name, "estimator") for name in (*estimator_noise.SEEN, "crossed"))
    yield "noise", "estimator", "lifted"
    yield from (("swapped", fps) for fps in RATES)
    yield from (("test", source, name) for source, of in EXPERIMENTS.values() for name in of)


def measure_part(part: tuple, **sampling: Any) -> list[dict]:
    """The rows of a part."""
    name, *arguments = part
    options = {} if name == "truth" else sampling
    return [row for rows in PARTS[name](*arguments, **options) for row in rows]


def main() -> None:
    """Truth, validation and test people."""
    args = parse_arguments(make_parser(__doc__, True, windows=8, seeds=3, threads=1))
    arguments, weights = vars(args) | {"switch": SWAP_COST}, {"prior": "prior", "lifter": "lifter"}
    study = Study("sides", arguments, list(range(args.seeds)), **weights)
    function = partial(measure_part, count=args.windows, seeds=args.seeds)
    study.measure(function, list(list_parts()))
    study.save(
        "windows, noise and occlusion of the benchmark; answers after exchanged sides are put "
        "right, or never were exchanged, against those to the sequence as it is"
    )


if __name__ == "__main__":
    main()
