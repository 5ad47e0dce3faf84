"""Kernels on the CPU: an engine to test them with, and devices for sources that tests write."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from planted import PORT, Planted

from cuda_convnet.engines import engine_problem
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.host_device import HostDevice, Instruments, compiler

MODES = {
    "plain": [Instruments()],
    "shuffled": [Instruments(shuffle=seed, poison=True) for seed in (1, 2, 3)],
    "poisoned": [Instruments(poison=True)],
    "sanitized": [Instruments(sanitize=True)],
}


def pytest_generate_tests(metafunc):
    """Each test of `engine` runs with every device of the mode that --kernels names."""
    modes = MODES[metafunc.config.getoption("--kernels")]
    if "engine" in metafunc.fixturenames and len(modes) > 1:
        names = [f"seed{mode.shuffle}" for mode in modes]
        metafunc.parametrize("engine", modes, ids=names, indirect=True, scope="session")


@pytest.fixture(autouse=True, scope="session")
def _compiler():
    """Nothing here works without one."""
    if problem := engine_problem("host"):
        pytest.skip(problem)


@pytest.fixture(scope="session")
def engine(request):
    """Kernels on the CPU, with the instruments that --kernels names."""
    instruments = getattr(request, "param", MODES[request.config.getoption("--kernels")][0])
    return KernelEngine(HostDevice(threads=2, instruments=instruments))


@pytest.fixture
def planted(tmp_path):
    """A folder for kernels of the test's own."""
    return Planted(tmp_path)


@pytest.fixture(scope="session")
def sanitizer_environment():
    """What a process must be started with that runs sanitized kernels."""
    command, _ = compiler()
    found = subprocess.run(
        [*command, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    library = Path(found.stdout.strip())
    if not library.is_absolute():
        pytest.skip("the compiler has no AddressSanitizer")
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(PORT),
        "OPENBLAS_NUM_THREADS": "1",
    }
