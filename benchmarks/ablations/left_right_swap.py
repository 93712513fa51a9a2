"""How well exchanged sides are found, and what it is worth to put them right before the frozen
prior, or a Gaussian, answers.

    python -m benchmarks.ablations.left_right_swap [--windows 8] [--seeds 3] [--threads 1]

``val``: how much a change of sides has to save, decided on people of ``val`` under every kind of
noise that may be tuned on, at three frame rates. `swapped` is `crossed` with sides exchanged, so
which frames are is known, and so is what the prior does without. The same of detections in the
image, which `lift` puts right. ``test``: what the chosen one does in all settings of the benchmark
with a simulated estimator, over the regimes that its bars are means of. Errors as multiples of
those without, on the same windows, with 95 % intervals from drawing clips anew, and the worst
regime. Needs CMU's and HDM05's motion. Writes ``data/results/sides.json``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks import records
from benchmarks.occlusion_benchmark import EXPERIMENTS, drawn, sampling
from benchmarks.paired_statistics import AVERAGED, changes
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.evaluation.harness import Case
from stride_nb.evaluation.metrics import evaluate
from stride_nb.models.registry import load_model
from stride_nb.poses.geometry import random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.refinement.left_right_swap import SWITCH, Track, moved, put_right
from stride_nb.refinement.refine import refine

RESULT = Path("data/results/sides.json")
METHODS, METRICS = ("prior", "gaussian"), ("mpjpe_hidden", "mpjpe_visible", "accel_error")
TRIED = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Metres that a change of sides has to save."""
RATES = (50.0, 25.0, 12.5)
"""Frames a second."""


def gained(
    where: dict, made: Sequence[Case], after: Sequence[Case], network
) -> Iterator[list[dict]]:
    """A row a method and metric: errors on other versions of the cases against those on the cases
    as they are."""
    for method in METHODS:
        errors = [
            [
                evaluate(
                    refine(case.sequence, method, network).sequence.joints,
                    case.truth,
                    case.visible,
                    case.sequence.fps,
                )
                for case in cases
            ]
            for cases in (made, after)
        ]
        yield [where | {"method": method} | row for row in changes(made, *errors, METRICS)]


def righted(made: Sequence[Case]) -> list[Case]:
    """The cases, sides put right."""
    return [replace(case, sequence=put_right(case.sequence)) for case in made]


def found(name: str, made: Sequence[Track], plain: Sequence[Track]) -> list[dict]:
    """A row for each ``switch`` tried: of the pairs of joints in all frames, how many are exchanged
    (those in which ``made`` differs from ``plain``), how many of these are changed, and how many of
    the others."""
    wrong, rows = np.concatenate([moved(*both) for both in zip(made, plain)]), []
    for switch in TRIED:
        changed = np.concatenate([moved(track, put_right(track, switch)) for track in made])
        rows.append(
            {
                "what": "found",
                "source": "cmu",
                "split": "val",
                "noise": name,
                "fps": made[0].fps,
                "switch": switch,
                "n": len(made),
                "frames": wrong.size,
                "exchanged": int(wrong.sum()),
                "put_right": int((wrong & changed).sum()),
                "changed_wrongly": int((~wrong & changed).sum()),
            }
        )
    return rows


def sequences(cases: Sequence[Case]) -> list[PoseSequence]:
    return [case.sequence for case in cases]


def detections(cases: Sequence[Case]) -> list[Keypoints2D]:
    """What a detector makes of the cases."""
    made = []
    for i, case in enumerate(cases):
        pixels, confidence = estimator_noise.detect(
            case.camera.project(case.truth),
            case.visible,
            case.sequence.fps,
            np.random.default_rng([1, i]),
        )
        made.append(Keypoints2D(pixels, confidence, case.sequence.fps, case.camera.size))
    return made


def on_truth() -> Iterator[list[dict]]:
    """What is changed, wrongly, in motion as it was, of everybody in training, in space and in an
    image."""
    for fps in RATES:
        clips = [clip.resample(fps) for clip in datasets.load("cmu", "train")]
        cameras = [
            random_camera(np.random.default_rng(i), clip.joints) for i, clip in enumerate(clips)
        ]
        seen = [
            Keypoints2D(camera.project(camera.to_camera(clip.joints)), fps=fps, size=camera.size)
            for camera, clip in zip(cameras, clips)
        ]
        for name, tracks in (("none", clips), ("none, in the image", seen)):
            yield [row | {"split": "train"} for row in found(name, tracks, tracks)]


def on_val(cases_of, network) -> Iterator[list[dict]]:
    """What is found under every kind of noise, in space and in the image, and what that gains where
    sides are exchanged."""
    clips = datasets.load("cmu", "val")
    for family, kind in (
        *((family, "estimator") for family in estimator_noise.SEEN + ("crossed",)),
        ("estimator", "lifted"),
    ):
        made = cases_of(clips, family, kind)
        yield found(made[0].family, sequences(made), sequences(made))
    for fps in RATES:
        slower = [clip.resample(fps) for clip in clips]
        made, plain = (cases_of(slower, family) for family in ("swapped", "crossed"))
        yield found("swapped", sequences(made), sequences(plain))
        seen = detections(plain)
        mixed = [
            track.replace(
                pixels=estimator_noise.exchange(np.random.default_rng(i), track.pixels, fps)
            )
            for i, track in enumerate(seen)
        ]
        yield found("detector, in the image", seen, seen)
        yield found("detector, in the image, swapped", mixed, seen)
        where = {"source": "cmu", "split": "val", "noise": "swapped", "fps": fps}
        yield from gained({"what": "put right"} | where, made, righted(made), network)
        yield from gained({"what": "never exchanged"} | where, made, plain, network)


def on_test(cases_of, network) -> Iterator[list[dict]]:
    """What putting right gains in every setting of the benchmark."""
    for source, families in EXPERIMENTS.values():
        clips = datasets.load(source, "test")
        for family in families:
            where = {
                "what": "put right",
                "source": source,
                "split": "test",
                "noise": family,
                "fps": 50.0,
            }
            made = cases_of(clips, family, regimes=AVERAGED)
            yield from gained(where, made, righted(made), network)


def main() -> None:
    args = sampling(__doc__)
    parameters = records.called(vars(args) | {"switch": SWITCH}, prior="prior", lifter="lifter")
    network, lifter, rows, began = (
        load_model("prior"),
        load_model("lifter"),
        [],
        time.perf_counter(),
    )

    def made(
        clips, family: str, kind: str = "estimator", regimes: Sequence[str] = tuple(REGIMES)
    ) -> list[Case]:
        return drawn(clips, regimes, family, args.windows, args.seeds, input=kind, lifter=lifter)

    for some in chain(on_truth(), on_val(made, network), on_test(made, network)):
        print(*some, sep="\n", flush=True)
        rows += some
    run = records.record(
        "sides",
        rows,
        parameters=parameters,
        seed=list(range(args.seeds)),
        seconds=time.perf_counter() - began,
        protocol="windows, noise and occlusion of the benchmark; answers after exchanged sides are put right, or never "
        "were exchanged, against those to the sequence as it is",
    )
    records.save(run, RESULT)


if __name__ == "__main__":
    main()
