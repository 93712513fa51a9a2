"""Files to read."""

import pytest


@pytest.fixture
def files(tmp_path):
    """Write text or bytes under a name, give the path."""

    def write(name: str, content: str | bytes):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write
