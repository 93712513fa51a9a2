"""``python -m benchmarks kinect``: every method on a Kinect's real errors, against Vicon.

UI-PRMD (`datasets.uiprmd`): healthy people before one depth camera. Nothing stands between, so all
joints count as visible (2 % lie behind another limb), the pelvis aside. Each method is measured by
constants of its own, fitted to its results on the subject's other movements
(`evaluation.own_definitions`); so is the sensor itself, the method ``input``. Joints are also
parted by the sensor's own error: a method that repairs gross errors must leave good readings alone.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import records
from benchmarks.occlusion_benchmark import METHODS
from benchmarks.paired_statistics import RATIO, estimate_ratio, name_interval
from stride_nb.datasets.uiprmd import KinectClip, read_kinect_clips
from stride_nb.errors import InputError
from stride_nb.evaluation.bootstrap import bootstrap_interval
from stride_nb.evaluation.own_definitions import Recording, measure_own_errors_mm

__all__ = ["CLASSES_MM", "add_arguments", "choose_clips", "run", "summarise"]

CLASSES_MM = {
    "all": (0.0, np.inf),
    "under 20 mm": (0.0, 20.0),
    "20 to 100 mm": (20.0, 100.0),
    "over 100 mm": (100.0, np.inf),
}
"""Joints by the error of the sensor's own reading, mm."""
RESULT = Path("data/results/kinect.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks kinect``."""
    add = parser.add_argument
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add("--clips", type=int, default=3, help="a subject and movement (default: 3)")
    add("--seed", type=int, default=0)
    add("--model", default="prior", help="name or path of the prior's weights (default: prior)")
    add("--threads", type=int, help="of the CPU")
    add("--out", type=Path, default=RESULT, help=f"the record (default: {RESULT})")


def run(args: argparse.Namespace) -> int:
    """Refine the clips by every method, measure, write the record."""
    import torch

    if args.clips < 1:
        raise InputError("kinect", "--clips", "a positive number", args.clips)
    if args.threads:
        torch.set_num_threads(args.threads)
    parameters = {"methods": args.methods, "clips": args.clips}
    parameters = records.check_parameters(parameters, prior=args.model)
    began, clips = time.perf_counter(), choose_clips(read_kinect_clips(), args.clips)
    methods = list(dict.fromkeys(["input", *args.methods]))
    errors = measure_methods(clips, methods, args.model, args.seed)
    record = records.make_record(
        "kinect",
        summarise(clips, errors),
        parameters=parameters,
        seed=args.seed,
        seconds=time.perf_counter() - began,
        units={"value": "mm"},
        protocol="UI-PRMD, Kinect v2 against Vicon; error relative to the pelvis, constants of each"
        " method's own fitted on the subject's other movements; ratios to the sensor's reading on "
        "the same joints, 95 % by bootstrap over clips",
    )
    records.save(record, args.out)
    print(*record["rows"], f"{args.out}: {len(record['rows'])} rows", sep="\n")
    return 0


def choose_clips(clips: Sequence[KinectClip], count: int) -> list[KinectClip]:
    """``count`` clips of every subject and movement, evenly over its repetitions."""
    sessions: dict[tuple, list[KinectClip]] = defaultdict(list)
    for clip in clips:
        sessions[clip.subject, clip.movement].append(clip)
    return [
        session[i * len(session) // min(count, len(session))]
        for session in sessions.values()
        for i in range(min(count, len(session)))
    ]


def measure_methods(
    clips: Sequence[KinectClip], methods: Sequence[str], model: str, seed: int
) -> dict[str, list[np.ndarray]]:
    """Method → the error (T, 16), mm, of every clip's joints but the pelvis."""
    from tqdm import tqdm

    from stride_nb.models.registry import load_model
    from stride_nb.refinement.refine import refine

    prior, errors = load_model(model), {}
    for method in methods:
        network = load_model("smoothnet") if method == "smoothnet" else prior
        recordings = []
        for clip in tqdm(clips, desc=method, mininterval=5):
            joints = clip.kinect
            if method != "input":
                joints = (
                    refine(clip.get_sequence("kinect"), method, network, seed).sequence[:].joints
                )
            recordings.append(Recording(clip.subject, clip.movement, joints, clip.vicon))
        errors[method] = [error[:, 1:] for error in measure_own_errors_mm(recordings)]
    return errors


def summarise(
    clips: Sequence[KinectClip], errors: Mapping[str, Sequence[np.ndarray]]
) -> list[dict]:
    """A row a method and class of joints: mean error, and its ratio to that of ``input``."""
    names, rows = [clip.name for clip in clips], []
    for joints, (low, high) in CLASSES_MM.items():
        chosen = [(error >= low) & (error < high) for error in errors["input"]]
        count = [float(where.sum()) for where in chosen]
        if not sum(count):
            continue
        raw = [float(e[where].sum()) for e, where in zip(errors["input"], chosen)]
        for method, measured in errors.items():
            total = [float(e[where].sum()) for e, where in zip(measured, chosen)]
            rng = np.random.default_rng(0)
            mean = bootstrap_interval(total, count, np.array(names), rng)
            rows.append(
                {"method": method, "joints": joints, "metric": "mpjpe_visible", "unit": "mm"}
                | name_interval(mean, digits=2)
                | name_interval(estimate_ratio(total, raw, names), RATIO)
                | {"n": int(sum(count)), "clips": len(names)}
            )
    return rows
