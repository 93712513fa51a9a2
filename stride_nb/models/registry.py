"""Networks by description: what a recipe names is built here, what a card describes is loaded
here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from stride_nb.errors import InputError
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.frameformer import FrameFormer
from stride_nb.models.lifter import CHANNELS_2D, Lifter
from stride_nb.models.motion_prior import CHANNELS, Prior
from stride_nb.models.smoothnet import SmoothNet

__all__ = ["BACKBONES", "HEADS", "build", "choose_device", "load_model"]

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "frameformer": FrameFormer,
    "dstformer": DSTformer,
    "smoothnet": SmoothNet,
}
HEADS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "prior": Prior,
    "lifter": Lifter,
    "plain": lambda backbone: backbone,
}
_CHANNELS = {
    "prior": {"dim_in": CHANNELS, "dim_out": 5},
    "lifter": {"dim_in": CHANNELS_2D, "dim_out": 3},
    "plain": {},
}


def build(head: str, backbone: str, arguments: dict) -> nn.Module:
    """A network with fresh weights.

    Args:
        head: how the backbone's answer is read: ``prior``, ``lifter`` or ``plain`` (as it comes).
        backbone: a key of ``BACKBONES``.
        arguments: of the backbone, but for its channels, which the head sets.
    """
    for field, name, known in (("head", head, HEADS), ("backbone", backbone, BACKBONES)):
        if name not in known:
            raise InputError("network", field, f"one of {', '.join(known)}", repr(name))
    return HEADS[head](BACKBONES[backbone](**_CHANNELS[head] | arguments))


def load_model(source: str | Path, heads: int | None = None) -> nn.Module:
    """A trained network, ready to use.

    Args:
        source: the name of shipped weights (a stem in ``data/weights``), a ``.safetensors`` file of
            ours beside its card, a published ``.bin``, or what ``stride-nb convert`` made of one.
        heads: attention heads of a published network, where neither a card nor a preset of its
            sizes tells (`checkpoints.dstformer_from`).

    Raises:
        InputError: no such weights, or a card or tensors that do not fit.
    """
    if Path(source).suffix == ".bin":
        return checkpoints.load_dstformer(source, heads)[0]
    state, card = checkpoints.load(source)
    config = card.get("config", {})
    if not {"head", "backbone", "arguments"} <= set(config):  # a published network as it comes
        return checkpoints.dstformer_from(
            state, config.get("heads") if heads is None else heads, where=source
        )
    try:
        network = build(config["head"], config["backbone"], config["arguments"])
    except TypeError as error:
        raise InputError(
            source, "card", f"arguments of a {config['backbone']}", _line(error)
        ) from None
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise InputError(
            source, "weights", "the tensors that its card describes", _line(error)
        ) from None
    return network.eval()


def choose_device(device: str | None = None) -> torch.device:
    """The device named, else a GPU where there is one, else the CPU.

    Raises:
        InputError: a name that PyTorch does not know, or a GPU where it finds none.
    """
    try:
        torch.empty(
            0,
            device=(
                found := torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            ),
        )
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            "device",
            "name",
            "cpu, cuda or what else PyTorch finds here",
            f"{device!r} ({_line(error)})",
        ) from None
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
