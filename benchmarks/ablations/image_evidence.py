"""Image evidence: the frozen prior with joints moved onto the rays of their keypoints, against the
same prior without.

    python -m benchmarks.ablations.image_evidence [--windows 5] [--seeds 1] [--threads 1]

People of ``val``, the noise of training and every other noise model, keypoints with the errors of
simulated detections; the camera known, or its field of view guessed at 40, 55 and 70 degrees where
it is 47. Errors as multiples of the prior's without keypoints on the same windows, with 95 %
intervals by cluster bootstrap over clips, and the worst regime. Needs CMU's motion. Writes
``data/results/image_evidence.json``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import nn

from benchmarks.paired_statistics import AVERAGED, compare_paired
from benchmarks.study import Study, evaluate_case, make_parser, parse_arguments, sample_cases
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.harness import Case
from stride_nb.models.registry import load_shared_model
from stride_nb.poses.geometry import Camera
from stride_nb.refinement.image_evidence import guess_camera
from stride_nb.refinement.refine import refine

METRICS = ("mpjpe_hidden", "mpjpe_visible", "accel_error")
NOISE = ("estimator", *estimator_noise.TUNING, *estimator_noise.UNSEEN)
GUESSES = (40.0, 55.0, 70.0)
"""Degrees across the image."""


def list_cameras(case: Case) -> Iterator[tuple[str, Camera]]:
    """What a method may know of the camera."""
    yield "known", case.camera
    for degrees in GUESSES:
        yield f"guessed at {degrees:g}°", guess_camera(case.camera.size, degrees)


def measure(case: Case, prior: nn.Module) -> dict[str, dict]:
    """The metrics of the frozen prior without keypoints, and with each camera."""
    blind = refine(case.sequence.replace(keypoints=None), "prior", prior)
    answers = {"none": blind.sequence} | {
        name: refine(case.sequence, "prior", prior, camera=camera).sequence
        for name, camera in list_cameras(case)
    }
    return {name: evaluate_case(case, sequence[:].joints) for name, sequence in answers.items()}


def measure_noise(noise: str, windows: int, seeds: int) -> list[dict]:
    """Rows of every camera under a noise model."""
    prior, clips = load_shared_model("prior"), datasets.load("cmu", "val")
    cases = sample_cases(clips, AVERAGED, noise, windows, seeds, input="estimator_2d")
    measured, rows = [measure(case, prior) for case in cases], []
    before = [row["none"] for row in measured]
    for camera in list(measured[0])[1:]:
        after = [row[camera] for row in measured]
        about = {"noise": noise, "camera": camera}
        rows += [about | row for row in compare_paired(cases, before, after, METRICS)]
    return rows


def main() -> None:
    """Every noise model and camera."""
    args = parse_arguments(make_parser(__doc__, True, windows=5, seeds=1, threads=1))
    study = Study("image_evidence", vars(args), list(range(args.seeds)), prior="prior")
    study.measure(partial(measure_noise, windows=args.windows, seeds=args.seeds), NOISE)
    study.save(
        f"windows of people of val, regimes {', '.join(AVERAGED)}; the frozen prior with image "
        "evidence against the same without"
    )


if __name__ == "__main__":
    main()
