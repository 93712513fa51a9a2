"""Prior checkpoints on people of ``val``, as they are used: every window, flip-averaged, under each
noise model that may be tuned on.

    python -m benchmarks.ablations.prior_checkpoints NAME=FILE … [--against prior] [--seeds 2]

The validation of the training loop takes the middle of few clips, without flip averaging, under one
noise model. Which checkpoint ships is decided here: also with a pelvis that errs, and under
``tokens``, by which the last checkpoint was chosen. Ratios of errors with 95 % intervals by cluster
bootstrap over clips. Needs CMU's motion. Writes ``data/results/weights.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from torch import nn

from benchmarks.frames import Frame, pd
from benchmarks.paired_statistics import RATIO, estimate_ratio, name_interval
from benchmarks.scaled_noise import add_pelvis_error, register_scaled
from benchmarks.study import Study, evaluate_case, make_parser, parse_arguments
from stride_nb import datasets
from stride_nb.batch.engine import make_engine
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.evaluation.harness import Case, make_cases
from stride_nb.evaluation.metrics import UNITS
from stride_nb.models.flip_averaging import predict_with_flip
from stride_nb.models.registry import load_model
from stride_nb.refinement.sliding_window import Windows
from stride_nb.training.tasks import VALIDATION_REGIMES

PELVIS = "estimator, pelvis off"
"""``estimator``, and a pelvis that errs as a joint of the trunk would."""
METRICS = ("mpjpe_hidden", "mpjpe_visible", "accel_error")
RESERVED = ("against", "seeds")


def measure(cases: Sequence[Case], networks: Mapping[str, nn.Module]) -> dict[str, Frame]:
    """Checkpoint → errors of its predictions, a row a case."""
    errors: dict[str, list[dict]] = {name: [] for name in networks}
    for case in cases:
        features = Windows(case.sequence, next(iter(networks.values()))).make_features(0)
        for name, network in networks.items():
            joints, _ = predict_with_flip(network, features)[0]
            errors[name].append(evaluate_case(case, joints))
    return {name: pd.DataFrame(rows) for name, rows in errors.items()}


def compare(noise: str, cases: Sequence[Case], networks: Mapping[str, nn.Module]) -> list[dict]:
    """A row a checkpoint and metric: its error, that of ``against``, and their ratio."""
    errors, clips = measure(cases, networks), [case.clip for case in cases]
    reference = errors.pop("against")
    return [
        {"weights": name, "source": "cmu", "split": "val", "noise": noise}
        | {"metric": metric, "unit": UNITS[metric]}
        | {
            "value": round(own[metric].mean(), 3),
            "against": round(reference[metric].mean(), 3),
        }
        | name_interval(estimate_ratio(own[metric], reference[metric], clips), RATIO)
        | {"n": len(cases)}
        for name, own in errors.items()
        for metric in METRICS
    ]


def compare_input(
    which: tuple[str, str], files: Mapping[str, Path], seeds: Sequence[int]
) -> list[dict]:
    """Rows of every checkpoint under a noise model, on simulated or lifted input."""
    noise, kind = which
    networks = {name: load_model(file) for name, file in files.items()}
    val, options = datasets.load("cmu", "val"), {"input": kind, "lifter": load_model("lifter")}
    register_scaled(PELVIS, add_pelvis_error, 1.0)
    # of lifted input the detector makes the noise
    simulated = noise if kind == "estimator" else "estimator"
    cases = [
        case
        for seed in seeds
        for case in make_cases(val, VALIDATION_REGIMES, simulated, seed=seed, **options)
    ]
    return compare(noise, cases, networks)


def parse_checkpoint(text: str) -> tuple[str, Path]:
    """``NAME=FILE``; the record has other uses for some names."""
    name, _, file = text.partition("=")
    if not name or not file or name in RESERVED:
        raise argparse.ArgumentTypeError(
            f"expected NAME=FILE, NAME none of {', '.join(RESERVED)}, found {text!r}"
        )
    return name, Path(file)


def main() -> None:
    """Every noise model, then lifted input."""
    parser = make_parser(__doc__, True, seeds=2, threads=1)
    text = "a label, and the name or path of its weights"
    parser.add_argument("files", nargs="+", type=parse_checkpoint, metavar="NAME=FILE", help=text)
    text = "name or path of the weights to divide by (default: prior)"
    parser.add_argument("--against", type=Path, default="prior", help=text)
    args = parse_arguments(parser)
    files = dict(args.files) | {"against": args.against}
    if len(files) <= len(args.files):
        parser.error("a NAME of its own for every FILE")
    seeds = list(range(args.seeds))
    study = Study("weights", {"seeds": args.seeds} | files, seeds, **files)
    study.engine = make_engine(args, args.threads)
    models = (*estimator_noise.SEEN, PELVIS, *estimator_noise.TUNING, "tokens")
    inputs = [*((name, "estimator") for name in models), ("detector", "lifted")]
    study.measure(partial(compare_input, files=files, seeds=seeds), inputs)
    study.save(
        f"windows of up to 243 frames, regimes {', '.join(VALIDATION_REGIMES)}; frozen priors; "
        "ratio: value over against, 95 % by paired bootstrap over clips"
    )


if __name__ == "__main__":
    main()
