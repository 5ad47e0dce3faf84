"""`alexnet2012 doctor` says what is there, and the one command that adds what is not."""

import json

import pytest
from click.testing import CliRunner

from alexnet2012 import machine
from alexnet2012.commands import doctor


def run(*words):
    result = CliRunner().invoke(doctor.command, words, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_everything_that_is_missing_comes_with_its_mend():
    for checks in json.loads(run("--json")).values():
        for check in checks:
            assert check["present"] or check["mend"], check


def test_python_the_processor_blas_and_the_numpy_engine_are_reported():
    names = {check["name"]: check for check in json.loads(run("--json"))["What runs here"]}
    assert {"Python", "processor", "BLAS", "engine numpy"} <= set(names)
    assert names["engine numpy"]["present"]


def test_the_text_shows_each_section():
    text = run()
    for title in doctor.SECTIONS:
        assert title in text


def test_pycuda_is_told_the_toolkit_that_a_wrapper_hides(tmp_path, monkeypatch):
    root = tmp_path / "cuda"
    (root / "include").mkdir(parents=True)
    (root / "include" / "cuda.h").touch()
    wrapper = tmp_path / "bin" / "nvcc"
    wrapper.parent.mkdir()
    wrapper.write_text(f"#!/bin/sh\necho '#$ _HERE_={root}/bin' >&2\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent), prepend=":")
    for name in ("CUDA_ROOT", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert machine.cuda_root() == root
    monkeypatch.setattr(machine, "_distribution", lambda *names: None)
    assert f"CUDA_ROOT={root} " in machine.pycuda().mend


def test_without_a_toolkit_pycuda_asks_for_the_toolkit_first(monkeypatch):
    monkeypatch.setattr(machine, "cuda_root", lambda: None)
    monkeypatch.setattr(machine, "_distribution", lambda *names: None)
    check = machine.pycuda()
    assert not check.present
    assert "toolkit" in check.detail


def test_without_a_compiler_the_mend_installs_one(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda *args, **kwargs: None)
    monkeypatch.delenv("CXX", raising=False)
    check = machine.compiler()
    assert (check.present, check.mend) == (False, "apt-get install g++")


@pytest.mark.parametrize("name", machine.EXTRAS)
def test_a_missing_extra_names_the_command_that_brings_it(name, monkeypatch):
    monkeypatch.setattr(machine, "_distribution", lambda *names: None)
    check = machine.extra(name)
    assert not check.present
    assert "-m pip install" in check.mend
    assert f"[{name}]" in check.mend
