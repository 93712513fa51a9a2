"""pandas, which ships no type hints, as the studies and reports use it."""

from __future__ import annotations

from typing import Any

from stride_nb.errors import require

__all__ = ["Frame", "list_rows", "pd"]

pd: Any = require("pandas", "viz")
Frame = Any
"""A ``pandas.DataFrame``."""


def list_rows(frame: Frame, heading: str) -> list[dict]:
    """A frame as rows of a table, its index in the column ``heading``."""
    return frame.rename_axis(index=heading, columns=None).reset_index().to_dict("records")
