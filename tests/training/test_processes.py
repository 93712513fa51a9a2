"""Several processes train as one does: the same losses, in shares of any size, killed or not."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributed

from stride_nb.errors import InputError
from stride_nb.training import processes as training_processes
from stride_nb.training.processes import Processes, choose_own_device, is_first_process
from tests.training import joined

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-5


def start_two(*words):
    """``torchrun`` with two processes; its exit status and what it wrote on standard error."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "tests.training.joined", *map(str, words)]
    settings = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.skipif(not distributed.is_available(), reason="PyTorch without torch.distributed")
def test_two_processes_then_one_then_two_follow_one_process(tmp_path):
    """Two are killed before step 20, one before step 35; shares of a batch are unequal."""
    whole, expected = joined.train(joined.make_task())
    status, _ = start_two(tmp_path, 20)
    assert status != 0 and not list(tmp_path.glob(".*"))
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] in (15, 20)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        joined.train(joined.make_task(35, stop), tmp_path)
    status, text = start_two(tmp_path)
    assert status == 0, text
    last, history = joined.train(joined.make_task(), tmp_path)  # nothing is left to be done
    assert [row["step"] for row in history] == list(range(1, 51))
    for row, other in zip(history, expected, strict=True):
        assert math.isclose(row["loss"], other["loss"], abs_tol=TOLERANCE), row["step"]
    start, one, other = map(flatten_weights, (joined.make_network(), whole, last))
    assert (one - other).norm() < 0.01 * (one - start).norm()  # Muon rounds to bfloat16


def flatten_weights(network):
    return torch.cat([weight.flatten() for weight in network.state_dict().values()])


@given(st.integers(1, 5), st.integers(0, 12))
def test_shares_are_the_batch_and_their_weighed_losses_its_mean(count, more):
    values = np.random.default_rng([count, more]).normal(size=count + more)
    processes = [Processes(rank, count) for rank in range(count)]
    shares = [each.take_share((values,))[0] for each in processes]
    assert sorted(np.concatenate(shares)) == sorted(values)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    losses = [
        each.weigh(torch.tensor(share.mean()), len(share), len(values))
        for each, share in zip(processes, shares)
    ]
    assert float(sum(losses)) / count == pytest.approx(values.mean())


def test_a_process_without_an_example_is_refused():
    with pytest.raises(InputError, match="batch: expected an example a process, 3, found 2"):
        Processes(0, 3).take_share((np.zeros((2, 4)),))


def test_a_process_has_the_gpu_of_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: None)
    monkeypatch.setattr(training_processes, "choose_device", torch.device)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_own_device() == torch.device("cuda:1")
    assert choose_own_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="as many as there are GPUs, 2, found 3 or more"):
        choose_own_device("cuda")


def test_the_first_process_writes(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert is_first_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_first_process()
