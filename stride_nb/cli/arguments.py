"""Types of command-line arguments that argparse lacks."""

from __future__ import annotations

import argparse

__all__ = ["parse_natural", "parse_positive"]


def parse_natural(text: str, least: int = 0) -> int:
    """An integer from 0 on, such as a seed."""
    try:
        if (value := int(text)) >= least:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected an integer ≥ {least}, found {text!r}")


def parse_positive(text: str) -> int:
    """An integer from 1 on, such as a size."""
    return parse_natural(text, 1)
