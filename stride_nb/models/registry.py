"""Networks by description: a recipe names what is built, a card describes what is loaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stride_nb.errors import InputError, check_path
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.frameformer import FrameFormer
from stride_nb.models.lifter import LIFTER_CHANNELS, Lifter
from stride_nb.models.motion_prior import PRIOR_CHANNELS, Prior
from stride_nb.models.smoothnet import SmoothNet

__all__ = [
    "BACKBONES",
    "HEADS",
    "build_network",
    "choose_device",
    "load_model",
    "load_shared_model",
]

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
_HEAD_CHANNELS = {
    "prior": {"dim_in": PRIOR_CHANNELS, "dim_out": 5},
    "lifter": {"dim_in": LIFTER_CHANNELS, "dim_out": 3},
    "plain": {},
}


def build_network(head: str, backbone: str, arguments: dict[str, Any]) -> nn.Module:
    """A network with fresh weights.

    Args:
        head: how the backbone's output is read: ``prior``, ``lifter`` or ``plain`` (as it comes).
        backbone: a key of ``BACKBONES``.
        arguments: of the backbone, but for its channels, which the head sets.
    """
    for field, name, known in (("head", head, HEADS), ("backbone", backbone, BACKBONES)):
        if name not in known:
            raise InputError("network", field, f"one of {', '.join(known)}", repr(name))
    return HEADS[head](BACKBONES[backbone](**_HEAD_CHANNELS[head] | arguments))


def load_model(source: str | Path, heads: int | None = None) -> nn.Module:
    """A trained network, ready to use.

    Args:
        source: the name of shipped weights (a stem in ``data/weights``), a ``.safetensors`` file
            beside its card, a published ``.bin``, or what ``stride-nb convert`` made of one.
        heads: attention heads of a published network that neither a card nor a preset of its sizes
            names (`checkpoints.build_dstformer`).

    Raises:
        InputError: no such weights, or a card or tensors that do not fit.
    """
    if check_path("load_model", source).suffix == ".bin":
        return checkpoints.load_dstformer(source, heads)[0]
    state, card = checkpoints.load_weights(source)
    config = card.get("config", {})
    if not {"head", "backbone", "arguments"} <= set(config):  # converted from a published file
        heads = config.get("heads") if heads is None else heads
        return checkpoints.build_dstformer(state, heads, where=source)
    try:
        network = build_network(config["head"], config["backbone"], config["arguments"])
    except TypeError as error:
        expected = f"arguments of a {config['backbone']}"
        raise InputError(source, "card", expected, _shorten(error)) from None
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        expected = "the tensors that its card describes"
        raise InputError(source, "weights", expected, _shorten(error)) from None
    return network.eval()


def load_shared_model(source: str | Path) -> nn.Module:
    """`load_model`, once a process as long as the file stays as it is. Whoever changes its weights
    takes a copy."""
    return _load_version(source, checkpoints.hash_weights(source))


@lru_cache(maxsize=4)
def _load_version(source: str | Path, sha256: str) -> nn.Module:
    return load_model(source)


def choose_device(name: str | None = None) -> torch.device:
    """The device named, else a GPU where there is one, else the CPU.

    Raises:
        InputError: a name that PyTorch does not know, or a GPU where it finds none.
    """
    try:
        if name is None:
            name = "cuda" if torch.cuda.is_available() else "cpu"
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        expected = "cpu, cuda or what else PyTorch finds here"
        raise InputError("device", "name", expected, f"{name!r} ({_shorten(error)})") from None
    return device


def _shorten(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
