"""Kinect against Vicon: the reader of the prepared file, constants of each method's own, and the
study's rows, on recordings of our own making."""

import json

import numpy as np
import pytest

from benchmarks import kinect
from benchmarks.__main__ import main
from stride_nb import datasets
from stride_nb.datasets import uiprmd
from stride_nb.errors import InputError
from stride_nb.evaluation.own_definitions import Recording, measure_own_errors_mm
from stride_nb.poses.joint_definitions import Definition, fit_definition

SCALE = 1e-4


def walk(seed, frames=60):
    """A person of the synthetic source, turned to camera axes (y down)."""
    clip = datasets.load("synthetic", "test", clips=1, seconds=frames / 50, seed=seed)[0]
    return clip.joints[:frames] * (1, -1, -1) + (0, 0, 3)


def draw_definition(rng):
    body, bone = rng.uniform(-0.05, 0.05, (17, 3)), np.zeros((17, 2))
    body[0] = 0
    bone[[2, 5, 12, 15], 0] = 0.03
    return Definition(body, bone)


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Two subjects, three movements each, the Kinect's joints defined otherwise and noisy."""
    rng = np.random.default_rng(0)
    bodies = {2: draw_definition(rng), 3: draw_definition(rng)}
    clips = [(s, m, walk(10 * s + m)) for s in bodies for m in (1, 2, 3)]
    vicon = np.concatenate([joints for *_, joints in clips])
    sensed = np.concatenate([bodies[s].apply(joints) for s, _, joints in clips])
    sensed[:, 1:] += rng.normal(0, 0.01, sensed[:, 1:].shape)
    deltas = {
        f"{name}_delta": np.diff(np.round(x / SCALE), axis=0, prepend=0).transpose(1, 2, 0)
        for name, x in (("kinect", sensed), ("vicon", vicon))
    }
    path = tmp_path / "uiprmd_dev.npz"
    np.savez(
        path,
        **{name: delta.astype(np.int32) for name, delta in deltas.items()},
        scale=SCALE,
        fps=30.0,
        offsets=np.cumsum([0] + [len(joints) for *_, joints in clips]),
        clip_id=np.array([f"m{m}_s{s}" for s, m, _ in clips]),
        subject=np.array([s for s, *_ in clips]),
        movement=np.array([m for _, m, _ in clips]),
        correct=np.ones(len(clips), bool),
        subjects=np.array(list(bodies)),
        definition_body=np.stack([d.body for d in bodies.values()]),
        definition_bone=np.stack([d.bone for d in bodies.values()]),
    )
    monkeypatch.setenv("STRIDE_NB_DATA", str(tmp_path))
    return path, clips, sensed


def test_a_prepared_file_is_read_by_value(prepared):
    _, clips, sensed = prepared
    read = uiprmd.read_kinect_clips()
    assert [(c.subject, c.movement) for c in read] == [(s, m) for s, m, _ in clips]
    np.testing.assert_allclose(np.concatenate([c.kinect for c in read]), sensed, atol=SCALE)
    np.testing.assert_allclose(read[4].vicon, clips[4][2], atol=SCALE)
    truth = datasets.load("uiprmd")
    np.testing.assert_allclose(truth[0].joints, read[0].definition.apply(read[0].vicon))
    # in the Kinect's terms nothing is left but its noise
    left = np.linalg.norm(truth[0].joints - read[0].kinect, axis=-1)[:, 1:]
    assert left.mean() < 0.02 < np.linalg.norm(read[0].vicon - read[0].kinect, axis=-1).mean()


@pytest.mark.parametrize(
    "change, field",
    [
        (lambda arrays: arrays.pop("offsets"), "offsets"),
        (lambda arrays: arrays.update(vicon_delta=arrays["vicon_delta"][:, :, 1:]), "vicon_delta"),
    ],
)
def test_another_file_is_one_clear_error(prepared, change, field):
    path, *_ = prepared
    arrays = dict(np.load(path))
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(InputError) as error:
        uiprmd.read_kinect_clips()
    assert error.value.field == field


def test_nothing_is_tuned_on_it(prepared):
    with pytest.raises(InputError, match="test"):
        datasets.load("uiprmd", "val")
    with pytest.raises(InputError, match="vicon"):
        datasets.load("uiprmd", kind="lidar")


def test_constants_of_a_body_are_found_again_whatever_way_it_faces():
    rng, joints = np.random.default_rng(1), walk(5, 150)
    definition = draw_definition(rng)
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    fitted = fit_definition(definition.apply(joints), joints)
    turned = joints @ turn.T
    np.testing.assert_allclose(fitted.apply(turned), definition.apply(joints) @ turn.T, atol=1e-3)
    assert np.abs(definition.compute_offsets(joints)).max() > 0.03


def test_constants_do_not_come_from_the_recording_that_they_judge():
    joints, far = walk(5), Definition(np.full((17, 3), 0.1), np.zeros((17, 2)))
    plain = [Recording("a", fold, joints, joints) for fold in (1, 2)]
    odd = Recording("a", 3, far.apply(joints), joints)
    *_, error = measure_own_errors_mm([*plain, odd])
    assert np.allclose(error[:, 0], 0) and (error[:, 1:] >= 0).all()
    # the other folds know of no offset, so all of the odd one's stays
    expected = np.linalg.norm(
        far.compute_offsets(joints)[:, 1:] - far.compute_offsets(joints)[:, :1], axis=-1
    )
    np.testing.assert_allclose(error[:, 1:], 1000 * expected, atol=1)
    with pytest.raises(InputError, match="two folds"):
        measure_own_errors_mm([odd])


def test_the_study_writes_a_row_a_method_and_class(prepared, tmp_path):
    out = tmp_path / "kinect.json"
    words = ["kinect", "--methods", "hold", "gaussian", "--clips", "1", "--out", str(out)]
    assert main(words) == 0
    rows = json.loads(out.read_text())["rows"]
    value = {(r["method"], r["joints"]): r for r in rows}
    assert {joints for _, joints in value} == set(kinect.CLASSES_MM) - {"over 100 mm"}  # none is
    assert value["hold", "all"]["ratio"] == pytest.approx(1, abs=1e-4)  # nothing to hold
    assert value["gaussian", "all"]["ratio"] < 0.9  # white noise
    assert value["input", "all"]["value"] == pytest.approx(16, abs=3)  # 10 mm an axis
