"""``python -m benchmarks real_estimators``: every method on a real estimator's poses.

Two sets. *rendered*: rendered people of the test split (`datasets.rendered`), exact truth. *video*:
the four-camera demo, joints triangulated from all views (`benchmarks.real_video`). Each clip stands
in a clean version and in some in which something hides the person; estimators are MediaPipe *full*
and *heavy*. Scores: `evaluation.take_protocol`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import records
from benchmarks.frames import Frame, pd
from benchmarks.occlusion_benchmark import METHODS as SIMULATED_METHODS
from benchmarks.paired_statistics import name_interval
from benchmarks.real_video import DEMO_FILE
from stride_nb.datasets.rendered import Take, load_takes, read_takes
from stride_nb.errors import InputError
from stride_nb.evaluation.bootstrap import bootstrap_interval
from stride_nb.evaluation.take_protocol import score_take
from stride_nb.poses.gap_filling import fill_gaps
from stride_nb.refinement.filters import BASELINES

__all__ = ["add_arguments", "compare_with_classical", "load_set", "measure_takes", "run"]

RESULT = Path("data/results/real_estimators.json")
SETS = ("rendered", "video")
METHODS = (*SIMULATED_METHODS, "prior_real", "stride_ours_real")
"""Those of the benchmark, and two with the weights that have met a real estimator."""
_WITH_REAL = {"prior_real": "prior", "stride_ours_real": "stride_ours"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks real_estimators``."""
    add = parser.add_argument
    add("--sets", nargs="+", choices=SETS, default=list(SETS))
    add("--split", choices=["val", "test"], default="test", help="of rendered people")
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add("--clips", type=int, default=40, help="rendered clips, evenly (default: 40)")
    add("--seed", type=int, default=0)
    add("--model", default="prior", help="name or path of the prior's weights (default: prior)")
    add("--threads", type=int, help="of the CPU")
    add("--out", type=Path, default=RESULT, help=f"the record (default: {RESULT})")


def run(args: argparse.Namespace) -> int:
    """Refine all takes by every method; write the record, print the comparison."""
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    parameters = {name: getattr(args, name) for name in ("sets", "split", "methods", "clips")}
    parameters = records.check_parameters(parameters, prior=args.model, prior_real="prior_real")
    began, rows = time.perf_counter(), []
    for name in args.sets:
        takes = load_set(name, args.split, args.clips)
        rows += [
            {"set": name} | row for row in measure_takes(takes, args.methods, args.model, args.seed)
        ]
    record = records.make_record(
        "real_estimators",
        rows,
        parameters=parameters,
        seed=args.seed,
        seconds=time.perf_counter() - began,
        units={"mpjpe_hidden_mm": "mm", "mpjpe_visible_mm": "mm", "accel_error_mps2": "m/s²"},
        protocol="twelve limb joints, relative to mid-hips, one similarity a clip and method "
        "fitted on joints in view of frames in which somebody was found; lost frames count",
    )
    records.save(record, args.out)
    print(compare_with_classical(rows).to_string(), f"{args.out}: {len(rows)} rows", sep="\n")
    return 0


def load_set(name: str, split: str = "test", clips: int = 40) -> list[Take]:
    """Takes of a set; of rendered people so many clips at most, evenly.

    Raises:
        InputError: no clip, or a file that is not at hand.
    """
    if clips < 1:
        raise InputError("real_estimators", "--clips", "a positive number", clips)
    if name == "video":
        return read_takes(DEMO_FILE)
    takes = load_takes(split, None)
    names = list(dict.fromkeys(take.footage.name for take in takes))
    kept = {names[i * len(names) // min(clips, len(names))] for i in range(min(clips, len(names)))}
    return [take for take in takes if take.footage.name in kept]


def measure_takes(
    takes: Sequence[Take], methods: Sequence[str], model: str, seed: int
) -> list[dict]:
    """A row a take and method."""
    from tqdm import tqdm

    from stride_nb.models.registry import load_model

    networks = dict.fromkeys(METHODS, load_model(model))
    networks |= dict.fromkeys(_WITH_REAL, load_model("prior_real"))
    networks["smoothnet"], rows = load_model("smoothnet"), []
    for take in tqdm(takes, mininterval=5):
        for method in dict.fromkeys(["input", *methods]):
            began = time.perf_counter()
            scores = _score_method(take, method, networks, seed)
            scores = {name: round(score, 4) for name, score in scores.items()}
            rows.append(_describe_take(take, method) | scores | _clock(began))
    return rows


def _score_method(take: Take, method: str, networks: Mapping, seed: int) -> dict[str, float]:
    from stride_nb.refinement.refine import refine

    if method == "input":
        return score_take(take, fill_gaps(take.estimate, how="hold").joints)
    result = refine(take.estimate, _WITH_REAL.get(method, method), networks[method], seed)
    confidence = None if result.scale is None else result.sequence[:].confidence
    return score_take(take, result.sequence[:].joints, confidence)


def _describe_take(take: Take, method: str) -> dict:
    return {
        "estimator": take.estimator,
        "occluder": take.occluder,
        "clip": take.footage.name,
        "subject": take.footage.subject,
        "method": method,
        "frames": len(take.hidden),
        "found": float(take.found.mean()),
    }


def _clock(began: float) -> dict[str, float]:
    return {"seconds": round(time.perf_counter() - began, 3)}


def compare_with_classical(rows: Sequence[Mapping]) -> Frame:
    """Set × estimator × method: hidden and visible error (mm) of occluded takes, their ratio to the
    best classical filter's (hidden) and to the input's (visible), 95 % by bootstrap over clips."""
    frame = pd.DataFrame(rows)
    frame = frame[frame["occluder"] != "none"]
    lines = []
    for (which, estimator), group in frame.groupby(["set", "estimator"]):
        by_method = {name: part.reset_index(drop=True) for name, part in group.groupby("method")}
        hidden = {n: p["mpjpe_hidden_mm"].mean() for n, p in by_method.items() if n in BASELINES}
        best = min(hidden, key=hidden.__getitem__) if hidden else "input"
        for method, part in by_method.items():
            lines.append(
                {"set": which, "estimator": estimator, "method": method, "best_classical": best}
                | {"hidden_mm": round(float(part["mpjpe_hidden_mm"].mean()), 1)}
                | {"visible_mm": round(float(part["mpjpe_visible_mm"].mean()), 1)}
                | _ratio(part, by_method[best], "mpjpe_hidden_mm", "hidden")
                | _ratio(part, by_method["input"], "mpjpe_visible_mm", "visible")
            )
    return pd.DataFrame(lines)


def _ratio(part: Frame, other: Frame, column: str, name: str) -> dict[str, float]:
    known = part[column].notna() & other[column].notna()
    values, reference = part[column][known].to_numpy(), other[column][known].to_numpy()
    clips, rng = part["clip"][known].to_numpy(), np.random.default_rng(0)
    columns = (f"{name}_ratio", f"{name}_low", f"{name}_high")
    return name_interval(bootstrap_interval(values, reference, clips, rng), columns, 3)
