"""``python -m benchmarks STUDY``: the studies whose records the book shows."""

import sys

from stride_nb.errors import run_command

STUDIES = {
    "occlusion_benchmark": "every method under every regime → data/results/benchmark.json",
    "kinect": "every method on a Kinect's errors, against Vicon → data/results/kinect.json",
    "ranking_losses": "what RePOSE's ranking losses buy → data/results/ranking.json",
    "noise_statistics": "what errors look like, simulated and real",
    "real_estimators": "every method on MediaPipe, rendered people and real video",
    "scaling": "times, lost workers and memory of batches → data/results/scaling.json",
    "tune_filters": "tune the baselines on the validation people → data/results/baselines.json",
}


def main(argv: list[str] | None = None) -> int:
    """Run a study."""
    return run_command(
        "python -m benchmarks", "benchmarks", STUDIES, sys.argv[1:] if argv is None else argv
    )


if __name__ == "__main__":
    sys.exit(main())
