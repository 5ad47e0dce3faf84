"""Engines by name."""

import pytest

from cuda_convnet.engines import engine_names, get_engine
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import EngineError


def test_the_numpy_engine_is_the_default():
    assert engine_names()[0] == "numpy"
    assert isinstance(get_engine(), Engine)
    assert get_engine("numpy", threads=1).name == "numpy"


@pytest.mark.parametrize("name", ["host", "cuda"])
def test_a_planned_engine_is_not_there_yet(name):
    with pytest.raises(EngineError, match=f"engine '{name}' is not in this version; there is numpy"):
        get_engine(name)


def test_an_unknown_engine_is_named_and_so_are_those_that_exist():
    with pytest.raises(EngineError, match="no engine 'torch'; there is numpy"):
        get_engine("torch")


def test_no_threads_are_refused():
    with pytest.raises(EngineError, match="threads"):
        get_engine("numpy", threads=0)
