"""The chapter on the published systems with a reader's own files: what its last cells compute from
parameters alone."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from stride_nb.datasets import h36m
from stride_nb.evaluation import h36m_protocol
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.registry import load_model
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.refinement.refine import refine

CHAPTER = Path(__file__).parents[2] / "notebooks" / "08_published.ipynb"


@pytest.fixture
def chapter(monkeypatch):
    """``chapter(**parameters)``: the names left behind by the chapter's first two and last two
    cells."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    parameters, imports, *_, stride, repose = [
        c.source for c in nbformat.read(CHAPTER, 4).cells if c.cell_type == "code"
    ]

    def run(**given):
        left = {"display": lambda shown: left.setdefault("shown", []).append(shown)}
        exec(parameters, left)
        assert set(given) <= set(left)
        left |= given
        for cell in (imports, stride, repose):
            exec(cell, left)
        return left

    yield run
    import matplotlib.pyplot as plt

    plt.close("all")


def weights(path, **sizes):
    """A checkpoint of random weights, converted to ours."""
    model = DSTformer(**{"rep": 8, "depth": 1, "mlp_ratio": 2, "dim": 12, "heads": 3} | sizes)
    model.reset_parameters(torch.Generator().manual_seed(0))
    torch.save({"model_pos": model.state_dict()}, path.with_suffix(".bin"))
    return str(checkpoints.convert_checkpoint(path.with_suffix(".bin"), path, heads=3))


def test_stride_from_cliffs_results_to_refined_poses(chapter, tmp_path):
    rng = np.random.default_rng(0)
    vertices = (rng.normal(size=(1, 60, 3)) + rng.normal(size=(40, 60, 3)).cumsum(0) / 100).astype(
        np.float32
    )
    vertices[11:19] = vertices[10] + (
        np.arange(1, 9)[:, None, None] / 9 * (vertices[19] - vertices[10])
    ).astype(np.float32)
    regressor = rng.random((17, 60))
    np.save(tmp_path / "regressor.npy", regressor / regressor.sum(1, keepdims=True))
    (tmp_path / "results").mkdir()
    for i, v in enumerate(vertices):
        torch.save(
            {"vertices": v[None], "pred_cam_t": np.float32([[0, 0, 3]]), "img_name": f"{i}.jpg"},
            tmp_path / "results" / f"{i}.pth",
        )
    left = chapter(
        stride_weights=weights(tmp_path / "stride.safetensors", maxlen=16),
        results=str(tmp_path / "results"),
        regressor=str(tmp_path / "regressor.npy"),
        epochs=2,
        out=str(tmp_path / "refined.npz"),
    )
    assert np.flatnonzero(left["poses"].missing.all(1)).tolist() == list(range(11, 19))
    joints = np.load(tmp_path / "regressor.npy") @ vertices.astype(float)  # and not + pred_cam_t
    joints[11:19] = np.nan
    expected = refine(
        PoseSequence(joints, None, 30.0),
        "stride_published",
        load_model(tmp_path / "stride.safetensors"),
        epochs=2,
    )
    np.testing.assert_allclose(
        PoseSequence.load(tmp_path / "refined.npz").joints, expected.sequence.joints, atol=1e-5
    )
    assert len(left["refined"].trace.steps) == 2 * 3  # windows of 16, 16 and 8 frames


def test_repose_from_human36m_to_the_table_by_action(chapter, reference, tmp_path):
    path = reference / "h36m_sh_conf_cam_source_tiny.pkl"
    left = chapter(
        repose_weights=weights(tmp_path / "repose.safetensors", maxlen=40), h36m_file=str(path)
    )
    test = h36m.H36MClips(h36m.read_h36m(path, "test"), 40, 40)
    with torch.no_grad():
        network, x = load_model(tmp_path / "repose.safetensors"), torch.from_numpy(test[:][0])
        mirrored = torch.from_numpy(mirror_joints(x.numpy().copy()))
        answers = (network(x).numpy() + mirror_joints(network(mirrored).numpy())) / 2
    expected = h36m_protocol.evaluate_h36m(test, answers)
    assert left["scores"].mpjpe_mm == pytest.approx(expected.mpjpe_mm, rel=1e-5)
    assert left["scores"].p_mpjpe_mm == pytest.approx(expected.p_mpjpe_mm, rel=1e-5)
    assert [row["action"] for row in left["rows"]] == [*expected.by_action, "mean"] and len(
        left["shown"]
    ) == 1


def test_without_files_the_chapter_says_what_to_give(chapter, capsys):
    chapter()
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "STRIDE: give stride_weights, results and regressor",
        "RePOSE: give repose_weights and h36m_file",
    ]
