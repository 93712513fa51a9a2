"""Files that one process writes at a time, also from several machines that share a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["hold_lock"]


@contextmanager
def hold_lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold the lock that an empty file stands for; it ends with the process, however that ends.

    Args:
        wait: until whoever holds it lets go.

    Raises:
        BlockingIOError: somebody holds it, and ``wait`` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            import fcntl
        except ImportError:  # Windows: nobody watches
            pass
        else:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
