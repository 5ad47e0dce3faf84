"""Launches of the matrix operations: elementwise, with vectors, transposed, summed.

cuda-convnet:include/nvmatrix/nvmatrix_kernels.cuh, src/nvmatrix/nvmatrix.cu
"""

from __future__ import annotations

from math import ceil, log

from cuda_convnet.engines.kernel_engine.launch import Launch, TemplateArgument

ENOUGH_BLOCKS = 2048
"""To fill a GPU, of a grid whose threads come back for more."""

THREADS = 256
VECTOR_X, VECTOR_Y = 64, 4
TILE, TILE_Y = 32, 8

FEW_ROWS_END = 16384
"""From so many rows on each is summed in lanes, many rows to a block."""

WIDE_ROW = 512
"""From this width on a row has a block whose threads go along it."""

LANES, LANES_Y, LANES_ROWS = 32, 8, 256

TOTAL_THREADS = 512
HOST_TOTAL = 4096
"""So few numbers are summed on the host."""


def elementwise(file: str, kernel: str, size: int, *template: TemplateArgument) -> Launch:
    """A kernel whose blocks have equal shares of the entries."""
    blocks = min(ENOUGH_BLOCKS, -(-size // THREADS))
    return Launch(file, kernel, (THREADS, *template), (blocks, 1, 1), (THREADS, 1, 1))


def matrix_vector(operator: str, height: int, width: int, *, per_row: bool) -> Launch:
    """kRowVectorOp, kColVectorOp: blocks of 64 columns by 4 rows."""
    across = -(-width // VECTOR_X)
    down = min(max(1, ENOUGH_BLOCKS // max(1, across)), -(-height // VECTOR_Y))
    template = (VECTOR_X, VECTOR_Y, per_row, operator)
    return Launch("matrix_vector.cu", "matrix_vector", template, (across, down, 1), (VECTOR_X, VECTOR_Y, 1))


def transpose(height: int, width: int) -> Launch:
    """One block for each square of 32 x 32 entries."""
    tiles = -(-height // TILE) * -(-width // TILE)
    return Launch("transpose.cu", "matrix_transpose", (TILE, TILE_Y), (tiles, 1, 1), (TILE, TILE_Y, 1))


def aggregate(aggregate: str, finish: str, height: int, width: int, *, axis: int) -> Launch:
    """_aggregate: which order the entries of a column (axis 0) or of a row (axis 1) are taken in."""
    file, ends = "matrix_sums.cu", (aggregate, finish)
    if axis == 0:
        blocks = -(-width // THREADS)
        return Launch(file, "aggregate_columns", (THREADS, *ends), (blocks, 1, 1), (THREADS, 1, 1))
    if height >= FEW_ROWS_END:
        blocks, template = -(-height // LANES_ROWS), (LANES, LANES_Y, LANES_ROWS, *ends)
        return Launch(file, "aggregate_many_rows", template, (blocks, 1, 1), (LANES, LANES_Y, 1))
    if width >= WIDE_ROW:
        return Launch(file, "aggregate_wide_rows", (THREADS, *ends), (height, 1, 1), (THREADS, 1, 1))
    threads = next(threads for threads in (32, 64, 128, 256) if width <= 2 * threads)
    return Launch(file, "aggregate_rows", (threads, *ends), (height, 1, 1), (threads, 1, 1))


def total_columns(size: int) -> int:
    """_sum_setParams: how many running sums there are of `size` numbers."""
    return -(-size // max(1, ceil(log(size) / log(2))))


def total(kernel: str, size: int, *template: TemplateArgument) -> Launch:
    """kTotalAgg and kDotProduct_r: a thread for each running sum; as many blocks as numbers are left."""
    blocks = -(-total_columns(size) // TOTAL_THREADS)
    return Launch("matrix_sums.cu", kernel, (TOTAL_THREADS, *template), (blocks, 1, 1), (TOTAL_THREADS, 1, 1))
