"""Human3.6M's file: what our reader and protocol make of it against what the published code makes
of it."""

import numpy as np
import pytest

from stride_nb.datasets import h36m
from stride_nb.evaluation.h36m_protocol import evaluate_h36m, is_blocked
from stride_nb.poses.skeleton import mirror_joints

EXACT = 1e-6  # a float32 of size 1 has steps of 1.2e-7


@pytest.fixture(scope="module")
def published(reference):
    with np.load(reference / "h36m_protocol.npz") as file:
        return {name: file[name] for name in file.files}


def length_and_stride(frames):
    """Of clips (clips, length) of several sources, of which one holds two neighbours."""
    return frames.shape[1], int(np.diff(frames[:, 0]).min())


@pytest.fixture(scope="module")
def clips(reference, published):
    """Our clips of both splits, at the length and strides of the reference."""
    path = reference / "h36m_sh_conf_cam_source_tiny.pkl"
    clips_of = {}
    for split in ("train", "test"):
        cut = length_and_stride(published[f"{split}_ids"])
        clips_of[split] = h36m.H36MClips(h36m.read_h36m(path, split), *cut)
    return clips_of


@pytest.mark.parametrize("split", ["train", "test"])
def test_reference_h36m_frames_of_clips(published, clips, split, agree):
    agree(
        f"Human3.6M, {split} clips, frames",
        "datasets.h36m.cut_clips",
        clips[split].frames,
        published[f"{split}_ids"],
        0,
    )


@pytest.mark.parametrize("axis", range(3), ids=["x", "y", "confidence"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_reference_h36m_inputs(published, clips, split, axis, agree):
    x, _ = clips[split][:]
    name = ("x", "y", "confidence")[axis]
    agree(
        f"Human3.6M, {split} input, {name}",
        "datasets.h36m.H36M.inputs",
        x[..., axis],
        published[f"{split}_x"][..., axis],
        EXACT,
    )


@pytest.mark.parametrize("axis", range(3), ids=["x", "y", "z"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_reference_h36m_labels(published, clips, split, axis, agree):
    y = clips[split].data.labels(clips[split].frames)
    agree(
        f"Human3.6M, {split} label, {'xyz'[axis]}",
        "datasets.h36m.H36M.labels",
        y[..., axis],
        published[f"{split}_y"][..., axis],
        EXACT,
    )


def test_reference_h36m_training_labels_start_at_depth_0(published, clips, agree):
    _, y = clips["train"][:]
    expected = published["train_y"].astype(float)
    expected[..., 2] -= expected[:, :1, :1, 2]
    agree("Human3.6M, label, first root at depth 0", "datasets.h36m.H36MClips", y, expected, EXACT)


def test_reference_h36m_root_relative_labels(published, clips, agree):
    cut = length_and_stride(published["train_ids"])
    _, y = h36m.H36MClips(clips["train"].data, *cut, root_relative=True)[:]
    expected = published["train_y"] - published["train_y"][:, :, :1]
    agree("Human3.6M, label, root-relative", "datasets.h36m.H36MClips", y, expected, EXACT)


def test_reference_h36m_single_clips_equal_the_batch(published, clips):
    for i in range(len(clips["train"])):
        np.testing.assert_allclose(
            clips["train"][i][0], published["train_x"][i], rtol=0, atol=EXACT
        )


def test_reference_h36m_labels_in_millimetres(published, clips, agree):
    """De-normalising the published labels gives the file's own millimetres, up to a shift of each
    frame's depth."""
    test = clips["test"]
    ours = test.data.to_millimetres(published["test_y"], test.frames)
    truth = test.data.millimetres[test.frames].astype(float)
    agree(
        "Human3.6M, label to millimetres",
        "datasets.h36m.H36M.to_millimetres",
        ours - ours[:, :, :1],
        truth - truth[:, :, :1],
        0.01,
        "mm",
    )


@pytest.fixture(scope="module")
def scores(published, clips):
    return evaluate_h36m(clips["test"], published["predictions"])


@pytest.mark.parametrize("name", ["mpjpe_mm", "p_mpjpe_mm"])
def test_reference_h36m_error(name, published, scores, agree):
    agree(
        f"Human3.6M, protocol, {name.removesuffix('_mm')}",
        "evaluation.h36m_protocol.evaluate_h36m",
        getattr(scores, name),
        published[name],
        1e-4,
        "mm",
    )


def test_reference_h36m_actions_average_to_the_published_error(published, scores, agree):
    means = np.mean([row[:2] for row in scores.by_action.values()], axis=0)
    agree(
        "Human3.6M, protocol, mean by action",
        "evaluation.h36m_protocol.H36MScores",
        means,
        [published["mpjpe_mm"], published["p_mpjpe_mm"]],
        1e-4,
        "mm",
    )


def test_reference_h36m_block_list(published, clips, scores, agree):
    """Predictions for blocked sources do not count; all the others do."""
    test = clips["test"]
    out = np.array([is_blocked(test.data.source[frames[0]]) for frames in test.frames])
    ruined = published["predictions"].copy()
    ruined[out] += 1 + np.arange(51, dtype=np.float32).reshape(17, 3)
    agree(
        "Human3.6M, protocol, block list",
        "evaluation.h36m_protocol.is_blocked",
        evaluate_h36m(test, ruined).mpjpe_mm,
        published["mpjpe_mm"],
        1e-4,
        "mm",
    )
    ruined[~out] += np.arange(51, dtype=np.float32).reshape(17, 3)
    assert evaluate_h36m(test, ruined).mpjpe_mm > scores.mpjpe_mm + 1


def test_reference_h36m_mirroring(reference, agree):
    with np.load(reference / "losses.npz") as losses:
        agree(
            "mirroring, NumPy",
            "poses.skeleton.mirror_joints",
            mirror_joints(losses["gt"]),
            losses["flipped"],
            0,
        )
