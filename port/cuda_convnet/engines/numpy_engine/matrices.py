"""Matrices: elementwise arithmetic, vectors along rows and columns, sums and extremes, memory."""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.numpy_engine.blocks import BLOCK, elementwise, quiet, spans
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.scaling import combine
from cuda_convnet.engines.numpy_engine.zeros import settle_zeros
from cuda_convnet.engines.operations import Array, HostArray
from cuda_convnet.engines.shapes import (
    check_axis,
    check_not_empty,
    check_reduction,
    check_tile,
    check_transpose,
    check_vector,
    same_shapes,
)

LONG = 1 << 18
"""Entries from which on a reduction is worth the waking of other cores; also the longest piece of a row."""


class MatrixOperations:
    """The matrices of the NumPy engine; the engine supplies `pool`."""

    pool: WorkerPool

    # --- memory ---

    def empty(self, shape: tuple[int, ...]) -> Array:
        return np.empty(shape, np.float32)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape, np.float32)

    def from_host(self, array: HostArray) -> Array:
        kind = np.int32 if array.dtype.kind in "iu" else np.float32
        return np.array(array, kind, order="C")

    def to_host(self, array: Array) -> HostArray:
        return np.array(array, order="C")

    def copy(self, source: HostArray, targets: HostArray) -> None:
        same_shapes("copy", source=source, targets=targets)
        elementwise(self.pool, lambda a, b: np.copyto(b, a), source, targets)

    # --- elementwise ---

    def matrix_add(
        self, a: HostArray, b: HostArray, result: HostArray, *, scale_a: float = 1.0, scale_b: float = 1.0
    ) -> None:
        same_shapes("matrix_add", a=a, b=b, result=result)

        def work(one: HostArray, other: HostArray, target: HostArray) -> None:
            if scale_b != 1:
                part = self.pool.scratch("scaled matrix", other.shape)
                other = np.multiply(other, scale_b, out=part)
            if scale_a != 1:
                part = self.pool.scratch("other scaled matrix", one.shape)
                one = np.multiply(one, scale_a, out=part)
            np.add(one, other, out=target)

        elementwise(self.pool, work, a, b, result)

    def matrix_scale(self, a: HostArray, result: HostArray, *, scale: float) -> None:
        same_shapes("matrix_scale", a=a, result=result)
        elementwise(self.pool, lambda one, target: np.multiply(one, scale, out=target), a, result)

    def matrix_mult(self, a: HostArray, b: HostArray, result: HostArray, *, add: bool = False) -> None:
        same_shapes("matrix_mult", a=a, b=b, result=result)

        def work(one: HostArray, other: HostArray, target: HostArray) -> None:
            if add:
                part = self.pool.scratch("scaled matrix", one.shape)
                np.multiply(one, other, out=part)
                np.add(target, part, out=target)
            else:
                np.multiply(one, other, out=target)

        elementwise(self.pool, work, a, b, result)

    def matrix_square(self, a: HostArray, result: HostArray) -> None:
        same_shapes("matrix_square", a=a, result=result)
        elementwise(self.pool, lambda one, target: np.square(one, out=target), a, result)

    # --- vectors along rows and columns ---

    def matrix_add_vector(
        self, matrix: HostArray, vec: HostArray, result: HostArray, *, axis: int, scale_vec: float = 1.0
    ) -> None:
        scaled = vec if scale_vec == 1 else np.multiply(vec, np.float32(scale_vec))
        self._with_vector("matrix_add_vector", np.add, matrix, scaled, result, axis)

    def matrix_mult_vector(self, matrix: HostArray, vec: HostArray, result: HostArray, *, axis: int) -> None:
        self._with_vector("matrix_mult_vector", np.multiply, matrix, vec, result, axis)

    def matrix_divide_vector(
        self, matrix: HostArray, vec: HostArray, result: HostArray, *, axis: int
    ) -> None:
        self._with_vector("matrix_divide_vector", np.divide, matrix, vec, result, axis)

    def _with_vector(
        self,
        operation: str,
        function: np.ufunc,
        matrix: HostArray,
        vec: HostArray,
        result: HostArray,
        axis: int,
    ) -> None:
        check_axis(operation, matrix, axis)
        same_shapes(operation, matrix=matrix, result=result)
        check_vector(operation, matrix, vec, axis)
        line = vec.reshape(-1)
        rows, columns = matrix.shape
        step_x = min(columns, BLOCK) or 1
        step_y = max(1, BLOCK // step_x)
        tiles = [(y, x) for y in spans(rows, step_y) for x in spans(columns, step_x)]

        def work(tile: tuple[slice, slice]) -> None:
            operand = line[tile[0], None] if axis == 0 else line[tile[1]]
            function(matrix[tile], operand, out=result[tile])

        self.pool.map(quiet(work), tiles, small=matrix.size <= BLOCK)

    # --- reductions ---

    def _reduce(self, function: np.ufunc, matrix: HostArray, axis: int) -> HostArray:
        """One number for each column (axis 0) or row (axis 1); long rows in pieces, and then the pieces."""
        rows, columns = matrix.shape
        if axis == 0:
            result = np.empty(columns, np.float32)

            def along_columns(span: slice) -> None:
                function.reduce(matrix[:, span], axis=0, out=result[span])

            self.pool.map(quiet(along_columns), spans(columns, 1 << 12), small=matrix.size < LONG)
            return result
        pieces = -(-columns // LONG)
        partial = np.empty((rows, pieces), np.float32)
        tiles = [(y, x) for y in spans(rows, max(1, LONG // columns)) for x in range(pieces)]

        def along_rows(tile: tuple[slice, int]) -> None:
            y, x = tile
            function.reduce(matrix[y, x * LONG : (x + 1) * LONG], axis=1, out=partial[y, x])

        self.pool.map(quiet(along_rows), tiles, small=matrix.size < LONG)
        with np.errstate(all="ignore"):
            return partial[:, 0] if pieces == 1 else function.reduce(partial, axis=1)

    def matrix_add_sum(
        self,
        matrix: HostArray,
        vec: HostArray,
        *,
        axis: int,
        scale_this: float = 0.0,
        scale_sum: float = 1.0,
    ) -> None:
        check_reduction("matrix_add_sum", matrix, vec, axis)
        line = vec.reshape(-1)
        if axis == 1 and matrix.shape[1] == 1:  # the original copies, and ignores both scales
            np.copyto(line, matrix[:, 0])
        else:
            combine(line, self._reduce(np.add, matrix, axis), scale_this, scale_sum)

    def matrix_sum(self, matrix: HostArray, result: HostArray, *, axis: int) -> None:
        check_reduction("matrix_sum", matrix, result, axis)
        line = result.reshape(-1)
        np.copyto(line, self._reduce(np.add, matrix, axis))

    def matrix_max(self, matrix: HostArray, result: HostArray, *, axis: int) -> None:
        self._extreme("matrix_max", np.maximum, matrix, result, axis)

    def matrix_min(self, matrix: HostArray, result: HostArray, *, axis: int) -> None:
        self._extreme("matrix_min", np.minimum, matrix, result, axis)

    def _extreme(
        self, operation: str, function: np.ufunc, matrix: HostArray, result: HostArray, axis: int
    ) -> None:
        check_reduction(operation, matrix, result, axis)
        line = result.reshape(-1)
        np.copyto(line, self._reduce(function, matrix, axis))
        settle_zeros(matrix, line, axis, largest=function is np.maximum)

    def matrix_total_sum(self, matrix: HostArray) -> float:
        return self._total("matrix_total_sum", np.add, matrix)

    def matrix_total_max(self, matrix: HostArray) -> float:
        return self._total("matrix_total_max", np.maximum, matrix)

    def matrix_total_min(self, matrix: HostArray) -> float:
        return self._total("matrix_total_min", np.minimum, matrix)

    def _total(self, operation: str, function: np.ufunc, matrix: HostArray) -> float:
        check_not_empty(operation, matrix)
        return float(self._reduce(function, matrix.reshape(-1)[None, :], 1)[0])

    def matrix_dot(self, a: HostArray, b: HostArray) -> float:
        same_shapes("matrix_dot", a=a, b=b)
        one, other = a.reshape(-1), b.reshape(-1)

        def work(span: slice) -> np.float32:
            part = self.pool.scratch("scaled matrix", one[span].shape)
            total: np.float32 = np.add.reduce(np.multiply(one[span], other[span], out=part))
            return total

        parts = self.pool.map(quiet(work), spans(one.size, BLOCK), small=one.size < LONG)
        return float(np.sum(np.array(parts, np.float32)))

    def matrix_transpose(self, matrix: HostArray, result: HostArray) -> None:
        check_transpose("matrix_transpose", matrix, result)
        tiles = [(y, x) for y in spans(matrix.shape[0], 256) for x in spans(matrix.shape[1], 256)]

        def work(tile: tuple[slice, slice]) -> None:
            y, x = tile
            np.copyto(result[x, y], matrix[y, x].T)

        self.pool.map(work, tiles, small=matrix.size < LONG)

    def matrix_tile(self, matrix: HostArray, result: HostArray) -> None:
        check_tile("matrix_tile", matrix, result)
        (height, width), (down, across) = matrix.shape, np.floor_divide(result.shape, matrix.shape)
        np.copyto(result.reshape(down, height, across, width), matrix[None, :, None, :])
