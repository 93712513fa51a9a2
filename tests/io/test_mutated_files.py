"""Files of every reader, damaged at random: a sequence or one InputError, nothing else, and no
memory taken on a damaged file's word. ``MUTATIONS`` sets how many of each form."""

import os
import resource
import shutil
import time
import warnings

import numpy as np
import pytest
import torch

from stride_nb import InputError, PoseSequence, io
from stride_nb.poses import skeleton
from tests.bodies import walk
from tests.io import forms

MUTATIONS = int(os.environ.get("MUTATIONS", "12"))
MOST_BYTES, MOST_SECONDS = 2 << 30, 30


def make_c3d(path):
    pytest.importorskip("ezc3d", reason="the extra c3d")
    labels = forms.LABELS["pose2sim"]
    return forms.c3d(path, forms.named(labels)[0, :5], labels)


def make_gvhmr(path):
    params = {name: torch.zeros(4, 3) for name in ("global_orient", "transl")}
    params |= {"body_pose": torch.zeros(4, 63), "betas": torch.zeros(4, 10)}
    torch.save({"smpl_params_global": params}, path)
    return path


def make_vibe(path):
    joints = forms.to_camera(forms.people_3d("body25"))[1]
    content = {3: {"joints3d": joints, "pose": np.zeros((30, 72)), "frame_ids": np.arange(30)}}
    return forms.joblib_dump(content, path)


def make_mediapipe(path):
    marks = [
        {"frame": t, "pose_world_landmarks": [dict(zip("xyz", map(float, p))) for p in pose]}
        for t, pose in enumerate(forms.people_3d("mediapipe33")[1][:5])
    ]
    return forms.save_json(path, marks)


def make_mmpose(path):
    frames = [
        {
            "frame_id": t,
            "instances": [{"keypoints": person[t].tolist(), "keypoint_scores": [0.9] * 17}],
        }
        for person in PEOPLE[1:]
        for t in range(6)
    ]
    return forms.save_json(path, {"instance_info": frames})


def make_coco(path):
    images = [{"id": t, "file_name": f"{t}.jpg", "width": 1280, "height": 720} for t in range(6)]
    people = [
        {"image_id": t, "keypoints": np.c_[PEOPLE[1, t], SURE[1, t]].ravel().tolist()}
        for t in range(6)
    ]
    return forms.save_json(path, {"images": images, "annotations": people})


def make_wham(path):
    content = {"pose": np.zeros((6, 72)), "trans": np.zeros((6, 3)), "betas": np.zeros((6, 10))}
    return forms.joblib_dump({0: content | {"frame_ids": np.arange(6)}}, path)


def make_array(path):
    np.save(path, walk(12))
    return path


def make_openpose(path):
    return forms.openpose(path.parent, PEOPLE, SURE)


def make_labels(path):
    return forms.ultralytics_txt(path.parent, PEOPLE, SURE)


PEOPLE = forms.people_2d("coco17")[:, :6]
SURE = np.ones(PEOPLE.shape[:3])
MAKERS = {
    "trc": ("a.trc", lambda p: forms.trc(p, walk(5), skeleton.H36M17.joints)),
    "c3d": ("a.c3d", make_c3d),
    "bvh": ("a.bvh", lambda p: io.write(p, PoseSequence(walk(5)))[0]),
    "npz": ("a.npz", lambda p: io.write(p, PoseSequence(walk(5)))[0]),
    "csv": ("a.csv", lambda p: io.write(p, PoseSequence(walk(5)))[0]),
    "alphapose": ("a.json", lambda p: forms.alphapose(p, PEOPLE, SURE)),
    "tfjs": (
        "a.json",
        lambda p: forms.tfjs(p, forms.people_3d("mediapipe33", 1)[:, :4], np.ones((1, 4, 33))),
    ),
    "ultralytics": ("a.json", lambda p: forms.ultralytics_json(p, PEOPLE, SURE)),
    "deeplabcut": (
        "a.csv",
        lambda p: forms.deeplabcut(p, PEOPLE, SURE, skeleton.COCO17.joints, ["anna", "ben"]),
    ),
    "mediapipe": ("a.json", make_mediapipe),
    "mmpose": ("a.json", make_mmpose),
    "coco": ("a.json", make_coco),
    "openpose": ("a/clip_000000000014_keypoints.json", make_openpose),
    "labels": ("a/clip_14.txt", make_labels),
    "npy": ("a.npy", make_array),
    "wham": ("a.pkl", make_wham),
    "trace": ("a.npz", lambda p: forms.trace(p, forms.people_3d("smpl24"))),
    "hybrik": ("a.pk", lambda p: forms.hybrik(p, forms.people_3d("smpl24")[1], np.zeros((30, 3)))),
    "videopose3d": ("a.npz", lambda p: forms.videopose3d(p, {"v": PEOPLE[1]})),
    "vibe": ("a.pkl", make_vibe),
    "gvhmr": ("a.pt", make_gvhmr),
    "phalp": ("a.pkl", lambda p: forms.phalp(p, forms.people_3d("body25"))),
    "romp": ("a.npz", lambda p: forms.romp(p, forms.people_3d("smpl24"))),
    "sam3d": ("a.pkl", lambda p: forms.sam3d(p, forms.people_3d("mhr70"))),
}


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut short, bytes changed, removed, doubled, or a number made large."""
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 40))
    how = rng.integers(6)
    if how == 0:
        return data[:at]
    if how == 1:
        return data[:at] + data[at + size :]
    if how == 2:
        return data[: at + size] + data[at:]
    if how == 3:
        changed = bytearray(data)
        for place in rng.integers(len(data), size=int(rng.integers(1, 8))):
            changed[place] = int(rng.integers(256))
        return bytes(changed)
    if how == 4:
        return data[:at] + rng.bytes(size) + data[at + size :]
    return data[:at] + b"9999999999" + data[at + 10 :]


@pytest.mark.parametrize("name", MAKERS)
def test_a_damaged_file_is_read_or_refused(tmp_path, name, monkeypatch):
    monkeypatch.delenv("SMPL_MODEL_DIR", raising=False)
    file, make = MAKERS[name]
    path, rng = make(tmp_path / file), np.random.default_rng(len(name))
    data = (tmp_path / file).read_bytes()
    assert len(io.read(path, size=forms.SIZE)) >= 1
    refused = 0
    for _ in range(MUTATIONS if name != "c3d" else MUTATIONS // 6 + 1):  # a process a file
        (tmp_path / file).write_bytes(mutate(data, rng))
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = io.read(path, size=forms.SIZE)
            assert len(found) >= 1 and all(len(sequence) for sequence in found)
        except InputError as error:
            refused += 1
            assert str(error).count("\n") == 0
        assert time.perf_counter() - began < MOST_SECONDS
    assert refused or MUTATIONS < 50
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MOST_BYTES
    shutil.rmtree(tmp_path)
