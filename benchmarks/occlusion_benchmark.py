"""``python -m benchmarks occlusion_benchmark``: every method under every regime, on people nothing
was trained or tuned on.

All methods run on the same windows, a seeded choice spread over the clips, so every comparison is
paired. Each part (experiment, noise, input, seed) goes to ``runs/benchmark/`` when it is done, and
a run goes on from there: a method whose weights are the same is not run again; several runs may
share the work. The rows of ``data/results/benchmark.json``, and of ratios, people and claims beside
it, are made from the parts; rows of settings and methods that were not asked for stay as they are,
so that a new family of noise needs no more than its own run. A run of fewer regimes, windows or
seeds replaces nothing: it takes a file (``--out``) and a folder (``--runs``) of its own.
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
from stride_nb import datasets
from stride_nb.datasets.simulation import estimator_noise
from stride_nb.datasets.simulation.occlusion import REGIMES
from stride_nb.errors import InputError, atomic_path
from stride_nb.evaluation.harness import INPUTS, Case, Place, cases, compare, interval
from stride_nb.evaluation.metrics import UNITS
from stride_nb.models import checkpoints
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement.filters import BASELINES, TUNED
from stride_nb.training import provenance

__all__ = [
    "EXPERIMENTS",
    "METHODS",
    "Part",
    "add_arguments",
    "choose",
    "chosen",
    "drawn",
    "run",
    "sampling",
    "summary",
]


class Part(NamedTuple):
    """What is run and kept in one piece."""

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
"""Experiment → source of its motions (split ``test``) and families of noise."""

# has the errors of the lifter on a detector's, one family, which training knew
_LIFTED = ("detector",)
METHODS = ("input", *BASELINES, "smoothnet", "prior", "stride_published", "stride_ours")
_BESIDE = {
    "_ratios": paired_statistics.ratios,
    "_subjects": paired_statistics.subjects,
    "_claims": paired_statistics.claims,
}
RESULT = Path("data/results/benchmark.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``python -m benchmarks occlusion_benchmark``."""
    parser.add_argument("--experiments", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    families = list(dict.fromkeys(part.noise for part in _parts(EXPERIMENTS, INPUTS, 1)))
    parser.add_argument(
        "--noise",
        nargs="+",
        choices=families,
        default=families,
        help="families of noise (default: all)",
    )
    parser.add_argument("--regimes", nargs="+", choices=REGIMES, default=list(REGIMES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--windows", type=int, default=8, help="a seed and regime (default: 8)")
    parser.add_argument(
        "--model", default="prior", help="name or path of the prior's weights (default: prior)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        help="of the CPU (default: OMP_NUM_THREADS where it is set, else PyTorch's choice)",
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/benchmark"), help="where finished parts are kept"
    )
    parser.add_argument("--out", type=Path, default=RESULT, help=f"the record (default: {RESULT})")


def run(args: argparse.Namespace) -> int:
    """Run what is not done yet, then write the record."""
    import torch

    if min(args.seeds, args.windows, 1 if args.threads is None else args.threads) < 1:
        raise InputError(
            "benchmark",
            "--seeds, --windows, --threads",
            "positive numbers",
            f"{args.seeds}, {args.windows}, {args.threads}",
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    parts = [
        part
        for part in _parts(args.experiments, args.inputs, args.seeds)
        if part.noise in args.noise
    ]
    if not parts:
        raise InputError(
            "benchmark",
            "--noise",
            "a family of these experiments and inputs",
            ", ".join(args.noise),
        )
    made = {"": summary} | {
        suffix: partial(_apart, measure=measure) for suffix, measure in _BESIDE.items()
    }
    files = {
        args.out.with_stem(args.out.stem + suffix): rows_of for suffix, rows_of in made.items()
    }
    for file in files:
        _beside(file, [])  # what is no record is said before the hours, not after
    _loses_nothing(parts, args)
    results = [(part, _part(part, args)) for part in parts]
    for file, rows_of in files.items():
        rows = _beside(file, rows_of(results))
        with atomic_path(file) as path:
            path.write_text(
                json.dumps(records.plain(rows), indent=0, allow_nan=False) + "\n", encoding="utf-8"
            )
        print(f"{file}: {len(rows)} rows")
    return 0


def _parts(experiments: Sequence[str], inputs: Sequence[str], seeds: int) -> list[Part]:
    """In the order of the record."""
    made = []
    for name in experiments:
        source, families = EXPERIMENTS[name]
        kinds = {"estimator": families, "lifted": () if name == "unseen_noise" else _LIFTED}
        made += [
            Part(name, family, source, kind, seed)
            for kind in inputs
            for family in kinds[kind]
            for seed in range(seeds)
        ]
    return made


def _beside(path: Path, rows: list[dict]) -> list[dict]:
    """These rows, and of those in the file the ones of other settings and other methods, or rivals,
    all in the order of the record."""
    kept = records.rows(path) if path.is_file() else []
    new, order = (
        {_about(row) for row in rows},
        [part[:-1] for part in _parts(EXPERIMENTS, INPUTS, 1)],
    )
    place = {setting: i for i, setting in enumerate(order)}
    return sorted(
        [row for row in kept if _about(row) not in new] + rows,
        key=lambda row: place.get(_about(row)[:-2], len(place)),
    )


def _loses_nothing(parts: Sequence[Part], args: argparse.Namespace) -> None:
    """InputError, before the hours, where parts or rows of the record would give way to a smaller
    run's, or ratios would be made without the windows of methods that the record has."""
    recorded: dict[tuple, list[dict]] = {}
    for row in records.rows(args.out) if args.out.is_file() else ():
        recorded.setdefault(_about(row)[:-2], []).append(row)
    for part in parts:
        path, kept = _kept(part, args)
        for row in recorded.get(part[:-1], ()):
            if row["method"] not in args.methods and row["method"] not in kept["methods"]:
                raise InputError(
                    path,
                    "methods",
                    f"windows of all that {args.out} has, or --methods with them",
                    f"none of {row['method']}",
                )
            if row["method"] in args.methods and (
                row["regime"] not in args.regimes
                or row["seeds"] > args.seeds
                or row["n"] > args.seeds * args.windows
            ):
                raise InputError(
                    args.out,
                    "regimes, windows, seeds",
                    f"those of the rows that it would replace ({row['regime']}, {row['n']} windows of {row['seeds']} seeds), or more",
                    f"{' '.join(args.regimes)}, {args.windows} windows of each of {args.seeds} seeds; name another file by --out",
                )


def _about(row: Mapping) -> tuple:
    """What `Part` says, but for the seed; the method, and the one that it is compared with."""
    return *(row.get(field) for field in Part._fields[:-1]), row.get("method"), row.get("rival")


def choose(
    made: Sequence[Case | Place], count: int, rng: np.random.Generator
) -> list[Case | Place]:
    """``count`` windows of each regime, the same ones for all regimes that have them, spread over
    the clips."""
    names = sorted({(case.clip, case.window) for case in made})
    order = [names[i] for i in rng.permutation(len(names))]
    clips_first = sorted(
        order, key=lambda name: sum(other[0] == name[0] for other in order[: order.index(name)])
    )
    kept, regimes = [], dict.fromkeys(case.regime for case in made)
    for regime in regimes:
        found = {(case.clip, case.window): case for case in made if case.regime == regime}
        kept += [found[name] for name in clips_first if name in found][:count]
    return kept


def chosen(
    clips: Sequence[PoseSequence], regimes: Sequence[str], family: str, count: int, seed: int, **how
) -> list[Case]:
    """The cases that ``choose`` takes of all, by the same seed as they are made with; no others are
    made.

    Args:
        how: further arguments of ``cases``.
    """
    return cases(
        clips,
        regimes,
        family,
        seed=seed,
        **how,
        choose=partial(choose, count=count, rng=np.random.default_rng(seed)),
    )


def drawn(
    clips: Sequence[PoseSequence],
    regimes: Sequence[str],
    family: str,
    count: int,
    seeds: int,
    **how,
) -> list[Case]:
    """``chosen`` of every seed below ``seeds``."""
    return [
        case for seed in range(seeds) for case in chosen(clips, regimes, family, count, seed, **how)
    ]


def sampling(description: str) -> argparse.Namespace:
    """How a script was called that draws its windows as the benchmark does: windows, seeds,
    threads, which it gets."""
    import torch

    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--windows", type=int, default=8, help="a seed and regime")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    return args


def _part(part: Part, args: argparse.Namespace) -> dict:
    """The rows of ``compare`` for one part, with the commits that they are of: what is kept of a
    method is read, what is not is run."""
    path, kept = _kept(part, args)
    weights = {method: _weights(method, part, args.model) for method in args.methods}
    missing = [
        method
        for method in args.methods
        if kept["methods"].get(method, {}).get("weights") != weights[method]
    ]
    if missing:
        rows = _run(part, missing, args)
        for m in missing:
            kept["methods"][m] = {
                "weights": weights[m],
                "commit": provenance.commit(),
                "hardware": provenance.hardware(),
                "rows": [row for row in rows if row["method"] == m],
            }
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(kept), encoding="utf-8")
    commits = list(dict.fromkeys(kept["methods"][method]["commit"] for method in args.methods))
    if commits != [provenance.commit()]:
        print(
            f"{path.name}: kept as it was run at {', '.join(commits)}; move it away to run it anew"
        )
    every = [method for method in METHODS if method in kept["methods"]]
    return {
        "rows": _by_window(kept, args.methods),
        "every": _by_window(kept, every),
        "hardware": {method: kept["methods"][method]["hardware"] for method in args.methods},
        "commit": " ".join(commits),
    }


def _by_window(kept: Mapping, methods: Sequence[str]) -> list[dict]:
    return [
        row
        for window in zip(*(kept["methods"][method]["rows"] for method in methods))
        for row in window
    ]


def _kept(part: Part, args: argparse.Namespace) -> tuple[Path, dict]:
    """The file of a part and what it holds; InputError where that is a run of other windows."""
    asked = {"regimes": args.regimes, "windows": args.windows}
    path = args.runs / ("-".join(map(str, part)) + ".json")
    kept = (
        json.loads(path.read_text(encoding="utf-8"))
        if path.is_file()
        else {"asked": asked, "methods": {}}
    )
    if kept["asked"] != asked:
        raise InputError(
            path,
            "regimes, windows",
            f"those of the run kept there, {kept['asked']}",
            f"{asked}; name another folder by --runs",
        )
    return path, kept


def _run(part: Part, methods: Sequence[str], args: argparse.Namespace) -> list[dict]:
    """A case at a time, with progress."""
    from tqdm import tqdm

    from stride_nb.models.registry import load_model

    made = chosen(
        datasets.load(part.source, "test"),
        args.regimes,
        part.noise,
        args.windows,
        part.seed,
        input=part.input,
    )
    model = load_model(args.model)
    return [
        row
        for case in tqdm(made, desc=" ".join(map(str, part)), mininterval=2)
        for row in compare([case], methods, model, part.seed, TUNED[part.input])
    ]


def _weights(method: str, part: Part, model: str) -> dict[str, str]:
    """Network → SHA-256 of its weights, of those that a method runs in a part: what was done with
    others is not of this run."""
    used = [model] * (method in ("prior", "stride_published", "stride_ours"))
    used += ["smoothnet"] * (method == "smoothnet") + ["lifter"] * (part.input == "lifted")
    return {Path(name).stem: checkpoints.sha256(name) for name in used}


def _settings(results: Sequence[tuple[Part, dict]]) -> dict[tuple, list[tuple[Part, dict]]]:
    """Parts that differ by their seed alone."""
    groups: dict[tuple, list] = {}
    for part, done in results:
        groups.setdefault(part[:-1], []).append((part, done))
    return groups


def _apart(
    results: Sequence[tuple[Part, dict]], measure: Callable[[list[dict]], list[dict]]
) -> list[dict]:
    """Rows that ``measure`` makes of the windows of each setting, of all methods that were run on
    them: a rival that was not asked for this time is one all the same."""
    return [
        dict(zip(Part._fields, setting)) | row
        for setting, members in _settings(results).items()
        for row in measure([row for _, done in members for row in done["every"]])
    ]


def summary(results: Sequence[tuple[Part, dict]]) -> list[dict]:
    """Rows of the record: for every setting (parts of all seeds), regime, method and metric a mean
    and its interval (bootstrap over clips)."""
    found = []
    for (experiment, family, source, kind), members in _settings(results).items():
        rows = [row for _, done in members for row in done["rows"]]
        commits = " ".join(
            dict.fromkeys(commit for _, done in members for commit in done["commit"].split())
        )
        common = {
            "experiment": experiment,
            "noise": family,
            "source": source,
            "split": "test",
            "input": kind,
            "seeds": len(members),
            "commit": commits,
        }
        for regime in dict.fromkeys(row["regime"] for row in rows):
            here = [row for row in rows if row["regime"] == regime]
            for method in dict.fromkeys(row["method"] for row in here):
                mine = [row for row in here if row["method"] == method]
                seconds = float(np.mean([row["seconds"] for row in mine]))
                where = {"hardware": members[-1][1]["hardware"][method]}
                for metric in (m for m in UNITS if any(m in row for row in mine)):
                    value, low, high = interval(here, metric, method)
                    found.append(
                        common
                        | where
                        | {
                            "regime": regime,
                            "method": method,
                            "metric": metric,
                            "unit": UNITS[metric],
                            "value": round(value, 3),
                            "ci_low": round(low, 3),
                            "ci_high": round(high, 3),
                            "n": sum(metric in row for row in mine),
                            "wall_s": round(seconds, 3),
                        }
                    )
    return found
