"""Memory that is used again: new memory for each minibatch would have to be cleared by the system first."""

from __future__ import annotations

import math
import weakref
from collections import deque
from contextlib import suppress

import numpy as np
from numpy.typing import DTypeLike

CACHE_LINE = 64


class BufferPool:
    """Gives arrays that are not initialised, in memory of arrays that nobody refers to any more.

    The memory of an array is given out again once the array and all views of it are gone; to keep an array is
    to keep its memory. Any thread may ask.

    size: bytes of the largest array in such memory; larger ones have memory of their own.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: deque[np.ndarray] = deque()

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """An array with any contents, in C order, that begins on a line of the cache."""
        count = math.prod(shape)
        if count * np.dtype(dtype).itemsize > self._size:
            return np.empty(shape, dtype)
        memory = None
        with suppress(IndexError):
            memory = self._free.pop()
        if memory is None:
            memory = np.empty(self._size + CACHE_LINE, np.uint8)
        # An array in a memoryview is the base of all views of it, and so lives as long as the last of them;
        # were it a view of `memory`, that would be their base.
        start = -memory.ctypes.data % CACHE_LINE
        array = np.frombuffer(memory.data, dtype, count, start)
        weakref.finalize(array, self._free.append, memory).atexit = False
        return array.reshape(shape)
