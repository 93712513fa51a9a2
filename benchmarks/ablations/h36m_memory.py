"""What reading MotionBERT's Human3.6M file costs in memory: the peak beside the bytes of the arrays
in it.

The real file is the user's own, so one of the same fields, types and (by the fraction) size is made
of random
numbers: 1,559,752 training and 566,920 test frames at fraction 1. Every name is a text of its own,
the worst case. Each split is read in a fresh process, which then draws 32 batches of 32 clips; the
memory counted is that process's peak beyond what it used before it opened the file.

    python -m benchmarks.ablations.h36m_memory 0.2 [--record]
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

FRAMES = {"train": 1_559_752, "test": 566_920}
SOURCE = 2000  # frames
FLOATS = {
    "joint_2d": ("f8", (17, 2)),
    "confidence": ("f8", (17,)),
    "joint3d_image": ("f4", (17, 3)),
    "joints_2.5d_image": ("f4", (17, 3)),
    "2.5d_factor": ("f8", ()),
}


def make(fraction: float, rng: np.random.Generator) -> dict:
    """Random content, ``fraction`` of the real file's frames in each split."""
    content = {}
    for split, frames in FRAMES.items():
        n = int(frames * fraction)
        content[split] = {
            name: 1000 * rng.random((n, *shape), dtype) for name, (dtype, shape) in FLOATS.items()
        }
        content[split]["camera_name"] = [f"{60457274}" for _ in range(n)]
        content[split]["source"] = [f"s_01_act_02_subact_01_ca_{i // SOURCE:04d}" for i in range(n)]
        content[split]["action"] = [f"action {i // SOURCE % 15}" for i in range(n)]
    return content


def peak() -> int:
    """Most resident memory of this process so far, bytes (Linux)."""
    line = next(
        x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")
    )
    return int(line.split()[1]) * 1024


def measure(path: str, split: str) -> dict:
    from stride_nb.datasets import h36m

    before, start = peak(), time.perf_counter()
    data = h36m.read(path, split)
    read, seconds = peak() - before, time.perf_counter() - start
    clips = h36m.H36MClips(data, 243, 81 if split == "train" else 243)
    for step in range(32):
        clips.batch(step, 32)
    return {"frames": len(data), "read": read, "with batches": peak() - before, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "fraction", type=float, nargs="?", default=0.1, help="of the real file's frames"
    )
    parser.add_argument("--protocol", type=int, default=4, choices=range(2, 6))
    parser.add_argument("--record", action="store_true", help="write data/results/h36m_memory.json")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure)))
        return
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h36m.pkl"
        arrays = write(path, args.fraction, args.protocol)
        rows = [measure_elsewhere(path, split, arrays) for split in FRAMES]
    print(f"fraction {args.fraction}, protocol {args.protocol}: arrays {arrays / 1e6:.0f} MB")
    for row in rows:
        print(
            "{split:5s}: {frames} frames, read in {seconds:.1f} s, peak {peak:.0f} MB = {read_ratio:.3f} x arrays; "
            "after 32 batches {batches_ratio:.3f} x".format(**row)
        )
    if args.record:
        record(rows, args, time.perf_counter() - start)


def write(path: Path, fraction: float, protocol: int) -> int:
    """Write the file; returns the bytes of the arrays in it."""
    content = make(fraction, np.random.default_rng(0))
    with open(path, "wb") as file:
        pickle.dump(content, file, protocol)
    return sum(
        v.nbytes
        for fields in content.values()
        for v in fields.values()
        if isinstance(v, np.ndarray)
    )


def measure_elsewhere(path: Path, split: str, arrays: int) -> dict:
    """`measure` in a process of its own, beside the bytes of all arrays in the file."""
    command = [sys.executable, __file__, "--measure", str(path), split]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "split": split,
        "frames": found["frames"],
        "arrays": arrays / 1e6,
        "peak": found["read"] / 1e6,
        "read_ratio": found["read"] / arrays,
        "batches_ratio": found["with batches"] / arrays,
        "seconds": found["seconds"],
    }


def record(rows: list[dict], args: argparse.Namespace, seconds: float) -> None:
    """Write the figures down."""
    from benchmarks import records

    protocol = (
        "a generated file of the real one's fields, types and, by the fraction, size; peak of a fresh process "
        "beyond what it used before reading, over the bytes of the file's arrays, after reading and after 32 "
        "batches of 32 clips"
    )
    parameters = {"fraction": args.fraction, "protocol": args.protocol}
    records.save(
        records.record(
            "h36m_memory",
            rows,
            parameters=parameters,
            seed=0,
            seconds=seconds,
            protocol=protocol,
            units={"arrays": "MB", "peak": "MB", "seconds": "s"},
        ),
        ROOT / "data" / "results" / "h36m_memory.json",
    )


if __name__ == "__main__":
    main()
