"""Which of several zeros a maximum or minimum is.

+0 and -0 are equal, and which of them the original's reductions return follows from their order of
comparison: `a > b ? a : b` for a maximum and `a > b ? b : a` for a minimum. Answers to
`cuda-convnet:include/nvmatrix/nvmatrix_kernels.cuh` and the dispatch in `nvmatrix.cu`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.engines.operations import HostArray

MANY_ROWS = 16384  # from which on the original sums each row in one thread's order
WIDE_ROW = 512  # from which on a row has its own block
LANES = 32
BLOCK_LANES = 256
SHORT_ROW = 16


def _precedence(rows: int, columns: int, axis: int, largest: bool) -> NDArray[np.int64]:
    """Of equal entries along the axis the one with the highest precedence is returned."""
    index = np.arange(rows if axis == 0 else columns)
    sign = 1 if largest else -1
    if axis == 0:
        return -sign * index  # straight down: the maximum keeps the first
    if rows >= MANY_ROWS:
        if columns <= SHORT_ROW:
            return sign * index
        return sign * ((index % LANES) * columns - index)  # lane after lane; a lane keeps its first
    if columns >= WIDE_ROW:
        return sign * ((index % BLOCK_LANES) * columns + index)
    bits = max(6, int(columns - 1).bit_length())  # a tree that halves: the last bit decides first
    reversed_index = np.zeros_like(index)
    for bit in range(bits):
        reversed_index |= ((index >> bit) & 1) << (bits - 1 - bit)
    return sign * reversed_index


def settle_zeros(matrix: HostArray, extremes: HostArray, axis: int, *, largest: bool) -> None:
    """Give the extremes (one for each row or column) that are zero the sign that the original's have."""
    lines = np.flatnonzero(extremes == 0)
    if lines.size == 0:
        return
    entries = matrix.take(lines, axis=1 - axis)
    rows, columns = matrix.shape
    precedence = _precedence(rows, columns, axis, largest)
    precedence = precedence[:, None] if axis == 0 else precedence
    chosen = np.where(entries == 0, precedence, np.iinfo(np.int64).min).argmax(axis=axis)
    extremes[lines] = np.take_along_axis(entries, np.expand_dims(chosen, axis), axis).reshape(-1)
