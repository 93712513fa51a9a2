"""Human3.6M's file: what our reader and protocol make of it against what the published code makes of it."""

import numpy as np
import pytest

from stride_nb.h36m_protocol import blocked, evaluate
from stride_nb.motions import h36m

EXACT = dict(rtol=0, atol=1e-6)  # a float32 of size 1 has steps of 1.2e-7


@pytest.fixture(scope="module")
def published(reference):
    with np.load(reference / "h36m_protocol.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def clips(reference):
    """Our clips of both splits, at the published length and strides."""
    path = reference / "h36m_sh_conf_cam_source_tiny.pkl"
    return {"train": h36m.H36MClips(h36m.read(path, "train"), 243, 81),
            "test": h36m.H36MClips(h36m.read(path, "test"), 243, 243)}


@pytest.mark.parametrize("split", ["train", "test"])
def test_reference_h36m_frames_of_clips(published, clips, split):
    np.testing.assert_array_equal(clips[split].frames, published[f"{split}_ids"])


@pytest.mark.parametrize("axis", range(3), ids=["x", "y", "confidence"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_reference_h36m_inputs(published, clips, split, axis):
    x, _ = clips[split][:]
    np.testing.assert_allclose(x[..., axis], published[f"{split}_x"][..., axis], **EXACT)


@pytest.mark.parametrize("axis", range(3), ids=["x", "y", "z"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_reference_h36m_labels(published, clips, split, axis):
    y = clips[split].data.labels(clips[split].frames)
    np.testing.assert_allclose(y[..., axis], published[f"{split}_y"][..., axis], **EXACT)


def test_reference_h36m_training_labels_start_at_depth_0(published, clips):
    _, y = clips["train"][:]
    expected = published["train_y"].astype(float)
    expected[..., 2] -= expected[:, :1, :1, 2]
    np.testing.assert_allclose(y, expected, **EXACT)


def test_reference_h36m_root_relative_labels(published, clips):
    _, y = h36m.H36MClips(clips["train"].data, 243, 81, root_relative=True)[:]
    np.testing.assert_allclose(y, published["train_y"] - published["train_y"][:, :, :1], **EXACT)


def test_reference_h36m_single_clips_equal_the_batch(published, clips):
    for i in range(len(clips["train"])):
        np.testing.assert_allclose(clips["train"][i][0], published["train_x"][i], **EXACT)


def test_reference_h36m_labels_in_millimetres(published, clips):
    """De-normalising the published labels gives the file's own millimetres, up to a shift of each frame's depth."""
    test = clips["test"]
    ours = test.data.to_millimetres(published["test_y"], test.frames)
    truth = test.data.millimetres[test.frames].astype(float)
    np.testing.assert_allclose(ours - ours[:, :, :1], truth - truth[:, :, :1], rtol=0, atol=0.01)


@pytest.fixture(scope="module")
def scores(published, clips):
    return evaluate(clips["test"], published["predictions"])


def test_reference_h36m_mpjpe(published, scores):
    assert scores.mpjpe_mm == pytest.approx(float(published["mpjpe_mm"]), abs=1e-4)


def test_reference_h36m_p_mpjpe(published, scores):
    assert scores.p_mpjpe_mm == pytest.approx(float(published["p_mpjpe_mm"]), abs=1e-4)


def test_reference_h36m_actions_average_to_the_published_error(published, scores):
    means = np.mean([row[:2] for row in scores.by_action.values()], axis=0)
    np.testing.assert_allclose(means, [published["mpjpe_mm"], published["p_mpjpe_mm"]], rtol=0, atol=1e-4)


def test_reference_h36m_block_list(published, clips, scores):
    """Predictions for blocked sources do not count, and without the block list the figures are others."""
    test = clips["test"]
    out = np.array([blocked(test.data.source[frames[0]]) for frames in test.frames])
    assert out.any() and not out.all()
    ruined = published["predictions"].copy()
    ruined[out] += 1 + np.arange(51, dtype=np.float32).reshape(17, 3)
    assert evaluate(test, ruined).mpjpe_mm == pytest.approx(float(published["mpjpe_mm"]), abs=1e-4)
    ruined[~out] += np.arange(51, dtype=np.float32).reshape(17, 3)
    assert evaluate(test, ruined).mpjpe_mm > scores.mpjpe_mm + 1


def test_reference_h36m_mirroring(reference):
    with np.load(reference / "losses.npz") as losses:
        np.testing.assert_array_equal(h36m.flip(losses["gt"]), losses["flipped"])
