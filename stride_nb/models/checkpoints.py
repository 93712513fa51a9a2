"""Weights: safetensors with a JSON card beside them, and the published `.bin` files of DSTformers.

A card says what the weights are: config (arguments of the network), data, command, steps, hardware,
validation figures, and the SHA-256 of the weights. A published file is a pickle, which may hold
code; `torch_file` reads it as data.
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
    "build_dstformer",
    "convert_checkpoint",
    "hash_weights",
    "load_dstformer",
    "load_weights",
    "read_published_checkpoint",
    "save_weights",
    "write_published_checkpoint",
]

State = dict[str, Tensor]
Card = dict[str, Any]

WEIGHTS = DATA / "weights"


def save_weights(path: str | os.PathLike, state: State, card: Card) -> Path:
    """Write ``path`` (`.safetensors`) and its card (`.json`), each whole or not at all; return the
    path.

    An error leaves both files as they were. A process that ends between the two renames leaves the
    new card beside the former weights, which `load_weights` refuses.
    """
    from safetensors.torch import save as serialize

    path = Path(path)
    _check_suffix(path, ".safetensors")
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in state.items()}
    with atomic_path(path) as weights:
        weights.write_bytes(serialize(tensors))
        card = card | {"sha256": _hash_file(weights)}
        text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False)
        with atomic_path(path.with_suffix(".json")) as card_path:
            card_path.write_text(text + "\n", encoding="utf-8")
    return path


def load_weights(source: str | os.PathLike) -> tuple[State, Card]:
    """State and card of a `.safetensors` file, or of shipped weights by name (a stem in
    ``data/weights``)."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = _locate(source)
    card = _read_card(path.with_suffix(".json"))
    if "sha256" in card and card["sha256"] != _hash_file(path):
        raise InputError(path, "sha256", f"{card['sha256']} as its card says", _hash_file(path))
    try:
        return load_file(path), card
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(path, "weights", "a safetensors file", _summarize(error)) from None


def hash_weights(source: str | os.PathLike) -> str:
    """SHA-256 of the file that `load_weights` or `read_published_checkpoint` would read."""
    return _hash_file(_check_file(Path(source)) if _is_published(source) else _locate(source))


def load_dstformer(source: str | os.PathLike, heads: int | None = None) -> tuple[DSTformer, Card]:
    """A DSTformer ready to use, and its card: from shipped weights by name, a `.safetensors` file,
    or a published `.bin`.

    ``heads``: as in `build_dstformer`, where no card names them.
    """
    published = _is_published(source)
    state, card = (read_published_checkpoint(source), {}) if published else load_weights(source)
    heads = _get_heads(card) if heads is None else heads
    return build_dstformer(state, heads, where=source), card


def _is_published(source: str | os.PathLike) -> bool:
    return Path(source).suffix == ".bin"


def _locate(source: str | os.PathLike) -> Path:
    path = Path(source)
    if path.suffix == ".safetensors":
        return _check_file(path)
    path = WEIGHTS / f"{source}.safetensors"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in WEIGHTS.glob("*.safetensors")))
        expected = f"a .safetensors file or one of: {shipped}"
        raise InputError("weights", "name", expected, repr(str(source)))
    return path


def _read_card(path: Path) -> Card:
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, "card", "JSON", _summarize(error)) from None
    if not isinstance(card, dict) or not isinstance(card.get("config", {}), dict):
        raise InputError(path, "card", "an object whose config is an object", type(card).__name__)
    return card


def _get_heads(card: Card) -> int | None:
    return card.get("config", {}).get("heads")


def read_published_checkpoint(path: str | os.PathLike) -> State:
    """Weights of a checkpoint of MotionBERT, STRIDE or RePOSE, by the names that DSTformer uses.

    Takes the entry `model_pos` where there is one, else the whole file; `module.` is taken off the
    names.

    Raises:
        InputError: not such a file, damaged, or one that asks to call something (named; nothing was
            run).
    """
    return _extract_state(path, torch_file.load_torch(path))


def write_published_checkpoint(
    path: str | os.PathLike, state: State, card: Card | None = None
) -> Path:
    """Write weights as the published code reads them: `model_pos` prefixed `module.`, epoch, lr,
    min_loss."""
    path, published = Path(path), (card or {}).get("published", {})
    _check_suffix(path, ".bin")
    content = {
        "epoch": published.get("epoch") or 0,
        "lr": published.get("lr") or 0.0,
        "min_loss": math.inf if published.get("min_loss") is None else published["min_loss"],
        "model_pos": {f"module.{name}": tensor for name, tensor in state.items()},
    }
    torch_file.save_torch(path, content)
    return path


def _extract_state(path: str | os.PathLike, content: Any) -> State:
    named = content.get("model_pos", content) if isinstance(content, dict) else content
    if not isinstance(named, dict) or not named:
        raise InputError(path, "model_pos", "a dict of named tensors", type(named).__name__)
    state: State = {}
    for name, tensor in named.items():
        name = str(name).removeprefix("module.")
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or name in state:
            is_tensor = isinstance(tensor, Tensor)
            found = f"{tensor.dtype} or a second one" if is_tensor else type(tensor).__name__
            raise InputError(path, name, "one tensor of floating-point numbers", found)
        state[name] = tensor
    return state


def build_dstformer(
    state: State, heads: int | None = None, where: object = "checkpoint"
) -> DSTformer:
    """The DSTformer that these weights belong to, holding a copy of them, in evaluation mode.

    All sizes are read off the tensors but for the number of attention heads, which leaves no trace
    in them: left out, it is that of the preset of the same width and depth.

    Raises:
        InputError: naming every tensor that is missing, left over, or of another shape than its
            neighbours ask for; or no heads are given and no preset has these sizes.
    """
    config = _infer_sizes(state, where)
    config["heads"] = _infer_heads(config, where) if heads is None else heads
    with torch.device("meta"):
        model = DSTformer(**config)
    expected, found = (
        {name: tuple(t.shape) for name, t in tensors.items()}
        for tensors in (model.state_dict(), state)
    )
    if wrong := _list_mismatches(expected, found):
        raise InputError(where, "tensors", "a DSTformer", "; ".join(wrong))
    copies = {name: tensor.to(torch.float32, copy=True) for name, tensor in state.items()}
    model.load_state_dict(copies, assign=True)
    return model.requires_grad_().eval()


def _infer_heads(sizes: dict[str, Any], where: object) -> int:
    for preset in PRESETS.values():
        if all(sizes[name] == preset[name] for name in ("dim", "rep", "depth", "mlp_ratio")):
            return preset["heads"]
    expected = "the number of attention heads, as in heads=8 or --heads 8"
    found = "none: the tensors do not tell, and no preset has "
    found += f"dim {sizes['dim']}, rep {sizes['rep']}, depth {sizes['depth']}"
    raise InputError(where, "heads", expected, found)


def _infer_sizes(state: State, where: object) -> dict[str, Any]:
    anchors = {
        "joints_embed.weight": 2,
        "pos_embed": 3,
        "temp_embed": 4,
        "blocks_st.0.mlp_s.fc1.weight": 2,
        "pre_logits.fc.weight": 2,
        "head.weight": 2,
    }
    shapes = {name: tuple(state[name].shape) for name in anchors if name in state}
    wrong = [
        f"{name}: {shapes.get(name, 'missing')}"
        for name, axes in anchors.items()
        if name not in shapes or len(shapes[name]) != axes or 0 in shapes[name]
    ]
    if wrong:
        raise InputError(where, "tensors", "a DSTformer", "; ".join(wrong))
    embed, joints, frames, fc1, rep, head = shapes.values()
    blocks = ("blocks_st.", "blocks_ts.", "ts_attn.")
    ratio = fc1[0] / embed[0]
    return {
        "dim_in": embed[1],
        "dim_out": head[0],
        "dim": embed[0],
        "rep": rep[0],
        "depth": len({name.split(".")[1] for name in state if name.startswith(blocks)}),
        "mlp_ratio": int(ratio) if ratio.is_integer() else ratio,
        "maxlen": frames[1],
        "joints": joints[1],
    }


def _list_mismatches(expected: dict[str, tuple], found: dict[str, tuple]) -> list[str]:
    wrong = [f"{name}: missing" for name in expected if name not in found]
    wrong += [f"{name}: not part of it" for name in found if name not in expected]
    return wrong + [
        f"{name}: {shape} expected, {found[name]} found"
        for name, shape in expected.items()
        if found.get(name, shape) != shape
    ]


def convert_checkpoint(
    source: str | os.PathLike, target: str | os.PathLike, heads: int | None = None
) -> Path:
    """Convert a published `.bin` to `.safetensors` with its card, or back, bit for bit."""
    source, target = Path(source), Path(target)
    if _is_published(source):
        _check_suffix(target, ".safetensors")
        content = torch_file.load_torch(source)
        state = _extract_state(source, content)
        model = build_dstformer(state, heads, where=source)
        return save_weights(target, state, _make_card(source, content, model))
    _check_suffix(target, ".bin")
    state, card = load_weights(source)
    build_dstformer(state, _get_heads(card) if heads is None else heads, where=source)
    return write_published_checkpoint(target, state, card)


def _make_card(source: Path, content: dict, model: DSTformer) -> Card:
    entries = {key: _get_finite(content.get(key)) for key in ("epoch", "lr", "min_loss")}
    return {
        "config": model.config,
        "data": "as its publisher says",
        "command": f"stride-nb convert {source.name}",
        "steps": None,
        "hardware": None,
        "validation": None,
        "published": {"file": source.name, "sha256": _hash_file(source)} | entries,
    }


def _get_finite(value: Any) -> float | int | None:
    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.numel() == 1):
        value = value.item()
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _check_file(path: Path) -> Path:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing there"
        raise InputError(path, "file", "a file that exists", found)
    return path


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise InputError(path, "name", f"one that ends in {suffix}", repr(path.name))


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _summarize(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": ")
