"""Each instrument of the host device finds the mistake that is planted for it, and none where none is."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from planted import launch

from cuda_convnet.errors import EngineError

SEEDS = range(1, 6)

MIRROR = """
template <bool WAIT>
__device__ void mirror(const float* values, float* targets) {
    __shared__ float shared[64];
    shared[threadIdx.x] = values[threadIdx.x];
    if (WAIT) __syncthreads();
    targets[threadIdx.x] = shared[63 - threadIdx.x];
}
"""

# A tile that is loaded again and again; the second barrier keeps what other threads still read.
TILES = """
template <bool WAIT>
__device__ void tiles(const float* values, float* targets, const int n) {
    __shared__ float tile[64];
    float sum = 0;
    for (int t = 0; t < n; t++) {
        tile[threadIdx.x] = values[t * 64 + threadIdx.x];
        __syncthreads();
        for (int i = 0; i < 64; i++) sum = fmaf(tile[i], 0.5f + i, sum);
        if (WAIT) __syncthreads();
    }
    targets[threadIdx.x] = sum;
}
"""

CHAIN = """
__device__ void chain(float* targets) {
    targets[blockIdx.x] = blockIdx.x ? targets[blockIdx.x - 1] + 1 : 0;
}
"""


def bits(planted, chosen, shape, *arguments, **instruments):
    """What a kernel writes into an array of zeros, while shared memory holds nothing of a run before."""
    targets = np.zeros(shape, np.float32)
    placed = [targets if argument is None else argument for argument in arguments]
    planted.device(threads=1, poison=True, **instruments).launch(chosen, *placed)
    return targets.tobytes()


# --- shuffled scheduling ---


@pytest.fixture
def values():
    return np.random.RandomState(0).randn(8 * 64).astype(np.float32)


@pytest.mark.parametrize(("source", "kernel", "more"), [(MIRROR, "mirror", ()), (TILES, "tiles", (8,))])
def test_a_missing_barrier_gives_other_bits_in_every_order(planted, values, source, kernel, more):
    planted.write(source)
    arguments = (launch(kernel, False, block=(64, 1, 1)), 64, values, None, *more)
    orders = {bits(planted, *arguments, shuffle=seed) for seed in SEEDS}
    assert len(orders | {bits(planted, *arguments)}) == len(SEEDS) + 1


@pytest.mark.parametrize(("source", "kernel", "more"), [(MIRROR, "mirror", ()), (TILES, "tiles", (8,))])
def test_with_its_barriers_a_kernel_gives_the_same_bits_in_every_order(planted, values, source, kernel, more):
    planted.write(source)
    arguments = (launch(kernel, True, block=(64, 1, 1)), 64, values, None, *more)
    orders = {bits(planted, *arguments, shuffle=seed) for seed in SEEDS}
    assert orders == {bits(planted, *arguments)}


def test_one_missing_barrier_hides_from_threads_that_run_in_their_order(planted):
    planted.write(
        """
        __device__ void shift(const float* values, float* targets) {
            __shared__ float shared[32];
            shared[threadIdx.x] = values[threadIdx.x];
            targets[threadIdx.x] = threadIdx.x ? shared[threadIdx.x - 1] : 0;
        }
        """
    )
    values = np.arange(32, dtype=np.float32)
    right = np.maximum(values - 1, 0).tobytes()
    assert bits(planted, launch("shift"), 32, values, None) == right
    assert all(bits(planted, launch("shift"), 32, values, None, shuffle=seed) != right for seed in SEEDS)


def test_blocks_that_rely_on_their_order_give_other_bits(planted):
    planted.write(CHAIN)
    chosen = launch("chain", grid=(50, 1, 1), block=(1, 1, 1))
    right = np.arange(50, dtype=np.float32).tobytes()
    assert bits(planted, chosen, 50, None) == right
    assert all(bits(planted, chosen, 50, None, shuffle=seed) != right for seed in SEEDS)


@pytest.mark.parametrize("grid", [(1, 1, 1), (2, 3, 4), (1009, 1, 1)])
def test_in_random_order_every_block_and_thread_runs_once(planted, grid):
    planted.write(
        """
        __device__ void count(int* targets) {
            const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
            targets[block * blockDim.x + threadIdx.x]++;
        }
        """
    )
    for seed in SEEDS:
        targets = np.zeros((np.prod(grid), 33), np.int32)
        planted.device(shuffle=seed).launch(launch("count", grid=grid, block=(33, 1, 1)), targets)
        assert (targets == 1).all()


def test_a_seed_gives_the_same_order_again(planted, values):
    planted.write(MIRROR)
    arguments = (launch("mirror", False, block=(64, 1, 1)), 64, values, None)
    assert bits(planted, *arguments, shuffle=7) == bits(planted, *arguments, shuffle=7)


def test_each_launch_has_an_order_of_its_own(planted, values):
    planted.write(MIRROR)
    device, orders = planted.device(shuffle=7, poison=True), set()
    for _ in range(5):
        targets = np.zeros(64, np.float32)
        device.launch(launch("mirror", False, block=(64, 1, 1)), values, targets)
        orders.add(targets.tobytes())
    assert len(orders) == 5


# --- poison ---


def test_an_output_that_a_kernel_does_not_write_holds_nan(planted):
    planted.write(
        """
        __device__ void most(float* targets, int* counts) {
            if (threadIdx.x != 5) {
                targets[threadIdx.x] = 1;
                counts[threadIdx.x] = 1;
            }
        }
        """
    )
    targets, counts = np.zeros(32, np.float32), np.zeros(32, np.int32)
    planted.device(poison=True).launch(launch("most"), targets, counts, fresh=[targets, counts])
    assert np.flatnonzero(np.isnan(targets)).tolist() == [5]
    assert np.flatnonzero(counts == -1).tolist() == [5]


def test_an_output_that_must_not_be_read_shows_if_it_is(planted):
    planted.write(
        """
        __device__ void scaled(const float* values, float* targets, const float scaleTargets) {
            targets[threadIdx.x] = scaleTargets * targets[threadIdx.x] + values[threadIdx.x];
        }
        """
    )
    values, targets = np.ones(32, np.float32), np.ones(32, np.float32)
    for poison, unharmed in ((False, True), (True, False)):
        planted.device(poison=poison).launch(launch("scaled"), values, targets, 0.0, fresh=[targets])
        assert (targets == 1).all() == unharmed


LEFT = """
__device__ void left(float* targets) {
    __shared__ float first[32];
    __shared__ float second[2][16];
    if (blockIdx.x == 0) first[threadIdx.x] = second[threadIdx.x / 16][threadIdx.x % 16] = 1;
    if (threadIdx.x == 0) first[0] = 1;
    targets[(blockIdx.x * 2) * 32 + threadIdx.x] = first[threadIdx.x];
    targets[(blockIdx.x * 2 + 1) * 32 + threadIdx.x] = second[threadIdx.x / 16][threadIdx.x % 16];
}
"""


def test_shared_memory_that_a_block_reads_before_it_writes_is_nan(planted):
    planted.write(LEFT)
    targets = np.zeros((2, 2, 32), np.float32)
    planted.device(threads=1).launch(launch("left", grid=(2, 1, 1)), targets)
    assert (targets == 1).all(), "what the first block left hides the mistake"
    planted.device(threads=1, poison=True).launch(launch("left", grid=(2, 1, 1)), targets)
    assert (targets[0] == 1).all()
    assert targets[1, 0, 0] == 1
    assert np.isnan(targets[1].reshape(-1)[1:]).all()


def test_every_core_poisons_its_shared_memory(planted):
    planted.write(LEFT)
    targets = np.zeros((5000, 2, 32), np.float32)
    planted.device(threads=3, poison=True).launch(launch("left", grid=(5000, 1, 1)), targets)
    assert np.isnan(targets[1:].reshape(4999, -1)[:, 1:]).all()


def test_new_arrays_hold_nan(planted):
    device = planted.device(poison=True)
    assert np.isnan(device.empty((3, 5))).all()
    assert (device.empty((3, 5), np.int32) == -1).all()
    assert (device.zeros((3, 5)) == 0).all()


# --- barriers that not all threads reach ---

DIVERGENT = """
template <int HOW>
__device__ void divergent(float* targets) {
    targets[threadIdx.x] = 0;
    if (HOW == 0) {
        if (threadIdx.x < 20) __syncthreads();  // some
    } else if (HOW == 1) {
        if (threadIdx.x == 31) return;
        __syncthreads();  // all but one
    } else if (threadIdx.x % 2) {
        __syncthreads();  // odd
    } else {
        __syncthreads();  // even
    }
    targets[threadIdx.x] = 1;
}
"""


@pytest.mark.parametrize("instruments", [{}, {"shuffle": 1, "poison": True}])
@pytest.mark.parametrize(
    ("how", "texts"), [(0, ["// some"]), (1, ["// all but one"]), (2, ["// odd", "// even"])]
)
def test_a_barrier_that_some_threads_miss_is_an_error_with_kernel_and_line(planted, how, texts, instruments):
    planted.write(DIVERGENT)
    device, targets = planted.device(**instruments), np.zeros(32, np.float32)
    with pytest.raises(EngineError, match=rf"^planted.cu: divergent<{how}>, .*not reached by all") as raised:
        device.launch(launch("divergent", how, grid=(3, 1, 1)), targets)
    message = str(raised.value)
    assert "\n" not in message
    assert all(f"planted.cu:{planted.line(text)}" in message for text in texts)
    assert ("has ended" in message) == (len(texts) == 1)


def test_after_a_kernel_that_failed_a_device_runs_others(planted, values):
    planted.write(DIVERGENT + MIRROR)
    device, targets = planted.device(), np.zeros(64, np.float32)
    for _ in range(3):
        with pytest.raises(EngineError, match="not reached by all"):
            device.launch(launch("divergent", 0), targets)
        device.launch(launch("mirror", True, block=(64, 1, 1)), values, targets)
        assert targets.tolist() == values[63::-1].tolist()


# --- sanitizers, each in a process of its own, which they end ---

RUN = """
import sys
from pathlib import Path
import numpy as np
from cuda_convnet.engines.kernel_engine.host_device import HostDevice, Instruments
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.errors import EngineError

folder = Path(sys.argv[1])
device = HostDevice(
    2, Instruments(shuffle=1, poison=True, sanitize=True), cache=folder / "cache", folder=folder
)
values, targets = np.arange(32, dtype=np.float32), np.zeros(32, np.float32)


def launch(kernel, *template, blocks=3):
    return Launch("planted.cu", kernel, template, (blocks, 1, 1), (32, 1, 1))


"""


@pytest.fixture
def sanitized(planted, sanitizer_environment):
    """Runs Python with `device`, `values`, `targets` and `launch` in a process with sanitizers."""

    def run(code):
        return subprocess.run(
            [sys.executable, "-c", RUN + code, str(planted.folder)],
            env=sanitizer_environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


PLANTED = {
    "global memory, read behind its end": ("targets[i] = values[i + 1];", "heap-buffer-overflow"),
    "global memory, read before its start": ("targets[i] = values[i - 1];", "heap-buffer-overflow"),
    "global memory, written": ("targets[i + 32] = 0;", "heap-buffer-overflow"),
    "shared memory": ("targets[i] = at(shared, i + 1);", "global-buffer-overflow"),
    "shared memory, by its index": ("targets[i] = shared[i + 1];", "out of bounds for type 'float [32]'"),
    "an array of a thread": ("float own[4] = {}; targets[i] = at(own, n + 2);", "stack-buffer-overflow"),
    "an index that overflows": ("targets[((n << 29) + (n << 29) + i) & 31] = 0;", "signed integer overflow"),
    "a shift by too much": ("targets[i] = 1 << (n + 30);", "shift exponent 32"),
    "a division by zero": ("targets[i] = n / (n - 2);", "division by zero"),
    "a float that is no int": ("targets[i] = static_cast<int>(values[i] * 1e10f);", "outside the range"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_sanitizers_end_the_process_and_name_the_line_of(planted, sanitized, what):
    code, report = PLANTED[what]
    planted.write(
        "__attribute__((noinline)) __device__ float at(const float* p, const int i) { return p[i]; }\n"
        "__device__ void wrong(const float* values, float* targets, const int n) {\n"
        "    __shared__ float shared[32];\n"
        "    const int i = threadIdx.x;\n"
        "    shared[i] = values[i];\n"
        "    __syncthreads();\n"
        f"    {code}  // planted\n"
        "    __syncthreads();\n"
        "    targets[i] += shared[31 - i];\n"
        "}\n"
    )
    done = sanitized("device.launch(launch('wrong'), values, targets, 2)\nprint('survived')\n")
    assert done.returncode != 0
    assert "survived" not in done.stdout
    assert report in done.stderr
    assert f"planted.cu:{planted.line('// planted')}" in done.stderr


def test_sanitizers_let_a_right_kernel_run(planted, sanitized):
    planted.write(
        """
        template <int N>
        __device__ void right(const float* values, float* targets) {
            __shared__ float shared[2][16];
            float own[N];
            for (int i = 0; i < N; i++) own[i] = values[(threadIdx.x + i) % 32];
            shared[threadIdx.x / 16][threadIdx.x % 16] = own[N - 1];
            __syncthreads();
            if (blockIdx.x == 0) targets[threadIdx.x] = shared[1 - threadIdx.x / 16][threadIdx.x % 16];
        }
        """
    )
    done = sanitized(
        "for _ in range(3):\n"
        "    device.launch(launch('right', 3), values, targets, fresh=[targets])\n"
        "    assert targets.tolist() == np.roll(values, 14).tolist(), targets\n"
        "    device.launch(launch('right', 5), values, targets, fresh=[targets])\n"
        "    assert targets.tolist() == np.roll(values, 12).tolist(), targets\n"
        "print('survived')\n"
    )
    assert done.stdout == "survived\n", done.stderr


def test_with_sanitizers_shared_memory_is_poisoned_too(planted, sanitized):
    planted.write(LEFT)
    done = sanitized(
        "targets = np.zeros((2, 2, 32), np.float32)\n"
        "device.launch(launch('left', blocks=2), targets)\n"
        "assert np.isnan(targets[1].reshape(-1)[1:]).all() and (targets[0] == 1).all(), targets\n"
        "print('survived')\n"
    )
    assert done.stdout == "survived\n", done.stderr


def test_with_sanitizers_a_failed_barrier_leaves_nothing_behind(planted, sanitized):
    planted.write(DIVERGENT + MIRROR)
    done = sanitized(
        "values = np.arange(64, dtype=np.float32)\n"
        "targets = np.zeros(64, np.float32)\n"
        "for _ in range(3):\n"
        "    for how in range(3):\n"
        "        try:\n"
        "            device.launch(launch('divergent', how), targets)\n"
        "        except EngineError as error:\n"
        "            assert 'not reached by all' in str(error)\n"
        "    device.launch(Launch('planted.cu', 'mirror', (True,), (2, 1, 1), (64, 1, 1)), values, targets)\n"
        "    assert (targets == values[::-1]).all()\n"
        "print('survived')\n"
    )
    assert done.stdout == "survived\n", done.stderr
