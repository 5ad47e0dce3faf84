"""Options of the test run."""

from __future__ import annotations

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


@pytest.fixture(scope="session")
def releases(request):
    """The folder of the original releases."""
    folder = request.config.getoption("--releases")
    if folder is None:
        pytest.skip("needs --releases DIR")
    return folder
