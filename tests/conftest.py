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


def find_browser():
    """Chromium, or Chrome, and its driver; None where one is missing, or Selenium, which drives them."""
    found = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    return found if all(found) and importlib.util.find_spec("selenium") else None


NEEDS = {
    "mpi": (
        lambda: importlib.util.find_spec("mpi4py") and find_mpiexec(),
        "needs MPI: pip install 'alexnet2012[mpi]'",
    ),
    "browser": (
        find_browser,
        "needs a browser: apt-get install chromium chromium-driver; pip install 'alexnet2012[browser]'",
    ),
}
"""What tests of a mark need, and how to get it."""


def pytest_collection_modifyitems(items):
    """Skip what needs MPI, or a browser, where that is missing."""
    for mark, (find, reason) in NEEDS.items():
        if not find():
            for item in items:
                if item.get_closest_marker(mark):
                    item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def browser_programs():
    """The paths of Chromium and its driver."""
    return find_browser()


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
    return request.config.invocation_params.dir / folder
