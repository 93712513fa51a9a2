"""What a command says of its item beside its output: frames, how much was occluded. Whoever runs
it for one file need not listen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["collect_facts", "note_facts"]

_FACTS: ContextVar[list[tuple[int, float]] | None] = ContextVar("facts", default=None)


def note_facts(frames: int, occluded: float) -> None:
    """Of one person's track: how many frames, and the share of joints that were not seen."""
    if (facts := _FACTS.get()) is not None:
        facts.append((frames, occluded))


@contextmanager
def collect_facts() -> Iterator[dict[str, float]]:
    """What is noted meanwhile, all tracks together: ``frames`` and ``occluded``; empty where
    nothing is."""
    facts: list[tuple[int, float]] = []
    total: dict[str, float] = {}
    token = _FACTS.set(facts)
    try:
        yield total
    finally:
        _FACTS.reset(token)
        if frames := sum(count for count, _ in facts):
            share = sum(count * share for count, share in facts) / frames
            total |= {"frames": frames, "occluded": round(share, 4)}
