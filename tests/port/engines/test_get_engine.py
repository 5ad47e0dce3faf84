"""Engines by name."""

import pytest

from cuda_convnet.engines import ENGINES, engine_names, engine_problem, get_engine
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import EngineError


def test_the_numpy_engine_is_the_default():
    assert engine_names()[0] == ENGINES[0] == "numpy"
    assert isinstance(get_engine(), Engine)
    assert get_engine("numpy", threads=1).name == "numpy"


def test_the_engines_that_are_named_are_those_without_a_problem():
    assert engine_names() == tuple(name for name in ENGINES if engine_problem(name) is None)


def test_kernels_run_on_the_cores_that_are_given():
    engine = get_engine("host", threads=1)
    assert (engine.name, engine.family) == ("host", "kernels")
    assert engine.device.pool.threads == 1


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_there_or_says_what_is_missing(name):
    problem = engine_problem(name)
    if problem is None:
        assert get_engine(name).name == name
    else:
        with pytest.raises(EngineError) as error:
            get_engine(name)
        assert str(error.value) == problem


def test_without_a_compiler_the_host_engine_names_it(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        EngineError, match=r"needs a C\+\+ compiler, and there is no 'no-such-compiler'; install"
    ):
        get_engine("host")
    assert "host" not in engine_names()


def test_the_host_engine_says_where_it_runs(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(EngineError, match="x86-64 and aarch64 with Linux, not on riscv64"):
        get_engine("host")


def test_an_unknown_engine_is_named_and_so_are_those_that_exist():
    with pytest.raises(EngineError, match="no engine 'torch'; there are numpy, host, cuda"):
        get_engine("torch")


@pytest.mark.parametrize("name", ["numpy", "host"])
def test_no_threads_are_refused(name):
    with pytest.raises(EngineError, match="threads"):
        get_engine(name, threads=0)
