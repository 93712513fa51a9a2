"""Training on several devices: ``torchrun`` starts a process for each, every process takes its
share of the same batch, and PyTorch's DistributedDataParallel averages the gradients.

Without ``torchrun`` there is one process, and nothing here changes a digit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor, distributed, nn

from stride_nb.errors import InputError
from stride_nb.models.registry import choose_device

__all__ = ["Processes", "choose_own_device", "is_first_process", "join_processes"]

_PATIENCE = timedelta(hours=2)  # the others wait while the first validates


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is."""

    rank: int = 0
    count: int = 1

    def take_share(self, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """This process's examples of a batch: every so-manieth.

        Raises:
            InputError: fewer examples than processes.
        """
        examples = len(arrays[0])
        if examples < self.count:
            raise InputError("train", "batch", f"an example a process, {self.count}", examples)
        return tuple(array[self.rank :: self.count] for array in arrays)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network whose backward pass averages gradients over the processes."""
        if self.count == 1:
            return model
        return nn.parallel.DistributedDataParallel(model)

    def weigh(self, loss: Tensor, examples: int, total: int) -> Tensor:
        """This share's mean loss, such that the mean over the processes is that of the batch."""
        return loss if examples * self.count == total else loss * (examples * self.count / total)

    def average(self, terms: Mapping[str, Tensor], examples: int, total: int) -> dict[str, float]:
        """Terms of the whole batch, from those of every share."""
        if self.count == 1:
            return {name: float(term.detach()) for name, term in terms.items()}
        values = torch.stack([term.detach().double() for term in terms.values()])
        values *= examples / total
        distributed.all_reduce(values)
        return dict(zip(terms, values.tolist()))

    def check_same(self, where: object, step: int, device: torch.device) -> None:
        """InputError where processes resume at different steps: each must see the same folder."""
        if self.count == 1:
            return
        steps = torch.tensor([step, -step], device=device)
        distributed.all_reduce(steps, distributed.ReduceOp.MAX)
        last, first = steps[0].item(), -steps[1].item()
        if first != last:
            expected = "one that all processes share"
            raise InputError(where, "folder", expected, f"runs at steps {first} and {last}")


def is_first_process() -> bool:
    """Whether this is the process that writes and prints: one of ``torchrun``'s, or the only
    one."""
    return int(os.environ.get("RANK", 0)) == 0


def choose_own_device(name: str | None = None) -> torch.device:
    """The device named, as of `choose_device`; of several GPUs the one of this process."""
    own, devices = os.environ.get("LOCAL_RANK"), torch.cuda.device_count()
    if own is not None and name in (None, "cuda") and devices:
        if int(own) >= devices:
            expected = f"at most as many as there are GPUs, {devices}"
            raise InputError("train", "--nproc-per-node", expected, f"{int(own) + 1} or more")
        torch.cuda.set_device(int(own))
        name = f"cuda:{own}"
    return choose_device(name)


@contextmanager
def join_processes(device: torch.device) -> Iterator[Processes]:
    """The processes that ``torchrun`` started, joined by gloo on CPUs and nccl on GPUs; else this
    one alone."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield Processes()
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
        distributed.barrier()  # nobody leaves before the first has written
    finally:
        distributed.destroy_process_group()
