"""All archived operations on the CPU with all its instruments: whatever one of them finds is a mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from beside import replayed

from alexnet2012.record import places
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.host_device import HostDevice, Instruments

with h5py.File(places.original_path() / "activations" / "ops.h5") as archive:
    OPERATIONS = sorted(archive)

PARTS = 6
"""Processes with sanitizers; each compiles for about half a minute where nothing is compiled yet."""


@pytest.fixture(scope="session")
def watched(request):
    """Kernels with shuffled threads and poisoned memory; sanitized too if --kernels says so."""
    sanitize = request.config.getoption("--kernels") == "sanitized"
    return KernelEngine(HostDevice(2, Instruments(shuffle=1, poison=True, sanitize=sanitize)))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_instrument_finds_a_mistake_in(watched, operation, tmp_path):
    cases = replayed(watched, operation, tmp_path)
    assert cases
    assert not [f"{case.case} {case.output}" for case in cases if not case.ok]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_sanitizer_finds_a_mistake(part, sanitizer_environment):
    names = [f"test_no_instrument_finds_a_mistake_in[{name}]" for name in OPERATIONS[part::PARTS]]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--kernels", "sanitized"]
    own = {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, *(f"{__file__}::{name}" for name in names)],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in sanitizer_environment.items() if name not in own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert f"{len(names)} passed" in done.stdout
