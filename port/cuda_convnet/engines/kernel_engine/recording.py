"""A device that computes nothing and records what it is asked to launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch import Launch, argument_types, entry_function
from cuda_convnet.engines.operations import Array

Instance: TypeAlias = tuple[Launch, tuple[str, ...]]
"""A launch of a compiled kernel, and the types of its arguments."""


class RecordingDevice(Device):
    """Records launches; its float32 arrays hold anything, and are zeros on the host.

    Indices are kept, for an engine checks them.

    `launches` has every launch in order, `instances` the first one of each kernel that is to be compiled.
    """

    name = "recording"

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self._instances: dict[str, Instance] = {}

    @property
    def instances(self) -> list[Instance]:
        return list(self._instances.values())

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike = "float32") -> NDArray[Any]:
        return np.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return np.empty(shape, np.float32)

    def from_host(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.copy() if array.dtype == np.int32 else np.empty(array.shape, np.float32)

    def to_host(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.copy() if array.dtype == np.int32 else np.zeros(array.shape, array.dtype)

    def copy(self, source: NDArray[Any], targets: NDArray[Any]) -> None:
        pass

    def launch(self, launch: Launch, *arguments: Any, fresh: Sequence[Array] = ()) -> None:
        if 0 in launch.grid:
            return
        types = argument_types(launch, arguments)
        self.launches.append(launch)
        self._instances.setdefault(launch.file + entry_function(launch, types), (launch, types))

    def sgemm(
        self, a: Array, b: Array, c: Array, *, trans_a: bool, trans_b: bool, alpha: float, beta: float
    ) -> None:
        pass
