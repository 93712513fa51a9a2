"""joblib's files as data."""

import pickle
import zlib

import numpy as np
import pytest

from stride_nb import InputError
from stride_nb._pickles.joblib_file import load_joblib
from tests.io.forms import joblib_dump

RNG = np.random.default_rng(0)
CONTENT = {
    3: {"pose": RNG.normal(size=(5, 72)).astype("f4"), "ids": np.arange(5), "none": None},
    "turned": np.asfortranarray(RNG.normal(size=(4, 3))),
    "empty": np.zeros((0, 3)),
    "nested": [np.arange(3), ("x", np.float32(2.5)), {"deep": np.ones((2, 2), bool)}],
}


def assert_equal(found, given):
    if isinstance(given, dict):
        assert found.keys() == given.keys()
        for key in given:
            assert_equal(found[key], given[key])
    elif isinstance(given, (list, tuple)):
        for a, b in zip(found, given, strict=True):
            assert_equal(a, b)
    else:
        np.testing.assert_array_equal(found, given)


def test_what_was_dumped_is_loaded(tmp_path):
    assert_equal(load_joblib(joblib_dump(CONTENT, tmp_path / "a.pkl")), CONTENT)
    packed = tmp_path / "b.pkl"
    packed.write_bytes(zlib.compress((tmp_path / "a.pkl").read_bytes()))
    assert_equal(load_joblib(packed), CONTENT)
    (tmp_path / "c.pkl").write_bytes(pickle.dumps(CONTENT))
    assert_equal(load_joblib(tmp_path / "c.pkl"), CONTENT)


def test_joblib_itself_is_read(tmp_path):
    joblib = pytest.importorskip(
        "joblib", reason="not installed; its form is written by hand above"
    )
    joblib.dump(CONTENT, tmp_path / "a.pkl")
    assert_equal(load_joblib(tmp_path / "a.pkl"), CONTENT)


def test_a_size_is_not_believed(tmp_path):
    """An array of 8 TB, of which 24 bytes follow."""
    data = joblib_dump(np.zeros(3), tmp_path / "a.pkl").read_bytes()
    assert data.count(b"K\x03\x85") == 1  # the shape
    (tmp_path / "a.pkl").write_bytes(
        data.replace(b"K\x03\x85", b"\x8a\x06\x00\x00\x00\x00\x00\x01\x85")
    )
    with pytest.raises(InputError, match="a complete, undamaged pickle"):
        load_joblib(tmp_path / "a.pkl")


@pytest.mark.parametrize("cut", [1, 10, 100, 700])
def test_cut_short(tmp_path, cut):
    data = joblib_dump(CONTENT, tmp_path / "a.pkl").read_bytes()
    (tmp_path / "a.pkl").write_bytes(data[:-cut])
    with pytest.raises(InputError):
        load_joblib(tmp_path / "a.pkl")
