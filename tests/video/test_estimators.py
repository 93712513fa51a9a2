"""Estimators are found by name; what is missing is named."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import COCO17, MEDIAPIPE33, WHOLEBODY133
from stride_nb.video import mediapipe_models
from stride_nb.video.estimators import list_estimators, load_estimator, register_estimator
from stride_nb.video.estimators.registry import ESTIMATORS
from tests.video.conftest import ScriptedEstimator


def test_the_registry_lists_what_its_folder_holds():
    known = {"mediapipe", "mediapipe_full", "mediapipe_heavy", "rtmpose", "rtmpose_body"}
    assert known <= set(list_estimators())


def test_an_estimator_is_one_function(monkeypatch):
    monkeypatch.setattr("stride_nb.video.estimators.registry.ESTIMATORS", dict(ESTIMATORS))
    register_estimator("mine")(lambda max_people: ScriptedEstimator([], name=f"mine{max_people}"))
    assert load_estimator("mine", 3).name == "mine3"


def test_unknown_names_and_nobody_are_refused():
    with pytest.raises(InputError, match=r"expected one of .*mediapipe_full.*, found 'openpose'"):
        load_estimator("openpose")
    with pytest.raises(InputError, match="people: expected at least 1, found 0"):
        load_estimator("mediapipe_full", 0)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("mediapipe_full", "mediapipe", "video"), ("rtmpose", "rtmlib", "rtmpose")],
)
def test_a_missing_package_names_its_extra_before_any_download(monkeypatch, name, module, extra):
    def refuse(*args, **kwargs):
        raise AssertionError("a download")

    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(mediapipe_models, "fetch_members", refuse)
    with pytest.raises(InputError, match=rf'pip install "stride-nb\[{extra}\]"'):
        load_estimator(name)


@pytest.mark.parametrize(
    ("name", "skeleton"), [("rtmpose", WHOLEBODY133), ("rtmpose_body", COCO17)]
)
def test_rtmpose_reads_what_rtmlib_gives(monkeypatch, name, skeleton):
    class Solution:
        def __init__(self, mode, backend, device):
            assert backend == "onnxruntime"

        def __call__(self, image):
            assert image[0, 0].tolist() == [3, 2, 1]  # rtmlib takes BGR
            pixels = np.arange(2 * len(skeleton) * 2, dtype=float).reshape(2, -1, 2)
            return pixels, np.full((2, len(skeleton)), 1.2)

    stub = types.SimpleNamespace(Body=Solution, Wholebody=Solution)
    monkeypatch.setitem(sys.modules, "rtmlib", stub)
    estimator = load_estimator(name)
    people = estimator.detect(np.full((4, 4, 3), (1, 2, 3), np.uint8), 0.0)
    assert estimator.skeleton is skeleton and len(people) == 2
    assert people[1].pixels[0].tolist() == [2 * len(skeleton), 2 * len(skeleton) + 1]
    assert people[0].confidence.max() == 1 and people[0].joints_cam is None


def test_rtmpose_may_see_nobody(monkeypatch):
    stub = types.SimpleNamespace(
        Wholebody=lambda **options: lambda image: (np.zeros((0, 133, 2)), np.zeros((0, 133)))
    )
    monkeypatch.setitem(sys.modules, "rtmlib", stub)
    assert load_estimator("rtmpose").detect(np.zeros((4, 4, 3), np.uint8), 0.0) == []


def test_heavy_is_preferred_where_it_is(monkeypatch, tmp_path):
    from stride_nb.video.estimators import mediapipe_pose

    monkeypatch.setenv("STRIDE_NB_CACHE", str(tmp_path))
    monkeypatch.setattr(mediapipe_pose, "require", lambda module, extra: None)
    monkeypatch.setattr(mediapipe_pose, "fetch_task_file", lambda variant: variant)
    monkeypatch.setattr(mediapipe_pose, "MediaPipePose", lambda path, people, name: name)
    assert load_estimator("mediapipe") == "mediapipe_full"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "pose_landmarker_heavy.task").touch()
    assert load_estimator("mediapipe") == "mediapipe_heavy"


def test_mediapipe_refuses_what_is_no_task_file(tmp_path):
    pytest.importorskip("mediapipe", reason='MediaPipe: pip install "stride-nb[video]"')
    (tmp_path / "mine.task").write_bytes(b"nothing")
    for name in ("mine.task", "absent.task"):
        with pytest.raises(InputError, match=f"{name}: model: expected a .task file"):
            load_estimator(tmp_path / name)


def test_mediapipe_sees_nobody_on_a_grey_wall_and_begins_anew(capfd):
    pytest.importorskip("mediapipe", reason='MediaPipe: pip install "stride-nb[video]"')
    if not mediapipe_models.find_task_file("full").is_file():
        pytest.skip("MediaPipe's model is not here: make video")
    estimator = load_estimator("mediapipe_full")
    assert estimator.skeleton is MEDIAPIPE33
    wall = np.full((120, 160, 3), 128, np.uint8)
    assert [estimator.detect(wall, t) for t in (0.0, 0.0, 40.0)] == [[], [], []]
    estimator.reset()
    assert estimator.detect(wall, 0.0) == []  # a clock that went back, but for the reset
    estimator.close()
    estimator.close()
    assert capfd.readouterr().err == ""
