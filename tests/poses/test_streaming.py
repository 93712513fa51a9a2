"""A sequence on disk is the sequence: the same slices, the same answers, and no memory that grows
with its length."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import io
from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence, resample_like
from stride_nb.poses.streaming import StreamedSequence, open_streamed
from stride_nb.refinement.refine import refine
from tests.refinement.test_refine import PRIOR, SHORT, network
from tests.refinement.test_sliding_window import LINEAR, lost, walker

ROOT = Path(__file__).parents[2]


def same(stored, sequence, atol=0.0):
    assert (len(stored), stored.fps, stored.skeleton, stored.name) == (
        len(sequence),
        sequence.fps,
        sequence.skeleton,
        sequence.name,
    )
    for found in (stored[:], *([] if atol else [stored])):
        joints = np.concatenate([part.joints for part in found.iter_parts(70)])
        np.testing.assert_allclose(joints, sequence.joints, rtol=0, atol=atol)
        np.testing.assert_allclose(
            np.concatenate([part.confidence for part in found.iter_parts(70)]), sequence.confidence
        )


@pytest.fixture
def file(tmp_path):
    def save(sequence):
        sequence.save(tmp_path / "in.npz")
        return tmp_path / "in.npz"

    return save


@pytest.mark.parametrize("frames", [1, 2, 250, 2600])
def test_what_is_read_is_what_was_saved(frames, file, tmp_path):
    sequence = walker(frames, missing=0.2).replace(name="walk", fps=30)
    with open_streamed(file(sequence)) as stored:
        same(stored, sequence)
        same(stored.store(stored.iter_parts(99)), sequence)
        stored.save(tmp_path / "out.npz")
        folder = stored.folder
    same(PoseSequence.load(tmp_path / "out.npz"), sequence)
    assert not folder.exists()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(-30, 30),
    st.integers(1, 60),
    st.sampled_from([24, 25, 29.97, 30, 50, 60, 120]),
    st.sampled_from([24, 29.97, 50, 120]),
    st.integers(1, 700),
)
def test_any_slice_at_any_rate_is_that_of_the_whole(
    tmp_path_factory, start, length, fps, new, frames
):
    path = tmp_path_factory.mktemp("rates") / "in.npz"
    sequence = walker(frames, missing=0.2).replace(fps=fps)
    sequence.save(path)
    whole = resample_like(sequence, sequence.resample(new))
    with open_streamed(path) as stored:
        again = stored.resample(new)
        assert len(again) == len(sequence.resample(new))
        back = resample_like(stored, again)
        same(back, whole, atol=1e-9)
        a = max(0, start + frames // 2)
        if a < frames:
            np.testing.assert_allclose(
                back[a : a + length].joints, whole[a : a + length].joints, rtol=0, atol=1e-9
            )


@pytest.mark.parametrize(
    "cut",
    [
        slice(None, None, 2),
        slice(None, None, -1),
        slice(250, 3, -7),
        slice(-40, None, 3),
        slice(5, 6, 100),
    ],
)
@pytest.mark.parametrize("fps", [None, 50, 24])
def test_frames_apart_and_backwards_are_those_of_the_whole(cut, fps, file):
    sequence = walker(300, missing=0.2).replace(fps=30)
    with open_streamed(file(sequence)) as stored:
        stored, sequence = (
            (stored, sequence) if fps is None else (stored.resample(fps), sequence.resample(fps))
        )
        np.testing.assert_allclose(stored[cut].joints, sequence[cut].joints, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(stored[cut].confidence, sequence[cut].confidence)


@pytest.mark.parametrize("cut", [slice(5, 5), slice(9, 3), slice(3, 9, -1), slice(400, None)])
def test_no_frame_at_all_is_refused(cut, file):
    with open_streamed(file(walker(300).replace(name="walk"))) as stored:
        for made in (stored, stored.resample(24), stored.pad_with_last(310), stored.to("h36m17")):
            with pytest.raises(InputError, match="walk: frames: expected a slice of one or more"):
                made[cut]
        with pytest.raises(TypeError, match="cut by slices"):
            stored[7]


@pytest.mark.parametrize("fps", [0, -5, np.nan, np.inf, None, "50"])
def test_a_rate_that_is_none_is_refused_as_in_memory(fps, file):
    for frames in (1, 300):
        with (
            open_streamed(file(walker(frames))) as stored,
            pytest.raises(InputError, match="fps: expected a positive number from"),
        ):
            stored.resample(fps)


@pytest.mark.parametrize("up", ["y", "-y", "z", None])
def test_turned_and_converted_like_the_whole(up, file):
    sequence = lost(walker(1500), (300, 1400))
    with open_streamed(file(sequence)) as stored:
        same(io.rotate_to_y_up(stored, up), io.rotate_to_y_up(sequence, up))
        same(
            io.rotate_to_camera_axes(stored, up).to("h36m17"),
            io.rotate_to_camera_axes(sequence, up).to("h36m17"),
        )
        assert io.estimate_up_axis(stored) == io.estimate_up_axis(sequence)


@pytest.mark.parametrize("method", ["prior", "stride_ours", "stride_published"])
@pytest.mark.parametrize("fps", [50, 30])
def test_refined_like_the_whole(method, fps, file):
    """At the network's own rate to the digit."""
    sequence = lost(walker(900, missing=0.2), (100, 500)).replace(fps=fps)
    whole = refine(sequence, method, PRIOR, device="cpu", **SHORT.get(method, {}))
    with open_streamed(file(sequence)) as stored:
        found = refine(stored, method, PRIOR, device="cpu", **SHORT.get(method, {}))
        assert isinstance(found.sequence, StreamedSequence) and found.scale is None
        same(found.sequence, whole.sequence, atol=0 if fps == 50 else 1e-5)
        # how far off a body's proportions are is measured on other frames of a stream
        notes = [re.sub(r"[\d.]+ times", "times", r.trace.note) for r in (found, whole)]
        assert notes[0] == notes[1] and len(found.trace.steps) == len(whole.trace.steps)


def test_without_a_path_like_the_whole(file):
    relative = walker(300).root_relative()
    with open_streamed(file(relative)) as stored:
        same(refine(stored, "prior", LINEAR).sequence, refine(relative, "prior", LINEAR).sequence)


@pytest.mark.parametrize(
    "method, kind", [("linear", None), ("rts", None), ("smoothnet", "smoothnet"), ("prior", "bare")]
)
def test_what_needs_the_whole_reads_it(method, kind, file):
    sequence, model = walker(100), kind and network(kind)
    with open_streamed(file(sequence)) as stored:
        same(refine(stored, method, model).sequence, refine(sequence, method, model).sequence)


def test_nobody_at_all_is_refused(file):
    nobody = PoseSequence(np.full((2100, 17, 3), np.nan), name="somebody")
    with (
        open_streamed(file(nobody)) as stored,
        pytest.raises(InputError, match="somebody: joints: expected at least one that was seen"),
    ):
        refine(stored, "prior", LINEAR)


GOOD = {"joints": np.zeros((2100, 17, 3)), "confidence": np.ones((2100, 17))}


@pytest.mark.parametrize(
    "arrays, said",
    [
        ({"joints": np.zeros((9, 17))}, "joints: expected shape"),
        ({"joints": np.zeros(())}, "joints: expected shape"),
        ({"joints": np.zeros((0, 17, 3))}, "joints"),
        ({"joints": None}, "joints: expected an array of that name"),
        ({"joints": np.full((9, 17, 3), "x")}, "joints: expected numbers"),
        ({"confidence": np.ones((2099, 17))}, "confidence: expected shape"),
        ({"confidence": np.full((2100, 17), 2.0)}, r"confidence: expected values in \[0, 1\]"),
        ({"fps": np.array([1, 2])}, "fps"),
        ({"joints": np.array([[[object()]]])}, "file"),
    ],
)
def test_bad_files_are_named(arrays, said, tmp_path):
    np.savez(tmp_path / "in.npz", **{k: v for k, v in (GOOD | arrays).items() if v is not None})
    with pytest.raises(InputError, match=f"in.npz.*{said}"), open_streamed(tmp_path / "in.npz"):
        pass


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 cut"])
def test_what_is_no_npz_is_named(content, tmp_path):
    if content is not None:
        (tmp_path / "in.npz").write_bytes(content)
    with (
        pytest.raises(InputError, match=r"in\.npz: file: expected an npz file"),
        open_streamed(tmp_path / "in.npz"),
    ):
        pass


def test_a_value_that_cannot_be_leaves_no_output(tmp_path):
    joints = GOOD["joints"].copy()
    joints[2050, 3] = np.inf
    np.savez(tmp_path / "in.npz", joints=joints)
    with (
        pytest.raises(InputError, match=r"in\.npz: joints: expected finite"),
        open_streamed(tmp_path / "in.npz") as stored,
    ):
        refine(stored, "prior", LINEAR).sequence.save(tmp_path / "out.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["in.npz"]


@pytest.mark.parametrize(
    "arrays",
    [
        {"joints": np.asfortranarray(walker(40).joints)},
        {"joints": walker(40).joints.astype(np.float32)},
        {"joints": walker(40).joints.astype(">f8"), "fps": 25},
    ],
)
def test_other_ways_to_lie_on_disk(arrays, tmp_path):
    np.savez(tmp_path / "in.npz", **arrays)
    with open_streamed(tmp_path / "in.npz") as stored:
        same(stored.map(lambda part: part.replace(name="")), PoseSequence.load(tmp_path / "in.npz"))


MEASURE = """
import sys, tracemalloc
sys.path.insert(0, ".")
import torch
from tests.refinement.test_refine import SHORT
from tests.refinement.test_sliding_window import LINEAR
from stride_nb import refine
from stride_nb.poses.streaming import open_streamed

def peak(path, method):
    tracemalloc.start()
    with open_streamed(path) as poses:
        refined = refine(poses, method, LINEAR, device="cpu", **SHORT.get(method, {}))
        refined.sequence.save(path + ".npz")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most

torch.set_num_threads(1)
short, long, method = sys.argv[1:]
peak(short, method)  # imports
print(peak(short, method), peak(long, method))
"""


@pytest.mark.parametrize(
    "method, fps, frames",
    [("prior", 50, (3000, 20000)), ("prior", 30, (1000, 3000)), ("stride_ours", 50, (3000, 6000))],
)
def test_memory_does_not_grow(method, fps, frames, tmp_path):
    """What Python and NumPy allocate from the file that is read to the file that is written: not
    even half the difference of the shortest pair of sequences."""
    for n in frames:
        walker(n, missing=0.2).replace(fps=fps).save(tmp_path / f"{n}.npz")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *(tmp_path / f"{n}.npz" for n in frames), method],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    few, many = map(int, done.stdout.split())
    assert many < few + 500_000, f"{few} bytes for {frames[0]} frames, {many} for {frames[1]}"
