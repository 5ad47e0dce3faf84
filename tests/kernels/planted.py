"""Kernels that tests write themselves, in a folder of their own."""

from __future__ import annotations

from pathlib import Path

from cuda_convnet.engines.kernel_engine.host_device import HostDevice, Instruments
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.sources import kernels_folder

PORT = Path(__file__).resolve().parents[2] / "port"
"""Where processes that tests start find the library."""


class Planted:
    """A folder with one source of kernels, `planted.cu`, and devices that run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        (folder / "cuda_on_host.h").symlink_to(kernels_folder() / "cuda_on_host.h")

    def write(self, source: str) -> None:
        (self.folder / "planted.cu").write_text(source)

    def device(self, threads: int = 2, **instruments) -> HostDevice:
        return HostDevice(threads, Instruments(**instruments), cache=self.cache, folder=self.folder)

    def line(self, text: str) -> int:
        """The number of the first line that has this text."""
        lines = (self.folder / "planted.cu").read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)


def launch(kernel: str, *template, grid=(1, 1, 1), block=(32, 1, 1)) -> Launch:
    """A launch of a kernel of `planted.cu`."""
    return Launch("planted.cu", kernel, template, grid, block)
