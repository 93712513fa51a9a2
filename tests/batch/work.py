"""What workers do in tests: a module that they can import."""

import os
import signal
import sys
import threading
import time

from stride_nb.batch.mapping import name_worker


def square(x):
    return x * x


def fail_at_three(x):
    if x == 3:
        raise ValueError("three is\nnot wanted")
    return x * x


def look_around(x):
    """Where an item ran, and with how many threads."""
    return {
        "worker": name_worker(),
        "process": os.getpid(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
    }


def count_threads(x):
    """PyTorch's, where it is loaded already."""
    return sys.modules["torch"].get_num_threads()


def end_at_three(x):
    """Item 3 takes its worker along, every time."""
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def end_once(folder):
    """The first try takes its worker along."""
    try:
        (folder / "tried").touch(exist_ok=False)
    except FileExistsError:
        return "second try"
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def end_sometimes(item):
    """Of a number or of a folder."""
    return end_at_three(item) if isinstance(item, int) else end_once(item)


BUSY = threading.Semaphore(1)


def work_alone(x):
    """Fails where another item runs in the same process."""
    assert BUSY.acquire(blocking=False)
    time.sleep(0.02)
    BUSY.release()
    return x
