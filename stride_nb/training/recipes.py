"""The networks that ship, each a recipe by name, and their training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from stride_nb import datasets
from stride_nb.errors import InputError
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import PRESETS
from stride_nb.models.motion_prior import PRIOR_FPS
from stride_nb.models.registry import build_network, load_model
from stride_nb.poses.sequence import PoseSequence
from stride_nb.training.processes import choose_own_device, is_first_process
from stride_nb.training.provenance import describe_hardware
from stride_nb.training.tasks import (
    VALIDATION_FRAMES,
    VALIDATION_REGIMES,
    Denoise,
    DenoiseReal,
    Lift,
    Smooth,
)
from stride_nb.training.trainer import Settings, train_network

__all__ = ["RECIPES", "Recipe", "TrainOptions", "train_recipe"]


@dataclass(frozen=True)
class Recipe:
    """What to train, on what, for how long."""

    task: Callable
    head: str
    """``prior``, ``lifter`` or ``plain`` (as it comes): how the backbone's output is read."""
    backbone: str
    config: dict
    """Arguments of the backbone."""
    settings: Settings
    batch: int = 16
    options: dict = field(default_factory=dict)
    """Further arguments of the task."""


_FRAMEFORMER = {"dim": 256, "depth": 6, "heads": 8, "mlp_ratio": 4, "patch": 3}
_LIFTED = {"lifter": "lifter"}

RECIPES = {
    "prior": Recipe(
        Denoise,
        "prior",
        "frameformer",
        _FRAMEFORMER,
        Settings(9000, 4e-3, optimizer="muon"),
        32,
        _LIFTED,
    ),
    "prior_real": Recipe(
        DenoiseReal,
        "prior",
        "frameformer",
        _FRAMEFORMER,
        Settings(800, 1e-3, optimizer="muon", validate_every=200),
        12,
        _LIFTED,
    ),
    "lifter": Recipe(
        Lift,
        "lifter",
        "frameformer",
        _FRAMEFORMER | {"depth": 4},
        Settings(2000, 3e-3, optimizer="muon"),
        batch=32,
        options={"rank": (1.0, 1.0)},
    ),
    "smoothnet": Recipe(
        Smooth, "plain", "smoothnet", {}, Settings(3000, 1e-3, half=False), 8, _LIFTED
    ),
    "prior_dstformer": Recipe(
        Denoise, "prior", "dstformer", PRESETS["tiny"], Settings(4500, 8e-4, half=False)
    ),
    "lifter_dstformer": Recipe(
        Lift, "lifter", "dstformer", PRESETS["tiny"], Settings(2500, 8e-4, half=False)
    ),
}


@dataclass(frozen=True)
class TrainOptions:
    """Of one training; ``None`` is the recipe's own."""

    source: str = "cmu"
    """Of motions; its train and val splits."""
    steps: int | None = None
    lr: float | None = None
    """Peak learning rate."""
    batch: int | None = None
    init: str | None = None
    """Weights to go on from: the name of shipped ones, or a file."""
    keep: float = 0.0
    """Share of those weights in the result (WiSE-FT)."""
    seed: int = 0
    device: str | None = None
    """``None``: a GPU where there is one."""
    threads: int | None = None
    """Of the CPU; ``None``: PyTorch's choice."""
    workers: int = 1
    """Processes that make batches."""
    out: Path | None = None
    """Folder of the run; ``None``: runs/RECIPE-SOURCE-SEED."""
    ship: bool = False
    """Write the weights where the package's own are, instead of in the folder."""

    def __post_init__(self):
        for name in ("steps", "batch", "lr", "threads"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise InputError("train", f"--{name}", "a positive number", value)
        if not 0 <= self.keep < 1 or (self.keep and not self.init):
            expected = "a share of the weights of --init, from 0 to less than 1"
            raise InputError("train", "--keep", expected, f"{self.keep:g} of {self.init}")
        if self.workers < 0:
            raise InputError("train", "--workers", "0 or more", self.workers)


def train_recipe(name: str, options: TrainOptions) -> tuple[Path, dict]:
    """Train a recipe's network, resume where the folder holds a run, and write weights with their
    card.

    Returns:
        The file of the weights, and the card.
    """
    choose_own_device(options.device)  # refuses an unknown one before any work
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    train, val = _load_motions(options.source)
    recipe = _change_recipe(RECIPES[name], options)
    joints = ([clip.joints for clip in clips] for clips in (train, val))
    task = recipe.task(*joints, recipe.batch, options.seed, **recipe.options)
    folder = options.out or Path("runs") / f"{name}-{options.source}-{options.seed}"
    model, origin = _make_model(recipe, options.init), _describe_weights(options.init)
    model, history = train_network(
        model,
        task,
        recipe.settings,
        folder,
        options.device,
        workers=options.workers,
        init=origin["sha256"] if origin else None,
    )
    if options.init and options.keep and is_first_process():
        _average_weights(model, options.init, options.keep)
        history[-1] |= {f"val_kept_{key}": error for key, error in task.validate(model).items()}
    path = (checkpoints.WEIGHTS if options.ship else folder) / f"{name}.safetensors"
    card = _make_training_card(name, options, recipe, train, history, origin)
    card["task"] |= task.describe_data()
    if is_first_process():
        state = {key: x.half() for key, x in model.state_dict().items()}
        checkpoints.save_weights(path, state, card)
    return path, card


def _load_motions(source: str) -> tuple[list[PoseSequence], list[PoseSequence]]:
    """Train and val clips at the networks' frame rate."""
    train, val = (
        [clip.resample(PRIOR_FPS) for clip in datasets.load(source, split)]
        for split in ("train", "val")
    )
    if (longest := max(map(len, val), default=0)) < VALIDATION_FRAMES:
        expected = f"a clip of {VALIDATION_FRAMES} frames or more at {PRIOR_FPS:g} a second"
        raise InputError(source, "val", expected, f"at most {longest}")
    return train, val


def _change_recipe(recipe: Recipe, options: TrainOptions) -> Recipe:
    """The recipe with the options that were given. The weights to go on from say, where their card
    does, how many channels there are: whether there is a gate is their matter."""
    steps, lr = options.steps or recipe.settings.steps, options.lr or recipe.settings.lr
    config = recipe.config
    if options.init:
        card = checkpoints.load_weights(options.init)[1]
        arguments = card.get("config", {}).get("arguments", {})
        config = config | {key: n for key, n in arguments.items() if key == "dim_out"}
    return replace(
        recipe,
        settings=replace(recipe.settings, steps=steps, lr=lr),
        batch=options.batch or recipe.batch,
        config=config,
    )


def _make_model(recipe: Recipe, init: str | None) -> nn.Module:
    model = build_network(recipe.head, recipe.backbone, recipe.config)
    if init:
        try:
            model.load_state_dict(load_model(init).state_dict())
        except RuntimeError as error:
            message = " ".join(str(error).split())
            raise InputError(init, "weights", "those of the recipe's network", message) from None
    return model


def _average_weights(model: nn.Module, init: str, share: float) -> None:
    """Part of the way back to the weights that training went on from (WiSE-FT, Wortsman et al.,
    CVPR 2022)."""
    before = load_model(init).state_dict()
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            weight.lerp_(before[name].to(weight), share)


def _make_training_card(
    name: str,
    options: TrainOptions,
    recipe: Recipe,
    clips: list[PoseSequence],
    history: list[dict],
    origin: dict | None,
) -> dict:
    """What the weights are, for whoever finds them."""
    model = build_network(recipe.head, recipe.backbone, recipe.config)
    source, last = options.source, history[-1]
    given = ("steps", "batch", "lr", "init", "keep")
    words = [f"stride-nb train {name} --source {source} --seed {options.seed}"]
    words += [f"--{key} {value}" for key in given if (value := getattr(options, key))]
    validation = {key: round(last[key], 2) for key in last if key.startswith("val_")}
    return {
        "config": {"head": recipe.head, "backbone": recipe.backbone, "arguments": recipe.config},
        "parameters": sum(p.numel() for p in model.parameters()),
        "stored_as": "float16",
        "data": {
            "source": source,
            "split": "train",
            "clips": len(clips),
            "frames": sum(map(len, clips)),
            "fps": clips[0].fps,
            "terms": datasets.get_terms(source),
        },
        "command": " ".join(words),
        "init": origin,
        "seed": options.seed,
        "batch": recipe.batch,
        "steps": recipe.settings.steps,
        "settings": asdict(recipe.settings),
        "task": _describe_task(recipe),
        "seconds": last["seconds"],
        "hardware": describe_hardware(),
        "validation": {key.removeprefix("val_"): error for key, error in validation.items()},
        "validation_protocol": f"middle {recipe.task.frames[0]} frames of every {source} val clip "
        f"that has them, regimes {', '.join(VALIDATION_REGIMES)}, mean per-joint error of hidden "
        "and visible joints, mm; ema: the running mean of the weights, which is what is stored; "
        "kept: with the share of those that it went on from, then stored",
    }


def _describe_task(recipe: Recipe) -> dict:
    """The task's options, and which lifter it learns from: a name may come to stand for other
    weights."""
    lifter = recipe.options.get("lifter")
    sha256 = {"lifter_sha256": checkpoints.hash_weights(lifter)} if lifter else {}
    return recipe.options | sha256


def _describe_weights(source: str | None) -> dict | None:
    """Weights to go on from: what their card says of their training, and their SHA-256."""
    if source is None:
        return None
    card = checkpoints.load_weights(source)[1]
    keys = ("command", "steps", "seconds", "validation")
    return {key: card.get(key) for key in keys} | {"sha256": checkpoints.hash_weights(source)}
