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


@pytest.fixture
def toolkit(tmp_path, monkeypatch):
    """A whole toolkit that a wrapper called nvcc hides, and no PyCUDA."""
    root = tmp_path / "cuda"
    for name in ("include/cuda.h", "include/curand.h", "lib64/stubs/libcuda.so"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    wrapper = tmp_path / "bin" / "nvcc"
    wrapper.parent.mkdir()
    wrapper.write_text(f"#!/bin/sh\necho '#$ _HERE_={root}/bin' >&2\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent), prepend=":")
    for name in ("CUDA_ROOT", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine, "_distribution", lambda *names: None)
    monkeypatch.setattr(machine, "LIBRARY_FOLDERS", ())
    return root


def test_pycuda_is_told_the_toolkit_that_a_wrapper_hides(toolkit):
    assert machine.cuda_root() == toolkit
    assert machine.pycuda().mend.startswith(f"CUDA_ROOT={toolkit} ")


def test_pycuda_is_built_without_curand_where_the_toolkit_has_none(toolkit):
    (toolkit / "include" / "curand.h").unlink()
    check = machine.pycuda()
    assert "no cuRAND" in check.detail
    assert check.mend.startswith("echo 'CUDA_ENABLE_CURAND = False' >> ~/.aksetup-defaults.py && CUDA_ROOT=")


def test_pycuda_cannot_be_built_without_libcuda_and_says_so_first(toolkit):
    (toolkit / "lib64" / "stubs" / "libcuda.so").unlink()
    check = machine.pycuda()
    assert "libcuda.so" in check.detail
    assert "driver" in check.mend


def test_without_its_binding_cublas_is_missing(toolkit):
    assert "nvmath-python==1.0.*" in machine.cublas().mend


def test_a_binding_without_cublas_is_told_apart(toolkit, monkeypatch):
    monkeypatch.setattr(machine, "_distribution", lambda *names: "1.0.0")
    monkeypatch.setattr(machine, "CUBLAS_WHEELS", ())
    assert machine.cublas().mend.endswith("pip install nvidia-cublas")
    (toolkit / "lib64" / "libcublas.so.13").touch()
    assert machine.cublas().present


def test_an_engine_that_cannot_run_has_the_mend_of_what_it_lacks_first(monkeypatch):
    gpu = machine.Check("GPU", False, "none", "install NVIDIA's driver")
    monkeypatch.setattr(machine, "gpu", lambda: gpu)
    check = machine.engine("cuda", "engine 'cuda' needs PyCUDA (no module); install it")
    assert (check.present, check.detail, check.mend) == (False, "needs PyCUDA (no module)", gpu.mend)


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


def test_an_extra_is_there_if_all_of_its_packages_are(monkeypatch):
    modules, packages, _ = machine.EXTRAS["study"]
    there = dict.fromkeys(modules, "1.0")
    monkeypatch.setattr(machine, "_distribution", lambda module, package: there.get(module))
    assert machine.extra("study").detail.startswith("jinja2 1.0, pygments 1.0, markdown-it-py 1.0, latex2")
    for module, package in zip(modules, packages.split(", "), strict=True):
        there = dict.fromkeys({*modules} - {module}, "1.0")
        assert machine.missing_packages("study") == [package]
        check = machine.extra("study")
        assert not check.present
        assert check.detail.startswith(f"no {package}: ")


@pytest.mark.parametrize("name", machine.EXTRAS)
def test_a_missing_extra_names_the_command_that_brings_it(name, monkeypatch):
    monkeypatch.setattr(machine, "_distribution", lambda *names: None)
    check = machine.extra(name)
    assert not check.present
    assert "-m pip install" in check.mend
    assert f"[{name}]" in check.mend
