"""What tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of numbers of the published code: ``STRIDE_NB_REFERENCE``, else ``../shared/reference``."""
    folder = Path(os.environ.get("STRIDE_NB_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not folder.is_dir():
        pytest.skip(f"no numbers of the published code at {folder}; STRIDE_NB_REFERENCE names their folder")
    return folder
