"""The table of what nvcc makes of the kernels is of this source, and convolutions need only registers."""

from __future__ import annotations

import shutil
import subprocess
from itertools import groupby, product
from operator import itemgetter

import pytest

from alexnet2012 import compile_table
from alexnet2012.compile_table import (
    ARCHITECTURES,
    CONVOLUTIONS,
    NAME,
    Row,
    Table,
    checksum,
    nvcc_architectures,
)
from alexnet2012.kernel_use import convolve, used_kernels
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.cuda_device import NVCC_OPTIONS
from cuda_convnet.engines.kernel_engine.launch import Launch, entry_function
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice
from cuda_convnet.engines.kernel_engine.sources import kernels_folder
from cuda_convnet.errors import EngineError

AGAIN = "python -m alexnet2012.compile_table brings it up to date"
MOST_SHARED = 48 << 10
NVCC = pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")


@pytest.fixture(scope="module")
def table():
    return compile_table.read(kernels_folder() / NAME)


@pytest.fixture(scope="module")
def used():
    return used_kernels()


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


def test_the_table_is_of_this_source_for_every_kernel_that_is_used(table, used):
    folder = kernels_folder()
    rows = {
        (launch.file, launch.instance, launch.threads, checksum((launch, types), folder), sm)
        for launch, types in used
        for sm in ARCHITECTURES
    }
    assert {(row.file, row.kernel, row.threads, row.source, row.sm) for row in table.rows} == rows, AGAIN


def test_every_kernel_that_a_convolution_may_launch_is_used(used):
    device = RecordingDevice()
    engine = KernelEngine(device)
    images = (1, 16, 32, 33, 64, 96, 100, 128, 192, 256, 384)
    filters = (1, 3, 8, 15, 16, 24, 32, 48, 64, 80, 96, 128, 192, 384)
    channels = (*range(1, 19), 20, 24, 32, 33, 48, 64, 96, 256)
    for sizes in product(images, filters, channels):
        convolve(engine, *sizes)
    convolutions = {
        (launch.file, launch.instance, types) for launch, types in used if launch.file in CONVOLUTIONS
    }
    assert {(launch.file, launch.instance, types) for launch, types in device.instances} <= convolutions


@NVCC
@pytest.mark.parametrize("sm", ARCHITECTURES)
def test_an_instance_of_every_kernel_compiles(used, sm, tmp_path):
    if sm not in nvcc_architectures():
        pytest.skip(f"this nvcc knows no sm_{sm}")
    folder = kernels_folder()
    one_of = {(launch.file, launch.kernel): (launch, types) for launch, types in used}
    assert {file for file, _ in one_of} == {path.name for path in folder.glob("*.cu")}
    # files have names of their own that others have, too; headers come first, for they are included once
    text = [f'#include "{path.name}"\n' for path in sorted(folder.glob("*.cuh"))]
    for i, (file, instances) in enumerate(groupby(sorted(one_of), itemgetter(0))):
        functions = (entry_function(*one_of[name], f"entry_{i}_{j}") for j, name in enumerate(instances))
        text.append(f'namespace of_{i} {{\n#include "{file}"\n{"".join(functions)}}}\n')
    source = tmp_path / "every.cu"
    source.write_text("".join(text))
    command = [
        "nvcc",
        "-cubin",
        f"-arch=sm_{sm}",
        *NVCC_OPTIONS,
        "-I",
        folder,
        "-o",
        tmp_path / "every.cubin",
    ]
    done = subprocess.run([*command, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_kernel_file_is_in_the_table(table):
    assert {row.file for row in table.rows} == {path.name for path in kernels_folder().glob("*.cu")}


def test_convolutions_keep_in_registers_what_is_a_threads_own(table):
    convolutions = [row for row in table.rows if row.file in CONVOLUTIONS]
    assert convolutions
    assert [row for row in convolutions if not row.in_registers] == []


def test_shared_memory_is_what_every_gpu_has(table):
    assert [row for row in table.rows if row.shared > MOST_SHARED] == []


@NVCC
def test_registers_shared_memory_and_spills_are_measured(toy):
    folder, instances = toy
    found = {(row.kernel, row.sm): row for row in compile_table.compile_all(instances, folder).rows}
    assert len(found) == 2 * len(nvcc_architectures())
    for sm in nvcc_architectures():
        assert found["toy<2>", sm].in_registers
        assert found["toy<2>", sm].shared == 128
        assert found["toy<128>", sm].spill_stores > 0
        assert found["toy<128>", sm].spill_loads > 0
        assert not found["toy<128>", sm].in_registers
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


def test_of_a_table_with_other_columns_nothing_is_taken(tmp_path):
    (tmp_path / NAME).write_text("# nvcc 13.0.1\nfile,kernel,registers\ntoy.cu,toy<2>,32\n")
    assert compile_table.read(tmp_path / NAME) == Table("13.0.1", ())


@NVCC
def test_an_array_that_is_not_in_registers_is_measured_as_stack(tmp_path):
    (tmp_path / "stack.cu").write_text(
        "template <int N> __device__ void stack(float* a, const int n) {\n"
        "    float held[N];\n"
        "    for (int i = 0; i < N; i++) held[i] = a[i];\n"
        "    a[0] = held[n];\n"
        "}\n"
    )
    launch = Launch("stack.cu", "stack", (1000,), (1, 1, 1), (32, 1, 1))
    for row in compile_table.compile_all([(launch, ("float*", "int"))], tmp_path).rows:
        assert row.stack >= 4000
        assert row.spill_stores == row.spill_loads == 0
        assert not row.in_registers


@NVCC
def test_a_kernel_that_does_not_compile_is_told_in_nvccs_words(tmp_path):
    (tmp_path / "bad.cu").write_text("template <int N> __device__ void bad(float* a) { *a = nothing; }\n")
    launch = Launch("bad.cu", "bad", (1,), (1, 1, 1), (1, 1, 1))
    with pytest.raises(EngineError, match=r'^bad\.cu: it does not compile: .*"nothing" is undefined$'):
        compile_table.compile_all([(launch, ("float*",))], tmp_path)


@NVCC
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_kernels_compile_to_what_the_table_says(table, used):
    again = compile_table.compile_all(used, kernels_folder())
    assert [row for row in again.rows if row.file in CONVOLUTIONS and not row.in_registers] == []
    if again.nvcc == table.nvcc:
        assert again == table
