"""Weights: ours (safetensors and a JSON card beside it) and the published `.bin` files of the same
networks.

A card says what the weights are: config (arguments of the network), data, command, steps, hardware,
validation figures, and the SHA-256 of the weights. A published file is a pickle, which may hold
code: `torchfile` reads it as data.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stride_nb._pickles import torch_file
from stride_nb.data_files import DATA
from stride_nb.errors import InputError, atomic_path
from stride_nb.models.dstformer import PRESETS, DSTformer

__all__ = [
    "WEIGHTS",
    "convert",
    "dstformer_from",
    "load",
    "load_dstformer",
    "read_published",
    "save",
    "sha256",
    "write_published",
]

State = dict[str, Tensor]

WEIGHTS = DATA / "weights"


# --- ours ----------------------------------------------------------------------------------------------------------
def save(path: str | os.PathLike, state: State, card: dict[str, Any]) -> Path:
    """Write ``path`` (`.safetensors`) and its card (`.json`), each whole or not at all. Returns the
    path.

    An error leaves both files as they were. Who ends the process between the two renames leaves the
    new card beside the former weights, which `load` refuses.
    """
    from safetensors.torch import save as serialised

    path = Path(path)
    _check_suffix(path, ".safetensors")
    with atomic_path(path) as weights:
        weights.write_bytes(
            serialised({name: t.detach().cpu().contiguous().clone() for name, t in state.items()})
        )
        text = json.dumps(
            card | {"sha256": _sha256(weights)}, indent=2, ensure_ascii=False, allow_nan=False
        )
        with atomic_path(path.with_suffix(".json")) as described:
            described.write_text(text + "\n", encoding="utf-8")
    return path


def load(source: str | os.PathLike) -> tuple[State, dict[str, Any]]:
    """State and card of a `.safetensors` file, or of shipped weights by name (a stem in
    ``data/weights``)."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = _locate(source)
    card = _read_card(path.with_suffix(".json"))
    if "sha256" in card and card["sha256"] != _sha256(path):
        raise InputError(path, "sha256", f"{card['sha256']} as its card says", _sha256(path))
    try:
        return load_file(path), card
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(path, "weights", "a safetensors file", _complaint(error)) from None


def sha256(source: str | os.PathLike) -> str:
    """SHA-256 of the file that `load` or `read_published` would read: what its card says, where it
    has one that is true."""
    return _sha256(_existing(Path(source)) if Path(source).suffix == ".bin" else _locate(source))


def load_dstformer(
    source: str | os.PathLike, heads: int | None = None
) -> tuple[DSTformer, dict[str, Any]]:
    """A DSTformer ready to use, and its card: from shipped weights by name, our file, or a
    published `.bin`.

    ``heads``: as in `dstformer_from`, where no card names them.
    """
    state, card = (read_published(source), {}) if Path(source).suffix == ".bin" else load(source)
    return dstformer_from(state, _heads(card) if heads is None else heads, where=source), card


def _locate(source: str | os.PathLike) -> Path:
    path = Path(source)
    if path.suffix == ".safetensors":
        return _existing(path)
    if not (WEIGHTS / f"{source}.safetensors").is_file():
        shipped = sorted(p.stem for p in WEIGHTS.glob("*.safetensors"))
        raise InputError(
            "weights",
            "name",
            f"a .safetensors file or one of: {', '.join(shipped)}",
            repr(str(source)),
        )
    return WEIGHTS / f"{source}.safetensors"


def _read_card(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, "card", "JSON", _complaint(error)) from None
    if not isinstance(card, dict) or not isinstance(card.get("config", {}), dict):
        raise InputError(path, "card", "an object whose config is an object", type(card).__name__)
    return card


def _heads(card: dict[str, Any]) -> int | None:
    return card.get("config", {}).get("heads")


# --- published -----------------------------------------------------------------------------------------------------
def read_published(path: str | os.PathLike) -> State:
    """Weights of a checkpoint of MotionBERT, STRIDE or RePOSE, by the names that DSTformer uses.

    Takes the entry `model_pos` where there is one, else the whole file; `module.` is taken off the
    names.

    Raises:
        InputError: not such a file, damaged, or one that asks to call something (named; nothing was
            run).
    """
    return _weights_of(path, torch_file.load(path))


def write_published(
    path: str | os.PathLike, state: State, card: dict[str, Any] | None = None
) -> Path:
    """Write weights as the published code reads them: `model_pos` prefixed `module.`, epoch, lr,
    min_loss."""
    path, card = Path(path), card or {}
    _check_suffix(path, ".bin")
    published = card.get("published", {})
    content = {
        "epoch": published.get("epoch") or 0,
        "lr": published.get("lr") or 0.0,
        "min_loss": math.inf if published.get("min_loss") is None else published["min_loss"],
        "model_pos": {f"module.{name}": tensor for name, tensor in state.items()},
    }
    torch_file.save(path, content)
    return path


def _weights_of(path: str | os.PathLike, content: Any) -> State:
    named = content.get("model_pos", content) if isinstance(content, dict) else content
    if not isinstance(named, dict) or not named:
        raise InputError(path, "model_pos", "a dict of named tensors", type(named).__name__)
    state: State = {}
    for name, tensor in named.items():
        name = str(name).removeprefix("module.")
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or name in state:
            raise InputError(
                path,
                name,
                "one tensor of floating-point numbers",
                f"{tensor.dtype} or a second one"
                if isinstance(tensor, Tensor)
                else type(tensor).__name__,
            )
        state[name] = tensor
    return state


# --- from tensors to a network
# -------------------------------------------------------------------------------------
def dstformer_from(
    state: State, heads: int | None = None, where: object = "checkpoint"
) -> DSTformer:
    """The DSTformer that these weights belong to, holding them, in evaluation mode.

    All sizes are read off the tensors, except the number of attention heads, which leaves no trace
    in them: left out, it is that of the preset of the same width and depth, as the published
    networks have it.

    Raises:
        InputError: naming every tensor that is missing, left over, or of another shape than its
            neighbours ask for; or the number of heads is not given and no preset tells.
    """
    config = _sizes(state, where)
    config["heads"] = _usual_heads(config, where) if heads is None else heads
    with torch.device("meta"):
        model = DSTformer(**config)
    wrong = _mismatches(
        {n: tuple(t.shape) for n, t in model.state_dict().items()},
        {n: tuple(t.shape) for n, t in state.items()},
    )
    if wrong:
        raise InputError(where, "tensors", "a DSTformer", "; ".join(wrong))
    # a copy: whoever adapts the network must not change the weights it came from
    model.load_state_dict(
        {name: tensor.to(torch.float32, copy=True) for name, tensor in state.items()}, assign=True
    )
    return model.requires_grad_().eval()


def _usual_heads(sizes: dict[str, Any], where: object) -> int:
    for preset in PRESETS.values():
        if all(sizes[name] == preset[name] for name in ("dim", "rep", "depth", "mlp_ratio")):
            return preset["heads"]
    raise InputError(
        where,
        "heads",
        "the number of attention heads, as in heads=8 or --heads 8",
        "none: the tensors do "
        f"not tell, and no preset has dim {sizes['dim']}, rep {sizes['rep']}, depth {sizes['depth']}",
    )


def _sizes(state: State, where: object) -> dict[str, Any]:
    anchors = {
        "joints_embed.weight": 2,
        "pos_embed": 3,
        "temp_embed": 4,
        "blocks_st.0.mlp_s.fc1.weight": 2,
        "pre_logits.fc.weight": 2,
        "head.weight": 2,
    }
    shapes = {name: tuple(state[name].shape) if name in state else "missing" for name in anchors}
    wrong = [
        f"{name}: {shape}"
        for name, shape in shapes.items()
        if shape == "missing" or len(shape) != anchors[name] or 0 in shape
    ]
    if wrong:
        raise InputError(where, "tensors", "a DSTformer", "; ".join(wrong))
    embed, joints, frames, fc1, rep, head = shapes.values()
    stages = {
        name.split(".")[1]
        for name in state
        if name.startswith(("blocks_st.", "blocks_ts.", "ts_attn."))
    }
    ratio = fc1[0] / embed[0]
    return dict(
        dim_in=embed[1],
        dim_out=head[0],
        dim=embed[0],
        rep=rep[0],
        depth=len(stages),
        mlp_ratio=int(ratio) if ratio.is_integer() else ratio,
        maxlen=frames[1],
        joints=joints[1],
    )


def _mismatches(expected: dict[str, tuple], found: dict[str, tuple]) -> list[str]:
    wrong = [f"{name}: missing" for name in expected if name not in found]
    wrong += [f"{name}: not part of it" for name in found if name not in expected]
    return wrong + [
        f"{name}: {expected[name]} expected, {found[name]} found"
        for name in expected
        if name in found and expected[name] != found[name]
    ]


# --- command -------------------------------------------------------------------------------------------------------
def convert(source: str | os.PathLike, target: str | os.PathLike, heads: int | None = None) -> Path:
    """A published `.bin` → our `.safetensors` with its card, or back. The weights stay the same,
    bit for bit."""
    source, target = Path(source), Path(target)
    if source.suffix == ".bin":
        _check_suffix(target, ".safetensors")
        content = torch_file.load(source)
        state = _weights_of(source, content)
        model = dstformer_from(state, heads, where=source)
        return save(target, state, _card_of(source, content, model))
    _check_suffix(target, ".bin")
    state, card = load(source)
    dstformer_from(state, _heads(card) if heads is None else heads, where=source)
    return write_published(target, state, card)


def _card_of(source: Path, content: dict, model: DSTformer) -> dict[str, Any]:
    entries = {key: _number(content.get(key)) for key in ("epoch", "lr", "min_loss")}
    return {
        "config": model.config,
        "data": "as its publisher says",
        "command": f"stride-nb convert {source.name}",
        "steps": None,
        "hardware": None,
        "validation": None,
        "published": {"file": source.name, "sha256": _sha256(source)} | entries,
    }


def _number(value: Any) -> float | int | None:
    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.numel() == 1):
        value = value.item()
    return value if isinstance(value, int | float) and math.isfinite(value) else None


# --- small help ----------------------------------------------------------------------------------------------------
def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(
            path, "file", "a file that exists", "a folder" if path.is_dir() else "nothing there"
        )
    return path


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise InputError(path, "name", f"one that ends in {suffix}", repr(path.name))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _complaint(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": ")
