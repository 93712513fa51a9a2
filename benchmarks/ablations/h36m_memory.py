"""Peak memory of reading MotionBERT's Human3.6M file, beside the bytes of the arrays in it.

    python -m benchmarks.ablations.h36m_memory 0.2 [--record]

The real file is the user's own, so one of the same fields, types and (by the fraction) size is made
of random numbers: 1,559,752 training and 566,920 test frames at fraction 1. Every name is a text of
its own, the worst case. Each split is read in a fresh process, which then draws 32 batches of 32
clips; the memory counted is that process's peak beyond what it used before it opened the file.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.study import Study, make_parser, run_elsewhere

FRAMES = {"train": 1_559_752, "test": 566_920}
SOURCE_FRAMES = 2000
FIELDS = {
    "joint_2d": ("f8", (17, 2)),
    "confidence": ("f8", (17,)),
    "joint3d_image": ("f4", (17, 3)),
    "joints_2.5d_image": ("f4", (17, 3)),
    "2.5d_factor": ("f8", ()),
}


def make_content(fraction: float, rng: np.random.Generator) -> dict:
    """Random content, ``fraction`` of the real file's frames in each split."""
    content = {}
    for split, frames in FRAMES.items():
        n = int(frames * fraction)
        fields = {
            name: 1000 * rng.random((n, *shape), dtype) for name, (dtype, shape) in FIELDS.items()
        }
        sources = [i // SOURCE_FRAMES for i in range(n)]
        fields["camera_name"] = [f"{60457274}" for _ in range(n)]
        fields["source"] = [f"s_01_act_02_subact_01_ca_{k:04d}" for k in sources]
        fields["action"] = [f"action {k % 15}" for k in sources]
        content[split] = fields
    return content


def write_file(path: Path, fraction: float, protocol: int) -> int:
    """Write the file; returns the bytes of the arrays in it."""
    content = make_content(fraction, np.random.default_rng(0))
    with open(path, "wb") as file:
        pickle.dump(content, file, protocol)
    values = [value for fields in content.values() for value in fields.values()]
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def read_peak() -> int:
    """Most resident memory of this process so far, bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(x for x in lines if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measure_here(path: str, split: str) -> dict:
    """Peaks of this process, bytes, after reading and after 32 batches."""
    from stride_nb.datasets import h36m

    before, start = read_peak(), time.perf_counter()
    data = h36m.read_h36m(path, split)
    read, seconds = read_peak() - before, time.perf_counter() - start
    clips = h36m.H36MClips(data, 243, 81 if split == "train" else 243)
    for step in range(32):
        clips.batch(step, 32)
    batches = read_peak() - before
    return {"frames": len(data), "read": read, "batches": batches, "seconds": seconds}


def measure(path: Path, split: str, arrays: int) -> dict:
    """A row of the record, measured in a process of its own; ``arrays``: bytes in the file."""
    peaks = run_elsewhere("benchmarks.ablations.h36m_memory", "--measure", path, split)
    return {
        "split": split,
        "frames": peaks["frames"],
        "arrays": arrays / 1e6,
        "peak": peaks["read"] / 1e6,
        "read_ratio": peaks["read"] / arrays,
        "batches_ratio": peaks["batches"] / arrays,
        "seconds": peaks["seconds"],
    }


def main() -> None:
    """Both splits of a generated file."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "fraction", type=float, nargs="?", default=0.1, help="of the real file's frames"
    )
    parser.add_argument("--protocol", type=int, default=4, choices=range(2, 6), help="of pickle")
    parser.add_argument("--record", action="store_true", help="write data/results/h36m_memory.json")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure_here(*args.measure)))
        return
    arguments = {"fraction": args.fraction, "protocol": args.protocol}
    study = Study("h36m_memory", arguments, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h36m.pkl"
        arrays = write_file(path, args.fraction, args.protocol)
        study.add(measure(path, split, arrays) for split in FRAMES)
    if args.record:
        study.save(
            "a generated file of the real one's fields, types and, by the fraction, size; peak of "
            "a fresh process beyond what it used before reading, over the bytes of the file's "
            "arrays, after reading and after 32 batches of 32 clips",
            {"arrays": "MB", "peak": "MB", "seconds": "s"},
        )


if __name__ == "__main__":
    main()
