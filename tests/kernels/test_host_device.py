"""The CPU as a device: kernels of the tests' own run on it, and whatever fails says what and where."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from planted import PORT, launch

from cuda_convnet.engines.kernel_engine import host_device
from cuda_convnet.engines.kernel_engine.host_device import HostDevice, Instruments
from cuda_convnet.errors import EngineError

WHERE = """
__device__ int place() {
    const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int threads = blockDim.x * blockDim.y * blockDim.z;
    return block * threads + (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
}

__device__ void where(int* targets) {
    int* const mine = targets + place() * 6;
    mine[0] = blockIdx.x;
    mine[1] = blockIdx.y;
    mine[2] = blockIdx.z;
    mine[3] = threadIdx.x;
    mine[4] = threadIdx.y;
    mine[5] = threadIdx.z;
}
"""

REVERSE = """
template <int THREADS>
__device__ void reverse(const float* values, float* targets) {
    __shared__ float shared[THREADS];
    shared[threadIdx.x] = values[blockIdx.x * THREADS + threadIdx.x];
    __syncthreads();
    targets[blockIdx.x * THREADS + threadIdx.x] = shared[THREADS - 1 - threadIdx.x];
}
"""


def reversed_blocks(device: HostDevice, values, threads: int):
    targets = device.empty(values.shape)
    blocks = values.size // threads
    device.launch(launch("reverse", threads, grid=(blocks, 1, 1), block=(threads, 1, 1)), values, targets)
    return targets


def test_every_thread_of_a_grid_in_three_dimensions_knows_its_place(planted):
    planted.write(WHERE)
    grid, block = (3, 2, 4), (5, 3, 2)
    targets = np.full((4, 2, 3, 2, 3, 5, 6), -1, np.int32)
    planted.device().launch(launch("where", grid=grid, block=block), targets)
    z, y, x, k, j, i = np.indices(targets.shape[:-1])
    np.testing.assert_array_equal(targets, np.stack([x, y, z, i, j, k], axis=-1))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_cores_gives_the_same(planted, threads):
    planted.write(REVERSE)
    values = np.arange(64 * 512, dtype=np.float32)
    targets = reversed_blocks(planted.device(threads), values, 64)
    np.testing.assert_array_equal(targets, values.reshape(-1, 64)[:, ::-1].reshape(-1))


@pytest.mark.parametrize("threads", [1, 2, 31, 1024])
def test_blocks_have_from_1_to_1024_threads(planted, threads):
    planted.write(REVERSE)
    values = np.arange(3 * threads, dtype=np.float32)
    targets = reversed_blocks(planted.device(), values, threads)
    np.testing.assert_array_equal(targets, values.reshape(3, threads)[:, ::-1].reshape(-1))


def test_arguments_of_every_type_arrive(planted):
    planted.write(
        """
        template <class Type, bool ADD>
        __device__ void fill(float* floats, int* ints, const float* source, const int i, const float f,
                             const unsigned long long u, const int b) {
            if (threadIdx.x == 0) {
                floats[0] = source[0];
                floats[1] = f;
                ints[0] = i;
                ints[1] = static_cast<int>(u >> 32);
                ints[2] = ADD ? b + 1 : b;
                ints[3] = sizeof(Type);
            }
        }
        """
    )
    floats, ints = np.zeros(2, np.float32), np.zeros(4, np.int32)
    source = np.full(1, 0.1, np.float32)
    planted.device().launch(
        launch("fill", "double", True), floats, ints, source, -(2**31), 0.7, np.uint64(9 << 32), True
    )
    assert floats.tolist() == np.array([0.1, 0.7], np.float32).tolist()
    assert ints.tolist() == [-(2**31), 9, 2, 8]


def test_the_functions_of_cmath_are_there(planted):
    planted.write(
        """
        __device__ void roots(float* targets) {
            targets[threadIdx.x] = sqrtf(powf(threadIdx.x + 1.0f, 2));
        }
        """
    )
    targets = np.zeros(3, np.float32)
    planted.device().launch(launch("roots", block=(3, 1, 1)), targets)
    assert targets.tolist() == [1, 2, 3]


def test_products_and_sums_are_rounded_apart_and_fmaf_is_not(planted):
    planted.write(
        """
        __device__ void sums(const float* a, float* targets) {
            targets[0] = a[0] * a[0] + a[1];
            targets[1] = fmaf(a[0], a[0], a[1]);
        }
        """
    )
    a = np.array([1 + 2**-12, -1 - 2**-11], np.float32)
    targets = np.empty(2, np.float32)
    planted.device().launch(launch("sums", block=(1, 1, 1)), a, targets)
    assert targets.tolist() == [0, 2**-24]


def test_a_grid_without_blocks_does_nothing(planted):
    planted.write(REVERSE)
    targets = np.ones(3, np.float32)
    planted.device(poison=True).launch(
        launch("reverse", 32, grid=(0, 1, 1)), targets, targets, fresh=[targets]
    )
    assert targets.tolist() == [1, 1, 1]


def test_arrays_may_have_no_values(planted):
    planted.write("__device__ void none(const float* values, const int n) { if (n) (void)values[0]; }")
    planted.device().launch(launch("none"), np.empty((0, 5), np.float32), 0)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_a_number_that_is_no_int_is_refused(planted, value):
    planted.write("__device__ void take(const int n) {}")
    with pytest.raises(EngineError, match=rf"^planted.cu: take, .*: {value} is more than an int holds"):
        planted.device().launch(launch("take"), value)


def test_an_array_in_another_order_is_refused(planted):
    planted.write("__device__ void take(const float* values) {}")
    with pytest.raises(EngineError, match=r"^planted.cu: take, .*shape \(3, 2\) does not lie in C order"):
        planted.device().launch(launch("take"), np.zeros((2, 3), np.float32).T)


# --- mistakes of a kernel ---


def test_an_error_of_the_compiler_names_the_kernel_its_file_and_line(planted):
    planted.write("__device__ void wrong(float* targets) {\n    targets[0] = undeclared;\n}\n")
    with pytest.raises(
        EngineError, match=r"^planted.cu: wrong, .*planted.cu:2:\d+: error: .*undeclared"
    ) as raised:
        planted.device().launch(launch("wrong"), np.zeros(1, np.float32))
    assert "\n" not in str(raised.value)


def test_arguments_that_a_kernel_does_not_take_are_an_error_that_names_it(planted):
    planted.write(REVERSE)
    with pytest.raises(
        EngineError, match=r"^planted.cu: reverse<8>, .*does not compile: .*error: invalid conversion"
    ):
        planted.device().launch(launch("reverse", 8), np.zeros(8, np.float32), 3)


def test_large_arrays_on_the_stack_are_an_error_of_the_compiler(planted):
    planted.write(
        """
        __device__ void large(float* targets, const int n) {
            float own[8000];
            for (int i = 0; i < 8000; i++) own[i] = targets[i % n];
            for (int i = 0; i < n; i++) targets[i] = own[(i * 7919) % 8000];
        }
        """
    )
    with pytest.raises(EngineError, match=r"does not compile: .*frame size"):
        planted.device().launch(launch("large"), np.zeros(8, np.float32), 8)


def test_a_stack_that_is_too_small_is_noticed(planted):
    planted.write(
        """
        __attribute__((noinline)) __device__ float deep(float* values, const int n) {
            volatile float own[2000];
            for (int i = 0; i < 2000; i++) own[i] = values[0];
            return n ? deep(values, n - 1) + own[n] : own[0];
        }
        __device__ void recurse(float* values, const int n) { values[0] = deep(values, n); }
        """
    )
    values, device = np.ones(1, np.float32), planted.device()
    device.launch(launch("recurse", block=(1, 1, 1)), values, 5)
    assert values == 6
    with pytest.raises(EngineError, match=r"recurse, .*more than \d+ bytes of stack"):
        device.launch(launch("recurse", block=(1, 1, 1)), values, 10)


# --- compiled kernels are kept ---


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """The C++ compiler, with a list of what it was called for."""
    calls = tmp_path / "calls"
    calls.touch()
    script = tmp_path / "compiler"
    script.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec g++ "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(script))
    return lambda: sum("-shared" in line for line in calls.read_text().splitlines())


def run_reverse(device):
    values = np.arange(8, dtype=np.float32)
    assert reversed_blocks(device, values, 8).tolist() == [7, 6, 5, 4, 3, 2, 1, 0]


def test_a_kernel_is_compiled_once_for_all_devices(planted, counted):
    planted.write(REVERSE)
    for _ in range(3):
        run_reverse(planted.device())
        run_reverse(planted.device(shuffle=1, poison=True))
    assert counted() == 1


def test_other_source_is_another_library(planted, counted):
    planted.write(REVERSE)
    run_reverse(planted.device())
    (planted.folder / "part.cuh").write_text("// nothing\n")
    planted.write('#include "part.cuh"\n' + REVERSE)
    run_reverse(planted.device())
    (planted.folder / "part.cuh").write_text("// something\n")
    run_reverse(planted.device())
    assert counted() == 3


def test_of_many_processes_one_compiles(planted, counted):
    planted.write(REVERSE)
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from cuda_convnet.engines.kernel_engine.host_device import HostDevice\n"
        "from cuda_convnet.engines.kernel_engine.launch import Launch\n"
        "folder = Path(sys.argv[1])\n"
        "values, targets = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)\n"
        "device = HostDevice(1, cache=folder / 'cache', folder=folder)\n"
        "device.launch(Launch('planted.cu', 'reverse', (8,), (1, 1, 1), (8, 1, 1)), values, targets)\n"
        "assert targets.tolist() == [7, 6, 5, 4, 3, 2, 1, 0]\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PORT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, str(planted.folder)]
    processes = [subprocess.Popen(command, env=environment) for _ in range(5)]
    assert [process.wait(60) for process in processes] == [0] * 5
    assert counted() == 1
    assert [path.suffix for path in planted.cache.iterdir()] == [".so"]


def test_threads_may_share_a_device(planted):
    planted.write(REVERSE)
    device = planted.device()
    values = [np.arange(64 * 128, dtype=np.float32) + i for i in range(4)]
    results = [[] for _ in values]

    def work(i):
        for _ in range(20):
            results[i].append(reversed_blocks(device, values[i], 64))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for value, result in zip(values, results, strict=True):
        expected = value.reshape(-1, 64)[:, ::-1].reshape(-1)
        assert len(result) == 20
        assert all(np.array_equal(targets, expected) for targets in result)


def test_a_cache_that_cannot_be_written_is_named_with_the_mend(planted):
    planted.write(REVERSE)
    planted.cache.write_text("a file where a folder should be")
    with pytest.raises(
        EngineError, match=rf"^{planted.cache}: compiled kernels cannot be kept .*XDG_CACHE_HOME"
    ):
        run_reverse(planted.device())


def test_a_library_that_cannot_be_loaded_is_named(planted, monkeypatch):
    planted.write(REVERSE)
    script = planted.folder / "compiler"
    script.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho damaged > "$2"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(host_device, "compiler", lambda: ([str(script)], "1"))
    with pytest.raises(EngineError, match=rf"cannot be loaded \({planted.cache}/.*; remove it"):
        run_reverse(planted.device())


def test_a_missing_compiler_is_named_with_the_mend(planted, monkeypatch):
    planted.write(REVERSE)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(EngineError, match=r"there is no 'no-such-compiler'; install g\+\+ .* CXX"):
        run_reverse(planted.device())


def test_the_compiler_may_be_named_with_options(planted, monkeypatch):
    planted.write(REVERSE)
    monkeypatch.setenv("CXX", "g++ -Wall -Werror")
    run_reverse(planted.device())


def test_a_process_that_was_not_started_for_sanitizers_is_told_how(monkeypatch):
    monkeypatch.setattr(host_device.ctypes, "CDLL", lambda name: object())
    with pytest.raises(EngineError, match=r"^sanitize: .*LD_PRELOAD=.*ASAN_OPTIONS=detect_leaks=0$"):
        HostDevice(instruments=Instruments(sanitize=True))
