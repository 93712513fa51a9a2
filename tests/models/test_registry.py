"""From a file to a network, and from there into refinement: published weights as they come,
converted, or ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stride_nb.errors import InputError
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.lifter import LIFTER_CHANNELS
from stride_nb.models.motion_prior import PRIOR_CHANNELS
from stride_nb.models.registry import build_network, load_model
from stride_nb.poses.sequence import PoseSequence
from stride_nb.refinement.refine import refine

SIZES = {"dim": 12, "rep": 8, "depth": 1, "heads": 3, "mlp_ratio": 2, "maxlen": 9}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same small network as its publisher saves it, and converted."""
    folder = tmp_path_factory.mktemp("weights")
    model = DSTformer(**SIZES).reset_parameters(torch.Generator().manual_seed(0))
    torch.save(
        {"model_pos": {f"module.{n}": t for n, t in model.state_dict().items()}, "epoch": 3},
        folder / "a.bin",
    )
    return {
        "published": folder / "a.bin",
        "converted": checkpoints.convert_checkpoint(folder / "a.bin", folder / "b.safetensors", 3),
    }


@pytest.fixture(scope="module")
def sequence():
    return PoseSequence(np.random.default_rng(0).normal(0, 0.2, (22, 17, 3)), None, 25.0)


def test_a_published_file_and_its_converted_copy_are_the_same_network(files):
    published, converted = (
        load_model(files["published"], heads=3),
        load_model(str(files["converted"])),
    )
    assert (
        published.config == converted.config == DSTformer(**SIZES).config and not converted.training
    )
    x = torch.randn(1, 9, 17, 3)
    torch.testing.assert_close(published(x), converted(x), rtol=0, atol=0)


def test_heads_are_asked_for_not_guessed(files, sequence):
    """With another number of heads the same tensors are another network: no error, other poses."""
    with pytest.raises(InputError, match=r"a\.bin: heads: expected the number of attention heads"):
        refine(sequence, "prior", model=str(files["published"]), device="cpu")
    x = torch.randn(1, 9, 17, 3)
    assert not torch.allclose(
        load_model(files["published"], heads=3)(x), load_model(files["published"], heads=4)(x)
    )


def test_a_card_of_ours_builds_the_network_that_it_describes(tmp_path):
    model = build_network("prior", "dstformer", SIZES | {"maxlen": 30})
    card = {
        "config": {"head": "prior", "backbone": "dstformer", "arguments": SIZES | {"maxlen": 30}}
    }
    path = checkpoints.save_weights(tmp_path / "ours.safetensors", model.state_dict(), card)
    found, x = load_model(path), torch.randn(1, 9, 17, 9)
    torch.testing.assert_close(found(x).joints, model.eval()(x).joints, rtol=0, atol=0)


@pytest.mark.parametrize("card", [{}, {"config": {}}, {"config": {"head": "prior"}}])
def test_weights_without_a_full_card_are_a_published_network_or_refused(tmp_path, card):
    path = checkpoints.save_weights(
        tmp_path / "a.safetensors", DSTformer(**SIZES).state_dict(), card
    )
    assert load_model(path, heads=3).config["heads"] == 3
    with pytest.raises(InputError, match=r"a.safetensors: heads"):
        load_model(path)
    checkpoints.save_weights(path, {"other": torch.zeros(2)}, card)
    with pytest.raises(InputError, match=r"a.safetensors: tensors: expected a DSTformer"):
        load_model(path, heads=3)


@pytest.mark.parametrize(
    "method, options",
    [("prior", {}), ("stride_published", {"epochs": 2}), ("stride_ours", {"steps": 1})],
)
def test_windows_are_no_longer_than_the_network_takes(files, sequence, method, options):
    refined = refine(sequence, method, model=str(files["converted"]), device="cpu", **options)
    assert np.isfinite(refined.sequence.joints).all() and len(refined.sequence) == 22
    if method == "stride_published":
        # 9, 9 and 4 frames
        assert [step["window"] for step in refined.trace.steps] == [0, 1, 2] * 2
        same = refine(
            sequence, method, model=str(files["converted"]), device="cpu", window=9, **options
        )
        np.testing.assert_array_equal(same.sequence.joints, refined.sequence.joints)


@pytest.mark.parametrize("method, options", [("prior", {}), ("stride_published", {"epochs": 1})])
def test_published_networks_see_gaps_filled_over_the_whole_video(files, method, options):
    joints = np.random.default_rng(0).normal(0, 0.2, (640, 17, 3))
    filled, gap = joints.copy(), slice(40, 600)  # longer than what a window looks at to either side
    joints[gap] = np.nan
    joints[:5, 3] = np.nan
    filled[gap] = joints[39] + np.arange(1, 561)[:, None, None] / 561 * (joints[600] - joints[39])
    filled[:5, 3] = joints[5, 3]
    ours, theirs = (
        refine(
            PoseSequence(x, None, 25.0), method, str(files["converted"]), device="cpu", **options
        ).sequence
        for x in (joints, filled)
    )
    np.testing.assert_allclose(
        ours.root_relative().joints, theirs.root_relative().joints, atol=1e-6
    )
    assert (ours.confidence[gap] < 0.01).all() and (theirs.confidence == 1).all()


@pytest.mark.parametrize(
    "change, said",
    [
        ({"head": "tail"}, "network: head: expected one of prior"),
        ({"backbone": "spine"}, "network: backbone: expected one of frameformer"),
        ({"arguments": {"colour": 3}}, "ours.safetensors: card: expected arguments of a"),
        ({"arguments": None}, "ours.safetensors: card: expected arguments of a"),
        ({"arguments": SIZES}, "ours.safetensors: weights: expected the tensors"),
    ],
)
def test_a_card_that_describes_no_network_is_one_clear_line(tmp_path, change, said):
    model = build_network("prior", "dstformer", SIZES | {"maxlen": 30})
    card = {
        "config": {"head": "prior", "backbone": "dstformer", "arguments": SIZES | {"maxlen": 30}}
        | change
    }
    with pytest.raises(InputError, match=said) as error:
        load_model(
            checkpoints.save_weights(tmp_path / "ours.safetensors", model.state_dict(), card)
        )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("head, channels", [("prior", PRIOR_CHANNELS), ("lifter", LIFTER_CHANNELS)])
def test_both_backbones_fit_both_heads(head, channels):
    small = {
        "frameformer": {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2},
        "dstformer": {"dim": 32, "rep": 16, "depth": 1, "heads": 4, "mlp_ratio": 2, "maxlen": 30},
    }
    for backbone, arguments in small.items():
        answer = build_network(head, backbone, arguments).eval()(torch.zeros(1, 7, 17, channels))
        assert (answer.joints if head == "prior" else answer).shape == (1, 7, 17, 3)
