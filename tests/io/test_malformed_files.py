"""What malformed files of others meet: a sequence or one InputError."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import InputError, Keypoints2D, PoseSequence, io
from stride_nb.datasets import bedlam_cliff
from stride_nb.datasets.download import LocalFiles
from stride_nb.io.clip_archive import read_clips
from stride_nb.io.document import Document
from stride_nb.poses import skeleton
from stride_nb.poses.streaming import open_streamed
from stride_nb.smpl import model_files
from tests.foreign import alphapose, check, coco, mediapipe, mmpose, openpose_frames, poses, save

some = settings(max_examples=40, deadline=None)
junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.just(-1.0),
    st.just(float("nan")),
    st.just(float("inf")),
    st.just(1e308),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just([[1], []]),
)


def small(make, joints, dims=2):
    """A valid file of four frames, quick to spoil."""
    return make(poses(joints, dims)[:, :4])


VALID = {
    "alphapose": small(alphapose, 17),
    "open": small(openpose_frames, 18),
    "coco": small(coco, 17),
    "mmpose": small(mmpose, 17),
    "mmpose3d": small(mmpose, 17, 3),
    "mediapipe": small(mediapipe, 33, 3),
    "openpose": next(iter(small(openpose_frames, 25).values())),
}


def holds(path):
    """Sequences of one shape, or an InputError that names the file."""
    error = found = None
    try:
        found = io.read(path, size=(1000, 1000))
    except InputError as refusal:
        error = refusal
    if error:
        assert Path(error.where).is_relative_to(path) or Path(error.where) == path
        return None
    assert len(found) and all(isinstance(s, (PoseSequence, Keypoints2D)) for s in found)
    assert len({len(s) for s in found}) == 1
    return found


def spoil(data, content):
    """Replace, remove or repeat something at a random place of parsed JSON."""
    content = json.loads(json.dumps(content))
    node = content
    for _ in range(data.draw(st.integers(0, 6))):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        inner = [k for k in keys if isinstance(node[k], (dict, list)) and node[k]]
        if not inner:
            break
        node = node[data.draw(st.sampled_from(inner))]
    key = data.draw(
        st.sampled_from(list(node) if isinstance(node, dict) else list(range(len(node))))
    )
    how = data.draw(st.sampled_from(["replace", "remove", "repeat", "shuffle"]))
    if how == "replace":
        node[key] = data.draw(junk)
    elif how == "remove":
        del node[key]
    elif isinstance(node, list) and how == "repeat":
        node.append(node[key])
    elif isinstance(node, list):
        node[:] = data.draw(st.permutations(node)) if len(node) < 50 else node[::-1]
    return content


def damaged(path, how: str):
    """An npz of a sequence that nobody wrote whole: what the readers of NumPy and of zip files each
    say in their own way."""
    np.savez(
        path,
        joints=np.zeros((2, 17, 3)),
        confidence=np.ones((2, 17)),
        fps=50,
        skeleton="h36m17",
        name="",
    )
    data = bytearray(path.read_bytes())
    if how == "header":
        data[data.index(b"(2, 17, 3)") + 9] = ord("(")
    else:
        flag, method = (1, None) if how == "encrypted" else (0, 99)
        for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = -1
            while (at := data.find(sign, at + 1)) >= 0:
                data[at + place] |= flag
                if method:
                    data[at + place + 2] = method
    path.write_bytes(data)
    return path


READERS = {
    "load": PoseSequence.load,
    "formats": io.read,
    "clips": read_clips,
    "npz": model_files.read_npz_arrays,
    "matrix": bedlam_cliff.read_matrix,
}


@pytest.mark.parametrize("how", ["header", "encrypted", "method"])
@pytest.mark.parametrize("reader", READERS)
def test_damaged_archives_meet_one_error(tmp_path, reader, how):
    with pytest.raises(InputError, match=r"a.npz"):
        READERS[reader](damaged(tmp_path / "a.npz", how))
    if reader == "load":
        with pytest.raises(InputError, match=r"a.npz"), open_streamed(tmp_path / "a.npz") as stored:
            stored[:]


def test_a_damaged_header_of_an_array_meets_one_error(tmp_path):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (50, 17, 3(, }\n"
    (tmp_path / "a.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"\0" * 64
    )
    with pytest.raises(InputError, match=r"a.npy: file: expected a whole npy file"):
        io.read(tmp_path / "a.npy")


def test_a_damaged_file_in_a_zip_of_recordings_meets_one_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "raw.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("02_01.amc", ":DEGREES\n" * 1000)
    data = bytearray((tmp_path / "raw.zip").read_bytes())
    data[45] ^= 255
    (tmp_path / "raw.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"raw.zip: 02_01.amc: expected a readable file"):
        LocalFiles(tmp_path / "raw.zip").get_sha256("02_01.amc")


@pytest.mark.parametrize("reader", READERS)
def test_arrays_that_claim_more_than_there_is_memory_meet_one_error(tmp_path, reader):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (500000000000, 17, 3), }"
    head += b" " * (117 - len(head)) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"\0" * 64
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("joints", "confidence", "fps", "skeleton"):
            archive.writestr(f"{name}.npy", array)
    with pytest.raises(InputError, match=r"a.npz"):
        READERS[reader](tmp_path / "a.npz")


@pytest.mark.parametrize("name", VALID)
@some
@given(data=st.data())
def test_spoiled_json_meets_a_sequence_or_one_error(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / f"spoiled-{name}.json"
    content = VALID[name]
    for _ in range(data.draw(st.integers(1, 3))):
        content = spoil(data, content) if content else content
    try:
        path.write_text(json.dumps(content))
    except ValueError:  # an integer too long to print
        return
    holds(path)


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=15, deadline=None)
@given(cut=st.floats(0, 1), junk=st.binary(max_size=4))
def test_truncated_json_meets_one_error(tmp_path_factory, name, cut, junk):
    path = tmp_path_factory.getbasetemp() / f"cut-{name}.json"
    text = json.dumps(VALID[name]).encode()
    path.write_bytes(text[: int(cut * (len(text) - 1))] + junk)
    assert holds(path) is None or junk.strip() in (b"]", b"}")


@some
@given(data=st.data())
def test_spoiled_csv_meets_a_sequence_or_one_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "spoiled.csv"
    io.write(path, [PoseSequence(p) for p in poses(17, 3)[:, :4]])
    rows = [line.split(",") for line in path.read_text().splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        r = data.draw(st.integers(0, len(rows) - 1))
        cell = data.draw(st.integers(0, max(len(rows[r]) - 1, 0)))
        how = data.draw(st.sampled_from(["cell", "column", "row", "short", "repeat"]))
        if how == "cell" and rows[r]:
            rows[r][cell] = data.draw(
                st.sampled_from(["", "nan", "-1", "x", "1e999", "\x00", '"', "0", "rhip_x"])
            )
        elif how == "column":
            rows = [row[:cell] + row[cell + 1 :] for row in rows]
        elif how == "short":
            rows[r] = rows[r][:cell]
        elif how == "row" and len(rows) > 1:
            del rows[r]
        elif how == "repeat":
            rows.append(rows[r])
    path.write_text("\n".join(map(",".join, rows)))
    holds(path)


@some
@given(data=st.data())
def test_any_array_meets_a_sequence_or_one_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    shape = data.draw(
        st.one_of(
            st.lists(st.integers(0, 5), max_size=4).map(tuple),
            st.tuples(st.integers(1, 5), st.sampled_from([17, 25, 26, 33]), st.integers(2, 4)),
        )
    )
    kind = data.draw(st.sampled_from(["f8", "i4", "c16", "U3", "?"]))
    values = np.random.default_rng(0).uniform(-2, 2, shape) * data.draw(
        st.sampled_from([1, 1000, np.nan, 0, 1e300])
    )
    with np.errstate(all="ignore"):
        arrays = {
            data.draw(st.sampled_from(["joints", "x", "pixels", "rel"])): np.nan_to_num(
                values
            ).astype(kind)
            if kind != "f8"
            else values
        }
    beside = st.sampled_from(["confidence", "fps", "size", "skeleton", "offsets", "root"])
    for extra in data.draw(st.lists(beside, max_size=4)):
        arrays[extra] = data.draw(
            st.sampled_from([np.array(-1.0), np.zeros((2, 3)), np.array("a"), np.array([1, 2])])
        )
    np.savez(path, **arrays)
    holds(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw) - 1))])
    assert holds(path) is None


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("long", [True, False])
def test_rows_without_number_or_time_are_everybodys_frames_in_order(tmp_path, long, blocks):
    people, joints = poses(17, 3)[:, 12:], skeleton.H36M17.joints
    where = [(person, t) for person in range(2) for t in range(len(people[0]))]
    where = where if blocks else sorted(where, key=lambda both: both[::-1])
    if long:
        rows = [
            ["person", "joint", "x", "y", "z"],
            *([i, name, *point] for i, t in where for name, point in zip(joints, people[i, t])),
        ]
    else:
        rows = [
            ["person", *(f"{name}_{axis}" for name in joints for axis in "xyz")],
            *([i, *people[i, t].ravel()] for i, t in where),
        ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    check(io.read(path, fps=25), people)


@pytest.mark.parametrize(
    "suffix, text",
    [
        (s, t)
        for s in (".json", ".csv", ".npz", ".npy")
        for t in (
            b"",
            b"\x00",
            b"[" * 100_000,
            b"\xff\xfe",
            b"{}",
            b"[]",
            b"null",
            b"0",
            b'""',
            b"[{}]",
            b"[[]]",
            b"a,b\n1",
        )
    ],
)
def test_empty_and_foreign_content_meets_one_error(tmp_path, suffix, text):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(text)
    assert holds(path) is None


def test_empty_folders_and_people_meet_one_error(tmp_path):
    assert holds(tmp_path) is None
    save(tmp_path / "000_keypoints.json", {"people": []})
    assert holds(tmp_path) is None
    save(tmp_path / "001_keypoints.json", [1])
    assert holds(tmp_path) is None


@pytest.mark.parametrize("name", VALID)
def test_one_frame(tmp_path, name):
    content = json.loads(json.dumps(VALID[name]))
    if name == "alphapose":
        content = content[:1]
    elif name == "open":
        content = dict(list(content.items())[:1])
    elif name == "coco":
        content = {"images": content["images"][-1:], "annotations": content["annotations"][:1]}
    elif name.startswith("mmpose"):
        content = content["instance_info"][:1]
    elif name == "mediapipe":
        content = content["frames"][:1]
    found = holds(save(tmp_path / "a.json", content))
    assert all(len(s) == 1 for s in found)


def long_content(name, length):
    """A long video: parsed content that repeats one frame, so that only the reader is at work."""
    frame = VALID
    if name == "alphapose":
        entry = frame[name][-1]
        return "json", [entry | {"image_id": i} for i in range(length)]
    if name == "openpose":
        return "folder", [
            (f"{i}_keypoints.json", {"people": frame[name]["people"][:1]}) for i in range(length)
        ]
    if name == "coco":
        entry = frame[name]["annotations"][-1]
        return "json", {"annotations": [entry | {"image_id": i} for i in range(length)]}
    if name == "mediapipe":
        return "json", [frame[name]["frames"][0] | {"frame": i} for i in range(length)]
    instances = frame[name]["instance_info"][0]["instances"][:1]
    return "json", [{"frame_id": i, "instances": instances} for i in range(length)]


def calls(function):
    """How many functions, Python's and C's, are called meanwhile."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", ["alphapose", "openpose", "coco", "mmpose", "mediapipe"])
def test_100_000_frames(monkeypatch, name):
    """An hour of video is read whole, and every further frame takes as many calls as those before
    it."""

    def reading(length):
        document = Document(Path("long.json"), *long_content(name, length))
        monkeypatch.setattr(io.pose_files, "open_document", lambda path, loaders: document)
        return lambda: io.read("long.json", size=(1000, 1000))

    found = reading(100_000)()
    assert len(found) == 1 and len(found[0]) == 100_000 and not found[0].missing.any()
    few, more, most = (calls(reading(length)) for length in (1000, 2000, 3000))
    assert 0 < most - more == pytest.approx(more - few, rel=0.01)


def test_a_crowd_without_ids_in_one_frame_is_refused(tmp_path):
    with pytest.raises(InputError, match="200 in a frame at most"):
        io.read(
            save(
                tmp_path / "a.json",
                VALID["alphapose"][-1:] * 1000 + alphapose(poses(17), ids=False),
            )
        )


def test_frame_numbers_that_are_no_video_are_refused(tmp_path):
    content = alphapose(poses(17))
    content[0]["image_id"] = "1000000000000.jpg"
    with pytest.raises(InputError, match="numbers of one video"):
        io.read(save(tmp_path / "a.json", content))
