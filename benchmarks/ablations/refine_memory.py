"""Peak memory of refining a long sequence, from file to file.

    python -m benchmarks.ablations.refine_memory 1000 100000 [--method prior] [--record]

Each length is refined in a fresh process: random walks of a person, a fifth of the joints missing,
by the shipped prior. Counted is the process's most resident memory (anonymous pages and mapped
files alike) and its most anonymous memory, both beyond what it used once the network was loaded and
had predicted 500 frames.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.study import Study, make_parser, run_elsewhere

MEMORY = ("VmRSS", "RssAnon")
"""Fields of a process's status: all resident memory, and anonymous."""


def write_walk(path: Path, frames: int) -> None:
    """Write a random walk."""
    from stride_nb.poses.sequence import PoseSequence

    rng = np.random.default_rng(0)
    pose = rng.uniform(-0.8, 0.8, (17, 3))
    path_m = np.cumsum(rng.normal(0, 0.01, (frames, 17, 3)), 0)
    confidence = rng.random((frames, 17)) * (rng.random((frames, 17)) > 0.2)
    PoseSequence(pose + path_m + (0, 0, 4), confidence).save(path)


def read_status() -> np.ndarray:
    """The fields of ``MEMORY`` of this process in bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    return np.array([int(status[field].split()[0]) * 1024 for field in MEMORY])


class PeakWatcher(threading.Thread):
    """Samples this process's memory a hundred times a second."""

    def __init__(self):
        super().__init__()
        self.done, self.before = threading.Event(), read_status()
        self.peak = self.before

    def run(self) -> None:
        """Until ``stop``."""
        while not self.done.wait(0.01):
            self.peak = np.maximum(self.peak, read_status())

    def stop(self) -> np.ndarray:
        """The peaks beyond the first sample, bytes."""
        self.done.set()
        self.join()
        return self.peak - self.before


def measure_here(path: str, method: str) -> dict:
    """A row of the record: the peaks of one refinement in this process, MB."""
    import torch

    from stride_nb.models.registry import load_model
    from stride_nb.poses.streaming import open_streamed
    from stride_nb.refinement.refine import refine

    torch.set_num_threads(1)
    prior = load_model("prior")
    with open_streamed(path) as poses:
        refine(poses[:500], "prior", prior, device="cpu")
        watcher, start = PeakWatcher(), time.perf_counter()
        watcher.start()
        refine(poses, method, prior, device="cpu").sequence.save(path + ".out.npz")
        resident, anonymous = watcher.stop() / 1e6
        return {
            "method": method,
            "frames": len(poses),
            "sequence": 8 * 17 * 4 * len(poses) / 1e6,
            "resident": resident,
            "anonymous": anonymous,
            "seconds": time.perf_counter() - start,
        }


def measure(frames: int, method: str, folder: Path) -> dict:
    """``measure_here`` of a walk, in a process of its own."""
    path = folder / f"{frames}.npz"
    write_walk(path, frames)
    return run_elsewhere("benchmarks.ablations.refine_memory", "--measure", path, method)


def main() -> None:
    """Every length."""
    parser = make_parser(__doc__)
    parser.add_argument("frames", type=int, nargs="*", default=[1000, 100000])
    parser.add_argument("--method", default="prior", help="prior, stride_ours or stride_published")
    parser.add_argument(
        "--record", action="store_true", help="write data/results/refine_memory.json"
    )
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure_here(*args.measure)))
        return
    arguments = {"frames": args.frames, "method": args.method}
    study = Study("refine_memory", arguments, 0, prior="prior")
    with tempfile.TemporaryDirectory() as folder:
        for frames in args.frames:
            study.add([measure(frames, args.method, Path(folder))])
    if args.record:
        study.save(
            "random walks refined from file to file by the shipped prior, one thread, a fresh "
            "process each; most memory beyond that of the process once the prior had answered for "
            "500 frames, sampled every 10 ms",
            {"sequence": "MB", "resident": "MB", "anonymous": "MB", "seconds": "s"},
        )


if __name__ == "__main__":
    main()
