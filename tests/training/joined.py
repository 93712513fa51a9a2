"""A training that ``torchrun`` starts: ``-m tests.training.joined FOLDER [STEP]`` trains a small
prior, and the last process is killed before that step."""

import os
import signal
import sys
from pathlib import Path

import torch

from stride_nb import datasets
from stride_nb.models.registry import build_network
from stride_nb.training.tasks import Denoise
from stride_nb.training.trainer import Settings, train_network

SETTINGS = Settings(steps=50, lr=3e-3, optimizer="muon", half=False, validate_every=1, save_every=5)
"""A row of the history a step."""


class Examples(Denoise):
    """Three examples a step, so that two processes have unequal shares; before a step something may
    end the training."""

    frames = (60,)

    def __init__(self, clips, stop=None, end=None):
        super().__init__(clips, clips[:1], batch=3)
        self.stop, self.end = stop, end

    def make_batch(self, step):
        if step == self.stop:
            self.end()
        return super().make_batch(step)

    def validate(self, model):
        return {}


def make_task(stop=None, end=None):
    clips = [c.joints for c in datasets.load("synthetic", "train", clips=3, seconds=5.0)]
    return Examples(clips, stop, end)


def make_network():
    torch.manual_seed(0)
    arguments = {"dim": 32, "depth": 2, "heads": 4, "mlp_ratio": 2}
    return build_network("prior", "frameformer", arguments)


def train(task, folder=None):
    return train_network(make_network(), task, SETTINGS, folder, "cpu", progress=False)


def end_process():
    """As a kill of the last of the processes does."""
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    path, *stop = sys.argv[1:]
    torch.set_num_threads(1)
    train(make_task(*map(int, stop), end=end_process), Path(path))
