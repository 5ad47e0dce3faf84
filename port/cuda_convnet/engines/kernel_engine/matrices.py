"""Matrices of a KernelEngine: elementwise arithmetic, vectors, sums and extremes, products, transposes."""

from __future__ import annotations

from math import prod

import numpy as np

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table import matrices as table
from cuda_convnet.engines.operations import Array, HostArray
from cuda_convnet.engines.shapes import (
    check_axis,
    check_not_empty,
    check_product,
    check_reduction,
    check_tile,
    check_transpose,
    check_vector,
    same_shapes,
)


class MatrixOperations:
    """The matrices of a KernelEngine, which supplies `device`."""

    device: Device

    # --- elementwise ---

    def matrix_add(
        self, a: Array, b: Array, result: Array, *, scale_a: float = 1.0, scale_b: float = 1.0
    ) -> None:
        same_shapes("matrix_add", a=a, b=b, result=result)
        size = prod(a.shape)
        launch = table.elementwise("elementwise.cu", "matrix_add", size, scale_a == 1)
        scales = float(scale_a), float(scale_b)
        self.device.launch(launch, a, b, result, *scales, np.uint64(size), fresh=[result])

    def matrix_scale(self, a: Array, result: Array, *, scale: float) -> None:
        same_shapes("matrix_scale", a=a, result=result)
        size = prod(a.shape)
        launch = table.elementwise("elementwise.cu", "matrix_scale", size)
        self.device.launch(launch, a, result, float(scale), np.uint64(size), fresh=[result])

    def matrix_mult(self, a: Array, b: Array, result: Array, *, add: bool = False) -> None:
        same_shapes("matrix_mult", a=a, b=b, result=result)
        size = prod(a.shape)
        launch = table.elementwise("elementwise.cu", "matrix_mult", size, add)
        self.device.launch(launch, a, b, result, np.uint64(size), fresh=[] if add else [result])

    def matrix_square(self, a: Array, result: Array) -> None:
        same_shapes("matrix_square", a=a, result=result)
        size = prod(a.shape)
        launch = table.elementwise("elementwise.cu", "matrix_square", size)
        self.device.launch(launch, a, result, np.uint64(size), fresh=[result])

    # --- vectors along rows and columns ---

    def matrix_add_vector(
        self, matrix: Array, vec: Array, result: Array, *, axis: int, scale_vec: float = 1.0
    ) -> None:
        self._with_vector("matrix_add_vector", "AddScaled", matrix, vec, result, axis, float(scale_vec))

    def matrix_mult_vector(self, matrix: Array, vec: Array, result: Array, *, axis: int) -> None:
        self._with_vector("matrix_mult_vector", "Multiply", matrix, vec, result, axis)

    def matrix_divide_vector(self, matrix: Array, vec: Array, result: Array, *, axis: int) -> None:
        self._with_vector("matrix_divide_vector", "Divide", matrix, vec, result, axis)

    def _with_vector(
        self,
        operation: str,
        operator: str,
        matrix: Array,
        vec: Array,
        result: Array,
        axis: int,
        scale: float = 1.0,
    ) -> None:
        check_axis(operation, matrix, axis)
        same_shapes(operation, matrix=matrix, result=result)
        check_vector(operation, matrix, vec, axis)
        height, width = matrix.shape
        launch = table.matrix_vector(operator, height, width, per_row=axis == 0)
        self.device.launch(launch, matrix, vec, result, scale, height, width, fresh=[result])

    # --- sums and extremes ---

    def matrix_add_sum(
        self, matrix: Array, vec: Array, *, axis: int, scale_this: float = 0.0, scale_sum: float = 1.0
    ) -> None:
        check_reduction("matrix_add_sum", matrix, vec, axis)
        finish = "Scale" if scale_this == 0 else "Accumulate"
        self._aggregate("Sum", finish, matrix, vec, axis, float(scale_this), float(scale_sum))

    def matrix_sum(self, matrix: Array, result: Array, *, axis: int) -> None:
        check_reduction("matrix_sum", matrix, result, axis)
        self._aggregate("Sum", "Replace", matrix, result, axis)

    def matrix_max(self, matrix: Array, result: Array, *, axis: int) -> None:
        check_reduction("matrix_max", matrix, result, axis)
        self._aggregate("Max", "Replace", matrix, result, axis)

    def matrix_min(self, matrix: Array, result: Array, *, axis: int) -> None:
        check_reduction("matrix_min", matrix, result, axis)
        self._aggregate("Min", "Replace", matrix, result, axis)

    def _aggregate(
        self,
        aggregate: str,
        finish: str,
        matrix: Array,
        vec: Array,
        axis: int,
        scale_this: float = 0.0,
        scale_sum: float = 1.0,
    ) -> None:
        height, width = matrix.shape
        if axis == 1 and width == 1:  # a copy in the original, too, whatever the scales
            self.device.copy(matrix, vec)
            return
        launch = table.aggregate(aggregate, finish, height, width, axis=axis)
        fresh = [] if finish == "Accumulate" else [vec]
        self.device.launch(launch, matrix, vec, height, width, scale_this, scale_sum, fresh=fresh)

    def matrix_total_sum(self, matrix: Array) -> float:
        check_not_empty("matrix_total_sum", matrix)
        return self._sum_of(matrix)

    def matrix_total_max(self, matrix: Array) -> float:
        check_not_empty("matrix_total_max", matrix)
        return float(self._few_left("Max", matrix).max())

    def matrix_total_min(self, matrix: Array) -> float:
        check_not_empty("matrix_total_min", matrix)
        return float(self._few_left("Min", matrix).min())

    def matrix_dot(self, a: Array, b: Array) -> float:
        same_shapes("matrix_dot", a=a, b=b)
        size = prod(a.shape)
        if size == 0:
            return 0.0
        launch = table.total("dot_product", size)
        partial = self.device.empty((launch.grid[0],))
        columns = np.uint64(table.total_columns(size))
        self.device.launch(launch, a, b, partial, columns, np.uint64(size), fresh=[partial])
        return self._sum_of(partial)

    def _sum_of(self, matrix: Array) -> float:
        numbers = self._few_left("Sum", matrix)
        return float(np.add.accumulate(numbers)[-1])  # one after another, as the original's host does

    def _few_left(self, aggregate: str, matrix: Array) -> HostArray:
        """Numbers with the same aggregate as the matrix, so few that the rest is the host's."""
        while (size := prod(matrix.shape)) > table.HOST_TOTAL:
            launch = table.total("aggregate_all", size, aggregate)
            partial = self.device.empty((launch.grid[0],))
            columns = np.uint64(table.total_columns(size))
            self.device.launch(launch, matrix, partial, columns, np.uint64(size), fresh=[partial])
            matrix = partial
        return self.device.to_host(matrix).reshape(-1)

    # --- products, transposes ---

    def matrix_add_product(
        self,
        a: Array,
        b: Array,
        result: Array,
        *,
        trans_a: bool = False,
        trans_b: bool = False,
        scale_this: float = 0.0,
        scale_ab: float = 1.0,
    ) -> None:
        check_product("matrix_add_product", a, b, result, trans_a=trans_a, trans_b=trans_b)
        self.device.sgemm(a, b, result, trans_a=trans_a, trans_b=trans_b, alpha=scale_ab, beta=scale_this)

    def matrix_transpose(self, matrix: Array, result: Array) -> None:
        check_transpose("matrix_transpose", matrix, result)
        launch = table.transpose(*matrix.shape)
        self.device.launch(launch, matrix, result, *matrix.shape, fresh=[result])

    def matrix_tile(self, matrix: Array, result: Array) -> None:
        check_tile("matrix_tile", matrix, result)
        launch = table.elementwise("tile.cu", "matrix_tile", result.size)
        sizes = *matrix.shape, result.shape[1], np.uint64(result.size)
        self.device.launch(launch, matrix, result, *sizes, fresh=[result])
