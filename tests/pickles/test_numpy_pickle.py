"""The restricted unpickler: what is data comes back equal; what would run is refused by name and
does not run."""

import contextlib
import copyreg
import functools
import operator
import os
import pickle
import re
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stride_nb import InputError
from stride_nb._pickles import numpy_pickle

PROTOCOLS = st.integers(0, 5)
FEW = settings(max_examples=60, deadline=None)

DTYPES = st.one_of(
    hnp.floating_dtypes(endianness="?"),
    hnp.integer_dtypes(endianness="?"),
    hnp.boolean_dtypes(),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.complex_number_dtypes(),
    st.just(np.dtype("U5")),
)
ARRAYS = hnp.arrays(
    DTYPES.filter(lambda d: d.itemsize <= 16), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=8)
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=4), inner, max_size=3),
    ),
)


class Calls:
    """Pickles as a call of ``function`` with ``args`` (and, if given, a state for the result)."""

    def __init__(self, function, *args, state=None):
        self.recipe = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.recipe


def same(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        )
    return type(a) is type(b) and repr(a) == repr(b)


def as_the_library_does(array, protocol) -> bool:
    data = pickle.dumps(array, protocol)
    return same(pickle.loads(data), numpy_pickle.load_pickle_bytes(data)) and bool(
        (numpy_pickle.load_pickle_bytes(data) == array).all()
    )


@FEW
@given(ARRAYS.filter(lambda a: a.dtype.kind not in "fc" or not np.isnan(a).any()), PROTOCOLS)
def test_arrays_come_back_equal_in_every_protocol(array, protocol):
    assert as_the_library_does(array, protocol)


@FEW
@given(DATA, PROTOCOLS)
def test_plain_data_comes_back_equal(value, protocol):
    assert same(value, numpy_pickle.load_pickle_bytes(pickle.dumps(value, protocol)))


@pytest.mark.parametrize("protocol", range(6))
def test_every_layout_of_an_array_and_numpy_scalars(protocol):
    base = np.arange(24, dtype=">f4").reshape(2, 3, 4)
    for array in (
        base.T,
        base.transpose(1, 0, 2),
        base[:, ::2],
        np.asfortranarray(base[0]),
        base.astype("<i2"),
    ):
        assert as_the_library_does(array, protocol)
    back = numpy_pickle.load_pickle_bytes(
        pickle.dumps([np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("ab")], protocol)
    )
    assert [type(x) for x in back] == [np.float32, np.int64, np.bool_, np.str_] and back == [
        1.5,
        -3,
        True,
        "ab",
    ]


@pytest.mark.parametrize("protocol", range(6))
def test_one_array_in_two_places_is_still_one_and_keeps_its_byte_order(protocol):
    array = np.arange(5, dtype=">i4")
    back = numpy_pickle.load_pickle_bytes(
        pickle.dumps({"a": array, "b": array, "c": array + 1}, protocol)
    )
    assert (
        back["a"] is back["b"]
        and back["a"].tolist() == [0, 1, 2, 3, 4]
        and back["c"].tolist() == [1, 2, 3, 4, 5]
    )


@pytest.mark.parametrize("protocol", range(6))
def test_object_arrays_of_text_are_data(protocol):
    names = np.array([["walking", "s_01"], ["eating", None]], dtype=object)
    assert numpy_pickle.load_pickle_bytes(pickle.dumps(names, protocol)).tolist() == names.tolist()


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
@pytest.mark.parametrize("protocol", range(5))
def test_both_names_of_numpys_core_are_known(module, protocol):
    array = np.random.default_rng(0).normal(size=(300, 3))
    other = {"numpy.core.multiarray": b"numpy._core.multiarray"}.get(
        module, b"numpy.core.multiarray"
    )
    data = pickle.dumps([array, np.float64(2)], protocol)
    if protocol < 4:  # protocol 4 states the length of a name, and of the frame round it
        data = data.replace(other, module.encode())
        assert module.encode() in data
    back = numpy_pickle.load_pickle_bytes(data)
    assert same(array, back[0]) and back[1] == 2


def test_protocol_2_reads_arrays_longer_than_a_piece_of_text():
    array = np.random.default_rng(0).integers(0, 256, 3 * numpy_pickle._CHUNK_BYTES, np.uint8)
    assert same(array, numpy_pickle.load_pickle_bytes(pickle.dumps(array, 2)))


def name_of(function) -> str:
    return f"{function.__module__.lstrip('_')}.{function.__qualname__}"


def wraps():
    """Places to hide an object in, arrays among them."""

    def in_array(x):
        array = np.empty(2, object)
        array[:] = ["walking", x]
        return array

    return st.sampled_from(
        [
            lambda x: x,
            lambda x: [1, x],
            lambda x: {"train": {"source": ["a", x]}},
            in_array,
            lambda x: {"a": in_array(in_array(x))},
            lambda x: (np.zeros(3), [x]),
        ]
    )


ATTACKS = [
    (os.system, ("touch {}",)),
    (eval, ("open({!r}, 'w')",)),
    (exec, ("open({!r}, 'w')",)),
    (open, ("{}", "w")),
    (getattr, ("text", "upper")),
    (np.load, ("{}",)),
    (np.save, ("{}", [1])),
    (np.fromfile, ("{}",)),
    (operator.methodcaller, ("upper",)),
    (functools.partial, (print, "run")),
    (copyreg._reconstructor, (list, object, None)),
    (__import__, ("os",)),
    (pickle.loads, (b"N.",)),
    (np.memmap, ("{}", "u1", "w+", 0, (1,))),
    (bytearray, (8,)),
    (complex, (1, 2)),
    (set, ([1],)),
    (type, (1,)),
    (np.testing.assert_equal, (1, 1)),
    (map, (print, ["run"])),
    (str, ("x",)),
    (list, ("ab",)),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ATTACKS), wraps(), PROTOCOLS)
def test_a_pickle_that_calls_anything_is_refused_by_name_and_runs_nothing(
    tmp_path_factory, attack, wrap, protocol
):
    function, args = attack
    mark = tmp_path_factory.getbasetemp() / "ran"
    args = [a.format(str(mark)) if isinstance(a, str) else a for a in args]
    data = pickle.dumps(wrap(Calls(function, *args)), protocol)
    with pytest.raises(InputError) as refused:
        numpy_pickle.load_pickle_bytes(data, "evil.pkl")
    assert not mark.exists()
    assert name_of(function) in str(refused.value)
    assert "evil.pkl" in str(refused.value) and "\n" not in str(refused.value)


def test_the_attacks_do_run_in_an_unrestricted_reader(tmp_path):
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Calls(eval, f"open({str(mark)!r}, 'w')")))
    assert mark.exists()


RAW = {  # pickles no Pickler writes
    "posix.system": b"(S'touch ran'\niposix\nsystem\n.",
    "posix.system ": b"cposix\nsystem\n(S'touch ran'\ntR.",
    "builtins.eval": b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.",
    "os.system": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    "o\\x0as.system": b"\x80\x04\x8c\x03o\ns\x8c\x06system\x93.",
    "builtins.getattr": b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.",
    "numpy.ndarray.__class__": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
    "numpy.core.multiarray.fromfile": b"\x80\x03cnumpy.core.multiarray\nfromfile\n"
    b"X\x01\x00\x00\x00x\x85R.",
    "operation EXT1": b"\x80\x02\x82\x01.",
    "operation PERSID": b"P1\n.",
    "operation BINPERSID": b"\x80\x02K\x01Q.",
    "operation NEWOBJ": b"\x80\x02cnumpy\nndarray\nK\x01\x85\x81.",
    "operation OBJ": b"(cnumpy\nndarray\nK\x01o.",
    "operation INST": b"(I1\ninumpy\nndarray\n.",
    "operation NEXT_BUFFER": b"\x80\x05\x97.",
    "operation EMPTY_SET": b"\x80\x04\x8f.",
    "a call of numpy.ndarray": b"\x80\x02cnumpy\nndarray\nK\x01\x85R.",
    "a bare ndarray": b"\x80\x02cnumpy\nndarray\n.",
    "a bare encode": b"\x80\x02](K\x01c_codecs\nencode\ne.",
    "_codecs.encode of str as 'rot13'": b"\x80\x02c_codecs\nencode\n"
    b"X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
    "_codecs.encode of int": b"\x80\x02c_codecs\nencode\nK\x01X\x06\x00\x00\x00latin1\x86R.",
    "builtins.bytes called with": b"\x80\x02c__builtin__\nbytes\nK\x09\x85R.",
    "a call of 'eval'": b"\x80\x02X\x04\x00\x00\x00evalK\x01\x85R.",
    "state for builtins.function": b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.",
    "state for builtins.list": b"\x80\x02]}X\x01\x00\x00\x00aK\x01sb.",
}


@pytest.mark.parametrize("said", RAW)
def test_hand_made_operations_are_refused_by_name(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(said.strip())):
        numpy_pickle.load_pickle_bytes(RAW[said], "one line")
    assert not any(tmp_path.iterdir())


def dtype_pickle(code: str, state: tuple, data=b"\0" * 8, shape=(1,)) -> bytes:
    """An array whose dtype is ``code`` with ``state``, written as NumPy writes one."""
    reconstruct = np.zeros(1).__reduce__()[0]
    dtype = Calls(np.dtype, code, False, True, state=state)
    return pickle.dumps(
        Calls(reconstruct, np.ndarray, (0,), b"b", state=(1, shape, dtype, False, data)), 2
    )


GOOD = (3, "<", None, None, None, -1, -1, 0)


def test_the_forged_arrays_below_differ_from_a_good_one_in_one_thing():
    assert numpy_pickle.load_pickle_bytes(dtype_pickle("f8", GOOD)).tolist() == [0.0]


@pytest.mark.parametrize(
    "code, state, data, shape",
    [
        ("O8", GOOD, b"\x41" * 8, (1,)),  # bytes taken for a pointer
        ("f8", GOOD, [1.0], (1,)),
        ("f8", GOOD, b"\0" * 8, (2,)),  # more items than bytes
        ("f8", GOOD, b"\0" * 8, (-1,)),
        ("f8", GOOD, b"\0" * 8, (1.0,)),
        ("f8", GOOD, b"\0" * 8, [1]),
        ("f8", GOOD, b"\0" * 8, (2**70, 0)),
        ("V8", (3, "|", None, ("a",), {"a": (np.dtype("i8"), 0)}, 8, 1, 16), b"\0" * 8, (1,)),
        ("f8", (3, "|", None, ("a",), {"a": 1}, 8, 1, 16), b"\0" * 8, (1,)),
        ("f8", (3, "<", (1, 2), None, None, -1, -1, 0), b"\0" * 8, (1,)),
        ("f8", (9, "<", None, None, None, -1, -1, 0), b"\0" * 8, (1,)),
        ("f8", (3, "x", None, None, None, -1, -1, 0), b"\0" * 8, (1,)),
        ("f8", (), b"\0" * 8, (1,)),
        ("M8[ns]", GOOD, b"\0" * 8, (1,)),
        ("f8,O", GOOD, b"\0" * 16, (1,)),
        ("f7", GOOD, b"\0" * 7, (1,)),
        ("U999999999", GOOD, b"\0" * 8, (1,)),
    ],
)
def test_forged_arrays_are_refused(code, state, data, shape):
    with pytest.raises(InputError):
        numpy_pickle.load_pickle_bytes(dtype_pickle(code, state, data, shape))


ARRAY = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
BYTES, OBJECTS = (b"cnumpy\ndtype\nX\x02\x00\x00\x00" + code + b"\x85R" for code in (b"u1", b"O8"))
STATE = b"(K\x01K\x08\x85" + BYTES + b"\x89C\x08" + b"A" * 8 + b"tb"
VIEW = b"cnumpy._core.numeric\n_frombuffer\n(%s" + BYTES + b"K\x08\x85X\x01\x00\x00\x00CtR"


@pytest.mark.parametrize(
    "said, data",
    [
        # pointers, writeable
        (
            "a buffer of ndarray",
            ARRAY + b"q\x00(K\x01K\x01\x85" + OBJECTS + b"\x89]Natb" + VIEW % b"h\x00" + b"\x86.",
        ),
        ("a buffer of ndarray", ARRAY + b"q\x00" + STATE + VIEW % b"h\x00" + b"\x86."),
        # frees memory that may be in use
        ("a second state", ARRAY + b"q\x00" + STATE + STATE[:-2] + b"tb."),
        ("an item set in a ndarray", ARRAY + STATE + b"K\x00K\x41s."),
        ("an item set in a ndarray", ARRAY + STATE + b"(K\x00K\x41u."),
        ("an item set in a list", b"]K\x00aK\x00K\x01s."),
        ("an item added to a ndarray", ARRAY + STATE + b"K\x41a."),
        ("an item added to a bytearray", b"\x96\x01\x00\x00\x00\x00\x00\x00\x00AK\x41a."),
        ("an item added to a dict", b"}(K\x41e."),
    ],
)
def test_memory_that_an_array_has_is_not_lent_written_or_freed(said, data):
    """NumPy's own functions let a file do all three, and so reach memory that is not the file's."""
    with pytest.raises(InputError, match=said):
        numpy_pickle.load_pickle_bytes(b"\x80\x04" + data)


def test_the_forged_files_above_differ_from_a_good_one_in_one_thing():
    a, b = numpy_pickle.load_pickle_bytes(
        b"\x80\x04" + ARRAY + STATE + VIEW % (b"C\x08" + b"A" * 8) + b"\x86."
    )
    assert a.tobytes() == b.tobytes() == b"A" * 8


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2, "f8,i4"),
        np.array(["2020-01-01"], "M8[D]"),
        np.dtype("f4"),
        np.ndarray,
        {1, 2},
        frozenset(),
        np.ma.zeros(2),
        np.zeros(2).view(np.recarray),
        slice(1),
        1j,
        bytearray(b"a"),
        Ellipsis,
        range(3),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_is_not_plain_data_is_refused(value, protocol):
    with pytest.raises(InputError):
        numpy_pickle.load_pickle_bytes(pickle.dumps([value], protocol))


@FEW
@given(st.data(), PROTOCOLS)
def test_every_truncation_gives_one_input_error(data, protocol):
    whole = pickle.dumps(
        {"joint_2d": np.ones((4, 17, 2)), "source": ["s_01", "s_01"], "n": np.float32(1)}, protocol
    )
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(InputError) as error:
        numpy_pickle.load_pickle_bytes(whole[:cut], "cut.pkl")
    assert str(error.value).startswith("cut.pkl: pickle: expected")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_truncation_inside_a_long_array(protocol):
    whole = pickle.dumps(
        np.random.default_rng(0).integers(0, 256, 3 * numpy_pickle._CHUNK_BYTES, np.uint8), protocol
    )
    with pytest.raises(InputError):
        numpy_pickle.load_pickle_bytes(whole[: len(whole) // 2])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
@example(b"]r" + struct.pack("<I", 2**31 - 1) + b".")
@example(b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"a")
@example(b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"a")
@example(b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"a")
@example(b"]\x94" * 2000 + b"a" * 1999 + b".")
def test_garbage_gives_data_or_one_input_error(garbage):
    try:
        numpy_pickle.load_pickle_bytes(garbage)
        message = ""
    except InputError as error:
        message = str(error)
    assert "\n" not in message


@settings(max_examples=150, deadline=None)
@given(st.data(), PROTOCOLS)
def test_damage_inside_an_array_pickle_gives_data_or_one_input_error(data, protocol):
    whole = bytearray(
        pickle.dumps(
            {"a": np.arange(6.0).reshape(2, 3), "s": ["x", "y"], "n": np.int16(3)}, protocol
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        numpy_pickle.load_pickle_bytes(bytes(whole))


def doubled(times):
    value = [1]
    for _ in range(times):
        value = [value, value]
    return value


def test_shared_lists_are_walked_once_and_come_out_shared():
    back = numpy_pickle.load_pickle_bytes(pickle.dumps(doubled(24)))
    assert back[0] is back[1] and back[0][0] is back[0][1]
    shared = np.ones(3)
    back = numpy_pickle.load_pickle_bytes(pickle.dumps({"a": shared, "b": [shared, (), []]}))
    assert back["a"] is back["b"][0] and back["b"][1:] == [(), []]


def test_lists_that_would_fill_memory_or_never_end_are_refused():
    """A reader that makes an array of one walks all of its 2^60 values."""
    with pytest.raises(
        InputError, match=r"pickle: expected arrays, lists.*lists that hold one another"
    ):
        numpy_pickle.load_pickle_bytes(pickle.dumps(doubled(60)))
    loop = []
    loop.append(loop)
    with pytest.raises(InputError, match="found a list that holds itself"):
        numpy_pickle.load_pickle_bytes(pickle.dumps(loop))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.pkl: file: expected"):
        numpy_pickle.load_pickle(tmp_path / "nothing.pkl")


def test_a_file_reads_like_its_bytes(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([np.arange(3)], 2))
    assert numpy_pickle.load_pickle(tmp_path / "a.pkl")[0].tolist() == [0, 1, 2]
