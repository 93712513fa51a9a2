"""What reading MotionBERT's Human3.6M file costs in memory: the peak beside the bytes of the arrays in it.

The real file is the user's own, so one of the same fields, types and (by the fraction) size is made of random
numbers: 1,559,752 training and 566,920 test frames at fraction 1. Every name is a text of its own, the worst
case. Each split is read in a fresh process, which then draws 32 batches of 32 clips; the memory counted is that
process's peak beyond what it used before it opened the file.

    python benchmarks/h36m_memory.py 0.2
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

FRAMES = {"train": 1_559_752, "test": 566_920}
SOURCE = 2000  # frames
FLOATS = {"joint_2d": ("f8", (17, 2)), "confidence": ("f8", (17,)), "joint3d_image": ("f4", (17, 3)),
          "joints_2.5d_image": ("f4", (17, 3)), "2.5d_factor": ("f8", ())}


def make(fraction: float, rng: np.random.Generator) -> dict:
    """Random content, ``fraction`` of the real file's frames in each split."""
    content = {}
    for split, frames in FRAMES.items():
        n = int(frames * fraction)
        content[split] = {name: 1000 * rng.random((n, *shape), dtype) for name, (dtype, shape) in FLOATS.items()}
        content[split]["camera_name"] = [f"{60457274}" for _ in range(n)]
        content[split]["source"] = [f"s_01_act_02_subact_01_ca_{i // SOURCE:04d}" for i in range(n)]
        content[split]["action"] = [f"action {i // SOURCE % 15}" for i in range(n)]
    return content


def peak() -> int:
    """Most resident memory of this process so far, bytes (Linux)."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measure(path: str, split: str) -> dict:
    from stride_nb.motions import h36m

    before, start = peak(), time.perf_counter()
    data = h36m.read(path, split)
    read, seconds = peak() - before, time.perf_counter() - start
    clips = h36m.H36MClips(data, 243, 81 if split == "train" else 243)
    for step in range(32):
        clips.batch(step, 32)
    return {"split": split, "read": read, "with batches": peak() - before, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fraction", type=float, nargs="?", default=0.1, help="of the real file's frames")
    parser.add_argument("--protocol", type=int, default=4, choices=range(2, 6))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h36m.pkl"
        content = make(args.fraction, np.random.default_rng(0))
        arrays = sum(v.nbytes for fields in content.values() for v in fields.values() if isinstance(v, np.ndarray))
        with open(path, "wb") as file:
            pickle.dump(content, file, args.protocol)
        del content
        print(f"fraction {args.fraction}, protocol {args.protocol}: arrays {arrays / 1e6:.0f} MB")
        for split in FRAMES:
            command = [sys.executable, __file__, "--measure", str(path), split]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"{split:5s}: read {found['seconds']:.1f} s, peak {found['read'] / 1e6:.0f} MB = "
                  f"{found['read'] / arrays:.2f} x arrays; after 32 batches {found['with batches'] / arrays:.2f} x")


if __name__ == "__main__":
    main()
