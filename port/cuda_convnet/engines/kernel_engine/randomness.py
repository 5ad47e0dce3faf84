"""Random numbers of a KernelEngine: the words of NumPy's Philox generator."""

from __future__ import annotations

from math import ceil, prod

import numpy as np

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table import randomness as table
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_arrays

WORD = (1 << 64) - 1


class RandomOperations:
    """The random numbers of a KernelEngine, which supplies `device`."""

    device: Device

    def random_keep_mask(self, targets: Array, *, keep: float, key: tuple[int, int], counter: int) -> None:
        check_arrays("random_keep_mask", targets=targets)
        below = min(max(0, ceil(keep * 2.0**32)), 1 << 32)
        size = prod(targets.shape)
        launch = table.random("random_keep_mask", size, table.MASK_ENTRIES)
        words = stream_words(key, counter)
        self.device.launch(launch, targets, np.uint64(below), *words, np.uint64(size), fresh=[targets])

    def random_normal(self, targets: Array, *, key: tuple[int, int], counter: int) -> None:
        check_arrays("random_normal", targets=targets)
        size = prod(targets.shape)
        launch = table.random("random_normal", size, table.NORMAL_ENTRIES)
        self.device.launch(launch, targets, *stream_words(key, counter), np.uint64(size), fresh=[targets])


def stream_words(key: tuple[int, int], counter: int) -> list[np.uint64]:
    """Counter and key, lowest words first; NumPy's generator steps its counter before each use of it."""
    first = counter + 1
    return [np.uint64(first >> 64 * i & WORD) for i in range(4)] + [np.uint64(word) for word in key]
