"""The host device on another processor: built for aarch64 and emulated, it gives the same bits."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cuda_convnet.engines.kernel_engine.host_device import FLAGS, OPTIMISED
from cuda_convnet.engines.kernel_engine.sources import kernels_folder

PROGRAM = """
#include "cuda_on_host.h"

template <int N>
__device__ void mix(const float* values, float* targets, const int rounds) {
    __shared__ float shared[N];
    const int place = blockIdx.x * N + threadIdx.x;
    float own[8];
    for (int i = 0; i < 8; i++) own[i] = values[place] * (i + 0.5f);
    shared[threadIdx.x] = values[place];
    __syncthreads();
    for (int k = 0; k < rounds; k++) {
        for (int i = 0; i < 8; i++) own[i] = fmaf(own[i], 0.25f, shared[(threadIdx.x + i + k) % N]);
        __syncthreads();
    }
    float sum = shared[N - 1 - threadIdx.x];
    for (int i = 0; i < 8; i++) sum += own[i];
    targets[place] = sum;
}

__device__ void diverge(const unsigned n) {
    if (threadIdx.x < n) __syncthreads();
}

static void call_mix(void** a) { mix<96>(*(const float**)a[0], *(float**)a[1], *(int*)a[2]); }
static void call_diverge(void** a) { diverge(*(unsigned*)a[2]); }

static const int BLOCKS = 300, THREADS = 96, STACK = (64 << 10) + 1088;
static float values[BLOCKS * THREADS], targets[BLOCKS * THREADS];
alignas(64) static char stacks[3 * THREADS * STACK];

int main() {
    char message[512] = "";
    float* pointers[] = {values, targets};
    int rounds = 20;
    void* arguments[] = {&pointers[0], &pointers[1], &rounds};
    for (int i = 0; i < BLOCKS * THREADS; i++) values[i] = (i * 7919 % 1000) / 999.0f;
    for (uint32_t shuffle = 0; shuffle < 2; shuffle++) {
        const cuda_on_host::Launch launch = {{BLOCKS, 1, 1}, {THREADS, 1, 1}, 3, shuffle, 1, 5, stacks, STACK,
                                             message, sizeof message};
        const int failed = cuda_on_host::run(&launch, call_mix, arguments);
        uint64_t hash = 0;
        for (int i = 0; i < BLOCKS * THREADS; i++) {
            uint32_t bits;
            memcpy(&bits, &targets[i], sizeof bits);
            hash = hash * 1000003 + bits;
        }
        printf("%d %016lx\\n", failed, static_cast<unsigned long>(hash));
        const int diverged = cuda_on_host::run(&launch, call_diverge, arguments);
        printf("%d %d\\n", diverged, strstr(message, "not reached by all") != nullptr);
    }
}
"""


def output_of(folder, compiler, *run):
    """What the program prints, built by a compiler and run by a command."""
    source, program = folder / "program.cpp", folder / "program"
    source.write_text(PROGRAM)
    options = [flag for flag in (*FLAGS, *OPTIMISED) if flag != "-shared"]
    subprocess.run(
        [compiler, *options, "-Wall", "-Wextra", "-Werror", "-I", kernels_folder(), "-o", program, source],
        check=True,
    )
    done = subprocess.run([*run, program], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()


def test_the_program_gives_the_same_in_any_order_and_finds_the_divergence(tmp_path):
    first, *others = output_of(tmp_path, "g++")
    assert first.startswith("0 ")
    assert others == ["1 1", first, "1 1"]


def test_aarch64_gives_the_same_bits(tmp_path):
    compiler, emulator = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
    if not compiler or not emulator:
        pytest.skip("needs g++-aarch64-linux-gnu and qemu-user")
    libraries = Path("/usr/aarch64-linux-gnu")
    assert output_of(tmp_path, compiler, emulator, "-L", libraries) == output_of(tmp_path, "g++")
