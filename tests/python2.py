"""Pickles as Python 2 wrote them: text and bytes are one type, arrays hold their bytes as text. For
tests only."""

import io
import pickle
import struct


class _Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def save_text(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(
            (b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data)))
            + data
        )

    dispatch[str] = dispatch[bytes] = save_text


def dumps(value) -> bytes:
    out = io.BytesIO()
    _Pickler(out, 2).dump(value)
    return out.getvalue().replace(b"numpy._core.", b"numpy.core.")
