"""The arrays of a KernelEngine: its device's."""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.operations import Array, HostArray
from cuda_convnet.engines.shapes import same_shapes


class MemoryOperations:
    """Memory of a KernelEngine, which supplies `device`."""

    device: Device

    def empty(self, shape: tuple[int, ...]) -> Array:
        return self.device.empty(shape)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        return self.device.zeros(shape)

    def from_host(self, array: HostArray) -> Array:
        return self.device.from_host(np.asarray(array))

    def to_host(self, array: Array) -> HostArray:
        return self.device.to_host(array)

    def copy(self, source: Array, targets: Array) -> None:
        same_shapes("copy", source=source, targets=targets)
        self.device.copy(source, targets)
