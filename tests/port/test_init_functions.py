"""Functions of the user that draw weights, biases and connections."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from cuda_convnet.errors import ConfigError
from cuda_convnet.init_functions import init_biases, init_connections, init_weights, split_init_func

MODULE = """
import numpy as np

def makew(name, idx, shape, params):
    assert (name, idx, shape) == ("conv1", 1, (3, 2))
    return np.full(shape, float(params[0]) if params else 1, np.float32, order="F")

def makeb(name, shape, params):
    assert (name, params) == ("conv1", ["a", "b"])
    return np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)

def makec(name, idx, shape, params):
    assert shape == (2, 4, 4)
    return {"good": [3, 2, 1, 0, 0, 1, 2, 3], "short": [0, 1], "far": [0, 1, 2, 4] * 2,
            "twice": [0, 0, 1, 2] * 2, "words": ["a"] * 8, "number": 7}[params[0]]

def a_list(*args, params): return [[1.0, 2.0]]
def doubles(name, idx, shape, params): return np.ones(shape)
def transposed(name, idx, shape, params): return np.ones(shape[::-1], np.float32)
def divides(*args, params): return 1 / 0
def takes_nothing(): pass
not_a_function = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "my_init.py").write_text(MODULE)
    (tmp_path / "my_broken.py").write_text("def (")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_init", None)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("initw.makew(conv2b)", ("initw", "makew", ["conv2b"])),
        ("m.f", ("m", "f", [])),
        ("m.f (a, b)", ("m", "f", ["a", " b"])),
    ],
)
def test_a_function_is_named_with_its_module_and_parameters(text, parts):
    assert split_init_func(text) == parts


@pytest.mark.parametrize("text", ["f", "m.f()", "m.f(a,)", "m.f(a", ".f", "m.", ""])
def test_what_names_no_function_is_refused(text):
    with pytest.raises(ValueError, match=r"must have the form module\.function"):
        split_init_func(text)


def test_weights_come_from_the_function_in_c_order():
    weights = init_weights("conv1", 1, "my_init.makew(2.5)", (3, 2))
    np.testing.assert_array_equal(weights, np.full((3, 2), 2.5, np.float32))
    assert weights.flags.c_contiguous
    assert init_weights("conv1", 1, "my_init.makew", (3, 2))[0, 0] == 1


def test_biases_come_from_the_function():
    np.testing.assert_array_equal(init_biases("conv1", "my_init.makeb(a,b)", (2, 1)), [[0], [1]])


def test_connections_come_from_the_function_group_by_group():
    connections = init_connections("conv1", 0, "my_init.makec(good)", 2, 4, 4)
    np.testing.assert_array_equal(connections, [[3, 2, 1, 0], [0, 1, 2, 3]])
    assert connections.dtype == np.int32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("my_init.a_list", "must return a numpy.ndarray, not a list"),
        ("my_init.doubles", "must return float32, not float64"),
        ("my_init.transposed", "must return a matrix of shape (3, 2), not (2, 3)"),
    ],
)
def test_weights_of_another_kind_are_refused(text, message):
    with pytest.raises(ConfigError) as caught:
        init_weights("conv1", 1, text, (3, 2))
    assert str(caught.value) == f"layer 'conv1[1]': initWFunc={text} {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "no_such_module.f",
            "No module named 'no_such_module'; put the folder of no_such_module.py into PYTHONPATH",
        ),
        ("my_broken.f", "module 'my_broken': SyntaxError: "),
        ("my_init.nothing", "module 'my_init' has no function 'nothing'"),
        ("my_init.not_a_function", "module 'my_init' has no function 'not_a_function'"),
        ("my_init.divides", "ZeroDivisionError: division by zero"),
        ("my_init.takes_nothing", "TypeError: takes_nothing() got an unexpected keyword argument 'params'"),
    ],
)
def test_a_function_that_cannot_be_called_is_named(text, message):
    with pytest.raises(ConfigError) as caught:
        init_biases("conv1", text, (1, 1))
    assert str(caught.value).startswith(f"layer 'conv1': initBFunc={text}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("short", "must return a list of groups * filterChannels = 8 channels, not 2 things"),
        ("words", "must return a list of groups * filterChannels = 8 channels, not 8 things"),
        ("number", "must return a list of groups * filterChannels = 8 channels, not a int"),
        ("far", "must return channels from 0 to 3"),
        ("twice", "must return every channel once in each run of 4"),
    ],
)
def test_connections_of_another_kind_are_refused(name, message):
    with pytest.raises(ConfigError) as caught:
        init_connections("conv1", 0, f"my_init.makec({name})", 2, 4, 4)
    assert str(caught.value) == f"layer 'conv1[0]': initCFunc=my_init.makec({name}) {message}"
