"""``python -m benchmarks occlusion_benchmark``: every method under every regime, on people nothing
was trained or tuned on.

All methods run on the same windows, a seeded choice spread over the clips, so every comparison is
paired. Each part (experiment, noise, input, seed) is stored in ``runs/benchmark/`` once it is done,
and a run resumes from there: a method whose weights are the same is not run again. Parts run side
by side where ``--workers``, ``--scheduler`` or ``--cluster`` says so, with the same results;
workers elsewhere need the same ``--runs``. The rows of ``data/results/benchmark.json``, and of
ratios, subjects and claims beside it, are made from the parts; rows of other settings and methods
stay as they are, so that a new noise model needs no more than its own run. A run of fewer regimes,
windows or seeds replaces nothing: it takes a file (``--out``) and a folder (``--runs``) of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import paired_statistics, records
from benchmarks.paired_statistics import name_interval
from benchmarks.study import choose_cases
from stride_nb import datasets
from stride_nb.batch.engine import add_engine_arguments, make_engine
from stride_nb.batch.locks import hold_lock
from stride_nb.batch.mapping import map_items
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.errors import InputError, atomic_path
from stride_nb.evaluation.harness import INPUTS, compare_methods, estimate_interval, select_rows
from stride_nb.evaluation.metrics import UNITS
from stride_nb.models import checkpoints
from stride_nb.refinement.filters import BASELINES, TUNED
from stride_nb.training import provenance

__all__ = [
    "EXPERIMENTS",
    "METHODS",
    "Part",
    "add_arguments",
    "check_no_overwrite",
    "run",
    "summarise",
]


class Part(NamedTuple):
    """What is run and stored in one piece; all fields but the seed make a *setting*."""

    experiment: str
    noise: str
    source: str
    input: str
    seed: int


EXPERIMENTS = {
    "seen_noise": ("cmu", ("estimator",)),
    "unseen_noise": ("cmu", estimator_noise.UNSEEN),
    "unseen_motion": ("hdm05", estimator_noise.UNSEEN),
}
"""Experiment → source of its motions (split ``test``) and noise models."""

# lifted input has the errors of the lifter on detections, which training knew
_LIFTED = ("detector",)
METHODS = ("input", *BASELINES, "smoothnet", "prior", "stride_published", "stride_ours")
_BESIDE = {
    "_ratios": paired_statistics.compare_with_rivals,
    "_subjects": paired_statistics.average_subjects,
    "_claims": paired_statistics.measure_calibration,
}
_PROTOCOLS = {
    "": "windows of test people, a seeded choice spread over the clips; means over windows and "
    "seeds, 95 % intervals by bootstrap over clips",
    "_ratios": "ratios of mean errors on the same windows, 95 % by paired bootstrap over clips",
    "_subjects": "mean hidden error of a person's windows",
    "_claims": "mean predicted chance of a joint to be within 100 mm, and the share of joints that "
    "are, 95 % by bootstrap over clips",
}
RESULT = Path("data/results/benchmark.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks occlusion_benchmark``."""
    add = parser.add_argument
    add("--experiments", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    first = [kind for kind in INPUTS if kind != "estimator_2d"]  # of the first edition's record
    add("--inputs", nargs="+", choices=INPUTS, default=first, help=f"default: {' '.join(first)}")
    noise = list(dict.fromkeys(part.noise for part in _list_parts(list(EXPERIMENTS), INPUTS, 1)))
    add("--noise", nargs="+", choices=noise, default=noise, help="noise models (default: all)")
    add("--regimes", nargs="+", choices=REGIMES, default=list(REGIMES))
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add("--seeds", type=int, default=3, help="how many (default: 3)")
    add("--windows", type=int, default=8, help="a seed and regime (default: 8)")
    add("--model", default="prior", help="name or path of the prior's weights (default: prior)")
    threads = "of the CPU (default: OMP_NUM_THREADS where it is set, else PyTorch's choice)"
    add("--threads", type=int, help=threads)
    add("--runs", type=Path, default=Path("runs/benchmark"), help="folder of finished parts")
    add("--out", type=Path, default=RESULT, help=f"the record (default: {RESULT})")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run what is not done yet, then write the record."""
    import torch

    _check_positive(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    parts = [
        part
        for part in _list_parts(args.experiments, args.inputs, args.seeds)
        if part.noise in args.noise
    ]
    if not parts:
        expected = "a noise model of these experiments and inputs"
        raise InputError("benchmark", "--noise", expected, ", ".join(args.noise))
    measures = {"": summarise} | {
        suffix: partial(_measure_settings, measure=measure) for suffix, measure in _BESIDE.items()
    }
    check_no_overwrite(parts, args)
    engine = make_engine(args, args.threads)
    results = list(zip(parts, map_items(partial(_run_part, args=args), parts, engine)))
    measured = {suffix: measure(results) for suffix, measure in measures.items()}
    with hold_lock(args.runs / ".lock"):
        _save_records(measured, results, args)
    return 0


def _save_records(
    measured: Mapping[str, list[dict]],
    results: Sequence[tuple[Part, dict]],
    args: argparse.Namespace,
) -> None:
    """Merge rows into the records as they are now: another run may have added its own since."""
    stored = {suffix: _load_record(_get_path(args, suffix)) for suffix in measured}
    rows = {
        suffix: _merge_rows(stored[suffix], measured_rows)
        for suffix, measured_rows in measured.items()
    }
    about = _describe_run(rows[""], stored[""], results)
    for suffix, merged in rows.items():
        record = records.make_record(
            "benchmark" + suffix, merged, protocol=_PROTOCOLS[suffix], **about
        )
        records.save(record, _get_path(args, suffix))
        print(f"{_get_path(args, suffix)}: {len(merged)} rows")


def _check_positive(args: argparse.Namespace) -> None:
    if min(args.seeds, args.windows, 1 if args.threads is None else args.threads) < 1:
        found = f"{args.seeds}, {args.windows}, {args.threads}"
        raise InputError("benchmark", "--seeds, --windows, --threads", "positive numbers", found)


def _list_parts(experiments: Sequence[str], inputs: Sequence[str], seeds: int) -> list[Part]:
    """In the order of the record."""
    parts = []
    for name in experiments:
        source, noise_models = EXPERIMENTS[name]
        lifted = () if name == "unseen_noise" else _LIFTED
        kinds = {"estimator": noise_models, "lifted": lifted, "estimator_2d": noise_models}
        parts += [
            Part(name, noise, source, kind, seed)
            for kind in inputs
            for noise in kinds[kind]
            for seed in range(seeds)
        ]
    return parts


def _get_path(args: argparse.Namespace, suffix: str) -> Path:
    return args.out.with_stem(args.out.stem + suffix)


def _load_record(path: Path) -> dict:
    return records.load(path) if path.is_file() else {"rows": [], "parameters": {}}


def _merge_rows(stored: Mapping, rows: list[dict]) -> list[dict]:
    """These rows, and the stored ones of other settings, methods and rivals, in the order of the
    record."""
    new = {_identify_row(row) for row in rows}
    order = [part[:-1] for part in _list_parts(list(EXPERIMENTS), INPUTS, 1)]
    place = {setting: i for i, setting in enumerate(order)}
    return sorted(
        [row for row in stored["rows"] if _identify_row(row) not in new] + rows,
        key=lambda row: place.get(_identify_row(row)[:-2], len(place)),
    )


def _identify_row(row: Mapping) -> tuple:
    """The setting, the method, and the one that it is compared with."""
    return *(row.get(field) for field in Part._fields[:-1]), row.get("method"), row.get("rival")


def _describe_run(
    rows: Sequence[Mapping], stored: Mapping, results: Sequence[tuple[Part, dict]]
) -> dict:
    """What the whole record was made with, whichever runs it was made by: parameters, seeds, and
    seconds of all methods on all windows."""
    weights = {name: sha for _, done in results for name, sha in done["weights"].items()}
    hashes = {k: v for k, v in stored["parameters"].items() if k.endswith("_sha256")}
    whole = [row for row in rows if row["metric"] == "mpjpe"]
    parameters = {
        "windows": max(row["n"] // row["seeds"] for row in whole),
        "regimes": [name for name in REGIMES if any(row["regime"] == name for row in whole)],
        "methods": [name for name in METHODS if any(row["method"] == name for row in whole)],
    }
    return {
        "parameters": parameters | hashes | {f"{k}_sha256": v for k, v in weights.items()},
        "seed": list(range(max(row["seeds"] for row in whole))),
        "seconds": sum(row["wall_s"] * row["n"] for row in whole),
    }


def check_no_overwrite(parts: Sequence[Part], args: argparse.Namespace) -> None:
    """InputError, before the hours, where parts or rows of the record would give way to a smaller
    run's, or ratios would lack the windows of methods that the record has."""
    recorded: dict[tuple, list[dict]] = {}
    for row in _load_record(args.out)["rows"]:
        recorded.setdefault(_identify_row(row)[:-2], []).append(row)
    for part in parts:
        path, stored = _load_part(part, args)
        for row in recorded.get(part[:-1], ()):
            method = row["method"]
            if method not in args.methods and method not in stored["methods"]:
                expected = f"windows of all that {args.out} has, or --methods with them"
                raise InputError(path, "methods", expected, f"none of {method}")
            if method in args.methods and (
                row["regime"] not in args.regimes
                or row["seeds"] > args.seeds
                or row["n"] > args.seeds * args.windows
            ):
                raise InputError(
                    args.out,
                    "regimes, windows, seeds",
                    f"those of the rows that it would replace ({row['regime']}, {row['n']} windows "
                    f"of {row['seeds']} seeds), or more",
                    f"{' '.join(args.regimes)}, {args.windows} windows of each of {args.seeds} "
                    "seeds; name another file by --out",
                )


def _run_part(part: Part, args: argparse.Namespace) -> dict:
    """The rows of one part, with the commits that they are of: a method that is stored is read, one
    that is not is run."""
    path, stored = _load_part(part, args)
    methods = stored["methods"]
    weights = {method: _hash_weights(method, part, args.model) for method in args.methods}
    missing = [m for m in args.methods if methods.get(m, {}).get("weights") != weights[m]]
    if missing:
        rows = _compare(part, missing, args)
        new = {
            method: {
                "weights": weights[method],
                "commit": provenance.get_commit(),
                "hardware": provenance.describe_hardware(),
                "rows": select_rows(rows, method=method),
            }
            for method in missing
        }
        methods = _add_methods(part, new, args)
    commits = list(dict.fromkeys(methods[method]["commit"] for method in args.methods))
    if commits != [provenance.get_commit()]:
        print(f"{path.name}: as run at {', '.join(commits)}; move it away to run it again")
    return {
        "rows": _interleave_windows(methods, args.methods),
        "every": _interleave_windows(methods, [m for m in METHODS if m in methods]),
        "hardware": {method: methods[method]["hardware"] for method in args.methods},
        "commit": " ".join(commits),
        "weights": {name: sha for used in weights.values() for name, sha in used.items()},
    }


def _add_methods(part: Part, new: Mapping[str, dict], args: argparse.Namespace) -> dict[str, dict]:
    """Write methods into the file of a part; all that it then holds, another run's among them."""
    with hold_lock(args.runs / ".lock"):
        path, stored = _load_part(part, args)
        stored["methods"] |= new
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(stored), encoding="utf-8")
    return stored["methods"]


def _interleave_windows(stored: Mapping, methods: Sequence[str]) -> list[dict]:
    windows = zip(*(stored[method]["rows"] for method in methods))
    return [row for window in windows for row in window]


def _load_part(part: Part, args: argparse.Namespace) -> tuple[Path, dict]:
    """The file of a part and what it holds; InputError where that is a run of other windows."""
    parameters = {"regimes": args.regimes, "windows": args.windows}
    path = args.runs / ("-".join(map(str, part)) + ".json")
    if not path.is_file():
        return path, {"asked": parameters, "methods": {}}
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["asked"] != parameters:
        expected = f"those of the run kept there, {stored['asked']}"
        found = f"{parameters}; name another folder by --runs"
        raise InputError(path, "regimes, windows", expected, found)
    return path, stored


def _compare(part: Part, methods: Sequence[str], args: argparse.Namespace) -> list[dict]:
    """A case at a time, with progress."""
    from tqdm import tqdm

    from stride_nb.models.registry import load_model

    clips = datasets.load(part.source, "test")
    cases = choose_cases(clips, args.regimes, part.noise, args.windows, part.seed, input=part.input)
    model = load_model(args.model)
    return [
        row
        for case in tqdm(cases, desc=" ".join(map(str, part)), mininterval=2)
        for row in compare_methods([case], methods, model, part.seed, TUNED[part.input])
    ]


def _hash_weights(method: str, part: Part, model: str) -> dict[str, str]:
    """Network → SHA-256 of its weights, of those that a method runs in a part."""
    used = [model] * (method in ("prior", "stride_published", "stride_ours"))
    used += ["smoothnet"] * (method == "smoothnet") + ["lifter"] * (part.input == "lifted")
    return {Path(name).stem: checkpoints.hash_weights(name) for name in used}


def _group_settings(results: Sequence[tuple[Part, dict]]) -> dict[tuple, list[dict]]:
    """Setting → what was done under each seed."""
    groups: dict[tuple, list] = {}
    for part, done in results:
        groups.setdefault(part[:-1], []).append(done)
    return groups


def _measure_settings(
    results: Sequence[tuple[Part, dict]], measure: Callable[[list[dict]], list[dict]]
) -> list[dict]:
    """Rows that ``measure`` makes of the windows of each setting, of all methods that were run on
    them: a rival that this run leaves out is one all the same."""
    return [
        dict(zip(Part._fields, setting)) | row
        for setting, seeds in _group_settings(results).items()
        for row in measure([row for done in seeds for row in done["every"]])
    ]


def summarise(results: Sequence[tuple[Part, dict]]) -> list[dict]:
    """Rows of the record: for every setting (parts of all seeds), regime, method and metric a mean
    and its interval (bootstrap over clips)."""
    summary = []
    for (experiment, noise, source, kind), seeds in _group_settings(results).items():
        rows = [row for done in seeds for row in done["rows"]]
        commits = [commit for done in seeds for commit in done["commit"].split()]
        setting = {
            "experiment": experiment,
            "noise": noise,
            "source": source,
            "split": "test",
            "input": kind,
            "seeds": len(seeds),
            "commit": " ".join(dict.fromkeys(commits)),
        }
        for regime in dict.fromkeys(row["regime"] for row in rows):
            here = select_rows(rows, regime=regime)
            for method in dict.fromkeys(row["method"] for row in here):
                computer = {"hardware": seeds[-1]["hardware"][method]}
                summary += [setting | computer | row for row in _summarise_method(here, method)]
    return summary


def _summarise_method(rows: Sequence[Mapping], method: str) -> list[dict]:
    """A row a metric of a method in one regime."""
    windows = select_rows(rows, method=method)
    seconds = float(np.mean([row["seconds"] for row in windows]))
    return [
        {"regime": windows[0]["regime"], "method": method, "metric": metric, "unit": UNITS[metric]}
        | name_interval(estimate_interval(rows, metric, method), digits=3)
        | {"n": sum(metric in row for row in windows), "wall_s": round(seconds, 3)}
        for metric in UNITS
        if any(metric in row for row in windows)
    ]
