"""Where the kernels' source is found, and what a build of it depends on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuda_convnet.engines.kernel_engine import sources
from cuda_convnet.engines.kernel_engine.sources import cache_folder, included, inlined, kernels_folder
from cuda_convnet.errors import EngineError

CHECKOUT = Path(__file__).resolve().parents[2]


def test_in_a_checkout_the_kernels_are_those_of_the_checkout():
    assert kernels_folder() == CHECKOUT / "kernels"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package cuda_convnet as it is installed, without kernels."""
    package = tmp_path / "site-packages" / "cuda_convnet"
    module = package / "engines" / "kernel_engine" / "sources.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(sources, "__file__", str(module))
    return package


def test_installed_kernels_lie_in_the_package(installed):
    (installed / "kernels").mkdir()
    (installed / "kernels" / "cuda_on_host.h").touch()
    assert kernels_folder() == installed / "kernels"


def test_a_package_without_kernels_is_named(installed):
    with pytest.raises(EngineError, match=rf"^the kernels' source is neither .* nor in {installed}; install"):
        kernels_folder()


def test_compiled_kernels_are_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "alexnet2012" / "kernels"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == tmp_path / ".cache" / "alexnet2012" / "kernels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "alexnet2012" / "kernels"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.cu").write_text('#include "common.cuh"\n  #include "b.cuh"\nint a;\n')
    (tmp_path / "b.cuh").write_text('#include "common.cuh"\nint b;\n')
    (tmp_path / "common.cuh").write_text("#pragma once\n#include <math.h>\nint common;\n")
    return tmp_path


def test_a_build_depends_on_all_it_includes_each_once(folder):
    text = included('#include "a.cu"\nint main;\n', folder)
    assert [text.count(f"int {name};") for name in ("main", "a", "b", "common")] == [1, 1, 1, 1]


def test_a_build_depends_on_no_file_that_it_does_not_include(folder):
    before = included('#include "b.cuh"\n', folder)
    (folder / "a.cu").write_text("int other;\n")
    assert included('#include "b.cuh"\n', folder) == before
    (folder / "common.cuh").write_text("int other;\n")
    assert included('#include "b.cuh"\n', folder) != before


def test_inlined_source_has_each_file_once_before_what_uses_it(folder):
    text = inlined('#include "a.cu"\nint main;\n', folder)
    lines = [line for line in text.splitlines() if line.startswith("int ")]
    assert lines == ["int common;", "int b;", "int a;", "int main;"]
    assert '#include "' not in text
    assert "#include <math.h>" in text


def test_inlined_source_keeps_the_files_and_lines_that_compilers_name(folder):
    numbers, file, number = {}, "", 0
    for line in inlined('#include "a.cu"\nint main;\n', folder).splitlines():
        if line.startswith("#line "):
            number, file = int(line.split()[1]) - 1, line.split('"')[1]
        else:
            number += 1
            numbers[line] = file, number
    assert numbers["int common;"] == ("common.cuh", 3)
    assert numbers["int b;"] == ("b.cuh", 2)
    assert numbers["int a;"] == ("a.cu", 3)
    assert numbers["int main;"] == ("entry.cu", 2)


@pytest.mark.parametrize("function", ["fmaxf", "fminf"])
def test_no_kernel_leaves_the_sign_of_a_zero_to_the_compiler(function):
    """Of two zeros fmaxf and fminf return one on a GPU and perhaps the other on a CPU."""
    found = [path.name for path in kernels_folder().glob("*.cu*") if f"{function}(" in path.read_text()]
    assert found == []
