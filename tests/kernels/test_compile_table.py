"""The table of what nvcc makes of the kernels is that of this source, and no convolution spills registers."""

from __future__ import annotations

import shutil

import pytest

from alexnet2012 import compile_table
from alexnet2012.compile_table import ARCHITECTURES, CONVOLUTIONS, NAME, Row, checksum
from alexnet2012.kernel_use import used_kernels
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.sources import kernels_folder
from cuda_convnet.errors import EngineError

AGAIN = "python -m alexnet2012.compile_table brings it up to date"
MOST_SHARED = 48 << 10
NVCC = pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")


@pytest.fixture(scope="module")
def table():
    return compile_table.read(kernels_folder() / NAME)


@pytest.fixture
def toy(tmp_path):
    """A folder with two kernels, and their launches: one wants more registers than a block of 1024 has."""
    (tmp_path / "toy.cu").write_text(
        "template <int N> __device__ void toy(float* a, const int n) {\n"
        "    __shared__ float held[32];\n"
        "    held[threadIdx.x % 32] = a[threadIdx.x];\n"
        "    __syncthreads();\n"
        "    float sums[N];\n"
        "    for (int i = 0; i < N; i++) sums[i] = a[i * n];\n"
        "    for (int k = 0; k < n; k++)\n"
        "        for (int i = 0; i < N; i++) sums[i] = fmaf(sums[i], sums[(i + 7) % N], held[k % 32]);\n"
        "    for (int i = 0; i < N; i++) a[i * n + threadIdx.x] = sums[i];\n"
        "}\n"
    )
    types = ("float*", "int")
    return tmp_path, [
        (Launch("toy.cu", "toy", (2,), (1, 1, 1), (32, 1, 1)), types),
        (Launch("toy.cu", "toy", (128,), (1, 1, 1), (1024, 1, 1)), types),
    ]


def test_the_table_is_of_this_source_for_every_kernel_that_is_used(table):
    folder = kernels_folder()
    used = {
        (launch.file, launch.instance, launch.threads, checksum((launch, types), folder), sm)
        for launch, types in used_kernels()
        for sm in ARCHITECTURES
    }
    assert {(row.file, row.kernel, row.threads, row.source, row.sm) for row in table.rows} == used, AGAIN


def test_every_kernel_file_is_in_the_table(table):
    assert {row.file for row in table.rows} == {path.name for path in kernels_folder().glob("*.cu")}


def test_no_convolution_spills_registers(table):
    convolutions = [row for row in table.rows if row.file in CONVOLUTIONS]
    assert convolutions
    assert [row for row in convolutions if row.spills] == []


def test_shared_memory_is_what_every_gpu_has(table):
    assert max(row.shared for row in table.rows) <= MOST_SHARED


@NVCC
def test_registers_shared_memory_and_spills_are_measured(toy):
    folder, instances = toy
    found = {(row.kernel, row.sm): row for row in compile_table.compile_all(instances, folder).rows}
    assert len(found) == 2 * len(ARCHITECTURES)
    for sm in ARCHITECTURES:
        assert not found["toy<2>", sm].spills
        assert found["toy<2>", sm].shared == 128
        assert found["toy<128>", sm].spills
        assert found["toy<128>", sm].registers == 64


@pytest.fixture
def compiled(monkeypatch):
    """What is given to a compiler that only pretends."""
    seen = []

    def compile(batch, folder):
        seen.extend(batch)
        return [
            Row(
                launch.file,
                launch.instance,
                launch.threads,
                checksum((launch, types), folder),
                75,
                32,
                0,
                0,
                0,
            )
            for launch, types in batch
        ]

    monkeypatch.setattr(compile_table, "_compile", compile)
    monkeypatch.setattr(compile_table, "nvcc_version", lambda: "13.0.1")
    return seen


def test_only_what_has_changed_is_compiled_again(toy, compiled):
    folder, instances = toy
    table = compile_table.compile_all(instances, folder)
    assert compiled == instances
    compiled.clear()
    assert compile_table.compile_all(instances, folder, table) == table
    assert not compiled
    with (folder / "toy.cu").open("a") as file:
        file.write("// changed\n")
    again = compile_table.compile_all(instances[:1], folder, table)
    assert compiled == instances[:1]
    assert len(again.rows) == 1


def test_another_nvcc_compiles_everything_again(toy, compiled, monkeypatch):
    folder, instances = toy
    table = compile_table.compile_all(instances, folder)
    monkeypatch.setattr(compile_table, "nvcc_version", lambda: "13.1.2")
    assert compile_table.compile_all(instances, folder, table).nvcc == "13.1.2"
    assert compiled == 2 * instances


def test_a_table_is_read_as_it_was_written(toy, compiled, tmp_path):
    folder, instances = toy
    table = compile_table.compile_all(instances, folder)
    compile_table.write(table, tmp_path / NAME)
    assert compile_table.read(tmp_path / NAME) == table


@NVCC
def test_a_kernel_that_does_not_compile_is_told_in_nvccs_words(tmp_path):
    (tmp_path / "bad.cu").write_text("template <int N> __device__ void bad(float* a) { *a = nothing; }\n")
    launch = Launch("bad.cu", "bad", (1,), (1, 1, 1), (1, 1, 1))
    with pytest.raises(EngineError, match=r'^bad\.cu: it does not compile: .*"nothing" is undefined$'):
        compile_table.compile_all([(launch, ("float*",))], tmp_path)


@NVCC
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_kernels_compile_to_what_the_table_says(table):
    again = compile_table.compile_all(used_kernels(), kernels_folder())
    assert [row for row in again.rows if row.file in CONVOLUTIONS and row.spills] == []
    if again.nvcc == table.nvcc:
        assert again == table
