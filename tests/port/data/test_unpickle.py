"""Pickles of arrays and plain containers are read; everything else is refused by name."""

import builtins
import collections
import os
import pickle
import subprocess

import numpy as np
import pytest

from cifar_archive import array as python2_array
from cifar_archive import pickle2
from cuda_convnet.data import unpickle
from cuda_convnet.errors import DataError


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f4", "<i8", "?", "S3", "<c8"])
def test_arrays_come_back_as_they_were(protocol, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for wanted in (array, np.asfortranarray(array), np.array(array[1, 1, 1]), array[1, :2, 1]):
        found = unpickle.loads(pickle.dumps(wanted, protocol), "a.pickle")
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


def test_an_empty_array_comes_back_empty():
    found = unpickle.loads(pickle.dumps(np.zeros((0, 3), np.int16)), "a.pickle")
    assert (found.shape, found.dtype) == ((0, 3), np.int16)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_come_back_as_they_were(protocol):
    value = {
        "numbers": [1, -2.5, 10**30, True, None],
        "texts": ("a", "ü", "", b"bytes"),
        "nested": [{"deep": ((1, 2), [3, {}])}],
        "scalar": np.float32(1.5),
        "type": np.dtype(">i4"),
    }
    assert unpickle.loads(pickle.dumps(value, protocol), "a.pickle") == value
    assert unpickle.loads(pickle.dumps([{1, 2}, frozenset("a")]), "a.pickle") == [{1, 2}, frozenset("a")]


def test_python_2_arrays_and_strings_are_read():
    array = np.arange(300, dtype="<u2").reshape(3, 100)
    data = pickle2(data=python2_array(array))
    found = unpickle.loads(data, "data_batch_1")
    assert list(found) == ["data"]
    np.testing.assert_array_equal(found["data"], array)
    assert found["data"].dtype == array.dtype


def test_shared_and_cyclic_containers_stay_shared():
    array = np.arange(3)
    cycle = [array, array]
    cycle.append(cycle)
    found = unpickle.loads(pickle.dumps({"a": cycle, "b": (cycle, array)}), "a.pickle")
    assert found["a"][2] is found["a"]
    assert found["b"][0] is found["a"]
    assert found["a"][0] is found["a"][1] is found["b"][1]


def test_many_small_arrays_keep_their_own_values():
    arrays = [(np.array([i]), [np.array([i, i])]) for i in range(2000)]
    for i, (one, (two,)) in enumerate(unpickle.loads(pickle.dumps(arrays), "a.pickle")):
        assert one.tolist() == [i]
        assert two.tolist() == [i, i]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch {}",), "posix.system"),
        (builtins.eval, ("open('{}', 'w')",), "eval"),
        (builtins.exec, ("open('{}', 'w')",), "exec"),
        (builtins.getattr, ((), "count"), "getattr"),
        (builtins.open, ("{}", "w"), "open"),
        (subprocess.Popen, (["touch", "{}"],), ".Popen"),
        (np.load, ("{}",), "numpy.load"),
        (np.fromfile, ("{}",), "numpy.fromfile"),
        (np.vectorize, (len,), "numpy.vectorize"),
        (collections.OrderedDict, (), "collections.OrderedDict"),
    ],
)
def test_everything_else_is_refused_by_name(tmp_path, protocol, function, arguments, name):
    target = tmp_path / "touched"
    arguments = [a.format(target) if isinstance(a, str) else a for a in arguments]
    for value in (Calls(function, *arguments), {"data": [np.zeros(3), (Calls(function, *arguments),)]}):
        with pytest.raises(DataError, match=r"a.pickle: it asks for") as error:
            unpickle.loads(pickle.dumps(value, protocol), "a.pickle")
        assert name in str(error.value)
        assert "\n" not in str(error.value)
    assert not target.exists()


@pytest.mark.parametrize(
    "name", ["numpy.f2py.capi_maps\neval", "numpy.testing._private.utils\nrunstring", "numpy\nndarray.tofile"]
)
def test_numpys_own_ways_to_run_code_are_refused(name):
    with pytest.raises(DataError) as error:
        unpickle.loads(b"c" + name.encode() + b"\n.", "a.pickle")
    assert "it asks for " + name.replace("\n", ".") in str(error.value)


def test_a_class_of_the_users_is_refused():
    with pytest.raises(DataError, match=f"it asks for {__name__}.Calls|{__name__}.Thing"):
        unpickle.loads(pickle.dumps(Thing()), "a.pickle")


class Thing:
    """A class of the user's own."""


def array_pickle(state):
    """A pickle of an array whose state is the pickled tuple `state`."""
    return b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR" + state + b"b."


def element_pickle(dtype, rest, dtype_state=b""):
    """A pickle of an array of one element of a type; the rest of its state (order and bytes) is given."""
    return array_pickle(
        b"(K\x01(K\x01tcnumpy\ndtype\n(U\x02" + dtype + b"K\x00K\x01tR" + dtype_state + rest + b"t"
    )


EIGHT = b"\x89U\x08aaaaaaaa"
FIELDS = b"(K\x03U\x01|NU\x01a}K\x08K\x01K?tb"
ORDER = b"(K\x03U\x01!NNNK\x08K\x01K\x00tb"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (element_pickle(b"u1", b"\x89U\x02ab"), "of shape .1,. with 2 bytes"),
        (array_pickle(b"(K\x01(J\xff\xff\xff\xfftK\x05\x89U\x01at"), "without a shape"),
        (array_pickle(b"(K\x01(K\x01tK\x05\x89U\x01at"), "not plain numbers"),
        (array_pickle(b"(K\x01t"), "state of another form"),
        (element_pickle(b"O8", b"\x89](K\x01e"), "not plain numbers"),
        (element_pickle(b"O8", EIGHT), "'O8', not of plain numbers"),
        (element_pickle(b"V8", EIGHT), "'V8', not of plain numbers"),
        (element_pickle(b"f8", EIGHT, FIELDS), "not plain numbers"),
        (element_pickle(b"f8", EIGHT, ORDER), "unknown byte order '!'"),
        (b"cnumpy\nndarray\n.", "a NumPy function in the place of data"),
        (b"(cnumpy\ndtype\nl.", "a NumPy function in the place of data"),
        (b"cnumpy.core.multiarray\n_reconstruct\n}U\x01aK\x01sb.", "gives a state"),
        (b"cnumpy.core.multiarray\n_reconstruct\nN}U\x0c__defaults__)s\x86b.", "gives a state"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(K\x01(K\x00tU\x01btR.", "another class than numpy.ndarray"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aU\x05rot13tR.", "_codecs.encode"),
        (b"Pid\n.", "refers to objects outside itself"),
    ],
)
def test_crafted_arrays_are_refused(data, reason):
    with pytest.raises(DataError, match=reason) as error:
        unpickle.loads(data, "a.pickle")
    assert str(error.value).startswith("a.pickle: it ")


@pytest.mark.parametrize(
    "data", [b"", b"not a pickle", b"\x80\x02", pickle.dumps([1, 2, 3])[:-3], b"\x80\x7f.", b"0."]
)
def test_what_is_not_a_pickle_is_named(data):
    with pytest.raises(DataError) as error:
        unpickle.loads(data, "a.pickle")
    assert str(error.value) == "a.pickle: cannot be read as a pickle; get the file again"


@pytest.mark.parametrize("data", [b"\x80\x02]r\xff\xff\xff\x7f.", b"]p2000000000\n."])
def test_a_place_in_the_memo_that_would_take_gigabytes_is_refused(data):
    with pytest.raises(DataError, match=r"a.pickle: it asks for memory for 2,.*objects"):
        unpickle.loads(data, "a.pickle")


def test_python_2_arrays_in_text_are_read():
    text = (
        b"cnumpy.core.multiarray\n_reconstruct\np1\n(cnumpy\nndarray\np2\n(I0\ntS'b'\ntRp3\n(I1\n(I3\ntcnumpy\n"
        b"dtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x80\\xff'\ntb."
    )
    np.testing.assert_array_equal(unpickle.loads(text, "x"), np.array([0, 128, 255], np.uint8))


def test_a_list_nested_without_end_is_refused():
    data = b"]" * 100_000 + b"a" * 99_999 + b"."
    with pytest.raises(DataError, match="cannot be read as a pickle"):
        unpickle.loads(data, "a.pickle")
