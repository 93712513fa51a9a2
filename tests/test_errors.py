"""Errors are one line that no terminal obeys."""

import pytest

from stride_nb.errors import InputError


@pytest.mark.parametrize("sign", ["\x1b]0;title\x07", "\n", "\u202e", "\x9b31m", "\u2028"])
def test_what_a_terminal_would_obey_is_shown(sign):
    error = InputError(f"a{sign}.npz", f"id{sign}", "a name", f"b{sign}")
    assert sign not in str(error) and len(str(error).splitlines()) == 1
    assert "ü − 骨 é" in str(InputError("a", "b", "c", "ü − 骨 é"))
