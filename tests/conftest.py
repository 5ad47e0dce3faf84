"""Options of the test run."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--releases",
        type=Path,
        metavar="DIR",
        help="folder with the work trees of the original releases: alexnet, cuda-convnet, cuda-convnet2",
    )
    parser.addoption(
        "--kernels",
        choices=("plain", "shuffled", "poisoned", "sanitized"),
        default="plain",
        help="how tests/kernels run kernels on the CPU; sanitized: with libasan in LD_PRELOAD",
    )


def find_mpiexec():
    """The command that starts MPI's processes: the environment's own, else the system's; None without one."""
    return shutil.which("mpiexec", path=Path(sys.executable).parent) or shutil.which("mpiexec")


def pytest_collection_modifyitems(items):
    """Skip what needs MPI where mpi4py or an MPI library is missing."""
    if importlib.util.find_spec("mpi4py") and find_mpiexec():
        return
    for item in items:
        if item.get_closest_marker("mpi"):
            item.add_marker(pytest.mark.skip(reason="needs MPI: pip install 'alexnet2012[mpi]'"))


@pytest.fixture(scope="session")
def mpiexec():
    """The path of mpiexec."""
    return find_mpiexec()


@pytest.fixture(scope="session")
def releases(request):
    """The folder of the original releases."""
    folder = request.config.getoption("--releases")
    if folder is None:
        pytest.skip("needs --releases DIR")
    return folder
