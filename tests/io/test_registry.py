"""What a format is: every one keeps the protocol, and a new one needs no other edit."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest

from stride_nb import InputError, PoseSequence, io
from stride_nb.io.document import Document, open_document
from stride_nb.io.registry import collect_loaders, find_reader
from tests.bodies import walk
from tests.foreign import alphapose, check, coco, mediapipe, mmpose, openpose_frames, poses, save
from tests.io import forms

MODULES = [
    importlib.import_module(f"stride_nb.io.{found.name}")
    for found in pkgutil.iter_modules(io.__path__)
]
TO_READ, TO_WRITE = {"LOOKS", "recognises", "parse"}, {"SUFFIX", "SEVERAL", "write"}
OWN = TO_READ | {"SUFFIX", "SEVERAL", "ONLY_2D", "STREAMS", "LOADERS"}
FORMATS = [module for module in MODULES if hasattr(module, "NAME")]


@pytest.mark.parametrize("module", FORMATS, ids=lambda module: module.NAME)
def test_a_format_reads_or_writes_or_both(module):
    names = set(vars(module))
    assert names >= TO_READ or names >= TO_WRITE
    for half in (TO_READ, TO_WRITE):
        assert half <= names or half.isdisjoint(names), "half of what it takes"
    assert {"NAME", *(OWN | {"write"}) & names} <= set(module.__all__)
    if names >= TO_READ:
        assert module.LOOKS
        assert [*inspect.signature(module.recognises).parameters] == ["document"]
        assert [*inspect.signature(module.parse).parameters] == ["document", "skeleton"]
    if names >= TO_WRITE:
        assert module.SUFFIX == "" or module.SUFFIX.startswith(".")
        path, sequences, *options = inspect.signature(module.write).parameters.values()
        assert (path.name, sequences.name) == ("path", "sequences")
        assert all(option.default is not option.empty for option in options)
    else:
        assert "STREAMS" not in names
        assert "ONLY_2D" not in names


def test_no_other_module_looks_like_a_format_and_no_two_share_a_name():
    for module in MODULES:
        assert hasattr(module, "NAME") or OWN.isdisjoint(vars(module)), module.__name__
    names = [module.NAME for module in FORMATS]
    suffixes = [m.SUFFIX for m in FORMATS if getattr(m, "SUFFIX", "")]
    assert len(set(names)) == len(names)
    assert len(set(suffixes)) == len(suffixes)
    for verb, half in (("parse", TO_READ), ("write", TO_WRITE)):
        assert io.list_formats(verb) == {m.NAME: m for m in FORMATS if half <= set(vars(m))}


OTHERS = [("c3d", Path("a.c3d"), {})]  # needs its library


def test_what_a_format_writes_no_other_recognises(tmp_path):
    contents = {
        "alphapose": alphapose(poses(17)),
        "coco": coco(poses(17)),
        "mmpose": mmpose(poses(17)),
        "mediapipe": mediapipe(poses(33, 3)),
        "openpose": next(iter(openpose_frames(poses(25)).values())),
    }
    documents = {
        name: open_document(save(tmp_path / f"{name}.json", content))
        for name, content in contents.items()
    }
    np.save(tmp_path / "a.npy", poses(17)[1])
    documents["arrays"] = open_document(tmp_path / "a.npy")
    io.write(tmp_path / "a.csv", PoseSequence(poses(17, 3)[1]))
    documents["csv"] = open_document(tmp_path / "a.csv")
    documents |= {name: Document(path, path.suffix[1:], content) for name, path, content in OTHERS}
    files = {
        "bvh": lambda path: io.write(path.with_suffix(".bvh"), PoseSequence(walk(5)))[0],
        "trc": lambda path: io.write(path.with_suffix(".trc"), PoseSequence(walk(5)))[0],
        "smpl": lambda path: io.write(path.with_suffix(".pkl"), PoseSequence(walk(5)))[0],
        "ultralytics": lambda path: forms.ultralytics_json(
            path.with_suffix(".json"), forms.people_2d("coco17"), np.ones((2, 30, 17))
        ),
        "videopose3d": lambda path: forms.videopose3d(
            path.with_suffix(".npz"), {"a": forms.people_2d("coco17")[1]}
        ),
        "deeplabcut": lambda path: forms.deeplabcut(
            path.with_suffix(".csv"), forms.people_2d("coco17", 1), np.ones((1, 30, 17)), "abcdefg"
        ),
    }
    documents |= {
        name: open_document(make(tmp_path / name), collect_loaders())
        for name, make in files.items()
    }
    assert documents.keys() == io.list_formats().keys()
    for name, document in documents.items():
        matching = [n for n, module in io.list_formats().items() if module.recognises(document)]
        assert matching == [name]
        assert name == find_reader(document).NAME


TOY = """
import json
import numpy as np
from stride_nb.io.detections import Detections

NAME, LOOKS, SUFFIX, SEVERAL = "toy", "a toy of joints", ".toy", True
LOADERS = {".toy": lambda path: json.loads(path.read_text()[3:])}

def recognises(document):
    return document.kind == "toy"

def parse(document, skeleton=None):
    people = np.array(document.content)
    frames = np.tile(np.arange(people.shape[1]), len(people))
    ids = np.repeat(["1", "2"], people.shape[1])
    points = people.reshape(-1, *people.shape[2:])
    return Detections(frames, list(ids), points, np.ones(points.shape[:2]), "h36m17", fps=25.0)

def write(path, sequences):
    path.write_text("toy" + json.dumps([s.joints.tolist() for s in sequences]))
"""


def test_a_new_format_is_one_file_that_nothing_else_names(tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "toy_format.py").write_text(TOY)
    monkeypatch.setattr(io, "__path__", [*io.__path__, str(tmp_path / "room")])
    monkeypatch.delitem(importlib.sys.modules, "stride_nb.io.toy_format", raising=False)
    people = poses(17, 3)
    people = np.where(np.isnan(people), people[:, :1], people)
    given = [PoseSequence(person, fps=25) for person in people]
    assert io.write(tmp_path / "a.toy", given) == [tmp_path / "a.toy"]
    found = io.read(tmp_path / "a.toy")
    assert found.format == "toy"
    check(found, people)
    (tmp_path / "b.toy").write_text("toy{")
    with pytest.raises(InputError, match=r"b\.toy: file: expected a whole toy file"):
        io.read(tmp_path / "b.toy")
    with pytest.raises(InputError, match=r"toy: a toy of joints"):
        io.read(save(tmp_path / "c.json", {"poses": "here"}))
