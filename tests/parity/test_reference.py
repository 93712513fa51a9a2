"""The chain of the reference numbers: the published ones agree with `formulae`, and so do the small
ones that the project keeps."""

from __future__ import annotations

import ast
import pickle

import numpy as np
import pytest
import torch

from tests.parity import formulae
from tests.parity.make_reference import OWN, make_reference, measure_losses

SYSTEMS = {"stride_checkpoint_tiny.bin": "dstformer", "repose_checkpoint_tiny.bin": "repose"}


def read_arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def read_weights(path):
    model = torch.load(path, weights_only=False)["model_pos"]
    return {name.removeprefix("module."): w.double().numpy() for name, w in model.items()}


def read_heads(arrays):
    return ast.literal_eval(str(arrays["config"]))["num_heads"]


def assert_close(found, expected, bound=1e-5):
    """Within the bound, or a thousandth of the greatest number where that is less."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape
    difference = np.abs(found - expected).max()
    assert difference <= min(bound, 1e-3 * np.abs(expected).max()), difference


@pytest.mark.parametrize("checkpoint", SYSTEMS)
def test_forward_follows_the_formulae(checkpoint, reference):
    weights = read_weights(reference / checkpoint)
    arrays = read_arrays(reference / f"{SYSTEMS[checkpoint]}_forward.npz")
    heads = read_heads(arrays)
    y, rep = formulae.run_dstformer(weights, arrays["x"].astype(float), heads)
    assert_close(y, arrays["y"])
    if "rep" in arrays:
        y_short, _ = formulae.run_dstformer(weights, arrays["x_short"].astype(float), heads)
        assert_close(rep, arrays["rep"])
        assert_close(y_short, arrays["y_short"])


def test_losses_gradients_and_errors_follow_the_formulae(reference):
    arrays = read_arrays(reference / "losses.npz")
    expected = measure_losses(arrays)
    assert set(expected) == set(arrays) - {"pred", "gt", "conf", "w", "vis"}
    for name, value in expected.items():
        assert_close(arrays[name], value)


def test_test_time_training_follows_the_formulae(reference):
    weights = read_weights(reference / "stride_checkpoint_tiny.bin")
    heads = read_heads(read_arrays(reference / "dstformer_forward.npz"))
    arrays = read_arrays(reference / "stride_ttt.npz")
    epochs = len(arrays["history"])
    history, refined = formulae.adapt(weights, arrays["clip"].astype(float), epochs, heads)
    assert tuple(arrays["columns"]) == formulae.TTT_COLUMNS
    for column in range(history.shape[-1]):
        assert_close(history[..., column], arrays["history"][..., column])
    assert_close(refined, arrays["refined"])


def test_human36m_follows_the_formulae(reference):
    content = pickle.loads((reference / "h36m_sh_conf_cam_source_tiny.pkl").read_bytes())
    arrays = read_arrays(reference / "h36m_protocol.npz")
    for split, fields in content.items():
        frames = arrays[f"{split}_ids"]
        stride = np.diff(frames[:, 0]).min()
        cut = formulae.cut_clips(fields["source"], frames.shape[1], stride)
        np.testing.assert_array_equal(cut, frames)
        assert_close(formulae.normalise_inputs(fields, frames), arrays[f"{split}_x"], 1e-6)
        assert_close(formulae.normalise_labels(fields, frames), arrays[f"{split}_y"], 1e-6)
    found = formulae.score_human36m(content["test"], frames, arrays["predictions"])
    assert_close(found, [arrays["mpjpe_mm"], arrays["p_mpjpe_mm"]])


def test_own_numbers_are_what_the_script_writes(tmp_path):
    make_reference(tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {path.name for path in OWN.iterdir()} - {"README.md"}
    for name in sorted(written):
        if name.endswith(".npz"):
            arrays = read_arrays(tmp_path / name)
            for key, array in read_arrays(OWN / name).items():
                if array.dtype.kind == "f":
                    assert_close(arrays[key], array)
                else:
                    np.testing.assert_array_equal(arrays[key], array)
        elif name.endswith(".bin"):  # what has no gradient, as biases of keys, drifts by rounding
            weights = read_weights(tmp_path / name)
            assert all(
                np.allclose(weights[key], w, atol=1e-3)
                for key, w in read_weights(OWN / name).items()
            )
