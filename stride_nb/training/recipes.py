"""``stride-nb train``: the networks that ship, each a recipe by name."""

from __future__ import annotations

import argparse
import json
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
from stride_nb.models.registry import build, choose_device, load_model
from stride_nb.poses.sequence import PoseSequence
from stride_nb.training.provenance import hardware
from stride_nb.training.tasks import FRAMES, VALIDATION, Denoise, Lift, Smooth
from stride_nb.training.trainer import Settings, fit

__all__ = ["RECIPES", "Recipe", "run"]


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


_FRAMES = {"dim": 256, "depth": 6, "heads": 8, "mlp_ratio": 4, "patch": 3}

RECIPES = {
    "prior": Recipe(
        Denoise,
        "prior",
        "frameformer",
        _FRAMES,
        Settings(9000, 4e-3, optimizer="muon"),
        batch=32,
        options={"lifter": "lifter"},
    ),
    "lifter": Recipe(
        Lift,
        "lifter",
        "frameformer",
        _FRAMES | {"depth": 4},
        Settings(2000, 3e-3, optimizer="muon"),
        batch=32,
        options={"rank": (1.0, 1.0)},
    ),
    "smoothnet": Recipe(
        Smooth,
        "plain",
        "smoothnet",
        {},
        Settings(3000, 1e-3, half=False),
        batch=8,
        options={"lifter": "lifter"},
    ),
    "prior_dstformer": Recipe(
        Denoise, "prior", "dstformer", PRESETS["tiny"], Settings(4500, 8e-4, half=False)
    ),
    "lifter_dstformer": Recipe(
        Lift, "lifter", "dstformer", PRESETS["tiny"], Settings(2500, 8e-4, half=False)
    ),
}


def run(args: argparse.Namespace) -> int:
    """Train, resume where the folder holds a run, and write weights with their card."""
    recipe = RECIPES[args.recipe]
    for name in ("steps", "batch", "lr", "threads"):
        if (value := getattr(args, name)) is not None and not value > 0:
            raise InputError("train", f"--{name}", "a positive number", value)
    settings = replace(
        recipe.settings, steps=args.steps or recipe.settings.steps, lr=args.lr or recipe.settings.lr
    )
    if not 0 <= args.keep < 1 or args.keep and not args.init:
        raise InputError(
            "train",
            "--keep",
            "a share of the weights of --init, from 0 to less than 1",
            f"{args.keep:g} of {args.init}",
        )
    if args.workers < 0:
        raise InputError("train", "--workers", "0 or more", args.workers)
    choose_device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    train, val = (
        [clip.resample(PRIOR_FPS) for clip in datasets.load(args.source, split)]
        for split in ("train", "val")
    )
    if (longest := max(map(len, val), default=0)) < FRAMES:
        raise InputError(
            args.source,
            "val",
            f"a clip of {FRAMES} frames or more at {PRIOR_FPS:g} a second",
            f"at most {longest}",
        )
    task = recipe.task(
        [c.joints for c in train],
        [c.joints for c in val],
        args.batch or recipe.batch,
        args.seed,
        **recipe.options,
    )
    folder = args.out or Path("runs") / f"{args.recipe}-{args.source}-{args.seed}"
    if args.init:
        recipe = replace(recipe, config=recipe.config | _gate_of(args.init))
    model, begun = build(recipe.head, recipe.backbone, recipe.config), _init(args.init)
    if args.init:
        _go_on_from(model, args.init)
    model, history = fit(
        model,
        task,
        settings,
        folder,
        args.device,
        workers=args.workers,
        init=begun and begun["sha256"],
    )
    if args.keep:
        _keep(model, args.init, args.keep)
        history[-1] |= {f"val_kept_{name}": value for name, value in task.validate(model).items()}
    path = (checkpoints.WEIGHTS if args.ship else folder) / f"{args.recipe}.safetensors"
    card = _card(args, recipe, settings, train, history, begun)
    checkpoints.save(path, {name: x.half() for name, x in model.state_dict().items()}, card)
    print(f"{path}: {card['parameters']} parameters, {json.dumps(card['validation'])}")
    return 0


def _gate_of(source: str) -> dict:
    """Channels of the weights to go on from, where their card names them: whether there is a gate
    is their matter."""
    return {
        name: n
        for name, n in checkpoints.load(source)[1].get("config", {}).get("arguments", {}).items()
        if name == "dim_out"
    }


def _go_on_from(model: nn.Module, source: str) -> None:
    try:
        model.load_state_dict(load_model(source).state_dict())
    except RuntimeError as error:
        raise InputError(
            source, "weights", "those of the recipe's network", " ".join(str(error).split())
        ) from None


def _keep(model: nn.Module, source: str, share: float) -> None:
    """Part of the way back to the weights that training went on from (WiSE-FT, Wortsman et al.,
    CVPR 2022)."""
    before = load_model(source).state_dict()
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            weight.lerp_(before[name].to(weight), share)


def _card(
    args,
    recipe: Recipe,
    settings: Settings,
    clips: list[PoseSequence],
    history: list[dict],
    begun: dict | None,
) -> dict:
    """What the weights are, for whoever finds them."""
    model = build(recipe.head, recipe.backbone, recipe.config)
    return {
        "config": {"head": recipe.head, "backbone": recipe.backbone, "arguments": recipe.config},
        "parameters": sum(p.numel() for p in model.parameters()),
        "stored_as": "float16",
        "data": {
            "source": args.source,
            "split": "train",
            "clips": len(clips),
            "frames": sum(map(len, clips)),
            "fps": clips[0].fps,
            "terms": datasets.terms(args.source),
        },
        "command": f"stride-nb train {args.recipe} --source {args.source} --seed {args.seed}"
        + "".join(
            f" --{name} {value}"
            for name in ("steps", "batch", "lr", "init", "keep")
            if (value := getattr(args, name))
        ),
        "init": begun,
        "seed": args.seed,
        "batch": args.batch or recipe.batch,
        "steps": settings.steps,
        "settings": asdict(settings),
        "task": recipe.options | _lifter(recipe),
        "seconds": history[-1]["seconds"],
        "hardware": hardware(),
        "validation": {
            name.removeprefix("val_"): round(value, 2)
            for name, value in history[-1].items()
            if name.startswith("val_")
        },
        "validation_protocol": f"middle {recipe.task.frames[0]} frames of every {args.source} val clip that has them, regimes "
        f"{', '.join(VALIDATION)}, mean per-joint error of hidden and visible joints, mm; "
        "ema: the running mean of the weights, which is what is stored; "
        "kept: with the share of those that it went on from, then stored",
    }


def _lifter(recipe: Recipe) -> dict:
    """Which lifter's answers were learnt from: its name may come to stand for other weights."""
    name = recipe.options.get("lifter")
    return {"lifter_sha256": checkpoints.sha256(name)} if name else {}


def _init(source: str | None) -> dict | None:
    """Which weights training goes on from, and what their card says of how they came about."""
    if source is None:
        return None
    card = checkpoints.load(source)[1]
    return {name: card.get(name) for name in ("command", "steps", "seconds", "validation")} | {
        "sha256": checkpoints.sha256(source)
    }
