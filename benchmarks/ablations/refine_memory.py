"""What refining a long sequence costs in memory, from the file that is read to the file that is
written.

Each length is refined in a fresh process: random walks of a person, a fifth of the joints missing,
by the shipped prior. Counted is the process's most resident memory (anonymous pages and mapped
files alike) and its most anonymous memory, both beyond what it used once the network was loaded and
had answered for 500 frames.

    python -m benchmarks.ablations.refine_memory 1000 100000 [--method prior] [--record]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def resident(field: str) -> int:
    """A field of this process's status in bytes (Linux): ``VmRSS`` all resident memory, ``RssAnon``
    anonymous."""
    line = next(
        x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field)
    )
    return int(line.split()[1]) * 1024


def write(path: Path, frames: int) -> None:
    from stride_nb import PoseSequence

    rng = np.random.default_rng(0)
    joints = (
        rng.uniform(-0.8, 0.8, (17, 3))
        + np.cumsum(rng.normal(0, 0.01, (frames, 17, 3)), 0)
        + (0, 0, 4)
    )
    PoseSequence(joints, rng.random((frames, 17)) * (rng.random((frames, 17)) > 0.2)).save(path)


def measure(path: str, method: str) -> dict:
    """Peaks of one refinement, sampled a hundred times a second."""
    import torch

    from stride_nb.models.registry import load_model
    from stride_nb.poses.streaming import opened
    from stride_nb.refinement.refine import refine

    torch.set_num_threads(1)
    prior, most = load_model("prior"), {"VmRSS": 0, "RssAnon": 0}
    with opened(path) as poses:
        refine(poses[:500], "prior", prior, device="cpu")
        before, done, start = (
            {field: resident(field) for field in most},
            threading.Event(),
            time.perf_counter(),
        )

        def watch():
            while not done.wait(0.01):
                for field in most:
                    most[field] = max(most[field], resident(field))

        watcher = threading.Thread(target=watch)
        watcher.start()
        refine(poses, method, prior, device="cpu").sequence.save(path + ".out.npz")
        done.set()
        watcher.join()
    return {
        "method": method,
        "frames": len(poses),
        "sequence": 8 * 17 * 4 * len(poses) / 1e6,
        "resident": (most["VmRSS"] - before["VmRSS"]) / 1e6,
        "anonymous": (most["RssAnon"] - before["RssAnon"]) / 1e6,
        "seconds": time.perf_counter() - start,
    }


def measure_elsewhere(frames: int, method: str, folder: Path) -> dict:
    """`measure` in a process of its own."""
    path = folder / f"{frames}.npz"
    write(path, frames)
    command = [sys.executable, __file__, "--measure", str(path), method]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frames", type=int, nargs="*", default=[1000, 100000])
    parser.add_argument("--method", default="prior", help="prior, stride_ours or stride_published")
    parser.add_argument(
        "--record", action="store_true", help="write data/results/refine_memory.json"
    )
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure)))
        return
    from benchmarks import records

    parameters = records.called({"frames": args.frames, "method": args.method}, prior="prior")
    start, rows = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for frames in args.frames:
            rows.append(measure_elsewhere(frames, args.method, Path(folder)))
            print(
                "{method} {frames} frames ({sequence:.1f} MB): {resident:.1f} MB resident, of them {anonymous:.1f} MB "
                "anonymous, beyond the loaded network; {seconds:.0f} s".format(**rows[-1]),
                flush=True,
            )
    if args.record:
        record(rows, parameters, time.perf_counter() - start)


def record(rows: list[dict], parameters: dict, seconds: float) -> None:
    """Write the figures down."""
    from benchmarks import records

    protocol = (
        "random walks refined from file to file by the shipped prior, one thread, a fresh process each; most "
        "memory beyond that of the process once the prior had answered for 500 frames, sampled every 10 ms"
    )
    records.save(
        records.record(
            "refine_memory",
            rows,
            parameters=parameters,
            seed=0,
            seconds=seconds,
            protocol=protocol,
            units={"sequence": "MB", "resident": "MB", "anonymous": "MB", "seconds": "s"},
        ),
        ROOT / "data" / "results" / "refine_memory.json",
    )


if __name__ == "__main__":
    main()
